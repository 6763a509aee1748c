#!/usr/bin/env python3
"""New revisions under a mounted native client, revisions fixed by the configuration, and going on
without a server."""

import json
import os
import shutil

import clienttest
import harness
from harness import expect_equal, expect_in, test
from clienttest import Visitor, log_of, wait_until

harness.require_fuse_userns()

FQRN = "revisions.example.org"
SHORT = ("--ttl", "1")  # seconds between two looks for a new revision


def publish(*entries: dict, into: harness.Repository | None = None,
            options: tuple = SHORT) -> harness.Repository:
    """A revision of exactly these entries."""
    name = os.path.join(harness.temporary_directory(), "entries")
    with open(name, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
    return harness.make_repository(FQRN, "--entries", name, *options, into=into)


def text(path: str, content: str, **more) -> dict:
    """An entry of an entry file."""
    return {"path": path, "content": content, **more}


def published_file(repository: harness.Repository) -> str:
    """The manifest on the server."""
    return os.path.join(repository.directory, ".cvmfspublished")


def wait_for_revision(visitor: Visitor, number: int) -> None:
    """Until the mount shows it, and no name of the one before is promised any more."""
    wait_until(lambda: visitor.xattr("user.revision") == str(number), f"revision {number}")


@test
def a_new_revision_shows_up_in_the_mount():
    repository = publish(
        text("/same", "same"), text("/changed", "old"), text("/gone", "x"),
        text("/dir/gone", "x"), text("/dir/changed", "old"), text("/file-to-dir", "x"),
        text("/dir-to-file/below", "x"), text("/mode", "x", mode="0644"),
        {"path": "/link", "type": "symlink", "target": "same"})
    visitor = Visitor(clienttest.mounted(repository))
    visitor.do("[os.listdir(d) for d in ('.', 'dir')]")
    for name in ("same", "changed", "gone", "dir/gone", "dir/changed", "file-to-dir", "link"):
        visitor.read(name)
    expect_equal(visitor.failure("os.stat('new')"), "ENOENT")
    expect_equal(visitor.failure("os.stat('dir/new')"), "ENOENT")
    publish(
        text("/same", "same"), text("/changed", "newer"), text("/new", "n"), text("/dir/new", "n"),
        text("/dir/changed", "newer"), text("/file-to-dir/below", "b"), text("/dir-to-file", "f"),
        text("/mode", "x", mode="0600"), {"path": "/link", "type": "symlink", "target": "new"},
        into=repository)
    wait_for_revision(visitor, 2)
    expect_equal(visitor.value("sorted(os.listdir('.'))"),
                 ["changed", "dir", "dir-to-file", "file-to-dir", "link", "mode", "new", "same"])
    expect_equal(visitor.value("sorted(os.listdir('dir'))"), ["changed", "new"])
    wait_until(lambda: visitor.failure("os.stat('gone')") == "ENOENT", "the end of a name")
    wait_until(lambda: visitor.failure("os.stat('dir/gone')") == "ENOENT", "the end of a name")
    for name, content in (("same", b"same"), ("changed", b"newer"), ("new", b"n"),
                          ("dir/new", b"n"), ("dir/changed", b"newer"), ("link", b"n"),
                          ("file-to-dir/below", b"b"), ("dir-to-file", b"f")):
        expect_equal((name, visitor.read(name)), (name, content))
    expect_equal(visitor.value("oct(os.stat('mode').st_mode)"), "0o100600")
    expect_equal(visitor.value("os.stat('changed').st_size"), 5)


@test
def open_files_keep_their_content_and_their_inode():
    repository = publish(text("/file", "old content"), text("/gone", "still there"),
                         {"path": "/big", "random": "1", "size": 500_000},
                         options=SHORT + ("--chunk-size", "64K"))
    visitor = Visitor(clienttest.mounted(repository))
    visitor.do("file, gone, big, unread = [open(name, 'rb', buffering=0) for name in"
               " ('file', 'gone', 'big', 'file')]")
    visitor.do("start = big.read(1000)")
    expect_equal(visitor.value("file.read()"), b"old content")
    visitor.do("view = mmap.mmap(big.fileno(), 0, prot=mmap.PROT_READ)")
    visitor.do("inode = os.fstat(file.fileno()).st_ino")
    publish(text("/file", "new"), {"path": "/big", "random": "2", "size": 400_000},
            options=SHORT + ("--chunk-size", "64K"), into=repository)
    wait_for_revision(visitor, 2)
    wait_until(lambda: visitor.read("file") == b"new", "the new content")
    expect_equal(visitor.value("os.pread(file.fileno(), 100, 0)"), b"old content")
    expect_equal(visitor.value("unread.read()"), b"old content")
    expect_equal(visitor.value("gone.read()"), b"still there")
    expect_equal(visitor.value("(os.fstat(file.fileno()).st_ino == inode,"
                               " os.fstat(file.fileno()).st_size)"), (True, 11))
    assert visitor.value("os.stat('file').st_ino != inode")
    visitor.do("rest = big.readall()")
    expect_equal(visitor.value("len(start + rest)"), 500_000)
    assert visitor.value("start + rest == view[:]")
    assert visitor.value("open('big', 'rb').read(1000) != start")


@test
def a_working_directory_stays_usable_and_shows_the_new_revision():
    repository = publish(text("/a/b/old", "old"), text("/a/b/same", "1"), text("/a/up", "up"),
                         options=SHORT + ("--nested", "/a"))
    visitor = Visitor(clienttest.mounted(repository))
    visitor.do("os.chdir('a/b')")
    expect_equal(visitor.value("sorted(os.listdir('.'))"), ["old", "same"])
    publish(text("/a/b/new", "new"), text("/a/b/same", "2"), text("/a/up", "UP"),
            options=SHORT + ("--nested", "/a"), into=repository)
    wait_for_revision(visitor, 2)
    wait_until(lambda: visitor.value("sorted(os.listdir('.'))") == ["new", "same"], "a listing")
    expect_equal(visitor.read("new"), b"new")
    wait_until(lambda: visitor.read("same") == b"2", "new content")
    wait_until(lambda: visitor.failure("os.stat('old')") == "ENOENT", "the end of a name")
    expect_equal(visitor.read("../up"), b"UP")
    expect_equal(visitor.value("os.path.basename(os.getcwd())"), "b")


@test
def a_working_directory_that_is_gone_is_empty_or_gone():
    repository = publish(text("/a/b/old", "old"), text("/c", ""))
    visitor = Visitor(clienttest.mounted(repository))
    visitor.do("root = os.open('.', os.O_RDONLY)")
    visitor.do("os.chdir('a/b')")
    visitor.do("os.listdir('.')")
    publish(text("/c", ""), into=repository)
    wait_until(lambda: visitor.value("os.getxattr(root, 'user.revision')") == b"2", "a revision")
    wait_until(lambda: visitor.failure("os.stat('old')") == "ENOENT", "the end of a name")
    wait_until(lambda: visitor.failure("os.listdir('.')") == "ENOENT"
               or visitor.value("os.listdir('.')") == [], "the end of a listing")
    visitor.do("os.chdir(root)")
    expect_equal(visitor.value("os.listdir('.')"), ["c"])


@test
def a_listing_that_is_under_way_comes_to_its_end():
    options = SHORT + ("--generate", "large-directory,files=6000,size=1")
    repository = harness.make_repository(FQRN, *options)
    visitor = Visitor(clienttest.mounted(repository))
    visitor.do("stream = os.scandir('many'); first = [next(stream).name for _ in range(10)]")
    harness.make_repository(FQRN, *SHORT, "--generate", "large-directory,files=5000,size=1",
                            into=repository)
    wait_for_revision(visitor, 2)
    count = visitor.value("len(first) + sum(1 for _ in stream)")
    assert 4000 <= count <= 11000, count
    wait_until(lambda: visitor.value("len(os.listdir('many'))") == 5000, "the new listing")


@test
def unchanged_nested_catalogs_keep_their_inodes():
    nested = SHORT + ("--nested", "/same", "--nested", "/same/deep", "--nested", "/other")
    same = (text("/same/file", "1"), text("/same/deep/file", "2"),
            text("/same/deep/dir/file", "3"))
    repository = publish(*same, text("/other/file", "old"), options=nested)
    visitor = Visitor(clienttest.mounted(repository))
    inodes = "[os.stat('same/' + name).st_ino for name in" \
             " ('file', 'deep/file', 'deep/dir', 'deep/dir/file')]"
    before = visitor.value(inodes)
    other = visitor.value("os.stat('other/file').st_ino")
    publish(*same, text("/other/file", "new"), options=nested, into=repository)
    wait_for_revision(visitor, 2)
    wait_until(lambda: visitor.read("other/file") == b"new", "new content")
    expect_equal(visitor.value(inodes), before)
    assert visitor.value("os.stat('other/file').st_ino") != other
    expect_equal(visitor.read("same/deep/dir/file"), b"3")


@test
def revisions_may_follow_each_other_while_somebody_walks():
    def entries(number: int) -> list[dict]:
        return [text(f"/d{index % 7}/f{index}", f"{number}") for index in range(number, 60)]

    nested = SHORT + ("--nested", "/d*")
    repository = publish(*entries(0), options=nested)
    visitor = Visitor(clienttest.mounted(repository, CVMFS_KCACHE_TIMEOUT="0"))
    visitor.do("def walk():\n"
               "    for directory, _, names in os.walk('.'):\n"
               "        for name in names:\n"
               "            try:\n"
               "                open(directory + '/' + name).read()\n"
               "            except FileNotFoundError:\n"
               "                pass\n")
    for number in range(2, 6):
        publish(*entries(number), options=nested, into=repository)
        wait_until(lambda: visitor.do("walk()")
                   or visitor.xattr("user.revision") == str(number), f"revision {number}")
    expect_equal(visitor.value("sum(len(names) for _, _, names in os.walk('.'))"), 55)
    expect_equal(visitor.value("{open(d + '/' + n).read() for d, _, ns in os.walk('.')"
                               " for n in ns}"), {"5"})


@test
def a_damaged_new_revision_is_not_taken():
    repository = publish(text("/file", "old"))
    server = harness.FaultServer(repository.webroot)
    mount = clienttest.mounted(repository, server)
    visitor = Visitor(mount)
    fault = server.flip("*C")
    publish(text("/file", "new"), into=repository)
    wait_until(lambda: "offline" in log_of(mount), "the refusal")
    expect_equal(visitor.read("file"), b"old")
    expect_equal(visitor.xattr("user.revision"), "1")
    server.faults.remove(fault)
    wait_for_revision(visitor, 2)
    wait_until(lambda: visitor.read("file") == b"new", "the new content")
    expect_in("recovered from offline mode", log_of(mount))
    expect_in("switched to catalog revision 2", log_of(mount))


@test
def an_older_manifest_is_refused_while_mounted():
    repository = publish(text("/file", "1"))
    old = os.path.join(harness.temporary_directory(), "old")
    shutil.copyfile(published_file(repository), old)
    publish(text("/file", "2"), into=repository)
    mount = clienttest.mounted(repository)
    visitor = Visitor(mount)
    shutil.copyfile(old, published_file(repository))
    wait_until(lambda: "offline" in log_of(mount), "the refusal")
    expect_equal(visitor.xattr("user.revision"), "2")
    expect_equal(visitor.read("file"), b"2")


@test
def revisions_can_be_fixed_by_hash_tag_and_date():
    repository = publish(text("/file", "first"),
                         options=SHORT + ("--tag", "one", "--timestamp", "1700000000"))
    root_hash = repository.manifest_field("C")
    publish(text("/file", "second"), into=repository,
            options=SHORT + ("--tag", "two", "--timestamp", "1700001000"))
    for name, value in (("CVMFS_ROOT_HASH", root_hash), ("CVMFS_REPOSITORY_TAG", "one"),
                        ("CVMFS_REPOSITORY_DATE", "2023-11-14T22:13:20Z")):
        visitor = Visitor(clienttest.mounted(repository, **{name: value}))
        expect_equal((name, visitor.read("file")), (name, b"first"))
        expect_equal(visitor.xattr("user.expires"), "never (fixed root catalog)")
        expect_equal(visitor.xattr("user.root_hash"), root_hash)
    # The hash goes before the tag, the tag before the date.
    visitor = Visitor(clienttest.mounted(repository, CVMFS_ROOT_HASH=root_hash,
                                         CVMFS_REPOSITORY_TAG="two"))
    expect_equal(visitor.read("file"), b"first")
    visitor = Visitor(clienttest.mounted(repository, CVMFS_REPOSITORY_TAG="two",
                                         CVMFS_REPOSITORY_DATE="2023-11-14T22:13:20Z"))
    expect_equal(visitor.read("file"), b"second")
    # Defined but empty, it is no hash, and tag and date are left aside all the same.
    visitor = Visitor(clienttest.mounted(repository, CVMFS_ROOT_HASH="",
                                         CVMFS_REPOSITORY_TAG="one"))
    expect_equal(visitor.read("file"), b"second")


@test
def a_snapshot_that_is_not_there_ends_the_client_with_status_22():
    repository = publish(text("/file", "x"), options=SHORT + ("--timestamp", "1700000000"))
    plain = publish(text("/file", "x"), options=SHORT + ("--no-history",))
    for source, name, value, message in (
            (repository, "TAG", "nothing", "no such tag: nothing"),
            (repository, "TAG", "", "no such tag: "),
            (repository, "DATE", "2001-01-01T00:00:00Z",
             "no repository state as early as utc timestamp 2001-01-01T00:00:00Z"),
            (repository, "DATE", "yesterday",
             "invalid timestamp in CVMFS_REPOSITORY_DATE: yesterday"),
            (plain, "TAG", "trunk", "No history")):
        mount = clienttest.mounted(source, check=False, **{f"CVMFS_REPOSITORY_{name}": value})
        expect_equal((value, mount.result.status), (value, 22))
        expect_in(message, mount.result.stderr)
        expect_in("(22 - history init failure)", mount.result.stderr)
        assert not mount.result.stdout.endswith("done\n"), mount.result.stdout


@test
def fixed_revisions_stay_when_a_newer_one_comes():
    repository = publish(text("/file", "old"), options=SHORT + ("--tag", "one"))
    fixed = [Visitor(clienttest.mounted(repository, **settings)) for settings in
             ({"CVMFS_ROOT_HASH": repository.manifest_field("C")},
              {"CVMFS_REPOSITORY_TAG": "one"}, {"CVMFS_AUTO_UPDATE": "no"},
              {"CVMFS_AUTO_UPDATE": ""})]
    moving = Visitor(clienttest.mounted(repository, CVMFS_AUTO_UPDATE="yes"))
    publish(text("/file", "new"), into=repository)
    wait_for_revision(moving, 2)
    for visitor in fixed:
        expect_equal(visitor.xattr("user.expires"), "never (fixed root catalog)")
        expect_equal(visitor.xattr("user.revision"), "1")
        expect_equal(visitor.read("file"), b"old")


@test
def without_a_server_a_mount_goes_on_and_finds_back():
    repository = publish(text("/read", "cached"), text("/unread", "not cached"))
    server = harness.FaultServer(repository.webroot)
    mount = clienttest.mounted(repository, server)
    visitor = Visitor(mount)
    visitor.read("read")
    fault = server.fail("*", status=500)
    wait_until(lambda: "offline" in log_of(mount), "offline mode")
    expect_equal(visitor.read("read"), b"cached")
    expect_equal(visitor.failure("open('unread').read()"), "EIO")
    expect_equal(visitor.value("sorted(os.listdir('.'))"), ["read", "unread"])
    server.faults.remove(fault)
    publish(text("/read", "newer"), text("/unread", "fetched"), into=repository)
    wait_for_revision(visitor, 2)
    wait_until(lambda: visitor.read("read") == b"newer", "the new content")
    expect_equal(visitor.read("unread"), b"fetched")
    expect_in("recovered from offline mode", log_of(mount))


@test
def without_a_server_a_cache_is_enough_to_mount():
    repository = publish(text("/read", "cached"), text("/unread", "x"), text("/n/file", "nested"),
                         options=SHORT + ("--nested", "/n"))
    cache = os.path.join(harness.temporary_directory(harness.ORDINARY), "cache")
    first = clienttest.mounted(repository, cache=cache)
    for name in ("/read", "/n/file"):
        first.read(name)
    first.unmount()
    os.utime(os.path.join(cache, FQRN, "cvmfschecksum." + FQRN), (0, 0))  # long ago
    mount = clienttest.mounted(repository, harness.RefusedPort().url + "/cvmfs/@fqrn@",
                               cache=cache)
    visitor = Visitor(mount)
    expect_equal(visitor.read("read"), b"cached")
    expect_equal(visitor.read("n/file"), b"nested")
    expect_equal(visitor.failure("open('unread').read()"), "EIO")
    expect_equal(visitor.xattr("user.revision"), "1")
    expect_in("entering offline mode", log_of(mount))


@test
def without_server_and_cache_there_is_no_mount():
    repository = publish(text("/file", "x"))
    mount = clienttest.mounted(repository, harness.RefusedPort().url + "/cvmfs/@fqrn@",
                               check=False)
    expect_equal(mount.result.status, 16)
    expect_in("Failed to initialize root file catalog", mount.result.stderr)
    expect_in("(16 - file catalog failure)", mount.result.stderr)


@test
def the_time_to_live_has_an_upper_limit():
    for ttl, most, minutes in (("7200", "0", ("119", "120")), ("7200", "10", ("9", "10")),
                               ("300", "10", ("4", "5"))):
        repository = publish(text("/file", "x"), options=("--ttl", ttl))
        visitor = Visitor(clienttest.mounted(repository, CVMFS_MAX_TTL=most))
        expect_in(visitor.xattr("user.expires"), minutes)


@test
def a_blacklisted_revision_is_not_mounted():
    repository = publish(text("/file", "x"))
    name = os.path.join(harness.temporary_directory(), "blacklist")
    with open(name, "w", encoding="ascii") as file:
        file.write(f"<{FQRN} 2\n")
    mount = clienttest.mounted(repository, check=False, CVMFS_BLACKLIST=name)
    expect_equal(mount.result.status, 25)
    expect_in("repository revision blacklisted (25 - ", mount.result.stderr)
    publish(text("/file", "x"), into=repository)
    expect_equal(clienttest.mounted(repository, CVMFS_BLACKLIST=name).read("/file"), b"x")


@test
def a_revision_that_becomes_blacklisted_is_unmounted():
    repository = publish(text("/file", "x"))
    name = os.path.join(harness.temporary_directory(), "blacklist")
    mount = clienttest.mounted(repository, CVMFS_BLACKLIST=name)
    with open(name, "w", encoding="ascii") as file:
        file.write(f"<{FQRN} 2\n")
    wait_until(lambda: not mount.sandbox.processes("cvmfs2"), "the end of the client")
    expect_equal(mount.sandbox.run(["ls", mount.mountpoint], check=True).stdout, "")


harness.main()
