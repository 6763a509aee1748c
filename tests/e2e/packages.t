#!/usr/bin/env python3
"""Packages that are not what they should be: their digests, their signatures, and payloads that try
to write where they must not. Whatever they are, they are refused by name, nothing outside of dist
changes, and no dist is left.

The package in question takes the place of the configuration, which is unpacked in the midst of the
others. What else is downloaded is in a cache that all tests share."""

import functools
import os
import re
import stat
import struct

import harness
import packagetest
import rpmwriter
from harness import expect_equal, expect_in, test
from packagetest import ALMA, CERN, CONFIG
from rpmwriter import Entry, Package, directory, file, link

TYPE = ("-m", "rhel9-x86_64")
CLIENT = f"{CERN}/cvmfs/EL/9/x86_64"
USUAL = Package("cvmfs-config-default", "2.5", "1", "noarch",
                [directory("./etc/cvmfs"), file("./etc/cvmfs/domain.d/a.conf", b"A=1\n")])


def publish(world, *client):
    """All but the configuration."""
    world.publish(CLIENT, *client)
    world.publish(f"{ALMA}/9/AppStream/x86_64/os", Package("fuse3-libs"), folder="Packages")
    world.publish(f"{ALMA}/9/BaseOS/x86_64/os")
    return world


def client(*entries):
    """The packages of a client, with these entries in the first."""
    return [Package("cvmfs", "2.13.3", entries=list(entries) or [file("./usr/bin/cvmfs2", b"x", 0o755),
                                                                 link("./usr/link", "/usr/bin")]),
            Package("cvmfs-libs", "2.13.3"), Package("cvmfs-fuse3", "2.13.3")]


@functools.cache
def world():
    """The servers; what is at the place of the configuration changes."""
    return publish(packagetest.World(whole_script=True), *client())


@functools.cache
def cache():
    """For downloads."""
    return harness.temporary_directory(packagetest.USER, whole_script=True)


class Site(packagetest.Site):
    """A site with neighbours that must not change."""

    count = 0

    def __init__(self, package, servers=None):
        self.servers = servers or world()
        super().__init__(programs=["makedist", "cvmfsexec", "mountrepo", "umountrepo"])
        self.cache = cache()
        self.around = os.path.dirname(self.directory)
        self.canary = os.path.join(self.around, "canary")
        os.mkdir(self.canary)
        for path in (os.path.join(self.canary, "bird"), os.path.join(self.directory, "bird")):
            with open(path, "w", encoding="utf-8") as bird:
                bird.write("sings")
            os.chmod(path, 0o666)
        os.chmod(self.canary, 0o777)
        self.offer(package)

    def offer(self, package):
        """Makes this the package of the configuration."""
        Site.count += 1
        self.place = f"{Site.count}/{CONFIG}"
        self.servers.put(self.place, package)
        self.write_table(f"[default]\nfile = {self.servers.url}{self.place}\n" +
                         self.servers.replacement())
        self.before = self.look()

    def look(self):
        """Everything around dist."""
        found = {}
        for folder, folders, names in os.walk(self.around):
            if folder == self.directory and "dist" in folders:
                folders.remove("dist")
            for name in folders + names:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                found[path] = (status.st_mode, status.st_nlink if name in names else 0, status.st_size)
        return found

    def refuses(self, *words, name=CONFIG):
        """Its package must be refused, with these words."""
        said = self.makedist("-q", *TYPE, "default", status=1).stderr
        for word in (name, *words):
            expect_in(word, said)
        expect_equal(len(said.splitlines()), 1, said)
        expect_equal(os.path.exists(self.path("dist")), False, "dist is there")
        expect_equal(self.look(), self.before, "what is around it")

    def accepts(self, *options):
        """A tree must be made, and nothing else; what was said."""
        result = self.makedist(*(options or ("-q",)), *TYPE, "default")
        expect_equal(self.look(), self.before, "what is around it")
        return result.stderr


# Payloads.


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
        Site(USUAL.with_entries(link("./way", target), directory("./way"), file("./way/evil"))).refuses(
            "way: something that is no directory is there")
        Site(USUAL.with_entries(link("./way", target), link("./way/evil", "x"))).refuses("way/evil")
    site = Site(USUAL)
    site.offer(USUAL.with_entries(link("./a", site.canary), link("./b", "a"),
                                                       file("./b/evil", b"evil")))
    site.refuses("b/evil: it leads through a link")


