"""The listing of a tree: one JSON object per path, in the order of path bytes, saying what a client
shows of it. A mounted repository can be compared with it entry by entry (tests/e2e/treecheck.py).
"""

import base64
import json
import os
import re
from typing import Iterator, Mapping, TextIO

from .entries import Entry
from .tree import Tree


def expand_variables(target: bytes, environment: Mapping[str, str]) -> bytes:
    """The text of a symlink with $(NAME) and $(NAME:-default) replaced."""
    def value(match: re.Match) -> bytes:
        name, mark, default = match[1].partition(b":-")
        found = environment.get(os.fsdecode(name))
        return os.fsencode(found) if found is not None else default if mark else b""

    return re.sub(rb"\$\(([^)]*)\)", value, target, flags=re.DOTALL)


def write_listing(tree: Tree, file: TextIO, environment: Mapping[str, str] = {}) -> None:
    """environment: what the client will know when it expands symlinks."""
    first_links: dict[tuple, str] = {}
    for entry in _visible(tree):
        fields = _describe(tree, entry, environment)
        if entry.group:
            key = (entry.parent, entry.group)
            first = first_links.setdefault(key, fields["path"])
            if entry.is_type("file"):
                fields["hardlink_of"] = first
        file.write(json.dumps(fields) + "\n")


def _visible(tree: Tree) -> Iterator[Entry]:
    """Everything that a walk through the tree finds."""
    hidden = {entry.path for entry in tree if entry.hidden}
    for entry in tree:
        if not any(entry.path == path or entry.path.startswith(path + b"/") for path in hidden):
            yield entry


def _describe(tree: Tree, entry: Entry, environment: Mapping[str, str]) -> dict[str, object]:
    target = expand_variables(entry.target, environment)
    size = {"file": entry.size, "dir": entry.size, "symlink": len(target)}.get(entry.type, 0)
    fields: dict[str, object] = {
        "path": os.fsdecode(entry.path) or "/", "type": entry.type,
        "mode": f"{entry.mode & 0o7777:04o}", "nlink": entry.links, "uid": entry.uid,
        "gid": entry.gid, "size": size, "blocks": 1 + size // 512, "mtime_ns": entry.mtime_ns,
    }
    if entry.is_type("file"):
        fields.update(_describe_content(entry))
    elif entry.is_type("symlink"):
        fields["target"] = os.fsdecode(target)
        fields["rawlink"] = os.fsdecode(entry.target)
    elif entry.is_type("dir"):
        fields["entries"] = sum(not child.hidden for child in tree.children(entry.path))
    elif entry.type in ("chardev", "blockdev"):
        fields["rdev"] = f"{os.major(entry.rdev)}:{os.minor(entry.rdev)}"
    if entry.xattrs:
        fields["xattrs_b64"] = {name: base64.b64encode(value).decode()
                                for name, value in sorted(entry.xattrs.items())}
    return fields


def _describe_content(entry: Entry) -> dict[str, object]:
    settings = entry.settings
    fields: dict[str, object] = {"sha256": entry.sha256}
    if entry.digest:
        fields["cvmfs_hash"] = settings.algorithm.text(entry.digest)
    fields["cvmfs_compression"] = settings.compression
    fields["cvmfs_chunks"] = str(len(entry.chunks) or 1)
    fields["cvmfs_external_file"] = "1" if settings.external else "0"
    if len(entry.chunks) > 1:
        fields["cvmfs_chunk_list"] = [
            f"{settings.algorithm.text(chunk.digest)},{chunk.offset},{chunk.size}"
            for chunk in entry.chunks]
    return fields
