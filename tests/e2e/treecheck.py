#!/usr/bin/env python3
"""Takes the listing of a mounted tree and compares it with a listing of what it should be.

    treecheck.py take ROOT                    JSON lines on standard output
    treecheck.py compare LISTING ROOT [--owners] [--below PATH]
                                              differences on standard output, status 1 if any

A listing is what `mkrepo --manifest` writes, or what comes with the official repositories: one
object per path. Only what both sides know is compared; owners only when asked for, because a user
namespace cannot show them.
"""

import argparse
import base64
import hashlib
import json
import os
import stat
import sys
from typing import Iterable, Iterator

_TYPES = {
    stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "chardev", stat.S_IFBLK: "blockdev", stat.S_IFSOCK: "socket",
}
_COMPARED = ("type", "mode", "nlink", "size", "blocks", "mtime_ns", "sha256", "hardlink_of",
             "target", "rdev", "entries", "xattrs_b64", "read_error")
_MAGIC = {"cvmfs_hash": "user.hash", "cvmfs_compression": "user.compression",
          "cvmfs_chunks": "user.chunks", "cvmfs_external_file": "user.external_file",
          "cvmfs_chunk_list": "user.chunk_list", "rawlink": "xfsroot.rawlink"}
# A field that one side does not have was not taken; but without these the entry has no such thing.
_ABSENCE_COUNTS = ("xattrs_b64", "hardlink_of", "read_error")
_ABSENT = object()


def take(root: str, contents: bool = True, magic: bool = False) -> Iterator[dict]:
    """Describes every path of a tree, in the order of path bytes.

    contents: read every file. magic: read the magic attributes that a listing may have, too.
    """
    top = os.fsencode(root)
    first_links: dict[int, str] = {}
    for path in sorted(_walk(top)):
        yield _describe(top, path, first_links, contents, magic)


def _walk(top: bytes) -> Iterator[bytes]:
    """Every path below, relative to the top, which is b""."""
    pending = [b""]
    yield b""
    while pending:
        directory = pending.pop()
        try:
            with os.scandir(top + directory) as items:
                found = list(items)
        except PermissionError:
            continue
        for item in found:
            path = directory + b"/" + item.name
            yield path
            if item.is_dir(follow_symlinks=False):
                pending.append(path)


def _describe(top: bytes, path: bytes, first_links: dict[int, str], contents: bool,
              magic: bool) -> dict:
    file = top + path
    status = os.lstat(file)
    kind = _TYPES[stat.S_IFMT(status.st_mode)]
    fields: dict[str, object] = {
        "path": os.fsdecode(path) or "/", "type": kind,
        "mode": f"{stat.S_IMODE(status.st_mode):04o}", "nlink": status.st_nlink,
        "uid": status.st_uid, "gid": status.st_gid, "size": status.st_size,
        "blocks": status.st_blocks, "mtime_ns": status.st_mtime_ns,
    }
    if kind == "file":
        if contents:
            fields.update(_read(file))
        if status.st_nlink > 1:
            fields["hardlink_of"] = first_links.setdefault(status.st_ino, fields["path"])
    elif kind == "symlink":
        fields["target"] = os.fsdecode(os.readlink(file))
    elif kind == "dir":
        fields.update(_count(file))
    elif kind in ("chardev", "blockdev"):
        fields["rdev"] = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    attributes = _xattrs(file)
    if attributes:
        fields["xattrs_b64"] = attributes
    if magic:
        fields.update(_read_magic(file, kind))
    return fields


def _read(file: bytes) -> dict[str, str]:
    digest = hashlib.sha256()
    try:
        with open(file, "rb", buffering=0) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        return {"read_error": error.strerror or str(error.errno)}
    return {"sha256": digest.hexdigest()}


def _count(directory: bytes) -> dict[str, object]:
    try:
        return {"entries": len(os.listdir(directory))}
    except PermissionError as error:
        return {"read_error": error.strerror}


