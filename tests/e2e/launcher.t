#!/usr/bin/env python3
"""cvmfsexec and the job: what reaches the job, what comes back, and what it sees around it."""

import os
import shlex
import signal
import tempfile

import harness
from harness import expect_equal, expect_in, test
from launchtree import Tree, wait_for_output
from terminal import Terminal, expect_job_control

harness.require_fuse_userns()


def shell(script):
    return ["--", "/bin/sh", "-c", script]


@test
def the_exit_status_is_that_of_the_command():
    tree = Tree()
    for script, status in (("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143),
                           ("kill -KILL $$", 137)):
        expect_equal(tree.cvmfsexec(*shell(script)).status, status, script)


@test
def a_command_that_is_not_found_gives_127_and_one_that_cannot_be_executed_126():
    tree = Tree()
    missing = tree.cvmfsexec("--", "no-such-command")
    expect_equal(missing.status, 127)
    expect_in("no-such-command", missing.stderr)
    expect_equal(tree.cvmfsexec("--", "/etc/passwd").status, 126)
    expect_equal(tree.cvmfsexec("--", "/").status, 126)


@test
def a_script_without_an_interpreter_line_is_run_by_the_shell():
    tree = Tree()
    tree.write("script", 'echo "$1"; exit 3\n', 0o755)
    result = tree.cvmfsexec("--", tree.path("script"), "a  b")
    expect_equal((result.status, result.stdout), (3, "a  b\n"))


@test
def usage_errors_give_1_and_say_how_it_goes():
    tree = Tree()
    for arguments in ([], ["a.example.org"], ["-x", "--", "true"], ["--nonsense", "--", "true"],
                      ["../etc", "--", "true"], ["a/b", "--", "true"], ["", "--", "true"],
                      ["-m", "image"]):
        result = tree.cvmfsexec(*arguments)
        expect_equal((result.status, result.stdout), (1, ""), str(arguments))
        expect_in("Usage: cvmfsexec", result.stderr)


@test
def the_version_and_the_help_go_to_standard_output():
    tree = Tree()
    for option in ("-v", "--version"):
        result = tree.cvmfsexec(option)
        expect_equal((result.status, result.stderr), (0, ""))
        assert result.stdout.strip()[0].isdigit(), result.stdout
    for option in ("-h", "--help"):
        expect_in("Usage: cvmfsexec", tree.cvmfsexec(option).stdout)


@test
def arguments_with_blanks_reach_the_command_unchanged():
    result = Tree().cvmfsexec("--", "printf", "<%s>", "a  b", "", "*", "--", "é\n")
    expect_equal(result.stdout, "<a  b><><*><--><é\n>")


@test
def without_a_command_the_shell_reads_the_callers_standard_input():
    tree = Tree()
    result = tree.cvmfsexec("--", input="echo from a here-document\nexit 5\n",
                            env={"SHELL": "/bin/bash"})
    expect_equal((result.status, result.stdout), (5, "from a here-document\n"))
    result = tree.cvmfsexec("--", input="echo $0\n", env={"SHELL": None})
    expect_equal(result.stdout, "/bin/sh\n")


@test
def standard_input_is_read_by_the_command_alone():
    result = Tree().cvmfsexec("a.example.org", "b.example.org", "--", "cat", input="one\ntwo\n")
    expect_equal((result.status, result.stdout, result.stderr), (0, "one\ntwo\n", ""))


@test
def the_environment_reaches_the_command_with_only_the_named_additions():
    tree = Tree()
    env = {"PLAIN": "a  b", "BASH_FUNC_f%%": "() {  echo in f\n}", "BEARER_TOKEN_FILE": None,
           "XDG_RUNTIME_DIR": None, "LD_LIBRARY_PATH": "/nowhere"}
    result = tree.cvmfsexec("a.example.org", "--", "env", "-0", env=env)
    inside = dict(item.split("=", 1) for item in result.stdout.split("\0") if item)
    outside = harness.run(["env", "-0"], user=tree.user, env=env, cwd="/").stdout
    outside = dict(item.split("=", 1) for item in outside.split("\0") if item)
    added = {name: value for name, value in inside.items() if outside.get(name) != value}
    number = added.pop("CVMFSEXEC_CMDFD")
    assert int(number) > 2
    expect_equal(added, {"CVMFSMOUNT": tree.path("mountrepo"),
                         "CVMFSUMOUNT": tree.path("umountrepo"),
                         "BEARER_TOKEN_FILE": f"/tmp/bt_u{tree.user.uid}"})
    expect_equal(set(outside) - set(inside), set(), "lost")
    result = tree.cvmfsexec("--", "bash", "-c", "f", env=env)
    expect_equal(result.stdout, "in f\n", "an exported function")


@test
def the_token_file_follows_the_runtime_directory_and_is_not_overridden():
    tree = Tree()
    script = shell("echo $BEARER_TOKEN_FILE")
    result = tree.cvmfsexec(*script, env={"XDG_RUNTIME_DIR": "/x", "BEARER_TOKEN_FILE": None})
    expect_equal(result.stdout, f"/x/bt_u{tree.user.uid}\n")
    expect_equal(tree.cvmfsexec(*script, env={"BEARER_TOKEN_FILE": "/mine"}).stdout, "/mine\n")


@test
def with_N_there_is_neither_variable_nor_descriptor():
    tree = Tree()
    result = tree.cvmfsexec("-N", *shell('echo "$CVMFSMOUNT$CVMFSUMOUNT$CVMFSEXEC_CMDFD"; '
                                         'exec ls /proc/self/fd'))
    expect_equal(result.stdout, "\n0\n1\n2\n3\n")  # 3 is the directory that ls reads


@test
def the_callers_descriptors_reach_the_command_and_of_ours_only_the_one_for_requests():
    tree = Tree()
    with tempfile.TemporaryFile() as file:
        result = tree.cvmfsexec("a.example.org", *shell(
            f"echo kept >&{file.fileno()}; echo $CVMFSEXEC_CMDFD; exec ls /proc/self/fd"),
            pass_fds=[file.fileno()])
        file.seek(0)
        expect_equal(file.read(), b"kept\n")
        number, *listed = result.stdout.split()
        expected = {"0", "1", "2", number, str(file.fileno())}
        expect_equal(len(set(listed) - expected), 1, f"besides {expected} and ls's own: {listed}")


@test
def closed_standard_streams_stay_closed():
    tree = Tree()
    command = shlex.join(tree.command(*shell("[ -e /proc/self/fd/0 ] || [ -e /proc/self/fd/2 ] || "
                                             "echo closed")))
    result = harness.run(f"exec {command} <&- 2>&-", user=tree.user, cwd="/")
    expect_equal((result.status, result.stdout), (0, "closed\n"))


@test
def the_command_has_the_callers_ids_and_no_capabilities():
    tree = Tree()
    result = tree.cvmfsexec(*shell("id -u; id -g; grep -E 'Cap(Prm|Eff|Amb)' /proc/self/status"))
    lines = result.stdout.split()
    expect_equal(lines[:2], [str(tree.user.uid), str(tree.user.gid)])
    expect_equal(lines[3::2], ["0000000000000000"] * 3)


@test
def signal_mask_dispositions_umask_and_limits_are_the_callers():
    tree = Tree()
    script = "umask; ulimit -n; grep -E '^Sig(Blk|Ign)' /proc/self/status"
    for before in ("umask 027", "trap '' HUP; umask 0", "ulimit -n 100"):
        inside = harness.run(f"{before}; exec {shlex.join(tree.command(*shell(script)))}",
                             user=tree.user, cwd="/")
        outside = harness.run(f"{before}; exec /bin/sh -c {shlex.quote(script)}", user=tree.user,
                              cwd="/")
        expect_equal(inside.stdout, outside.stdout, before)


@test
def the_working_directory_is_the_callers():
    tree = Tree()
    place = os.path.join(tree.directory, "wörk dir")
    os.mkdir(place)
    for directory in ("/", "/usr/bin", place, tree.home, "/proc"):
        result = tree.cvmfsexec("--", "/bin/pwd", cwd=directory)
        expect_equal(result.stdout, directory + "\n")


@test
def a_working_directory_without_a_name_any_more_does_no_harm():
    tree = Tree()
    place = os.path.join(tree.directory, "gone")
    command = shlex.join(tree.command("--", "true"))
    result = harness.run(f"mkdir {shlex.quote(place)} && cd {shlex.quote(place)} && "
                         f"rmdir {shlex.quote(place)} && exec {command}", user=tree.user)
    expect_equal(result.status, 0, str(result))


@test
def it_is_found_through_links_and_relative_names():
    tree = Tree()
    link = os.path.join(tree.directory, "link")
    os.symlink(".cvmfsexec/cvmfsexec", link)
    for name, directory in ((link, "/"), ("./link", tree.directory), ("./cvmfsexec", tree.home)):
        result = harness.run([name, "a.example.org", "--", "ls", "/cvmfs"], user=tree.user,
                             cwd=directory)
        expect_equal(result.stdout, "a.example.org\n", str(result))


@test
def everything_of_the_root_directory_is_there_and_nothing_else():
    tree = Tree()
    result = tree.cvmfsexec("--", "ls", "-A", "/")
    expect_equal(set(result.stdout.split("\n")), set(os.listdir("/")) | {"", "cvmfs"})
    inside = tree.cvmfsexec("--", "find", "/", "-maxdepth", "1", "-type", "l", "-printf",
                            "%p %l\n")
    outside = harness.run(["find", "/", "-maxdepth", "1", "-type", "l", "-printf", "%p %l\n"])
    expect_equal(sorted(inside.stdout.split("\n")), sorted(outside.stdout.split("\n")))


@test
def nothing_of_ours_can_be_written_to():
    result = Tree().cvmfsexec("a.example.org", *shell(
        "for d in /cvmfs /cvmfs/a.example.org; do touch $d/x 2>/dev/null && echo wrote $d; done; "
        "exit 0"))
    expect_equal((result.status, result.stdout), (0, ""))


@test
def proc_shows_the_processes_inside_only():
    tree = Tree()
    result = tree.cvmfsexec(*shell("echo $$; ls -d /proc/[0-9]* | wc -l; tr '\\0' ' ' "
                                   "</proc/1/cmdline"))
    own, count, *first = result.stdout.split(None, 2)
    assert int(own) < 10 and int(count) < 10, result.stdout
    expect_in(tree.path("cvmfsexec"), first[0])


@test
def a_job_may_make_namespaces_of_its_own():
    result = Tree().cvmfsexec("a.example.org", "--", "unshare", "-Urm", "cat",
                              "/cvmfs/a.example.org/fqrn")
    expect_equal(result.stdout, "a.example.org\n", str(result))


@test
def one_cvmfsexec_works_inside_another():
    tree = Tree()
    inner = shlex.join(tree.command("b.example.org", "--", "ls", "/cvmfs"))
    result = tree.cvmfsexec("a.example.org", *shell(f"ls /cvmfs; {inner}; ls /cvmfs"))
    expect_equal(result.stdout, "a.example.org\nb.example.org\na.example.org\n", str(result))


@test
def inside_a_host_directory_cvmfs_the_root_directory_stays_the_hosts():
    tree = Tree()
    # Inside cvmfsexec the host has a directory /cvmfs.
    script = ("stat -c %d:%i / >&2; " +
              shlex.join(tree.command("b.example.org", *shell("stat -c %d:%i / >&2; pwd; df -h | "
                                                              "grep -c /cvmfs"))))
    result = tree.cvmfsexec(*shell(script), cwd="/usr/lib")
    outer, inner = result.stderr.split()
    expect_equal(outer, inner)
    expect_equal(result.stdout, "/usr/lib\n1\n")


@test
def signals_reach_the_command():
    tree = Tree()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
                   signal.SIGTERM, signal.SIGWINCH, signal.SIGCONT, signal.SIGALRM, signal.SIGXCPU,
                   signal.SIGPWR):
        name = number.name.removeprefix("SIG")
        process = tree.start(*shell(f"trap 'echo got {name}; exit 9' {name}; echo ready; "
                                    "while :; do sleep 0.1; done"))
        wait_for_output(process, b"ready\n")
        process.signal(number)
        result = process.wait()
        expect_equal((result.status, result.stdout), (9, f"ready\ngot {name}\n"), name)


