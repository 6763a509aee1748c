#!/usr/bin/env python3
"""The modes of the launcher: 3, FUSE inside of the namespaces; 2, mounted outside by fusermount and
brought inside; 1, the plain host. Which is taken, and that mode 2 behaves as mode 3 does."""

import fcntl
import os
import re
import pty
import random
import select
import shlex
import shutil
import signal
import socket

import harness
from harness import expect_equal, expect_in, test
from launchtree import (NAMED, Tree, children_of, name_of, wait_for_output, wait_until,
                        why_no_fusermount)
from nodes import MASKED_PROC, NO_FUSERMOUNT, Node

CONFIG = "config.example.org"

OLDER_KERNEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "older_kernel")
SHARED = "mount --make-rshared /\n"
# How many df counts: here without what other tests have mounted on this host.
COUNT = "df -h | grep -v ' /tmp/cvmfsexec-test' | grep -c /cvmfs"
LOOK_AROUND = (f"cat /cvmfs/*/fqrn; {COUNT}; grep -c ' /cvmfs/.* fuse ' /proc/mounts; "
               "awk '$2 ~ /^.cvmfs/ { print $1 }' /proc/mounts | uniq")


def mode(number):
    return {"CVMFSEXEC_MODE": str(number)}


def tree(**options):
    """A tree that has nothing mounted after the test. Its path has no "/cvmfs", which df counts."""
    made = Tree(user=NAMED, parent=harness.temporary_directory(NAMED, prefix="modes-"), **options)
    harness.at_end(made.run, "umountrepo", "-z", "-a")
    return made


def shell(script):
    return ["--", "/bin/sh", "-c", script]


def run_directories(one):
    """Directories for the mounts of a run, as names."""
    return [name for name in os.listdir(one.home) if name.startswith(".cvmfsexec-run.")]


def expect_clean(one):
    one.expect_nothing_left()
    expect_equal(run_directories(one), [])


def older_kernel(one, version, arrange=""):
    """A node on which FUSE cannot be mounted in a user namespace."""
    if harness.ME.uid != 0:
        harness.skip("only root can refuse mounts to others")
    return Node(one, arrange, enter=shlex.join([OLDER_KERNEL, version]))


def started(one, *names, script="echo ready; sleep 1000", **options):
    process = one.start(*names, *shell(script), env=mode(2), **options)
    wait_for_output(process, b"ready\n")
    return process


def supervisor_of(process):
    """The child that is in a session of its own."""
    (pid,) = [pid for pid in children_of(process.pid) if os.getsid(pid) == pid]
    return pid


def process_one_of(process):
    (pid,) = [pid for pid in children_of(process.pid) if os.getsid(pid) != pid]
    return pid


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


@test
def the_client_is_started_as_in_mode_3():
    one = tree()
    seen = []
    for number in (2, 3):
        result = one.cvmfsexec("a.example.org", *shell(
            "cat /cvmfs/*/arguments /cvmfs/*/environment /cvmfs/*/config"), env=mode(number))
        seen.append([re.sub(r"[.0-9]+\.conf$", ".conf", line) for line in result.stdout.splitlines()
                     if not line.startswith("CVMFSEXEC_MODE=")])
    expect_equal(seen[0], seen[1])
    expect_in("/dev/fd/3", seen[0])


@test
def the_client_inherits_only_the_device_and_its_streams():
    result = tree().cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/descriptors",
                              env=mode(2))
    found = dict(line.split(" ", 1) for line in result.stdout.splitlines())
    expect_equal(sorted(found), ["0", "1", "2", "3"], result.stdout)
    expect_equal(found["3"], "/dev/fuse")


@test
def of_our_descriptors_the_job_has_only_the_one_for_requests():
    result = tree().cvmfsexec("a.example.org", *shell("echo $CVMFSEXEC_CMDFD; ls /proc/self/fd"),
                              env=mode(2))
    number, *listed = result.stdout.split()
    expect_equal(len(set(listed) - {"0", "1", "2", number}), 1, "besides ls's own")


