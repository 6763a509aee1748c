#!/usr/bin/env python3
"""Mounts that last: cvmfsexec --session, --join and --end. launcher_session_end.t kills them."""

import os
import shlex
import signal
import socket

import harness
from harness import expect_equal, expect_in, test
from launchtree import masked, wait_for_output
from sessiontest import Node
from terminal import Terminal, expect_job_control

harness.require_fuse_userns()

EXISTS = "cvmfsexec: session s exists already\n"


def both():
    """A node, and one where a pid namespace is refused."""
    return Node(), Node(masked())


@test
def a_session_stays_until_its_end_and_commands_join_it():
    for node in both():
        node.begin("s", "a.example.org", "b.example.org")
        for status in (0, 7):
            result = node.join_shell("s", f"cat /cvmfs/*/fqrn; exit {status}")
            expect_equal((result.status, result.stdout, result.stderr),
                         (status, "a.example.org\nb.example.org\n", ""), str(result))
        expect_equal(node.end("s").stderr, "")
        node.expect_nothing_left()


@test
def the_status_is_the_commands():
    node = Node()
    node.begin("s")
    expect_equal(node.join_shell("s", "kill -USR1 $$").status, 128 + signal.SIGUSR1)
    expect_equal(node.join_shell("s", "kill -9 $$").status, 137)
    missing = node.join("s", "no-such-command")
    expect_equal((missing.status, missing.stderr),
                 (127, "cvmfsexec: no-such-command: command not found\n"))
    expect_equal(node.join("s", "/etc/passwd").status, 126)
    node.end("s")


@test
def twenty_commands_at_once():
    for node in both():
        node.begin("s", "a.example.org")
        joins = [node.start_join("s", f'cat /cvmfs/a.example.org/fqrn; "$CVMFSMOUNT" r{number}.org; '
                                 f"cat /cvmfs/r{number}.org/fqrn; exit {number}")
                 for number in range(20)]
        for number, process in enumerate(joins):
            result = process.wait()
            expect_equal((result.status, result.stdout),
                         (number, f"a.example.org\nr{number}.org\n"), str(result))
        node.end("s")
        node.expect_nothing_left()


@test
def a_command_has_its_own_callers_directory_environment_streams_and_user():
    node = Node()
    node.begin("s", env={"COLOUR": "of the session"})
    result = node.join_shell("s", 'pwd; echo "$COLOUR"; cat; id -u; id -g; grep CapEff /proc/$$/status',
                             cwd=node.directory, env={"COLOUR": "blue"})
    expect_equal(result.stdout.split("\n")[:5], [
        node.directory, "blue", str(node.user.uid), str(node.user.gid),
        "CapEff:\t" + ("0" * 16 if node.user.uid else result.stdout.split("\t")[-1].strip())])
    node.end("s")


@test
def standard_input_reaches_the_command():
    node = Node()
    node.begin("s")
    result = harness.run(node.command("--join", "s", "--"), user=node.user, cwd="/",
                         env={**node.environment, "SHELL": "/bin/sh"}, input="echo a line; exit 4\n")
    expect_equal((result.status, result.stdout), (4, "a line\n"), str(result))
    node.end("s")


@test
def a_directory_below_cvmfs_is_the_sessions():
    node = Node()
    node.begin("s", "a.example.org")
    inside = node.join_shell("s", f"cd /cvmfs/a.example.org && "
                             f"{shlex.join(node.command('--join', 's', '--', 'cat', 'fqrn'))}")
    expect_equal(inside.stdout, "a.example.org\n", str(inside))
    node.end("s")


@test
def no_descriptor_but_that_for_requests_reaches_the_command():
    node = Node()
    node.begin("s")
    result = node.join_shell("s", "cd /proc/self/fd && for fd in *; do [ -e $fd ] && echo $fd; done; "
                             "echo $CVMFSEXEC_CMDFD")
    *descriptors, requests = result.stdout.split()
    expect_equal(sorted(descriptors), sorted(["0", "1", "2", requests]), str(result))
    node.end("s")


@test
def what_one_command_mounts_all_others_see():
    for node in both():
        node.begin("s")
        waiting = node.start_join("s", "echo ready; read line; ls /cvmfs; cat /cvmfs/a.example.org/fqrn",
                                  stdin=(pipe := os.pipe())[0])
        for end in pipe:
            harness.at_end(os.close, end)
        wait_for_output(waiting, b"ready\n")
        result = node.join_shell("s", '"$CVMFSMOUNT" a.example.org; echo $?; "$CVMFSMOUNT" fails.org')
        expect_equal((result.status, result.stdout), (16, "0\n"), str(result))
        os.write(pipe[1], b"\n")
        expect_equal(waiting.wait().stdout, "ready\na.example.org\na.example.org\n")
        expect_equal(node.join_shell("s", '"$CVMFSUMOUNT" a.example.org; ls /cvmfs').stdout, "")
        node.end("s")
        node.expect_nothing_left()


