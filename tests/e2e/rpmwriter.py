"""Packages written byte by byte, for tests: small ones in no time, and such as rpmbuild refuses to
make.

    rpmwriter.write(directory, rpmwriter.Package("cvmfs", "2.13.3", "1.el9", "x86_64", [
        rpmwriter.file("usr/bin/cvmfs2", b"..."), rpmwriter.link("usr/bin/x", "/usr/bin/y")]))

Format: https://rpm-software-management.github.io/rpm/manual/format_v4.html, and of the payload
cpio(5), "New ASCII Format". What is in the payload and what the header says of it may differ.
"""

import bz2
import gzip
import hashlib
import lzma
import os
import stat
import struct
import subprocess
from dataclasses import dataclass, field, replace

_LEAD = struct.Struct(">4sBBHH66sHH16s")
_INT16, _INT32, _STRING, _BINARY, _STRINGS, _WORDS = 3, 4, 6, 7, 8, 9
_EQUAL = 8
_SIGNATURE = 268  # of the header


@dataclass
class Entry:
    """One entry of a payload. size: what it claims; inode and links: for hard links."""

    name: str | bytes
    mode: int
    content: bytes = b""
    inode: int = 0
    links: int = 1
    size: int | None = None


def file(name: str | bytes, content: bytes = b"", mode: int = 0o644, **more) -> Entry:
    """A regular file."""
    return Entry(name, stat.S_IFREG | mode, content, **more)


def directory(name: str | bytes, mode: int = 0o755) -> Entry:
    """A directory."""
    return Entry(name, stat.S_IFDIR | mode)


def link(name: str | bytes, target: str | bytes) -> Entry:
    """A symbolic link."""
    return Entry(name, stat.S_IFLNK | 0o777, _bytes(target))


def _bytes(text: str | bytes) -> bytes:
    return os.fsencode(text) if isinstance(text, str) else text


@dataclass
class Package:
    """All that is asked of a package. digests: "new" (header and payload, sha256), "old" (sha1 of the
    header, md5 of all, as up to Enterprise Linux 7) or "none". signature: that of another, see
    read_signature. payload: instead of the entries,
    not compressed. listed: what the header says of files, instead of the entries."""

    name: str
    version: str = "1.0"
    release: str = "1"
    architecture: str = "x86_64"
    entries: list[Entry] = field(default_factory=list)
    compression: str = "gzip"
    digests: str = "new"
    signature: bytes | None = None
    provides: list[str] = field(default_factory=list)
    payload: bytes | None = None
    listed: list[Entry] | None = None

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}-{self.version}-{self.release}.{self.architecture}.rpm"

    def with_entries(self, *entries: Entry) -> "Package":
        """The same with other content."""
        return replace(self, entries=list(entries))

    def with_payload(self, payload: bytes, compression: str = "none") -> "Package":
        """The same with a payload of these bytes, before compression."""
        return replace(self, entries=[], payload=payload, compression=compression)


def write(folder: str, package: Package) -> str:
    """Writes the file of a package; its path."""
    path = os.path.join(folder, package.file)
    with open(path, "wb") as out:
        out.write(encode(package))
    return path


def encode(package: Package) -> bytes:
    """The bytes of a package."""
    plain = cpio(package.entries) if package.payload is None else package.payload
    payload = compress(plain, package.compression)
    header = _header(63, _tags(package, payload))
    signature = [(1000, _INT32, [len(header) + len(payload)]), (1007, _INT32, [len(plain)])]
    if package.digests != "none":
        signature += [(269, _STRING, hashlib.sha1(header).hexdigest()),
                      (1004, _BINARY, hashlib.md5(header + payload).digest())]
    if package.signature:
        signature += [(_SIGNATURE, _BINARY, package.signature)]
    if package.digests == "new":
        signature += [(273, _STRING, hashlib.sha256(header).hexdigest())]
    front = _header(62, signature)
    label = f"{package.name}-{package.version}-{package.release}".encode()
    lead = _LEAD.pack(b"\xed\xab\xee\xdb", 3, 0, 0, 1, label[:65], 1, 5, b"")
    return lead + front + b"\0" * (-len(front) % 8) + header + payload


def read_signature(path: str) -> bytes:
    """The OpenPGP signature of the header in the file of a package."""
    with open(path, "rb") as package:
        package.seek(_LEAD.size + 8)
        count, size = struct.unpack(">II", package.read(8))
        entries = [struct.unpack(">IIII", package.read(16)) for _ in range(count)]
        store = package.read(size)
    return next(store[offset:offset + length] for tag, _, offset, length in entries
                if tag == _SIGNATURE)


def compress(plain: bytes, how: str) -> bytes:
    """A payload by the name of its compressor."""
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-3", "-c"], input=plain, stdout=subprocess.PIPE,
                              check=True).stdout
    return {"gzip": lambda data: gzip.compress(data, 1), "bzip2": bz2.compress,
            "xz": lambda data: lzma.compress(data, preset=0),
            "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=0),
            "none": lambda data: data}[how](plain)


