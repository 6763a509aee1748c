"""Whether a repository on disk is well-formed, by rules that its maker did not use: signatures by
openssl(1), numbers by counting again in SQL.

Each function gives a list of complaints.
"""

import os
import re
import sqlite3
import subprocess
import tempfile
from typing import Iterator

from . import manifest
from .hashes import algorithm_of
from .objects import object_path
from .reader import PublishedRepository
from .schema import (FLAG_CHUNKED, FLAG_DIRECTORY, FLAG_EXTERNAL, FLAG_NESTED_MOUNTPOINT,
                     FLAG_NESTED_ROOT, SHIFT_COMPRESSION, SHIFT_HASH)

_OBJECT = re.compile(r"data/([0-9a-f]{2})/([0-9a-f]{38}(?:-rmd160|-shake128)?)([CHXMP]?)$")
_REGULAR = "mode & 61440 = 32768"

_RECOUNTS = {
    "regular": f"SELECT count(*) FROM catalog WHERE {_REGULAR}",
    "symlink": "SELECT count(*) FROM catalog WHERE mode & 61440 = 40960",
    "special": "SELECT count(*) FROM catalog WHERE mode & 61440 NOT IN (32768, 40960, 16384)",
    "dir": "SELECT count(*) FROM catalog WHERE mode & 61440 = 16384",
    "nested": "SELECT count(*) FROM nested_catalogs",
    "chunked": f"SELECT count(*) FROM catalog WHERE flags & {FLAG_CHUNKED}",
    "chunks": "SELECT count(*) FROM chunks",
    "file_size": f"SELECT ifnull(sum(size), 0) FROM catalog WHERE {_REGULAR}",
    "chunked_size": f"SELECT ifnull(sum(size), 0) FROM catalog WHERE flags & {FLAG_CHUNKED}",
    "xattr": "SELECT count(*) FROM catalog WHERE xattr IS NOT NULL",
    "external": f"SELECT count(*) FROM catalog WHERE flags & {FLAG_EXTERNAL}",
    "external_file_size":
        f"SELECT ifnull(sum(size), 0) FROM catalog WHERE flags & {FLAG_EXTERNAL}",
}


def _openssl_with(files: dict[str, bytes], *arguments: str) -> subprocess.CompletedProcess:
    """Runs openssl in a directory with these files."""
    with tempfile.TemporaryDirectory() as directory:
        for name, data in files.items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(data)
        return subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True,
                              check=False)


def check_manifest(directory: str) -> list[str]:
    """The hash line and the signature by the certificate it names."""
    repository = PublishedRepository(directory)
    with open(os.path.join(directory, manifest.PUBLISHED), "rb") as file:
        text, digest, signature = manifest.split_frame(file.read())
    complaints = []
    if algorithm_of(digest.decode()).hash_text(text) != digest.decode():
        complaints.append("manifest: the hash line is wrong")
    pem = repository.unpacked(repository.fields["X"], "X")
    public = _openssl_with({"crt": pem}, "x509", "-in", "crt", "-pubkey", "-noout").stdout
    verified = _openssl_with({"pub": public, "sig": signature, "hash": digest}, "dgst", "-sha1",
                             "-verify", "pub", "-signature", "sig", "hash")
    if verified.returncode != 0:
        complaints.append(f"manifest: {verified.stdout!r} {verified.stderr!r}")
    return complaints


