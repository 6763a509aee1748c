"""Package repositories for tests of makedist, below one web root as the table of sources has them,
and a site that uses them.

    world = packagetest.World()
    world.publish("cvmrepo.s3.cern.ch/cvmrepo/yum/cvmfs/EL/9/x86_64", rpmwriter.Package("cvmfs", ...))
    site = packagetest.Site(world)
    site.makedist("-m", "rhel9-x86_64", "none")
"""

import os
import platform
import shutil

import harness
import rpmwriter

PROGRAMS = ["makedist", "stub", "cvmfsexec", "mountrepo", "umountrepo", "cvmfs2",
            "libcvmfsexec-transfer.so", "libcvmfsexec-name.so", "start"]
# What the environment of a test must not bring in.
ENVIRONMENT = {name: None for name in
               ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY",
                "NO_PROXY", "SSL_CERT_FILE", "XDG_CACHE_HOME")}
USER = harness.ORDINARY

CERN = "cvmrepo.s3.cern.ch/cvmrepo/yum"
CERN_MIRROR = "cvmrepo.web.cern.ch/cvmrepo/yum"
ALMA = "repo.almalinux.org/almalinux"
CONFIG = "cvmfs-config-default-latest.noarch.rpm"
# The type that most tests are about, and where its clients are.
TYPE = ("-m", "rhel9-x86_64")
CLIENT = f"{CERN}/cvmfs/EL/9/x86_64"

_SPECIFICATION = """
Name: {name}
Version: {version}
Release: {release}
Summary: A package of the tests
License: BSD
{lines}
%description
A package of the tests.
%install
cp -a {stage}/. %{{buildroot}}
%files
{files}
"""
_COMPRESSIONS = {"gzip": "w9.gzdio", "xz": "w2.xzdio", "zstd": "w3.zstdio", "bzip2": "w9.bzdio"}


class World:
    """What the servers have: one web root with a directory for each host, served as one."""

    def __init__(self, whole_script: bool = False):
        self.webroot = harness.temporary_directory(whole_script=whole_script)
        self.server = harness.NginxServer(self.webroot)
        self.url = self.server.url + "/"

    def path(self, *names: str) -> str:
        """Of a file or directory in the web root."""
        return os.path.join(self.webroot, *names)

    def publish(self, place: str, *packages: rpmwriter.Package | str, folder: str = "",
                compression: str = "gz") -> None:
        """Adds packages (or files of packages) to a repository and indexes it."""
        os.makedirs(self.path(place, folder), exist_ok=True)
        for package in packages:
            if isinstance(package, str):
                shutil.copy(package, self.path(place, folder))
            else:
                rpmwriter.write(self.path(place, folder), package)
        self.index(place, compression)

    def index(self, place: str, compression: str = "gz") -> None:
        """Makes the metadata of a repository anew."""
        harness.run(["createrepo_c", "--quiet", "--general-compress-type", compression,
                     self.path(place)], check=True)

    def put(self, place: str, package: rpmwriter.Package | str) -> None:
        """Makes a package the one file at a place."""
        os.makedirs(os.path.dirname(self.path(place)), exist_ok=True)
        if isinstance(package, str):
            shutil.copy(package, self.path(place))
        else:
            with open(self.path(place), "wb") as file:
                file.write(rpmwriter.encode(package))

    def unindex(self, place: str) -> None:
        """Takes the metadata away."""
        shutil.rmtree(self.path(place, "repodata"))

    def downloaded(self) -> list[str]:
        """The packages that were asked for, by path."""
        return [path[1:] for path in self.server.requests() if path.endswith(".rpm")]

    def replacement(self, url: str | None = None) -> str:
        """The section that leads all of the table here, or elsewhere."""
        return f"[replace]\nhttps:// = {url or self.url}\n"


