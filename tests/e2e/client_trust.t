#!/usr/bin/env python3
"""The native client and servers whose signatures, keys and names are not right: the mount fails and
says why (client_damage.t does it for objects)."""

import os
import time

import clienttest
import faulttest
import harness
from faulttest import DAMAGES, FILES, FQRN
from harness import expect_equal, expect_in, test
from repomaker import manifest, tamper
from repomaker.hashes import SHA1

harness.require_fuse_userns()

CATALOG = "Failed to initialize root file catalog"
DAY = 86400


def serve() -> harness.FaultServer:
    """The repository as it should be, on a server that can be told to lie."""
    return harness.FaultServer(faulttest.pristine().webroot)


def mounted(server: harness.FaultServer, **settings: str) -> harness.Mount:
    """Tries to mount the repository from this server."""
    return faulttest.mount(faulttest.pristine(), server, **settings)


def spoiled(change, **settings: str) -> harness.Mount:
    """Tries to mount a copy of the repository that change(directory) has been at."""
    repository = faulttest.copy()
    change(repository.directory)
    return faulttest.mount(repository, harness.FaultServer(repository.webroot), **settings)


def refused_whitelist(failure: str, log: str, **changes) -> None:
    """A whitelist that is wrong in one point must not mount."""
    keys = faulttest.keys_of()
    mount = spoiled(lambda directory: tamper.rewrite_whitelist(directory, keys, **changes))
    faulttest.expect_refusal(mount, 16, CATALOG, failure, log=log)


