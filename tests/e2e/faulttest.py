"""What the tests of failures share: one repository with every kind of object, copies of it to
spoil, the ways of spoiling bytes, and the look into a cache for what must not be there.

    repository = faulttest.copy()
    server = harness.FaultServer(repository.webroot)
    server.flip(faulttest.path_of("file"))
    mount = faulttest.mount(repository, server)
    faulttest.expect_good_cache(mount)
"""

import concurrent.futures
import functools
import hashlib
import os
import shutil
import sqlite3
import zlib
from typing import Callable

import clienttest
import harness
from repomaker import reader
from repomaker.keys import Keys

FQRN = "faults.example.org"
FILES = {
    "file": b"a whole file\n" * 500,
    "other": b"another whole file\n" * 300,
    "empty": b"",
    "plain/raw": bytes(range(256)) * 40,
    "plain/raw-chunks": b"".join(b"%08d raw\n" % number for number in range(20000)),
    "chunked": b"".join(b"%08d line\n" % number for number in range(30000)),
    "nested/inner": b"in a catalog of its own\n",
    "nested/deeper/leaf": b"two catalogs down\n",
}
SETTINGS = {"CVMFS_TIMEOUT": "2", "CVMFS_TIMEOUT_DIRECT": "2"}

Damage = Callable[[harness.FaultServer, str, bytes], object]


def _flip(offset: int, bits: int) -> Damage:
    def damage(server: harness.FaultServer, pattern: str, stored: bytes) -> None:
        body = bytearray(stored)
        body[offset % len(body)] ^= bits
        server.garbage(pattern, bytes(body))
    return damage


