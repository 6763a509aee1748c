#!/usr/bin/env python3
"""The native client and sudden ends: its own, its cache's, its server's, and that of what the
system has to give. Whatever comes back is right, and nothing half-done is left where it would be
trusted."""

import hashlib
import os
import random
import shutil
import signal
import subprocess

import clienttest
import faulttest
import harness
from faulttest import FILES, FQRN
from harness import expect_equal, expect_in, test

harness.require_fuse_userns()

MANY = "many.example.org"
ROUNDS = 10
# Reads every file of the mount in a random order of its own. Prints how many it tried, how many
# could not be read, and how many were not what their names say. Gives up after the fifth that
# fails, because a client pauses after each.
READER = r"""
import hashlib, os, random, sys
names = [os.path.join(d, f) for d, _, fs in os.walk(".") for f in fs]
random.Random(int(sys.argv[1])).shuffle(names)
tried = wrong = failed = 0
for name in names:
    if failed == 5:
        break
    tried += 1
    try:
        with open(name, "rb") as file:
            content = file.read()
    except OSError:
        failed += 1
        continue
    wrong += not os.path.basename(name).endswith(hashlib.sha256(content).hexdigest()[:16])
print(tried, failed, wrong)
"""
_many: list[harness.Repository] = []


def many() -> harness.Repository:
    """Some hundreds of files, each with the digest of its content in its name."""
    if not _many:
        files = {}
        generator = random.Random(1)
        for number in range(600):
            size = 400000 if number % 100 == 0 else generator.randrange(1, 9000)
            content = generator.randbytes(size)
            digest = hashlib.sha256(content).hexdigest()[:16]
            files[f"d{number % 30:02}/f{number:03}-{digest}"] = content
        _many.append(harness.make_repository(MANY, "--chunk-size", "100K", "--nested", "/d0*",
                                             files=files))
    return _many[0]


def read_all(mount: harness.Mount, seed: int = 0) -> tuple[int, int, int]:
    """Files tried, those that failed, and those with wrong content."""
    result = mount.run(["python3", "-c", READER, str(seed)], check=True, timeout=300)
    tried, failed, wrong = map(int, result.stdout.split())
    return tried, failed, wrong


def start_reading(mount: harness.Mount, seed: int) -> harness.Process:
    """The same without waiting for it."""
    return mount.start(["python3", "-c", READER, str(seed)])


def client_of(mount: harness.Mount) -> int:
    """Process id of the client, inside the sandbox."""
    clients = mount.sandbox.processes("cvmfs2")
    expect_equal(len(clients), 1, "processes of the client")
    return clients[0]


def kill_client(mount: harness.Mount) -> None:
    """SIGKILL, and the end of the mount."""
    mount.sandbox.run(["kill", "-KILL", str(client_of(mount))], check=True)
    clienttest.wait_until(lambda: not mount.sandbox.processes("cvmfs2"), "the client's end")
    mount.sandbox.run(["umount", "-l", mount.mountpoint], check=True)


def new_cache() -> str:
    """A value for CVMFS_CACHE_BASE."""
    return os.path.join(harness.temporary_directory(harness.ORDINARY), "cache")


@test
def a_client_that_is_killed_leaves_a_cache_that_the_next_one_can_use():
    repository, cache = many(), new_cache()
    server = harness.FaultServer(repository.webroot)
    moments = random.Random(2)
    for round_number in range(ROUNDS):
        mount = faulttest.mount(repository, server, cache=cache, check=True)
        readers = [start_reading(mount, 10 * round_number + number) for number in range(3)]
        for reader in readers:
            try:
                reader.popen.wait(0.1 + moments.random() * 0.15)
                break
            except subprocess.TimeoutExpired:
                pass
        kill_client(mount)
        for reader in readers:
            result = reader.wait()
            if result.stdout:
                expect_equal(result.stdout.split()[2], "0", "files with wrong content")
        faulttest.expect_good_cache(mount, repository)
    mount = faulttest.mount(repository, server, cache=cache, check=True)
    expect_equal(read_all(mount), (600, 0, 0))
    faulttest.expect_good_cache(mount, repository)


@test
def one_of_two_clients_of_a_cache_is_killed_and_the_other_goes_on():
    repository, cache = many(), new_cache()
    server = harness.FaultServer(repository.webroot)
    first = faulttest.mount(repository, server, cache=cache, check=True)
    second = faulttest.mount(repository, server, cache=cache, check=True)
    readers = [start_reading(mount, number) for number in range(2) for mount in (first, second)]
    clienttest.wait_until(lambda: server.count("/data/") > 50, "the first objects")
    kill_client(first)
    results = [reader.wait(120) for reader in readers]
    expect_equal([result.stdout.split() for result in results[1::2]], [["600", "0", "0"]] * 2)
    faulttest.expect_good_cache(second, repository)


