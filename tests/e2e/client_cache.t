#!/usr/bin/env python3
"""The native client's cache directory: the official layout, several clients on it at once, its
limit, damage in it, and the settings that say where it is."""

import json
import os
import stat
import subprocess

import clienttest
import harness
from clienttest import SUMS, Visitor, check_readers, expected_sums, log_of, wait_until
from harness import ORDINARY, expect_equal, expect_in, test

harness.require_fuse_userns()

FQRN = "cache.example.org"
MIB = 1 << 20


def make(*entries: dict, options: tuple = (), fqrn: str = FQRN,
         into: harness.Repository | None = None) -> harness.Repository:
    """A repository of these entries."""
    name = os.path.join(harness.temporary_directory(), "entries")
    with open(name, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
    return harness.make_repository(fqrn, "--entries", name, *options, into=into)


def crowd(fqrn: str = FQRN) -> harness.Repository:
    """Files of many sizes, some in chunks, in a few catalogs."""
    entries = [{"path": f"/d{index % 5}/f{index}", "random": f"{index}", "size": 37 * index * index}
               for index in range(120)]
    return make(*entries, fqrn=fqrn, options=("--nested", "/d1", "--nested", "/d3",
                                              "--chunk-size", "64K/128K/256K"))


def new_cache() -> str:
    """A directory for CVMFS_CACHE_BASE."""
    return os.path.join(harness.temporary_directory(ORDINARY), "cache")


def objects(cache: str) -> dict[str, str]:
    """Paths of the objects in a cache directory, by textual hash."""
    return {os.path.basename(directory) + name: os.path.join(directory, name)
            for directory, _, names in os.walk(cache)
            for name in names if len(os.path.basename(directory)) == 2}


def mode(path: str) -> str:
    """Permission bits in octal."""
    return f"{stat.S_IMODE(os.stat(path).st_mode):04o}"


@test
def the_directory_has_the_official_layout():
    repository = make({"path": "/file", "content": "plain"}, {"path": "/n/file", "content": "x"},
                      {"path": "/shake/file", "content": "y"},
                      {"path": "/big", "random": "1", "size": 200_000},
                      options=("--nested", "/n", "--chunk-size", "64K", "--timestamp", "1700000000",
                               "--subtree", "/shake:hash=shake128"))
    cache = new_cache()
    visitor = Visitor(clienttest.mounted(repository, cache=cache))
    for name in ("file", "n/file", "shake/file", "big"):
        visitor.read(name)
    directory = os.path.join(cache, FQRN)
    found = objects(directory)
    with open(found[visitor.xattr("user.hash", "file")], "rb") as file:
        expect_equal(file.read(), b"plain")
    text = visitor.xattr("user.hash", "shake/file")
    expect_equal(found[text], f"{directory}/{text[:2]}/{text[2:]}")
    assert text.endswith("-shake128")
    chunks = [row.split(",")[0] for row in visitor.xattr("user.chunk_list", "big").split()[1:]]
    root_hash, certificate = (repository.manifest_field(key) for key in "CX")
    for text in (*chunks, root_hash, certificate):
        expect_equal((text, mode(found[text])), (text, "0600"))
        expect_equal(mode(os.path.dirname(found[text])), "0700")
    with open(found[root_hash], "rb") as file:
        expect_equal(file.read(15), b"SQLite format 3")
    breadcrumb = os.path.join(directory, "cvmfschecksum." + FQRN)
    with open(breadcrumb, encoding="ascii") as file:
        expect_equal(file.read(), f"{root_hash}T1700000000R1")
    expect_equal(mode(breadcrumb), "0600")
    wait_until(lambda: os.path.exists(directory + "/.cvmfscache"), "the mark of a whole structure")
    expect_equal(os.stat(directory + "/.cvmfscache").st_size, 0)
    names = set(os.listdir(directory))
    assert names >= {f"{number:02x}" for number in range(256)} | {"txn", "quarantaine"}
    expect_equal(os.listdir(directory + "/txn"), [])


@test
def eight_readers_get_everything_right_cold_and_warm():
    repository = crowd()
    want = expected_sums(repository)
    cache = new_cache()
    for _ in ("cold", "warm"):
        mount = clienttest.mounted(repository, cache=cache)
        check_readers([mount], want, 8)
        expect_equal(mount.xattr("user.nioerr"), b"0")
        mount.unmount()


@test
def four_clients_fill_one_cache_at_once_and_right():
    repository = crowd()
    server = harness.FaultServer(repository.webroot)
    cache = new_cache()
    mounts = [clienttest.mounted(repository, server, cache=cache) for _ in range(4)]
    check_readers(mounts, expected_sums(repository), 2)
    for text in objects(cache):
        assert any(os.path.exists(repository.object_path(text, suffix))
                   for suffix in ("", "P", "C", "X")), text
    wait_until(lambda: os.listdir(f"{cache}/{FQRN}/txn") == [], "the end of all transactions")


@test
def two_repositories_share_a_cache():
    first, second = crowd(), crowd("other.example.org")
    cache = new_cache()
    mounts = [clienttest.mounted(repository, cache=cache, CVMFS_SHARED_CACHE="yes")
              for repository in (first, second)]
    for mount, repository in zip(mounts, (first, second)):
        check_readers([mount], expected_sums(repository), 2)
    expect_equal(os.listdir(cache), ["shared"])
    for repository in (first, second):
        with open(f"{cache}/shared/cvmfschecksum.{repository.fqrn}", encoding="ascii") as file:
            expect_in(repository.manifest_field("C"), file.read())
    # What both have is there once: a second client of the first finds all of it.
    server = harness.FaultServer(first.webroot)
    again = clienttest.mounted(first, server, cache=cache, CVMFS_SHARED_CACHE="yes")
    check_readers([again], expected_sums(first), 1)
    expect_equal(server.count("/data/"), 0)


@test
def a_client_sees_the_revision_that_another_one_brought():
    repository = make({"path": "/file", "content": "1"}, options=("--ttl", "3600"))
    cache = new_cache()
    clienttest.mounted(repository, cache=cache)
    make({"path": "/file", "content": "2"}, options=("--ttl", "1"), into=repository)
    os.utime(f"{cache}/{FQRN}/cvmfschecksum.{FQRN}", (0, 0))  # confirmed long ago
    expect_equal(clienttest.mounted(repository, cache=cache).read("/file"), b"2")
    refused = harness.RefusedPort().url + "/cvmfs/@fqrn@"
    expect_equal(clienttest.mounted(repository, refused, cache=cache).read("/file"), b"2")


@test
def the_limit_is_kept_and_reading_goes_on():
    files = [{"path": f"/f{number}", "random": f"{number}", "size": MIB} for number in range(24)]
    repository = make(*files, options=("--compression", "none"))
    cache = new_cache()
    mount = clienttest.mounted(repository, cache=cache, CVMFS_QUOTA_LIMIT="8")
    visitor = Visitor(mount)
    with open(repository.manifest, encoding="utf-8") as lines:
        sums = {entry["path"]: entry.get("sha256") for entry in map(json.loads, lines)}
    held = visitor.do("held = open('f0', 'rb', buffering=0); start = held.read(1000)")
    for turn in range(2):
        for number in range(24):
            expect_equal(visitor.value(f"hashlib.sha256(open('f{number}', 'rb').read())"
                                       ".hexdigest()"), sums[f"/f{number}"])
            size = sum(os.stat(path).st_size for path in objects(cache).values())
            assert size <= 9 * MIB, size
    expect_equal(visitor.value("len(start + held.readall())"), MIB)
    expect_equal(held, None)
    used = visitor.value("(lambda s: (s.f_blocks - s.f_bfree) * 512)(os.statvfs('.'))")
    assert used <= 8 * MIB, used
    expect_equal(mount.xattr("user.nioerr"), b"0")
    # The root catalog stays, whatever its age: without it there is no mount offline.
    assert repository.manifest_field("C") in objects(cache)


@test
def an_object_larger_than_half_of_the_limit_is_enospc():
    repository = make({"path": "/large", "random": "1", "size": 3 * MIB},
                      {"path": "/right", "random": "2", "size": 2 * MIB},
                      {"path": "/chunked/large", "random": "3", "size": 3 * MIB},
                      options=("--chunk-size", "off", "--subtree", "/chunked:chunk-size=1M"))
    visitor = Visitor(clienttest.mounted(repository, CVMFS_QUOTA_LIMIT="4"))
    expect_equal(visitor.failure("open('large', 'rb').read()"), "ENOSPC")
    expect_equal(visitor.value("len(open('right', 'rb').read())"), 2 * MIB)
    expect_equal(visitor.value("len(open('chunked/large', 'rb').read())"), 3 * MIB)


@test
def an_unmanaged_cache_has_no_limit():
    repository = make({"path": "/large", "random": "1", "size": 3 * MIB},
                      options=("--chunk-size", "off"))
    for limit in ("0", "-1"):
        visitor = Visitor(clienttest.mounted(repository, CVMFS_QUOTA_LIMIT=limit))
        expect_equal(visitor.value("len(open('large', 'rb').read())"), 3 * MIB)


@test
def an_alien_cache_is_for_the_group():
    repository = make({"path": "/file", "content": "shared"})
    cache, alien = new_cache(), new_cache()
    settings = {"CVMFS_ALIEN_CACHE": alien, "CVMFS_QUOTA_LIMIT": "-1"}
    mount = clienttest.mounted(repository, cache=cache, **settings)
    expect_equal(mount.read("/file"), b"shared")
    for path in objects(alien).values():
        expect_equal((mode(path), mode(os.path.dirname(path))), ("0660", "0770"))
    expect_equal(mode(alien), "0770")
    expect_equal(mode(f"{alien}/cvmfschecksum.{FQRN}"), "0600")
    expect_in("Cache directory structure created.", log_of(mount))
    refused = harness.RefusedPort().url + "/cvmfs/@fqrn@"
    expect_equal(clienttest.mounted(repository, refused, **settings).read("/file"), b"shared")


@test
def settings_that_exclude_each_other_end_the_client_with_status_2():
    repository = make({"path": "/file", "content": "x"})
    alien = new_cache()
    for settings, message in (
            ({"CVMFS_ALIEN_CACHE": alien, "CVMFS_QUOTA_LIMIT": "-1", "CVMFS_SHARED_CACHE": "yes"},
             "Failure: shared local disk cache and alien cache mutually exclusive. "
             "Please turn off shared local disk cache. (2 - illegal options)"),
            ({"CVMFS_ALIEN_CACHE": alien, "CVMFS_QUOTA_LIMIT": "100"},
             "Failure: quota management and alien cache mutually exclusive. "
             "Please turn off quota limit. (2 - illegal options)"),
            ({"CVMFS_CACHE_DIR": alien}, "(2 - illegal options)")):
        mount = clienttest.mounted(repository, check=False, **settings)
        expect_equal((settings, mount.result.status), (settings, 2))
        expect_in(message, mount.result.stderr)


@test
def the_directory_can_be_given_as_it_is():
    repository = make({"path": "/file", "content": "x"})
    server = harness.FaultServer(repository.webroot)
    cache = new_cache()
    config = harness.client_config(repository, server, settings={"CVMFS_CACHE_DIR": cache},
                                   without=["CVMFS_CACHE_BASE"])
    harness.mount(FQRN, config).read("/file")
    assert os.path.exists(f"{cache}/cvmfschecksum.{FQRN}")


@test
def a_directory_that_cannot_be_made_ends_the_client_with_status_9():
    repository = make({"path": "/file", "content": "x"})
    for cache in ("/proc/cache", repository.public_key, repository.public_key + "/below"):
        mount = clienttest.mounted(repository, check=False, cache=cache)
        expect_equal(mount.result.status, 9)
        expect_in(cache, mount.result.stderr)
        expect_in("(9 - cache directory/plugin problem)", mount.result.stderr)


@test
def a_truncated_object_is_fetched_again():
    repository = make({"path": "/file", "random": "1", "size": 50_000},
                      {"path": "/big", "random": "2", "size": 300_000},
                      options=("--chunk-size", "64K"))
    cache = new_cache()
    first = clienttest.mounted(repository, cache=cache)
    check_readers([first], expected_sums(repository), 1)
    first.unmount()
    catalogs = {repository.manifest_field(key) for key in "CX"}
    for text, path in objects(cache).items():
        if text not in catalogs:
            os.truncate(path, os.stat(path).st_size // 2)
    check_readers([clienttest.mounted(repository, cache=cache)], expected_sums(repository), 1)


@test
def a_damaged_catalog_or_certificate_is_fetched_again():
    repository = make({"path": "/file", "content": "x"}, {"path": "/n/file", "content": "y"},
                      options=("--nested", "/n"))
    cache = new_cache()
    first = clienttest.mounted(repository, cache=cache)
    first.read("/n/file")
    first.unmount()
    for damage in (lambda path: os.truncate(path, 0),
                   lambda path: os.truncate(path, 1500),
                   lambda path: open(path, "r+b").write(b"\0" * 4096)):
        for path in objects(cache).values():
            damage(path)
        os.utime(f"{cache}/{FQRN}/cvmfschecksum.{FQRN}", (0, 0))
        mount = clienttest.mounted(repository, cache=cache)
        visitor = Visitor(mount)
        expect_equal(visitor.value("sorted(os.listdir('.'))"), ["file", "n"])
        expect_equal(visitor.value("os.listdir('n')"), ["file"])
        visitor.leave()
        mount.unmount()


@test
def a_damaged_breadcrumb_counts_as_none():
    repository = make({"path": "/file", "content": "x"})
    cache = new_cache()
    clienttest.mounted(repository, cache=cache).unmount()
    for content in (b"", b"garbage", b"\0" * 100, b"1234T5R6", b"f" * 40):
        with open(f"{cache}/{FQRN}/cvmfschecksum.{FQRN}", "wb") as file:
            file.write(content)
        mount = clienttest.mounted(repository, cache=cache)
        expect_equal(mount.read("/file"), b"x")
        mount.unmount()


@test
def older_forms_of_the_breadcrumb_are_understood():
    repository = make({"path": "/file", "content": "x"})
    cache = new_cache()
    clienttest.mounted(repository, cache=cache).unmount()
    root_hash = repository.manifest_field("C")
    refused = harness.RefusedPort().url + "/cvmfs/@fqrn@"
    for content in (root_hash, root_hash + "T1600000000", root_hash + "T1600000000R1"):
        with open(f"{cache}/{FQRN}/cvmfschecksum.{FQRN}", "w", encoding="ascii") as file:
            file.write(content)
        mount = clienttest.mounted(repository, refused, cache=cache)
        expect_equal(mount.xattr("user.root_hash").decode(), root_hash)
        mount.unmount()


@test
def a_cache_that_vanishes_under_a_mount_is_made_again():
    repository = make({"path": "/a", "content": "a"}, {"path": "/b", "content": "b"})
    cache = new_cache()
    visitor = Visitor(clienttest.mounted(repository, cache=cache))
    visitor.read("a")
    wait_until(lambda: os.path.exists(f"{cache}/{FQRN}/.cvmfscache"), "the whole structure")
    harness.run(["sh", "-c", f"rm -rf {cache}/{FQRN}/*"], check=True)
    expect_equal(visitor.read("b"), b"b")


@test
def a_killed_client_leaves_a_cache_that_works():
    repository = crowd()
    cache = new_cache()
    for _ in range(3):
        sandbox = harness.Sandbox()
        mount = clienttest.mounted(repository, cache=cache, sandbox=sandbox)
        reader = mount.start(["python3", "-c", SUMS], stdout=subprocess.DEVNULL)
        wait_until(lambda: objects(cache) or not reader.running(), "the first objects")
        for number in sandbox.processes("cvmfs2"):
            sandbox.run(["kill", "-9", str(number)])
        reader.wait(30)
        sandbox.close()
    check_readers([clienttest.mounted(repository, cache=cache)], expected_sums(repository), 2)


harness.main()
