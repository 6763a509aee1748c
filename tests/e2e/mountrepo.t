#!/usr/bin/env python3
"""mountrepo and umountrepo on the plain host: mounts under dist/cvmfs, through fusermount."""

import json
import os
import pwd
import signal
import time

import harness
from harness import expect_equal, expect_in, test
from launchtree import Tree, name_of, wait_until, why_no_fusermount

CONFIG = "config.example.org"


# fusermount wants a user with a name.
USER = harness.User(*pwd.getpwnam("nobody")[2:4]) if harness.ME.uid == 0 else harness.ME


def tree_to_mount_in(**options):
    """A tree whose mounts end with the test."""
    tree = Tree(user=USER, **options)
    harness.at_end(tree.run, "umountrepo", "-z", "-a")
    return tree


def rows(tree):
    """Type, source and name of what is mounted below dist/cvmfs, as glideinWMS looks for it."""
    listing = harness.run(["findmnt", "--json", "-t", "fuse", "-S", "/dev/fuse"]).stdout
    found = [(row["fstype"], row["source"], *os.path.split(row["target"]))
             for row in json.loads(listing or '{"filesystems": []}')["filesystems"]]
    return [(kind, source, name) for kind, source, directory, name in found
            if directory == tree.path("dist/cvmfs")]


@test
def a_repository_is_mounted_and_unmounted():
    tree = tree_to_mount_in()
    result = tree.run("mountrepo", "a.example.org")
    expect_equal((result.status, result.stdout, result.stderr), (0, "", ""))
    result = harness.run(["cat", tree.path("dist/cvmfs/a.example.org/fqrn")], user=tree.user)
    expect_equal(result.stdout, "a.example.org\n", str(result))
    result = tree.run("umountrepo", "a.example.org")
    expect_equal((result.status, result.stderr), (0, ""))
    tree.expect_nothing_left()
    expect_equal(os.listdir(tree.path("dist/cvmfs")), [])


@test
def it_shows_as_type_fuse_from_dev_fuse():
    tree = tree_to_mount_in()
    tree.run("mountrepo", "a.example.org")
    expect_equal(rows(tree), [("fuse", "/dev/fuse", "a.example.org")])


@test
def the_config_repository_is_mounted_first_and_unmounted_last():
    tree = tree_to_mount_in(config_repository=CONFIG)
    tree.run("mountrepo", "a.example.org")
    expect_equal([row[2] for row in rows(tree)], [CONFIG, "a.example.org"])
    expect_equal(tree.run("umountrepo", "-a").status, 0)
    expect_equal(rows(tree), [])
    tree.expect_nothing_left()


@test
def all_of_a_clean_tree_is_unmounted_without_an_error():
    tree = Tree()
    expect_equal(tree.run("umountrepo", "-a").status, 0)
    expect_equal(tree.run("umountrepo", "-z", "-a").status, 0)


@test
def mounting_twice_is_no_error_and_unmounting_what_is_not_mounted_is():
    tree = tree_to_mount_in()
    expect_equal([tree.run("mountrepo", "a.example.org").status for _ in range(2)], [0, 0])
    expect_equal(len(rows(tree)), 1)
    expect_equal([tree.run("umountrepo", "a.example.org").status for _ in range(2)], [0, 1])


@test
def a_repository_in_use_is_unmounted_lazily_only():
    tree = tree_to_mount_in()
    tree.run("mountrepo", "a.example.org")
    user = harness.start(
        ["/bin/sh", "-c", 'cd "$0" && exec sleep 1000', tree.path("dist/cvmfs/a.example.org")],
        user=tree.user)
    wait_until(lambda: name_of(user.pid) == "sleep", lambda: "it did not start")
    result = tree.run("umountrepo", "a.example.org")
    expect_equal(result.status, 1)
    expect_equal(len(rows(tree)), 1)
    expect_equal(tree.run("umountrepo", "-z", "a.example.org").status, 0)
    expect_equal(rows(tree), [])


@test
def a_mount_whose_client_is_gone_is_replaced():
    tree = tree_to_mount_in()
    tree.run("mountrepo", "a.example.org")
    (client,) = tree.processes()
    os.kill(client, signal.SIGKILL)
    wait_until(lambda: not tree.processes(), lambda: "the client lives")
    result = tree.run("mountrepo", "a.example.org")
    expect_equal(result.status, 0, str(result))
    result = harness.run(["cat", tree.path("dist/cvmfs/a.example.org/fqrn")], user=tree.user)
    expect_equal(result.stdout, "a.example.org\n", str(result))


def killed_client(tree, fqrn):
    """Mounts it, and kills its client."""
    before = set(tree.processes())
    tree.run("mountrepo", fqrn)
    (client,) = set(tree.processes()) - before
    os.kill(client, signal.SIGKILL)
    wait_until(lambda: client not in tree.processes(), lambda: "the client lives")


@test
def what_killed_runs_left_is_removed_by_the_next_and_what_lives_is_not():
    tree = tree_to_mount_in()
    tree.run("mountrepo", "lives.example.org")
    killed_client(tree, "dead.example.org")
    harness.run(["mkdir", tree.path("dist/cvmfs/empty.example.org")], user=tree.user, check=True)
    expect_equal(tree.run("mountrepo", "a.example.org").status, 0)
    expect_equal(sorted(os.listdir(tree.path("dist/cvmfs"))),
                 ["a.example.org", "lives.example.org"])
    expect_equal([row[2] for row in rows(tree)], ["lives.example.org", "a.example.org"])