@test
def without_mount_requests_a_command_cannot_mount():
    node = Node()
    script = "echo $CVMFSMOUNT$CVMFSUMOUNT$CVMFSEXEC_CMDFD; ls /proc/self/fd | wc -l"
    node.begin("s")
    node.begin("n", "-N")
    for name, options in (("s", ["-N"]), ("n", []), ("n", ["-N"])):
        expect_equal(node.join_shell(name, script, options=options).stdout, "\n4\n")
    expect_in("mountrepo", node.join_shell("s", script).stdout)
    node.end("s")
    node.end("n")
    node.expect_nothing_left()


@test
def signals_are_passed_on():
    for node in both():
        node.begin("s")
        process = node.start_join("s", "trap 'echo got it; exit 9' USR1; echo ready; "
                                  "while :; do sleep 0.1; done")
        wait_for_output(process, b"ready\n")
        process.signal(signal.SIGUSR1)
        result = process.wait()
        expect_equal((result.status, result.stdout), (9, "ready\ngot it\n"), str(result))
        stopped = node.start_join("s", "echo ready; exec sleep 1000")
        wait_for_output(stopped, b"ready\n")
        stopped.signal(signal.SIGTERM)
        expect_equal(stopped.wait().status, 128 + signal.SIGTERM)
        node.end("s")
        node.expect_nothing_left()


@test
def a_shell_has_the_terminal_and_job_control_and_gives_it_back():
    node = Node()
    node.begin("s")
    expect_job_control(node.command("--join", "s", "--", "bash", "--norc", "-i"), node.user,
                       node.environment)
    node.end("s")
    node.expect_nothing_left()


@test
def what_a_terminal_sends_to_all_reaches_the_command_once():
    node = Node()
    node.begin("s")
    command = node.command("--join", "s", "--", "bash", "-c", "trap 'echo got one' INT; echo ready; "
                           "while :; do read -t 1000 line && break; done; echo end")
    terminal = Terminal(command, node.user, env=node.environment)
    terminal.expect("ready\r\n")
    terminal.type("\x03")
    terminal.expect("got one\r\n")
    terminal.type("\n")
    terminal.expect("end\r\n")
    expect_equal(terminal.seen.count("got one"), 1, terminal.seen)
    node.end("s")


@test
def what_a_command_leaves_behind_goes_on_until_the_end():
    for node in both():
        node.begin("s", "--idle", "1", "a.example.org")
        result = node.join_shell("s", f"setsid {node.sleeper()} & {node.sleeper()} & exit 5")
        expect_equal(result.status, 5, str(result))
        # As long as it does, the session is in use.
        expect_equal(node.join("s", "sleep", "2").status, 0)
        expect_equal(len(node.sleepers()), 2)
        node.end("s")
        node.expect_nothing_left()


@test
def what_outlives_a_command_holds_nothing_of_its_caller():
    node = Node()
    node.begin("s")
    reader, writer = os.pipe()
    harness.at_end(os.close, reader)
    result = node.join_shell("s", f"sleep 1000 {writer}>&- >/dev/null 2>&1 </dev/null &",
                             pass_fds=[writer])
    os.close(writer)
    expect_equal((result.status, os.read(reader, 1)), (0, b""), str(result))
    node.end("s")
    node.expect_nothing_left()


@test
def a_session_holds_nothing_of_its_caller():
    node = Node()
    reader, writer = os.pipe()
    harness.at_end(os.close, reader)
    with open(os.path.join(node.directory, "locked"), "w") as file:
        node.begin("s", "a.example.org", pass_fds=[writer, file.fileno()], cwd=node.directory)
    os.close(writer)
    expect_equal(os.read(reader, 1), b"")
    for pid in node.processes():
        expect_equal(os.readlink(f"/proc/{pid}/cwd"), "/", str(pid))
    expect_equal(os.getsid(node.keeper()), node.keeper())
    node.end("s")


@test
def the_end_ends_the_commands_that_still_run():
    for node in both():
        node.begin("s", "a.example.org")
        yields = node.start_join("s", "echo ready; sleep 1000; true")
        refuses = node.start_join("s", "trap '' TERM; echo ready; while :; do sleep 1; done")
        for process in (yields, refuses):
            wait_for_output(process, b"ready\n")
        node.end("s")
        expect_equal(yields.wait().status, 128 + signal.SIGTERM)
        expect_equal(refuses.wait().status, 128 + signal.SIGKILL)
        node.expect_nothing_left()


