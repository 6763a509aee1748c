#!/usr/bin/env python3
"""Sessions of cvmfsexec in mode 2, with an image, and from a single file; and many kills."""

import os
import random
import shlex
import shutil
import signal

import bundlesite
import harness
from harness import expect_equal, test
from launchtree import masked, wait_for_output, wait_until
from sessiontest import Node

harness.require_fuse_userns()

FQRN = "software.example.org"
SYSTEM = "/usr/bin:/usr/sbin:/bin:/sbin"


@test
def in_mode_2_a_session_shows_what_was_mounted_outside():
    if not (shutil.which("fusermount3") or shutil.which("fusermount")):
        harness.skip("no fusermount")
    user = bundlesite.USER
    # Mounts show in a path without "/cvmfs".
    node = Node(user=user, parent=harness.temporary_directory(user, prefix="modes-"))
    if node.run("mountrepo", "z.example.org").status:
        harness.skip("fusermount does not work here")
    node.run("umountrepo", "-a")
    node.begin("s", "a.example.org", env={"CVMFSEXEC_MODE": "2"})
    wait_until(lambda: not node.mounts(), node.mounts)  # it is brought inside
    result = node.join_shell("s", '"$CVMFSMOUNT" b.example.org; cat /cvmfs/*/fqrn')
    expect_equal(result.stdout, "a.example.org\nb.example.org\n", str(result))
    node.end("s")
    node.expect_nothing_left()
    for victim in (Node.keeper, Node.process_one):
        node.begin("s", "a.example.org", env={"CVMFSEXEC_MODE": "2"})
        process = node.start_join("s", "echo ready; sleep 1000")
        wait_for_output(process, b"ready\n")
        os.kill(victim(node), signal.SIGKILL)
        expect_equal(process.wait().status, 137)
        wait_until(lambda: not node.mounts(), node.mounts)
        wait_until(lambda: not node.processes(), node.processes)
        node.cvmfsexec("--end", "s", env=node.environment)  # the record, if it is still there


@test
def an_image_is_mounted_for_the_whole_session():
    if not all(shutil.which(tool, path=SYSTEM) for tool in ("fuse2fs", "mke2fs", "e2fsck")):
        harness.skip("no fuse2fs, mke2fs or e2fsck")
    node = Node()
    image = os.path.join(node.directory, "image")
    harness.run(["truncate", "-s", "16M", image], user=node.user, check=True)
    harness.run(["mke2fs", "-q", "-F", "-t", "ext4", image], user=node.user, check=True,
                env={"PATH": SYSTEM})
    node.begin("s", "-m", "image", "a.example.org", cwd=node.directory)
    result = node.join_shell("s", "echo words >/e2fs/file; "
                             "grep -h CVMFS_CACHE_BASE /cvmfs/a.example.org/config")
    expect_equal(result.stdout, "CVMFS_CACHE_BASE='/e2fs/cvmfscache'\n", str(result))
    expect_equal(node.join("s", "cat", "/e2fs/file").stdout, "words\n")
    node.end("s")
    check = harness.run(["e2fsck", "-fn", image], env={"PATH": SYSTEM})
    expect_equal(check.status, 0, str(check))
    os.unlink(image)
    node.expect_nothing_left()


@test
def the_single_file_has_sessions():
    site = bundlesite.Site(FQRN)
    node = bundlesite.Node(site)
    record = {"CVMFSEXEC_SESSIONS": os.path.join(node.directory, "record")}
    for status, arguments, printed in (
            (0, ["--session", "s", FQRN], ""),
            (3, ["--join", "s", "--", "/bin/sh", "-c", f"cat /cvmfs/{FQRN}/name; exit 3"], FQRN),
            (0, ["--end", "s"], ""),
            (1, ["--join", "s", "--", "true"], "")):
        result = node.run(*arguments, env=record)
        expect_equal((result.status, result.stdout), (status, printed), str(result))
    wait_until(lambda: not node.processes(), node.processes)


@test
def many_kills_leave_nothing():
    chance = random.Random(os.getpid())
    harness.note(f"seed {os.getpid()}")
    # Without a pid namespace what has lost both its attendant and its joining process is out of reach.
    for node, kills in ((Node(), 3), (Node(masked()), 1)):
        for _ in range(25):
            start = harness.start([*node.prefix, *node.command("--session", "s", "a.example.org")],
                                  user=node.user, cwd="/", env=node.environment)
            joins = [node.start_join("s", f"setsid {node.sleeper()} & {node.sleeper()}")
                     for _ in range(3)] if start.wait().status == 0 else []
            wait_until(lambda: len(node.sleepers()) >= 2, lambda: "no command has begun")
            for _ in range(kills):
                victim = chance.choice(sorted(node.processes()) or [0])
                if victim:
                    try:
                        os.kill(victim, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            harness.run(node.command("--end", "s"), user=node.user, cwd="/", env=node.environment)
            wait_until(lambda: not node.processes(), node.processes)
            for process in joins:
                process.wait()
            expect_equal(os.listdir(node.record), [])
        node.expect_nothing_left()


harness.main()