class Site:
    """A directory of an ordinary user with the programs of a build, a table of sources and a cache."""

    def __init__(self, world: World | None = None, table: str = "", programs: list[str] = PROGRAMS):
        self.directory = os.path.join(harness.temporary_directory(USER), "a site é")
        os.mkdir(self.directory)
        for name in programs:
            shutil.copy2(harness.program(name), self.directory)
        self.cache = harness.temporary_directory(USER)
        self.write_table(table + (world.replacement() if world else ""))
        if harness.ME.uid == 0:
            harness.run(["chown", "-R", f"{USER.uid}:{USER.gid}", self.directory], check=True)

    def path(self, *names: str) -> str:
        return os.path.join(self.directory, *names)

    def write_table(self, text: str, name: str = "makedist.conf") -> str:
        """Writes a table of sources beside the program; its path."""
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def command(self, *arguments: str) -> list[str]:
        cache = [] if "-o" in arguments else ["--cache", self.cache]
        return [self.path("makedist"), *cache, *arguments]

    def makedist(self, *arguments: str, status: int = 0, **options) -> harness.Result:
        """Runs it to its end, which must be this status."""
        env = ENVIRONMENT | options.pop("env", {})
        result = harness.run(self.command(*arguments), user=USER, cwd="/", env=env,
                             **{"timeout": 300, **options})
        harness.expect_equal(result.status, status, str(result))
        return result

    def start(self, *arguments: str) -> harness.Process:
        """Starts it."""
        return harness.start(self.command(*arguments), user=USER, cwd="/", env=ENVIRONMENT)

    def dry_run(self, *arguments: str) -> list[str]:
        """The URLs it prints."""
        return self.makedist("--dry-run", *arguments).stdout.splitlines()

    def names(self) -> list[str]:
        """What stands beside the programs and the table."""
        return sorted(set(os.listdir(self.directory)) - {*PROGRAMS, "makedist.conf"})

    def read(self, *names: str) -> str:
        with open(self.path(*names), encoding="utf-8") as file:
            return file.read()

    def files(self) -> set[str]:
        """All files and links in dist, by path."""
        found = set()
        for folder, folders, names in os.walk(self.path("dist")):
            names += [name for name in folders if os.path.islink(os.path.join(folder, name))]
            found |= {os.path.relpath(os.path.join(folder, name), self.path("dist"))
                      for name in names}
        return found


def build(package: rpmwriter.Package, folder: str, lines: str = "",
          compression: str | None = None) -> str:
    """Makes a package with rpmbuild, which finds out what it provides and needs; its path. Contents
    of files may be paths of files (in bytes, absolute). lines: more for its specification."""
    top = harness.temporary_directory()
    stage = os.path.join(top, "stage")
    names = []
    for entry in package.entries:
        path = os.path.join(stage, entry.name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        names.append(_stage(entry, path))
    specification = os.path.join(top, "package.spec")
    with open(specification, "w", encoding="utf-8") as file:
        file.write(_SPECIFICATION.format(name=package.name, version=package.version,
                                         release=package.release, lines=lines, stage=stage,
                                         files="\n".join(names)))
    defines = {"_topdir": top, "_binary_payload": _COMPRESSIONS[compression or package.compression],
               "debug_package": "%{nil}", "__os_install_post": "%{nil}",
               "_rpmfilename": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
               "_rpmdir": folder}
    words = [word for name, value in defines.items() for word in ("--define", f"{name} {value}")]
    harness.run(["rpmbuild", "-bb", "--quiet", "--nodeps", *words, "--target", package.architecture,
                 specification], check=True, env={"HOME": top})
    return os.path.join(folder, package.file)


def _stage(entry: rpmwriter.Entry, path: str) -> str:
    """Makes an entry in the file system; its line of %files."""
    kind, mode = entry.mode & 0o170000, entry.mode & 0o7777
    if kind == 0o120000:
        os.symlink(entry.content, path)
    elif kind == 0o040000:
        os.makedirs(path, exist_ok=True)
        return f'%dir %attr({mode:o},root,root) "/{entry.name}"'
    elif entry.content.startswith(b"/"):
        shutil.copyfile(entry.content, path)
        os.chmod(path, mode)
    else:
        with open(path, "wb") as file:
            file.write(entry.content)
        os.chmod(path, mode)
    return f'"/{entry.name}"'


class Signer:
    """An OpenPGP key that signs packages, and the file of its public half."""

    def __init__(self, name: str):
        self.home = harness.temporary_directory(whole_script=True)
        os.chmod(self.home, 0o700)
        self.user = f"{name}@example.org"
        self._gpg("--passphrase", "", "--quick-generate-key", f"Tests <{self.user}>", "rsa2048",
                  "sign", "never")
        self.armoured = self._gpg("--armor", "--export").stdout
        self.binary = self._gpg("--export").stdout_bytes
        harness.run(["gpgconf", "--kill", "gpg-agent"], env={"GNUPGHOME": self.home}, check=True)

    def _gpg(self, *arguments: str) -> harness.Result:
        return harness.run(["gpg", "--homedir", self.home, "--batch", "--quiet", *arguments],
                           check=True)

    def sign(self, path: str) -> None:
        """Signs the file of a package."""
        harness.run(["rpmsign", "--define", f"_gpg_name {self.user}", "--define", f"_gpg_path {self.home}",
                     "--define", "__gpg /usr/bin/gpg", "--addsign", path], check=True,
                    env={"GNUPGHOME": self.home, "HOME": self.home})
        harness.run(["gpgconf", "--kill", "gpg-agent"], env={"GNUPGHOME": self.home}, check=True)

    def write_key(self, path: str, armoured: bool = True) -> str:
        """Writes the public key; its path."""
        with open(path, "wb") as file:
            file.write(self.armoured.encode() if armoured else self.binary)
        return path


def machine() -> str:
    """A machine type whose programs run here."""
    return f"rhel9-{platform.machine()}"