def check_signed_file(name: str) -> None:
    """No single byte of it can change without the mount being refused."""
    body = faulttest.stored(name)
    for offset in sorted({*range(0, len(body), len(body) // 20), body.index(b"--\n"), -1, -256}):
        server = serve()
        changed = bytearray(body)
        changed[offset] ^= 0x01
        server.garbage("*/" + name, bytes(changed))
        mount = mounted(server)
        expect_equal(mount.result.status, 16, f"status with byte {offset} of {name} changed")
        expect_in(CATALOG + ": ", mount.result.stderr)
        faulttest.expect_good_cache(mount)


@test
def no_byte_of_the_manifest_can_be_changed():
    check_signed_file(manifest.PUBLISHED)


@test
def no_byte_of_the_whitelist_can_be_changed():
    check_signed_file(manifest.WHITELIST)


@test
def a_damaged_or_missing_manifest_is_named():
    for how in DAMAGES:
        if how == "more behind it":
            continue  # the signature would have to be longer: a matter of the next test
        server = serve()
        faulttest.spoil(server, how, manifest.PUBLISHED)
        mount = mounted(server)
        faulttest.expect_refusal(mount, 16, CATALOG, "manifest", log="repository manifest")
    expect_in("failed to download repository manifest (9 - host returned HTTP error)",
              clienttest.log_of(mount))


@test
def a_signature_is_as_long_as_its_key():
    for name in (manifest.PUBLISHED, manifest.WHITELIST):
        server = serve()
        faulttest.spoil(server, "more behind it", name)
        faulttest.expect_refusal(mounted(server), 16, CATALOG)


@test
def a_damaged_or_missing_whitelist_is_named():
    for how in DAMAGES:
        server = serve()
        faulttest.spoil(server, how, manifest.WHITELIST)
        faulttest.expect_refusal(mounted(server), 16, CATALOG, "whitelist",
                                 log="whitelist verification failed (")


@test
def a_damaged_or_missing_certificate_is_named():
    for how in DAMAGES:
        server = serve()
        faulttest.spoil(server, how, "X")
        faulttest.expect_refusal(mounted(server), 16, CATALOG, "certificate",
                                 log="failed to fetch certificate")


@test
def a_damaged_or_missing_root_catalog_is_named():
    for how in DAMAGES:
        server = serve()
        faulttest.spoil(server, how, "catalog:")
        faulttest.expect_refusal(mounted(server), 16, CATALOG, f"file catalog at {FQRN}:/",
                                 log=f"failed to fetch file catalog at {FQRN}:/")


@test
def an_expired_whitelist_is_refused():
    refused_whitelist("expired on", "whitelist verification failed (5): expired whitelist",
                      expires=time.time() - DAY)


@test
def the_hour_in_which_a_whitelist_expires_is_too_late():
    refused_whitelist("expired on", "(5): expired whitelist", expires=time.time())


@test
def a_whitelist_of_another_repository_is_refused():
    refused_whitelist("is for other.example.org, not for " + FQRN, "whitelist verification failed "
                      "(4): repository name mismatch", fqrn="other.example.org")


@test
def a_certificate_that_is_not_on_the_whitelist_is_refused():
    refused_whitelist("certificate not on whitelist", "whitelist verification failed (13): "
                      "certificate not on whitelist", fingerprints=["AB:" * 19 + "CD"])
    refused_whitelist("certificate not on whitelist", "(13): ", fingerprints=[])


@test
def a_whitelist_of_another_master_key_is_refused():
    other = faulttest.keys_of("other.example.org")
    refused_whitelist("not signed by any of the public keys",
                      "whitelist verification failed (6): invalid whitelist signature",
                      signed_by=other)


@test
def a_manifest_of_another_certificate_is_refused():
    other = faulttest.keys_of("other.example.org")
    mount = spoiled(lambda directory: tamper.swap_certificate(directory, other))
    expect_equal(mount.result.status, 16)
    expect_in("certificate not on whitelist", mount.result.stderr)


@test
def a_manifest_of_another_key_than_its_certificate_s_is_refused():
    other = faulttest.keys_of("other.example.org")
    mount = spoiled(lambda directory: tamper.rewrite_manifest(directory, other, {}))
    faulttest.expect_refusal(mount, 16, CATALOG, "not signed by its certificate",
                             log="failed to verify repository manifest")


@test
def a_wrong_public_key_mounts_nothing():
    other = faulttest.keys_of("other.example.org")
    mount = mounted(serve(), CVMFS_PUBLIC_KEY=other.public_key)
    faulttest.expect_refusal(mount, 16, CATALOG, log="(6): invalid whitelist signature")


@test
def one_right_key_among_several_is_enough():
    other = faulttest.keys_of("other.example.org")
    right = faulttest.pristine().public_key
    mount = mounted(serve(), CVMFS_PUBLIC_KEY=f"{other.public_key}:{right}")
    expect_equal(mount.read("file"), FILES["file"])


@test
def a_public_key_that_cannot_be_read_is_a_failure_of_its_own():
    mount = mounted(serve(), CVMFS_PUBLIC_KEY="/no/such/key")
    faulttest.expect_refusal(mount, 15, "failed to load public key(s)", "/no/such/key",
                             "(15 - signature verification failure)")
    right = faulttest.pristine().public_key
    mount = mounted(serve(), CVMFS_PUBLIC_KEY=f"{right}:/no/such/key")
    faulttest.expect_refusal(mount, 15, "failed to load public key(s)", "/no/such/key")


@test
def without_any_public_key_nothing_is_believed():
    for settings in ({"CVMFS_PUBLIC_KEY": ""}, {"CVMFS_KEYS_DIR": harness.temporary_directory()}):
        repository = faulttest.pristine()
        config = harness.client_config(repository, serve(), settings=settings,
                                       without=() if "CVMFS_PUBLIC_KEY" in settings
                                       else ("CVMFS_PUBLIC_KEY",))
        result = harness.mount(FQRN, config, check=False).result
        expect_equal(result.status, 16)
        expect_in("no public key", result.stderr)


def blacklist(*lines: str) -> str:
    """A file for CVMFS_BLACKLIST."""
    name = os.path.join(harness.temporary_directory(), "blacklist")
    with open(name, "w", encoding="ascii") as file:
        file.writelines(line + "\n" for line in lines)
    return name


@test
def a_blacklisted_certificate_is_refused():
    own = faulttest.keys_of().fingerprint(SHA1)
    mount = mounted(serve(), CVMFS_BLACKLIST=blacklist("# nothing", own + " # stolen"))
    faulttest.expect_refusal(mount, 16, CATALOG, "blacklisted certificate",
                             log="whitelist verification failed (14): blacklisted certificate")


@test
def a_blacklisted_revision_has_a_status_of_its_own():
    mount = mounted(serve(), CVMFS_BLACKLIST=blacklist(f"<{FQRN} 2"))
    faulttest.expect_refusal(mount, 25, "repository revision blacklisted",
                             "(25 - revision blacklisted)", log="repository revision blacklisted")
    for line in (f"<{FQRN} 1", f"<{FQRN} 2 ", f"<{FQRN}.x 2", "<other.example.org 9"):
        mount = mounted(serve(), CVMFS_BLACKLIST=blacklist(line))
        expect_equal(mount.result.status, 0, line)


@test
def a_manifest_that_lacks_or_contradicts_something_is_refused():
    keys = faulttest.keys_of()
    cases = {"C": None, "R": None, "S": None, "D": None, "X": None, "N": None}
    wrong = {"N": "other.example.org", "R": "0" * 32, "C": "ab", "S": "-1", "X": "00" * 20}
    for changes in [*({key: None} for key in cases), *({key: wrong[key]} for key in wrong)]:
        mount = spoiled(lambda directory: tamper.rewrite_manifest(directory, keys, changes))
        faulttest.expect_refusal(mount, 16, CATALOG)
    mount = spoiled(lambda directory: tamper.rewrite_manifest(
        directory, keys, {"N": "other.example.org"}))
    faulttest.expect_refusal(mount, 16, log="repository name does not match (found "
                             f"other.example.org, expected {FQRN})")


@test
def an_older_manifest_does_not_replace_what_is_known():
    newer = faulttest.copy()
    harness.make_repository(FQRN, files={"file": "newer"}, into=newer)
    state = harness.temporary_directory(harness.ORDINARY)
    cache = os.path.join(state, "cache")
    first = faulttest.mount(newer, harness.FaultServer(newer.webroot), cache=cache, check=True)
    first.unmount()
    os.utime(os.path.join(first.cache, "cvmfschecksum." + FQRN), (0, 0))
    second = mounted(serve(), cache=cache)
    expect_equal(second.result.status, 0)
    expect_equal(second.xattr("user.revision"), b"2")
    expect_in("warning, could not apply updated catalog revision, entering offline mode",
              clienttest.log_of(second))


@test
def a_damaged_tag_database_stops_a_mount_by_tag():
    for how in DAMAGES:
        server = serve()
        faulttest.spoil(server, how, "H")
        mount = mounted(server, CVMFS_REPOSITORY_TAG="first")
        faulttest.expect_refusal(mount, 22, "No history", "(22 - history init failure)")
    server.clear()
    expect_equal(mounted(server, CVMFS_REPOSITORY_TAG="first").result.status, 0)


@test
def a_tag_that_does_not_exist_is_named():
    mount = mounted(serve(), CVMFS_REPOSITORY_TAG="second")
    faulttest.expect_refusal(mount, 22, "no such tag: second")


faulttest.pristine()
harness.main()
