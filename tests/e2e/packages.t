#!/usr/bin/env python3
"""Packages whose payloads are not what they should be, and try to write where they must not.
Whatever they are, they are refused by name, nothing outside of dist changes, and no dist is left.
Digests and signatures are in packages_signatures.t."""

import os
import stat

import harness
import packagetest
import rpmwriter
from harness import expect_equal, test
from packagesite import USUAL, Site, world
from packagetest import CONFIG
from rpmwriter import Entry, Package, directory, file, link


@test
def every_compression_of_payloads_is_unpacked():
    for how in ("gzip", "bzip2", "xz", "lzma", "zstd", "none"):
        package = Package("cvmfs-config-default", architecture="noarch", compression=how,
                          entries=[file("./etc/cvmfs/big", b"0123456789" * 100_000)])
        site = Site(package)
        site.accepts()
        expect_equal(os.path.getsize(site.path("dist/etc/cvmfs/big")), 1_000_000, how)


@test
def packages_made_by_rpmbuild_are_unpacked():
    folder = harness.temporary_directory()
    for how in ("gzip", "bzip2", "xz", "zstd"):
        site = Site(packagetest.build(USUAL.with_entries(
            directory("etc/cvmfs/keys", 0o700), file("etc/cvmfs/keys/a.pub", how.encode(), 0o600),
            link("etc/cvmfs/l", "/etc/cvmfs/keys")), folder, compression=how))
        site.accepts()
        expect_equal(site.read("dist/etc/cvmfs/l/a.pub"), how)
        expect_equal(os.stat(site.path("dist/etc/cvmfs/keys/a.pub")).st_mode & 0o777, 0o644)
        expect_equal(os.stat(site.path("dist/etc/cvmfs/keys")).st_mode & 0o777, 0o755)


@test
def names_that_lead_out_are_refused():
    for name in ("../canary/evil", "./usr/../../canary/evil", "..", "usr/..", "./../x", "/../x",
                 "a/b/../../../x", "usr//../x"):
        Site(USUAL.with_entries(file(name, b"evil"))).refuses("leads out of the tree", name[:200])
        Site(USUAL.with_entries(directory(name))).refuses("leads out of the tree")
        Site(USUAL.with_entries(link(name, "/"))).refuses("leads out of the tree")


@test
def absolute_names_are_names_in_the_tree():
    site = Site(USUAL)
    site.offer(USUAL.with_entries(file(f"{site.canary}/evil", b"evil"),
                                                       file("//usr///bin//./x", b"x")))
    site.accepts()
    expect_equal(site.read("dist" + site.canary + "/evil"), "evil")
    expect_equal(site.read("dist/usr/bin/x"), "x")


@test
def links_are_not_directories():
    for target in ("/", "../canary", ".", "usr/bin", "../../../../../../tmp"):
        Site(USUAL.with_entries(link("./way", target), file("./way/evil", b"evil"))).refuses(
            "way/evil: it leads through a link")
        Site(USUAL.with_entries(link("./way", target), directory("./way"),
                                file("./way/evil"))).refuses(
            "way: something that is no directory is there")
        Site(USUAL.with_entries(link("./way", target), link("./way/evil", "x"))).refuses("way/evil")
    site = Site(USUAL)
    site.offer(USUAL.with_entries(link("./a", site.canary), link("./b", "a"),
                                                       file("./b/evil", b"evil")))
    site.refuses("b/evil: it leads through a link")


@test
def links_of_another_package_are_not_directories_either():
    Site(USUAL.with_entries(file("./usr/link/evil", b"evil"))).refuses(
        "usr/link/evil: it leads through a link")
    Site(USUAL.with_entries(directory("./usr/link"))).refuses(
        "usr/link: something that is no directory")


@test
def a_file_takes_the_place_of_a_link_and_not_of_what_it_leads_to():
    site = Site(USUAL)
    site.offer(USUAL.with_entries(
        link("./usr/a", f"{site.canary}/bird"), file("./usr/a", b"evil"),
        link("./usr/link", "x"), file("./usr/bin/cvmfs2", b"other")))
    site.accepts()
    expect_equal(site.read("dist/usr/a"), "evil")
    expect_equal(site.read("dist/usr/bin/cvmfs2"), "other")