def cpio(entries: list[Entry], trailer: bool = True) -> bytes:
    """An archive of these, whatever they say."""
    parts = []
    for number, entry in enumerate(entries):
        parts.append(_cpio_entry(entry, entry.inode or number + 1))
    if trailer:
        parts.append(_cpio_entry(Entry("TRAILER!!!", 0), 0))
    return b"".join(parts)


def _cpio_entry(entry: Entry, inode: int) -> bytes:
    name = _bytes(entry.name) + b"\0"
    size = len(entry.content) if entry.size is None else entry.size
    numbers = [inode, entry.mode, 0, 0, entry.links, 1700000000, size, 0, 0, 0, 0, len(name), 0]
    text = b"070701" + b"".join(b"%08x" % number for number in numbers) + name
    return text + b"\0" * (-len(text) % 4) + entry.content + b"\0" * (-len(entry.content) % 4)


def _tags(package: Package, payload: bytes) -> list:
    label = f"{package.version}-{package.release}"
    capabilities = [(package.name, label), *((name, "") for name in package.provides)]
    tags = [
        (100, _STRINGS, ["C"]),
        (1000, _STRING, package.name), (1001, _STRING, package.version),
        (1002, _STRING, package.release), (1004, _WORDS, ["A package of the tests"]),
        (1005, _WORDS, ["A package of the tests."]), (1006, _INT32, [1700000000]),
        (1009, _INT32, [sum(len(entry.content) for entry in package.entries)]),
        (1014, _STRING, "BSD"), (1016, _WORDS, ["Unspecified"]), (1021, _STRING, "linux"),
        (1022, _STRING, package.architecture), *_files(package),
        (1044, _STRING, f"{package.name}-{label}.src.rpm"),
        (1047, _STRINGS, [name for name, _ in capabilities]),
        (1112, _INT32, [_EQUAL if version else 0 for _, version in capabilities]),
        (1113, _STRINGS, [version for _, version in capabilities]),
        (1064, _STRING, "4.18.0"), (1124, _STRING, "cpio"),
    ]
    if package.compression != "none":
        tags += [(1125, _STRING, package.compression), (1126, _STRING, "1")]
    if package.digests == "new":
        tags += [(5092, _STRINGS, [hashlib.sha256(payload).hexdigest()]), (5093, _INT32, [8])]
    return sorted(tags)


def _files(package: Package) -> list:
    """What the header says of files."""
    entries = package.entries if package.listed is None else package.listed
    names = ["/" + os.fsdecode(_bytes(entry.name)).lstrip("./") for entry in entries]
    if not entries or any("\0" in name for name in names):
        return []
    folders = sorted({os.path.dirname(name).rstrip("/") + "/" for name in names})
    count = len(entries)
    return [
        (1028, _INT32, [len(entry.content) for entry in entries]),
        (1030, _INT16, [entry.mode & 0xffff for entry in entries]), (1033, _INT16, [0] * count),
        (1034, _INT32, [1700000000] * count),
        (1035, _STRINGS, [hashlib.sha256(entry.content).hexdigest()
                          if stat.S_ISREG(entry.mode) else "" for entry in entries]),
        (1036, _STRINGS, [os.fsdecode(entry.content) if stat.S_ISLNK(entry.mode) else ""
                          for entry in entries]),
        (1037, _INT32, [0] * count), (1039, _STRINGS, ["root"] * count),
        (1040, _STRINGS, ["root"] * count), (1045, _INT32, [0xffffffff] * count),
        (1095, _INT32, [1] * count), (1096, _INT32, list(range(1, count + 1))),
        (1097, _STRINGS, [""] * count),
        (1116, _INT32, [folders.index(os.path.dirname(name).rstrip("/") + "/") for name in names]),
        (1117, _STRINGS, [os.path.basename(name) for name in names]), (1118, _STRINGS, folders),
        (5011, _INT32, [8]),
    ]


def _header(region: int, tags: list) -> bytes:
    """A header structure whose entries are all in one region."""
    index, store = [], b""
    for tag, kind, value in tags:
        if kind == _INT16:
            store += b"\0" * (-len(store) % 2)
            data, count = struct.pack(f">{len(value)}H", *value), len(value)
        elif kind == _INT32:
            store += b"\0" * (-len(store) % 4)
            data, count = struct.pack(f">{len(value)}I", *value), len(value)
        elif kind == _BINARY:
            data, count = value, len(value)
        elif kind == _STRING:
            data, count = os.fsencode(value) + b"\0", 1
        else:
            data, count = b"".join(os.fsencode(word) + b"\0" for word in value), len(value)
        index.append(struct.pack(">IIII", tag, kind, len(store), count))
        store += data
    size = 16 * (len(index) + 1)
    first = struct.pack(">IIII", region, _BINARY, len(store), 16)
    store += struct.pack(">IIiI", region, _BINARY, -size, 16)
    return b"\x8e\xad\xe8\x01" + b"\0" * 4 + struct.pack(">II", len(index) + 1, len(store)) + \
        first + b"".join(index) + store
