#!/usr/bin/env python3
"""What is left when processes of a run in mode 2 are killed, which had mounts on the host: one
process, all at once, or any at any time."""

import fcntl
import os
import random
import select
import shutil
import signal
import socket

import harness
import modestest
from harness import expect_equal, test
from launchtree import children_of, name_of, wait_until
from modestest import expect_clean, mode, run_directories, shell, started, tree


def supervisor_of(process):
    """The child that is in a session of its own."""
    (pid,) = [pid for pid in children_of(process.pid) if os.getsid(pid) == pid]
    return pid


def process_one_of(process):
    (pid,) = [pid for pid in children_of(process.pid) if os.getsid(pid) != pid]
    return pid


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


modestest.require()
harness.main()