def _xattrs(file: bytes) -> dict[str, str]:
    """Listed attributes and their values."""
    found = {}
    try:
        names = os.listxattr(file, follow_symlinks=False)
    except OSError:
        return found
    for name in sorted(names):
        value = _xattr(file, name)
        if value is not None:
            found[name] = base64.b64encode(value).decode()
    return found


def _xattr(file: bytes, name: str) -> bytes | None:
    """None for an attribute that cannot be read: the comparison then says that it is missing."""
    try:
        return os.getxattr(file, name, follow_symlinks=False)
    except OSError:
        return None


def _read_magic(file: bytes, kind: str) -> dict[str, object]:
    """The magic attributes in the form that listings have them in."""
    found: dict[str, object] = {}
    for field, name in _MAGIC.items():
        if (field == "rawlink") != (kind == "symlink") or kind not in ("file", "symlink"):
            continue
        value = _xattr(file, name)
        if value is not None:
            found[field] = os.fsdecode(value)
    if "cvmfs_chunk_list" in found:
        if int(str(found["cvmfs_chunks"])) > 1:
            found["cvmfs_chunk_list"] = str(found["cvmfs_chunk_list"]).split("\n")[1:-1]
        else:
            del found["cvmfs_chunk_list"]
    return found


def read_listing(name: str) -> list[dict]:
    """The objects of a listing."""
    with open(name, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def below(listing: Iterable[dict], path: str) -> list[dict]:
    """The part of a listing at and below a path."""
    prefix = path.rstrip("/") + "/"
    return [fields for fields in listing if fields["path"] == path
            or fields["path"].startswith(prefix)]


def compare(want: Iterable[dict], got: Iterable[dict], owners: bool = False,
            ignore: Iterable[str] = ()) -> list[str]:
    """The differences, one line each; owners: also uid and gid; ignore: names of fields."""
    names = [name for name in (*_COMPARED, *_MAGIC, *(("uid", "gid") if owners else ()))
             if name not in set(ignore)]
    wanted = {fields["path"]: fields for fields in want}
    found = {fields["path"]: fields for fields in got}
    differences = [f"missing: {path!r}" for path in wanted.keys() - found.keys()]
    differences += [f"not expected: {path!r}" for path in found.keys() - wanted.keys()]
    for path in wanted.keys() & found.keys():
        differences += _compare_entry(wanted[path], found[path], names)
    return sorted(differences)


def _compare_entry(want: dict, got: dict, names: Iterable[str]) -> list[str]:
    differences = []
    for name in names:
        ours, theirs = got.get(name, _ABSENT), want.get(name, _ABSENT)
        known = name in _ABSENCE_COUNTS or (ours is not _ABSENT and theirs is not _ABSENT)
        if known and ours != theirs:
            differences.append(f"{want['path']!r}: {name} is {_show(ours)}, "
                               f"should be {_show(theirs)}")
    return differences


def _show(value: object) -> str:
    return "absent" if value is _ABSENT else repr(value)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description="Listings of trees.")
    commands = parser.add_subparsers(dest="command", required=True)
    taking = commands.add_parser("take")
    comparing = commands.add_parser("compare")
    comparing.add_argument("listing")
    comparing.add_argument("--owners", action="store_true")
    comparing.add_argument("--below", default="/")
    for command in (taking, comparing):
        command.add_argument("root")
        command.add_argument("--no-contents", action="store_true")
        command.add_argument("--magic", action="store_true")
    arguments = parser.parse_args()
    tree = take(arguments.root, not arguments.no_contents, arguments.magic)
    if arguments.command == "take":
        for fields in tree:
            print(json.dumps(fields))
        return 0
    want = below(read_listing(arguments.listing), arguments.below)
    differences = compare(want, below(tree, arguments.below), arguments.owners)
    for difference in differences:
        print(difference)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
