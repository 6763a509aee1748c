#!/usr/bin/env python3
"""cvmfsexec as the process in between: a terminal and those who work at it, the programs that
start, stop, time and outlive others, and the orphans of a job."""

import os
import shlex
import shutil
import signal

import harness
from harness import expect_equal, expect_in, test
from launchtree import Tree, name_of, wait_for_output, wait_until
from terminal import Terminal

harness.require_fuse_userns()

REPOSITORY = "a.example.org"


def require(program):
    """Its path; without it the test is skipped."""
    return shutil.which(program) or harness.skip(f"no {program}")


def line(tree, *arguments):
    """A command line for a shell."""
    return shlex.join(tree.command(*arguments))


def states(tree):
    """States (proc(5)) of the processes started from the tree, and of what the job executes."""
    found = []
    for pid in tree.processes():
        try:
            with open(f"/proc/{pid}/stat") as file:
                found.append(file.read().rpartition(")")[2].split()[0])
        except OSError:
            pass
    return found


@test
def an_editor_has_the_terminal():
    tree = Tree()
    file = os.path.join(tree.directory, "file")
    terminal = Terminal(tree.command(REPOSITORY, "--", require("vi"), "-u", "NONE", file),
                        tree.user)
    terminal.expect("~")
    terminal.type("ihello\x1b:wq\r")
    expect_equal(terminal.process.wait().status, 0)
    with open(file) as written:
        expect_equal(written.read(), "hello\n")
    tree.expect_nothing_left()


@test
def a_pager_has_the_terminal_and_its_size():
    tree = Tree()
    numbers = os.path.join(tree.directory, "numbers")
    with open(numbers, "w") as file:
        file.write("".join(f"line {number}\n" for number in range(100)))
    terminal = Terminal(tree.command("--", require("less"), numbers), tree.user, rows=10,
                        env={"LESS": None})
    terminal.expect("line 8")
    assert "line 9" not in terminal.seen, "a page of ten rows"
    terminal.type(" ")
    terminal.expect("line 17")
    terminal.type("G")
    terminal.expect("line 99")
    terminal.type("q")
    expect_equal(terminal.process.wait().status, 0)


@test
def a_window_that_changes_its_size_tells_the_command():
    tree = Tree()
    terminal = Terminal(tree.command("--", "bash", "-c", "trap 'stty size' WINCH; echo ready; "
                                     "while ! read -t 0.1 line; do :; done"), tree.user)
    terminal.expect("ready")
    terminal.resize(31, 97)
    terminal.expect("31 97")
    terminal.type("\n")
    expect_equal(terminal.process.wait().status, 0)


@test
def a_shell_inside_has_job_control():
    tree = Tree()
    terminal = Terminal(tree.command(REPOSITORY, "--", "bash", "--norc", "-i"), tree.user,
                        env={"PS1": "prompt> "})
    terminal.expect_next("prompt> ")
    terminal.type("sleep 1000\n")
    wait_for_foreground(terminal, "sleep")
    terminal.type("\x1a")
    terminal.expect_next("Stopped")
    terminal.expect_next("prompt> ")
    terminal.type("jobs\n")
    terminal.expect_next("Stopped")
    terminal.expect_next("prompt> ")
    terminal.type("fg\n")
    wait_for_foreground(terminal, "sleep")
    terminal.type("\x03")
    terminal.expect_next("prompt> ")
    terminal.type("echo status $?\n")
    terminal.expect_next("status 130\r\n")
    terminal.expect_next("prompt> ")
    terminal.type("exit 4\n")
    expect_equal(terminal.process.wait().status, 4)
    tree.expect_nothing_left()


def wait_for_foreground(terminal, name):
    """Waits until a process of this name has the terminal: what is typed then is for it."""
    wait_until(lambda: name_of(os.tcgetpgrp(terminal.master)) == name,
               lambda: f"not {name} but {name_of(os.tcgetpgrp(terminal.master))}")


@test
def a_shell_outside_stops_it_and_has_it_go_on():
    tree = Tree()
    script = "while read word; do echo got $word; done; exit 6"
    terminal = Terminal(["bash", "--norc", "-i"], tree.user, env={"PS1": "prompt> "})
    terminal.expect_next("prompt> ")
    command = line(tree, REPOSITORY, "--", "sh", "-c", f"echo ready; {script}", tree.home)
    terminal.type(command + "\n")
    terminal.expect_next("ready\r\n")
    for word in ("one", "two"):
        terminal.type(f"{word}\n")
        terminal.expect_next(f"got {word}\r\n")
        terminal.type("\x1a")
        terminal.expect_next("Stopped")
        terminal.expect_next("prompt> ")
        # The shell sees the one, the other has the terminal open, too.
        wait_until(lambda: states(tree).count("T") == 2, lambda: f"not stopped: {states(tree)}")
        terminal.type("echo meanwhile $((6 * 7))\n")
        terminal.expect_next("meanwhile 42\r\n")
        terminal.expect_next("prompt> ")
        terminal.type("fg\n")
        wait_for_foreground(terminal, "cvmfsexec")
    terminal.type("\x04")
    terminal.expect_next("prompt> ")
    terminal.type("echo status $?\n")
    terminal.expect_next("status 6\r\n")
    terminal.expect_next("prompt> ")
    terminal.type("exit\n")
    terminal.process.wait()
    tree.expect_nothing_left()


