#!/usr/bin/env python3
"""What a start costs: its system calls, compared with those of tests/helpers/bare_start.c, which
does what cannot be left out and nothing else; and the programs that are executed."""

import os
import re
import shutil

import harness
from bundlesite import PROGRAMS
from harness import expect_equal, test
from hostroot import Host

harness.require_fuse_userns()

TRUE = "/bin/true"
USER = harness.ORDINARY


def extracted_file():
    """FILE, as makedist makes it, in a directory where it has run before. Its client does nothing:
    what a client does is not counted here."""
    site = harness.temporary_directory()
    for name in PROGRAMS:
        shutil.copy2(harness.program(name), site)
    for arguments in (["-qn", "none"], ["-q", "--level=1", "-o", "FILE"]):
        harness.run(["./makedist", *arguments], cwd=site, check=True)
    node = harness.temporary_directory(USER)
    file = os.path.join(node, "FILE")
    shutil.copy2(os.path.join(site, "FILE"), file)
    harness.run([file, "--", "true"], user=USER, cwd="/", check=True)
    client = os.path.join(node, ".cvmfsexec/dist/usr/bin/cvmfs2")
    shutil.copy2(TRUE, client)
    return file


class Trace:
    """The system calls of a command, and of all that it starts."""

    def __init__(self, *command):
        directory = harness.temporary_directory(USER)
        traced = ["strace", "-ff", "-qq", "-s", "4096", "-e", "signal=none", "-o",
                  directory + "/trace", *command]
        # Where the host has a /cvmfs there is less to be done for both: compared is the other way.
        result = Host().run(traced, USER) if os.path.lexists("/cvmfs") else \
            harness.run(traced, user=USER, cwd="/")
        expect_equal((result.status, result.stdout, result.stderr), (0, "", ""), str(result))
        self.programs = []
        self.calls = 0
        for name in os.listdir(directory):
            with open(os.path.join(directory, name), errors="replace") as file:
                calls = [line for line in file if re.match(r"\w+\(", line)]
            self.calls += len(calls)
            executed = [re.match(r'execve\("([^"]*)".* = 0$', line) for line in calls]
            self.programs += [match.group(1) for match in executed if match]


def compare(ours, bare):
    """The programs that ours executed, after comparing the calls."""
    if not shutil.which("strace"):
        harness.skip("no strace")
    result = harness.run(["strace", "-qq", "-o", "/dev/null", "true"], user=USER)
    if result.status:
        harness.skip(f"strace does not work here: {result.stderr}")
    ours, bare = Trace(*ours), Trace(harness.program("helpers/bare_start"), *bare)
    words = f"{ours.calls} system calls, bare {bare.calls}: {ours.calls / bare.calls:.2f} times"
    harness.note(words)
    assert ours.calls <= 2 * bare.calls, words
    return ours.programs


@test
def a_start_has_at_most_twice_the_system_calls_of_the_bare_steps():
    programs = compare([extracted_file(), "--", TRUE], [TRUE])
    expect_equal(sorted(map(os.path.basename, programs)), ["FILE", "cvmfsexec", "true"])


@test
def a_start_with_one_repository_too_and_it_executes_four_programs():
    file = extracted_file()
    dist = os.path.join(os.path.dirname(file), ".cvmfsexec/dist")
    client = os.path.join(dist, "usr/bin/cvmfs2")
    # The same loader starts it.
    loader = [name for name in os.listdir(dist + "/usr/lib64") if name.startswith("ld")]
    expect_equal(len(loader), 1)
    programs = compare([file, "a.example.org", "--", TRUE],
                       ["-f", client, dist + "/etc/cvmfs", TRUE])
    expect_equal(sorted(map(os.path.basename, programs)),
                 sorted(["FILE", "cvmfsexec", loader[0], "true"]))


harness.main()