@test
def permissions_are_checked_by_the_kernel_when_the_configuration_says_so():
    for value, expected in (("yes", True), ("no", False)):
        one = tree(parameters=[f"CVMFS_CHECK_PERMISSIONS={value}"])
        result = one.cvmfsexec("a.example.org", "--", "grep", " /cvmfs/", "/proc/mounts",
                               env=mode(2))
        expect_equal("default_permissions" in result.stdout, expected, value)


@test
def a_failing_client_gives_its_code_and_leaves_no_mount():
    one = tree()
    result = one.cvmfsexec("a.example.org", "fails.example.org", *shell("echo started"),
                           env=mode(2))
    expect_equal((result.status, result.stdout), (16, ""), str(result))
    expect_in("Failed to initialize root file catalog", result.stderr)
    expect_clean(one)


@test
def twenty_requests_at_once_are_all_answered():
    one = tree()
    result = one.cvmfsexec("--", "bash", "-c", 'for n in {1..20}; do { "$CVMFSMOUNT" '
                           'r$((n % 10)).example.org; echo $?; } & done; wait; '
                           'cat /cvmfs/*/fqrn | wc -l', env=mode(2))
    expect_equal(sorted(result.stdout.split()), sorted(["0"] * 20 + ["10"]), str(result))
    expect_equal(result.stderr, "")
    expect_clean(one)


@test
def a_repository_can_be_mounted_again_and_again():
    one = tree()
    result = one.cvmfsexec("a.example.org", *shell(
        'for n in 1 2 3 4 5; do "$CVMFSUMOUNT" a.example.org && "$CVMFSMOUNT" a.example.org || '
        'exit 8; done; cat /cvmfs/*/fqrn; ' + COUNT), env=mode(2))
    expect_equal((result.status, result.stdout.split()), (0, ["a.example.org", "1"]), str(result))
    expect_clean(one)


@test
def the_client_of_an_unmounted_repository_ends():
    one = tree()
    process = started(one, "a.example.org", script='"$CVMFSUMOUNT" a.example.org; echo ready; '
                      "sleep 1000")
    wait_until(lambda: not any("-o" in words for words in one.processes().values()),
               lambda: f"processes: {one.processes()}")
    process.signal(signal.SIGTERM)
    process.wait()
    expect_clean(one)


@test
def a_repository_in_use_is_unmounted_lazily_only():
    one = tree()
    result = one.cvmfsexec("a.example.org", *shell(
        'cd /cvmfs/a.example.org; "$CVMFSUMOUNT" a.example.org; echo $?; cat fqrn; '
        '"$CVMFSUMOUNT" -z a.example.org; echo $?; cat fqrn; ls -A /cvmfs'), env=mode(2))
    expect_equal(result.stdout.split(), ["1", "a.example.org", "0", "a.example.org"], str(result))
    expect_clean(one)


@test
def what_the_job_leaves_behind_in_a_repository_does_not_hold_up_the_end():
    one = tree()
    result = one.cvmfsexec("a.example.org", *shell(
        "cd /cvmfs/a.example.org; (trap '' TERM HUP; sleep 1000 <fqrn) & setsid sleep 1000 & true"),
        env=mode(2))
    expect_equal(result.status, 0, str(result))
    expect_clean(one)


@test
def several_runs_of_one_tree_do_not_disturb_each_other():
    one = tree(config_repository=CONFIG)
    runs, ends = [], []
    for _ in range(5):
        reader, writer = os.pipe()
        runs.append(started(one, "a.example.org", stdin=reader, script="echo ready; read line; "
                            f"cat /cvmfs/*/fqrn; {COUNT}"))
        os.close(reader)
        ends.append(writer)
    runs[0].signal(signal.SIGKILL)
    for writer in ends:
        os.close(writer)
    for process in runs[1:]:
        expect_equal(process.wait().stdout.split(), ["ready", "a.example.org", CONFIG, "2"])
    expect_clean(one)


