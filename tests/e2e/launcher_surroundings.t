#!/usr/bin/env python3
"""What callers are like, and where trees lie: names, limits, signals and environments that nobody
has thought of."""

import os
import shlex

import harness
from harness import expect_equal, expect_in, test
from launchtree import NAMED, Tree, masked, official_tree

harness.require_fuse_userns()

# The loader of programs, lists of mount options, shells and printf(3) have a meaning for some.
NAMES = ["a:b", "a;b", "a,b", "a\\b", "a\\040b", "$HOME `x`", "*[x]?", "it's", 'a"b', "-dash",
         "%s%n", "#x", "a=b", " a "]
NO_TEXT = os.fsdecode(b"\xff\xfe")

# Becomes the command behind it when that has been prepared in Python.
EXECUTE = "; import os, sys; os.execv(sys.argv[1], sys.argv[1:])"


def directory_named(name, user):
    """A new directory of this name."""
    path = os.path.join(harness.temporary_directory(user), name)
    os.mkdir(path)
    return path


def cat(fqrn):
    return ["--", "cat", f"/cvmfs/{fqrn}/fqrn"]


@test
def the_path_of_the_tree_may_have_any_signs():
    for with_loader in (True, False):
        for name in [*NAMES, NO_TEXT]:
            tree = official_tree(with_loader, parent=directory_named(name, harness.ORDINARY))
            result = tree.cvmfsexec("a.example.org", *cat("a.example.org"))
            expect_equal((result.status, result.stdout), (0, "a.example.org\n"), f"{name}: {result}")


@test
def in_modes_1_and_2_too():
    if harness.run(["which", "fusermount3", "fusermount"]).stdout == "":
        harness.skip("no fusermount")
    for name in NAMES:
        tree = Tree(user=NAMED, parent=directory_named(name, NAMED))
        harness.at_end(tree.run, "umountrepo", "-z", "-a")
        result = tree.cvmfsexec("a.example.org", *cat("a.example.org"), env={"CVMFSEXEC_MODE": "2"})
        expect_equal((result.status, result.stdout), (0, "a.example.org\n"), f"{name}: {result}")
        expect_equal(tree.run("mountrepo", "a.example.org").status, 0, name)
        content = harness.run(["cat", tree.path("dist/cvmfs/a.example.org/fqrn")], user=tree.user)
        expect_equal(content.stdout, "a.example.org\n", str(content))
        expect_equal(tree.run("umountrepo", "-a").status, 0, name)
        tree.expect_nothing_left()


@test
def white_space_that_no_client_can_be_told_is_refused_with_words():
    for name in ("a\tb", "a\nb", "a  b"):
        tree = Tree(parent=directory_named(name, harness.ORDINARY))
        result = tree.cvmfsexec("a.example.org", *cat("a.example.org"))
        expect_equal((result.status, result.stdout), (1, ""), str(result))
        expect_in("several blanks in a row", result.stderr)


@test
def the_path_of_the_tree_may_be_long():
    path = harness.temporary_directory(harness.ORDINARY)
    for _ in range(14):
        path = os.path.join(path, 240 * "l")
    os.makedirs(path)
    tree = Tree(parent=path)
    result = tree.cvmfsexec("a.example.org", *cat("a.example.org"))
    expect_equal((result.status, result.stdout), (0, "a.example.org\n"), str(result))


@test
def the_working_directory_may_be_deeper_than_a_path_can_be_long():
    tree = Tree()
    script = ("import os; os.chdir(os.environ['PLACE']); [(os.mkdir(n), os.chdir(n)) for n in "
              "30 * [200 * 'd']]; os.mkdir('here')" + EXECUTE)
    result = harness.run(["python3", "-c", script, *tree.command("--", "ls")], user=tree.user,
                         cwd="/", env={"PLACE": harness.temporary_directory(tree.user)})
    expect_equal((result.status, result.stdout), (0, "here\n"), str(result))


@test
def few_descriptors_are_enough():
    tree = Tree()
    names = ["a.example.org", "b.example.org", "c.example.org"]
    command = shlex.join(tree.command(*names, "--", "sh", "-c", "cat /cvmfs/*/fqrn; ulimit -n"))
    result = harness.run(f"ulimit -n 24; exec {command}", user=tree.user, cwd="/")
    expect_equal(result.stdout.split(), [*names, "24"], str(result))
    for number in (4, 6, 8, 10):
        result = harness.run(f"ulimit -n {number}; exec {command}", user=tree.user, cwd="/")
        expect_equal((result.status, result.stdout), (1, ""), f"{number}: {result}")
        expect_in("No file descriptors available", result.stderr)
    tree.expect_nothing_left()


