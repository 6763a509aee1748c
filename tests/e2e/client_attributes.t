#!/usr/bin/env python3
"""Extended attributes of the native client: the stored ones, and the magic ones with the official
client's texts. What they say of official repositories is in client_official.t."""

import errno
import json
import os

import clienttest
import harness
from harness import expect_equal, expect_in, test

harness.require_fuse_userns()

FQRN = "attributes.example.org"
STORED = {"user.text": "hello\n", "user.empty": "", "user.other": "x" * 200,
          "security.capability": "\x01", "trusted.hidden": "secret"}
# What issue and format description promise; each answers on the root directory.
ON_THE_ROOT = (
    "catalog_counters", "expires", "external_host", "external_timeout", "fqrn", "host",
    "host_list", "inode_max", "logbuffer", "maxfd", "nclg", "ndownload", "nioerr", "pid", "proxy",
    "proxy_list", "proxy_list_external", "pubkeys", "repo_counters", "repo_metainfo", "revision",
    "root_hash", "rx", "speed", "tag", "timeout", "timeout_direct", "timestamp_last_ioerr",
    "uptime", "version")


def make(*entries: dict, options: tuple = ()) -> harness.Repository:
    """A repository of these entries."""
    name = os.path.join(harness.temporary_directory(), "entries")
    with open(name, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
    return harness.make_repository(FQRN, "--entries", name, *options)


def visit(repository: harness.Repository, server: object = None, **settings) -> clienttest.Visitor:
    """Mounts and goes in."""
    return clienttest.Visitor(clienttest.mounted(repository, server, **settings))


def names(visitor: clienttest.Visitor, path: str) -> set[str]:
    """The listed attributes, of links too. Where there are none at all the client may say that it
    does not know of such a thing, so that the kernel need not ask for each file."""
    try:
        return set(visitor.value(f"os.listxattr({path!r}, follow_symlinks=False)"))
    except OSError as error:
        expect_equal(error.errno, errno.EOPNOTSUPP)
        return set()


@test
def stored_attributes_are_listed_and_read():
    visitor = visit(make({"path": "/file", "xattrs": STORED}, {"path": "/plain"},
                         {"path": "/dir", "type": "dir", "xattrs": {"user.of": "a directory"}}))
    assert {"user.text", "user.empty", "user.other"} <= names(visitor, "file")
    for name in ("user.text", "user.empty", "user.other"):
        expect_equal(visitor.xattr(name, "file"), STORED[name])
    expect_equal(names(visitor, "dir"), {"user.of"})
    expect_equal(names(visitor, "plain"), set())
    expect_equal(visitor.failure("os.getxattr('plain', 'user.text')"), "ENODATA")


@test
def a_buffer_that_is_too_small_is_erange():
    visitor = visit(make({"path": "/file", "xattrs": STORED}))
    visitor.do("import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
               "def small(call, *arguments):\n"
               "    result = call(b'file', *arguments, ctypes.create_string_buffer(3), 3)\n"
               "    return result, errno.errorcode.get(ctypes.get_errno())\n")
    expect_equal(visitor.value("small(libc.getxattr, b'user.text')"), (-1, "ERANGE"))
    expect_equal(visitor.value("small(libc.listxattr)"), (-1, "ERANGE"))
    expect_equal(visitor.value("libc.getxattr(b'file', b'user.text', None, 0)"), 6)


@test
def a_magic_name_shadows_a_stored_one():
    visitor = visit(make({"path": "/file", "xattrs": {"user.fqrn": "forged", "user.a": "b"}}))
    expect_equal(visitor.xattr("user.fqrn", "file"), FQRN)
    expect_equal(names(visitor, "file"), {"user.a"})


@test
def magic_names_are_listed_on_the_root_alone_unless_told_otherwise():
    repository = make({"path": "/file", "content": "x"}, {"path": "/dir/file"},
                      {"path": "/link", "type": "symlink", "target": "file"})
    root, file = "user.fqrn", "user.chunk_list"
    for settings, on_root, on_file in (
            ({}, True, False), ({"CVMFS_MAGIC_XATTRS_VISIBILITY": "rootonly"}, True, False),
            ({"CVMFS_MAGIC_XATTRS_VISIBILITY": "always"}, True, True),
            ({"CVMFS_MAGIC_XATTRS_VISIBILITY": "never"}, False, False),
            ({"CVMFS_HIDE_MAGIC_XATTRS": "yes"}, False, False),
            ({"CVMFS_HIDE_MAGIC_XATTRS": "no"}, True, True)):
        visitor = visit(repository, **settings)
        expect_equal((settings, root in names(visitor, "."), file in names(visitor, "file")),
                     (settings, on_root, on_file))
        expect_equal("xfsroot.rawlink" in names(visitor, "link"), on_file)
        expect_equal(visitor.xattr(root, "dir"), FQRN)  # reading works in any case
        expect_equal(visitor.xattr("user.chunks", "file"), "1")


@test
def every_promised_name_is_listed_on_the_root_and_answers():
    visitor = visit(make({"path": "/file"}))
    listed = names(visitor, ".")
    for name in ON_THE_ROOT:
        assert "user." + name in listed, name
    for name in sorted(listed):
        visitor.xattr(name)
    expect_equal(len(listed), len(visitor.value("os.listxattr('.')")), "each is listed once")


@test
def the_root_answers_in_the_official_words():
    repository = make({"path": "/file", "content": "content"})
    server = harness.FaultServer(repository.webroot)
    refused = harness.RefusedPort()
    config = harness.client_config(repository, server, refused.url + "/cvmfs/@fqrn@",
                                   settings={"CVMFS_TIMEOUT": "7", "CVMFS_TIMEOUT_DIRECT": "11"})
    mount = harness.mount(FQRN, config)
    visitor = clienttest.Visitor(mount)
    url = server.repository_url(FQRN)
    with open(repository.public_key, encoding="ascii") as file:
        key = file.read()
    wanted = {
        "fqrn": FQRN, "revision": "1", "root_hash": repository.manifest_field("C"), "tag": "",
        "version": "2.12.0.0", "uptime": "0", "nclg": "1", "nioerr": "0",
        "timestamp_last_ioerr": "0", "external_host": "", "host": url,
        "host_list": f"{url};{refused.url}/cvmfs/{FQRN}", "proxy": "DIRECT",
        "proxy_list": "DIRECT\n", "timeout": "7", "timeout_direct": "11", "pubkeys": key,
    }
    for name, value in wanted.items():
        expect_equal(visitor.xattr("user." + name), value, name)
    expect_in(visitor.xattr("user.expires"), ("3", "4"))
    pid = int(visitor.xattr("user.pid"))
    expect_equal(mount.sandbox.processes("cvmfs2"), [pid])
    expect_equal(int(visitor.xattr("user.maxfd")),
                 int(mount.sandbox.run("ulimit -n").stdout) - 512)


@test
def the_counters_count_entries_of_the_whole_and_of_one_catalog():
    repository = make({"path": "/file", "content": "12345"}, {"path": "/nested/a", "content": "1"},
                      {"path": "/nested/link", "type": "symlink", "target": "a"},
                      {"path": "/nested/fifo", "type": "fifo"},
                      {"path": "/nested/big", "random": "x", "size": 10000,
                       "xattrs": {"user.a": "b"}},
                      options=("--nested", "/nested", "--chunk-size", "4096"))
    visitor = visit(repository)
    expect_equal(visitor.xattr("user.repo_counters", "nested"),
                 "chunked,1\nchunked_size,10000\nchunks,3\ndir,3\nexternal,0\n"
                 "external_file_size,0\nfile_size,10006\nnested,1\nregular,3\nspecial,1\n"
                 "symlink,1\nxattr,1\n")
    expect_equal(visitor.xattr("user.catalog_counters", "file").split("\n")[1:],
                 ["catalog_mountpoint: ", "chunked,0", "chunked_size,0", "chunks,0", "dir,2",
                  "external,0", "external_file_size,0", "file_size,5", "nested,1", "regular,1",
                  "special,0", "symlink,0", "xattr,0", ""])
    expect_equal(visitor.xattr("user.catalog_counters", "nested/a").split("\n")[1:6],
                 ["catalog_mountpoint: /nested", "chunked,1", "chunked_size,10000", "chunks,3",
                  "dir,1"])


@test
def files_and_links_tell_how_they_are_stored():
    repository = make({"path": "/file", "content": "x"}, {"path": "/none/file", "content": "x"},
                      {"path": "/link", "type": "symlink", "target": "$(NOWHERE:-file)"},
                      options=("--subtree", "/none:compression=none,hash=shake128"))
    visitor = visit(repository)
    expect_equal(visitor.xattr("user.compression", "file"), "zlib")
    expect_equal(visitor.xattr("user.compression", "none/file"), "none")
    text = visitor.xattr("user.hash", "none/file")
    assert text.endswith("-shake128") and len(text) == 49, text
    expect_equal(visitor.xattr("user.chunk_list", "none/file"), f"hash,offset,size\n{text},0,1\n")
    expect_equal(visitor.xattr("user.external_file", "file"), "0")
    expect_equal(visitor.xattr("user.direct_io", "file"), "0")
    expect_equal(visitor.xattr("xfsroot.rawlink", "link"), "$(NOWHERE:-file)")
    for name in ("hash", "chunks", "chunk_list", "compression", "external_url"):
        expect_equal(visitor.failure(f"os.getxattr('none', 'user.{name}')"), "ENODATA")


@test
def a_long_list_of_chunks_comes_in_pages():
    repository = make({"path": "/file", "random": "x", "size": 6_000_000},
                      options=("--chunk-size", "4K"))
    visitor = visit(repository)
    count = int(visitor.xattr("user.chunks", "file"))
    expect_equal(count, (6_000_000 + 4095) // 4096)
    kind, number = visitor.xattr("user.chunk_list~?", "file").split(", ")
    expect_equal(kind, "num_pages")
    pages = [visitor.xattr(f"user.chunk_list~{page}", "file") for page in range(int(number))]
    assert len(pages) >= 2 and all(len(page) < 45000 for page in pages)
    rows = []
    for page in pages:
        head, *lines, end = page.split("\n")
        expect_equal((head, end), ("hash,offset,size", ""))
        rows += [line.split(",") for line in lines]
    expect_equal([(int(row[1]), int(row[2])) for row in rows],
                 [(4096 * index, min(4096, 6_000_000 - 4096 * index)) for index in range(count)])
    expect_equal(visitor.xattr("user.chunk_list", "file"), pages[0])
    header = f"# Access page at idx: 1. Total num pages: {number} (access other pages: " \
             "xattr~<page_num>, starting  with 0; number of pages available: xattr~?)\n"
    expect_equal(visitor.xattr("user.chunk_list@1", "file"), header + pages[1])


@test
def short_values_are_their_own_only_page():
    visitor = visit(make({"path": "/file", "content": "x", "xattrs": {"user.a~0": "hidden"}}))
    expect_equal(visitor.xattr("user.fqrn~0"), FQRN)
    expect_equal(visitor.xattr("user.fqrn~?"), "num_pages, 1")
    expect_equal(visitor.xattr("user.fqrn@0").split("\n")[1], FQRN)
    expect_in("user.fqrn", visitor.xattr("user.fqrn@7"))
    for name in ("user.fqrn~1", "user.fqrn~", "user.fqrn~x", "user.fqrn@", "user.a~0", "user.b~1"):
        expect_equal((name, visitor.failure(f"os.getxattr('file', {name!r})")), (name, "ENODATA"))


@test
def protected_attributes_are_for_members_of_privileged_groups():
    repository = make({"path": "/file", "xattrs": {"user.stored": "s"}})
    protected = {"CVMFS_XATTR_PROTECTED_XATTRS": "user.root_hash,user.stored"}
    for groups, failure in (("4711", "ENODATA"), ("4711,0", None), ("", "ENODATA")):
        visitor = visit(repository, **protected, CVMFS_XATTR_PRIVILEGED_GIDS=groups)
        for name in ("user.root_hash", "user.stored"):
            expect_equal((groups, visitor.failure(f"os.getxattr('file', {name!r})")),
                         (groups, failure))
        expect_equal(visitor.xattr("user.fqrn"), FQRN)


@test
def io_errors_and_downloads_are_counted():
    repository = make({"path": "/file", "content": "x"}, {"path": "/other", "content": "y"})
    server = harness.FaultServer(repository.webroot)
    visitor = visit(repository, server)
    before = int(visitor.xattr("user.ndownload"))
    visitor.read("file")
    expect_equal(int(visitor.xattr("user.ndownload")), before + 1)
    server.fail("*/data/*", status=404)
    expect_equal(visitor.failure("open('other').read()"), "EIO")
    assert int(visitor.xattr("user.nioerr")) >= 1  # the kernel may have tried again
    assert int(visitor.xattr("user.timestamp_last_ioerr")) > 1_600_000_000
    assert "EIO" in visitor.xattr("user.logbuffer")


harness.main()
