"""One path of a repository, with all that a catalog can say about it."""

import stat
from dataclasses import dataclass, field

from .chunking import DEFAULT, ChunkSize
from .content import Content
from .hashes import SHA1, Algorithm

TYPES = {
    "file": stat.S_IFREG, "dir": stat.S_IFDIR, "symlink": stat.S_IFLNK, "fifo": stat.S_IFIFO,
    "chardev": stat.S_IFCHR, "blockdev": stat.S_IFBLK, "socket": stat.S_IFSOCK,
}
TYPE_NAMES = {bits: name for name, bits in TYPES.items()}
DIRECTORY_SIZE = 4096
# For what nobody described: always the same, so that publishing it again changes nothing.
DEFAULT_MTIME_NS = 1_600_000_000 * 1_000_000_000


@dataclass(frozen=True)
class Settings:
    """How files below some directory are stored."""

    algorithm: Algorithm = SHA1
    compression: str = "zlib"
    chunk_size: ChunkSize | None = DEFAULT
    external: bool = False


@dataclass(slots=True)
class Chunk:
    """A part of a file that is an object of its own."""

    offset: int
    size: int
    digest: bytes


@dataclass(slots=True)
class Entry:
    """path is b"" for the root, else begins with '/'. What is below `settings` is found out on the
    way; the rest comes from the source."""

    path: bytes
    mode: int
    uid: int = 0
    gid: int = 0
    mtime_ns: int = DEFAULT_MTIME_NS
    size: int = 0
    rdev: int = 0
    target: bytes = b""
    xattrs: dict[str, bytes] | None = None
    content: Content | None = None
    link_key: object = None
    hidden: bool = False
    direct_io: bool = False
    bind_hash: tuple[str, int] | None = None

    settings: Settings | None = None
    links: int = 1
    group: int = 0
    digest: bytes | None = None
    chunks: list[Chunk] = field(default_factory=list)
    sha256: str | None = None

    @property
    def name(self) -> bytes:
        """Last component."""
        return self.path.rpartition(b"/")[2]

    @property
    def parent(self) -> bytes | None:
        """Path of the directory it is in; None for the root."""
        return self.path.rpartition(b"/")[0] if self.path else None

    @property
    def type(self) -> str:
        """One of the names in TYPES."""
        return TYPE_NAMES[stat.S_IFMT(self.mode)]

    def is_type(self, name: str) -> bool:
        """Whether it is of this type."""
        return stat.S_IFMT(self.mode) == TYPES[name]