@test
def a_signal_that_ends_the_command_gives_128_and_its_number():
    tree = Tree()
    process = tree.start(*shell("echo ready; exec sleep 1000"))
    wait_for_output(process, b"ready\n")
    process.signal(signal.SIGTERM)
    expect_equal(process.wait().status, 128 + signal.SIGTERM)
    tree.expect_nothing_left()


@test
def orphans_end_with_the_command():
    tree = Tree()
    # Not even those that left the session and ignore what can be ignored.
    result = tree.cvmfsexec(*shell("trap '' HUP TERM INT; setsid sleep 1000 "
                                   f"{shlex.quote(tree.home)} 2>/dev/null & "
                                   f"(exec -a {shlex.quote(tree.home)} sleep 1000) & true"))
    expect_equal(result.status, 0, str(result))
    tree.expect_nothing_left()


@test
def a_shell_with_job_control_may_be_the_command_and_gives_the_terminal_back():
    tree = Tree()
    expect_job_control(tree.command("--", "bash", "--norc", "-i"), tree.user)
    tree.expect_nothing_left()


@test
def what_a_terminal_sends_to_all_reaches_the_command_once():
    tree = Tree()
    command = tree.command("--", "bash", "-c", "trap 'echo got one' INT; echo ready; "
                           "while :; do read -t 1000 line && break; done; echo end")
    terminal = Terminal(command, tree.user)
    terminal.expect("ready\r\n")
    terminal.type("\x03")
    terminal.expect("got one\r\n")
    terminal.type("\n")
    terminal.expect("end\r\n")
    expect_equal(terminal.seen.count("got one"), 1, terminal.seen)


@test
def as_root_it_works_too():
    if harness.ME.uid != 0:
        harness.skip("the tests do not run as root")
    tree = Tree(user=harness.ROOT)
    result = tree.cvmfsexec("a.example.org", *shell("id -u; cat /cvmfs/*/fqrn; stat -c %u /etc"))
    expect_equal((result.status, result.stdout), (0, "0\na.example.org\n0\n"), str(result))
    tree.expect_nothing_left()


@test
def refused_user_namespaces_are_explained():
    tree = Tree()
    # The limit of a namespace counts for those below it; so a namespace of a test can set it.
    command = shlex.join(tree.command("--", "true"))
    result = harness.run(["unshare", "-Ur", "/bin/sh", "-c",
                          "echo 0 >/proc/sys/user/max_user_namespaces && "
                          f"exec setpriv --bounding-set -all --inh-caps -all {command}"],
                         user=tree.user, cwd="/")
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("sysctl -w user.max_user_namespaces=", result.stderr)


harness.main()
