"""What the benchmark runs on: repositories, a server, the bundle of a site, directories of a user."""

import os
import shutil
import subprocess

from support.nginx import NginxServer
from support.processes import ORDINARY, program, run, source_directory, temporary_directory

REPOSITORY = "bench.example.org"
FURTHER = ["bench-2.example.org", "bench-3.example.org"]
PROGRAMS = ["stub", "makedist", "cvmfsexec", "mountrepo", "umountrepo", "cvmfs2",
            "libcvmfsexec-transfer.so"]
_DAY = 86400  # as TTL: nothing is looked up anew while the benchmark runs
_CONFIGURATION = """\
CVMFS_SERVER_URL={url}/cvmfs/@fqrn@
CVMFS_HTTP_PROXY=DIRECT
CVMFS_MAGIC_XATTRS_VISIBILITY=never
"""


class Site:
    """Everything of one run, below one temporary directory."""

    def __init__(self) -> None:
        self.top = temporary_directory()
        self.webroot = self.path("web")
        self.file = self.path("site/cvmfsexec-bench")
        self.server: NginxServer | None = None

    def path(self, *parts: str) -> str:
        """A path below the temporary directory."""
        return os.path.join(self.top, *parts)

    def make_repositories(self) -> None:
        """The large one, and small ones to be mounted beside it."""
        for fqrn in [REPOSITORY, *FURTHER]:
            shape = "bench" if fqrn == REPOSITORY else "small-files,files=100"
            run(["python3", "-B", os.path.join(source_directory(), "tests/mkrepo"), "--quiet",
                 "--fqrn", fqrn, "--generate", shape, "--ttl", str(_DAY), "--keys",
                 self.path("keys"), "--output", os.path.join(self.webroot, "cvmfs", fqrn)],
                timeout=600, check=True)

    def serve(self) -> None:
        """nginx on the loopback interface."""
        self.server = NginxServer(self.webroot)

    def make_bundle(self) -> None:
        """makedist beside copies of the programs, so that build/ stays as it is."""
        site = self.path("site")
        os.mkdir(site)
        for name in PROGRAMS:
            shutil.copy(program(name), site)
        makedist = os.path.join(site, "makedist")
        run([makedist, "--native", "none"], check=True)
        configuration = os.path.join(site, "dist/etc/cvmfs")
        for fqrn in [REPOSITORY, *FURTHER]:
            shutil.copy(self.path("keys", fqrn + ".pub"), os.path.join(configuration, "keys"))
        with open(os.path.join(configuration, "domain.d/example.org.conf"), "w",
                  encoding="utf-8") as file:
            file.write(_CONFIGURATION.format(url=self.server.url))
        run([makedist, "-o", self.file], check=True, timeout=300)

    def make_directory(self, name: str) -> str:
        """A new directory of the ordinary user."""
        path = self.path(name)
        os.mkdir(path)
        os.chown(path, ORDINARY.uid, ORDINARY.gid)
        return path

    def make_node(self, name: str) -> str:
        """A new directory of the user with a copy of the bundle; the path of the copy."""
        path = os.path.join(self.make_directory(name), "FILE")
        shutil.copy(self.file, path)
        os.chown(path, ORDINARY.uid, ORDINARY.gid)
        return path


def as_user(command: list[str], timeout: float = 600) -> str:
    """What the command prints; run by an ordinary user."""
    return run(command, user=ORDINARY, timeout=timeout, check=True).stdout


def spawn(command: list[str], times: int = 1) -> list[int]:
    """Nanoseconds of each time that an ordinary user runs the command."""
    helper = program("bench/spawn")
    return [int(line) for line in as_user([helper, str(times), *command]).split()]


def read_files(path: str, inside: list[str] | None = None) -> int:
    """Nanoseconds of reading the files on a list; `inside` is put before the command."""
    return int(as_user([*(inside or []), program("bench/readfiles"), path]))


def file_system(path: str) -> str:
    """The type of the file system that a path is on, as the system calls it."""
    return subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", path], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()
