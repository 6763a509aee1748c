"""Bundles of small trees, made by makedist, and nodes that have one, for tests of how it unpacks
itself.

    node = stubtest.Node()
    stubtest.expect_started(node.run("x"), node.tree("cvmfsexec"), "x")

Their program `cvmfsexec` is a script that says how it was called and where it stands.
"""

import hashlib
import os
import platform
import random
import shutil

import harness
from harness import expect_equal, expect_in

USER = harness.ORDINARY
MACHINE_TYPE = f"rhel9-{platform.machine()}"
PROGRAM = """#!/bin/sh
here=${0%/*}
printf '%s\\n' "$0" "$@"
[ "${SHOW_TREE-}" ] && stat -c '%i' "$here"
exit 7
"""
_bundles = {}


def make_bundle(version="first", files=None):
    """A bundle of a small tree; `files` are names below dist and contents. Made once by script."""
    key = (version, bool(files))
    if key in _bundles:
        return _bundles[key]
    site = harness.temporary_directory(whole_script=True)
    for name in ("makedist", "stub"):
        shutil.copy2(harness.program(name), site)
    for name in ("cvmfsexec", "mountrepo", "umountrepo"):
        write(os.path.join(site, name), PROGRAM, 0o755)
    contents = {".cvmfsexecdist": f"disttype: standard\nmachtype: {MACHINE_TYPE}\n",
                "etc/cvmfs/default.local": "CVMFS_HTTP_PROXY=DIRECT\n",
                "usr/lib/version": version, "var/lib/cvmfs/excluded": "x"}
    for name, content in {**contents, **(files or {})}.items():
        write(os.path.join(site, "dist", name), content)
    os.symlink("usr/lib", os.path.join(site, "dist", "lib"))
    output = os.path.join(site, "FILE")
    harness.run([os.path.join(site, "makedist"), "-q", "--level", "3", "-o", output], check=True)
    _bundles[key] = output
    return output


def large_bundle(version="large"):
    """A bundle that takes long enough to unpack to be interrupted: 16 MiB in 80 files."""
    generator = random.Random(1)
    return make_bundle(version, {f"data/{i}": generator.randbytes(200 << 10) for i in range(80)})


def write(path, content, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    os.chmod(path, mode)


class Node:
    """A directory of an ordinary user with a copy of a bundle."""

    def __init__(self, bundle=None, name="job", owner=USER):
        self.outside = harness.temporary_directory(owner)
        self.directory = os.path.join(self.outside, name)
        os.mkdir(self.directory)
        os.chown(self.directory, owner.uid, owner.gid)
        self.owner = owner
        self.file = self.path("FILE")
        self.put(bundle or make_bundle())

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def tree(self, *names):
        return self.path(".cvmfsexec", *names)

    def put(self, bundle):
        """Puts a bundle into FILE's place, as a copying user would."""
        shutil.copy(bundle, self.file + ".tmp")
        os.chown(self.file + ".tmp", self.owner.uid, self.owner.gid)
        os.rename(self.file + ".tmp", self.file)

    def run(self, *arguments, user=None, **more):
        return harness.run([self.file, *arguments], user=user or self.owner, **more)

    def start(self, *arguments, **more):
        return harness.start([self.file, *arguments], user=self.owner, **more)

    def names(self):
        return sorted(os.listdir(self.directory))


def expect_started(result, program, *arguments, words=""):
    """The program of the tree ran, and nobody else said anything but `words` on stderr."""
    expect_equal(result.status, 7, str(result))
    expect_equal(result.stdout.splitlines(), [program, *arguments], "standard output")
    if words:
        expect_in(words, result.stderr)
    else:
        expect_equal(result.stderr, "", "standard error")


def digests(directory):
    """All files below a directory, by name."""
    found = {}
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
                found[os.path.relpath(path, directory)] = content
    return found


def in_namespace(script, *arguments, **more):
    """Runs a shell script as root of a user namespace with mounts of its own, or skips the test."""
    if harness.run(["unshare", "-Urm", "true"], user=USER).status != 0:
        harness.skip("no user namespaces for ordinary users")
    return harness.run(["unshare", "-Urm", "sh", "-ec", script, "sh", *arguments], user=USER,
                       **more)
