#!/usr/bin/env python3
"""The native client and servers that fail, each in its way: another server is used where there is
one, and where there is none the mount or the read fails with the right class of error."""

import os
import threading
import time
from typing import Callable

import clienttest
import faulttest
import harness
import rawserver
from faulttest import FILES, FQRN
from harness import expect_equal, expect_in, test
from repomaker import manifest, tamper

harness.require_fuse_userns()

CATALOG = "Failed to initialize root file catalog"
OBJECTS = "*/data/*"
SLOW = {"CVMFS_TIMEOUT_DIRECT": "1", "CVMFS_MAX_RETRIES": "0"}
FOLLOW = {"CVMFS_FOLLOW_REDIRECTS": "yes"}


def serve() -> harness.FaultServer:
    """A server in order, which may be told not to be."""
    return harness.FaultServer(faulttest.pristine().webroot)


def faulty(fault: str, *arguments, **options) -> Callable[[str], harness.FaultServer]:
    """Makes servers with one fault for the paths of a pattern."""
    def make(pattern: str) -> harness.FaultServer:
        server = serve()
        getattr(server, fault)(pattern, *arguments, **options)
        return server
    return make


def raw(answer: rawserver.Answer) -> Callable[[str], rawserver.RawServer]:
    """Makes servers that give this answer for the paths of a pattern."""
    return lambda pattern: rawserver.RawServer(faulttest.pristine().webroot, answer, pattern)


def circle(pattern: str) -> harness.FaultServer:
    """A server that redirects to itself for ever."""
    server = serve()
    server.redirect(pattern, server.url + "{path}")
    return server


# How a server fails, and the class of error that stands for it when no other server is there.
HTTP, SHORT, SLOWLY = "(9 - host returned HTTP error)", "(17 - ", "(15 - host serving data too"
WAYS: dict[str, tuple[Callable[[str], object], str]] = {
    "404": (faulty("fail", 404), HTTP),
    "400": (faulty("fail", 400), HTTP),
    "403": (faulty("fail", 403), HTTP),
    "429": (faulty("fail", 429), HTTP),
    "500": (faulty("fail", 500, b"<html>" * 9), HTTP),
    "503 with a long page": (faulty("fail", 503, b"<html>" * 100000), HTTP),
    "204": (faulty("fail", 204), ""),
    "garbage": (faulty("garbage"), ""),
    "truncated": (faulty("truncate", 10), SHORT + "host data transfer cut short)"),
    "stalled": (faulty("stall"), SLOWLY),
    "stalled in the body": (faulty("stall", 20), SLOWLY),
    "hung up": (faulty("hangup"), SHORT),
    "redirected": (faulty("redirect", "http://127.0.0.1:1{path}"), "(7 - "),
    "redirected in circles": (circle, HTTP),
    "redirected to a file": (faulty("redirect", "file:///etc/hostname"), ""),
    "dripping": (raw(rawserver.drip), SLOWLY),
    "silent": (raw(rawserver.silence), SLOWLY),
    "too short a length": (raw(rawserver.short_length), ""),
    "too long a length": (raw(rawserver.long_length), SHORT),
    "cut in the headers": (raw(rawserver.broken_header), ""),
    "no HTTP": (raw(rawserver.no_http), "(13 - unsupported protocol)"),
    "HTTP 0.9": (raw(rawserver.body_only), "(13 - unsupported protocol)"),
    "headers without end": (raw(rawserver.endless_header), ""),
    "a body without end": (raw(rawserver.endless_body), "(10 - corrupted data received)"),
    "chunks that are none": (raw(rawserver.broken_chunks), ""),
}
# Those that cannot be limited to some paths.
DEAD: dict[str, tuple[Callable[[], str], str]] = {
    "refused": (lambda: harness.RefusedPort().url, "(7 - host connection problem)"),
    "no such name": (lambda: "http://no-such-host.invalid", "(4 - failed to resolve host address)"),
    "no such port": (lambda: "http://127.0.0.1:99999", "(2 - malformed URL)"),
    "no such protocol": (lambda: "gopher://127.0.0.1:70", "(13 - unsupported protocol)"),
    "no such directory": (lambda: "file:///no/such/directory", HTTP),
}


def settings_for(way: str) -> dict[str, str]:
    """Redirections are about following them."""
    return {**SLOW, **(FOLLOW if "redirected" in way else {})}


def read_all(visitor: clienttest.Visitor) -> None:
    """Every file must have its content."""
    for path, content in FILES.items():
        expect_equal(visitor.read(path), content, path)


@test
def a_second_server_gives_what_the_first_does_not():
    for way, (make, _) in WAYS.items():
        bad, good = make("*"), serve()
        mount = faulttest.mount(faulttest.pristine(), bad, good, **settings_for(way))
        expect_equal(mount.result.status, 0, f"status with a server that is {way}")
        read_all(clienttest.Visitor(mount))
        expect_equal(mount.xattr("user.host").decode(), good.repository_url(FQRN), way)
        faulttest.expect_good_cache(mount)