def check_whitelist(directory: str, public_key: str) -> list[str]:
    """The hash line, the signature by the master key, and the fingerprint of the certificate."""
    repository = PublishedRepository(directory)
    with open(os.path.join(directory, manifest.WHITELIST), "rb") as file:
        text, digest, signature = manifest.split_frame(file.read())
    complaints = []
    if algorithm_of(digest.decode()).hash_text(text) != digest.decode():
        complaints.append("whitelist: the hash line is wrong")
    recovered = _openssl_with({"sig": signature}, "pkeyutl", "-verifyrecover", "-pubin", "-inkey",
                              os.path.abspath(public_key), "-in", "sig")
    if recovered.stdout != digest:
        complaints.append(f"whitelist: signature of {recovered.stdout!r} {recovered.stderr!r}")
    lines = text.decode().splitlines()
    if lines[2] != "N" + repository.fields["N"]:
        complaints.append(f"whitelist: names {lines[2]!r}")
    pem = repository.unpacked(repository.fields["X"], "X")
    plain = _openssl_with({"crt": pem}, "x509", "-in", "crt", "-noout", "-fingerprint", "-sha1")
    sha1 = plain.stdout.decode().strip().rpartition("=")[2]
    if not any(line.endswith(("-RMD160", "-SHAKE128")) for line in lines[3:]) \
            and sha1 not in lines[3:]:
        complaints.append(f"whitelist: the certificate {sha1} is not on it")
    return complaints


def check_objects(directory: str) -> list[str]:
    """The name of every object is its hash."""
    complaints = []
    for folder, _, names in os.walk(os.path.join(directory, "data")):
        for name in names:
            path = os.path.join(folder, name)
            match = _OBJECT.search(path)
            if not match:
                complaints.append(f"{path}: not the name of an object")
                continue
            text = match[1] + match[2]
            with open(path, "rb") as file:
                if algorithm_of(text).hash_text(file.read()) != text:
                    complaints.append(f"{path}: has another hash")
    return complaints


def check_catalogs(directory: str) -> list[str]:
    """Statistics, sizes of nested catalogs, chunk lists, and that all objects exist."""
    repository = PublishedRepository(directory)
    complaints = []
    for mountpoint, text in repository.catalogs():
        database = repository.catalog(text)
        for complaint in (*_check_statistics(repository, database),
                          *_check_nested(repository, database, mountpoint),
                          *_check_chunks(database), *_check_references(directory, database)):
            complaints.append(f"catalog {os.fsdecode(mountpoint) or '/'}: {complaint}")
        database.close()
    return complaints


def _statistics(database: sqlite3.Connection) -> dict[str, int]:
    return dict(database.execute("SELECT counter, value FROM statistics"))


def recount(database: sqlite3.Connection) -> dict[str, int]:
    """The counters of one catalog (without prefix), from its rows."""
    columns = {name for _, name, *_ in database.execute("PRAGMA table_info(catalog)")}
    return {name: database.execute(statement).fetchone()[0]
            for name, statement in _RECOUNTS.items() if name != "xattr" or "xattr" in columns}


def _check_statistics(repository: PublishedRepository,
                      database: sqlite3.Connection) -> Iterator[str]:
    stored = _statistics(database)
    counted = recount(database)
    if "self_special" not in stored:  # where there is no counter for them, they are files
        counted["regular"] += counted.pop("special")
    for name, number in counted.items():
        if stored.get("self_" + name, number) != number:
            yield f"self_{name} is {stored['self_' + name]}, counted {number}"
    children = []
    for (child,) in database.execute("SELECT sha1 FROM nested_catalogs").fetchall():
        below = repository.catalog(child)
        children.append(_statistics(below))
        below.close()
    for name in _RECOUNTS:
        number = sum(child.get(f"{prefix}_{name}", 0) for child in children
                     for prefix in ("self", "subtree"))
        if stored.get("subtree_" + name, number) != number:
            yield f"subtree_{name} is {stored['subtree_' + name]}, counted {number}"