@test
def in_the_background_it_may_not_read_until_it_is_brought_to_the_foreground():
    tree = Tree()
    terminal = Terminal(["bash", "--norc", "-i"], tree.user, env={"PS1": "prompt> "})
    terminal.expect_next("prompt> ")
    terminal.type(line(tree, "--", "sh", "-c", "read word; echo got $word") + " &\n")
    terminal.expect_next("[1]")
    terminal.expect_next("prompt> ")
    wait_until(lambda: "T" in states(tree), lambda: f"not stopped: {states(tree)}")
    terminal.type("fg\n")
    wait_for_foreground(terminal, "cvmfsexec")
    terminal.type("words\n")
    terminal.expect_next("got words\r\n")
    terminal.expect_next("prompt> ")
    terminal.type("exit\n")
    terminal.process.wait()
    tree.expect_nothing_left()


@test
def what_is_stopped_by_a_signal_goes_on_by_another():
    tree = Tree()
    # As a shell with job control starts it: elsewhere nobody could have it go on, and the kernel
    # does not stop it.
    command = line(tree, REPOSITORY, "--", "sh", "-c", "echo ready; while :; do :; done", tree.home)
    process = harness.start(f"perl -e 'setpgrp; exec @ARGV' {command} & echo $!; sleep 1000",
                            user=tree.user, cwd="/")
    wait_for_output(process, b"ready\n")
    pid = int(process.output()[0].split()[0])
    expect_equal(states(tree).count("T"), 0)
    os.kill(pid, signal.SIGTSTP)
    # The one that was started, so that the shell can see it, and the command.
    wait_until(lambda: states(tree).count("T") >= 2, lambda: f"not stopped: {states(tree)}")
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: states(tree).count("T") == 0, lambda: f"not continued: {states(tree)}")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: list(tree.processes()) == [process.pid], lambda: f"left: {states(tree)}")
    process.kill()
    tree.expect_nothing_left()


def as_first_process(*command):
    """As the first process of a container."""
    return ["unshare", "-Urpf", "--mount-proc", "--kill-child", *command]


@test
def under_tini_the_status_comes_back():
    tree = Tree()
    tini = require("tini")
    for options in ([], ["-g"], ["-w"]):
        command = tree.command("-N", REPOSITORY, "--", "sh", "-c", "cat /cvmfs/*/fqrn; exit 7")
        result = harness.run(as_first_process(tini, *options, "--", *command), user=tree.user,
                             cwd="/")
        expect_equal((result.status, result.stdout), (7, REPOSITORY + "\n"), str(result))
        tree.expect_nothing_left()


@test
def a_signal_to_tini_reaches_the_command():
    tree = Tree()
    tini = require("tini")
    command = tree.command(REPOSITORY, "--", "sh", "-c", "trap 'echo got TERM; exit 9' TERM; "
                           "echo ready; while :; do sleep 0.1; done")
    # tini not as the first process, so that the test can reach it.
    for options in (["-s"], ["-s", "-g"]):
        process = harness.start([tini, *options, "--", *command], user=tree.user, cwd="/")
        wait_for_output(process, b"ready\n")
        process.signal(signal.SIGTERM)
        result = process.wait()
        expect_equal(result.status, 9, str(result))
        expect_in("got TERM\n", result.stdout)
        tree.expect_nothing_left()


@test
def timeout_ends_a_command_with_all_that_belongs_to_it():
    tree = Tree()
    command = tree.command(REPOSITORY, "--", "sh", "-c", "sleep 1000 & echo ready; sleep 1000")
    for options, status in (([], 124), (["--foreground"], 124), (["-s", "INT"], 124),
                            (["-s", "KILL"], 137), (["--preserve-status"], 143)):
        result = harness.run(["timeout", *options, "2", *command], user=tree.user, cwd="/")
        expect_equal((result.status, result.stdout), (status, "ready\n"), str(result))
        tree.expect_nothing_left()


