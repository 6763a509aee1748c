#!/usr/bin/env python3
"""What the native client shows of a repository beyond names and contents (trees.t compares those):
inodes, listings in pieces, nested catalogs on demand, hidden snapshots, totals, owners, errors."""

import json
import os

import clienttest
import harness
from harness import expect_equal, expect_in, test

harness.require_fuse_userns()

FQRN = "tree.example.org"
# Reads a directory as programs in C do, with the positions that Python hides. The value: entries
# as (position, inode, type, name); after: go there first; most: how many.
READ_DIRECTORY = r'''
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.opendir.restype = libc.readdir64.restype = ctypes.c_void_p
libc.telldir.restype = ctypes.c_long
def read_directory(name, after=None, most=10**9):
    stream = ctypes.c_void_p(libc.opendir(os.fsencode(name)))
    if after is not None:
        libc.seekdir(stream, ctypes.c_long(after))
    found = []
    while len(found) < most:
        entry = libc.readdir64(stream)
        if not entry:
            break
        inode = ctypes.c_uint64.from_address(entry).value
        kind = ctypes.c_uint8.from_address(entry + 18).value
        found.append((libc.telldir(stream), inode, kind, ctypes.string_at(entry + 19)))
    libc.closedir(stream)
    return found
'''


def make(*entries: dict, options: tuple = (), into: harness.Repository | None = None,
         fqrn: str = FQRN) -> harness.Repository:
    """A repository of these entries (entry files are described in repomaker/sources.py)."""
    name = os.path.join(harness.temporary_directory(), "entries")
    with open(name, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
    return harness.make_repository(fqrn, "--entries", name, *options, into=into)


def visit(repository: harness.Repository, **settings) -> clienttest.Visitor:
    """Mounts and goes in."""
    return clienttest.Visitor(clienttest.mounted(repository, **settings))


@test
def nested_catalogs_are_attached_when_they_are_needed():
    visitor = visit(make({"path": "/a/b/c/file", "content": "x"}, {"path": "/d/file"},
                         options=("--nested", "/a", "--nested", "/a/b", "--nested", "/d")))
    counts = [visitor.xattr("user.nclg")]
    for code in ("os.stat('a')", "os.listdir('a')", "os.stat('a/b/c/file')", "os.stat('d/file')"):
        visitor.do(code)
        counts.append(visitor.xattr("user.nclg"))
    expect_equal(counts, ["1", "1", "2", "3", "4"])


@test
def a_mountpoint_keeps_its_inode_when_its_catalog_comes():
    visitor = visit(make({"path": "/a/file"}, options=("--nested", "/a")),
                    CVMFS_KCACHE_TIMEOUT="0")
    before = visitor.value("os.stat('a').st_ino")
    visitor.do("os.listdir('a')")
    expect_equal(visitor.value("os.stat('a').st_ino"), before)
    visitor.do("os.chdir('a')")
    expect_equal(visitor.value("os.stat('.').st_ino"), before)


@test
def the_root_is_inode_256_and_has_no_parent_in_its_listing():
    visitor = visit(make({"path": "/a/b/file"}, options=("--nested", "/a/b")))
    visitor.do(READ_DIRECTORY)
    expect_equal(visitor.value("os.stat('.').st_ino"), 256)
    expect_equal(visitor.value("sorted((n, i) for _, i, _, n in read_directory('.'))")[0],
                 (b".", 256))
    expect_equal(visitor.value("[n for *_, n in read_directory('.')]"), [b".", b"a"])
    expect_equal(visitor.value("[n for *_, n in read_directory('a/b')]"), [b".", b"..", b"file"])


@test
def listings_have_the_inodes_and_types_that_stat_has():
    visitor = visit(make(
        {"path": "/d/file"}, {"path": "/d/link", "type": "symlink", "target": "file"},
        {"path": "/d/dir/file"}, {"path": "/d/fifo", "type": "fifo"},
        {"path": "/d/one", "content": "1"}, {"path": "/d/two", "hardlink_of": "/d/one"},
        {"path": "/d/nested/file"}, options=("--nested", "/d", "--nested", "/d/nested")))
    visitor.do(READ_DIRECTORY)
    visitor.do("os.listdir('d/nested')")
    listed = visitor.value("read_directory('d')")
    for _, inode, kind, name in listed:
        status = visitor.value(f"tuple(os.lstat(b'd/' + {name!r}))")
        expect_equal((name, inode, kind), (name, status[1], status[0] >> 12))
    expect_equal(len(listed), 9)


@test
def hard_links_are_one_inode_with_their_count():
    visitor = visit(make({"path": "/a", "content": "linked"}, {"path": "/b", "hardlink_of": "/a"},
                         {"path": "/c", "hardlink_of": "/a"}, {"path": "/other", "content": "x"}))
    statuses = visitor.value("[tuple(os.stat(name))[1:4:2] for name in ('a', 'b', 'c')]")
    expect_equal(statuses, [statuses[0]] * 3)
    expect_equal(statuses[0][1], 3)
    expect_equal(visitor.value("os.stat('other').st_nlink"), 1)


@test
def a_directory_of_twenty_thousand_entries_is_whole_from_any_position():
    repository = harness.make_repository(FQRN, "--generate", "large-directory,files=20000,size=10")
    visitor = visit(repository)
    visitor.do(READ_DIRECTORY)
    visitor.do("whole = read_directory('many')")
    wanted = {b".", b".."} | {b"entry-%06d" % number for number in range(20000)}
    expect_equal(visitor.value("len(whole)"), len(wanted))
    assert set(visitor.value("[n for *_, n in whole]")) == wanted
    expect_equal(visitor.value("len({p for p, *_ in whole})"), len(wanted), "different positions")
    for index in (0, 1, 2, 777, 10001, 19999):
        expect_equal(visitor.value(f"read_directory('many', whole[{index}][0], 5)"),
                     visitor.value(f"whole[{index + 1}:{index + 6}]"))
    expect_equal(visitor.value("read_directory('many', whole[-1][0])"), [])


@test
def paths_longer_than_path_max_are_reached_step_by_step():
    names = [chr(97 + level) * 255 for level in range(20)]
    visitor = visit(make({"path": "/" + "/".join(names) + "/file", "content": "deep down"},
                         options=("--nested", "/" + "/".join(names[:10]))))
    for name in names:
        visitor.do(f"os.chdir({name!r})")
    expect_equal(visitor.read("file"), b"deep down")
    expect_equal(visitor.xattr("user.catalog_counters", "file").split("\n")[1],
                 "catalog_mountpoint: /" + "/".join(names[:10]))


@test
def programs_run_from_the_mount():
    repository = make({"path": "/bin/echo", "file": "/bin/echo", "mode": "0755"},
                      {"path": "/bin/hello", "mode": "0755", "content": "#!/bin/sh\necho hi $1\n"})
    mount = clienttest.mounted(repository)
    expect_equal(mount.run(["bin/echo", "a", "b"], check=True).stdout, "a b\n")
    expect_equal(mount.run(["bin/hello", "you"], check=True).stdout, "hi you\n")


@test
def files_read_right_at_every_offset_and_by_mapping():
    repository = make({"path": "/file", "random": "seed", "size": 1_000_003},
                      options=("--chunk-size", "64K"))
    visitor = visit(repository)
    visitor.do("whole = open('file', 'rb').read()")
    visitor.do("fd = os.open('file', os.O_RDONLY)")
    expect_equal(visitor.value("len(whole)"), 1_000_003)
    for offset, size in ((0, 1), (65535, 2), (65536, 65536), (1, 300_000), (999_999, 100),
                         (1_000_002, 1), (1_000_003, 10), (5_000_000, 10)):
        assert visitor.value(f"os.pread(fd, {size}, {offset}) == whole[{offset}:{offset + size}]")
    assert visitor.value("mmap.mmap(fd, 0, prot=mmap.PROT_READ)[:] == whole")


@test
def files_for_direct_io_read_right():
    visitor = visit(make({"path": "/file", "content": "directly", "direct_io": True}))
    expect_equal(visitor.read("file"), b"directly")
    expect_equal(visitor.xattr("user.direct_io", "file"), "1")


@test
def snapshots_lie_in_a_hidden_directory_and_are_whole_trees():
    repository = make({"path": "/n/m/file", "content": "old"}, {"path": "/gone"},
                      options=("--tag", "first", "--nested", "/n", "--nested", "/n/m"))
    make({"path": "/n/m/file", "content": "new"}, into=repository,
         options=("--snapshots", "--nested", "/n", "--nested", "/n/m"))
    visitor = visit(repository)
    expect_equal(visitor.value("sorted(os.listdir('.'))"), ["n"])
    expect_equal(visitor.value("sorted(os.listdir('.cvmfs'))"), ["snapshots"])
    expect_in("first", visitor.value("os.listdir('.cvmfs/snapshots')"))
    expect_equal(visitor.value("sorted(os.listdir('.cvmfs/snapshots/first'))"), ["gone", "n"])
    expect_equal(visitor.read(".cvmfs/snapshots/first/n/m/file"), b"old")
    expect_equal(visitor.read("n/m/file"), b"new")
    expect_equal(visitor.xattr("user.catalog_counters",
                               ".cvmfs/snapshots/first/n/m/file").split("\n")[1],
                 "catalog_mountpoint: /.cvmfs/snapshots/first/n/m")
    visitor.do("os.chdir('.cvmfs/snapshots/first/n/m')")
    expect_equal(visitor.value("os.getcwd().split('/')[-5:]"),
                 [".cvmfs", "snapshots", "first", "n", "m"])
    expect_equal(visitor.read("../../gone"), b"")


@test
def writing_of_any_kind_is_refused_as_on_a_read_only_file_system():
    visitor = visit(make({"path": "/file", "content": "x"}, {"path": "/dir/file"}))
    for code in ("open('new', 'w')", "open('file', 'a')", "open('file', 'r+')", "os.mkdir('new')",
                 "os.unlink('file')", "os.rmdir('dir')", "os.rename('file', 'other')",
                 "os.link('file', 'other')", "os.symlink('a', 'b')", "os.chmod('file', 0o600)",
                 "os.chown('file', 0, 0)", "os.utime('file')", "os.truncate('file', 0)",
                 "os.mkfifo('new')", "os.setxattr('file', 'user.a', b'1')",
                 "os.removexattr('file', 'user.a')"):
        expect_equal((code, visitor.failure(code)), (code, "EROFS"))


@test
def what_is_asked_wrongly_fails_with_the_right_errno():
    visitor = visit(make({"path": "/file", "content": "x"}, {"path": "/dir/file"},
                         {"path": "/link", "type": "symlink", "target": "link"},
                         {"path": "/nested/file"}, options=("--nested", "/nested")))
    wanted = {
        "os.stat('absent')": "ENOENT", "os.stat('dir/absent')": "ENOENT",
        "os.stat('nested/absent/more')": "ENOENT", "os.stat('file/below')": "ENOTDIR",
        "os.stat('n' * 256)": "ENAMETOOLONG", "os.stat('dir/' * 2000)": "ENAMETOOLONG",
        "os.listdir('file')": "ENOTDIR", "os.readlink('file')": "EINVAL",
        "os.readlink('dir')": "EINVAL", "open('link')": "ELOOP",
        "os.read(os.open('dir', os.O_RDONLY), 1)": "EISDIR",
        "os.getxattr('file', 'user.absent')": "ENODATA",
        "os.getxattr('file', 'user.rawlink')": "ENODATA",
        "os.getxattr('dir', 'user.hash')": "ENODATA",
    }
    for code, name in wanted.items():
        expect_equal((code, visitor.failure(code)), (code, name))


@test
def a_nested_catalog_that_cannot_be_had_is_eio_until_it_is_there():
    repository = make({"path": "/nested/file", "content": "x"}, {"path": "/file"},
                      options=("--nested", "/nested"))
    server = harness.FaultServer(repository.webroot)
    mount = clienttest.mounted(repository, server)
    visitor = clienttest.Visitor(mount)
    fault = server.fail("*C", status=404)
    expect_equal(visitor.failure("os.stat('nested/file')"), "EIO")
    expect_equal(visitor.failure("os.listdir('nested')"), "EIO")
    expect_equal(visitor.failure("os.stat('nested')"), None)
    expect_equal(visitor.read("file"), b"")
    expect_in("EIO (01) on /nested", clienttest.log_of(mount))
    expect_in("EIO (03) on /nested", clienttest.log_of(mount))
    server.faults.remove(fault)
    expect_equal(visitor.read("nested/file"), b"x")
    expect_equal(visitor.xattr("user.nioerr"), "2")


@test
def the_totals_are_those_of_the_cache_and_the_catalogs():
    visitor = visit(make({"path": "/a/file", "content": "x"}, {"path": "/b/1"}, {"path": "/b/2"},
                         options=("--nested", "/a")), CVMFS_QUOTA_LIMIT="100")
    def totals():
        return visitor.value("(lambda s: (s.f_bsize, s.f_frsize, s.f_blocks, s.f_files, s.f_ffree,"
                             " s.f_namemax, s.f_bfree, s.f_bavail))(os.statvfs('.'))")
    found = totals()
    # Two in /a, which is not attached yet; the mountpoint counts in both catalogs.
    expect_equal(found[:6], (512, 512, 100 * 2048, 7, 2, 0))
    assert 100 * 2048 - 200 < found[6] == found[7] < 100 * 2048, found
    visitor.do("os.listdir('a')")
    expect_equal(totals()[3:5], (7, 0))


@test
def an_unmanaged_cache_has_no_totals():
    visitor = visit(make({"path": "/a"}), CVMFS_QUOTA_LIMIT="-1")
    expect_equal(visitor.value("tuple(os.statvfs('.'))[2:8]"), (0, 0, 0, 0, 0, 0))


OWNED = ({"path": "/file", "uid": 12345, "gid": 54321, "mode": "0600", "content": "mine"},
         {"path": "/other", "uid": 12346, "gid": 54322, "mode": "4755"},
         {"path": "/dir", "type": "dir", "uid": 12345, "gid": 54321, "mode": "0700"})
OWNERS = "[tuple(os.stat(name))[4:6] for name in ('file', 'other', 'dir')]"
MODES = "[oct(os.stat(name).st_mode & 0o7777) for name in ('file', 'other', 'dir')]"


def map_file(*lines: str) -> str:
    """A file of CVMFS_UID_MAP or CVMFS_GID_MAP."""
    name = os.path.join(harness.temporary_directory(), "map")
    with open(name, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    return name


@test
def owners_and_modes_are_the_catalogs_own():
    visitor = visit(make(*OWNED), owners=True)
    expect_equal(visitor.value(OWNERS), [(12345, 54321), (12346, 54322), (12345, 54321)])
    expect_equal(visitor.value(MODES), ["0o600", "0o4755", "0o700"])


@test
def claimed_entries_belong_to_the_client():
    visitor = visit(make(*OWNED), CVMFS_CLAIM_OWNERSHIP="yes", CVMFS_UID_MAP=map_file("* 77"))
    expect_equal(visitor.value(OWNERS), [(0, 0)] * 3)  # in the sandbox its user is shown as root
    expect_equal(visitor.value(MODES), ["0o600", "0o4755", "0o700"])


@test
def maps_turn_owners_into_others():
    visitor = visit(make(*OWNED), owners=True,
                    CVMFS_UID_MAP=map_file("# users", "12345 501  # one", "* 99", ""),
                    CVMFS_GID_MAP=map_file("54322 502"))
    expect_equal(visitor.value(OWNERS), [(501, 54321), (99, 502), (501, 54321)])


@test
def a_map_that_is_none_ends_the_client_with_status_2():
    for lines in (("one two",), ("1",), ("1 2 3",), ("-1 5",)):
        mount = clienttest.mounted(make({"path": "/file"}), check=False,
                                   CVMFS_GID_MAP=map_file(*lines))
        expect_equal(mount.result.status, 2)
        expect_in("failed to parse gid map /", mount.result.stderr)
        expect_in("(2 - illegal options)", mount.result.stderr)


@test
def everything_can_be_shown_as_readable():
    visitor = visit(make(*OWNED), CVMFS_WORLD_READABLE="on")
    expect_equal(visitor.value(MODES), ["0o644", "0o4755", "0o755"])


def read_as(mount: harness.Mount, uid: int, name: str) -> int:
    """Status of a user's attempt to read a file."""
    return mount.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
                      "cat", name]).status


@test
def permissions_are_checked_when_the_configuration_says_so():
    for checked, statuses in (("yes", (0, 1)), ("no", (0, 0))):
        mount = clienttest.mounted(make(*OWNED), owners=True, options=("allow_other",),
                                   CVMFS_CHECK_PERMISSIONS=checked)
        expect_equal((read_as(mount, 12345, "file"), read_as(mount, 777, "file")), statuses)


@test
def a_repository_for_members_is_for_root_alone():
    repository = make({"path": "/file", "content": "x"},
                      options=("--property", "voms_authz=cms:/cms"))
    mount = clienttest.mounted(repository, owners=True, options=("allow_other",))
    expect_equal(mount.read("/file"), b"x")
    expect_equal(read_as(mount, 777, "file"), 1)
    refused = mount.run(["setpriv", "--reuid=777", "--clear-groups", "ls", "-l", mount.mountpoint])
    expect_in("Permission denied", refused.stderr)


@test
def a_volatile_repository_is_like_any_other():
    visitor = visit(make({"path": "/file", "content": "x"}, options=("--volatile",)))
    expect_equal(visitor.read("file"), b"x")


harness.main()
