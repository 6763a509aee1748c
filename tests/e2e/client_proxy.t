#!/usr/bin/env python3
"""The native client behind proxies: groups and their members, what happens when they fail, each in
its way, and what the attributes say of them."""

import os
import time

import clienttest
import faulttest
import harness
import rawserver
from faulttest import FILES, FQRN
from harness import expect_equal, expect_in, test
from repomaker import manifest

harness.require_fuse_userns()

CATALOG = "Failed to initialize root file catalog"
PUBLISHED = "*/" + manifest.PUBLISHED
FAST = {"CVMFS_TIMEOUT": "1", "CVMFS_MAX_RETRIES": "0"}
NOWHERE = "http://no-such-host.invalid:3128"


def origin() -> harness.FaultServer:
    """A server in order."""
    return harness.FaultServer(faulttest.pristine().webroot)


def forwarder(fault: str = "", *arguments, pattern: str = "*") -> harness.FaultServer:
    """A proxy, with a fault where one is named."""
    proxy = harness.FaultServer(proxy=True)
    if fault:
        getattr(proxy, fault)(pattern, *arguments)
    return proxy


def visit(server: harness.FaultServer, proxy: str, **settings) -> clienttest.Visitor:
    """Mounts through proxies, and goes in."""
    return faulttest.visit(faulttest.pristine(), server, proxy=proxy, **settings)


def refused(proxy: str, *words: str, status: int = 16, **settings) -> None:
    """A mount that must fail."""
    mount = faulttest.mount(faulttest.pristine(), origin(), proxy=proxy, **settings)
    faulttest.expect_refusal(mount, status, *words)


def read_all(visitor: clienttest.Visitor) -> None:
    """Every file must have its content."""
    for path, content in FILES.items():
        expect_equal(visitor.read(path), content, path)


@test
def everything_goes_through_the_proxy_by_its_whole_url():
    server, proxy = origin(), forwarder()
    visitor = visit(server, proxy.url)
    read_all(visitor)
    urls = proxy.requests()
    expect_equal(urls[0], f"{server.repository_url(FQRN)}/{manifest.PUBLISHED}")
    assert all(url.startswith(server.url + "/") for url in urls), urls
    # Two at the same time may come to the server in another order.
    expect_equal(sorted(url.removeprefix(server.url) for url in urls), sorted(server.requests()))
    expect_equal(proxy.headers()[0]["host"], server.url.removeprefix("http://"))
    assert "proxy-connection" not in proxy.headers()[0]


@test
def the_attributes_tell_the_proxies():
    server, first, second = origin(), forwarder(), forwarder()
    name = f"localhost:{second.port}"
    visitor = visit(server, f"{first.url};{name};DIRECT")
    expect_equal(visitor.xattr("user.proxy"), first.url)
    expect_equal(visitor.xattr("user.proxy_list"), f"{first.url}\n{second.url}\nDIRECT\n")
    visitor = visit(server, name)
    expect_equal(visitor.xattr("user.proxy"), second.url)
    visitor = visit(server, "DIRECT")
    expect_equal(visitor.xattr("user.proxy"), "DIRECT")


@test
def one_member_of_a_group_serves_until_it_fails():
    server = origin()
    proxies = [forwarder(), forwarder(), forwarder()]
    visitor = visit(server, "|".join(proxy.url for proxy in proxies))
    in_use = [proxy for proxy in proxies if proxy.requests()]
    expect_equal([proxy.url for proxy in in_use], [visitor.xattr("user.proxy")])
    for path in ("file", "other"):
        in_use[-1].hangup("*")
        expect_equal(visitor.read(path), FILES[path])
        in_use += [proxy for proxy in proxies if proxy.requests() and proxy not in in_use]
        expect_equal(visitor.xattr("user.proxy"), in_use[-1].url)
    expect_equal(len(in_use), 3)
    expect_in(f"switching proxy from {in_use[0].url} to {in_use[1].url} "
              "(proxy data transfer cut short)", clienttest.log_of(visitor.mount))


@test
def every_member_of_a_group_is_used_by_some():
    server = origin()
    proxies = [forwarder(), forwarder()]
    for _ in range(40):  # that chance leaves one out happens once in 2^40
        faulttest.mount(faulttest.pristine(), server, check=True,
                        proxy="|".join(proxy.url for proxy in proxies))
        if all(proxy.requests() for proxy in proxies):
            return
    raise AssertionError("one of the members is never used")


