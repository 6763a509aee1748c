"""What a site has and a node gets, for tests of the single file from end to end.

    site = bundlesite.Site("software.example.org")
    node = bundlesite.Node(site)
    node.run("software.example.org", "--", "cat", "/cvmfs/software.example.org/name")

As on the grid, one repository configures the others: it brings their servers and keys. Each
repository has a file `name` with its name in it.
"""

import os
import pwd
import shutil

import harness

CONFIG = "config-osg.opensciencegrid.org"
PROGRAMS = ["makedist", "stub", "cvmfsexec", "mountrepo", "umountrepo", "cvmfs2",
            "libcvmfsexec-transfer.so"]
# fusermount wants a user with a name.
USER = harness.User(*pwd.getpwnam("nobody")[2:4]) if harness.ME.uid == 0 else harness.ME


class Site:
    """A directory with the commands, a dist tree configured for some repositories, and FILE."""

    def __init__(self, *fqrns: str, sing: bool = False, machine: str | None = None):
        """sing: for singcvmfs. machine: a machine type other than that of the host, of an
        architecture for which there are programs in the build directory."""
        self.sing = sing
        self.machine = machine
        self.servers = []
        files = {"name": CONFIG}
        for fqrn in fqrns:
            repository, parameters = self._publish(fqrn, {"name": fqrn})
            key = f"etc/cvmfs/keys/{fqrn}.pub"
            with open(repository.public_key, encoding="utf-8") as file:
                files[key] = file.read()
            files[f"etc/cvmfs/config.d/{fqrn}.conf"] = \
                parameters + f"CVMFS_PUBLIC_KEY=/cvmfs/{CONFIG}/{key}\n"
        config, parameters = self._publish(CONFIG, files)
        self.directory = harness.temporary_directory(USER)
        for name in [*PROGRAMS, *(["singcvmfs"] if sing else [])]:
            shutil.copy2(harness.program(name), self.directory)
        if machine:
            architecture = machine.split("-")[1]
            os.symlink(harness.program(architecture), self.path(architecture))
        self.makedist(*self._kind(), "-qn", "none")
        etc = self.path("dist/etc/cvmfs")
        shutil.copy(config.public_key, etc + "/keys")
        self.write("dist/etc/cvmfs/default.d/60-osg.conf", f"CVMFS_CONFIG_REPOSITORY={CONFIG}\n")
        self.write(f"dist/etc/cvmfs/config.d/{CONFIG}.conf",
                   parameters + f"CVMFS_PUBLIC_KEY=/etc/cvmfs/keys/{CONFIG}.pub\n")
        self.write("dist/etc/cvmfs/default.local",
                   "CVMFS_HTTP_PROXY=DIRECT\nCVMFS_MAX_RETRIES=0\nCVMFS_CLAIM_OWNERSHIP=no\n")
        self.file = self.path("FILE")
        self.makedist(*self._kind(), "-q", "--level=1", "-o", self.file)

    def _kind(self) -> list[str]:
        return (["-s"] if self.sing else []) + (["-m", self.machine] if self.machine else [])

    def _publish(self, fqrn: str, files: dict[str, str]) -> tuple[harness.Repository, str]:
        """A repository that is served, and the parameter that says where."""
        repository = harness.make_repository(fqrn, files=files)
        server = (harness.NginxServer if harness.nginx_available() else harness.FaultServer)(
            repository.webroot)
        self.servers.append(server)
        return repository, f"CVMFS_SERVER_URL={harness.server_url(server)}\n"

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def write(self, name: str, text: str) -> None:
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def makedist(self, *arguments: str, **options) -> harness.Result:
        return harness.run(["./makedist", *arguments], cwd=self.directory, check=True, **options)


class Node:
    """A directory of an ordinary user with a copy of FILE, under a name of the caller's choice.
    What is mounted below it, and the processes, end with the test."""

    def __init__(self, site: Site, name: str = "cvmfsexec"):
        self.site = site
        self.directory = harness.temporary_directory(USER)
        self.file = os.path.join(self.directory, name)
        shutil.copy2(site.file, self.file)
        os.chown(self.file, USER.uid, USER.gid)
        self.home = os.path.join(self.directory, ".singcvmfs" if site.sing else ".cvmfsexec")
        harness.at_end(self._unmount)

    def path(self, name: str) -> str:
        """Of something in the extracted tree."""
        return os.path.join(self.home, name)

    def run(self, *arguments: str, **options) -> harness.Result:
        """Runs FILE."""
        return self.shell_command([self.file, *arguments], **options)

    def shell_command(self, command, **options) -> harness.Result:
        """Runs anything as the same user."""
        options.setdefault("cwd", self.directory)
        options.setdefault("timeout", 120)
        return harness.run(command, user=USER, **options)

    def script(self, text: str, *arguments: str, **options) -> harness.Result:
        """Runs a bash script, whose working directory is the node's."""
        return self.shell_command(["bash", "-c", text, "script", *arguments], **options)

    def mounts(self) -> list[str]:
        """What is mounted on the host below this directory, by path relative to it."""
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            points = [line.split()[4] for line in file]
        return [os.path.relpath(point, self.directory) for point in points
                if point.startswith(self.directory + "/")]

    def processes(self) -> list[str]:
        """Command lines of processes that were started from here."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    found.append(os.fsdecode(file.read()).replace("\0", " "))
            except OSError:
                continue  # it has ended
        return [line for line in found if self.directory in line]

    def _unmount(self) -> None:
        if self.mounts():
            self.shell_command([self.path("umountrepo"), "-a"])


def why_no_fusermount(site: Site) -> str | None:
    """The reason why nothing can be mounted outside of namespaces here, or None."""
    if not shutil.which("fusermount3") and not shutil.which("fusermount"):
        return "no fusermount"
    with harness.scope():
        node = Node(site)
        node.run("-v")
        result = node.shell_command([node.path("mountrepo"), CONFIG])
    return result.stderr.strip() if result.status else None