@test
def a_session_ends_when_nobody_has_used_it_for_a_while():
    node = Node()
    node.begin("s", "--idle", "1", "a.example.org")
    expect_equal(node.join("s", "sleep", "2").status, 0)  # this is no idle time
    node.wait_until_gone("s")
    node.expect_nothing_left()


@test
def a_session_ends_with_a_process():
    for node in both():
        other = harness.start(["sleep", "1000"], user=node.user)
        node.begin("s", "--with-pid", str(other.pid), "a.example.org")
        expect_equal(node.join("s", "true").status, 0)
        other.kill()
        node.wait_until_gone("s")
        node.expect_nothing_left()
        result = node.run_session("s", "--with-pid", str(other.pid))
        expect_equal((result.status, result.stderr),
                     (1, f"cvmfsexec: --with-pid: there is no process {other.pid}\n"))
        node.expect_nothing_left()


@test
def a_session_outlives_the_terminal_it_was_started_from():
    node = Node()
    script = f"{shlex.join(node.command('--session', 's', 'a.example.org'))}; echo ready; sleep 1000"
    terminal = Terminal(["/bin/sh", "-c", script], node.user, env=node.environment)
    terminal.expect("ready")
    terminal.hang_up()
    terminal.process.wait()
    os.kill(node.keeper(), signal.SIGHUP)
    expect_equal(node.join("s", "cat", "/cvmfs/a.example.org/fqrn").stdout, "a.example.org\n")
    node.end("s")
    node.expect_nothing_left()


@test
def starting_one_that_exists_uses_it_and_mounts_what_is_missing():
    node = Node()
    node.begin("s", "a.example.org")
    result = node.run_session("s", "a.example.org", "b.example.org")
    expect_equal((result.status, result.stderr), (0, EXISTS), str(result))
    expect_equal(node.join("s", "ls", "/cvmfs").stdout, "a.example.org\nb.example.org\n")
    result = node.run_session("s", "fails.example.org", "c.example.org")
    expect_equal(result.status, 16, str(result))
    expect_in("mounting fails.example.org failed", result.stderr)
    expect_equal(node.join("s", "ls", "/cvmfs").stdout, "a.example.org\nb.example.org\n")
    node.end("s")
    node.expect_nothing_left()


@test
def of_ten_that_start_the_same_one_starts_it():
    for node in both():
        for _ in range(3):
            starts = [harness.start([*node.prefix, *node.command("--session", "s", "a.example.org")],
                                    user=node.user, cwd="/", env=node.environment)
                      for _ in range(10)]
            results = [process.wait() for process in starts]
            expect_equal([result.status for result in results], [0] * 10, str(results[0]))
            expect_equal(sorted(result.stderr for result in results), [""] + [EXISTS] * 9)
            node.keeper()  # there is one
            node.end("s")
            node.expect_nothing_left()


@test
def sessions_of_several_names_are_apart():
    node = Node()
    node.begin("one", "a.example.org")
    node.begin("two.2", "b.example.org")
    expect_equal(sorted(os.listdir(node.record)), ["one", "two.2"])
    expect_equal(node.join("one", "ls", "/cvmfs").stdout, "a.example.org\n")
    node.end("one")
    expect_equal(node.join("two.2", "ls", "/cvmfs").stdout, "b.example.org\n")
    node.end("two.2")
    node.expect_nothing_left()


@test
def when_a_repository_fails_there_is_no_session():
    for node in both():
        result = node.run_session("s", "a.example.org", "fails.example.org")
        expect_equal((result.status, result.stdout), (16, ""), str(result))
        expect_in("cvmfsexec: mounting fails.example.org failed\n", result.stderr)
        expect_in("line 19 of the log", result.stderr)
        node.expect_nothing_left()


@test
def a_repository_that_fails_with_1_is_not_tried_again():
    node = Node()
    broken = "dist/etc/cvmfs/config.d/broken.example.org.conf"
    os.makedirs(node.path("dist/etc/cvmfs/config.d"))
    node.write(broken, "if true\n")
    result = node.run_session("s", "broken.example.org")
    expect_equal((result.status, result.stderr.count("syntax error")), (1, 1), str(result))
    node.begin("s", "a.example.org")
    result = node.run_session("s", "broken.example.org", "b.example.org")
    expect_equal((result.status, result.stderr.count("syntax error")), (1, 1), str(result))
    expect_equal(node.join("s", "ls", "/cvmfs").stdout, "a.example.org\n")
    node.end("s")
    os.remove(node.path(broken))
    node.expect_nothing_left()


