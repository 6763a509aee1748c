#!/usr/bin/env python3
"""The official client in the dist tree, as its packages lie there or with the closure of its
libraries and a loader. A stand-in for it (tests/official) does all that the launcher must cope
with: it loads modules, executes its argv[0] as a cache manager, prints to its standard output,
reports by the end of its first process, stays as a daemon with a watchdog, and has work to do again
when it was not ended in order."""

import os
import shutil
import signal

import harness
from harness import expect_equal, expect_in, test
from launchtree import (NAMED, OFFICIAL_CACHE, PROGRAMS, Tree, official_tree,
                        wait_for_output, wait_until)

harness.require_fuse_userns()

# What a user's environment may hold, which is not for the client.
ENVIRONMENT = {"LD_LIBRARY_PATH": "/nowhere:/usr/lib", "CVMFS_LIBRARY_PATH": "/nowhere"}


def both_trees(**options):
    for with_loader in (False, True):
        yield official_tree(with_loader, **options)


def read(path):
    """A file's text; nothing when it is not there."""
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def expect_ended_in_order(tree):
    """Fails if any process of the client would have to make up for something at the next start."""
    wait_until(lambda: not tree.processes(), lambda: f"left: {tree.processes()}")
    expect_equal(tree.mounts(), [], "mounts")
    for name in ("rebuilds", "crashes"):
        expect_equal(read(tree.path(OFFICIAL_CACHE, name)), "", name)
    left = set(os.listdir(tree.path(OFFICIAL_CACHE)))
    expect_equal({name for name in left if "running" in name or name == "cachemgr"}, set())


SHOW = "cat /cvmfs/*/fqrn /cvmfs/*/libraries; ls /cvmfs; df -h 2>/dev/null | grep -c /cvmfs"


@test
def it_serves_repositories_and_ends_in_order():
    for tree in both_trees():
        for _ in range(2):
            result = tree.cvmfsexec("a.example.org", "b.example.org", "--", "sh", "-c", SHOW,
                                    env=ENVIRONMENT)
            expect_equal((result.status, result.stderr), (0, ""), str(result))
            names = ["a.example.org", "b.example.org"]
            lines = result.stdout.splitlines()
            expect_equal((lines[:2], lines[4:]), (names, [*names, "2"]), str(result))
            expect_ended_in_order(tree)


@test
def the_libraries_are_the_trees_also_those_of_the_cache_manager():
    for with_loader in (False, True):
        tree = official_tree(with_loader)
        result = tree.cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/libraries",
                                env=ENVIRONMENT)
        expect_ended_in_order(tree)
        for library in (result.stdout, read(tree.path(OFFICIAL_CACHE, "libraries"))):
            own = library.startswith(tree.path("dist/usr/lib64"))
            expect_equal(own, with_loader, f"the C library is {library!r}")


@test
def further_directories_of_libraries_are_searched():
    for place in ("lib64", "usr/lib"):
        for tree in both_trees():
            os.makedirs(tree.path("dist", place))
            os.rename(tree.path("dist/usr/lib64/libcvmfs_fuse3_private.so.1"),
                      tree.path("dist", place, "libcvmfs_fuse3_private.so.1"))
            result = tree.cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/fqrn")
            expect_equal(result.stdout, "a.example.org\n", f"{place}: {result}")
            expect_ended_in_order(tree)


@test
def one_cache_manager_serves_all_clients():
    for tree in both_trees():
        result = tree.cvmfsexec("a.example.org", "b.example.org", "--", "true")
        expect_equal(result.status, 0, str(result))
        expect_equal(len(read(tree.path(OFFICIAL_CACHE, "libraries")).splitlines()), 1)


@test
def what_it_prints_does_not_reach_the_callers_output():
    for tree in both_trees():
        result = tree.cvmfsexec("a.example.org", "--", "true")
        expect_equal((result.status, result.stdout, result.stderr), (0, "", ""))


@test
def a_repository_mounted_from_inside_is_unmounted_in_order():
    for tree in both_trees():
        result = tree.cvmfsexec("--", "bash", "-c",
                                '"$CVMFSMOUNT" a.example.org && cat /cvmfs/*/fqrn && '
                                '"$CVMFSUMOUNT" a.example.org && "$CVMFSMOUNT" b.example.org && '
                                'cat /cvmfs/*/fqrn')
        expect_equal(result.stdout, "a.example.org\nb.example.org\n", str(result))
        expect_ended_in_order(tree)


@test
def a_job_that_is_terminated_too_ends_it_in_order():
    for tree in both_trees():
        process = tree.start("a.example.org", "--", "sh", "-c", "echo ready; exec sleep 1000")
        wait_for_output(process, b"ready\n")
        process.signal(signal.SIGTERM)
        expect_equal(process.wait().status, 128 + signal.SIGTERM)
        expect_ended_in_order(tree)


@test
def files_in_use_do_not_keep_it_from_ending_in_order():
    for tree in both_trees():
        result = tree.cvmfsexec("a.example.org", "--", "sh", "-c",
                                "setsid sleep 1000 </cvmfs/a.example.org/fqrn & true")
        expect_equal(result.status, 0, str(result))
        expect_ended_in_order(tree)