@test
def a_second_server_is_there_where_the_first_is_not():
    for way, (make, _) in DEAD.items():
        good = serve()
        mount = faulttest.mount(faulttest.pristine(), make() + "/cvmfs/@fqrn@", good, **SLOW)
        expect_equal(mount.result.status, 0, f"status with {way}")
        read_all(clienttest.Visitor(mount))


@test
def a_server_that_fails_after_the_mount_is_left_for_another():
    for way, (make, _) in WAYS.items():
        bad, good = make(OBJECTS), serve()
        visitor = faulttest.visit(faulttest.pristine(), bad, good, **settings_for(way))
        read_all(visitor)
        expect_in("switching host from ", clienttest.log_of(visitor.mount))
        faulttest.expect_good_cache(visitor.mount)
        expect_equal(faulttest.left_over(visitor.mount), [])


@test
def without_another_server_the_mount_fails_with_the_class_of_the_failure():
    for way, (make, words) in WAYS.items():
        mount = faulttest.mount(faulttest.pristine(), make("*"), **settings_for(way))
        faulttest.expect_refusal(mount, 16, CATALOG, words)
    for way, (make, words) in DEAD.items():
        mount = faulttest.mount(faulttest.pristine(), make() + "/cvmfs/@fqrn@", **SLOW)
        faulttest.expect_refusal(mount, 16, CATALOG, "failed to download repository manifest",
                                 words, log="failed to download repository manifest " + words)


@test
def without_another_server_a_read_fails_and_works_when_the_server_does():
    for way in ("500", "truncated", "hung up", "garbage", "stalled"):
        server = serve()
        visitor = faulttest.visit(faulttest.pristine(), server, **SLOW)
        server.faults = WAYS[way][0](OBJECTS).faults
        expect_equal(visitor.failure("open('file').read()"), "EIO", way)
        expect_equal(visitor.failure("os.listdir('nested')"), "EIO", way)
        server.clear()
        read_all(visitor)


@test
def the_first_of_two_servers_has_a_manifest_that_is_wrong_in_one_byte():
    body = faulttest.stored(manifest.PUBLISHED)
    offsets = [body.index(b"\n" + key) + 3 for key in (b"B", b"R", b"D", b"S", b"N", b"X", b"T")]
    for offset in (1, *offsets, body.index(b"--\n"), body.index(b"--\n") + 5, -1):
        bad, good = serve(), serve()
        changed = bytearray(body)
        changed[offset] ^= 0x01
        bad.garbage("*/" + manifest.PUBLISHED, bytes(changed))
        mount = faulttest.mount(faulttest.pristine(), bad, good)
        expect_equal(mount.result.status, 0, f"byte {offset}, {bytes(changed)}, {mount.result}")


@test
def the_first_of_two_servers_is_wrong_in_what_it_signs():
    own, other = faulttest.keys_of(), faulttest.keys_of("other.example.org")
    for change in (
            lambda directory: tamper.swap_certificate(directory, other),
            lambda directory: tamper.rewrite_manifest(directory, other, {}),
            lambda directory: tamper.rewrite_manifest(directory, own, {"N": "other.example.org"}),
            lambda directory: tamper.rewrite_manifest(directory, own, {"X": "ab" * 20}),
            lambda directory: tamper.rewrite_whitelist(directory, own, expires=0),
            lambda directory: tamper.rewrite_whitelist(directory, own, fqrn="other.example.org"),
            lambda directory: tamper.rewrite_whitelist(directory, own, fingerprints=[]),
            lambda directory: tamper.rewrite_whitelist(directory, own, signed_by=other),
            lambda directory: tamper.flip_byte(directory + "/.cvmfswhitelist"),
            lambda directory: os.unlink(directory + "/.cvmfswhitelist"),
            lambda directory: os.unlink(directory + "/.cvmfspublished")):
        repository = faulttest.copy()
        change(repository.directory)
        bad, good = harness.FaultServer(repository.webroot), serve()
        mount = faulttest.mount(repository, bad, good)
        expect_equal(mount.result.status, 0, f"{clienttest.log_of(mount)}{mount.result}")
        read_all(clienttest.Visitor(mount))


@test
def two_wrong_servers_are_passed_over():
    repository = faulttest.copy()
    tamper.rewrite_whitelist(repository.directory, faulttest.keys_of(), expires=0)
    bad = [harness.FaultServer(repository.webroot), harness.FaultServer(repository.webroot)]
    expect_equal(faulttest.mount(repository, *bad, serve()).result.status, 0)


@test
def a_server_that_has_failed_is_not_asked_again_until_the_reset():
    first, second = serve(), serve()
    first.fail("*/" + manifest.PUBLISHED)
    visitor = faulttest.visit(faulttest.pristine(), first, second, CVMFS_HOST_RESET_AFTER="3600")
    read_all(visitor)
    expect_equal(first.requests(), [f"/cvmfs/{FQRN}/{manifest.PUBLISHED}"])
    expect_equal(visitor.xattr("user.host_list"),
                 f"{second.repository_url(FQRN)};{first.repository_url(FQRN)}")
    expect_in("switching host from " + first.repository_url(FQRN) + " to "
              + second.repository_url(FQRN) + " (host returned HTTP error)",
              clienttest.log_of(visitor.mount))


