#!/usr/bin/env python3
"""What a node allows, as cvmfsexec --check tells it, and what a run says when something is missing:
one message that names the piece and the command that provides it."""

import os
import re
import signal
import time

import harness
import launchtree
from harness import expect_equal, expect_in, test
from launchtree import wait_until
from nodes import BARE_DEV, MASKED_PROC, NO_FUSERMOUNT, Node, setting

harness.require_fuse_userns()

NEW_USER = "clone:0:0x10000000"  # CLONE_NEWUSER
READ_ONLY_MOUNT = "mount:3:1"    # MS_RDONLY, which of all first mounts only FUSE's has


class Tree(launchtree.Tree):
    """A tree with its cache where every distribution has it."""

    def __init__(self, *arguments, parameters=("CVMFS_CACHE_BASE=/var/lib/cvmfs",), **options):
        super().__init__(*arguments, parameters=parameters, **options)


def answers(result):
    """The lines of a report that begin with a name, as {name: answer}."""
    found = {}
    for line in result.stdout.splitlines():
        if match := re.match(r"(mode \d) +.*  +(yes|no)$", line):
            found[match[1]] = match[2]
        elif match := re.match(r"([a-z/]+(?: [a-z]+)*)  +(.*)$", line):
            found[match[1]] = match[2]
    return found


def missing(result, what):
    """The line that says what is missing for a mode or modes."""
    for line in result.stdout.splitlines():
        if line.startswith(f"  missing for {what}: "):
            return line
    raise AssertionError(f"nothing missing for {what}: {result}")


def expect_refusal(node, *words):
    """Fails unless a run, and the check, end with 1 and say all of these words: the run once, in
    one line, and nothing on standard output."""
    run = node.cvmfsexec("a.example.org", "--", "echo", "ran")
    expect_equal((run.status, run.stdout), (1, ""), str(run))
    lines = [line for line in run.stderr.splitlines() if words[0] in line]
    expect_equal(len(lines), 1, run.stderr)
    check = node.cvmfsexec("--check")
    expect_equal((check.status, check.stderr), (1, ""), str(check))
    expect_equal(answers(check)["mode 3"], "no")
    for word in words:
        expect_in(word, lines[0])
        expect_in(word, check.stdout)
    node.tree.expect_nothing_left()


@test
def a_node_that_allows_everything_is_told_so():
    tree = Tree()
    result = tree.cvmfsexec("--check")
    expect_equal((result.status, result.stderr), (0, ""), str(result))
    found = answers(result)
    expect_equal(found["mode 3"], "yes")
    expect_equal(found["pid namespace"], "yes")
    expect_in(os.uname().release, found["kernel"])
    expect_equal(found["client"], "CernVM-FS version 0.0.0")
    expect_in(tree.path("log"), found["log"])
    assert result.stdout.endswith("A job can run, in mode 3.\n"), result.stdout
    tree.expect_nothing_left()


@test
def a_check_by_root_is_told_the_same():
    if harness.ME.uid != 0:
        harness.skip("the tests do not run as root")
    tree = Tree(user=harness.ROOT)
    result = tree.cvmfsexec("--check")
    expect_equal((result.status, answers(result)["mode 3"]), (0, "yes"), str(result))
    tree.expect_nothing_left()


@test
def fusermount_is_really_tried():
    tree = Tree()
    result = tree.cvmfsexec("--check")
    mounted = harness.run(["fusermount3", "-V"]).status == 0 and \
        tree.run("mountrepo", "a.example.org").status == 0
    if mounted:
        harness.at_end(tree.run, "umountrepo", "-a")
    expect_equal(answers(result)["mode 1"], "yes" if mounted else "no", str(result))


@test
def a_check_leaves_a_directory_of_mounts_alone():
    tree = Tree()
    before = os.stat(tree.path("dist/cvmfs")).st_ino
    tree.cvmfsexec("--check")
    expect_equal(os.stat(tree.path("dist/cvmfs")).st_ino, before)
    os.rmdir(tree.path("dist/cvmfs"))
    tree.cvmfsexec("--check")
    assert not os.path.exists(tree.path("dist/cvmfs")), "made and left"


@test
def the_hosts_own_cvmfs_is_mentioned():
    tree = Tree()
    # Inside cvmfsexec the host has a directory /cvmfs.
    result = tree.cvmfsexec("--", *tree.command("--check"))
    expect_equal(result.status, 0, str(result))
    expect_in("a directory of this host", answers(result)["/cvmfs"])


@test
def user_namespaces_that_are_switched_off_are_named():
    # The limit of a namespace counts for those below it; so a namespace of a test can set it.
    node = Node(Tree(), "echo 0 >/proc/sys/user/max_user_namespaces", user_namespace=True)
    expect_refusal(node, "user.max_user_namespaces = 0",
                   "sysctl -w user.max_user_namespaces=15000")