@test
def links_of_another_package_are_not_directories_either():
    Site(USUAL.with_entries(file("./usr/link/evil", b"evil"))).refuses("usr/link/evil: it leads through a link")
    Site(USUAL.with_entries(directory("./usr/link"))).refuses("usr/link: something that is no directory")


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
    for name in ("etc/os-release", "etc/cvmfs/default.local", ".cvmfsexecdist", "etc/cvmfs/default.conf"):
        for target in ("{canary}/bird", "../../../../canary/bird", "../canary/bird", "../../canary/new"):
            site = Site(USUAL)
            site.offer(USUAL.with_entries(
                link("./" + name, target.format(canary=site.canary))))
            site.accepts()
            if name != "etc/cvmfs/default.conf":
                expect_equal(os.path.islink(site.path("dist", name)), False, name)


@test
def directories_of_the_tree_stay_directories():
    for name in ("etc", "etc/cvmfs", "usr", "usr/lib64", "usr/bin", "var/lib/cvmfs", "etc/cvmfs/keys"):
        for entry in (link("./" + name, "/canary"), file("./" + name, b"x")):
            Site(USUAL.with_entries(entry)).refuses(f"{name}: a directory of that name is there already")


@test
def a_directory_is_not_put_over_a_file():
    Site(USUAL.with_entries(directory("./usr/bin/cvmfs2"))).refuses("usr/bin/cvmfs2: something that is no dir")
    Site(USUAL.with_entries(file("./a"), file("./a/b"))).refuses("a/b: it leads through a link or a file")


@test
def links_that_climb_out_of_the_tree_end_at_its_root():
    site = Site(USUAL.with_entries(link("./usr/share/a", "../../../../../etc/passwd"),
                                   link("./usr/share/b", "/../usr/../../etc/./x"), link("./c", "../.."),
                                   link("./usr/d", "share/../../../x"), link("./usr/e", "..")))
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
        (Entry("./l", stat.S_IFLNK | 0o777, f"{site.canary}/bird".encode(), 7, 2), hard("./x", b"evil")),
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
    for name in ("x" * 300, "./usr/" + "y" * 256, "a/" * 2500 + "b", "z" * 4096, "./" * 2100 + "a" * 300):
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
    Site(USUAL.with_entries(*(file(f"./{number}", size=0xf0000000) for number in range(3)))).refuses(CONFIG)


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
    site = Site(USUAL.with_entries(file(b"./usr/a\0/../../canary/evil", b"x"), file(b"./usr/b\0c", b"y")))
    site.accepts()
    expect_equal((site.read("dist/usr/a"), site.read("dist/usr/b")), ("x", "y"))


@test
def the_root_itself_and_names_of_nothing_do_no_harm():
    Site(USUAL.with_entries(directory("."), directory("/"), directory("./"), directory("././/"))).accepts()
    Site(USUAL.with_entries(link("./usr/x", ""))).refuses(CONFIG)
    Site(USUAL.with_entries(file("", b"x"))).accepts()


@test
def build_ids_are_left_out():
    site = Site(USUAL.with_entries(directory("./usr/lib/.build-id"), link("./usr/lib/.build-id/ab/c", "/x"),
                                   file("./etc/.build-idx", b"x")))
    site.accepts()
    expect_equal({name for name in site.files() if "build-id" in name}, {"etc/.build-idx"})


# Digests.


def changed(package, offset):
    """Its bytes, with one of them (from the end if negative) other than it was."""
    content = bytearray(rpmwriter.encode(package))
    content[offset] ^= 0x01
    path = os.path.join(harness.temporary_directory(), "changed.rpm")
    with open(path, "wb") as out:
        out.write(content)
    return path


@test
def a_package_that_was_changed_is_refused():
    size = len(rpmwriter.encode(USUAL))
    for offset in (0, 97, 100, 300, 700, 1100, size - 200, size - 30, size - 1):
        Site(changed(USUAL, offset)).refuses("damaged, or no package")
    old = Package("cvmfs-config-default", architecture="noarch", digests="old",
                  entries=[file("./etc/x", os.urandom(3000))])
    Site(old).accepts()
    Site(changed(old, -1000)).refuses("damaged, or no package")


