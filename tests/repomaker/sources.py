"""Entries from a directory of this machine and from entry files.

An entry file has one JSON object per line, in the words of the tree listings (listing.py): path,
type, mode (octal text), uid, gid, mtime_ns, target, rdev ("1:3"), xattrs_b64, hardlink_of; a file's
bytes are content (text), content_b64, file (a path), or with size: random, text (a seed), zeros. A
path that is there already is changed in the fields given; {"path": ..., "delete": true} removes it
with all below it.
"""

import base64
import json
import os
import stat
from typing import Iterator

from .content import Content, content_size
from .entries import DIRECTORY_SIZE, TYPES, Entry
from .tree import Tree


def add_directory(tree: Tree, source: str) -> None:
    """Adds everything below a directory (the directory itself becomes the root entry)."""
    top = os.fsencode(source)
    tree.put(_entry_of(top, b""))
    pending = [b""]
    while pending:
        directory = pending.pop()
        with os.scandir(top + directory) as found:
            names = sorted(item.name for item in found)
        for name in names:
            path = directory + b"/" + name
            entry = _entry_of(top + path, path)
            tree.put(entry)
            if entry.is_type("dir"):
                pending.append(path)


def _entry_of(file: bytes, path: bytes) -> Entry:
    """The entry for a file of this machine."""
    status = os.lstat(file)
    entry = Entry(path, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns,
                  xattrs=_read_xattrs(file) or None)
    if stat.S_ISREG(status.st_mode):
        entry.size = status.st_size
        entry.content = ("file", file)
    elif stat.S_ISDIR(status.st_mode):
        entry.size = DIRECTORY_SIZE
    elif stat.S_ISLNK(status.st_mode):
        entry.target = os.readlink(file)
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        entry.rdev = status.st_rdev
    if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
        entry.link_key = (status.st_dev, status.st_ino)
    return entry


def _read_xattrs(file: bytes) -> dict[str, bytes]:
    """Its extended attributes, as far as the file system has any."""
    try:
        names = os.listxattr(file, follow_symlinks=False)
        return {name: os.getxattr(file, name, follow_symlinks=False) for name in names}
    except OSError:
        return {}


def add_entry_file(tree: Tree, name: str) -> None:
    """Adds the entries of an entry file."""
    with open(name, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    add_fields(tree, json.loads(line))
                except (ValueError, KeyError) as error:
                    raise ValueError(f"{name}:{number}: {error}") from error


def add_fields(tree: Tree, fields: dict) -> None:
    """Adds, changes or removes one entry as one object of an entry file says."""
    path = b"" if fields["path"] == "/" else os.fsencode(fields["path"]).rstrip(b"/")
    if fields.get("delete"):
        tree.remove(path)
        return
    entry = tree.get(path)
    if entry is None or ("type" in fields and fields["type"] != entry.type):
        kind = fields.get("type", "file")
        entry = Entry(path, TYPES[kind] | _default_mode(kind))
        entry.size = DIRECTORY_SIZE if kind == "dir" else 0
        entry.content = ("bytes", b"") if kind == "file" else None
    _apply(entry, fields)
    tree.put(entry)
    if fields.get("hardlink_of", fields["path"]) != fields["path"]:
        tree.link(os.fsencode(fields["hardlink_of"]), entry)


def _default_mode(kind: str) -> int:
    return {"dir": 0o755, "symlink": 0o777}.get(kind, 0o644)


def _apply(entry: Entry, fields: dict) -> None:
    """The fields that are given; the others stay."""
    if "mode" in fields:
        mode = fields["mode"]
        entry.mode = stat.S_IFMT(entry.mode) | (mode if isinstance(mode, int) else int(mode, 8))
    for name in ("uid", "gid", "mtime_ns", "hidden", "direct_io"):
        if name in fields:
            setattr(entry, name, fields[name])
    if "rawlink" in fields or "target" in fields:
        entry.target = os.fsencode(fields.get("rawlink", fields.get("target")))
    if "rdev" in fields:
        major, _, minor = fields["rdev"].partition(":")
        entry.rdev = os.makedev(int(major), int(minor))
    if "xattrs" in fields:
        entry.xattrs = {name: value.encode() for name, value in fields["xattrs"].items()} or None
    if "xattrs_b64" in fields:
        entry.xattrs = {name: base64.b64decode(value)
                        for name, value in fields["xattrs_b64"].items()} or None
    content = next(_contents(fields), None)
    if content is not None:
        entry.content = content
        entry.size = content_size(content)
        entry.link_key = None


def _contents(fields: dict) -> Iterator[Content]:
    """The content that the fields name, if they name one."""
    if "content" in fields:
        yield ("bytes", fields["content"].encode("utf-8", "surrogateescape"))
    if "content_b64" in fields:
        yield ("bytes", base64.b64decode(fields["content_b64"]))
    if "file" in fields:
        yield ("file", os.fsencode(fields["file"]))
    if fields.get("zeros"):
        yield ("zeros", int(fields["size"]))
    for kind in ("random", "text"):
        if kind in fields:
            yield (kind, fields[kind], int(fields["size"]))
