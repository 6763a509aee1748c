"""All entries of a repository: directories that must exist, link counts, hard link groups, and
where one catalog ends and the next begins."""

import fnmatch
import os
from dataclasses import dataclass, field
from typing import Callable, Iterable, Iterator

from .entries import DEFAULT_MTIME_NS, DIRECTORY_SIZE, TYPES, Entry, Settings

CATALOG_MARKER = b".cvmfscatalog"


@dataclass
class CatalogPart:
    """What goes into one catalog: root entry, the entries below it, the next catalogs down."""

    mountpoint: bytes
    root: Entry
    entries: list[Entry] = field(default_factory=list)
    nested: list[bytes] = field(default_factory=list)


class Tree:
    """Entries by path."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._children: dict[bytes, set[bytes]] = {}
        self._link_count = 0
        self.put(self._directory(b""))

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """In the order of path bytes."""
        return (self._entries[path] for path in sorted(self._entries))

    def get(self, path: bytes) -> Entry | None:
        """The entry at a path."""
        return self._entries.get(path)

    def put(self, entry: Entry) -> None:
        """Adds or replaces an entry, with the directories above it."""
        path = entry.path
        if path and (not path.startswith(b"/") or {b"", b".", b".."} & set(path.split(b"/")[1:])):
            raise ValueError(f"not a path: {path!r}")
        if not entry.is_type("dir") and self._children.get(path):
            raise ValueError(f"a directory that is not empty becomes something else: {path!r}")
        parent = entry.parent
        if parent is not None:
            above = self._entries.get(parent)
            if above is None:
                self.put(self._directory(parent))
            elif not above.is_type("dir"):
                raise ValueError(f"{parent!r} is not a directory")
            self._children[parent].add(path)
        self._entries[path] = entry
        if entry.is_type("dir"):
            self._children.setdefault(path, set())

    def remove(self, path: bytes) -> None:
        """Removes an entry with all that is below it."""
        if not path or path not in self._entries:
            raise ValueError(f"cannot remove {path!r}")
        for child in list(self._children.get(path, ())):
            self.remove(child)
        self._children.pop(path, None)
        self._children[self._entries.pop(path).parent].discard(path)

    def link(self, first: bytes, entry: Entry) -> None:
        """Makes entry a hard link to the file at `first`."""
        original = self._entries[first]
        if original.link_key is None:
            self._link_count += 1
            original.link_key = ("entry", self._link_count)
        for name in ("mode", "uid", "gid", "mtime_ns", "size", "content", "xattrs", "link_key",
                     "target", "rdev"):
            setattr(entry, name, getattr(original, name))

    def children(self, path: bytes) -> list[Entry]:
        """Entries of a directory, sorted."""
        return [self._entries[child] for child in sorted(self._children.get(path, ()))]

    def settle(self, settings_of: Callable[[bytes], Settings]) -> None:
        """Fills in link counts, hard link groups and settings, once all entries are there."""
        for path, children in self._children.items():
            entries = [self._entries[child] for child in sorted(children)]
            directory = self._entries[path]
            directory.links = 2 + sum(entry.is_type("dir") for entry in entries)
            self._group_links(entries)
            for entry in entries:
                entry.settings = settings_of(entry.path)
        self._entries[b""].settings = settings_of(b"")

    def _group_links(self, entries: Iterable[Entry]) -> None:
        """Hard links are kept inside one directory only, as the official tools do."""
        groups: dict[object, list[Entry]] = {}
        for entry in entries:
            entry.links, entry.group = (entry.links if entry.is_type("dir") else 1), 0
            if entry.link_key is not None:
                groups.setdefault(entry.link_key, []).append(entry)
        for members in groups.values():
            if len(members) > 1:
                self._link_count += 1
                for entry in members:
                    entry.links, entry.group = len(members), self._link_count

    def mountpoints(self, patterns: Iterable[str], limit: int | None) -> set[bytes]:
        """Directories that get a catalog of their own: those with a marker file, those that match
        a pattern, and, with a limit, those with more entries than that below them."""
        expressions = [os.fsencode(pattern) for pattern in patterns]
        found = {path for path in self._children if path and (
            path + b"/" + CATALOG_MARKER in self._entries
            or any(fnmatch.fnmatchcase(path, expression) for expression in expressions))}
        if limit:
            self._split_large(found, limit)
        return found

    def _split_large(self, found: set[bytes], limit: int) -> None:
        """From the leaves up: a directory too heavy becomes a mountpoint and weighs one."""
        weights: dict[bytes, int] = {}
        for path in sorted(self._children, key=lambda path: path.count(b"/"), reverse=True):
            children = self._children[path]
            weight = 1 + sum(weights.pop(child, 1) for child in children)
            if path and weight > limit:
                found.add(path)
            weights[path] = 1 if path in found else weight

    def parts(self, mountpoints: set[bytes]) -> list[CatalogPart]:
        """The catalogs, each behind all that are nested in it; the root catalog is the last."""
        parts = []
        pending = [b""]
        while pending:
            part = CatalogPart(pending.pop(), self._entries[b""])
            part.root = self._entries[part.mountpoint]
            directories = [part.mountpoint]
            while directories:
                for entry in self.children(directories.pop()):
                    part.entries.append(entry)
                    if entry.path in mountpoints:
                        part.nested.append(entry.path)
                    elif entry.is_type("dir"):
                        directories.append(entry.path)
            pending += part.nested
            _number_groups(part.entries)
            parts.append(part)
        return parts[::-1]

    def _directory(self, path: bytes) -> Entry:
        """One that nobody described."""
        return Entry(path, TYPES["dir"] | 0o755, mtime_ns=DEFAULT_MTIME_NS, size=DIRECTORY_SIZE)


def _number_groups(entries: list[Entry]) -> None:
    """Group ids from 1 within a catalog, so that they do not change with other catalogs."""
    numbers: dict[int, int] = {}
    for entry in entries:
        if entry.group:
            entry.group = numbers.setdefault(entry.group, len(numbers) + 1)
