#!/usr/bin/env python3
"""The native client and objects that are not what their hashes say, or not what their catalogs say:
reading fails with EIO, wrong bytes are never shown nor kept, and when the servers are in order
again, so is the mount."""

import os

import clienttest
import faulttest
import harness
from faulttest import FILES, FQRN
from harness import expect_equal, expect_in, test
from repomaker import tamper
from repomaker.hashes import SHA1

harness.require_fuse_userns()

CATALOG = "Failed to initialize root file catalog"


def serve() -> harness.FaultServer:
    """The repository as it should be, on a server that can be told to lie."""
    return harness.FaultServer(faulttest.pristine().webroot)


@test
def what_a_file_consists_of_is_checked_and_comes_when_it_can():
    paths = {"file": "file", "raw": "plain/raw", "inner": "nested/inner"}

    def check(how: str, server: harness.FaultServer, visitor: clienttest.Visitor) -> None:
        for path in paths.values():
            expect_equal(visitor.failure(f"open({path!r}, 'rb').read()"), "EIO", f"{path}, {how}")
        faulttest.expect_good_cache(visitor.mount)
        expect_equal(faulttest.left_over(visitor.mount), [])
        if how == "missing":
            log = clienttest.log_of(visitor.mount)
            expect_in("failed to fetch /file (hash: ", log)
            expect_in(", error 9 [host returned HTTP error])", log)
            expect_in("EIO (07) on /file", log)
        server.clear()
        for path in paths.values():
            expect_equal(visitor.read(path), FILES[path])

    faulttest.with_each_damage(check, *paths)


@test
def what_a_chunk_consists_of_is_checked_and_the_others_can_be_read():
    def check(how: str, server: harness.FaultServer, visitor: clienttest.Visitor) -> None:
        for name, path in (("chunked", "chunked"), ("raw-chunks", "plain/raw-chunks")):
            faulttest.spoil(server, how, name, chunk=1)
            visitor.do(f"file = open({path!r}, 'rb', 0)")
            for offset, error in ((65536, "EIO"), (0, None), (131072, None)):
                code = f"os.pread(file.fileno(), 9, {offset})"
                expect_equal(visitor.failure(code), error, f"{path}, {how}")
                if not error:
                    expect_equal(visitor.value(code), FILES[path][offset:offset + 9])
        expect_equal(visitor.failure(f"open({path!r}, 'rb').read()"), "EIO")
        faulttest.expect_good_cache(visitor.mount)
        server.clear()
        for path in ("chunked", "plain/raw-chunks"):
            expect_equal(visitor.read(path), FILES[path])

    faulttest.with_each_damage(check)


@test
def an_empty_file_needs_nothing():
    server = serve()
    server.fail("*" + faulttest.path_of("empty"))
    expect_equal(faulttest.visit(faulttest.pristine(), server).read("empty"), b"")


@test
def an_object_in_the_place_of_another_is_not_taken():
    server = serve()
    visitor = faulttest.visit(faulttest.pristine(), server)
    server.garbage("*" + faulttest.path_of("file"), faulttest.stored("other"))
    server.garbage("*" + faulttest.path_of("catalog:/nested"),
                   faulttest.stored("catalog:/nested/deeper"))
    expect_equal(visitor.failure("open('file').read()"), "EIO")
    expect_equal(visitor.failure("os.listdir('nested')"), "EIO")
    expect_equal(visitor.read("other"), FILES["other"])


