#!/usr/bin/env python3
"""The modes of the launcher: 3, FUSE inside of the namespaces; 2, mounted outside by fusermount and
brought inside; 1, the plain host. Which is taken, on nodes of all kinds. What mode 2 is like is in
launcher_modes_outside.t, how it ends in launcher_modes_kills.t."""

import os
import shlex
import signal

import harness
import modestest
from harness import expect_equal, expect_in, test
from launchtree import wait_until
from modestest import CONFIG, COUNT, expect_clean, mode, run_directories, shell, started, tree
from nodes import MASKED_PROC, NO_FUSERMOUNT, Node

OLDER_KERNEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "older_kernel")
SHARED = "mount --make-rshared /\n"
LOOK_AROUND = (f"cat /cvmfs/*/fqrn; {COUNT}; grep -c ' /cvmfs/.* fuse ' /proc/mounts; "
               "awk '$2 ~ /^.cvmfs/ { print $1 }' /proc/mounts | uniq")


def older_kernel(one, version, arrange=""):
    """A node on which FUSE cannot be mounted in a user namespace."""
    if harness.ME.uid != 0:
        harness.skip("only root can refuse mounts to others")
    return Node(one, arrange, enter=shlex.join([OLDER_KERNEL, version]))


@test
def in_mode_2_a_repository_is_mounted_outside_and_only_its_copy_shows_inside():
    one = tree(config_repository=CONFIG)
    result = one.cvmfsexec("a.example.org", *shell(LOOK_AROUND), env=mode(2))
    expect_equal(result.stdout.split(), ["a.example.org", CONFIG, "2", "2", "/dev/fuse"],
                 str(result))
    expect_clean(one)


@test
def while_the_job_runs_nothing_is_mounted_on_the_host():
    one = tree()
    process = started(one, "a.example.org", "b.example.org")
    wait_until(lambda: not one.mounts(), lambda: f"mounts: {one.mounts()}")
    (name,) = run_directories(one)
    expect_equal(os.listdir(one.path(name)), [])
    process.signal(signal.SIGTERM)
    expect_equal(process.wait().status, 143)
    expect_clean(one)


@test
def in_a_tree_whose_own_path_has_slash_cvmfs_only_the_repositories_count():
    one = tree()
    renamed = os.path.join(one.directory, "cvmfsexec-4")
    os.rename(one.home, renamed)
    one.home = renamed
    result = one.cvmfsexec("a.example.org", *shell(LOOK_AROUND), env=mode(2))
    expect_equal(result.stdout.split(), ["a.example.org", "1", "1", "/dev/fuse"], str(result))
    if harness.ME.uid == 0:
        result = older_kernel(one, "4.17", SHARED).cvmfsexec("a.example.org", *shell(LOOK_AROUND))
        expect_equal(result.stdout.split(), ["a.example.org", "1", "1", "/dev/fuse"], str(result))
    expect_clean(one)


@test
def a_tree_that_cannot_be_written_to_serves_as_well():
    one = tree()
    os.chmod(one.home, 0o555)
    result = one.cvmfsexec("a.example.org", *shell(LOOK_AROUND), env=mode(2))
    expect_equal(result.stdout.split(), ["a.example.org", "1", "1", "/dev/fuse"], str(result))
    expect_equal(run_directories(one), [])


def expect_fallback(version, arrange):
    one = tree(config_repository=CONFIG)
    node = older_kernel(one, version, arrange)
    result = node.cvmfsexec("a.example.org", *shell(
        f'{LOOK_AROUND}; "$CVMFSMOUNT" b.example.org; {COUNT}; '
        '"$CVMFSUMOUNT" b.example.org && ls /cvmfs; exit 9'))
    expect_equal((result.status, result.stdout.split()),
                 (9, ["a.example.org", CONFIG, "2", "2", "/dev/fuse", "3", "a.example.org",
                      CONFIG]), str(result))
    expect_clean(one)


@test
def where_fuse_is_refused_in_a_user_namespace_mode_2_is_found_by_trying():
    expect_fallback("5.1", "")
    expect_fallback("5.1", SHARED)


@test
def mounts_of_a_host_that_shares_them_need_no_copies():
    expect_fallback("4.17", SHARED)


@test
def where_nothing_brings_a_mount_in_the_message_says_so():
    one = tree()
    result = older_kernel(one, "4.17").cvmfsexec("a.example.org", *shell("echo started"))
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("make-rshared", result.stderr)
    expect_clean(one)