# By name: what a server does to an object, given the pattern of its URL and its bytes.
DAMAGES: dict[str, Damage] = {
    "first byte flipped": _flip(0, 0xFF),
    "one bit flipped near the middle": lambda server, pattern, stored:
        _flip(len(stored) // 2, 0x01)(server, pattern, stored),
    "last byte flipped": _flip(-1, 0x80),
    "last byte missing": lambda server, pattern, stored: server.garbage(pattern, stored[:-1]),
    "half of it": lambda server, pattern, stored:
        server.garbage(pattern, stored[:len(stored) // 2]),
    "more behind it": lambda server, pattern, stored: server.garbage(pattern, stored + b"\0"),
    "empty": lambda server, pattern, stored: server.garbage(pattern, b""),
    "garbage": lambda server, pattern, stored: server.garbage(pattern),
    "another compressed object": lambda server, pattern, stored:
        server.garbage(pattern, zlib.compress(FILES["other"])),
    "missing": lambda server, pattern, stored: server.fail(pattern, 404),
    "an error page": lambda server, pattern, stored:
        server.fail(pattern, 500, b"<html>sorry</html>"),
}


@functools.cache
def pristine() -> harness.Repository:
    """The repository as it should be; nobody changes it. Call it first outside of a test."""
    return harness.make_repository(FQRN, "--chunk-size", "64K", "--nested", "/nested",
                                   "--nested", "/nested/deeper", "--subtree",
                                   "/plain:compression=none", "--tag", "first", files=FILES)


def copy() -> harness.Repository:
    """The same repository, to be changed."""
    webroot = harness.temporary_directory()
    shutil.copytree(pristine().webroot, webroot, dirs_exist_ok=True)
    return harness.Repository(FQRN, webroot, pristine().keys, pristine().manifest)


def keys_of(name: str = FQRN) -> Keys:
    """The keys of the repository, or a pair of keys made for this purpose."""
    return Keys(pristine().keys if name == FQRN else harness.temporary_directory(), name)


@functools.cache
def _references() -> dict[str, list[str]]:
    """Path below the URL of everything that a file's content or a catalog consists of, by name."""
    found: dict[str, list[str]] = {}
    published = reader.PublishedRepository(pristine().directory)
    for mountpoint, text in published.catalogs():
        found["catalog:" + mountpoint.decode()] = [_object(text, "C")]
        database = published.catalog(text)
        rows = database.execute("SELECT name, hash, md5path_1, md5path_2 FROM catalog"
                                " WHERE flags & 4 AND NOT flags & 8").fetchall()
        for name, digest, first, second in rows:
            chunks = database.execute("SELECT hash FROM chunks WHERE md5path_1 = ?"
                                      " AND md5path_2 = ? ORDER BY offset",
                                      (first, second)).fetchall()
            found[name] = [_object(chunk.hex(), "P") for chunk, in chunks] or \
                          [_object(digest.hex(), "")]
        database.close()
    for key in "HX":
        found[key] = [_object(published.fields[key], key)]
    return found


def _object(text: str, suffix: str) -> str:
    return f"/data/{text[:2]}/{text[2:]}{suffix}"


def path_of(name: str, chunk: int = 0) -> str:
    """Path below the URL: of a file's (last component) object or chunk, of "catalog:/mountpoint",
    of the history "H", of the certificate "X", or of a name with a dot in front itself."""
    return "/" + name if name.startswith(".") else _references()[name][chunk]


def stored(name: str, chunk: int = 0) -> bytes:
    """Its bytes as a server in order sends them."""
    with open(pristine().directory + path_of(name, chunk), "rb") as file:
        return file.read()


def spoil(server: harness.FaultServer, how: str, name: str, chunk: int = 0) -> None:
    """Makes a server send something else for one object."""
    DAMAGES[how](server, "*" + path_of(name, chunk), stored(name, chunk))


def mount(repository: harness.Repository, *servers: object, check: bool = False,
          **settings: str) -> harness.Mount:
    """Mounts with short timeouts, in a new sandbox, and notes the configuration and the cache."""
    cache = settings.pop("cache", None)
    proxy = settings.pop("proxy", "DIRECT")
    env = settings.pop("env", None)
    config = harness.client_config(repository, *servers, proxy=proxy, cache=cache,
                                   settings={**SETTINGS, **settings})
    made = harness.mount(repository.fqrn, config, check=check, env=env)
    made.config = config
    made.cache = os.path.join(cache or os.path.join(os.path.dirname(config), "cache"),
                              repository.fqrn)
    return made


def visit(repository: harness.Repository, *servers: object, **settings: str) -> clienttest.Visitor:
    """Mounts (which has to go well) and goes in; the visitor knows the mount."""
    mounted = mount(repository, *servers, check=True, **settings)
    visitor = clienttest.Visitor(mounted)
    visitor.mount = mounted
    return visitor


def with_each_damage(check: Callable[[str, harness.FaultServer, clienttest.Visitor], None],
                     *names: str) -> None:
    """Calls check(damage, server, visitor) for every damage, each with a mount of its own, all at
    once: a client that fails to fetch something waits a while. The names are spoiled before."""
    visits = []
    for how in DAMAGES:
        server = harness.FaultServer(pristine().webroot)
        for name in names:
            spoil(server, how, name)
        visits.append((how, server, visit(pristine(), server)))
    with concurrent.futures.ThreadPoolExecutor(len(visits)) as pool:
        for _ in pool.map(lambda arguments: check(*arguments), visits):
            pass


def expect_refusal(mounted: harness.Mount, status: int, *words: str, log: str = "") -> None:
    """The mount must have failed with this status, one line on stderr that holds these words, and
    these words in the log. And nothing bad may be in its cache."""
    result = mounted.result
    harness.expect_equal(result.status, status, f"status ({result})")
    harness.expect_equal(result.stderr.count("\n"), 1, f"lines on stderr of {result}")
    assert result.stderr.endswith(")\n") and f"({status} - " in result.stderr, result.stderr
    for word in words:
        harness.expect_in(word, result.stderr)
    harness.expect_in(log, clienttest.log_of(mounted))
    expect_good_cache(mounted)


@functools.cache
def _contents(directory: str) -> dict[str, list[bytes]]:
    """What each object of a repository on disk may look like in a cache, by textual hash."""
    found: dict[str, list[bytes]] = {}
    for folder, _, names in os.walk(os.path.join(directory, "data")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                body = file.read()
            text = os.path.basename(folder) + name.rstrip("CHPXM")
            if hashlib.sha1(body).hexdigest() != text:
                continue
            forms = found.setdefault(text, [])
            forms.append(hashlib.sha256(body).digest())
            try:
                forms.append(hashlib.sha256(zlib.decompress(body)).digest())
            except zlib.error:
                pass
    return found


def expect_good_cache(mounted: harness.Mount, *further: harness.Repository) -> int:
    """Everything in the cache under a hash must be what that hash stands for in the repository (or
    the further ones). The value: how many objects there are."""
    good = dict(_contents(pristine().directory))
    for repository in further:
        good.update(_contents(repository.directory))
    count = 0
    for folder, _, names in os.walk(mounted.cache):
        if len(os.path.basename(folder)) != 2:
            continue
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                digest = hashlib.sha256(file.read()).digest()
            text = os.path.basename(folder) + name
            assert digest in good.get(text, ()), f"{text} in the cache is not what it should be"
            count += 1
    return count


def left_over(mounted: harness.Mount) -> list[str]:
    """Names of the transactions that are still in the cache."""
    try:
        return os.listdir(os.path.join(mounted.cache, "txn"))
    except FileNotFoundError:
        return []


def edit(database: sqlite3.Connection, statement: str) -> None:
    """For tamper.edit_catalog: one SQL statement that has to change something."""
    changed = database.execute(statement).rowcount
    assert changed > 0, f"{statement} changes nothing"