@test
def timeout_kills_a_command_that_does_not_want_to_end():
    tree = Tree()
    command = tree.command("--", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
    result = harness.run(["timeout", "-k", "0.5", "1", *command], user=tree.user, cwd="/")
    expect_equal((result.status, result.stdout), (137, "ready\n"), str(result))
    tree.expect_nothing_left()


@test
def a_command_that_ends_in_time_keeps_its_status_under_timeout():
    tree = Tree()
    result = harness.run("timeout 45 " + line(tree, REPOSITORY, "--", "sh", "-c", "exit 5") +
                         " </dev/null", user=tree.user, cwd="/")
    expect_equal((result.status, result.stderr), (5, ""), str(result))


@test
def a_session_of_its_own_is_the_commands_too():
    tree = Tree()
    result = harness.run(["setsid", "--wait", *tree.command("--", "sh", "-c", "exit 3")],
                         user=tree.user, cwd="/")
    expect_equal(result.status, 3, str(result))
    # Without a terminal, the leader of its session: a hangup that somebody sends is a signal.
    command = line(tree, "--", "sh", "-c", "trap 'exit 8' HUP; echo ready; "
                   "while :; do sleep 0.1; done")
    process = harness.start(f"setsid {command} & echo $!; wait $!", user=tree.user, cwd="/")
    wait_for_output(process, b"ready\n")
    os.kill(int(process.output()[0].split()[0]), signal.SIGHUP)
    expect_equal(process.wait().status, 8)


@test
def under_nohup_a_hangup_ends_neither_the_start_nor_the_command():
    tree = Tree()
    script = "echo ready; sleep 1; echo ended; exit 2"
    for name in (REPOSITORY, "slow.example.org"):
        process = harness.start(["nohup", *tree.command(name, "--", "sh", "-c", script)],
                                user=tree.user, cwd="/")
        if name == REPOSITORY:
            wait_for_output(process, b"ready\n")
        else:
            wait_until(lambda: any("-o" in words for words in tree.processes().values()),
                       lambda: "no client")
        process.signal(signal.SIGHUP)
        result = process.wait()
        expect_equal((result.status, result.stdout), (2, "ready\nended\n"), str(result))
        tree.expect_nothing_left()


@test
def an_interrupt_that_a_shell_ignores_for_its_background_does_not_end_the_start():
    tree = Tree()
    process = harness.start("trap '' INT QUIT; exec " +
                            line(tree, "slow.example.org", "--", "echo", "ended"),
                            user=tree.user, cwd="/")
    wait_until(lambda: any("-o" in words for words in tree.processes().values()),
               lambda: "no client")
    process.signal(signal.SIGINT)
    result = process.wait()
    expect_equal((result.status, result.stdout), (0, "ended\n"), str(result))


ORPHANS = ("for i in 1 2 3 4 5 6 7 8; do (setsid sh -c 'sleep 0.1' &); done; "
           "n=0; while grep -qs '^PPid:.1$' $(grep -ls '^State:.Z' /proc/[0-9]*/status) && "
           "[ $n -lt 100 ]; do n=$((n + 1)); sleep 0.1; done; "
           "sleep 0.3; grep -ls '^State:.Z' /proc/[0-9]*/status | wc -l")


@test
def orphans_of_the_command_are_reaped_while_it_runs():
    result = Tree().cvmfsexec(REPOSITORY, "--", "sh", "-c", ORPHANS)
    expect_equal((result.status, result.stdout), (0, "0\n"), str(result))


@test
def orphans_are_reaped_without_a_pid_namespace_too():
    tree = Tree()
    user = tree.user
    masked = ["unshare", "-Urm", "/bin/sh", "-c", "mount --bind /dev/null /proc/version && "
              f'exec unshare -U --map-user={user.uid} --map-group={user.gid} "$@"', "sh"]
    # Of the processes of the host only those of this user concern us here.
    script = ("for i in 1 2 3 4 5 6 7 8; do (setsid sh -c 'exit 0' &); done; sleep 0.5; "
              'for f in $(grep -ls "^State:.Z" /proc/[0-9]*/status); do '
              'grep -s "^PPid:.$PPID$" $f; done; echo none')
    result = harness.run([*masked, *tree.command("--", "sh", "-c", script)], user=user, cwd="/")
    expect_equal((result.status, result.stdout), (0, "none\n"), str(result))


@test
def many_orphans_at_the_end_are_all_over():
    tree = Tree()
    mark = shlex.quote(tree.home)
    result = tree.cvmfsexec(REPOSITORY, "--", "sh", "-c", "for i in $(seq 50); do "
                            f"setsid sh -c 'trap \"\" HUP TERM; sleep 1000' {mark} & done; exit 1")
    expect_equal(result.status, 1, str(result))
    tree.expect_nothing_left()


harness.main()
