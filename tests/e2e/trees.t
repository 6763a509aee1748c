#!/usr/bin/env python3
"""Mounted trees equal their listings, entry by entry, in every schema, hash and form of storage
that the repository maker knows (client_official.t does it for those of the official tools)."""

import os

import harness
from harness import expect_equal, expect_tree, test

harness.require_fuse_userns()

FQRN = "zoo.example.org"
ZOO = ("--generate", "zoo,size=300K", "--chunk-size", "64K/128K/256K")


def mount(repository: harness.Repository, owners: bool = False, **settings: str) -> harness.Mount:
    """Serves and mounts a repository; owners: so that all owners can be seen."""
    server = harness.FaultServer(repository.webroot)
    config = harness.client_config(repository, server,
                                   settings={**harness.MAGIC_HIDDEN, **settings})
    sandbox = harness.Sandbox(owners=True) if owners else None
    return harness.mount(repository.fqrn, config, sandbox=sandbox)


def check_zoo(*options: str) -> None:
    """Makes a repository with every kind of entry and compares the mount with its listing."""
    repository = harness.make_repository(FQRN, *ZOO, *options)
    expect_tree(mount(repository), repository.manifest, magic=True)


@test
def every_kind_of_entry_has_its_owner():
    repository = harness.make_repository(FQRN, *ZOO)
    expect_tree(mount(repository, owners=True), repository.manifest, owners=True)


@test
def every_hash_and_compression_reads():
    for algorithm in ("sha1", "rmd160", "shake128"):
        for compression in ("zlib", "none"):
            check_zoo("--hash", algorithm, "--compression", compression)


@test
def algorithms_may_differ_below_a_path():
    check_zoo("--nested", "/files", "--subtree", "/files:hash=shake128,compression=none",
              "--subtree", "/names:hash=rmd160")


@test
def every_schema_revision_reads():
    for revision in range(8):
        check_zoo("--schema-revision", str(revision))


@test
def older_schemas_read():
    check_zoo("--schema", "2.4")
    check_zoo("--schema", "1.0")


@test
def catalogs_nested_at_every_turn_are_one_tree():
    check_zoo("--nested-entries", "5")


@test
def external_files_are_fetched_by_path():
    where = harness.temporary_directory()
    files = harness.FaultServer(where)
    repository = harness.make_repository(FQRN, *ZOO, "--compression", "none", "--external",
                                         "--external-data", where)
    expect_tree(mount(repository, CVMFS_EXTERNAL_URL=files.url), repository.manifest, magic=True)


@test
def alternative_paths_are_used_for_certificate_and_root_catalog():
    repository = harness.make_repository(FQRN, *ZOO, "--alternative-paths")
    for key in "CX":
        os.unlink(repository.object_path(repository.manifest_field(key), key))
    expect_tree(mount(repository), repository.manifest)


@test
def a_snapshot_is_reached_below_the_hidden_directory():
    repository = harness.make_repository(FQRN, *ZOO, "--tag", "first")
    harness.make_repository(FQRN, "--snapshots", files={"new": "new"}, into=repository)
    mounted = mount(repository)
    expect_tree(mounted, repository.manifest)
    expect_equal(mounted.read("/.cvmfs/snapshots/first/nested/inner/file"), b"one further down\n")


@test
def a_directory_of_twenty_thousand_entries_lists_whole():
    repository = harness.make_repository("large.example.org", "--generate",
                                         "large-directory,files=20000,size=10")
    expect_tree(mount(repository), repository.manifest, contents=False)


harness.main()