@test
def what_does_not_exist_is_said_to_be_missing():
    node = Node()
    for arguments in (["--join", "s", "--", "true"], ["--end", "s"]):
        result = node.cvmfsexec(*arguments, env=node.environment)
        expect_equal((result.status, result.stderr), (1, "cvmfsexec: there is no session s\n"))
    for name in ("../s", "", ".", "a/b"):
        result = node.run_session(name)
        expect_equal(result.status, 1, str(result))
        expect_in("is not a name of a session", result.stderr)
    node.expect_nothing_left()


@test
def one_who_is_inside_may_join_again_but_not_from_another_run():
    node = Node()
    node.begin("s", "a.example.org")
    again = shlex.join(node.command("--join", "s", "--", "/bin/sh", "-c",
                                    '"$CVMFSMOUNT" b.example.org; ls /cvmfs; exit 3'))
    result = node.join_shell("s", f"{again}; echo $?")
    expect_equal(result.stdout, "a.example.org\nb.example.org\n3\n", str(result))
    result = node.cvmfsexec("--", "/bin/sh", "-c", again, env=node.environment)
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("from inside of another cvmfsexec or a container", result.stderr)
    node.end("s")
    node.expect_nothing_left()


@test
def a_run_may_have_a_session_that_ends_with_it():
    node = Node()
    result = node.cvmfsexec("--", "/bin/sh", "-c", f"{shlex.join(node.command('--session', 's', 'a.example.org'))}"
                            f" && {shlex.join(node.command('--join', 's', '--', 'ls', '/cvmfs'))}",
                            env=node.environment)
    expect_equal((result.status, result.stdout), (0, "a.example.org\n"), str(result))
    node.expect_nothing_left(record=["s"])
    expect_in("was killed", node.end("s", 1).stderr)
    node.expect_nothing_left()


@test
def the_directory_of_the_record_must_be_the_users_alone():
    node = Node()
    node.begin("s")
    link = os.path.join(node.directory, "link")
    os.symlink(node.record, link)
    for path, mode in ((link, 0o700), (node.record, 0o755), (node.record, 0o770)):
        os.chmod(node.record, mode)
        for arguments in (["--session", "t"], ["--join", "s", "--", "true"], ["--end", "s"]):
            result = node.cvmfsexec(*arguments, env={"CVMFSEXEC_SESSIONS": path})
            expect_equal(result.status, 1, str(result))
            expect_in("the record of sessions", result.stderr)
    os.chmod(node.record, 0o700)
    node.end("s")
    node.expect_nothing_left()


@test
def another_user_is_refused():
    if harness.ME.uid != 0:
        harness.skip("only root can be two users")
    node = Node()
    node.begin("s", "a.example.org")
    for user in (harness.User(23457, 23457), harness.ROOT):
        result = harness.run(node.command("--join", "s", "--", "true"), user=user, cwd="/",
                             env=node.environment)
        expect_equal(result.status, 1, str(result))
        expect_in("the record of sessions", result.stderr)
    # Whoever can pass the directory is not let in either.
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(os.path.join(node.record, "s"))
    try:
        client.send(b"e")
    except BrokenPipeError:
        pass
    try:
        expect_equal(client.recv(100), b"")
    except ConnectionResetError:
        pass
    expect_equal(node.join("s", "true").status, 0)
    node.end("s")


@test
def nonsense_on_the_socket_does_no_harm():
    node = Node()
    if node.user != harness.ME:
        node = Node(user=harness.ME)
    node.begin("s", "a.example.org")
    for packet in (b"", b"z", b"j" + b"x" * 40000, b"\0\0\0"):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.connect(os.path.join(node.record, "s"))
        client.send(packet)
        try:
            expect_equal(client.recv(100)[:1] in (b"", b"u"), True)
        except ConnectionResetError:
            pass
        client.close()
    expect_equal(node.join("s", "true").status, 0)
    node.end("s")
    node.expect_nothing_left()


@test
def the_usual_place_of_the_record_is_found_by_all_of_a_user():
    user = harness.User(23000 + os.getpid() % 400, 23000) if harness.ME.uid == 0 else harness.ME
    node = Node(user=user)
    place = f"/tmp/cvmfsexec-{user.uid}"
    existed = os.path.exists(place)
    name = f"test.{os.getpid()}"
    node.environment = {"CVMFSEXEC_SESSIONS": None}
    node.begin(name, "a.example.org")
    status = os.stat(place)
    expect_equal((status.st_uid, status.st_mode & 0o7777), (user.uid, 0o700))
    expect_equal(node.join(name, "ls", "/cvmfs", env={"XDG_RUNTIME_DIR": "/nowhere"}).stdout,
                 "a.example.org\n")
    node.end(name)
    if not existed:
        os.rmdir(place)


harness.main()