@test
def without_a_nested_catalog_nothing_in_it_is_said_to_be_absent():
    def check(how: str, server: harness.FaultServer, visitor: clienttest.Visitor) -> None:
        for code in ("os.stat('nested/inner')", "os.stat('nested/no such')",
                     "os.stat('nested/deeper/leaf')", "os.listdir('nested')"):
            expect_equal(visitor.failure(code), "EIO", f"{code}, {how}")
        expect_equal(visitor.failure("os.stat('nested')"), None)
        expect_equal(visitor.failure("os.stat('no such')"), "ENOENT")
        faulttest.expect_good_cache(visitor.mount)
        expect_in("EIO (01) on /nested", clienttest.log_of(visitor.mount))
        expect_in("EIO (03) on /nested", clienttest.log_of(visitor.mount))
        server.clear()
        expect_equal(visitor.value("sorted(os.listdir('nested'))"), ["deeper", "inner"])
        expect_equal(visitor.read("nested/deeper/leaf"), FILES["nested/deeper/leaf"])
        expect_equal(visitor.failure("os.stat('nested/no such')"), "ENOENT")

    faulttest.with_each_damage(check, "catalog:/nested")


@test
def a_catalog_of_a_later_schema_is_refused():
    keys = faulttest.keys_of()
    statement = "UPDATE properties SET value = '2.6' WHERE key = 'schema'"
    repository = faulttest.copy()
    tamper.edit_catalog(repository.directory, keys,
                        lambda database: faulttest.edit(database, statement))
    mount = faulttest.mount(repository, harness.FaultServer(repository.webroot))
    expect_equal(mount.result.status, 16, str(mount.result))
    expect_in("2.6", mount.result.stderr)


@test
def a_file_of_another_size_than_its_catalog_says_is_set_aside():
    repository = faulttest.copy()
    keys = faulttest.keys_of()
    for size in ("size + 1", "size - 1"):
        statement = f"UPDATE catalog SET size = {size} WHERE name = 'file'"
        tamper.edit_catalog(repository.directory, keys,
                            lambda database: faulttest.edit(database, statement))
        server = harness.FaultServer(repository.webroot)
        visitor = faulttest.visit(repository, server)
        if size == "size + 1":
            expect_equal(visitor.failure("open('file').read()"), "EIO")
            expect_equal(os.listdir(os.path.join(visitor.mount.cache, "quarantaine")),
                         [faulttest.path_of("file").replace("/data/", "").replace("/", "")])
    faulttest.expect_good_cache(visitor.mount, repository)


@test
def what_is_signed_but_no_catalog_is_an_error_where_it_is_needed():
    keys = faulttest.keys_of()
    repository = faulttest.copy()
    text = tamper.ObjectStore(repository.directory).put_compressed(b"no catalog" * 99, SHA1, "C")
    tamper.edit_catalog(repository.directory, keys, lambda database: faulttest.edit(
        database, f"UPDATE nested_catalogs SET sha1 = '{text}', size = 990"))
    server = harness.FaultServer(repository.webroot)
    visitor = faulttest.visit(repository, server)
    expect_equal(visitor.failure("os.listdir('nested')"), "EIO")
    expect_equal(visitor.read("file"), FILES["file"])
    tamper.rewrite_manifest(repository.directory, keys, {"C": text})
    mount = faulttest.mount(repository, server)
    expect_equal(mount.result.status, 16)
    expect_in(CATALOG, mount.result.stderr)


@test
def what_is_damaged_in_the_cache_is_fetched_again():
    server = serve()
    first = faulttest.mount(faulttest.pristine(), server, check=True)
    names = ("catalog:", "catalog:/nested", "file")
    clienttest.Visitor(first).do("os.listdir('nested'), open('file').read()")
    first.unmount()
    for name in names:
        text = faulttest.path_of(name).replace("/data/", "").rstrip("C")
        with open(os.path.join(first.cache, text), "r+b") as file:
            file.truncate(20)
    cache = os.path.dirname(first.cache)
    os.utime(os.path.join(first.cache, "cvmfschecksum." + FQRN), (0, 0))
    visitor = faulttest.visit(faulttest.pristine(), server, cache=cache)
    expect_equal(visitor.read("file"), FILES["file"])
    expect_equal(visitor.read("nested/inner"), FILES["nested/inner"])
    faulttest.expect_good_cache(visitor.mount)


faulttest.pristine()
harness.main()
