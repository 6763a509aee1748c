"""One file catalog: rows from entries, statistics, and the SQLite image.

Rows are collected in memory first, so that they can be compared with those of the catalog that was
published before: an unchanged catalog is not written again.
"""

import sqlite3
import stat
from typing import Container, Iterable

from .entries import Entry
from .hashes import NULL_HASH, path_hash
from .schema import FLAG_NESTED_MOUNTPOINT, FLAG_NESTED_ROOT, Schema

PAGE_SIZE = 1024


def pack_xattrs(attributes: dict[str, bytes] | None) -> bytes | None:
    """The blob of the xattr column; None for no attributes."""
    if not attributes:
        return None
    if len(attributes) > 255:
        raise ValueError("more than 255 extended attributes")
    packed = bytearray((1, len(attributes)))
    for key, value in sorted((name.encode(), value) for name, value in attributes.items()):
        if len(key) > 255 or len(value) > 255 or not key:
            raise ValueError(f"extended attribute {key!r} does not fit")
        packed += bytes((len(key), len(value))) + key + value
    return bytes(packed)


class Catalog:
    """A catalog being made."""

    def __init__(self, schema: Schema, mountpoint: bytes):
        self.schema = schema
        self.mountpoint = mountpoint
        self.rows: list[tuple] = []
        self.chunks: list[tuple] = []
        self.nested: list[tuple] = []
        self.bind_mountpoints: list[tuple] = []
        self.own = dict.fromkeys(schema.counters(), 0)
        self.subtree = dict.fromkeys(schema.counters(), 0)
        self._columns = [name for name, _ in schema.columns()]
        self._parent_hashes: dict[bytes, tuple[int, int]] = {}

    def add_root(self, entry: Entry) -> None:
        """The entry the catalog begins with."""
        self._add(entry, FLAG_NESTED_ROOT if self.mountpoint else 0)

    def add(self, entry: Entry, is_mountpoint: bool = False) -> None:
        """An entry below; is_mountpoint: its content is in a nested catalog."""
        self._add(entry, FLAG_NESTED_MOUNTPOINT if is_mountpoint else 0)

    def add_nested(self, child: "Catalog", text: str, size: int) -> None:
        """Refers to a nested catalog that has been made."""
        self.nested.append((child.mountpoint, text, size))
        self._count("nested", 1)
        for counter in self.subtree:
            self.subtree[counter] += child.own[counter] + child.subtree[counter]

    def _add(self, entry: Entry, flags: int) -> None:
        self.schema.reduce(entry)
        key = path_hash(entry.path)
        values = {
            "md5path_1": key[0], "md5path_2": key[1],
            "hash": entry.digest, "size": self._size_of(entry), "mode": entry.mode,
            "mtime": entry.mtime_ns // 1_000_000_000,
            "mtimens": entry.mtime_ns % 1_000_000_000, "flags": self.schema.flags(entry) | flags,
            "name": entry.name, "symlink": entry.target, "uid": entry.uid, "gid": entry.gid,
            "xattr": pack_xattrs(entry.xattrs),
            "hardlinks": entry.group << 32 | entry.links, "inode": 0,
        }
        values["parent_1"], values["parent_2"] = self._parent_hash(entry.parent)
        self.rows.append(tuple(values[column] for column in self._columns))
        self.chunks += [(*key, chunk.offset, chunk.size, chunk.digest) for chunk in entry.chunks]
        if entry.bind_hash:
            self.bind_mountpoints.append((entry.path, *entry.bind_hash))
        self._count_entry(entry)

    def _parent_hash(self, parent: bytes | None) -> tuple[int, int]:
        if parent is None:
            return 0, 0
        if parent not in self._parent_hashes:
            self._parent_hashes[parent] = path_hash(parent)
        return self._parent_hashes[parent]

    @staticmethod
    def _size_of(entry: Entry) -> int:
        """The size column: of a symlink its length, of a device its number."""
        if stat.S_ISLNK(entry.mode):
            return len(entry.target)
        return entry.rdev if stat.S_ISCHR(entry.mode) or stat.S_ISBLK(entry.mode) else entry.size

    def _count(self, counter: str, number: int) -> None:
        if counter in self.own:
            self.own[counter] += number

    def _count_entry(self, entry: Entry) -> None:
        if entry.xattrs:
            self._count("xattr", 1)
        if not entry.is_type("file"):
            kind = {"dir": "dir", "symlink": "symlink"}.get(entry.type, "special")
            if kind == "special" and "special" not in self.own:
                kind = "regular"  # before there was a counter for them
            self._count(kind, 1)
            return
        self._count("regular", 1)
        self._count("file_size", entry.size)
        if entry.chunks:
            self._count("chunked", 1)
            self._count("chunks", len(entry.chunks))
            self._count("chunked_size", entry.size)
        if entry.settings.external:
            self._count("external", 1)
            self._count("external_file_size", entry.size)

    def same_as(self, database: sqlite3.Connection) -> bool:
        """Whether a published catalog says the same, apart from its own dates and numbers."""
        try:
            columns = [name for _, name, *_ in database.execute("PRAGMA table_info(catalog)")]
            return columns == self._columns and all(
                sorted(rows) == sorted(database.execute(statement))
                for rows, statement in self._comparisons())
        except sqlite3.OperationalError:  # a table that one of both schemas does not have
            return False

    def _comparisons(self) -> Iterable[tuple[list[tuple], str]]:
        text = ("name", "symlink")
        columns = ", ".join(f"CAST({name} AS BLOB)" if name in text else name
                            for name in self._columns)
        yield self.rows, f"SELECT {columns} FROM catalog"
        yield self._nested_rows(), "SELECT CAST(path AS BLOB), " + (
            "sha1, size" if self.schema.level >= 1 else "sha1") + " FROM nested_catalogs"
        if not self.schema.legacy:
            yield self.chunks, "SELECT md5path_1, md5path_2, offset, size, hash FROM chunks"
        if self.schema.level >= 4:
            yield self.bind_mountpoints, \
                "SELECT CAST(path AS BLOB), sha1, size FROM bind_mountpoints"

    def _nested_rows(self) -> list[tuple]:
        return [row if self.schema.level >= 1 else row[:2] for row in self.nested]

    def image(self, properties: dict[str, str]) -> bytes:
        """The SQLite file. properties: those besides schema and root_prefix."""
        database = sqlite3.connect(":memory:", isolation_level=None)
        database.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        database.execute("BEGIN")
        for statement in self.schema.statements():
            database.execute(statement)
        _insert(database, "properties", list(self._all_properties(properties).items()), {1})
        texts = {self._columns.index("name"), self._columns.index("symlink")}
        _insert(database, "catalog", self.rows, texts)
        _insert(database, "nested_catalogs", self._nested_rows(), {0})
        if not self.schema.legacy:
            _insert(database, "chunks", self.chunks)
            _insert(database, "statistics", self._statistics())
        if self.schema.level >= 4:
            _insert(database, "bind_mountpoints", self.bind_mountpoints, {0})
        database.execute("COMMIT")
        image = database.serialize()
        database.close()
        return image

    def _all_properties(self, properties: dict[str, str]) -> dict[str, object]:
        found: dict[str, object] = {"schema": self.schema.version}
        if self.schema.level >= 1:
            found["schema_revision"] = str(self.schema.revision)
        if self.mountpoint:
            found["root_prefix"] = self.mountpoint
        return {"previous_revision": NULL_HASH, **found, **properties}

    def _statistics(self) -> list[tuple[str, int]]:
        return [("self_" + counter, value) for counter, value in self.own.items()] + \
               [("subtree_" + counter, value) for counter, value in self.subtree.items()]


def _insert(database: sqlite3.Connection, table: str, rows: list[tuple],
            texts: Container[int] = ()) -> None:
    """texts: numbers of the columns whose bytes, which need not be UTF-8, are stored as text."""
    if rows:
        places = ", ".join("CAST(? AS TEXT)" if number in texts else "?"
                           for number in range(len(rows[0])))
        database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
