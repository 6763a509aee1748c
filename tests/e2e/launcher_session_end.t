#!/usr/bin/env python3
"""Sessions of cvmfsexec when any of their processes is killed: nothing is left, and it is said."""

import os
import shlex
import signal

import harness
from harness import expect_equal, expect_in, test
from launchtree import children_of, masked, name_of, wait_for_output, wait_until
from sessiontest import Node

harness.require_fuse_userns()

WAITS = "echo ready; sleep 1000"


def both():
    """A node, and one where a pid namespace is refused."""
    return Node(), Node(masked())


def joined(node, script=WAITS):
    """A command in session s that has begun."""
    process = node.start_join("s", script)
    wait_for_output(process, b"ready\n")
    return process


def attendant_of(node, process):
    """With a pid namespace it is a child of process 1, without of the joining process."""
    (pid,) = [pid for parent in (node.process_one(), process.pid) for pid in children_of(parent)
              if "--join" in node.processes().get(pid, [])]
    return pid


def leaves_more(node):
    """A script that has descendants of every kind."""
    return (f"{node.sleeper()} & setsid {node.sleeper()} & setsid sh -c {shlex.quote(node.sleeper())}"
            f"'& sleep 1000' >/dev/null 2>&1 & {WAITS}")


@test
def when_the_outer_process_is_killed_all_is_over():
    for node in both():
        node.begin("s", "a.example.org")
        process = joined(node, leaves_more(node))
        os.kill(node.keeper(), signal.SIGKILL)
        # Without a pid namespace process 1 is left, and ends all in order.
        expect_in(process.wait().status, (128 + signal.SIGKILL, 128 + signal.SIGTERM))
        node.expect_nothing_left(record=["s"])


@test
def when_process_1_is_killed_all_is_over_and_the_record_is_gone():
    for node in both():
        node.begin("s", "a.example.org")
        process = joined(node, leaves_more(node))
        os.kill(node.process_one(), signal.SIGKILL)
        expect_equal(process.wait().status, 137)
        node.wait_until_gone("s")
        node.expect_nothing_left()


@test
def the_next_one_says_what_has_happened_and_removes_the_record():
    node = Node()
    for arguments, status in ((["--join", "s", "--", "true"], 1), (["--end", "s"], 1),
                              (["--session", "s", "a.example.org"], 0)):
        node.begin("s", "a.example.org")
        os.kill(node.keeper(), signal.SIGKILL)
        node.expect_nothing_left(record=["s"])
        result = node.cvmfsexec(*arguments, env=node.environment)
        expect_equal(result.status, status, str(result))
        expect_in("session s was killed", result.stderr)
        if status:
            node.expect_nothing_left()
    expect_equal(node.join("s", "ls", "/cvmfs").stdout, "a.example.org\n")
    node.end("s")


@test
def when_a_client_is_killed_the_session_goes_on():
    node = Node()
    node.begin("s", "a.example.org", "b.example.org")
    (client,) = [pid for pid, words in node.processes().items() if "a.example.org" in words
                 and "-o" in words]
    os.kill(client, signal.SIGKILL)
    wait_until(lambda: client not in node.processes(), lambda: "the client lives")
    result = node.join_shell("s", "cat /cvmfs/a.example.org/fqrn || cat /cvmfs/b.example.org/fqrn")
    expect_equal(result.stdout, "b.example.org\n", str(result))
    node.end("s")
    node.expect_nothing_left()


@test
def when_the_joining_process_is_killed_so_is_all_it_has_started():
    for node in both():
        node.begin("s", "a.example.org")
        other = joined(node)
        before = set(node.processes())
        process = joined(node, leaves_more(node))
        process.signal(signal.SIGKILL)
        process.wait()
        wait_until(lambda: set(node.processes()) == before,
                   lambda: f"{before} became {node.processes()}")
        expect_equal(node.join("s", "true").status, 0)
        other.signal(signal.SIGTERM)
        expect_equal(other.wait().status, 143)
        node.end("s")
        node.expect_nothing_left()