@test
def a_limit_that_is_reached_is_told_from_one_that_is_0():
    node = Node(Tree(), "echo 1 >/proc/sys/user/max_user_namespaces\n"
                "setpriv --pdeathsig=KILL unshare -U sleep 1000 & sleep_pid=$!\n"
                "while [ \"$(readlink /proc/$sleep_pid/ns/user)\" = \"$(readlink "
                "/proc/$$/ns/user)\" ]; do sleep 0.01; done", user_namespace=True)
    expect_refusal(node, "allows no more of them", "sysctl -w user.max_user_namespaces=15000")


@test
def mount_namespaces_that_are_switched_off_are_named():
    node = Node(Tree(), "echo 0 >/proc/sys/user/max_mnt_namespaces", user_namespace=True)
    expect_refusal(node, "user.max_mnt_namespaces = 0", "sysctl -w user.max_mnt_namespaces=15000")


@test
def without_pid_namespaces_a_job_runs():
    node = Node(Tree(), "echo 0 >/proc/sys/user/max_pid_namespaces", user_namespace=True)
    result = node.cvmfsexec("--check")
    expect_equal(result.status, 0, str(result))
    expect_in("no, jobs run without one: ", answers(result)["pid namespace"])
    expect_in("user.max_pid_namespaces = 0", answers(result)["pid namespace"])


@test
def a_masked_proc_leaves_the_pid_namespace_out():
    node = Node(Tree(), MASKED_PROC)
    result = node.cvmfsexec("--check")
    expect_equal(result.status, 0, str(result))
    expect_in("no, jobs run without one: mounting a /proc", answers(result)["pid namespace"])


@test
def debians_setting_is_named():
    node = Node(Tree(), setting("unprivileged_userns_clone", 0), refused=[f"{NEW_USER}=EPERM"])
    expect_refusal(node, "kernel.unprivileged_userns_clone = 0",
                   "sysctl -w kernel.unprivileged_userns_clone=1")