@test
def a_run_in_mode_1_and_one_in_mode_2_do_not_disturb_each_other():
    one = tree()
    reader, writer = os.pipe()
    harness.at_end(os.close, reader)
    process = started(one, "a.example.org", stdin=reader, script='echo ready; read line; '
                      '"$CVMFSMOUNT" b.example.org; cat /cvmfs/*/fqrn')
    expect_equal(one.run("mountrepo", "a.example.org").status, 0)
    expect_equal(one.run("umountrepo", "-a").status, 0)
    expect_equal(one.mounts(), [])
    os.close(writer)
    result = process.wait()
    expect_equal((result.status, result.stdout.split()),
                 (0, ["ready", "a.example.org", "b.example.org"]), str(result))
    expect_clean(one)


@test
def signals_reach_the_command():
    one = tree()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGTERM):
        name = number.name.removeprefix("SIG")
        process = started(one, "a.example.org", script=f"trap 'echo got {name}; exit 9' {name}; "
                          "echo ready; while :; do sleep 0.1; done")
        process.signal(number)
        result = process.wait()
        expect_equal((result.status, result.stdout), (9, f"ready\ngot {name}\n"))
    expect_clean(one)


@test
def a_signal_to_the_whole_process_group_ends_it_as_in_mode_3():
    one = tree()
    process = started(one, "a.example.org")
    os.killpg(process.pid, signal.SIGTERM)
    expect_equal(process.wait().status, 143)
    expect_clean(one)


@test
def a_shell_with_job_control_gives_the_terminal_back():
    one = tree()
    command = shlex.join(one.command("a.example.org", "--", "bash", "--norc", "-ic",
                                     "ps -o tpgid=,pgid= -p $$"))
    master, slave = pty.openpty()
    os.fchown(slave, one.user.uid, one.user.gid)
    process = harness.start(["/bin/bash", "-c", 'exec <>"$0" >&0 2>&0; eval "$1"; ps -o '
                             'tpgid=,pgid= -p $$; echo end', os.ttyname(slave), command],
                            user=one.user, cwd="/", env=mode(2))
    seen = b""
    while b"end" not in seen:
        ready, _, _ = select.select([master], [], [], 20)
        assert ready, seen
        seen += os.read(master, 1000)
    lines = [line.split() for line in seen.decode().splitlines() if len(line.split()) == 2]
    expect_equal([foreground == group for foreground, group in lines], [True, True], seen)
    process.wait()
    os.close(master)
    os.close(slave)
    expect_clean(one)


@test
def who_waits_for_the_end_of_a_pipe_does_not_wait_for_the_supervisor():
    one = tree()
    result = harness.run(f'{shlex.join(one.command("a.example.org", *shell("echo done")))} | cat',
                         user=one.user, cwd="/", env=mode(2))
    expect_equal(result.stdout, "done\n", str(result))


@test
def a_session_can_be_joined_and_leaves_nothing():
    one = tree()
    place = {**mode(2), "XDG_RUNTIME_DIR": harness.temporary_directory(NAMED, prefix="modes-")}
    result = one.cvmfsexec("--session", "s", "a.example.org", env=place)
    expect_equal(result.status, 0, str(result))
    result = one.cvmfsexec("--join", "s", *shell(
        '"$CVMFSMOUNT" b.example.org; cat /cvmfs/*/fqrn'), env=place)
    expect_equal((result.status, result.stdout.split()), (0, ["a.example.org", "b.example.org"]),
                 str(result))
    expect_equal(one.cvmfsexec("--end", "s", env=place).status, 0)
    expect_clean(one)


def expect_over(pick, status):
    one = tree()
    process = started(one, "a.example.org", "b.example.org")
    os.kill(pick(process), signal.SIGKILL)
    expect_equal(process.wait().status, status)
    # Of the outer process's death nobody tells; the others are waited for.
    wait_until(lambda: not one.processes() and not run_directories(one),
               lambda: f"left: {one.processes()} {run_directories(one)}")
    expect_clean(one)


@test
def when_the_outer_process_is_killed_all_is_over():
    expect_over(lambda process: process.pid, 137)


@test
def when_process_1_is_killed_all_is_over():
    expect_over(process_one_of, 137)


