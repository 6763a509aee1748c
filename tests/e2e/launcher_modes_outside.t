#!/usr/bin/env python3
"""That mode 2 of the launcher, which mounts repositories outside and brings them inside, behaves as
mode 3 does: its client, requests of the job, runs at the same time, signals, and sessions."""

import os
import pty
import re
import select
import shlex
import signal

import harness
import modestest
from harness import expect_equal, expect_in, test
from launchtree import NAMED, wait_until
from modestest import CONFIG, COUNT, expect_clean, mode, shell, started, tree


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


modestest.require()
harness.main()
