#!/usr/bin/env python3
"""The self-extracting file where it cannot unpack beside itself: which places it takes, which it
passes over and says so, and whose trees it trusts."""

import os
import shutil

import harness
from harness import expect_equal, expect_in, test
from stubtest import USER, Node, expect_started, in_namespace, large_bundle, write


@test
def from_a_directory_that_cannot_be_written_it_unpacks_below_tmpdir():
    result = in_namespace("""
        directory=$1; temporary=$2
        mount --bind "$directory" "$directory"
        mount -o remount,bind,ro "$directory"
        export TMPDIR=$temporary
        "$directory/FILE" first 2>"$temporary/first" || [ $? = 7 ]
        "$directory/FILE" second 2>"$temporary/second" || [ $? = 7 ]
        cat "$temporary/first" >&2
        [ ! -s "$temporary/second" ]
        stat -c %a "$temporary"/cvmfsexec-*
        """, (node := Node()).directory, temporary := harness.temporary_directory(USER))
    expect_equal(result.status, 0, str(result))
    lines = result.stdout.splitlines()
    expect_equal(lines[1::2], ["first", "second"], "arguments")
    assert lines[0] == lines[2] and lines[0].startswith(temporary + "/cvmfsexec-"), lines
    expect_in("Read-only file system", result.stderr)
    expect_in(temporary, result.stderr)
    expect_equal(lines[4], "700", "mode of the directory")
    expect_equal(node.names(), ["FILE"], "names beside FILE")


@test
def a_place_mounted_noexec_is_passed_over():
    result = in_namespace("""
        directory=$1; noexec=$2; executable=$3
        mount --bind "$directory" "$directory"
        mount -o remount,bind,ro "$directory"
        mount -t tmpfs -o noexec none "$noexec"
        mount --bind "$executable" /var/tmp
        TMPDIR=$noexec "$directory/FILE" x || [ $? = 7 ]
        ls -A "$noexec"/*/*
        """, Node().directory, harness.temporary_directory(USER),
        harness.temporary_directory(USER))
    expect_equal(result.status, 0, str(result))
    lines = result.stdout.splitlines()
    assert lines[0].startswith("/var/tmp/cvmfsexec-0/"), str(result)
    expect_in("noexec", result.stderr)
    expect_equal(lines[2:], [], "names left behind")


@test
def a_full_disk_is_passed_over_and_left_as_it_was():
    bundle = large_bundle()
    room = os.path.getsize(bundle) + (2 << 20)
    result = in_namespace("""
        full=$1; bundle=$2; room=$3; export TMPDIR=$4
        mount -t tmpfs -o size=$room none "$full"
        cp "$bundle" "$full/FILE"
        "$full/FILE" x || [ $? = 7 ]
        ls -A "$full"
        """, harness.temporary_directory(USER), bundle, str(room),
        temporary := harness.temporary_directory(USER))
    expect_equal(result.status, 0, str(result))
    lines = result.stdout.splitlines()
    assert lines[0].startswith(temporary), str(result)
    expect_in("No space left on device", result.stderr)
    expect_equal(lines[2:], ["FILE"], "names on the full disk")


@test
def where_no_place_is_left_it_says_why_each_was_refused():
    result = in_namespace("""
        full=$1; bundle=$2; room=$3
        mount -t tmpfs -o size=$room none "$full"
        cp "$bundle" "$full/FILE"
        mkdir "$full/tmp"
        mount --bind "$full/tmp" /var/tmp
        export TMPDIR=/nonexistent
        unset XDG_CACHE_HOME HOME
        exec 3<"$full"
        mount --bind "$full/tmp" /tmp
        status=0; /proc/self/fd/3/FILE x || status=$?
        echo status $status
        """, harness.temporary_directory(USER), bundle := large_bundle(),
        str(os.path.getsize(bundle) + (2 << 20)))
    expect_equal(result.stdout, "status 1\n", str(result))
    for words in ("No space left on device", "/nonexistent", "/var/tmp", "TMPDIR"):
        expect_in(words, result.stderr)
    expect_equal(result.stderr.count("\n"), 1, "lines of the message")


@test
def a_directory_open_to_others_is_not_used():
    result = in_namespace("""
        directory=$1; open=$2; closed=$3
        mount --bind "$directory" "$directory"
        mount -o remount,bind,ro "$directory"
        mkdir -m 777 "$open/cvmfsexec-0"
        chmod 777 "$open/cvmfsexec-0"
        mount --bind "$closed" /var/tmp
        TMPDIR=$open "$directory/FILE" x || [ $? = 7 ]
        ls -A "$open/cvmfsexec-0"
        """, Node().directory, harness.temporary_directory(USER),
        harness.temporary_directory(USER))
    expect_equal(result.status, 0, str(result))
    lines = result.stdout.splitlines()
    assert lines[0].startswith("/var/tmp/cvmfsexec-0/"), str(result)
    expect_in("open to others", result.stderr)
    expect_equal(lines[2:], [], "names in the open directory")


@test
def another_user_can_run_what_was_unpacked():
    if harness.ME.uid != 0:
        harness.skip("not root: there is no other user")
    node = Node()
    node.run()
    other = harness.User(34567, 34567)
    expect_started(node.run("x", user=other), node.tree("cvmfsexec"), "x")


@test
def a_tree_somebody_else_put_there_is_not_trusted():
    if harness.ME.uid != 0:
        harness.skip("not root: there is no other user")
    other = harness.User(34567, 34567)
    node = Node(owner=USER)
    os.chmod(node.directory, 0o1777)
    node.run()
    os.rename(node.tree(), node.path("tree"))
    shutil.copytree(node.path("tree"), node.tree(), symlinks=True)
    write(node.tree("cvmfsexec"), "#!/bin/sh\necho evil\n", 0o755)
    harness.run(["chown", "-R", f"{other.uid}:{other.gid}", node.tree()], check=True)
    result = node.run("x", env={"TMPDIR": harness.temporary_directory(USER)})
    expect_equal(result.status, 7, str(result))
    assert "evil" not in result.stdout, "the other user's program ran"
    expect_in("another user", result.stderr)


harness.main()