@test
def where_a_new_proc_is_refused_it_ends_in_order_too():
    user = harness.ORDINARY
    masked = ["unshare", "-Urm", "/bin/sh", "-c", "mount --bind /dev/null /proc/version && "
              f'exec unshare -U --map-user={user.uid} --map-group={user.gid} "$@"', "sh"]
    for tree in both_trees():
        result = harness.run([*masked, *tree.command("a.example.org", "--", "cat",
                                                     "/cvmfs/a.example.org/fqrn")],
                             user=tree.user, cwd="/")
        expect_equal((result.status, result.stdout), (0, "a.example.org\n"), str(result))
        expect_ended_in_order(tree)


@test
def after_a_kill_nothing_is_left_but_the_work_of_the_next_start():
    for tree in both_trees():
        process = tree.start("a.example.org", "--", "sh", "-c", "echo ready; sleep 1000")
        wait_for_output(process, b"ready\n")
        process.signal(signal.SIGKILL)
        wait_until(lambda: not tree.processes(), lambda: f"left: {tree.processes()}")
        expect_equal(tree.mounts(), [])
        result = tree.cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/fqrn")
        expect_equal(result.stdout, "a.example.org\n", str(result))
        expect_equal(read(tree.path(OFFICIAL_CACHE, "rebuilds")),
                     "the index of the cache\na.example.org\n")


@test
def a_tree_without_its_libraries_says_which_is_missing():
    tree = official_tree(False)
    os.unlink(tree.path("dist/usr/lib64/libcvmfs_fuse3_private.so.1"))
    result = tree.cvmfsexec("a.example.org", "--", "true")
    expect_equal(result.status, 1)
    expect_in("libcvmfs_fuse3_private.so.1", result.stderr)


@test
def a_cache_manager_that_cannot_start_is_reported():
    tree = official_tree(True)
    # The cache manager is started by this name.
    os.rename(tree.path("cvmfsexec"), tree.path("other"))
    result = harness.run([tree.path("other"), "a.example.org", "--", "true"], user=tree.user,
                         cwd="/")
    expect_equal((result.status, result.stdout), (12, ""), str(result))
    expect_in("cache manager did not start", result.stderr)


@test
def it_is_mounted_and_unmounted_with_fusermount_in_order():
    skip_without_fusermount()
    for tree in both_trees(user=NAMED):
        harness.at_end(tree.run, "umountrepo", "-z", "-a")
        for name in ("a.example.org", "b.example.org"):
            result = tree.run("mountrepo", name, env=ENVIRONMENT)
            expect_equal((result.status, result.stdout, result.stderr), (0, "", ""), str(result))
            result = harness.run(["cat", tree.path("dist/cvmfs", name, "fqrn")], user=tree.user)
            expect_equal(result.stdout, name + "\n", str(result))
        expect_equal(len(read(tree.path(OFFICIAL_CACHE, "libraries")).splitlines()), 1)
        expect_equal(tree.run("umountrepo", "-a").status, 0)
        expect_ended_in_order(tree)


@test
def it_is_mounted_outside_and_bound_inside_in_order():
    skip_without_fusermount()
    for tree in both_trees(user=NAMED):
        for _ in range(2):
            result = tree.cvmfsexec("a.example.org", "b.example.org", "--", "sh", "-c", SHOW,
                                    env={**ENVIRONMENT, "CVMFSEXEC_MODE": "2"})
            expect_equal((result.status, result.stderr), (0, ""), str(result))
            names = ["a.example.org", "b.example.org"]
            lines = result.stdout.splitlines()
            expect_equal((lines[:2], lines[4:]), (names, [*names, "2"]), str(result))
            expect_ended_in_order(tree)


@test
def mounted_outside_it_ends_in_order_when_the_job_is_terminated():
    skip_without_fusermount()
    for tree in both_trees(user=NAMED):
        process = tree.start("a.example.org", "--", "sh", "-c", "echo ready; exec sleep 1000",
                             env={"CVMFSEXEC_MODE": "2"})
        wait_for_output(process, b"ready\n")
        process.signal(signal.SIGTERM)
        expect_equal(process.wait().status, 128 + signal.SIGTERM)
        expect_ended_in_order(tree)


def skip_without_fusermount():
    if not shutil.which("fusermount3") and not shutil.which("fusermount"):
        harness.skip("no fusermount")
    with harness.scope():
        tree = Tree(user=NAMED)
        harness.at_end(tree.run, "umountrepo", "-z", "-a")
        result = tree.run("mountrepo", "a.example.org")
    if result.status:
        harness.skip(f"fusermount does not work here: {result.stderr}")


@test
def cvmfsexec_runs_the_client_for_a_client_only():
    tree = official_tree(True)
    result = tree.cvmfsexec("__nonsense__", "--", "true")
    expect_equal((result.status, result.stdout, result.stderr), (1, "", ""), "its own answer")
    expect_equal(sorted(os.listdir(tree.home)), sorted(["dist", *PROGRAMS]))


harness.main()