@test
def whoever_reads_while_the_client_is_killed_gets_an_error():
    server = harness.FaultServer(faulttest.pristine().webroot)
    visitor = faulttest.visit(faulttest.pristine(), server, CVMFS_TIMEOUT_DIRECT="600")
    server.stall("*/data/*")
    reader = visitor.mount.start(["cat", "file"])
    clienttest.wait_until(lambda: server.count(faulttest.path_of("file")), "the request")
    kill_client(visitor.mount)
    result = reader.wait()
    assert result.status != 0 and not result.stdout, str(result)


def tmpfs_cache(size: str) -> tuple[harness.Sandbox, str, str]:
    """A sandbox with a cache on a file system of its own: the sandbox, CVMFS_CACHE_BASE, and where
    that is to be seen from outside."""
    sandbox = harness.Sandbox()
    harness.at_end(sandbox.close)
    base = harness.temporary_directory(harness.ORDINARY)
    sandbox.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", base], check=True)
    return sandbox, base, sandbox.root + base


def mount_in(sandbox: harness.Sandbox, server: object, base: str, outside: str,
             repository: harness.Repository, **settings: str) -> harness.Mount:
    """Mounts in this sandbox."""
    config = harness.client_config(repository, server, cache=base,
                                   settings={**faulttest.SETTINGS, **settings})
    mount = harness.mount(repository.fqrn, config, sandbox=sandbox, check=False)
    mount.config = config
    mount.cache = os.path.join(outside, repository.fqrn)
    return mount


def fill(sandbox: harness.Sandbox, base: str) -> None:
    """Leaves no room."""
    result = sandbox.run(["dd", "if=/dev/zero", f"of={base}/filler", "bs=4096"])
    expect_in("No space left", result.stderr)


@test
def a_full_disk_fails_what_does_not_fit_where_nothing_may_be_removed():
    sandbox, base, outside = tmpfs_cache("4m")
    server = harness.FaultServer(faulttest.pristine().webroot)
    mount = mount_in(sandbox, server, base, outside, faulttest.pristine(),
                     CVMFS_QUOTA_LIMIT="-1")
    visitor = clienttest.Visitor(mount)
    expect_equal(visitor.read("other"), FILES["other"])
    fill(sandbox, base)
    for path in ("file", "chunked", "plain/raw"):
        error = visitor.failure(f"open({path!r}, 'rb').read()")
        assert error in ("ENOSPC", "EIO"), f"{path}: {error}"
    assert visitor.failure("os.listdir('nested')") in ("ENOSPC", "EIO")
    expect_equal(visitor.read("other"), FILES["other"])
    faulttest.expect_good_cache(mount)
    expect_equal(faulttest.left_over(mount), [])
    expect_in("failed to fetch /file", clienttest.log_of(mount))
    expect_in("No space left on device", clienttest.log_of(mount))
    sandbox.run(["rm", f"{base}/filler"], check=True)
    for path, content in FILES.items():
        expect_equal(visitor.read(path), content, path)
    faulttest.expect_good_cache(mount)


def read_on_a_small_disk(**settings: str) -> list[tuple[int, int, int]]:
    """Four readers of more than the disk holds: how many files each has tried, how many of those
    failed, how many were wrong. The cache must hold whole objects only."""
    repository = many()
    sandbox, base, outside = tmpfs_cache("2m")
    server = harness.FaultServer(repository.webroot)
    mount = mount_in(sandbox, server, base, outside, repository, **settings)
    results = [reader.wait(200) for reader in [start_reading(mount, seed) for seed in range(4)]]
    assert faulttest.expect_good_cache(mount, repository) > 10
    expect_equal(faulttest.left_over(mount), [])
    return [tuple(map(int, result.stdout.split())) for result in results]


@test
def a_disk_that_becomes_full_while_objects_come_keeps_only_whole_ones():
    for tried, failed, wrong in read_on_a_small_disk(CVMFS_QUOTA_LIMIT="-1"):
        assert tried > failed and failed == 5 and wrong == 0, (tried, failed, wrong)


@test
def on_a_full_disk_a_cache_that_may_shrink_does_and_every_file_is_read():
    for result in read_on_a_small_disk():
        expect_equal(result, (600, 0, 0))


@test
def a_disk_that_is_full_from_the_start_is_named():
    sandbox, base, outside = tmpfs_cache("64k")
    fill(sandbox, base)
    server = harness.FaultServer(faulttest.pristine().webroot)
    mount = mount_in(sandbox, server, base, outside, faulttest.pristine())
    assert mount.result.status in (9, 16), str(mount.result)
    expect_in("No space left on device", mount.result.stderr)


