#!/usr/bin/env python3
"""Mounting and unmounting from inside cvmfsexec: $CVMFSMOUNT, $CVMFSUMOUNT, $CVMFSEXEC_CMDFD."""

import os
import shlex
import signal

import harness
from harness import expect_equal, expect_in, test
from launchtree import Tree, masked, wait_until

harness.require_fuse_userns()


def job(tree, script, *arguments, **options):
    """Runs a bash script inside; $CVMFSMOUNT is quoted, for the tree's path has a blank."""
    return tree.cvmfsexec(*arguments, "--", "bash", "-c", script, **options)


@test
def a_repository_is_mounted_when_the_request_returns():
    tree = Tree()
    result = job(tree, '"$CVMFSMOUNT" slow.example.org; echo $?; cat /cvmfs/*/fqrn; ls -A /cvmfs; '
                       'touch /cvmfs/x || df -h | grep -c /cvmfs')
    expect_equal(result.stdout, "0\nslow.example.org\nslow.example.org\n1\n", str(result))
    tree.expect_nothing_left()


@test
def mounting_twice_is_no_error_and_unmounting_what_is_not_mounted_is():
    tree = Tree()
    result = job(tree, '"$CVMFSMOUNT" a.example.org; echo $?; "$CVMFSMOUNT" a.example.org; echo $?; '
                       '"$CVMFSUMOUNT" a.example.org; echo $?; ls -A /cvmfs; '
                       '"$CVMFSUMOUNT" a.example.org; echo $?; '
                       '"$CVMFSMOUNT" a.example.org; echo $?; ls -A /cvmfs')
    expect_equal(result.stdout.split(), ["0", "0", "0", "1", "0", "a.example.org"], str(result))
    expect_in("a.example.org is not mounted", result.stderr)


KILL_CLIENT = ('kill -KILL $(cat /cvmfs/a.example.org/pid); '
               'while stat /cvmfs/a.example.org; do sleep 0.01; done >/dev/null 2>&1; ')


@test
def a_repository_whose_client_was_killed_is_mounted_again():
    for prefix in ((), masked()):
        tree = Tree()
        script = KILL_CLIENT + ('for n in 1 2 3; do { "$CVMFSMOUNT" a.example.org; echo $?; } & done; '
                                'wait; cat /cvmfs/a.example.org/fqrn; df -h | grep -c /cvmfs')
        result = harness.run([*prefix, *tree.command("a.example.org", "--", "bash", "-c", script)],
                             user=tree.user, cwd="/")
        expect_equal((result.stdout.split(), result.stderr),
                     (["0", "0", "0", "a.example.org", "1"], ""), str(result))
        tree.expect_nothing_left()


@test
def when_it_cannot_be_mounted_again_that_is_the_status():
    tree = Tree()
    client = shlex.quote(tree.path("dist/usr/bin/cvmfs2"))
    result = job(tree, KILL_CLIENT + f'chmod a-x {client}; "$CVMFSMOUNT" a.example.org; echo $?; '
                 f'chmod a+x {client}; "$CVMFSUMOUNT" a.example.org; echo $?; '
                 '"$CVMFSMOUNT" a.example.org; echo $?', "a.example.org")
    expect_equal(result.stdout.split(), ["1", "1", "0"], str(result))
    expect_in("mounting a.example.org failed", result.stderr)
    expect_in("a.example.org is not mounted", result.stderr)


@test
def a_client_that_is_stopped_does_not_hold_up_others():
    tree = Tree()
    result = job(tree, 'client=$(cat /cvmfs/a.example.org/pid); kill -STOP $client; '
                       '"$CVMFSMOUNT" b.example.org; echo $?; "$CVMFSMOUNT" a.example.org; echo $?; '
                       'kill -CONT $client', "a.example.org")
    expect_equal(result.stdout.split(), ["0", "0"], str(result))


@test
def the_true_status_and_the_reason_come_back():
    tree = Tree()
    result = job(tree, '"$CVMFSMOUNT" fails.example.org; echo $?; "$CVMFSMOUNT" dies.example.org; '
                       'echo $?; ls -A /cvmfs')
    expect_equal(result.stdout.split(), ["16", "137"], str(result))
    expect_in("Failed to initialize root file catalog", result.stderr)
    expect_in("line 19 of the log", result.stderr)
    expect_equal(result.status, 0)


@test
def twenty_requests_at_once_are_all_answered():
    tree = Tree()
    result = job(tree, 'for n in {1..20}; do { "$CVMFSMOUNT" r$((n % 10)).example.org; echo $?; } & '
                       'done; wait; ls -A /cvmfs | wc -l')
    expect_equal(sorted(result.stdout.split()), sorted(["0"] * 20 + ["10"]), str(result))
    expect_equal(result.stderr, "")


@test
def a_repository_in_use_is_unmounted_lazily_only():
    tree = Tree()
    result = job(tree, 'cd /cvmfs/a.example.org; "$CVMFSUMOUNT" a.example.org; echo $?; '
                       '"$CVMFSUMOUNT" -z a.example.org; echo $?; ls -A /cvmfs', "a.example.org")
    expect_equal(result.stdout.split(), ["1", "0"], str(result))
    expect_in("busy", result.stderr)


@test
def all_can_be_unmounted():
    tree = Tree(config_repository="config.example.org")
    result = job(tree, '"$CVMFSUMOUNT" -a; echo $?; ls -A /cvmfs; "$CVMFSUMOUNT" -a; echo $?',
                 "a.example.org", "b.example.org")
    expect_equal(result.stdout.split(), ["0", "0"], str(result))