def _check_nested(repository: PublishedRepository, database: sqlite3.Connection,
                  mountpoint: bytes) -> Iterator[str]:
    columns = [name for _, name, *_ in database.execute("PRAGMA table_info(nested_catalogs)")]
    for row in database.execute("SELECT * FROM nested_catalogs"):
        nested = dict(zip(columns, row))
        size = len(repository.unpacked(nested["sha1"], "C"))
        if nested.get("size", size) != size:
            yield f"size of {nested['path']} is {nested['size']}, found {size}"
    roots = database.execute("SELECT flags FROM catalog WHERE parent_1 = 0 AND parent_2 = 0"
                             " OR flags & ?", (FLAG_NESTED_ROOT,)).fetchall()
    if roots != [(FLAG_DIRECTORY | (FLAG_NESTED_ROOT if mountpoint else 0),)] \
            and not mountpoint.startswith(b"/.cvmfs"):
        yield f"flags of the root entry: {roots}"
    marked = database.execute("SELECT count(*) FROM catalog WHERE flags & ?",
                              (FLAG_NESTED_MOUNTPOINT,)).fetchone()[0]
    listed = database.execute("SELECT count(*) FROM nested_catalogs").fetchone()[0]
    if marked != listed:
        yield f"{marked} nested mountpoints, {listed} nested catalogs"


def _check_chunks(database: sqlite3.Connection) -> Iterator[str]:
    """Chunks begin at 0, leave no gap and add up."""
    for name, size, key1, key2 in database.execute(
            "SELECT CAST(name AS BLOB), size, md5path_1, md5path_2 FROM catalog WHERE flags & ?",
            (FLAG_CHUNKED,)).fetchall():
        offset = 0
        for begin, length in database.execute(
                "SELECT offset, size FROM chunks WHERE md5path_1 = ? AND md5path_2 = ?"
                " ORDER BY offset", (key1, key2)):
            if begin != offset:
                yield f"{name!r}: a chunk at {begin}, expected at {offset}"
            offset = begin + length
        if offset != size:
            yield f"{name!r}: chunks end at {offset} of {size}"


def _check_references(directory: str, database: sqlite3.Connection) -> Iterator[str]:
    """The objects that rows refer to exist; plain ones of uncompressed files have their size."""
    identifiers = ("", "-rmd160", "-shake128")
    found = [(*row, "") for row in database.execute(
        "SELECT hash, flags, size FROM catalog WHERE hash IS NOT NULL AND NOT flags & ?",
        (FLAG_EXTERNAL,))]
    found += [(*row, "P") for row in database.execute(
        "SELECT c.hash, f.flags, c.size FROM chunks c JOIN catalog f USING (md5path_1, md5path_2)"
        " WHERE NOT f.flags & ?", (FLAG_EXTERNAL,))]
    for digest, flags, size, suffix in found:
        text = digest.hex() + identifiers[flags >> SHIFT_HASH & 7]
        path = object_path(directory, text, suffix)
        if not os.path.exists(path):
            yield f"{text}{suffix} is missing"
        elif flags >> SHIFT_COMPRESSION & 7 == 1 and os.path.getsize(path) != size:
            yield f"{text}{suffix} has not {size} bytes"


def schema_of(database: sqlite3.Connection) -> dict[str, object]:
    """Tables, columns, keys, indices and page size, for a comparison of two databases."""
    found: dict[str, object] = {"encoding": _pragma(database, "encoding"),
                                "page_size": _pragma(database, "page_size"),
                                "user_version": _pragma(database, "user_version")}
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
        found[table] = {
            "columns": database.execute(f"PRAGMA table_info({table})").fetchall(),
            "foreign keys": sorted(database.execute(
                f"PRAGMA foreign_key_list({table})").fetchall()),
            "indices": sorted(
                (unique, origin, database.execute(f"PRAGMA index_info({name})").fetchall())
                for _, name, unique, origin, _ in database.execute(
                    f"PRAGMA index_list({table})").fetchall()),
        }
    return found


def _pragma(database: sqlite3.Connection, name: str) -> object:
    return database.execute(f"PRAGMA {name}").fetchone()[0]


def check_all(directory: str, public_key: str) -> list[str]:
    """Everything above."""
    return [*check_manifest(directory), *check_whitelist(directory, public_key),
            *check_objects(directory), *check_catalogs(directory)]
