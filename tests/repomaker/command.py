"""The command line of mkrepo."""

import argparse
import os
import re
import sys
import time
from typing import Sequence

from . import generate, sources
from .chunking import parse_chunk_size
from .entries import Settings
from .hashes import ALGORITHMS
from .history import CURRENT_REVISION as HISTORY_REVISION
from .keys import Keys
from .listing import write_listing
from .manifest import write_whitelist
from .publish import Options, Publisher
from .schema import COMPRESSIONS, CURRENT_REVISION, Schema
from .tree import Tree

_META = b'{\n  "administrator": "Test",\n  "description": "Made by mkrepo"\n}\n'
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_EPILOG = """\
Publishing again into the same output makes the next revision; unchanged catalogs and objects stay.
SETTINGS of --subtree are hash=, compression=, chunk-size= and external=yes, joined by commas.
SHAPE is one of: {shapes}; with options, e.g.
small-files,files=1000000,size=100,per-directory=500 or zoo,size=300K or large-file,at=/x,size=2G.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mkrepo", description="Turns a directory into a signed CernVM-FS repository.",
        epilog=_EPILOG.format(shapes=", ".join(generate.SHAPES)),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--fqrn", required=True, help="fully qualified repository name")
    add("--output", required=True, metavar="DIR", help="the repository, e.g. WEBROOT/cvmfs/FQRN")
    add("--keys", required=True, metavar="DIR", help="keys and certificate; made when missing")
    content = parser.add_argument_group("content (any of these, later ones change earlier ones)")
    content.add_argument("--source", metavar="DIR", help="a directory to publish")
    content.add_argument("--generate", metavar="SHAPE", action="append", default=[])
    content.add_argument("--entries", metavar="FILE", action="append", default=[],
                         help="JSON lines that add, change or delete entries")
    content.add_argument("--owner", metavar="UID:GID", help="owner of everything")
    _add_storage_options(parser.add_argument_group("storage"))
    _add_catalog_options(parser.add_argument_group("catalogs"))
    _add_revision_options(parser.add_argument_group("revision"))
    add("--resign", action="store_true", help="write only a new whitelist")
    add("--manifest", metavar="FILE", help="write the listing of the tree (JSON lines)")
    add("--jobs", type=int, default=min(4, os.cpu_count() or 1), help="worker processes")
    add("--quiet", action="store_true")
    return parser


def _add_storage_options(group) -> None:
    add = group.add_argument
    add("--hash", choices=ALGORITHMS, default="sha1")
    add("--compression", choices=COMPRESSIONS, default="zlib")
    add("--chunk-size", metavar="MIN/AVG/MAX|SIZE|off", default="4M/8M/16M")
    add("--external", action="store_true", help="content is not stored, but fetched by path")
    add("--external-data", metavar="DIR", help="write what external files are fetched from")
    add("--subtree", metavar="PATH:SETTINGS", action="append", default=[],
        help="other settings below a path")


def _add_catalog_options(group) -> None:
    add = group.add_argument
    add("--nested", metavar="PATTERN", action="append", default=[],
        help="directories with a catalog of their own, besides those with .cvmfscatalog")
    add("--nested-entries", metavar="N", type=int, help="split where more entries than this")
    add("--schema", metavar="VERSION", default="2.5", help="2.5, 2.4, or below 2.1")
    add("--schema-revision", metavar="0..7", type=int, choices=range(CURRENT_REVISION + 1),
        default=CURRENT_REVISION)


def _add_revision_options(group) -> None:
    add = group.add_argument
    add("--revision", type=int, help="instead of the last one + 1")
    add("--timestamp", metavar="SECONDS", type=int, help="time of publication")
    add("--ttl", metavar="SECONDS", type=int, default=240)
    add("--tag", action="append", default=[], help="name this revision")
    add("--tag-description", default="")
    add("--snapshots", action="store_true", help="earlier tags below /.cvmfs/snapshots")
    add("--no-history", action="store_true", help="no tag database")
    add("--history-revision", type=int, choices=range(HISTORY_REVISION + 1),
        default=HISTORY_REVISION)
    add("--meta", metavar="FILE", help="meta info, JSON")
    add("--no-meta", action="store_true")
    add("--garbage-collectable", action="store_true")
    add("--alternative-paths", action="store_true")
    add("--volatile", action="store_true")
    add("--property", metavar="NAME=VALUE", action="append", default=[],
        help="a property of the root catalog")
    add("--whitelist-expires", metavar="WHEN", default="30d",
        help="30d, 12h, -1d (expired), or YYYY-MM-DD")


def _parse_moment(text: str) -> float:
    """A time from now on (may be negative), or a date, in Unix seconds."""
    match = re.fullmatch(r"([+-]?\d+)([smhd]?)", text)
    if match:
        return time.time() + int(match[1]) * _UNITS[match[2]]
    return time.mktime(time.strptime(text + " UTC", "%Y-%m-%d %Z")) - time.timezone


def _parse_subtree(text: str, default: Settings) -> tuple[bytes, Settings]:
    path, _, settings = text.partition(":")
    values = dict(item.split("=", 1) for item in settings.split(","))
    unknown = values.keys() - {"hash", "compression", "chunk-size", "external"}
    if unknown or not path.startswith("/"):
        raise ValueError(f"not settings of a subtree: {text!r}")
    if values.get("compression", "zlib") not in COMPRESSIONS:
        raise ValueError(f"no such compression: {text!r}")
    return os.fsencode(path.rstrip("/")), Settings(
        ALGORITHMS[values["hash"]] if "hash" in values else default.algorithm,
        values.get("compression", default.compression),
        parse_chunk_size(values["chunk-size"]) if "chunk-size" in values else default.chunk_size,
        values["external"] == "yes" if "external" in values else default.external)


def _options(arguments: argparse.Namespace, nested: list[str]) -> Options:
    """The command line as the publisher takes it."""
    schema = Schema(arguments.schema, arguments.schema_revision)
    chunk_size = None if schema.legacy else parse_chunk_size(arguments.chunk_size)
    settings = Settings(ALGORITHMS[arguments.hash], arguments.compression, chunk_size,
                        arguments.external)
    meta = _META
    if arguments.meta:
        with open(arguments.meta, "rb") as file:
            meta = file.read()
    return Options(
        fqrn=arguments.fqrn, output=arguments.output, keys=arguments.keys, settings=settings,
        subtrees=dict(_parse_subtree(text, settings) for text in arguments.subtree),
        nested=arguments.nested + nested, nested_entries=arguments.nested_entries,
        schema=schema, ttl=arguments.ttl, revision=arguments.revision,
        timestamp=arguments.timestamp, tags=arguments.tag,
        tag_description=arguments.tag_description, history_revision=arguments.history_revision,
        with_history=not arguments.no_history, snapshots=arguments.snapshots,
        meta=None if arguments.no_meta else meta,
        garbage_collectable=arguments.garbage_collectable,
        alternative_paths=arguments.alternative_paths, volatile=arguments.volatile,
        properties=dict(text.split("=", 1) for text in arguments.property),
        whitelist_expires=_parse_moment(arguments.whitelist_expires),
        external_data=arguments.external_data, jobs=arguments.jobs)


def _make_tree(arguments: argparse.Namespace) -> tuple[Tree, list[str]]:
    """The entries, and patterns of catalogs that generated shapes ask for."""
    tree = Tree()
    nested: list[str] = []
    if arguments.source:
        sources.add_directory(tree, arguments.source)
    for shape in arguments.generate:
        nested += generate.add_shape(tree, shape)
    for name in arguments.entries:
        sources.add_entry_file(tree, name)
    if arguments.owner:
        uid, _, gid = arguments.owner.partition(":")
        for entry in tree:
            entry.uid, entry.gid = int(uid), int(gid)
    return tree, nested


def run(words: Sequence[str]) -> None:
    """Does what the command line says; raises what goes wrong."""
    arguments = _parser().parse_args(words)
    if arguments.resign:
        keys = Keys(arguments.keys, arguments.fqrn)
        write_whitelist(arguments.output, keys, _parse_moment(arguments.whitelist_expires),
                        ALGORITHMS[arguments.hash])
        return
    began = time.monotonic()
    tree, nested = _make_tree(arguments)
    publisher = Publisher(_options(arguments, nested))
    root_hash = publisher.publish(tree)
    if arguments.manifest:
        with open(arguments.manifest, "w", encoding="utf-8") as file:
            write_listing(tree, file, {"CVMFS_FQRN": arguments.fqrn,
                                       "CVMFS_ARCH": os.uname().machine})
    if not arguments.quiet:
        print(f"{arguments.fqrn}: revision {publisher.revision}, {len(tree)} entries, "
              f"root catalog {root_hash}, {time.monotonic() - began:.1f} s")


def main() -> int:
    """The program."""
    try:
        run(sys.argv[1:])
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        print(f"mkrepo: {error}", file=sys.stderr)
        return 1
    return 0
