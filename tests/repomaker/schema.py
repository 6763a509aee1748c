"""Which tables, columns, flags and counters a catalog of each schema revision has."""

import stat
from dataclasses import dataclass

from .entries import Entry

FLAG_DIRECTORY = 1
FLAG_NESTED_MOUNTPOINT = 2
FLAG_FILE = 4
FLAG_SYMLINK = 8
FLAG_SPECIAL = 16
FLAG_NESTED_ROOT = 32
FLAG_CHUNKED = 64
FLAG_EXTERNAL = 128
SHIFT_HASH = 8
SHIFT_COMPRESSION = 11
FLAG_BIND_MOUNTPOINT = 0x4000
FLAG_HIDDEN = 0x8000
FLAG_DIRECT_IO = 0x10000

COMPRESSIONS = {"zlib": 0, "none": 1}

# (column, type, first revision of 2.5); the order is that of the official tools.
_COLUMNS = (
    ("md5path_1", "INTEGER", 0), ("md5path_2", "INTEGER", 0), ("parent_1", "INTEGER", 0),
    ("parent_2", "INTEGER", 0), ("hardlinks", "INTEGER", 0), ("hash", "BLOB", 0),
    ("size", "INTEGER", 0), ("mode", "INTEGER", 0), ("mtime", "INTEGER", 0),
    ("mtimens", "INTEGER", 7), ("flags", "INTEGER", 0), ("name", "TEXT", 0),
    ("symlink", "TEXT", 0), ("uid", "INTEGER", 0), ("gid", "INTEGER", 0), ("xattr", "BLOB", 2),
)
_COUNTERS = (
    ("regular", 0), ("symlink", 0), ("special", 5), ("dir", 0), ("nested", 0), ("chunked", 0),
    ("chunks", 0), ("file_size", 0), ("chunked_size", 0), ("xattr", 2), ("external", 3),
    ("external_file_size", 3),
)
_COUNTERS_OF_2_4 = ("regular", "symlink", "dir", "nested")
CURRENT_REVISION = 7


@dataclass(frozen=True)
class Schema:
    """version as in the property `schema`; revisions exist for 2.5 only."""

    version: str = "2.5"
    revision: int = CURRENT_REVISION

    @property
    def legacy(self) -> bool:
        """Before 2.1: no owners, no link counts, SHA-1 only, neither chunks nor statistics."""
        return float(self.version) < 2.1

    @property
    def level(self) -> int:
        """The revision, or -1 for what came before 2.5."""
        return self.revision if float(self.version) >= 2.45 else -1

    def columns(self) -> list[tuple[str, str]]:
        """Names and types of the columns of `catalog`."""
        found = [(name, kind) for name, kind, since in _COLUMNS if since <= max(self.level, 0)]
        if self.legacy:
            found = [("inode" if name == "hardlinks" else name, kind)
                     for name, kind in found if name not in ("uid", "gid")]
        return found

    def counters(self) -> list[str]:
        """Names of the counters, without self_ and subtree_."""
        if self.legacy:
            return []
        if self.level < 0:
            return list(_COUNTERS_OF_2_4)
        return [name for name, since in _COUNTERS if since <= self.level]

    def statements(self) -> list[str]:
        """What creates the tables and the index."""
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns())
        size = ", size INTEGER" if self.level >= 1 else ""
        found = [
            "CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties"
            " PRIMARY KEY (key))",
            f"CREATE TABLE catalog ({columns}, CONSTRAINT pk_catalog"
            " PRIMARY KEY (md5path_1, md5path_2))",
            "CREATE INDEX idx_catalog_parent ON catalog (parent_1, parent_2)",
            f"CREATE TABLE nested_catalogs (path TEXT, sha1 TEXT{size},"
            " CONSTRAINT pk_nested_catalogs PRIMARY KEY (path))",
        ]
        if not self.legacy:
            found += [
                "CREATE TABLE chunks (md5path_1 INTEGER, md5path_2 INTEGER, offset INTEGER,"
                " size INTEGER, hash BLOB, CONSTRAINT pk_chunks"
                " PRIMARY KEY (md5path_1, md5path_2, offset, size),"
                " FOREIGN KEY (md5path_1, md5path_2)"
                " REFERENCES catalog (md5path_1, md5path_2))",
                "CREATE TABLE statistics (counter TEXT, value INTEGER,"
                " CONSTRAINT pk_statistics PRIMARY KEY (counter))",
            ]
        if self.level >= 4:
            found.append("CREATE TABLE bind_mountpoints (path TEXT, sha1 TEXT, size INTEGER,"
                         " CONSTRAINT pk_bind_mountpoints PRIMARY KEY (path))")
        return found

    def reduce(self, entry: Entry) -> None:
        """Takes from an entry what this schema cannot say; refuses what would become wrong."""
        settings = entry.settings
        if self.level < 7:
            entry.mtime_ns -= entry.mtime_ns % 1_000_000_000
        if self.level < 2:
            entry.xattrs = None
        if self.level < 6:
            entry.direct_io = False
        if self.level < 4 and (entry.hidden or entry.bind_hash):
            raise ValueError("hidden entries and bind mountpoints need schema revision 4")
        if entry.is_type("file") and self.level < 3:
            if settings.external or settings.compression != "zlib":
                raise ValueError("external and uncompressed files need schema revision 3")
        if self.legacy:
            if settings.algorithm.number or settings.chunk_size:
                raise ValueError("legacy catalogs know SHA-1 and whole files only")
            entry.uid = entry.gid = entry.group = 0
            entry.links = 1

    def flags(self, entry: Entry) -> int:
        """The flags that follow from the entry alone."""
        settings = entry.settings
        if entry.is_type("dir"):
            flags = FLAG_DIRECTORY | (FLAG_BIND_MOUNTPOINT if entry.bind_hash else 0)
        else:
            flags = FLAG_FILE
            if stat.S_ISLNK(entry.mode):
                flags |= FLAG_SYMLINK
            elif not stat.S_ISREG(entry.mode) and self.level >= 5:
                flags |= FLAG_SPECIAL
        if entry.is_type("file"):
            flags |= settings.algorithm.number << SHIFT_HASH
            flags |= COMPRESSIONS[settings.compression] << SHIFT_COMPRESSION
            flags |= FLAG_CHUNKED if entry.chunks else 0
            flags |= FLAG_EXTERNAL if settings.external else 0
            flags |= FLAG_DIRECT_IO if entry.direct_io else 0
        return flags | (FLAG_HIDDEN if entry.hidden else 0)
