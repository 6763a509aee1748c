#!/usr/bin/env python3
"""cvmfsexec when it is killed: no process, no mount, no file is left, whatever was killed."""

import os
import pty
import select
import shlex
import shutil
import signal

import harness
from harness import expect_equal, test
from launchtree import Tree, children_of, masked, name_of, wait_for_output, wait_until

harness.require_fuse_userns()

PYTHON = "/usr/bin/python3"  # one that every user may execute
JOB = ["--", "/bin/sh", "-c", "echo ready; sleep 1000"]


def started(tree, prefix=()):
    """A running cvmfsexec whose job has begun."""
    command = [*prefix, *tree.command("a.example.org", "b.example.org", *JOB)]
    process = harness.start(command, user=tree.user, cwd="/")
    wait_for_output(process, b"ready\n")
    return process


def process_one_of(process):
    (pid,) = children_of(process.pid)
    return pid


def job_of(process):
    (pid,) = [pid for pid in children_of(process_one_of(process)) if name_of(pid) == "sh"]
    return pid


@test
def when_the_outer_process_is_killed_all_is_over():
    tree = Tree()
    process = started(tree)
    process.signal(signal.SIGKILL)
    tree.expect_nothing_left()


@test
def when_process_1_is_killed_all_is_over_and_the_status_says_so():
    tree = Tree()
    process = started(tree)
    os.kill(process_one_of(process), signal.SIGKILL)
    expect_equal(process.wait().status, 137)
    tree.expect_nothing_left()


@test
def when_the_job_is_killed_all_is_over_and_the_status_says_so():
    tree = Tree()
    process = started(tree)
    os.kill(job_of(process), signal.SIGKILL)
    expect_equal(process.wait().status, 137)
    tree.expect_nothing_left()


@test
def when_a_client_is_killed_the_job_goes_on_and_nothing_is_left_after_it():
    tree = Tree()
    reader, writer = os.pipe()
    harness.at_end(os.close, reader)
    harness.at_end(os.close, writer)
    process = tree.start("a.example.org", "--", "/bin/sh", "-c", "echo ready; read line; "
                         "cat /cvmfs/a.example.org/pid || echo unreadable; exit 3", stdin=reader)
    wait_for_output(process, b"ready\n")
    (client,) = [pid for pid, arguments in tree.processes().items() if "-o" in arguments]
    os.kill(client, signal.SIGKILL)
    wait_until(lambda: client not in tree.processes(), lambda: "the client lives")
    os.write(writer, b"\n")
    result = process.wait()
    expect_equal((result.status, result.stdout), (3, "ready\nunreadable\n"), str(result))
    tree.expect_nothing_left()


@test
def when_it_is_killed_while_clients_start_all_is_over():
    tree = Tree()
    process = tree.start("hangs.example.org", *JOB)
    wait_until(lambda: any("-o" in arguments for arguments in tree.processes().values()),
               lambda: "no client")
    process.signal(signal.SIGKILL)
    tree.expect_nothing_left()


@test
def without_a_pid_namespace_too_killing_the_outer_process_ends_all():
    tree = Tree()
    process = started(tree, masked())
    process.signal(signal.SIGKILL)
    tree.expect_nothing_left()


@test
def without_a_pid_namespace_too_killing_process_1_ends_all():
    tree = Tree()
    process = started(tree, masked())
    os.kill(process_one_of(process), signal.SIGKILL)
    expect_equal(process.wait().status, 137)
    tree.expect_nothing_left()


@test
def without_a_pid_namespace_too_a_killed_job_ends_all():
    tree = Tree()
    process = started(tree, masked())
    os.kill(job_of(process), signal.SIGKILL)
    expect_equal(process.wait().status, 137)
    tree.expect_nothing_left()


@test
def clients_may_end_by_themselves_when_the_job_has_ended():
    tree = Tree()
    mark = os.path.join(tree.directory, "ended")
    with open(tree.path("dist/usr/bin/cvmfs2")) as file:
        client = file.read()
    # It comes to this when the file system was unmounted; a killed client does not.
    tree.write("dist/client", client + f"time.sleep(0.3)\nopen({mark!r}, 'w').close()\n")
    # What runs as a client is known by its executable, which is in the tree.
    python, prefix = harness.run(
        ["python3", "-c", "import sys; print(sys.executable, sys.base_prefix, sep='\\n')"],
        user=tree.user, cwd="/", check=True).stdout.split("\n")[:2]
    shutil.copy2(os.path.realpath(python), tree.path("dist/python"))
    tree.write("dist/usr/bin/cvmfs2", f"""#!/bin/sh
PYTHONHOME={shlex.quote(prefix)} exec {shlex.quote(tree.path("dist/python"))} \\
    {shlex.quote(tree.path("dist/client"))} "$@"
""", 0o755)
    result = tree.cvmfsexec("a.example.org", "--", "/bin/sh", "-c",
                            "setsid sleep 1000 </cvmfs/a.example.org/fqrn & true")
    expect_equal(result.status, 0, str(result))
    assert os.path.exists(mark)
    expect_equal(tree.processes(), {})


@test
def without_a_pid_namespace_too_what_the_job_leaves_behind_ends():
    tree = Tree()
    mark = shlex.quote(tree.home)
    for end in ("true", "kill -9 $$"):
        command = tree.command("--", "/bin/bash", "-c", f"(exec -a {mark} sleep 1000 >/dev/null "
                               f"2>&1) & setsid sleep 1000 {mark} >/dev/null 2>&1 & {end}")
        harness.run([*masked(), *command], cwd="/", user=tree.user)
        tree.expect_nothing_left()


@test
def a_timer_from_before_the_start_ends_the_job():
    tree = Tree()
    script = "import os, signal, sys; signal.alarm(1); os.execv(sys.argv[1], sys.argv[1:])"
    result = harness.run([PYTHON, "-c", script, *tree.command("--", "sleep", "1000")],
                         user=tree.user, cwd="/")
    expect_equal(result.status, 128 + signal.SIGALRM, str(result))
    tree.expect_nothing_left()


@test
def when_the_terminal_of_its_session_is_gone_so_is_the_job():
    tree = Tree()
    master, slave = pty.openpty()
    os.fchown(slave, tree.user.uid, tree.user.gid)
    # A session leader without a terminal gets the one that it opens.
    opened = 'exec <>"$0" >&0; exec "$@"'
    process = harness.start(["/bin/sh", "-c", opened, os.ttyname(slave), *tree.command(
        "--", "/bin/sh", "-c", "echo ready; exec sleep 1000")], user=tree.user, cwd="/")
    seen = b""
    while b"ready" not in seen:
        ready, _, _ = select.select([master], [], [], 20)
        assert ready, process.output()
        seen += os.read(master, 1000)
    os.close(slave)
    os.close(master)
    expect_equal(process.wait().status, 128 + signal.SIGHUP)
    tree.expect_nothing_left()


@test
def timeout_ends_it_with_its_own_status():
    tree = Tree()
    command = shlex.join(tree.command("hangs.example.org", *JOB))
    result = harness.run(f"timeout 1 {command} </dev/null", user=tree.user, cwd="/")
    expect_equal((result.status, result.stdout), (124, ""), str(result))
    tree.expect_nothing_left()


harness.main()
