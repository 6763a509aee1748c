#!/usr/bin/env python3
"""The native client on repositories that the official tools wrote: what it shows is what the
official client showed of them, entry by entry and text by text."""

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import zlib

import clienttest
import harness
from harness import expect_equal, expect_in, expect_tree, test

SMALL = "small.example.org"
ROOT_HASH = "12113d7d3fe5e5643ab8ec50f7d1a8851885dcc8"  # of revision 8
HIDDEN = harness.MAGIC_HIDDEN
_unpacked: dict[str, harness.Repository] = {}


def official(fqrn: str) -> harness.Repository:
    """A repository that the test only reads: unpacked once for all of them."""
    return _unpacked[fqrn]


def show(repository: harness.Repository, revision: int) -> None:
    """Makes one of the two states of the small repository the published one."""
    name = os.path.join(repository.directory, ".cvmfspublished")
    shutil.copyfile(f"{name}.rev{revision}", name)


def listing(repository: harness.Repository) -> dict[str, dict]:
    """The shipped listing by path."""
    with open(repository.manifest, encoding="utf-8") as lines:
        return {entry["path"]: entry for entry in map(json.loads, lines)}


def catalog(repository: harness.Repository, text: str) -> sqlite3.Connection:
    """A catalog of the repository, opened without the client."""
    with open(repository.object_path(text, "C"), "rb") as file:
        image = zlib.decompress(file.read())
    with tempfile.NamedTemporaryFile() as copy:
        copy.write(image)
        copy.flush()
        database = sqlite3.connect(copy.name)
        database.execute("SELECT count(*) FROM catalog").fetchone()  # so that it is open
        memory = sqlite3.connect(":memory:")
        database.backup(memory)
        return memory


def counters(database: sqlite3.Connection, subtree: bool) -> str:
    """The twelve lines of the counters, as the attributes have them."""
    found = dict(database.execute("SELECT counter, value FROM statistics"))
    names = sorted(name.removeprefix("self_") for name in found if name.startswith("self_"))
    return "".join(f"{name},{found['self_' + name] + subtree * found['subtree_' + name]}\n"
                   for name in names)


def check_tree(fqrn: str, owners: bool) -> None:
    """Compares the whole mount with the shipped listing."""
    repository = official(fqrn)
    mount = clienttest.mounted(repository, owners=owners, **HIDDEN)
    expect_tree(mount, repository.manifest, owners=owners, magic=True)


@test
def the_repository_with_sha1_and_all_else_equals_its_listing():
    check_tree(SMALL, owners=False)


@test
def the_repository_with_rmd160_equals_its_listing():
    check_tree("rmd.example.org", owners=False)


@test
def the_repository_with_shake128_equals_its_listing():
    check_tree("shake.example.org", owners=False)


@test
def all_owners_show_where_root_mounts():
    for fqrn in (SMALL, "rmd.example.org", "shake.example.org"):
        check_tree(fqrn, owners=True)


@test
def eight_readers_get_every_file_right_cold_and_warm():
    for fqrn in (SMALL, "rmd.example.org", "shake.example.org"):
        cache = os.path.join(harness.temporary_directory(harness.ORDINARY), "cache")
        for _ in ("cold", "warm"):
            mount = clienttest.mounted(official(fqrn), cache=cache)
            clienttest.check_readers([mount], clienttest.expected_sums(official(fqrn)), 8)
            mount.unmount()


@test
def external_files_come_by_path_and_their_chunks_by_range():
    repository = official("ext.example.org")
    if not harness.nginx_available():
        harness.skip("there is no nginx")
    server = harness.NginxServer(repository.webroot)
    mount = clienttest.mounted(repository, server, **HIDDEN, CVMFS_EXTERNAL_HTTP_PROXY="DIRECT",
                               CVMFS_EXTERNAL_URL=f"{server.url}/cvmfs/ext-data")
    expect_tree(mount, repository.manifest, magic=True)


@test
def external_files_have_the_attributes_of_such():
    repository = official("ext.example.org")
    server = harness.FaultServer(repository.webroot)
    url = f"{server.url}/cvmfs/ext-data"
    visitor = clienttest.Visitor(clienttest.mounted(repository, server, CVMFS_EXTERNAL_URL=url))
    expect_equal(visitor.xattr("user.external_file", "pub/small.txt"), "1")
    expect_equal(visitor.xattr("user.external_url", "pub/small.txt"), url + "/pub/small.txt")
    expect_equal(visitor.xattr("user.external_host"), url)