@test
def without_any_environment_it_works():
    tree = Tree()
    result = harness.run(["env", "-i", *tree.command("a.example.org", "--")], user=tree.user, cwd="/",
                         input="/bin/cat /cvmfs/*/fqrn; echo $0 $BEARER_TOKEN_FILE")
    expect_equal(result.stdout, f"a.example.org\n/bin/sh /tmp/bt_u{tree.user.uid}\n", str(result))


@test
def signals_may_be_ignored_and_blocked():
    tree = Tree()
    for before in ("import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
                   "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))"):
        for command in (["grep", "^Sig[BI]", "/proc/self/status"], ["sh", "-c", "exit 7"]):
            with_it = harness.run(["python3", "-c", before + EXECUTE,
                                   *tree.command("a.example.org", "--", *command)],
                                  user=tree.user, cwd="/")
            plain = harness.run(["python3", "-c", before + EXECUTE, f"/bin/{command[0]}",
                                 *command[1:]], cwd="/")
            expect_equal((with_it.status, with_it.stdout), (plain.status, plain.stdout), before)
    tree.expect_nothing_left()


@test
def who_does_not_listen_to_the_launchers_words_does_not_end_it():
    script = ("import os, signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL); "
              "reader, writer = os.pipe(); os.close(reader); os.dup2(writer, 2)" + EXECUTE)
    # Of the first process of a pid namespace the kernel takes care itself.
    for prefix in ([], masked()):
        tree = Tree(config_repository="a.example.org", parameters=["no_such_command"])
        expect_in("warning", tree.cvmfsexec("--", "true").stderr)
        for arguments, status, output in (
                (["--", "sh", "-c", "cat /cvmfs/*/fqrn; kill -PIPE $$"], 141, "a.example.org\n"),
                (["fails.example.org", "--", "true"], 16, "")):
            result = harness.run([*prefix, "python3", "-c", script, *tree.command(*arguments)],
                                 user=tree.user, cwd="/")
            expect_equal((result.status, result.stdout), (status, output), str(result))


@test
def a_limit_of_the_size_of_files_is_told():
    tree = Tree()
    command = shlex.join(tree.command("a.example.org", "--", "true"))
    result = harness.run(
        ["bash", "-c", f"(ulimit -f 0; exec {command}) 2>&1 | cat; exit ${{PIPESTATUS[0]}}"],
        user=tree.user, cwd="/")
    assert result.status != 0, str(result)
    expect_in("mounting a.example.org failed", result.stdout)


@test
def a_hundred_thousand_words_reach_the_command():
    tree = Tree()
    words = [str(number) for number in range(100000)]
    result = tree.cvmfsexec("--", "sh", "-c", 'echo $# "$0" "${100000}"', "zero", *words)
    expect_equal((result.status, result.stdout), (0, "100000 zero 99999\n"), result.stderr[:200])


@test
def where_tmp_cannot_be_written_to_it_works():
    tree = Tree()
    home = shlex.quote("/mnt" + tree.home[len(os.path.dirname(tree.directory)):])
    result = harness.run(
        ["unshare", "-Urm", "/bin/sh", "-ec",
         f"mount --rbind {shlex.quote(os.path.dirname(tree.directory))} /mnt; cd /; "
         "mount -t tmpfs -o ro,size=4k none /tmp; "
         f"{home}/cvmfsexec a.example.org -- cat /cvmfs/a.example.org/fqrn; "
         f"{home}/cvmfsexec --session s a.example.org"],
        user=tree.user, cwd="/", env={"TMPDIR": None, "CVMFSEXEC_SESSIONS": None})
    expect_equal((result.status, result.stdout), (1, "a.example.org\n"), str(result))
    expect_in("$CVMFSEXEC_SESSIONS can name another", result.stderr)
    tree.expect_nothing_left()


@test
def with_no_stream_open_a_repository_is_mounted_and_unmounted_from_inside():
    tree = Tree()
    result = tree.cvmfsexec("--", "bash", "-c",
                            '"$CVMFSMOUNT" a.example.org <&- >&- 2>&-; echo $?; ls /cvmfs; '
                            '"$CVMFSUMOUNT" a.example.org <&- >&- 2>&-; echo $?; ls /cvmfs')
    expect_equal(result.stdout.split(), ["0", "a.example.org", "0"], str(result))


harness.main()
