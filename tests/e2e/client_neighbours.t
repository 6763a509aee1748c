#!/usr/bin/env python3
"""Reading ahead across files: whoever reads some files of a directory one after the other finds the
next ones in the kernel's page cache. Seen by fincore, which asks the kernel without reading."""

import clienttest
import harness
from harness import expect_equal, test

harness.require_fuse_userns()

FQRN = "neighbours.example.org"
FILES = {f"d{directory}/f{number:02}": f"{directory} {number}\n" * 300
         for directory in range(4) for number in range(20)}


def cached_pages(mount: harness.Mount, name: str) -> int:
    """How much of a file the kernel has."""
    return int(mount.run(["fincore", "--noheadings", "--output", "PAGES", name]).stdout)


def warm_mount() -> harness.Mount:
    """A fresh mount on a full cache."""
    # The kernel tells only the owner of a file what it has of it: root inside of the sandbox.
    repository = harness.make_repository(FQRN, "--owner", "0:0", files=FILES)
    sandbox = harness.Sandbox()
    config = harness.client_config(repository, f"file://{repository.directory}")
    first = harness.mount(FQRN, config, sandbox=sandbox)
    harness.expect_equal(first.run("cat d*/* >/dev/null").status, 0)
    first.unmount()
    return harness.mount(FQRN, config, sandbox=sandbox)


@test
def a_reader_of_small_files_finds_the_next_ones_in_the_page_cache():
    mount = warm_mount()
    expect_equal(cached_pages(mount, "d1/f10"), 0)
    mount.run("cat d1/f00 d1/f01 d1/f02")
    clienttest.wait_until(lambda: cached_pages(mount, "d1/f19") > 0, "d1/f19 in the page cache")
    assert cached_pages(mount, "d1/f10") > 0
    expect_equal(cached_pages(mount, "d2/f10"), 0)


@test
def what_was_stored_ahead_is_the_content():
    mount = warm_mount()
    mount.run("cat d1/f00 d1/f01 d1/f02")
    clienttest.wait_until(lambda: cached_pages(mount, "d1/f19") > 0, "d1/f19 in the page cache")
    for number in range(20):
        name = f"d1/f{number:02}"
        expect_equal(mount.read(name).decode(), FILES[name], name)


@test
def a_reader_of_one_directory_after_the_other_finds_the_next_directory_too():
    mount = warm_mount()
    mount.run("cat d0/f00 d0/f01 d0/f02")
    clienttest.wait_until(lambda: cached_pages(mount, "d0/f19") > 0, "d0/f19 in the page cache")
    mount.run("cat d1/f00 d1/f01 d1/f02")
    clienttest.wait_until(lambda: cached_pages(mount, "d2/f10") > 0, "d2/f10 in the page cache")


@test
def a_single_file_brings_no_other():
    mount = warm_mount()
    mount.run("cat d3/f00")
    mount.run("cat d2/f00")
    expect_equal(cached_pages(mount, "d3/f10"), 0)
    expect_equal(cached_pages(mount, "d2/f10"), 0)


harness.main()
