#!/usr/bin/env python3
"""The native client and the Geo-API: servers in the order in which they are near."""

import clienttest
import faulttest
import harness
from faulttest import FQRN
from harness import expect_equal, expect_in, test

harness.require_fuse_userns()

GEO = "*/api/v1.0/geo/*"


def serve(answer: bytes | None) -> harness.FaultServer:
    """A server whose Geo-API gives this answer, or has none."""
    server = harness.FaultServer(faulttest.pristine().webroot)
    if answer is None:
        server.fail(GEO)
    else:
        server.garbage(GEO, answer)
    return server


def visit(*servers: harness.FaultServer, **settings: str) -> clienttest.Visitor:
    """A mount of them that asks for their order."""
    return faulttest.visit(faulttest.pristine(), *servers, CVMFS_USE_GEOAPI="yes", **settings)


def host_list(*servers: harness.FaultServer) -> str:
    """What user.host_list says when they are in this order."""
    return ";".join(server.repository_url(FQRN) for server in servers)


@test
def servers_are_used_in_the_order_that_one_of_them_gives():
    first, second = serve(b"2,1\n"), serve(b"2,1\n")
    visitor = visit(first, second)
    expect_equal(visitor.xattr("user.host_list"), host_list(second, first))
    expect_equal(first.count("/geo/") + second.count("/geo/"), 1)
    expect_equal(first.count(FQRN), first.count("/geo/"))


@test
def the_list_of_names_and_the_key_are_as_servers_expect_them():
    first, second = serve(b"1,2\n"), serve(b"1,2\n")
    visit(first, second, CVMFS_PROXY_TEMPLATE="site")
    requests = [path for path in first.requests() + second.requests() if "/geo/" in path]
    expect_equal(requests, [f"/cvmfs/{FQRN}/api/v1.0/geo/site/127.0.0.1,127.0.0.1"])


@test
def another_server_is_asked_when_an_answer_is_bad():
    first, second = serve(b"2,2\n"), serve(b"2,1\n")
    expect_equal(visit(first, second).xattr("user.host_list"), host_list(second, first))


@test
def without_an_answer_the_configured_order_stays():
    first, second = serve(None), serve(b"<html>")
    visitor = visit(first, second)
    expect_equal(visitor.xattr("user.host_list"), host_list(first, second))
    expect_in("failed to retrieve geographic order from stratum 1 servers",
              clienttest.log_of(visitor.mount))


@test
def only_the_nearest_servers_are_kept():
    servers = [serve(b"3,1,2\n") for _ in range(3)]
    visitor = visit(*servers, CVMFS_MAX_SERVERS="2")
    expect_equal(visitor.xattr("user.host_list"), host_list(servers[2], servers[0]))


@test
def nothing_is_asked_where_that_is_not_configured():
    first, second = serve(b"2,1\n"), serve(b"2,1\n")
    visitor = faulttest.visit(faulttest.pristine(), first, second)
    expect_equal(visitor.xattr("user.host_list"), host_list(first, second))
    expect_equal(first.count("/geo/") + second.count("/geo/"), 0)


faulttest.pristine()
harness.main()