@test
def ubuntus_restriction_is_named_when_mounts_are_refused():
    node = Node(Tree(), setting("apparmor_restrict_unprivileged_userns", 1),
                refused=["mount=EACCES"])
    expect_refusal(node, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")


@test
def ubuntus_restriction_is_named_when_namespaces_are_refused():
    node = Node(Tree(), setting("apparmor_restrict_unprivileged_userns", 1),
                refused=[f"{NEW_USER}=EACCES"])
    expect_refusal(node, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")


@test
def a_kernel_without_user_namespaces_is_told_so():
    # The process keeps its number up to cvmfsexec, which finds no such file any more.
    node = Node(Tree(), "mount -t tmpfs none /proc/$$/ns", refused=[f"{NEW_USER}=EINVAL"])
    run = node.cvmfsexec("--", "true")
    expect_equal((run.status, run.stdout), (1, ""), str(run))
    expect_in("CONFIG_USER_NS", run.stderr)


@test
def the_filter_of_a_container_is_named():
    node = Node(Tree(), refused=[f"{NEW_USER}=EPERM"])
    expect_refusal(node, "seccomp", "--security-opt seccomp=unconfined")


@test
def a_filter_that_refuses_mounts_is_named():
    node = Node(Tree(), refused=["mount=EPERM"])
    expect_refusal(node, "seccomp", "--security-opt seccomp=unconfined")


@test
def a_chroot_is_told_so():
    node = Node(Tree(), """
mkdir "$scratch/root"
for name in /*; do
    if [ -L "$name" ]; then
        cp -P "$name" "$scratch/root$name"
    elif [ -d "$name" ]; then
        mkdir "$scratch/root$name" && mount --rbind "$name" "$scratch/root$name"
    fi
done
""", enter='chroot "$scratch/root"')
    expect_refusal(node, "inside a chroot", "bwrap")


@test
def a_root_that_may_not_map_himself_is_told_so():
    tree = Tree()
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *tree.command("--", "true")]
    result = harness.run(["unshare", "-Ur", *command], user=tree.user, cwd="/")
    if result.status == 0:
        harness.skip("this kernel lets him")
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("--cap-add SETFCAP", result.stderr)


@test
def namespaces_nested_too_deep_are_told_so():
    tree = Tree()
    deeper = tree.path("deeper")
    tree.write("deeper", '#!/bin/sh\nif unshare -Ur true 2>/dev/null; then\n'
               'exec unshare -Ur "$0" "$@"\nfi\n'
               'exec setpriv --bounding-set=-all --inh-caps=-all "$@"\n', 0o755)
    for arguments in (["--", "echo", "ran"], ["--check"]):
        result = harness.run([deeper, *tree.command(*arguments)], user=tree.user, cwd="/")
        expect_equal(result.status, 1, str(result))
        expect_in("nested too deep", result.stdout + result.stderr)


@test
def a_missing_device_is_named():
    node = Node(Tree(), BARE_DEV + NO_FUSERMOUNT)
    expect_refusal(node, "modprobe fuse", "--device /dev/fuse")
    expect_equal(answers(node.cvmfsexec("--check"))["pid namespace"], "yes")


@test
def a_closed_device_is_named():
    if harness.ME.uid != 0:
        harness.skip("only root can make devices")
    node = Node(Tree(), BARE_DEV + "mknod -m 600 /dev/fuse c 10 229")
    expect_refusal(node, "chmod 666 /dev/fuse")


@test
def a_device_on_a_file_system_without_devices_is_named():
    if harness.ME.uid != 0:
        harness.skip("only root can make devices")
    node = Node(Tree(), BARE_DEV + "mknod -m 666 /dev/fuse c 10 229\n"
                "mount --bind /dev/fuse /dev/fuse && mount -o remount,bind,nodev /dev/fuse")
    expect_refusal(node, "nodev", "--device /dev/fuse")


@test
def a_device_that_the_container_may_not_open_is_named():
    if os.uname().machine != "x86_64":
        harness.skip("other machines have no call open(2) to refuse")
    node = Node(Tree(), refused=["open:1:2=EPERM"])  # O_RDWR
    result = node.cvmfsexec("--check")
    expect_equal(result.status, 1, str(result))
    expect_in("closed to this container", missing(result, "mode 3"))
    expect_in("--device /dev/fuse", missing(result, "mode 3"))


@test
def something_else_in_the_place_of_the_device_is_named():
    node = Node(Tree(), BARE_DEV + NO_FUSERMOUNT + "touch /dev/fuse && chmod 666 /dev/fuse")
    expect_refusal(node, "is something else than the device", "mknod -m 666 /dev/fuse c 10 229")


@test
def fuse_that_is_refused_in_user_namespaces_leaves_fusermount():
    node = Node(Tree(), NO_FUSERMOUNT, refused=[f"{READ_ONLY_MOUNT}=EPERM"])
    result = node.cvmfsexec("--check")
    expect_equal(result.status, 1, str(result))
    expect_in("mounting FUSE", missing(result, "mode 3"))
    expect_in("install them with the package fuse3", missing(result, "modes 2 and 1"))


@test
def a_missing_fusermount_is_no_obstacle_to_mode_3():
    node = Node(Tree(), NO_FUSERMOUNT)
    result = node.cvmfsexec("--check")
    expect_equal((result.status, answers(result)["mode 3"]), (0, "yes"), str(result))
    expect_in("apt install fuse3", missing(result, "modes 2 and 1"))


@test
def a_fusermount_without_privilege_is_named():
    if harness.ME.uid != 0:
        harness.skip("only root can take the bit away")
    node = Node(Tree(), """
for file in /usr/bin/fusermount /usr/bin/fusermount3; do
    if [ -u "$file" ]; then
        cp "$file" "$scratch/plain" && chmod 755 "$scratch/plain"
        mount --bind "$scratch/plain" "$(readlink -f "$file")"
    fi
done
""")
    result = node.cvmfsexec("--check")
    expect_equal(result.status, 0, str(result))
    expect_in("no setuid bit", missing(result, "modes 2 and 1"))
    expect_in("chmod 4755", missing(result, "modes 2 and 1"))


@test
def setuid_programs_without_effect_are_explained():
    tree = Tree()
    result = harness.run(["setpriv", "--no-new-privs", *tree.command("--check")], user=tree.user,
                         cwd="/")
    expect_equal((result.status, answers(result)["mode 3"]), (0, "yes"), str(result))
    if answers(result)["mode 1"] == "yes":
        harness.skip("fusermount needs no privilege here")
    expect_in("no_new_privs", missing(result, "modes 2 and 1"))


@test
def a_tree_that_may_not_be_executed_is_named():
    tree = Tree()
    dist = tree.path("dist").replace('"', '\\"')
    node = Node(tree, f'mount --bind "{dist}" "{dist}"; mount -o remount,bind,noexec "{dist}"')
    result = node.cvmfsexec("--check")
    expect_equal(result.status, 1, str(result))
    expect_in("noexec", answers(result)["client"])
    assert result.stdout.endswith("No job can run: the client does not start.\n"), result.stdout
    run = node.cvmfsexec("a.example.org", "--", "echo", "ran")
    assert run.status != 0 and run.stdout == "", str(run)
    expect_in("noexec", run.stderr)


@test
def a_missing_client_is_told():
    tree = Tree()
    os.unlink(tree.path("dist/usr/bin/cvmfs2"))
    result = tree.cvmfsexec("--check")
    expect_equal(result.status, 1, str(result))
    expect_in("makedist", answers(result)["client"])


@test
def a_client_that_fails_is_told_with_its_own_words():
    tree = Tree()
    tree.write("dist/usr/bin/cvmfs2", "#!/bin/sh\necho 'libx.so: cannot open' >&2\nexit 127\n",
               0o755)
    result = tree.cvmfsexec("--check")
    expect_equal(result.status, 1, str(result))
    expect_in("libx.so: cannot open", answers(result)["client"])
    expect_in("127", answers(result)["client"])


@test
def a_client_that_hangs_does_not_hang_the_check():
    tree = Tree()
    tree.write("dist/usr/bin/cvmfs2", "#!/bin/sh\ntail -f /dev/null \"$0\"\n", 0o755)
    result = tree.cvmfsexec("--check")
    expect_equal(result.status, 1, str(result))
    expect_in("no answer", answers(result)["client"])
    expect_equal(tree.processes(), {})


@test
def the_cache_is_where_the_configuration_says():
    tree = Tree(parameters=["CVMFS_CACHE_BASE=/var/lib/cvmfs", "CVMFS_QUOTA_LIMIT=4000"])
    cache = answers(tree.cvmfsexec("--check"))["cache"]
    expect_in(tree.path("dist/var/lib/cvmfs"), cache)
    expect_in("free", cache)
    expect_in("CVMFS_QUOTA_LIMIT is 4000 MiB", cache)
    assert not os.path.exists(tree.path("dist/var")), "made"


@test
def a_cache_that_cannot_be_written_to_is_an_obstacle():
    tree = Tree(parameters=["CVMFS_CACHE_BASE=/proc/sys/cache"])
    result = tree.cvmfsexec("--check")
    expect_equal(result.status, 1, str(result))
    expect_in("/proc/sys/cache cannot be written to", answers(result)["cache"])
    assert result.stdout.endswith("No job can run: there is no cache.\n"), result.stdout


@test
def a_cache_behind_a_link_to_nothing_is_an_obstacle():
    tree = Tree(parameters=["CVMFS_CACHE_BASE=/var/lib/cvmfs"])
    os.makedirs(tree.path("dist/var/lib"))
    os.symlink("/nonexistent/cache", tree.path("dist/var/lib/cvmfs"))
    result = tree.cvmfsexec("--check")
    expect_equal(result.status, 1, str(result))
    expect_in("/nonexistent/cache", answers(result)["cache"])


@test
def a_configuration_that_cannot_be_evaluated_is_an_obstacle():
    tree = Tree(parameters=["if true"])
    result = tree.cvmfsexec("--check")
    expect_equal(result.status, 1, str(result))
    expect_in("50-test.conf", answers(result)["cache"])


@test
def a_clock_that_is_behind_is_told():
    tree = Tree()
    os.utime(tree.path("dist"), (0, time.time() + 400 * 86400))
    result = tree.cvmfsexec("--check")
    expect_equal(result.status, 0, str(result))
    expect_in("no: ", answers(result)["clock"])
    expect_in("timedatectl", answers(result)["clock"])


@test
def the_mode_that_is_demanded_counts():
    node = Node(Tree(), NO_FUSERMOUNT)
    result = node.cvmfsexec("--check", env={"CVMFSEXEC_MODE": "2"})
    expect_equal(result.status, 1, str(result))
    expect_in("No job can run in mode 2, which CVMFSEXEC_MODE demands.", result.stdout)
    result = node.cvmfsexec("--check", env={"CVMFSEXEC_MODE": "3"})
    expect_equal(result.status, 0, str(result))


@test
def a_node_that_refuses_everything_is_told_so_at_once():
    tree = Tree()
    node = Node(tree, BARE_DEV + NO_FUSERMOUNT, refused=[f"{NEW_USER}=EPERM", "mount=EPERM"])
    result = node.run("timeout", "45", *tree.command("--check"))
    expect_equal((result.status, result.stderr), (1, ""), str(result))
    expect_equal([answers(result)[f"mode {number}"] for number in (3, 2, 1)], ["no"] * 3)
    result = node.run("/bin/sh", "-c", 'timeout 45 "$@" </dev/null', "sh",
                      *tree.command("-N", "a.example.org", "--", "echo", "ran"))
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    tree.expect_nothing_left()


@test
def signals_end_a_check():
    tree = Tree()
    tree.write("dist/usr/bin/cvmfs2", "#!/bin/sh\ntouch \"${0%/dist/*}/began\"\n"
               "exec tail -f /dev/null \"$0\"\n", 0o755)
    process = tree.start("--check")
    wait_until(lambda: os.path.exists(tree.path("began")), process.output)
    process.signal(signal.SIGTERM)
    expect_equal(process.wait().status, 128 + signal.SIGTERM)
    wait_until(lambda: not tree.processes(), tree.processes)


harness.main()
