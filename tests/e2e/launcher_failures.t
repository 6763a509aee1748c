#!/usr/bin/env python3
"""A repository that cannot be mounted: each kind of failure has a status that is not 0, one reason on
standard error and the lines that the client has added to its log; and nothing is left.

The client is our own. What a client that misbehaves makes of it is in launcher_mounts.t.
"""

import os
import shlex
import shutil
import signal

import harness
from harness import expect_equal, expect_in, test
from launchtree import NAMED, Tree, wait_until

harness.require_fuse_userns()

FQRN = "a.example.org"
GONE = "http://127.0.0.1:1/cvmfs/@fqrn@"


def tree_of(repository, *parameters, url=None, **options):
    """A tree with our own client, configured for a repository on a server."""
    server = url or harness.server_url(harness.FaultServer(repository.webroot))
    tree = Tree(parameters=[
        f"CVMFS_SERVER_URL={server}", "CVMFS_HTTP_PROXY=DIRECT",
        f"CVMFS_PUBLIC_KEY={repository.public_key}", "CVMFS_CACHE_BASE=/var/lib/cvmfs",
        "CVMFS_RELOAD_SOCKETS=/var/run/cvmfs", "CVMFS_CLAIM_OWNERSHIP=no", "CVMFS_MAX_RETRIES=0",
        "CVMFS_BACKOFF_INIT=0", "CVMFS_TIMEOUT_DIRECT=2", *parameters], **options)
    tree.use_native_client()
    return tree


def repository_a():
    return harness.make_repository(FQRN, files={"f": "x"})


def expect_failure(result, status, *words):
    expect_equal((result.status, result.stdout), (status, ""), str(result))
    for word in words:
        expect_in(word, result.stderr)


def expect_told(tree, status, *words, fqrn=FQRN):
    """The job is not started; the same reason comes from a request and, with its log, to stderr."""
    result = tree.cvmfsexec(fqrn, "--", "echo", "started")
    log = tree.path(f"log/{fqrn}.log")
    expect_failure(result, status, f"cvmfsexec: mounting {fqrn} failed\n", *words, f"{log}:\n")
    with open(log) as file:
        last = file.read().splitlines()[-1]
    expect_in(last, result.stderr)
    expect_in(f" ({fqrn}) ", last)
    result = tree.cvmfsexec("--", "/bin/sh", "-c", f'"$CVMFSMOUNT" {fqrn}; exit $?')
    expect_failure(result, status, f"mountrepo: mounting {fqrn} failed\n", *words, f"{log}:\n")


@test
def a_server_that_cannot_be_reached():
    expect_told(tree_of(repository_a(), url=GONE), 16, "127.0.0.1:1", "host connection problem")


@test
def a_repository_that_is_not_there():
    expect_told(tree_of(repository_a()), 16, "nosuch.example.org/.cvmfspublished: status 404",
                fqrn="nosuch.example.org")


@test
def a_signature_of_somebody_else():
    other = harness.make_repository("b.example.org", files={"f": "x"})
    tree = tree_of(repository_a(), f"CVMFS_PUBLIC_KEY={other.public_key}")
    expect_told(tree, 16, "not signed by any of the public keys")


@test
def a_cache_that_cannot_be_written_to():
    tree = tree_of(repository_a())
    os.makedirs(tree.path("dist/var/lib/cvmfs"))
    tree.give_away("dist/var")
    os.chmod(tree.path("dist/var/lib/cvmfs"), 0o555)
    expect_told(tree, 9, tree.path("dist/var/lib/cvmfs"), "Permission denied")


@test
def a_disk_that_is_full():
    tree = tree_of(repository_a())
    cache = tree.path("dist/var/lib/cvmfs")
    os.makedirs(cache)
    tree.give_away("dist/var")
    command = shlex.join(tree.command(FQRN, "--", "echo", "started"))
    result = harness.run(["unshare", "-Urm", "/bin/sh", "-c",
                          f"cd {shlex.quote(cache)} && mount -t tmpfs -o size=64k none . && "
                          f"cd {shlex.quote(cache)} && "
                          f"! dd if=/dev/zero of=filler bs=4096 2>/dev/null && exec {command}"],
                         user=tree.user, cwd="/", timeout=120)
    assert result.status not in (0, 2), str(result)
    expect_failure(result, result.status, f"mounting {FQRN} failed", "No space left on device",
                   tree.path(f"log/{FQRN}.log") + ":\n")


@test
def a_program_whose_loader_is_missing():
    tree = tree_of(repository_a())
    client = tree.path("dist/usr/bin/cvmfs2")
    shutil.copy2(harness.program("cvmfs2"), client)
    with open(client, "rb") as file:
        image = file.read()
    with open(client, "wb") as file:
        file.write(image.replace(b"/ld-", b"/no-", 1))
    result = tree.cvmfsexec(FQRN, "--", "echo", "started")
    expect_failure(result, 1, f"mounting {FQRN} failed", client, "its loader /", "/no-",
                   tree.path("dist/usr/lib64"))


@test
def a_start_that_takes_too_long_ends_with_the_signal_and_says_how_far_it_came():
    repository = repository_a()
    server = harness.FaultServer(repository.webroot)
    server.stall("*/.cvmfspublished")
    tree = tree_of(repository, "CVMFS_TIMEOUT_DIRECT=600", url=harness.server_url(server))
    for count, number in enumerate((signal.SIGINT, signal.SIGTERM)):
        process = tree.start(FQRN, "--", "echo", "started")
        wait_until(lambda: server.count(".cvmfspublished") > count, lambda: "no request")
        process.signal(number)
        expect_failure(process.wait(), 128 + number, f"mounting {FQRN} was not finished")
        wait_until(lambda: not tree.processes(), lambda: f"left: {tree.processes()}")


@test
def a_mountrepo_that_takes_too_long_can_be_interrupted():
    tree = Tree(user=NAMED)
    harness.at_end(tree.run, "umountrepo", "-z", "-a")
    trial = tree.run("mountrepo", FQRN)
    if trial.status:
        harness.skip(f"fusermount does not work here: {trial.stderr}")
    process = harness.start([tree.path("mountrepo"), "hangs.example.org"], user=tree.user, cwd="/")
    wait_until(lambda: any("hangs.example.org" in words and "/dev/fd/3" in words for words in
                           tree.processes().values()), lambda: "no client")
    process.signal(signal.SIGINT)
    result = process.wait()
    expect_failure(result, 130, "mounting hangs.example.org was not finished")
    expect_equal(os.listdir(tree.path("dist/cvmfs")), [FQRN])
    assert not any("hangs.example.org" in words for words in tree.processes().values()), "it lives"


harness.main()
