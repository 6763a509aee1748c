#!/usr/bin/env python3
"""Packages whose digests or signatures are not what they should be: they are refused by name, or
warned of; nothing outside of dist changes, and no dist is left of what is refused."""

import functools
import os
import struct

import harness
import packagetest
import rpmwriter
from harness import expect_equal, expect_in, test
from packagesite import USUAL, Site, client, publish, world
from packagetest import ALMA, CLIENT, CONFIG, TYPE
from rpmwriter import Package, file


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
                              (24, 0x7fffffff), (28, 0xffffffff), (40, 0x7fffffff),
                              (44, 0x7fffffff)):
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
    said = site.makedist("-q", REQUIRE, "--keys", keys("trusted"), *TYPE, "default",
                         status=1).stderr
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
        said = site.makedist("-q", *options, "--keys", keys("trusted"), *TYPE, "default",
                             status=1).stderr
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
    said = site.makedist("-q", REQUIRE, "--keys", keys("trusted"), *TYPE, "default",
                         status=1).stderr
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
            out.write(bases + f"[default]\nfile = {signed_world().url}{site.place}\n"
                      "key = other.asc\n" + signed_world().replacement())
        said = site.makedist("-q", REQUIRE, "--sources", table, *TYPE, "default",
                             status=status).stderr
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
                           (("--keys", "/no/such"), "/no/such"),
                           (("--keys", empty), f"no key in {empty}"),
                           (("--keys", none), f"{none}/key holds no OpenPGP public key")):
        expect_in(words, site.makedist(*options, *TYPE, "default", status=1).stderr)
    expect_equal(signed_world().downloaded(), [])


world()
signed_world()
signer("other")
harness.main()