@test
def on_a_shared_host_nothing_is_left_there_either():
    one = tree()
    node = older_kernel(one, "4.17", SHARED)
    script = shlex.join(one.command("a.example.org", "--", "ls", "/cvmfs"))
    result = node.run("/bin/sh", "-c", f"{script}; cat /proc/self/mountinfo")
    expect_in("a.example.org\n", result.stdout, str(result))
    assert os.path.basename(os.path.dirname(one.directory)) not in result.stdout, str(result)
    expect_clean(one)


@test
def where_a_new_proc_is_refused_it_works_without_a_pid_namespace():
    one = tree()
    node = older_kernel(one, "5.1", MASKED_PROC)
    result = node.cvmfsexec("a.example.org", *shell("cat /cvmfs/*/fqrn; echo $$; exit 4"))
    fqrn, pid = result.stdout.split()
    expect_equal((result.status, fqrn), (4, "a.example.org"), str(result))
    assert int(pid) > 10, "a pid of the host"
    expect_clean(one)


@test
def mode_3_never_falls_back():
    one = tree()
    node = older_kernel(one, "5.1")
    result = node.cvmfsexec("a.example.org", *shell("echo started"), env=mode(3))
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("mounting FUSE on /cvmfs/a.example.org", result.stderr)
    assert "fusermount" not in result.stderr, result.stderr
    expect_clean(one)


@test
def mode_3_is_what_is_tried_first():
    one = tree()
    for env in (mode(3), mode(""), {}):
        result = one.cvmfsexec("a.example.org", "--", "grep", " /cvmfs/", "/proc/mounts", env=env)
        expect_in("allow_other", result.stdout, str(result))


@test
def when_neither_works_one_message_names_both_pieces():
    one = tree()
    node = older_kernel(one, "5.1", NO_FUSERMOUNT)
    result = node.cvmfsexec("a.example.org", *shell("echo started"))
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("mounting FUSE on /cvmfs/a.example.org", result.stderr)
    expect_in("package fuse3", result.stderr)
    expect_clean(one)


@test
def a_fusermount_without_privilege_is_passed_over():
    one = tree()
    one.write("fusermount3", "#!/bin/sh\nexit 1\n", 0o755)
    result = one.cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/fqrn",
                           env={**mode(2), "PATH": f"{one.home}:{os.environ['PATH']}"})
    expect_equal((result.status, result.stdout), (0, "a.example.org\n"), str(result))


@test
def without_a_search_path_fusermount_is_found_in_its_usual_place():
    result = tree().cvmfsexec("a.example.org", "--", "/bin/cat", "/cvmfs/a.example.org/fqrn",
                              env={**mode(2), "PATH": None})
    expect_equal((result.status, result.stdout), (0, "a.example.org\n"), str(result))


@test
def the_older_name_of_fusermount_will_do():
    one = tree()
    node = older_kernel(one, "5.1", f"""
mkdir "$scratch/bin"
cp /usr/bin/fusermount3 "$scratch/bin/fusermount"
chmod 4755 "$scratch/bin/fusermount"
{NO_FUSERMOUNT}PATH="$scratch/bin:$PATH"
""")
    result = node.cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/fqrn")
    expect_equal((result.status, result.stdout), (0, "a.example.org\n"), str(result))


@test
def mode_1_is_refused_by_cvmfsexec_with_what_to_do_instead():
    one = tree()
    result = one.cvmfsexec("a.example.org", *shell("echo started"), env=mode(1))
    expect_equal((result.status, result.stdout), (1, ""))
    expect_in("mountrepo", result.stderr)


@test
def a_wrong_mode_is_refused_by_name():
    one = tree()
    for value in ("0", "4", "33", " 2", "two"):
        for command in (["cvmfsexec", "--", "true"], ["mountrepo", "a.example.org"],
                        ["umountrepo", "-a"]):
            result = one.run(*command, env=mode(value))
            expect_equal(result.status, 1, f"{command} {value}")
            expect_in(f"CVMFSEXEC_MODE='{value}'", result.stderr)
    expect_clean(one)


@test
def mountrepo_mounts_on_the_plain_host_in_every_mode():
    one = tree()
    for value in ("1", "2", "3", ""):
        expect_equal(one.run("mountrepo", "a.example.org", env=mode(value)).status, 0)
        expect_equal(len(one.mounts()), 1)
        expect_equal(one.run("umountrepo", "a.example.org", env=mode(value)).status, 0)
    expect_clean(one)


modestest.require()
harness.main()