@test
def a_package_that_ends_early_is_refused():
    content = rpmwriter.encode(USUAL)
    for length in (0, 50, 96, 200, 400, len(content) - 300, len(content) - 1):
        path = os.path.join(harness.temporary_directory(), "short.rpm")
        with open(path, "wb") as out:
            out.write(content[:length])
        Site(path).refuses("damaged, or no package")


@test
def a_package_without_digests_is_refused():
    Site(Package("cvmfs-config-default", architecture="noarch", digests="none")).refuses("NOTFOUND")


@test
def headers_that_say_what_cannot_be_are_refused():
    content = rpmwriter.encode(USUAL)
    second = content.index(b"\x8e\xad\xe8\x01", 100)
    for place in (96, second):
        for offset, value in ((8, 0xffffffff), (12, 0xffffffff), (8, 0x10000), (12, 0), (8, 0),
                              (24, 0x7fffffff), (28, 0xffffffff), (40, 0x7fffffff), (44, 0x7fffffff)):
            spoilt = bytearray(content)
            struct.pack_into(">I", spoilt, place + offset, value)
            path = os.path.join(harness.temporary_directory(), "garbage.rpm")
            with open(path, "wb") as out:
                out.write(spoilt)
            Site(path).refuses("damaged, or no package")


# Signatures.


@functools.cache
def signer(name="trusted"):
    """A key, by its name."""
    return packagetest.Signer(name)


def signed(package, by="trusted"):
    """The file of a package, signed."""
    path = rpmwriter.write(harness.temporary_directory(), package)
    signer(by).sign(path)
    return path


def keys(*names, armoured=True):
    """A directory with the public keys."""
    folder = harness.temporary_directory()
    for name in names:
        signer(name).write_key(os.path.join(folder, name + ".asc"), armoured)
    with open(os.path.join(folder, ".hidden"), "w", encoding="utf-8") as hidden:
        hidden.write("no key\n")
    return folder


@functools.cache
def signed_world():
    """All but the configuration is signed."""
    made = packagetest.World(whole_script=True)
    publish(made, *(signed(package) for package in client()))
    fuse = f"{ALMA}/9/AppStream/x86_64/os"
    made.publish(fuse, signed(Package("fuse3-libs")), folder="Packages")
    return made


def signed_site(package):
    return Site(package, signed_world())


REQUIRE = "--require-signatures"


@test
def packages_with_trusted_signatures_are_taken():
    for armoured in (True, False):
        site = signed_site(signed(USUAL))
        said = site.accepts("--keys", keys("trusted", armoured=armoured), REQUIRE)
        assert "warning" not in said, said


@test
def unsigned_packages_are_warned_of_or_refused():
    site = signed_site(USUAL)
    said = site.accepts("--keys", keys("trusted"))
    expect_in(f"makedist: warning: {CONFIG} is not signed\n", said)
    expect_equal(said.count("warning"), 1)
    site = signed_site(USUAL)
    said = site.makedist("-q", REQUIRE, "--keys", keys("trusted"), *TYPE, "default", status=1).stderr
    expect_equal((said, site.look()), (f"makedist: {CONFIG} is not signed\n", site.before))
    expect_equal(signed_site(USUAL).accepts("-q", "--keys", keys("trusted")), "")


@test
def without_keys_nothing_is_said_of_signatures():
    for package in (USUAL, signed(USUAL), signed(USUAL, "other")):
        said = signed_site(package).accepts("-m", "rhel9-x86_64")
        assert "warning" not in said, said


@test
def unknown_keys_are_warned_of_or_refused():
    package = signed(USUAL, "other")
    said = signed_site(package).accepts("--keys", keys("trusted"))
    expect_in(f"warning: {CONFIG} is signed by a key that is not among the trusted ones", said)
    site = signed_site(package)
    said = site.makedist(REQUIRE, "--keys", keys("trusted"), *TYPE, "default", status=1).stderr
    expect_in(f"makedist: {CONFIG} is signed by a key that is not among the trusted ones", said)
    expect_equal(site.look(), site.before)
    signed_site(package).accepts("--keys", keys("trusted", "other"), REQUIRE)