@test
def a_cache_that_is_removed_under_a_mount_is_made_again():
    server = harness.FaultServer(faulttest.pristine().webroot)
    visitor = faulttest.visit(faulttest.pristine(), server)
    expect_equal(visitor.read("file"), FILES["file"])
    clienttest.wait_until(lambda: os.path.exists(os.path.join(visitor.mount.cache, ".cvmfscache")),
                          "the end of making directories")
    for what in ("", "../" + FQRN, ".."):
        target = os.path.normpath(os.path.join(visitor.mount.cache, what))
        if what:
            shutil.rmtree(target)
        else:
            for name in os.listdir(target):
                if len(name) == 2 or name == "txn":
                    shutil.rmtree(os.path.join(target, name))
        names = {"": "other", "../" + FQRN: "chunked", "..": "plain/raw"}
        expect_equal(visitor.read(names[what]), FILES[names[what]])
        expect_equal(visitor.read("file"), FILES["file"])
    expect_equal(visitor.read("nested/deeper/leaf"), FILES["nested/deeper/leaf"])
    assert faulttest.expect_good_cache(visitor.mount) > 0


@test
def what_lies_about_in_a_cache_does_no_harm():
    cache = new_cache()
    server = harness.FaultServer(faulttest.pristine().webroot)
    first = faulttest.mount(faulttest.pristine(), server, cache=cache, check=True)
    first.unmount()
    for name, content in (("cvmfschecksum." + FQRN, b"\0garbage\xff"), ("cvmfsexec.usage", b"?"),
                          ("txn/fetch0123456789abcdef", b"half of someth"), ("zz", b"neither")):
        path = os.path.join(first.cache, name)
        with open(path, "wb") as file:
            file.write(content)
        os.chown(path, harness.ORDINARY.uid, harness.ORDINARY.gid)
    os.utime(os.path.join(first.cache, "txn/fetch0123456789abcdef"), (0, 0))
    visitor = faulttest.visit(faulttest.pristine(), server, cache=cache)
    for path, content in FILES.items():
        expect_equal(visitor.read(path), content, path)
    expect_equal(faulttest.left_over(visitor.mount), [], "transactions of days ago")


@test
def few_descriptors_are_enough():
    repository = many()
    sandbox = harness.Sandbox()
    harness.at_end(sandbox.close)
    server = harness.FaultServer(repository.webroot)
    config = harness.client_config(repository, server, settings=faulttest.SETTINGS)
    mountpoint = harness.temporary_directory(harness.ORDINARY)
    sandbox.run(["prlimit", "--nofile=64:64", harness.program("cvmfs2"), "-o", f"config={config}",
                 MANY, mountpoint], check=True)
    mount = harness.Mount(sandbox, MANY, mountpoint, None)
    readers = [start_reading(mount, seed) for seed in range(16)]
    results = [reader.wait(200) for reader in readers]
    expect_equal([result.stdout.split() for result in results], [["600", "0", "0"]] * 16)


@test
def a_server_that_dies_under_many_readers_is_used_again_when_it_lives():
    if not harness.nginx_available():
        harness.skip("there is no nginx")
    repository = many()
    server = harness.NginxServer(repository.webroot)
    mount = faulttest.mount(repository, server, check=True)
    readers = [start_reading(mount, seed) for seed in range(8)]
    clienttest.wait_until(lambda: faulttest.expect_good_cache(mount, repository) > 20, "objects")
    server.stop()
    for reader in readers:
        tried, _, wrong = map(int, reader.wait(280).stdout.split())
        expect_equal((tried > 0, wrong), (True, 0))
    faulttest.expect_good_cache(mount, repository)
    expect_equal(faulttest.left_over(mount), [])
    revived = harness.NginxServer(repository.webroot, port=server.port)
    expect_equal(read_all(mount), (600, 0, 0))
    revived.stop()


@test
def a_client_that_is_told_to_end_unmounts():
    server = harness.FaultServer(faulttest.pristine().webroot)
    for number in (signal.SIGTERM, signal.SIGINT):
        mount = faulttest.mount(faulttest.pristine(), server, check=True)
        mount.sandbox.run(["kill", f"-{int(number)}", str(client_of(mount))], check=True)
        clienttest.wait_until(lambda: not mount.sandbox.processes("cvmfs2"), "its end")
        result = mount.sandbox.run(["mountpoint", "-q", mount.mountpoint])
        assert result.status != 0, "it is still mounted"
        expect_in(f"CernVM-FS: unmounted {mount.mountpoint} ({FQRN})", clienttest.log_of(mount))


faulttest.pristine()
many()
harness.main()