@test
def when_the_attendant_is_killed_so_is_the_command():
    for node in both():
        node.begin("s", "a.example.org")
        process = joined(node, leaves_more(node))
        os.kill(attendant_of(node, process), signal.SIGKILL)
        expect_equal(process.wait().status, 137)
        expect_equal(node.join("s", "true").status, 0)
        node.end("s")
        node.expect_nothing_left()


@test
def when_the_command_is_killed_the_status_says_so():
    for node in both():
        node.begin("s", "a.example.org")
        process = joined(node)
        (job,) = children_of(attendant_of(node, process))
        expect_equal(name_of(job), "sh")
        os.kill(job, signal.SIGKILL)
        expect_equal(process.wait().status, 137)
        node.end("s")
        node.expect_nothing_left()


@test
def a_command_that_is_stopped_does_not_hold_up_the_end():
    for node in both():
        node.begin("s", "a.example.org")
        process = joined(node)
        (job,) = children_of(attendant_of(node, process))
        os.kill(job, signal.SIGSTOP)
        process.signal(signal.SIGSTOP)
        node.end("s")
        process.signal(signal.SIGCONT)
        expect_equal(process.wait().status, 128 + signal.SIGTERM)
        node.expect_nothing_left()


@test
def a_start_that_nobody_waits_for_any_more_is_given_up():
    for node in both():
        for number in (signal.SIGKILL, signal.SIGINT):
            start = harness.start([*node.prefix, *node.command("--session", "s", "hangs.example.org")],
                                  user=node.user, cwd="/", env=node.environment)
            wait_until(lambda: any("-o" in words for words in node.processes().values()),
                       lambda: "no client")
            start.signal(number)
            expect_equal(start.wait().status, 128 + number)
            node.expect_nothing_left()


@test
def one_who_waits_for_a_session_to_be_mounted_can_be_interrupted():
    node = Node()
    start = harness.start(node.command("--session", "s", "hangs.example.org"), user=node.user,
                          cwd="/", env=node.environment)
    wait_until(lambda: node.is_there("s"), lambda: "no record")
    join = node.start_join("s", "true")
    other = harness.start(node.command("--session", "s"), user=node.user, cwd="/",
                          env=node.environment)
    for process in (join, other, start):
        wait_until(lambda: has_connected(process), lambda: "it does not wait")
        process.signal(signal.SIGTERM)
        expect_equal(process.wait().status, 143)
    node.expect_nothing_left()


@test
def a_start_that_others_wait_for_goes_on():
    node = Node()
    starts = [harness.start(node.command("--session", "s", "slow.example.org"), user=node.user,
                            cwd="/", env=node.environment)]
    wait_until(lambda: any("-o" in words for words in node.processes().values()),
               lambda: "no client")
    join = node.start_join("s", "cat /cvmfs/*/fqrn")
    # What waits for an answer has asked for it; process 1 has taken the question in.
    wait_until(lambda: sockets_of(node.process_one()) >= 4, lambda: "nobody waits")
    starts[0].signal(signal.SIGKILL)
    expect_equal(join.wait().stdout, "slow.example.org\n")
    node.end("s")
    node.expect_nothing_left()


def has_connected(process):
    return name_of(process.pid) == "cvmfsexec" and sockets_of(process.pid) > 0


def sockets_of(pid):
    """How many sockets a process has."""
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
        except FileNotFoundError:  # closed meanwhile
            pass
    return count


@test
def a_start_can_be_ended():
    node = Node()
    start = harness.start(node.command("--session", "s", "hangs.example.org"), user=node.user,
                          cwd="/", env=node.environment)
    wait_until(lambda: any("-o" in words for words in node.processes().values()),
               lambda: "no client")
    node.end("s")
    result = start.wait()
    expect_equal((result.status, result.stderr),
                 (1, "cvmfsexec: session s was ended before it was mounted\n"))
    node.expect_nothing_left()


@test
def a_signal_to_the_outer_process_ends_the_session_in_order():
    for node in both():
        node.begin("s", "a.example.org")
        process = joined(node)
        os.kill(node.keeper(), signal.SIGTERM)
        expect_equal(process.wait().status, 143)
        node.wait_until_gone("s")
        node.expect_nothing_left()


harness.main()