@test
def signatures_of_something_else_are_refused():
    signature = rpmwriter.read_signature(signed(USUAL))
    evil = Package(**{**vars(USUAL), "entries": [file("./etc/cvmfs/evil", b"evil")],
                      "signature": signature})
    for options in ((REQUIRE,), ()):
        site = signed_site(evil)
        said = site.makedist("-q", *options, "--keys", keys("trusted"), *TYPE, "default", status=1).stderr
        expect_in(f"{CONFIG}: its signature is wrong: ", said)
        expect_in("BAD", said)
        expect_equal(site.look(), site.before)
    spoilt = bytearray(signature)
    spoilt[-5] ^= 1
    site = signed_site(Package(**{**vars(USUAL), "signature": bytes(spoilt)}))
    expect_in("its signature is wrong", site.makedist("--keys", keys("trusted"), *TYPE, "default",
                                                      status=1).stderr)
    for garbage in (b"\0", b"\x89", b"garbage" * 40, signature[:100]):
        site = signed_site(Package(**{**vars(USUAL), "signature": garbage}))
        said = site.makedist(REQUIRE, "--keys", keys("trusted"), *TYPE, "default", status=1).stderr
        expect_in(CONFIG, said)
        expect_equal(site.look(), site.before)


@test
def a_signed_header_does_not_stand_for_another_payload():
    good = Package("cvmfs-config-default", architecture="noarch", digests="old", compression="none",
                   entries=[file("./etc/cvmfs/x", b"good")])
    signature = rpmwriter.read_signature(signed(good))
    evil = Package(**{**vars(good), "payload": rpmwriter.cpio([file("./etc/cvmfs/x", b"evil")]),
                      "signature": signature})
    site = signed_site(evil)
    said = site.makedist("-q", REQUIRE, "--keys", keys("trusted"), *TYPE, "default", status=1).stderr
    expect_in(CONFIG, said)
    signed_site(signed(good)).accepts(REQUIRE, "--keys", keys("trusted"))
    # With the digest of the payload in the header.
    content = bytearray(open(signed(USUAL), "rb").read())
    content[-20] ^= 1
    path = os.path.join(harness.temporary_directory(), "x.rpm")
    with open(path, "wb") as out:
        out.write(content)
    expect_in("damaged", signed_site(path).makedist("--keys", keys("trusted"), *TYPE, "default",
                                                    status=1).stderr)


@test
def keys_may_stand_in_the_table_and_are_for_their_source():
    folder = keys("trusted", "other")
    bases = "".join(f"[{name}]\nbase = https://{place}\nkey = trusted.asc\n" for name, place in
                    (("cvmfs", CLIENT), ("fuse", f"{ALMA}/9/AppStream/x86_64/os")))
    for by, status in (("other", 0), ("trusted", 1)):
        site = signed_site(signed(USUAL, by))
        table = os.path.join(folder, "table")
        with open(table, "w", encoding="utf-8") as out:
            out.write(bases + f"[default]\nfile = {signed_world().url}{site.place}\nkey = other.asc\n" +
                      signed_world().replacement())
        said = site.makedist("-q", REQUIRE, "--sources", table, *TYPE, "default", status=status).stderr
        if status:
            expect_in(f"{CONFIG} is signed by a key that is not among the trusted ones", said)


@test
def keys_that_are_missing_or_none_are_said_before_packages_are_downloaded():
    site = signed_site(USUAL)
    empty = harness.temporary_directory()
    none = harness.temporary_directory()
    with open(os.path.join(none, "key"), "w", encoding="utf-8") as out:
        out.write("no key\n")
    signed_world().server.clear()
    for options, words in (((REQUIRE,), "no key is known for cvmfs-2.13.3"),
                           (("--keys", "/no/such"), "/no/such"), (("--keys", empty), f"no key in {empty}"),
                           (("--keys", none), f"{none}/key holds no OpenPGP public key")):
        expect_in(words, site.makedist(*options, *TYPE, "default", status=1).stderr)
    expect_equal(signed_world().downloaded(), [])


world()
signed_world()
signer("other")
harness.main()
