"""Spoiling a repository on purpose, with signatures that are right where the test is about
something else."""

import os
import sqlite3
import time
from typing import Callable, Sequence

from . import manifest
from .hashes import ALGORITHMS, SHA1, algorithm_of
from .keys import Keys
from .objects import ObjectStore, object_path, write_file
from .reader import PublishedRepository


def flip_byte(path: str, offset: int = -1) -> None:
    """Inverts one byte of a file (negative: from its end)."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[offset % len(data)] ^= 0xFF
    write_file(path, bytes(data))


def truncate(path: str, size: int) -> None:
    """Cuts a file."""
    with open(path, "rb") as file:
        data = file.read(size)
    write_file(path, data)


def rewrite_manifest(directory: str, keys: Keys, changes: dict[str, str | None]) -> None:
    """Changes fields of the manifest (None removes one) and signs it again."""
    repository = PublishedRepository(directory)
    fields = {**repository.fields, **{key: value for key, value in changes.items() if value}}
    for key in [key for key, value in changes.items() if value is None]:
        fields.pop(key, None)
    manifest.write_manifest(directory, fields, keys, algorithm_of(repository.root_hash))


def rewrite_whitelist(directory: str, keys: Keys, fqrn: str | None = None,
                      expires: float | None = None, fingerprints: Sequence[str] | None = None,
                      signed_by: Keys | None = None, algorithm: str = "sha1") -> None:
    """Writes another whitelist. By default it is right; each argument makes one thing wrong:
    the name, the expiry (Unix seconds), the fingerprints, the master key that signs."""
    data = manifest.whitelist_bytes(
        fqrn or keys.fqrn,
        [keys.fingerprint(ALGORITHMS[algorithm])] if fingerprints is None else fingerprints,
        signed_by or keys, time.time() + 86400 if expires is None else expires,
        algorithm=ALGORITHMS[algorithm])
    write_file(os.path.join(directory, manifest.WHITELIST), data)


def edit_catalog(directory: str, keys: Keys, edit: Callable[[sqlite3.Connection], object],
                 mountpoint: str = "") -> str:
    """Runs edit(database) on the catalog at a mountpoint, stores the result as a new object,
    changes the references to it in the catalogs above, and signs the manifest again. The value is
    the new root hash. The revision stays."""
    repository = PublishedRepository(directory)
    chain = _chain(repository, os.fsencode(mountpoint))
    store = ObjectStore(directory)
    child: tuple[bytes, str, int] | None = None
    for path, text in reversed(chain):
        database = repository.catalog(text)
        database.isolation_level = None
        if child is None:
            edit(database)
        else:
            database.execute("UPDATE nested_catalogs SET sha1 = ?, size = ?"
                             " WHERE path = CAST(? AS TEXT)", (child[1], child[2], child[0]))
        image = database.serialize()
        database.close()
        child = path, store.put_compressed(image, algorithm_of(text), "C"), len(image)
    rewrite_manifest(directory, keys, {"C": child[1], "B": str(child[2])})
    return child[1]


def _chain(repository: PublishedRepository, mountpoint: bytes) -> list[tuple[bytes, str]]:
    """The catalogs on the way from the root to a mountpoint."""
    chain = [(path, text) for path, text in repository.catalogs()
             if not path or path == mountpoint or mountpoint.startswith(path + b"/")]
    if chain[-1][0] != mountpoint:
        raise ValueError(f"no catalog at {mountpoint!r}")
    return chain


def replace_object(directory: str, text: str, suffix: str, stored: bytes) -> None:
    """Puts other bytes where an object is."""
    write_file(object_path(directory, text, suffix), stored)


def swap_certificate(directory: str, other: Keys) -> None:
    """Signs the manifest with another certificate, which is published but not whitelisted."""
    store = ObjectStore(directory)
    text = store.put_compressed(other.certificate_pem(), SHA1, "X")
    rewrite_manifest(directory, other, {"X": text})
