"""A node with a program for containers, images for it, and singcvmfs, for tests of the latter.

    site = bundlesite.Site("software.example.org", sing=True)
    node = singtest.Node(site)
    node.singcvmfs("exec", node.image(), "cat", "/cvmfs/software.example.org/name",
                   repositories="software.example.org")

That program is the stand-in tests/e2e/apptainer_standin, under the name of apptainer or singularity;
an image is a directory with a static busybox and nothing else.
"""

import json
import os
import shutil

import bundlesite
import harness
from harness import expect_equal, expect_in

STANDIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apptainer_standin")
USER = bundlesite.USER
APPLETS = ["sh", "cat", "ls", "sleep", "echo", "df", "grep", "wc", "touch", "id", "env", "mkdir",
           "mount", "true", "test", "find", "kill", "readlink"]
# The repositories of the tests, and a file in the first.
ONE, TWO = "one.example.org", "two.example.org"
NAME = f"/cvmfs/{ONE}/name"
SINGULARITY = "singularity version {}"


def require():
    """Skips all tests where they cannot run."""
    harness.require_fuse_userns()
    if not shutil.which("busybox"):
        harness.skip_all("no busybox")


def expect_said(result, status, words):
    expect_equal((result.status, result.stdout), (status, words), str(result))


def expect_refused(result, *words):
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    for part in words:
        expect_in(part, result.stderr)


def values_of(arguments, option):
    """The values an option was called with."""
    return [arguments[index + 1] for index, word in enumerate(arguments) if word == option]


class Node(bundlesite.Node):
    """version: what the program says of itself; "" for a node that has none."""

    def __init__(self, site, version="apptainer version 1.3.4", parent=None):
        super().__init__(site, "singcvmfs")
        if parent:  # a directory of another name
            moved = os.path.join(self.directory, parent)
            os.mkdir(moved)
            os.chown(moved, USER.uid, USER.gid)
            self.file = shutil.move(self.file, moved)
            self.home = os.path.join(moved, ".singcvmfs")
        self.work = harness.temporary_directory(USER)
        self.record = os.path.join(self.work, "record")
        self.environment = {
            "STANDIN_VERSION": version, "STANDIN_RECORD": self.record, "STANDIN_STATE": self.work,
            "TMPDIR": self.work,
            "SINGCVMFS_REPOSITORIES": None, "PATH": self._program(version.split(" ")[0])}

    def _program(self, name):
        """A search path with the program, if it has a name."""
        directory = harness.temporary_directory(USER)
        if name:
            name = "apptainer" if name == "apptainer" else "singularity"
            shutil.copy2(STANDIN, os.path.join(directory, name))
        return f"{directory}:/usr/bin:/bin:/usr/sbin:/sbin"

    def image(self, script='exec "$@"\n', links=()):
        """A new image, whose run script is this; links: {path: target}."""
        image = os.path.join(harness.temporary_directory(USER), "image")
        for name in ("bin", "tmp", "proc", "dev", "etc", "var", ".singularity.d"):
            os.makedirs(os.path.join(image, name))
        shutil.copy2(shutil.which("busybox"), os.path.join(image, "bin"))
        for name in APPLETS:
            os.symlink("busybox", os.path.join(image, "bin", name))
        for name, target in dict(links).items():
            os.symlink(target, os.path.join(image, name))
        path = os.path.join(image, ".singularity.d/runscript")
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)
        return image

    def command(self, *arguments):
        return [self.file, *arguments]

    def _options(self, repositories, env, options):
        changes = {**self.environment, **(env or {})}
        if repositories:
            changes["SINGCVMFS_REPOSITORIES"] = repositories
        return {"cwd": self.work, "env": changes, "user": USER, **options}

    def singcvmfs(self, *arguments, repositories=None, env=None, **options):
        """Runs FILE to its end."""
        return harness.run(self.command(*arguments), timeout=120,
                           **self._options(repositories, env, options))

    def start(self, *arguments, repositories=None, env=None, **options):
        """Starts FILE."""
        return harness.start(self.command(*arguments), **self._options(repositories, env, options))

    def calls(self):
        """What the program was called with: the arguments of each call."""
        with open(self.record, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def processes(self):
        """All that was started in this node, in containers too: {pid: arguments}. It shows in the
        environment, which every test gives."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    ours = f"TMPDIR={self.work}".encode() in file.read().split(b"\0")
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = os.fsdecode(file.read()).split("\0")
            except OSError:  # another user's, or it has ended
                continue
            if ours and words != [""]:
                found[int(pid)] = words
        return found

    def files(self):
        """Everything below dist, with the time of its last change."""
        found = {}
        for directory, names, files in os.walk(self.path("dist")):
            for name in names + files:
                path = os.path.join(directory, name)
                found[os.path.relpath(path, self.home)] = os.lstat(path).st_mtime_ns
        return found
