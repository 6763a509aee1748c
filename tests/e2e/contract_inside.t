#!/usr/bin/env python3
"""What users of the bash package rely on: what a command sees and can do inside cvmfsexec.

Each test is a clause. More is in launcher.t, launcher_mounts.t, launcher_requests.t, launcher_end.t.
"""

import os
import re
import shlex
import signal

import harness
from harness import expect_equal, expect_in, test
from launchtree import Tree, wait_for_output

harness.require_fuse_userns()

CONFIG = "config.example.org"
ONE, TWO = "one.example.org", "two.example.org"


def bash(script, *arguments):
    """The part of a command line that runs a script inside. The tree's path has a blank, hence the
    quotes around $CVMFSMOUNT there."""
    return ["--", "bash", "-c", script, "script", *arguments]


def lines_of(result):
    expect_equal(result.status, 0, str(result))
    return result.stdout.splitlines()


@test
def only_the_named_repositories_and_the_config_repository_are_under_cvmfs():
    tree = Tree(config_repository=CONFIG)
    expect_equal(lines_of(tree.cvmfsexec(ONE, "--", "ls", "-A", "/cvmfs")), [CONFIG, ONE])


@test
def with_no_name_the_config_repository_alone_is_there():
    tree = Tree(config_repository=CONFIG)
    expect_equal(lines_of(tree.cvmfsexec("--", "ls", "-A", "/cvmfs")), [CONFIG])


@test
def any_process_inside_can_mount_and_unmount():
    ways = ['"$CVMFSMOUNT" "$1"', '(setsid -w "$CVMFSMOUNT" "$1")', 'sh -c \'"$CVMFSMOUNT" "$0"\' "$1"',
            'unshare -Ur "$CVMFSMOUNT" "$1"', 'unshare -Urmpf --mount-proc "$CVMFSMOUNT" "$1"',
            '{ "$CVMFSMOUNT" "$1" & } ; wait $!', 'cd / && env -i CVMFSEXEC_CMDFD=$CVMFSEXEC_CMDFD '
            '"$CVMFSMOUNT" "$1"']
    for way in ways:
        script = f'{way}; echo $?; cat "/cvmfs/$1/fqrn"; "${{CVMFSUMOUNT}}" "$1"; echo $?; ls /cvmfs'
        expect_equal(lines_of(Tree().cvmfsexec(*bash(script, ONE))), ["0", ONE, "0"], way)


@test
def a_request_returns_when_it_is_done_with_its_status():
    script = '"$CVMFSMOUNT" slow.example.org && cat /cvmfs/slow.example.org/fqrn; ' \
             'for n in {1..20}; do "$CVMFSMOUNT" fails.example.org; echo $?; ls /cvmfs; done'
    expect_equal(lines_of(Tree().cvmfsexec(*bash(script))),
                 ["slow.example.org", *(["16", "slow.example.org"] * 20)])


@test
def mounting_twice_is_no_error_and_unmounting_what_is_not_mounted_is():
    script = 'for n in 1 2; do "$CVMFSMOUNT" $1; echo $?; done; ' \
             'for n in 1 2; do "$CVMFSUMOUNT" $1; echo $?; done'
    expect_equal(lines_of(Tree().cvmfsexec(*bash(script, ONE))), ["0", "0", "0", "1"])


@test
def a_process_that_closed_the_descriptor_cannot_mount_and_neither_can_its_children():
    script = 'exec {CVMFSEXEC_CMDFD}>&-; "$CVMFSMOUNT" $1; echo $?; ' \
             'sh -c \'"$CVMFSMOUNT" "$0"\' $1; echo $?; ls -A /cvmfs'
    expect_equal(lines_of(Tree().cvmfsexec(*bash(script, ONE))), ["1", "1"])


@test
def the_descriptor_is_numbered_in_the_variable():
    result = Tree().cvmfsexec(*bash('[ -e /proc/self/fd/$CVMFSEXEC_CMDFD ] && echo open; '
                                    'declare -p CVMFSEXEC_CMDFD'))
    is_open, declared = lines_of(result)
    expect_equal(is_open, "open")
    assert re.fullmatch(r'declare -x CVMFSEXEC_CMDFD="\d+"', declared), declared


