"""Runs of the launcher in mode 2, in which repositories are mounted outside of the namespaces by
fusermount, for tests of the modes.

    one = modestest.tree()
    result = one.cvmfsexec("a.example.org", *modestest.shell("ls /cvmfs"), env=modestest.mode(2))
    modestest.expect_clean(one)
"""

import os

import harness
from harness import expect_equal
from launchtree import NAMED, Tree, wait_for_output, why_no_fusermount

CONFIG = "config.example.org"

# How many df counts: here without what other tests have mounted on this host.
COUNT = "df -h | grep -v ' /tmp/cvmfsexec-test' | grep -c /cvmfs"


def mode(number):
    return {"CVMFSEXEC_MODE": str(number)}


def tree(**options):
    """A tree that has nothing mounted after the test. Its path has no "/cvmfs", which df counts."""
    made = Tree(user=NAMED, parent=harness.temporary_directory(NAMED, prefix="modes-"), **options)
    harness.at_end(made.run, "umountrepo", "-z", "-a")
    return made


def shell(script):
    return ["--", "/bin/sh", "-c", script]


def run_directories(one):
    """Directories for the mounts of a run, as names."""
    return [name for name in os.listdir(one.home) if name.startswith(".cvmfsexec-run.")]


def expect_clean(one):
    one.expect_nothing_left()
    expect_equal(run_directories(one), [])


def started(one, *names, script="echo ready; sleep 1000", **options):
    process = one.start(*names, *shell(script), env=mode(2), **options)
    wait_for_output(process, b"ready\n")
    return process


def require():
    """Skips all tests where they cannot run."""
    reason = why_no_fusermount(tree)
    if reason:
        harness.skip_all(f"fusermount does not work here: {reason}")