@test
def what_is_ours_is_not_written_through_links():
    for name in ("etc/os-release", "etc/cvmfs/default.local", ".cvmfsexecdist",
                 "etc/cvmfs/default.conf"):
        for target in ("{canary}/bird", "../../../../canary/bird", "../canary/bird",
                       "../../canary/new"):
            site = Site(USUAL)
            site.offer(USUAL.with_entries(
                link("./" + name, target.format(canary=site.canary))))
            site.accepts()
            if name != "etc/cvmfs/default.conf":
                expect_equal(os.path.islink(site.path("dist", name)), False, name)


@test
def directories_of_the_tree_stay_directories():
    for name in ("etc", "etc/cvmfs", "usr", "usr/lib64", "usr/bin", "var/lib/cvmfs",
                 "etc/cvmfs/keys"):
        for entry in (link("./" + name, "/canary"), file("./" + name, b"x")):
            Site(USUAL.with_entries(entry)).refuses(
                f"{name}: a directory of that name is there already")


@test
def a_directory_is_not_put_over_a_file():
    Site(USUAL.with_entries(directory("./usr/bin/cvmfs2"))).refuses(
        "usr/bin/cvmfs2: something that is no dir")
    Site(USUAL.with_entries(file("./a"), file("./a/b"))).refuses(
        "a/b: it leads through a link or a file")


@test
def links_that_climb_out_of_the_tree_end_at_its_root():
    site = Site(USUAL.with_entries(link("./usr/share/a", "../../../../../etc/passwd"),
                                   link("./usr/share/b", "/../usr/../../etc/./x"),
                                   link("./c", "../.."), link("./usr/d", "share/../../../x"),
                                   link("./usr/e", "..")))
    site.accepts()
    expect_equal({name: os.readlink(site.path("dist", name)) for name in
                  ("usr/share/a", "usr/share/b", "c", "usr/d", "usr/e")},
                 {"usr/share/a": "../../etc/passwd", "usr/share/b": "../../etc/x", "c": ".",
                  "usr/d": "../x", "usr/e": ".."})


def hard(name, content=b"", inode=7, links=2, **more):
    """A name of a file with several."""
    return file(name, content, inode=inode, links=links, **more)


@test
def names_of_one_file_are_links_to_one_file():
    site = Site(USUAL.with_entries(hard("./usr/a", links=3), hard("./usr/b", links=3),
                                   hard("./usr/bin/c", b"content", links=3)))
    site.accepts()
    expect_equal([site.read("dist/usr", name) for name in ("a", "b", "bin/c")], ["content"] * 3)
    expect_equal(os.stat(site.path("dist/usr/a")).st_nlink, 3)


@test
def hard_links_lead_to_files_of_the_package_only():
    site = Site(USUAL)
    rows = [
        (Entry("./l", stat.S_IFLNK | 0o777, f"{site.canary}/bird".encode(), 7, 2),
         hard("./x", b"evil")),
        (Entry("./d", stat.S_IFDIR | 0o755, b"", 7, 2), hard("./x", b"evil")),
        (Entry("./usr/lib/.build-id/x", stat.S_IFREG | 0o644, b"", 7, 2), hard("./x", b"evil")),
    ]
    for entries in rows:
        site.offer(USUAL.with_entries(*entries))
        site.refuses("a hard link to what is not in the package")
    # The file has become a link before its second name comes.
    site.offer(USUAL.with_entries(
        hard("./f"), link("./f", f"{site.canary}/bird"), hard("./x", b"evil")))
    site.refuses("x: a hard link to what is no file any more")
    site.offer(USUAL.with_entries(
        hard("./q/f", links=3), hard("./q/x", links=3), link("./q/f", f"{site.canary}/bird"),
        hard("./z", b"evil", links=3)))
    site.refuses("z: a hard link to what is no file any more")


@test
def special_files_are_refused():
    for kind in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, 0, 0o170000):
        Site(USUAL.with_entries(Entry("./dev/null", kind | 0o666))).refuses("dev/null: a device")