@test
def with_N_there_is_neither_variable_nor_descriptor():
    tree = Tree()
    names = [line.partition("=")[0] for line in lines_of(tree.cvmfsexec("-N", ONE, "--", "env"))]
    expect_equal({"CVMFSMOUNT", "CVMFSUMOUNT", "CVMFSEXEC_CMDFD"} & set(names), set())
    result = tree.cvmfsexec("-N", ONE, "--", "ls", "/proc/self/fd")
    expect_equal(lines_of(result), ["0", "1", "2", "3"])  # the last is what ls reads


@test
def environment_and_exported_functions_reach_the_command():
    env = {"PLAIN": " a  b ", "EMPTY": "", "ODD.NAME": "x", "BASH_FUNC_greet%%": "() {  echo hi $1\n}"}
    result = Tree().cvmfsexec(*bash('greet you; echo "<$PLAIN>" "${EMPTY-unset}"; '
                                    "tr '\\0' '\\n' </proc/$$/environ | grep -F ODD.NAME"), env=env)
    expect_equal(lines_of(result), ["hi you", "< a  b > ", "ODD.NAME=x"])


@test
def working_directory_and_arguments_with_white_space_reach_the_command():
    tree = Tree()
    place = os.path.join(tree.directory, "a  place\twith blanks")
    os.mkdir(place)
    result = tree.cvmfsexec("--", "sh", "-c", 'pwd; printf "<%s>" "$@"', "sh", " a  b", "", "c\nd",
                            "*", "--", cwd=place)
    expect_equal(result.stdout, f"{place}\n< a  b><><c\nd><*><-->")


@test
def the_three_streams_reach_the_command():
    result = Tree().cvmfsexec(ONE, *bash("cat; echo error >&2"), input="in\0put")
    expect_equal((result.stdout, result.stderr), ("in\0put", "error\n"))


@test
def the_user_s_own_uid_and_gid_reach_the_command():
    tree = Tree()
    result = tree.cvmfsexec(*bash("id -u; id -g; touch made; stat -c '%u %g' made"), cwd=tree.home)
    uid, gid = str(tree.user.uid), str(tree.user.gid)
    expect_equal(lines_of(result), [uid, gid, f"{uid} {gid}"])
    status = os.stat(tree.path("made"))
    expect_equal((status.st_uid, status.st_gid), (tree.user.uid, tree.user.gid))


@test
def the_default_shell_reads_a_here_document():
    tree = Tree()
    command = shlex.join(tree.command(ONE, "--"))
    result = harness.run(f"{command} <<END\necho $((1 + 2)) $0\nls /cvmfs\nexit 4\nEND\n",
                         user=tree.user, cwd="/", env={"SHELL": "/bin/bash"})
    expect_equal((result.status, result.stdout), (4, f"3 /bin/sh\n{ONE}\n"), str(result))


@test
def the_default_shell_is_the_one_in_the_environment_and_reads_standard_input():
    tree = Tree()
    tree.write("shell", '#!/bin/sh\necho "mine $#"\ncat\n', 0o755)
    result = tree.cvmfsexec("--", input="words", env={"SHELL": tree.path("shell")})
    expect_equal(result.stdout, "mine 0\nwords")


@test
def the_token_file_has_a_default():
    tree = Tree()
    script = bash("echo $BEARER_TOKEN_FILE")
    for env, wanted in (({"XDG_RUNTIME_DIR": "/run/mine"}, f"/run/mine/bt_u{tree.user.uid}"),
                        ({"XDG_RUNTIME_DIR": None}, f"/tmp/bt_u{tree.user.uid}"),
                        ({"BEARER_TOKEN_FILE": "/other"}, "/other")):
        env = {"BEARER_TOKEN_FILE": None, **env}
        expect_equal(lines_of(tree.cvmfsexec(*script, env=env)), [wanted])


@test
def killing_everything_leaves_no_mount_and_no_process():
    tree = Tree(config_repository=CONFIG)
    process = tree.start(ONE, TWO, *bash("echo ready; sleep 1000 & setsid sleep 1000 & wait"))
    wait_for_output(process, b"ready\n")
    for pid in tree.processes():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # with another
    tree.expect_nothing_left()