@test
def who_closed_the_descriptor_cannot_mount_nor_can_his_children():
    tree = Tree()
    result = job(tree, 'exec {CVMFSEXEC_CMDFD}>&-; "$CVMFSMOUNT" a.example.org; echo $?; '
                       'bash -c \'"$CVMFSMOUNT" a.example.org\'; echo $?; ls -A /cvmfs')
    expect_equal(result.stdout.split(), ["1", "1"], str(result))


@test
def a_request_from_a_nested_namespace_is_answered():
    tree = Tree()
    result = job(tree, 'unshare -Urmpf --mount-proc bash -c \'"$CVMFSMOUNT" a.example.org; echo $?\'; '
                       'ls /cvmfs')
    expect_equal(result.stdout.split(), ["0", "a.example.org"], str(result))


@test
def nobody_inside_can_kill_process_1():
    tree = Tree()
    result = job(tree, '"$CVMFSMOUNT" hangs.example.org & kill -KILL 1; echo alive; exit 6')
    expect_equal((result.status, result.stdout), (6, "alive\n"))
    tree.expect_nothing_left()


# Waits for the client, tells of it, and asks for it.
WAITING = '{ "$CVMFSMOUNT" hangs.example.org; echo "status $?"; } & wait'


def start_waiting(tree, prefix=()):
    """A run with a requester that waits: the process, its process 1, and the client."""
    process = harness.start([*prefix, *tree.command("--", "bash", "-c", WAITING)], user=tree.user,
                            cwd="/")

    def clients():
        return [pid for pid, words in tree.processes().items() if "hangs.example.org" in words
                and any(word.endswith("/cvmfs2") for word in words)]

    wait_until(lambda: clients() or not process.running(), lambda: str(process.output()))
    (client,) = clients()
    with open(f"/proc/{client}/stat") as file:
        return process, int(file.read().rpartition(")")[2].split()[1]), client


@test
def a_requester_does_not_hang_when_the_client_is_killed():
    for prefix in ((), masked()):
        tree = Tree()
        process, _, client = start_waiting(tree, prefix)
        os.kill(client, signal.SIGKILL)
        result = process.wait()
        expect_equal((result.status, result.stdout), (0, "status 137\n"), str(result))
        expect_in("mounting hangs.example.org failed: the client was ended by signal 9",
                  result.stderr)
        tree.expect_nothing_left()


@test
def a_requester_does_not_hang_when_process_1_or_the_one_outside_is_killed():
    for prefix in ((), masked()):
        for which in ("process 1", "outside"):
            tree = Tree()
            process, process_one, _ = start_waiting(tree, prefix)
            os.kill(process_one if which == "process 1" else process.pid, signal.SIGKILL)
            expect_equal(process.wait().status, 137, which)
            tree.expect_nothing_left()


@test
def who_asks_and_is_killed_leaves_the_others_alone():
    tree = Tree()
    result = job(tree, '"$CVMFSMOUNT" slow.example.org & victim=$!; '
                       '"$CVMFSMOUNT" slow.example.org & '
                       'while ! [ -e /cvmfs/slow.example.org ]; do sleep 0.01; done; '
                       'kill -KILL $victim; wait $victim; echo $?; wait $!; echo $?; ls /cvmfs')
    expect_equal(result.stdout.split(), ["137", "0", "slow.example.org"], str(result))
    tree.expect_nothing_left()


@test
def a_descriptor_of_that_number_that_is_something_else_is_left_alone():
    tree = Tree()
    result = job(tree, "exec {CVMFSEXEC_CMDFD}>&-; exec python3 - <<E\n"
                       "import os, socket, subprocess\n"
                       "kinds = ((socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_UNIX, "
                       "socket.SOCK_DGRAM))\n"
                       "number = int(os.environ['CVMFSEXEC_CMDFD'])\n"
                       "for kind in kinds:\n"
                       "    ours, theirs = socket.socketpair(*kind)\n"
                       "    os.dup2(theirs.fileno(), number)\n"
                       "    print(subprocess.run([os.environ['CVMFSMOUNT'], 'a.example.org'], "
                       "pass_fds=[number]).returncode)\n"
                       "    ours.setblocking(False)\n"
                       "    try:\n"
                       "        print(ours.recv(100))\n"
                       "    except BlockingIOError:\n"
                       "        print('nothing')\n"
                       "E\n")
    expect_equal(result.stdout.split(), ["1", "nothing"] * 2, str(result))
    expect_in("closed or was put to another use", result.stderr)


@test
def nonsense_on_the_descriptor_does_no_harm():
    tree = Tree()
    result = job(tree, 'python3 - <<E\n'
                       'import os, socket\n'
                       's = socket.socket(fileno=int(os.environ["CVMFSEXEC_CMDFD"]))\n'
                       's.send(b"nonsense")\n'
                       'a, b = socket.socketpair()\n'
                       'for words in (b"m../../etc", b"x", b"m", b"ma\\0b", b"m" + 500 * b"a"):\n'
                       '    socket.send_fds(s, [words], [b.fileno()])\n'
                       'b.close()\n'
                       'print(a.recv(1))\n'
                       'E\n'
                       '"$CVMFSMOUNT" b.example.org; echo $?; ls -A /cvmfs')
    expect_equal(result.stdout, "b''\n0\nb.example.org\n", str(result))


@test
def wrong_command_lines_give_1():
    tree = Tree()
    result = job(tree, 'for a in "" ../x "a b"; do "$CVMFSMOUNT" "$a"; echo $?; "$CVMFSUMOUNT" "$a"; '
                       'echo $?; done; "$CVMFSMOUNT" a b; echo $?; "$CVMFSUMOUNT" -a b; echo $?')
    expect_equal(result.stdout.split(), ["1"] * 8, str(result))


harness.main()