@test
def when_the_supervisor_is_killed_another_takes_its_place():
    one = tree()
    reader, writer = os.pipe()
    harness.at_end(os.close, reader)
    process = started(one, "a.example.org", stdin=reader, script='echo ready; read line; '
                      '"$CVMFSMOUNT" b.example.org; cat /cvmfs/*/fqrn')
    first = supervisor_of(process)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: name_of(first) is None and len(children_of(process.pid)) == 2,
               lambda: "no other supervisor")
    os.close(writer)
    result = process.wait()
    expect_equal((result.status, result.stdout.split()),
                 (0, ["ready", "a.example.org", "b.example.org"]), str(result))
    expect_clean(one)


def kill_at_once(process):
    """Outer process, supervisor and process 1."""
    pids = [process.pid, supervisor_of(process), process_one_of(process)]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, number)
    process.wait()


@test
def when_all_is_killed_at_once_nothing_is_mounted_and_the_next_run_cleans_up():
    one = tree()
    process = started(one, "a.example.org")
    kill_at_once(process)
    wait_until(lambda: not one.processes(), lambda: f"left: {one.processes()}")
    expect_equal((one.mounts(), len(run_directories(one))), ([], 1))
    expect_equal(one.cvmfsexec("c.example.org", "--", "true", env=mode(2)).status, 0)
    expect_clean(one)


def leave_dead_mount(one):
    """As a run does that is killed completely while it mounts."""
    name = f".cvmfsexec-run.{os.uname().nodename}.aaaaaa"
    mount_point = one.path(name, "a.example.org")
    harness.run(["mkdir", "-p", mount_point], user=one.user, check=True)
    ours, theirs = socket.socketpair()
    harness.run([shutil.which("fusermount3") or "fusermount", "-o", "fsname=/dev/fuse", "--",
                 mount_point], user=one.user, cwd="/", check=True, pass_fds=[theirs.fileno()],
                env={"_FUSE_COMMFD": str(theirs.fileno())})
    ours.close()
    theirs.close()
    expect_equal(len(one.mounts()), 1)
    return one.path(name)


@test
def a_dead_mount_of_a_killed_run_is_removed_by_the_next():
    for clean in (["cvmfsexec", "c.example.org", "--", "true"], ["umountrepo", "-a"]):
        one = tree()
        leave_dead_mount(one)
        expect_equal(one.run(*clean, env=mode(2)).status, 0)
        expect_clean(one)


@test
def what_a_live_run_mounts_is_left_alone():
    one = tree()
    directory = os.open(leave_dead_mount(one), os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(directory, fcntl.LOCK_EX)  # as a live run has it
    for clean in (["cvmfsexec", "c.example.org", "--", "true"], ["umountrepo", "-a"]):
        expect_equal(one.run(*clean, env=mode(2)).status, 0)
        expect_equal((len(one.mounts()), len(run_directories(one))), (1, 1))
    os.close(directory)
    expect_equal(one.run("umountrepo", "-a").status, 0)
    expect_clean(one)


@test
def after_sixty_kills_of_random_processes_a_run_leaves_nothing():
    one = tree()
    chance = random.Random(7)
    for _ in range(20):
        runs = [one.start("a.example.org", "b.example.org", *shell("sleep 1000"), env=mode(2))
                for _ in range(3)]
        for _ in runs:
            wait_until(lambda: one.processes(), lambda: "nothing runs")
            select.select([], [], [], chance.random() / 10)
            victims = sorted(one.processes())
            if victims:
                kill_if_there(chance.choice(victims))
        for process in runs:  # who lost only a client goes on
            if process.running():
                process.signal(signal.SIGTERM)
            process.wait()
    wait_until(lambda: not one.processes(), lambda: f"left: {one.processes()}")
    result = one.cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/fqrn", env=mode(2))
    expect_equal((result.status, result.stdout), (0, "a.example.org\n"), str(result))
    expect_clean(one)


def kill_if_there(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


REASON = why_no_fusermount(tree)
if REASON:
    harness.skip_all(f"fusermount does not work here: {REASON}")
harness.main()