@test
def bits_that_give_rights_are_dropped():
    site = Site(USUAL.with_entries(file("./usr/bin/s", b"x", 0o7755), directory("./usr/t", 0o7777),
                                   file("./usr/bin/n", b"x", 0o000), directory("./usr/n", 0o000),
                                   file("./usr/n/in", b"x")))
    site.accepts()
    modes = {name: os.stat(site.path("dist/usr", name)).st_mode & 0o7777
             for name in ("bin/s", "t", "bin/n", "n")}
    expect_equal(modes, {"bin/s": 0o755, "t": 0o755, "bin/n": 0o644, "n": 0o755})


@test
def names_that_are_too_long_are_refused():
    for name in ("x" * 300, "./usr/" + "y" * 256, "a/" * 2500 + "b", "z" * 4096,
                 "./" * 2100 + "a" * 300):
        for entry in (file(name, b"x"), directory(name), link(name, "x")):
            Site(USUAL.with_entries(entry)).refuses("its name is too long")
    Site(USUAL.with_entries(link("./usr/x", "t" * 5000))).refuses("usr/x")


def afio(name, size):
    """An entry in the form for large files, of which there is nothing."""
    return b"070727" + b"%08x%016xm%06o%08x%08x%08x%08x%016xn%04x%04x%04xs%016x:" % (
        0, 1, stat.S_IFREG | 0o644, 0, 0, 1, 0, 0, len(name) + 1, 0, 0, size) + name + b"\0"


@test
def files_that_claim_terabytes_are_refused():
    for size in ((1 << 32) + 1, 1 << 42, (1 << 63) - 1):
        Site(USUAL.with_payload(afio(b"./big", size), "gzip")).refuses(
            "big: the files are larger than a package may be")
    Site(USUAL.with_payload(afio(b"./big", (1 << 64) - 1), "gzip")).refuses(CONFIG)
    Site(USUAL.with_entries(file("./big", b"x" * 100, size=0xffffffff))).refuses("is damaged")
    Site(USUAL.with_entries(*(file(f"./{number}", size=0xf0000000)
                              for number in range(3)))).refuses(CONFIG)


@test
def too_many_entries_are_refused():
    entry, end = rpmwriter.cpio([directory("./usr")], trailer=False), rpmwriter.cpio([])
    Site(USUAL.with_payload(entry * 100_001 + end)).refuses("there are too many")
    Site(USUAL.with_payload(entry * 100_000 + end)).accepts()


@test
def directories_in_one_another_have_an_end():
    for name in ("d/" * 64 + "f", "./" + "d/" * 1000):
        Site(USUAL.with_entries(file(name))).refuses("it is nested too deep")
    Site(USUAL.with_entries(file("d/" * 63 + "f"))).accepts()


@test
def a_payload_that_ends_early_is_refused():
    whole = rpmwriter.cpio([file("./usr/a", b"a" * 1000), file("./usr/b", b"b" * 1000)])
    for length in (0, 5, 110, 600, 1500, len(whole) - 140):
        Site(USUAL.with_payload(whole[:length])).refuses("is damaged: ")
    for how in ("gzip", "xz", "zstd", "bzip2"):
        cut = rpmwriter.compress(whole + os.urandom(100_000), how)[:-99_000]
        Site(USUAL.with_payload(cut)).refuses("is damaged: ")


@test
def names_with_a_nul_end_there():
    site = Site(USUAL.with_entries(file(b"./usr/a\0/../../canary/evil", b"x"),
                                   file(b"./usr/b\0c", b"y")))
    site.accepts()
    expect_equal((site.read("dist/usr/a"), site.read("dist/usr/b")), ("x", "y"))


@test
def the_root_itself_and_names_of_nothing_do_no_harm():
    Site(USUAL.with_entries(directory("."), directory("/"), directory("./"),
                            directory("././/"))).accepts()
    Site(USUAL.with_entries(link("./usr/x", ""))).refuses(CONFIG)
    Site(USUAL.with_entries(file("", b"x"))).accepts()


@test
def build_ids_are_left_out():
    site = Site(USUAL.with_entries(directory("./usr/lib/.build-id"),
                                   link("./usr/lib/.build-id/ab/c", "/x"),
                                   file("./etc/.build-idx", b"x")))
    site.accepts()
    expect_equal({name for name in site.files() if "build-id" in name}, {"etc/.build-idx"})


world()
harness.main()
