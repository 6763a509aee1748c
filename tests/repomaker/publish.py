"""The sequence of a publish: from a tree to a signed revision."""

import os
import time
from dataclasses import dataclass, field

from .catalog import Catalog
from .entries import DIRECTORY_SIZE, TYPES, Entry, Settings
from .hashes import NULL_HASH
from .history import CURRENT_REVISION, Tag, history_image, next_tags
from .keys import Keys
from .manifest import ROOT_PATH_HASH, write_manifest, write_whitelist
from .objects import FileStorer, ObjectStore, compress, write_file
from .reader import open_if_published
from .schema import Schema
from .tree import Tree

SNAPSHOTS = b"/.cvmfs/snapshots"


@dataclass
class Options:
    """What a publish can be told. Paths of subtrees are bytes, as in entries."""

    fqrn: str
    output: str
    keys: str
    settings: Settings = Settings()
    subtrees: dict[bytes, Settings] = field(default_factory=dict)
    nested: list[str] = field(default_factory=list)
    nested_entries: int | None = None
    schema: Schema = Schema()
    ttl: int = 240
    revision: int | None = None
    timestamp: int | None = None
    tags: list[str] = field(default_factory=list)
    tag_description: str = ""
    history_revision: int = CURRENT_REVISION
    with_history: bool = True
    snapshots: bool = False
    meta: bytes | None = None
    garbage_collectable: bool = False
    alternative_paths: bool = False
    volatile: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    whitelist_expires: float = 0
    external_data: str | None = None
    jobs: int = 2


class Publisher:
    """One publish into one output directory."""

    def __init__(self, options: Options):
        self.options = options
        self.now = int(time.time()) if options.timestamp is None else options.timestamp
        self.store = ObjectStore(options.output)
        self.keys = Keys(options.keys, options.fqrn)
        self.previous = open_if_published(options.output)
        self.revision = options.revision or (self.previous.revision + 1 if self.previous else 1)
        self._published: dict[bytes, str] = \
            dict(self.previous.catalogs()) if self.previous else {}

    def publish(self, tree: Tree) -> str:
        """Stores contents and catalogs and signs the new revision; the value is its root hash."""
        options = self.options
        if options.snapshots:
            self._add_snapshots(tree)
        tree.settle(self.settings_of)
        FileStorer(self.store, options.jobs, options.external_data).store(tree)
        root_hash, root_size = self._make_catalogs(tree)
        fields = self._manifest_fields(root_hash, root_size)
        write_manifest(options.output, fields, self.keys, options.settings.algorithm)
        write_whitelist(options.output, self.keys, options.whitelist_expires,
                        options.settings.algorithm)
        return root_hash

    def settings_of(self, path: bytes) -> Settings:
        """The settings of the deepest subtree that the path is in."""
        best = None
        for subtree in self.options.subtrees:
            inside = path == subtree or path.startswith(subtree + b"/")
            if inside and (best is None or len(subtree) > len(best)):
                best = subtree
        return self.options.settings if best is None else self.options.subtrees[best]

    def _add_snapshots(self, tree: Tree) -> None:
        """A hidden directory through which the tagged revisions can be reached."""
        def put_directory(path: bytes, **fields: object) -> None:
            tree.put(Entry(path, TYPES["dir"] | 0o755, mtime_ns=self.now * 1_000_000_000,
                           size=DIRECTORY_SIZE, **fields))

        put_directory(b"/.cvmfs", hidden=True)
        put_directory(SNAPSHOTS)
        for tag in self.previous.tags() if self.previous else []:
            put_directory(SNAPSHOTS + b"/" + tag.name.encode(), bind_hash=(tag.hash, tag.size))
        if "/.cvmfs" not in self.options.nested:
            self.options.nested.append("/.cvmfs")

    def _make_catalogs(self, tree: Tree) -> tuple[str, int]:
        """All catalogs from the leaves up; the value is hash and size of the root's."""
        options = self.options
        made: dict[bytes, tuple[Catalog, str, int]] = {}
        result = "", 0
        for part in tree.parts(tree.mountpoints(options.nested, options.nested_entries)):
            catalog = Catalog(options.schema, part.mountpoint)
            catalog.add_root(part.root)
            nested = set(part.nested)
            for entry in part.entries:
                catalog.add(entry, entry.path in nested)
            for path in part.nested:
                catalog.add_nested(*made.pop(path))
            result = self._keep_or_store(catalog)
            catalog.rows = []  # a million of them would not fit twice
            made[part.mountpoint] = (catalog, *result)
        return result

    def _keep_or_store(self, catalog: Catalog) -> tuple[str, int]:
        """The published catalog if it says the same; a root catalog is always new."""
        text = self._published.get(catalog.mountpoint)
        properties = {"revision": "1", "last_modified": str(self.now)}
        if text is not None:
            properties["previous_revision"] = text
            database = self.previous.catalog(text)
            try:
                if catalog.mountpoint and catalog.same_as(database):
                    return text, len(database.serialize())
                old = dict(database.execute("SELECT key, value FROM properties"))
                properties["revision"] = str(int(old.get("revision", "0")) + 1)
            finally:
                database.close()
        if not catalog.mountpoint:
            properties.update(self._root_properties())
        image = catalog.image(properties)
        algorithm = self.settings_of(catalog.mountpoint).algorithm
        return self.store.put_compressed(image, algorithm, "C"), len(image)

    def _root_properties(self) -> dict[str, str]:
        properties = {"revision": str(self.revision), "TTL": str(self.options.ttl)}
        if self.options.volatile:
            properties["volatile"] = "1"
        return properties | self.options.properties

    def _manifest_fields(self, root_hash: str, root_size: int) -> dict[str, str]:
        options = self.options
        algorithm = options.settings.algorithm
        pem = self.keys.certificate_pem()
        fields = {
            "C": root_hash, "B": str(root_size), "R": ROOT_PATH_HASH, "D": str(options.ttl),
            "S": str(self.revision), "G": "yes" if options.garbage_collectable else "no",
            "A": "yes" if options.alternative_paths else "no", "N": options.fqrn,
            "X": self.store.put_compressed(pem, algorithm, "X"), "T": str(self.now),
        }
        if options.with_history:
            fields["H"] = self._store_history(root_hash, root_size)
        if options.meta is not None:
            fields["M"] = self.store.put_compressed(options.meta, algorithm, "M")
        if options.alternative_paths:
            self._write_alternative(fields["X"], "X", compress(pem, "zlib"))
            self._write_alternative(root_hash, "C", self.store.read(root_hash, "C"))
        return fields

    def _store_history(self, root_hash: str, root_size: int) -> str:
        options = self.options
        head = Tag("", root_hash, self.revision, self.now, "", root_size)
        old = self.previous.tags() if self.previous else []
        tags = next_tags(old, head, options.tags, options.tag_description)
        before = self.previous.fields.get("H", NULL_HASH) if self.previous else NULL_HASH
        image = history_image(options.fqrn, tags, before, options.history_revision)
        return self.store.put_compressed(image, options.settings.algorithm, "H")

    def _write_alternative(self, text: str, suffix: str, stored: bytes) -> None:
        write_file(os.path.join(self.options.output, f".cvmfsalt-{text}{suffix}"), stored)