@test
def external_files_without_a_server_for_them_fail_with_eio():
    repository = official("ext.example.org")
    visitor = clienttest.Visitor(clienttest.mounted(repository))
    expect_equal(visitor.failure("open('pub/small.txt').read()"), "EIO")
    expect_equal(visitor.failure("open('pub/chunked.bin', 'rb').read()"), "EIO")
    expect_equal(visitor.xattr("user.external_host"), "")


@test
def revision_9_equals_its_listing():
    repository = harness.official_repository(SMALL)
    show(repository, 9)
    mount = clienttest.mounted(repository, **HIDDEN)
    expect_tree(mount, repository.manifest.replace(".jsonl", ".rev9.jsonl"), magic=True)


@test
def a_cache_with_revision_8_goes_on_to_revision_9():
    repository = harness.official_repository(SMALL)
    cache = os.path.join(harness.temporary_directory(harness.ORDINARY), "cache")
    first = clienttest.mounted(repository, cache=cache, **HIDDEN)
    expect_tree(first, repository.manifest)
    first.unmount()
    show(repository, 9)
    breadcrumb = os.path.join(cache, SMALL, "cvmfschecksum." + SMALL)
    os.utime(breadcrumb, (0, 0))  # what it says has been confirmed long ago
    second = clienttest.mounted(repository, cache=cache, **HIDDEN)
    expect_tree(second, repository.manifest.replace(".jsonl", ".rev9.jsonl"))


@test
def a_revision_older_than_the_known_one_is_not_taken():
    repository = harness.official_repository(SMALL)
    cache = os.path.join(harness.temporary_directory(harness.ORDINARY), "cache")
    show(repository, 9)
    clienttest.mounted(repository, cache=cache).unmount()
    show(repository, 8)
    os.utime(os.path.join(cache, SMALL, "cvmfschecksum." + SMALL), (0, 0))
    mount = clienttest.mounted(repository, cache=cache)
    expect_equal(mount.xattr("user.revision"), b"9")
    expect_in("offline", clienttest.log_of(mount))


def check_links(mount: harness.Mount) -> None:
    """Compares /links with what the official client showed with two variables set."""
    manifest = official(SMALL).manifest
    shipped = os.path.join(os.path.dirname(manifest), "small-links-env-DEMO_VAR.jsonl")
    wanted = os.path.join(harness.temporary_directory(), "listing")
    with open(wanted, "w", encoding="utf-8") as file, open(shipped, encoding="utf-8") as links:
        file.write(json.dumps(listing(official(SMALL))["/links"]) + "\n" + links.read())
    expect_tree(mount, wanted, magic=True, below="/links")


@test
def links_hold_the_variables_of_the_environment():
    check_links(clienttest.mounted(official(SMALL), **HIDDEN,
                                   env={"DEMO_VAR": "files/one_byte", "DEMO_ARCH": "x86"}))


@test
def links_hold_the_parameters_of_the_configuration():
    check_links(clienttest.mounted(official(SMALL), **HIDDEN, DEMO_VAR="files/one_byte",
                                   DEMO_ARCH="x86"))


@test
def the_root_tells_its_revision_its_hash_and_its_counters():
    repository = official(SMALL)
    visitor = clienttest.Visitor(clienttest.mounted(repository))
    root = catalog(repository, ROOT_HASH)
    expect_equal(visitor.xattr("user.fqrn"), SMALL)
    expect_equal(visitor.xattr("user.revision"), "8")
    expect_equal(visitor.xattr("user.root_hash"), ROOT_HASH)
    expect_equal(visitor.xattr("user.tag"), "")
    expect_equal(visitor.xattr("user.repo_counters"), counters(root, subtree=True))
    expect_equal(visitor.xattr("user.catalog_counters"),
                 f"catalog_hash: {ROOT_HASH}\ncatalog_mountpoint: \n{counters(root, False)}")


@test
def entries_of_nested_catalogs_tell_that_catalog_and_its_counters():
    repository = official(SMALL)
    visitor = clienttest.Visitor(clienttest.mounted(repository))
    rows = catalog(repository, ROOT_HASH).execute("SELECT path, sha1 FROM nested_catalogs")
    for path, text in rows.fetchall():
        inner = catalog(repository, text)
        name = inner.execute("SELECT name FROM catalog WHERE mode & 61440 = 32768").fetchone()
        if name is None:
            continue
        # Directly in it or deeper: whatever the first file found is.
        where = visitor.value(
            f"next(d + '/' + f for d, _, fs in os.walk({path[1:]!r}) for f in fs)")
        expect_equal(visitor.xattr("user.catalog_counters", where).split("\n")[1],
                     f"catalog_mountpoint: {path}")
        expect_equal(visitor.xattr("user.catalog_counters", where),
                     f"catalog_hash: {text}\ncatalog_mountpoint: {path}\n"
                     f"{counters(inner, False)}")