@test
def the_next_group_is_for_when_a_whole_group_has_failed():
    server, good = origin(), forwarder()
    dead = [harness.RefusedPort(), harness.RefusedPort()]
    visitor = visit(server, f"{dead[0].url}|{dead[1].url};{good.url}")
    read_all(visitor)
    expect_equal(visitor.xattr("user.proxy"), good.url)
    log = clienttest.log_of(visitor.mount)
    for proxy in dead:
        expect_in(f"switching proxy from {proxy.url} to ", log)


@test
def direct_is_a_proxy_like_others():
    server = origin()
    visitor = visit(server, f"{harness.RefusedPort().url};DIRECT")
    read_all(visitor)
    expect_equal(visitor.xattr("user.proxy"), "DIRECT")
    assert all(path.startswith("/") for path in server.requests())


WAYS = {
    "refused": (lambda: harness.RefusedPort().url, "(6 - proxy connection problem)"),
    "no such name": (lambda: NOWHERE, "(3 - failed to resolve proxy address)"),
    "403": (lambda: forwarder("fail", 403).url, "(8 - proxy returned HTTP error)"),
    "407": (lambda: forwarder("fail", 407).url, "(8 - proxy returned HTTP error)"),
    "502": (lambda: forwarder("fail", 502).url, "(9 - host returned HTTP error)"),
    "503": (lambda: forwarder("fail", 503).url, "(9 - host returned HTTP error)"),
    "504": (lambda: forwarder("fail", 504).url, "(9 - host returned HTTP error)"),
    "truncated": (lambda: forwarder("truncate", 10).url, "(16 - proxy data transfer cut short)"),
    "stalled": (lambda: forwarder("stall").url, "(14 - proxy serving data too slowly)"),
    "hung up": (lambda: forwarder("hangup").url, "(16 - proxy data transfer cut short)"),
    "no HTTP": (lambda: rawserver.RawServer("/", rawserver.no_http).url, "(13 - "),
    "headers without end": (lambda: rawserver.RawServer("/", rawserver.endless_header).url, ""),
    "silent": (lambda: rawserver.RawServer("/", rawserver.silence).url, "(14 - "),
}


@test
def another_proxy_is_used_when_one_fails():
    for way, (make, _) in WAYS.items():
        server, good = origin(), forwarder()
        mount = faulttest.mount(faulttest.pristine(), server, proxy=f"{make()};{good.url}", **FAST)
        expect_equal(mount.result.status, 0, f"status with a proxy that is {way}: {mount.result}")
        read_all(clienttest.Visitor(mount))
        expect_equal(mount.xattr("user.proxy").decode(), good.url, way)
        faulttest.expect_good_cache(mount)


@test
def without_another_proxy_the_mount_fails_with_the_class_of_the_failure():
    for make, words in WAYS.values():
        refused(make(), CATALOG, "failed to download repository manifest", words, **FAST)


@test
def a_proxy_that_changes_the_content_is_asked_for_a_fresh_copy():
    server, proxy = origin(), forwarder()
    visitor = visit(server, proxy.url)
    proxy.clear()
    proxy.flip("*" + faulttest.path_of("file"), times=1)
    expect_equal(visitor.read("file"), FILES["file"])
    expect_equal([headers.get("cache-control") for headers in proxy.headers()], [None, "no-cache"])
    expect_equal(server.headers()[-1].get("cache-control"), "no-cache")


def two_hosts() -> tuple[str, str]:
    """Two URLs of one server, so that a proxy can be told to fail for one of them."""
    webroot = faulttest.copy().webroot
    os.symlink("cvmfs", os.path.join(webroot, "mirror"))
    server = harness.FaultServer(webroot)
    return server.url + "/cvmfs/@fqrn@", server.url + "/mirror/@fqrn@"


@test
def the_next_host_is_for_when_all_proxies_have_failed():
    hosts = two_hosts()
    proxies = [forwarder("fail", 403, pattern="/cvmfs/*") for _ in range(2)]
    visitor = faulttest.visit(faulttest.pristine(), *hosts, proxy=";".join(p.url for p in proxies))
    read_all(visitor)
    expect_equal([proxy.count("/cvmfs/") for proxy in proxies], [1, 1])
    expect_equal(visitor.xattr("user.proxy"), proxies[0].url)
    expect_in("(all proxies failed, trying host fail-over)", clienttest.log_of(visitor.mount))


