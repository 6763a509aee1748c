"""Reading a published repository from disk: for the next revision, and for tests that check one.

Signatures are not looked at here; hashes are.
"""

import os
import sqlite3
import zlib
from typing import Iterator

from . import manifest
from .hashes import algorithm_of
from .history import Tag, read_tags
from .objects import object_path


class PublishedRepository:
    """The repository in a directory, as its manifest says when it is opened."""

    def __init__(self, directory: str):
        self.directory = directory
        with open(os.path.join(directory, manifest.PUBLISHED), "rb") as file:
            self.fields = manifest.read_fields(file.read())

    @property
    def root_hash(self) -> str:
        """Textual hash of the root catalog."""
        return self.fields["C"]

    @property
    def revision(self) -> int:
        """The number of the revision."""
        return int(self.fields["S"])

    def stored(self, text: str, suffix: str = "") -> bytes:
        """An object as it is stored; ValueError if it does not have this hash."""
        with open(object_path(self.directory, text, suffix), "rb") as file:
            data = file.read()
        if algorithm_of(text).hash_text(data) != text:
            raise ValueError(f"{text}{suffix} has another hash")
        return data

    def unpacked(self, text: str, suffix: str) -> bytes:
        """Content of an object that is always compressed (suffix C, H, X or M)."""
        return zlib.decompress(self.stored(text, suffix))

    def catalog(self, text: str) -> sqlite3.Connection:
        """A catalog, in memory; the caller closes it."""
        database = sqlite3.connect(":memory:")
        database.deserialize(self.unpacked(text, "C"))
        return database

    def catalogs(self, text: str | None = None,
                 mountpoint: bytes = b"") -> Iterator[tuple[bytes, str]]:
        """Mountpoint and hash of the catalogs from one on (the root) down, parents first."""
        text = text or self.root_hash
        yield mountpoint, text
        database = self.catalog(text)
        nested = database.execute(
            "SELECT CAST(path AS BLOB), sha1 FROM nested_catalogs ORDER BY path").fetchall()
        database.close()
        for path, child in nested:
            yield from self.catalogs(child, path)

    def tags(self) -> list[Tag]:
        """The tags of the history database; none without one."""
        if "H" not in self.fields:
            return []
        return read_tags(self.unpacked(self.fields["H"], "H"))


def open_if_published(directory: str) -> PublishedRepository | None:
    """None where nothing has been published yet."""
    if not os.path.exists(os.path.join(directory, manifest.PUBLISHED)):
        return None
    return PublishedRepository(directory)