@test
def the_first_server_is_asked_again_after_the_reset():
    first, second = serve(), serve()
    first.fail("*/" + manifest.PUBLISHED)
    visitor = faulttest.visit(faulttest.pristine(), first, second, CVMFS_HOST_RESET_AFTER="1")
    time.sleep(2.5)
    read_all(visitor)
    assert first.count("/data/") > 0
    expect_equal(visitor.xattr("user.host"), first.repository_url(FQRN))


@test
def redirections_are_followed_where_that_is_allowed():
    target, server = serve(), serve()
    server.redirect("*", target.url + "{path}")
    mount = faulttest.mount(faulttest.pristine(), server)
    faulttest.expect_refusal(mount, 16, HTTP, "302")
    expect_equal(target.requests(), [])
    read_all(faulttest.visit(faulttest.pristine(), server, **FOLLOW))


@test
def a_file_url_is_a_server():
    url = f"file://{faulttest.pristine().webroot}/cvmfs/@fqrn@"
    visitor = faulttest.visit(faulttest.pristine(), url)
    read_all(visitor)
    repository = faulttest.copy()
    os.unlink(repository.directory + faulttest.path_of("file"))
    visitor = faulttest.visit(repository, f"file://{repository.webroot}/cvmfs/@fqrn@")
    expect_equal(visitor.failure("open('file').read()"), "EIO")
    expect_equal(visitor.read("other"), FILES["other"])


@test
def a_cold_start_asks_for_four_things_in_their_order():
    server = serve()
    faulttest.mount(faulttest.pristine(), server, check=True)
    paths = [manifest.PUBLISHED, "X", manifest.WHITELIST, "catalog:"]
    expect_equal(server.requests(), [f"/cvmfs/{FQRN}{faulttest.path_of(name)}" for name in paths])
    headers = server.headers()[0]
    expect_equal(headers["user-agent"], "cvmfs Fuse 2.12.0")
    expect_equal(headers["accept"], "*/*")
    assert "range" not in headers and "cache-control" not in headers and "pragma" not in headers


@test
def a_corrupt_copy_is_asked_for_afresh_and_then_elsewhere():
    first, second = serve(), serve()
    first.garbage("*" + faulttest.path_of("file"))
    visitor = faulttest.visit(faulttest.pristine(), first, second)
    first.clear()
    first.garbage("*" + faulttest.path_of("file"))
    expect_equal(visitor.read("file"), FILES["file"])
    fresh = [headers.get("cache-control") for headers, path
             in zip(first.headers(), first.requests()) if faulttest.path_of("file") in path]
    expect_equal(fresh, [None, "no-cache"])
    expect_equal([headers.get("pragma") for headers in second.headers()], [None])


@test
def what_fails_is_tried_again_as_often_as_it_should_be():
    cases = {"truncated": 3, "hung up": 3, "429": 3, "404": 1, "500": 1, "403": 1, "garbage": 1}
    for way, wanted in cases.items():
        server = WAYS[way][0]("*/" + manifest.PUBLISHED)
        faulttest.mount(faulttest.pristine(), server, CVMFS_MAX_RETRIES="2")
        expect_equal(server.count(manifest.PUBLISHED), wanted, f"requests, server {way}")


@test
def the_retries_of_a_request_are_counted_over_all_servers():
    servers = [WAYS["hung up"][0]("*") for _ in range(3)]
    faulttest.mount(faulttest.pristine(), *servers, CVMFS_MAX_RETRIES="2")
    expect_equal([server.count(manifest.PUBLISHED) for server in servers], [3, 1, 1])


@test
def many_readers_of_one_object_fetch_it_once():
    server = serve()
    visitors = [faulttest.visit(faulttest.pristine(), server)]
    visitors += [clienttest.Visitor(visitors[0].mount) for _ in range(7)]
    names = ("file", "other", "plain/raw")
    server.clear()
    server.slow(OBJECTS, 0.3)
    read = []
    threads = [threading.Thread(target=lambda visitor=visitor: read.extend(
        visitor.read(name) == FILES[name] for name in names)) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect_equal(read, [True] * len(names) * len(visitors))
    for name in names:
        expect_equal(server.count(faulttest.path_of(os.path.basename(name))), 1, name)


@test
def a_client_that_waits_for_a_server_can_be_ended():
    server = serve()
    visitor = faulttest.visit(faulttest.pristine(), server, CVMFS_TIMEOUT_DIRECT="600")
    server.stall(OBJECTS)
    reading = visitor.mount.start(["cat", "file"])
    clienttest.wait_until(lambda: server.count(faulttest.path_of("file")), "the request")
    visitor.leave()
    pid = int(visitor.mount.sandbox.processes("cvmfs2")[0])
    visitor.mount.sandbox.run(["kill", str(pid)], check=True)
    clienttest.wait_until(lambda: not visitor.mount.sandbox.processes("cvmfs2"), "its end")
    assert reading.wait().status != 0


faulttest.pristine()
harness.main()