@test
def a_gateway_error_is_the_host_s_first_and_then_the_proxy_s():
    hosts = two_hosts()
    proxies = [forwarder("fail", 503), forwarder("fail", 503, pattern="/cvmfs/*")]
    visitor = faulttest.visit(faulttest.pristine(), *hosts, proxy=";".join(p.url for p in proxies))
    read_all(visitor)
    expect_equal([proxies[0].count("/cvmfs/"), proxies[0].count("/mirror/")], [1, 1])
    expect_equal(visitor.xattr("user.proxy"), proxies[1].url)


@test
def a_missing_object_burns_no_proxy():
    server, first, second = origin(), forwarder(), forwarder()
    visitor = visit(server, f"{first.url};{second.url}")
    server.fail("*/data/*", 404)
    expect_equal(visitor.failure("open('file').read()"), "EIO")
    expect_equal(visitor.xattr("user.proxy"), first.url)
    expect_equal(second.requests(), [])


@test
def the_first_group_is_used_again_after_the_reset():
    server, first, second = origin(), forwarder(), forwarder()
    first.fail(PUBLISHED, 403)
    visitor = visit(server, f"{first.url};{second.url}", CVMFS_PROXY_RESET_AFTER="3600")
    expect_equal(visitor.xattr("user.proxy"), second.url)
    read_all(visitor)
    expect_equal(len(first.requests()), 1)
    visitor = visit(server, f"{first.url};{second.url}", CVMFS_PROXY_RESET_AFTER="1")
    time.sleep(2.5)
    second.clear()
    read_all(visitor)
    expect_equal(second.requests(), [])
    expect_equal(visitor.xattr("user.proxy"), first.url)


@test
def fallback_proxies_take_the_place_of_direct():
    server, fallback = origin(), forwarder()
    settings = {"CVMFS_FALLBACK_PROXY": f"{fallback.url};DIRECT"}
    visitor = visit(server, f"{harness.RefusedPort().url};DIRECT", **settings)
    read_all(visitor)
    expect_equal(visitor.xattr("user.proxy"), fallback.url)
    assert "DIRECT" not in visitor.xattr("user.proxy_list")
    expect_in("DIRECT", clienttest.log_of(visitor.mount))
    visitor = visit(server, "DIRECT", **settings)
    expect_equal(visitor.xattr("user.proxy"), fallback.url)


@test
def a_fallback_proxy_is_not_used_while_another_works():
    server, proxy, fallback = origin(), forwarder(), forwarder()
    read_all(visit(server, proxy.url, CVMFS_FALLBACK_PROXY=fallback.url))
    expect_equal(fallback.requests(), [])


@test
def no_proxy_at_all_has_a_status_of_its_own():
    words = ("failed to discover HTTP proxy servers", "(23 - proxy auto-discovery failed)")
    refused("", *words, status=23)
    refused("auto", *words, status=23, env={"http_proxy": None})
    repository = faulttest.pristine()
    config = harness.client_config(repository, origin(), without=["CVMFS_HTTP_PROXY"])
    mount = harness.mount(FQRN, config, check=False)
    expect_equal(mount.result.status, 23)
    expect_in(words[0], mount.result.stderr)


@test
def automatic_without_a_way_to_find_out_leaves_the_rest():
    server = origin()
    visitor = visit(server, "auto;DIRECT", env={"http_proxy": None})
    read_all(visitor)
    expect_equal(visitor.xattr("user.proxy_list"), "DIRECT\n")


@test
def automatic_takes_what_the_environment_says():
    server, proxy, ignored = origin(), forwarder(), harness.RefusedPort()
    visitor = visit(server, "auto;DIRECT", env={"http_proxy": proxy.url})
    read_all(visitor)
    expect_equal(visitor.xattr("user.proxy_list"), f"{proxy.url}\nDIRECT\n")
    assert len(proxy.requests()) == len(server.requests())
    env = {"http_proxy": ignored.url, "HTTP_PROXY": ignored.url, "all_proxy": ignored.url}
    read_all(visit(server, "DIRECT", env=env))
    read_all(visit(server, proxy.url, env={**env, "no_proxy": "127.0.0.1,localhost"}))


@test
def what_is_no_proxy_is_left_out():
    server, proxy = origin(), forwarder()
    visitor = visit(server, f"http://:99999;http://a b:1;{proxy.url}")
    read_all(visitor)
    expect_equal(visitor.xattr("user.proxy_list"), f"{proxy.url}\n")
    expect_in("not a proxy, leaving it out", clienttest.log_of(visitor.mount))


faulttest.pristine()
harness.main()
