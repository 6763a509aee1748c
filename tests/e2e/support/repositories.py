"""Repositories for a test, and the configuration of a client that mounts them."""

import functools
import os
import tarfile
from dataclasses import dataclass
from typing import Mapping, Sequence

from . import tap
from .faults import FaultServer
from .nginx import NginxServer
from .processes import ORDINARY, User, run, source_directory, temporary_directory

MKREPO = os.path.join(source_directory(), "tests", "mkrepo")
OFFICIAL_ARCHIVE = os.path.join(source_directory(), "../shared/repos/official-small.tar.gz")


@dataclass
class Repository:
    """A repository on disk. It is served from webroot, as cvmfs/<fqrn>."""

    fqrn: str
    webroot: str
    keys: str
    manifest: str | None = None

    @property
    def directory(self) -> str:
        """Where .cvmfspublished is."""
        return os.path.join(self.webroot, "cvmfs", self.fqrn)

    @property
    def public_key(self) -> str:
        """The master key's public half, for CVMFS_PUBLIC_KEY."""
        return os.path.join(self.keys, self.fqrn + ".pub")

    def object_path(self, text: str, suffix: str = "") -> str:
        """Path of the object with this textual hash."""
        return os.path.join(self.directory, "data", text[:2], text[2:] + suffix)

    def manifest_field(self, key: str) -> str:
        """A field of .cvmfspublished, e.g. "C" for the hash of the root catalog."""
        with open(os.path.join(self.directory, ".cvmfspublished"), "rb") as file:
            for line in file.read().split(b"\n--\n", 1)[0].decode().split("\n"):
                if line[:1] == key:
                    return line[1:]
        raise KeyError(key)


def make_repository(fqrn: str, *options: str, source: str | None = None,
                    files: Mapping[str, bytes | str] | None = None,
                    into: Repository | None = None) -> Repository:
    """Runs tests/mkrepo.

    options: of its command line. source: a directory; files: instead of it, {path: content}.
    into: publishes a further revision of that repository. The manifest of the tree is made too.
    Repositories of one name have the same keys throughout a script: making them takes time.
    """
    webroot = into.webroot if into else temporary_directory()
    keys = into.keys if into else _keys_directory()
    manifest = os.path.join(webroot, fqrn + ".jsonl")
    if files is not None:
        source = temporary_directory()
        _write_files(source, files)
    repository = Repository(fqrn, webroot, keys, manifest)
    arguments = ["--fqrn", fqrn, "--output", repository.directory, "--keys", keys, "--manifest",
                 manifest, *options]
    if source is not None:
        arguments += ["--source", source]
    run(["python3", "-B", MKREPO, *arguments], timeout=600, check=True)
    return repository


@functools.cache
def _keys_directory() -> str:
    return temporary_directory(whole_script=True)


def _write_files(directory: str, files: Mapping[str, bytes | str]) -> None:
    for name, content in files.items():
        path = os.path.join(directory, name.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)


def official_repository(fqrn: str) -> Repository:
    """A repository written by the official tools, unpacked (with what it may need from cvmfs/
    ext-data); skips the test where there is none."""
    if not os.path.exists(OFFICIAL_ARCHIVE):
        tap.skip("../shared/repos/official-small.tar.gz is not there")
    directory = temporary_directory()
    with tarfile.open(OFFICIAL_ARCHIVE) as archive:
        wanted = [member for member in archive if not _is_of_another(member.name, fqrn)]
        # Python before 3.11.4, as of Debian 12, knows no filters.
        filters = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(directory, wanted, **filters)
    root = _directory_with(directory, "cvmfs")
    return Repository(fqrn, root, os.path.join(root, "keys"),
                      os.path.join(root, "manifests", fqrn + ".jsonl"))


def _is_of_another(name: str, fqrn: str) -> bool:
    """Whether a member of the archive lies below cvmfs/ of a repository that is not asked for."""
    folder = name.partition("cvmfs/")[2].partition("/")[0]
    return "." in folder and folder != fqrn


def _directory_with(top: str, name: str) -> str:
    """The archive may have a folder of its own around its content."""
    for directory, names, _ in os.walk(top):
        if name in names:
            return directory
    raise AssertionError(f"no {name}/ in {top}")


def server_url(server: NginxServer | FaultServer | str) -> str:
    """A server's URL with cvmfs/@fqrn@; a string is taken as it is."""
    return server if isinstance(server, str) else f"{server.url}/cvmfs/@fqrn@"


def client_config(repository: Repository, *servers: NginxServer | FaultServer | str,
                  user: User = ORDINARY, cache: str | None = None, proxy: str = "DIRECT",
                  settings: Mapping[str, str] | None = None,
                  without: Sequence[str] = ()) -> str:
    """Writes a configuration for `cvmfs2 -o config=` and gives its path.

    servers: in order of failover. cache: CVMFS_CACHE_BASE, a new directory of the user unless
    given. settings: further parameters, or others for those below; without: names to leave out.
    """
    state = temporary_directory(user)
    values = {
        "CVMFS_SERVER_URL": ";".join(server_url(server) for server in servers),
        "CVMFS_HTTP_PROXY": proxy,
        "CVMFS_PUBLIC_KEY": repository.public_key,
        "CVMFS_CACHE_BASE": cache or os.path.join(state, "cache"),
        "CVMFS_RELOAD_SOCKETS": os.path.join(state, "run"),
        "CVMFS_USYSLOG": os.path.join(state, "log"),
        "CVMFS_CLAIM_OWNERSHIP": "no",
        "CVMFS_MAX_RETRIES": "1",
        "CVMFS_BACKOFF_INIT": "0",
        "CVMFS_BACKOFF_MAX": "0",
        **(settings or {}),
    }
    path = os.path.join(state, "config")
    with open(path, "w", encoding="utf-8") as file:
        for name, value in values.items():
            if name not in without:
                file.write(f"{name}='{value}'\n")
    return path
