#!/usr/bin/env python3
"""makedist with package repositories: what ends it. What is refused beforehand, interruptions, full
disks, and what is no package; no half of a tree is ever left."""

import functools
import os
import signal
import time

import harness
import packagetest
from distributiontest import own_world, world
from harness import expect_equal, expect_in, test
from packagetest import CERN, CLIENT, CONFIG, TYPE, USER
from rpmwriter import Package, file


@test
def a_tree_that_is_there_is_refused_before_anything_is_asked():
    made = own_world()
    site = packagetest.Site(made)
    os.mkdir(site.path("dist"))
    expect_in("rm -rf", site.makedist(*TYPE, "default", status=1).stderr)
    expect_equal(made.server.requests(), [])


@test
def a_distribution_that_is_not_made_is_refused_before_anything_is_asked():
    made = own_world()
    site = packagetest.Site(made)
    for machine, source in (("rhel7-x86_64", "osg"), ("rhel8-x86_64", "egi"),
                            ("rhel10-x86_64", "egi")):
        said = site.makedist("-m", machine, source, status=1).stderr
        expect_in(f"{source} is not made for {machine}", said)
    expect_equal((made.server.requests(), site.names()), ([], []))


def held_back(made, path):
    """A site whose downloads go through a server that stops in the midst of one of them."""
    server = harness.FaultServer(made.webroot)
    server.stall(f"*{path}", keep=5000)
    return packagetest.Site(table=made.replacement(server.url + "/")), server


def sizes_of_parts(cache):
    """How much there is of files that are being downloaded."""
    sizes = []
    for entry in os.scandir(cache):
        try:
            if entry.name.endswith(".part"):
                sizes.append(entry.stat().st_size)
        except FileNotFoundError:  # it is whole now
            pass
    return sizes


@test
def interrupted_in_a_download_it_leaves_nothing_and_goes_on_there_the_next_time():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        site, server = held_back(world(), "/cvmfs-2.13.3-1.el9.x86_64.rpm")
        process = site.start(*TYPE, "none")
        while 5000 not in sizes_of_parts(site.cache) and process.running():
            time.sleep(0.01)
        process.signal(number)
        expect_equal(process.wait().status, 128 + number)
        expect_equal(site.names(), [])
        server.clear()
        site.makedist("-q", *TYPE, "none")
        expect_equal(site.names(), ["dist"])
        ranges = [headers["range"] for headers in server.headers() if "range" in headers]
        expect_equal(ranges, ["bytes=5000-"])


@functools.cache
def large_world():
    """Unpacking takes so long that it can be interrupted."""
    made = own_world(whole_script=True)
    entries = [file(f"./usr/share/many/{number}") for number in range(50_000)]
    made.publish(CLIENT, Package("cvmfs", "2.14.0", "1.el9", entries=entries, listed=[]),
                 Package("cvmfs-libs", "2.14.0", "1.el9"),
                 Package("cvmfs-fuse3", "2.14.0", "1.el9"))
    return made


@test
def interrupted_in_unpacking_it_leaves_nothing_or_what_the_next_run_removes():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        site = packagetest.Site(large_world())
        process = site.start("-q", *TYPE, "none")
        while not any(os.path.isdir(site.path(name, "usr/share/many")) for name in site.names()) \
                and process.running():
            time.sleep(0.001)
        process.signal(number)
        expect_equal(process.wait().status, 128 + number)
        left = site.names()
        expect_equal(left if number != signal.SIGKILL else left[1:], [])
        site.makedist("-q", *TYPE, "-v", "2.13.3", "none")
        expect_equal(site.names(), ["dist"])


ON_DISK = ("makedist", "makedist.conf", "cvmfsexec", "mountrepo", "umountrepo")


def on_a_small_disk(site, *arguments, cache=None):
    """Runs makedist in a directory on a file system that has room for 150 kB."""
    pages = sum((os.path.getsize(site.path(name)) + 4095) // 4096 for name in ON_DISK)
    script = """cd "$1" && shift && mkdir small && mount -t tmpfs -o size=$1 none small && shift &&
        cp {} small && cd small || exit 99
        ./makedist --cache "$@"; echo "status $?"; ls -A""".format(" ".join(ON_DISK))
    result = harness.run(["unshare", "-Urm", "sh", "-c", script, "sh", site.directory,
                          f"{pages * 4 + 150}k", cache or site.cache, *arguments], user=USER,
                         env=packagetest.ENVIRONMENT)
    if "status" not in result.stdout:
        harness.skip("no mounts in a user namespace")
    expect_in("status 1", result.stdout)
    expect_in("No space left on device", result.stderr)
    return result


@test
def a_full_disk_leaves_nothing_and_is_said_with_the_file():
    site = packagetest.Site(world())
    result = on_a_small_disk(site, *TYPE, "none")
    expect_equal([name for name in result.stdout.split() if "dist" in name],
                 ["makedist", "makedist.conf"])
    expect_in("usr/", result.stderr)


@test
def a_full_disk_under_the_cache_is_said():
    site = packagetest.Site(large_world())
    result = on_a_small_disk(site, *TYPE, "none", cache="here")
    expect_in("here/", result.stderr)


@test
def what_is_no_package_is_refused():
    for content in (b"", b"<html>sorry</html>" * 1000, b"\xed\xab\xee\xdb" + b"\0" * 4000):
        made = own_world()
        with open(made.path(CERN, CONFIG), "wb") as page:
            page.write(content)
        site = packagetest.Site(made)
        expect_in(f"{CONFIG} is damaged, or no package",
                  site.makedist("-q", *TYPE, "default", status=1).stderr)
        expect_equal(site.names(), [])


world()
large_world()
harness.main()