@test
def where_proc_is_masked_all_is_unmounted_and_waited_for_before_the_end():
    tree = Tree(config_repository=CONFIG)
    command = shlex.join(tree.command(ONE, TWO, *bash("ls /cvmfs; sleep 1000 & exit 5")))
    # What follows in the same namespaces sees what has been left there.
    result = harness.run(
        ["unshare", "-Urm", "/bin/sh", "-c",
         "mount --bind /dev/null /proc/version && "
         f"unshare -U --map-user={tree.user.uid} --map-group={tree.user.gid} {command}; "
         "echo $?; grep -c /cvmfs /proc/mounts"], user=tree.user, cwd="/")
    expect_equal(tree.processes(), {})
    expect_equal(result.stdout.split(), [CONFIG, ONE, TWO, "5", "0"], str(result))
    tree.expect_nothing_left()


@test
def unreadable_entries_of_the_root_directory_are_skipped():
    if harness.ME.uid != 0:
        harness.skip("only root can make a root directory with entries that others may not read")
    tree = Tree()
    command = shlex.join(["setpriv", f"--reuid={tree.user.uid}", f"--regid={tree.user.gid}",
                          "--clear-groups", *tree.command(ONE, *bash("ls -A /; cat /cvmfs/*/fqrn"))])
    # A root directory like the host's, with more in it: what only root may enter, what nobody may
    # read, links to nothing, a socket, a pipe, and a FUSE file system whose server does not answer.
    script = f"""
mount -t tmpfs -o mode=755 none /mnt && cd /mnt || exit 99
for entry in /* /.[!.]*; do
    name=${{entry#/}}
    if [ -L "$entry" ]; then cp -P "$entry" .
    elif [ -d "$entry" ]; then mkdir -p "$name" && mount --rbind "$entry" "$name"
    elif [ -f "$entry" ]; then : >"$name" && mount --bind "$entry" "$name"; fi
done 2>/dev/null
mkdir private stuck && chmod 0 private && mkdir private/below && : >unreadable && chmod 0 unreadable
ln -s /nowhere dangling; ln -s /private/below hidden; mkfifo pipe
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
exec 9<>/dev/fuse
mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 none stuck || exit 99
mkdir .old && pivot_root . .old && cd / && umount -l /.old && rmdir /.old
timeout -s KILL 60 {command}; echo $?
"""
    result = harness.run(["unshare", "-m", "bash", "-c", script])
    if result.status == 99:
        harness.skip(f"no such root directory can be made: {result.stderr}")
    lines = result.stdout.split()
    expect_equal(lines[-2:], [ONE, "0"], str(result))
    for name in ("usr", "dangling", "hidden", "cvmfs"):
        expect_in(name, lines)


@test
def a_root_directory_that_is_read_only_does_as_well():
    if harness.ME.uid != 0:
        harness.skip("only root can make it read-only")
    tree = Tree()
    command = shlex.join(["setpriv", f"--reuid={tree.user.uid}", f"--regid={tree.user.gid}",
                          "--clear-groups", *tree.command(ONE, *bash("cat /cvmfs/*/fqrn"))])
    result = harness.run(["unshare", "-m", "sh", "-c",
                          f"mount -o remount,bind,ro / || exit 99; exec {command}"])
    if result.status == 99:
        harness.skip("/ cannot be made read-only")
    expect_equal((result.status, result.stdout), (0, ONE + "\n"), str(result))


@test
def under_a_time_limit_and_without_input_it_fails_cleanly_where_it_cannot_work():
    tree = Tree()
    command = shlex.join(["timeout", "45", *tree.command("-N", ONE, "--", "/bin/true")])
    own = f"unshare -U --map-user={tree.user.uid} --map-group={tree.user.gid}"
    for forbid, run_as, words in (
            ("echo 0 >/proc/sys/user/max_user_namespaces", "setpriv --bounding-set -all",
             "max_user_namespaces"),
            ("mount --bind /dev/null /dev/fuse", own, "/dev/fuse")):
        result = harness.run(["unshare", "-Urm", "sh", "-c",
                              f"{forbid} || exit 99; exec {run_as} {command} </dev/null"],
                             user=tree.user, cwd="/")
        if result.status == 99:
            harness.skip(f"cannot be forbidden here: {forbid}")
        assert result.status not in (0, 124) and not result.stdout, str(result)
        expect_in(words, result.stderr)
        tree.expect_nothing_left()


harness.main()