@test
def the_list_of_chunks_is_a_table_with_a_heading():
    repository = official(SMALL)
    visitor = clienttest.Visitor(clienttest.mounted(repository))
    chunked = whole = 0
    for path, entry in listing(repository).items():
        rows = entry.get("cvmfs_chunk_list")
        if rows:
            chunked += 1
            wanted = "".join(row + "\n" for row in rows)
        elif entry["type"] == "file" and path.startswith(("/files/", "/none/")):
            whole += 1
            wanted = f"{entry['cvmfs_hash']},0,{entry['size']}\n"
        else:
            continue
        expect_equal(visitor.xattr("user.chunk_list", path[1:]), "hash,offset,size\n" + wanted)
    assert chunked > 5 and whole > 5


@test
def the_tags_select_the_revisions_they_name():
    repository = official(SMALL)
    server = harness.FaultServer(repository.webroot)
    revisions = {"base": ("2", "6489381252449a031fa7f6fb0fdea896718d44b1"),
                 "part-rmd160": ("4", "2d8fbd1cb8c0e21b0fd502641794fc9cff32f153-rmd160"),
                 "part-shake128": ("5", "c85578a635cab28c9e0d33495dabb0b7efa211ac-shake128"),
                 "generic-2026-11-23T22:10:05Z":
                     ("1", "a8b80cfbb54f68b34660c3fba2585ddcfa8c8f73")}
    cache = os.path.join(harness.temporary_directory(harness.ORDINARY), "cache")
    for tag, (revision, text) in revisions.items():
        mount = clienttest.mounted(repository, server, cache=cache, CVMFS_REPOSITORY_TAG=tag)
        visitor = clienttest.Visitor(mount)
        expect_equal(visitor.xattr("user.tag"), tag)
        expect_equal(visitor.xattr("user.revision"), revision)
        expect_equal(visitor.xattr("user.root_hash"), text)
        expect_equal(visitor.xattr("user.expires"), "never (fixed root catalog)")
        visitor.do("[open(d + '/' + f, 'rb').read() for d, _, fs in os.walk('small')"
                   " for f in fs]")


@test
def a_date_selects_the_newest_revision_up_to_it():
    repository = official(SMALL)
    mount = clienttest.mounted(repository, CVMFS_REPOSITORY_DATE="2026-11-23T22:10:08Z")
    expect_equal(mount.xattr("user.revision"), b"5")


@test
def an_expired_whitelist_is_refused():
    repository = harness.official_repository(SMALL)
    name = os.path.join(repository.directory, ".cvmfswhitelist")
    shutil.copyfile(name + ".expired", name)
    mount = clienttest.mounted(repository, check=False)
    expect_equal(mount.result.status, 16)
    expect_in("Failed to initialize root file catalog", mount.result.stderr)
    expect_in("whitelist verification failed (5)", clienttest.log_of(mount))


@test
def the_meta_info_is_the_published_text():
    repository = official(SMALL)
    with open(repository.object_path(repository.manifest_field("M"), "M"), "rb") as file:
        wanted = zlib.decompress(file.read())
    expect_equal(clienttest.mounted(repository).xattr("user.repo_metainfo"), wanted)


@test
def every_cached_object_has_the_content_its_name_says():
    repository = official(SMALL)
    cache = os.path.join(harness.temporary_directory(harness.ORDINARY), "cache")
    mount = clienttest.mounted(repository, cache=cache)
    mount.run(["find", ".", "-type", "f", "-exec", "cat", "{}", "+"], check=True)
    checked = 0
    for directory, _, names in os.walk(os.path.join(cache, SMALL)):
        for name in names:
            folder = os.path.basename(directory)
            text = folder + name
            stored = [repository.object_path(text, suffix) for suffix in ("", "P", "C", "X", "M")]
            stored = [path for path in stored if len(folder) == 2 and os.path.exists(path)]
            if not stored:
                continue
            with open(stored[0], "rb") as file, open(os.path.join(directory, name), "rb") as own:
                body, content = file.read(), own.read()
            checked += 1
            assert content in (body, zlib.decompressobj().decompress(body)
                               if body[:1] == b"x" else body), text
    assert checked > 400, checked


if not os.path.exists(harness.OFFICIAL_ARCHIVE):
    harness.skip_all("../shared/repos/official-small.tar.gz is not there")
harness.require_fuse_userns()
for name in (SMALL, "rmd.example.org", "shake.example.org", "ext.example.org"):
    _unpacked[name] = harness.official_repository(name)
harness.main()