@test
def all_are_unmounted_and_what_killed_runs_left_is_removed():
    tree = tree_to_mount_in()
    tree.run("mountrepo", "a.example.org")
    killed_client(tree, "dead.example.org")
    harness.run(["mkdir", tree.path("dist/cvmfs/empty.example.org")], user=tree.user, check=True)
    expect_equal(tree.run("umountrepo", "-a").status, 0)
    expect_equal((rows(tree), os.listdir(tree.path("dist/cvmfs"))), ([], []))
    tree.expect_nothing_left()


@test
def a_dead_mount_is_unmounted_by_its_name_even_in_use():
    tree = tree_to_mount_in()
    tree.run("mountrepo", "a.example.org")
    user = harness.start(
        ["/bin/sh", "-c", 'cd "$0" && exec sleep 1000', tree.path("dist/cvmfs/a.example.org")],
        user=tree.user)
    wait_until(lambda: name_of(user.pid) == "sleep", lambda: "it did not start")
    (client,) = [pid for pid, words in tree.processes().items() if "-o" in words]
    os.kill(client, signal.SIGKILL)
    wait_until(lambda: client not in tree.processes(), lambda: "the client lives")
    result = tree.run("umountrepo", "a.example.org")
    expect_equal((result.status, rows(tree)), (0, []), str(result))


@test
def several_at_once_do_not_take_the_others_directories_for_left_ones():
    tree = tree_to_mount_in()
    for _ in range(3):
        names = [f"r{number}.example.org" for number in range(6)]
        started = [harness.start([tree.path("mountrepo"), name], user=tree.user, cwd="/")
                   for name in names]
        results = [process.wait() for process in started]
        expect_equal([result.status for result in results], [0] * 6, str(results))
        expect_equal(sorted(row[2] for row in rows(tree)), names)
        expect_equal(tree.run("umountrepo", "-a").status, 0)
        expect_equal(os.listdir(tree.path("dist/cvmfs")), [])


def leave_configuration(tree, name, age):
    """As a mountrepo does that was killed `age` seconds ago."""
    path = f"dist/var/run/cvmfs/.{name}.example.org.1.2.conf"
    os.makedirs(os.path.dirname(tree.path(path)), exist_ok=True)
    tree.write(path, "")
    os.utime(tree.path(path), (time.time() - age,) * 2)
    tree.give_away("dist/var")


@test
def a_configuration_file_that_a_killed_run_left_is_removed_when_it_is_old():
    tree = tree_to_mount_in()
    leave_configuration(tree, "new", 60)
    for command in (["mountrepo", "a.example.org"], ["umountrepo", "-a"]):
        leave_configuration(tree, "old", 7200)
        result = tree.run(*command)
        expect_equal(result.status, 0, str(result))
        expect_equal(os.listdir(tree.path("dist/var/run/cvmfs")), [".new.example.org.1.2.conf"])


@test
def a_caller_that_ignores_the_end_of_its_children_is_served():
    tree = tree_to_mount_in()
    ignoring = ("import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
                "os.execv(sys.argv[1], sys.argv[1:])")
    for program, arguments in (("mountrepo", ["a.example.org"]), ("umountrepo", ["a.example.org"]),
                               ("mountrepo", ["a.example.org"]), ("umountrepo", ["-a"])):
        result = harness.run(["python3", "-c", ignoring, tree.path(program), *arguments],
                             user=tree.user, cwd="/")
        expect_equal((result.status, result.stderr), (0, ""), str(result))
    expect_equal(rows(tree), [])


@test
def a_failing_client_gives_its_code_and_leaves_no_mount():
    tree = tree_to_mount_in()
    result = tree.run("mountrepo", "fails.example.org")
    expect_equal((result.status, result.stdout), (16, ""), str(result))
    expect_in("Failed to initialize root file catalog", result.stderr)
    expect_in("line 19 of the log", result.stderr)
    expect_equal(rows(tree), [])
    tree.expect_nothing_left()


@test
def wrong_command_lines_give_1():
    tree = Tree()
    for program, arguments in (("mountrepo", []), ("mountrepo", ["a", "b"]), ("mountrepo", ["-a"]),
                               ("mountrepo", ["../a"]), ("umountrepo", []),
                               ("umountrepo", ["-a", "a"]), ("umountrepo", ["-q", "a"]),
                               ("umountrepo", ["a/b"])):
        result = tree.run(program, *arguments)
        expect_equal((result.status, result.stdout), (1, ""), f"{program} {arguments}")
        expect_in("Usage: " + program, result.stderr)


@test
def without_any_fusermount_the_message_says_what_to_install():
    tree = Tree()
    result = harness.run(["unshare", "-Urm", "/bin/sh", "-c",
                          "for f in /usr/bin/fusermount*; do mount --bind /dev/null $f; done; "
                          'exec "$0" a.example.org', tree.path("mountrepo")],
                         user=tree.user, env={"PATH": "/usr/bin:/bin"}, cwd="/")
    expect_equal(result.status, 1, str(result))
    expect_in("fuse3", result.stderr)


REASON = why_no_fusermount(tree_to_mount_in)
if REASON:
    harness.skip_all(f"fusermount does not work here: {REASON}")
harness.main()
