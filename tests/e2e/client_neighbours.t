#!/usr/bin/env python3
"""Reading ahead across files: whoever reads some files of a directory one after the other finds the
next ones in the kernel's page cache. Seen by fincore, which asks the kernel without reading; but it
asks for the name, and what was asked for is not stored any more, so that each file is looked at
once."""

import random
import time
from typing import Iterable

import clienttest
import harness
from harness import expect_equal, test

harness.require_fuse_userns()

FQRN = "neighbours.example.org"
FILES = {f"d{directory}/f{number:02}": f"{directory} {number}\n" * 300
         for directory in range(4) for number in range(60)}
KILLS = 25


def cached_pages(mount: harness.Mount, name: str) -> int:
    """How much of a file the kernel has."""
    return int(mount.run(["fincore", "--noheadings", "--output", "PAGES", name]).stdout)


def one_comes_into_cache(mount: harness.Mount, names: Iterable[str]) -> bool:
    """Whether the kernel gets the content of one of these files, none of which was read, in time."""
    for name in names:
        if cached_pages(mount, name) > 0:
            return True
        time.sleep(0.1)
    return False


def comes_into_cache(mount: harness.Mount, directory: str) -> bool:
    """The same for a directory of FILES."""
    return one_comes_into_cache(mount, (f"{directory}/f{n:02}" for n in reversed(range(30, 60))))


def warm_mount(files: dict[str, str] = FILES, **settings: str) -> harness.Mount:
    """A fresh mount on a full cache, with these parameters."""
    # The kernel tells only the owner of a file what it has of it: root inside of the sandbox.
    repository = harness.make_repository(FQRN, "--owner", "0:0", files=files)
    sandbox = harness.Sandbox()
    config = harness.client_config(repository, f"file://{repository.directory}", settings=settings)
    first = harness.mount(FQRN, config, sandbox=sandbox)
    harness.expect_equal(first.run("cat d*/* >/dev/null").status, 0)
    first.unmount()
    return harness.mount(FQRN, config, sandbox=sandbox)


@test
def a_reader_of_small_files_finds_the_next_ones_in_the_page_cache():
    mount = warm_mount()
    expect_equal(cached_pages(mount, "d1/f10"), 0)
    mount.run("cat d1/f00 d1/f01 d1/f02")
    assert comes_into_cache(mount, "d1")
    assert cached_pages(mount, "d1/f11") > 0
    expect_equal(cached_pages(mount, "d2/f10"), 0)


@test
def what_was_stored_ahead_is_the_content():
    mount = warm_mount()
    mount.run("cat d1/f00 d1/f01 d1/f02")
    assert comes_into_cache(mount, "d1")
    for number in range(60):
        name = f"d1/f{number:02}"
        expect_equal(mount.read(name).decode(), FILES[name], name)


@test
def a_reader_of_one_directory_after_the_other_finds_the_next_directory_too():
    mount = warm_mount()
    mount.run("cat d0/f00 d0/f01 d0/f02")
    assert comes_into_cache(mount, "d0")
    mount.run("cat d1/f00 d1/f01 d1/f02")
    assert comes_into_cache(mount, "d2")
    expect_equal(mount.read("d2/f20").decode(), FILES["d2/f20"])


@test
def a_large_directory_is_prepared_as_far_as_its_reader_comes():
    files = {f"d/f{number:04}": f"{number}\n" for number in range(3000)}
    mount = warm_mount(files)
    mount.run("cat d/f0000 d/f0001 d/f0002")
    assert one_comes_into_cache(mount, (f"d/f{number}" for number in range(1990, 1960, -1)))
    expect_equal(cached_pages(mount, "d/f2900"), 0)
    mount.run("cat d/f2100")
    assert one_comes_into_cache(mount, (f"d/f{number}" for number in range(2990, 2960, -1)))
    expect_equal(mount.read("d/f2500").decode(), files["d/f2500"])


@test
def all_readers_find_the_content_while_it_is_stored():
    mount = warm_mount()
    sums = "find . -type f | sort | xargs sha256sum | sha256sum"
    expected = mount.run(sums).stdout
    for _ in range(3):
        mount = warm_mount()
        readers = [mount.start(["sh", "-c", sums]) for _ in range(4)]
        readers += [mount.start(["sh", "-c", "ls -lR >/dev/null; " + sums]) for _ in range(2)]
        for reader in readers:
            expect_equal(reader.wait().stdout, expected)


@test
def a_kill_while_contents_are_stored_leaves_nothing_waiting():
    generator = random.Random(1)
    for number in range(KILLS):
        mount = warm_mount()
        readers = [mount.start(["sh", "-c", "cat d*/* >/dev/null; cat d2/* d1/* >/dev/null"])
                   for _ in range(3)]
        time.sleep(generator.random() * 0.03)
        client, = mount.sandbox.processes("cvmfs2")
        mount.sandbox.run(["kill", "-KILL", str(client)])
        for reader in readers:
            assert not reader.wait(timeout=20).timed_out
        clienttest.wait_until(lambda: not mount.sandbox.processes("cvmfs2"),
                              f"the end of client {number}")


@test
def reading_ahead_can_be_switched_off():
    mount = warm_mount(CVMFS_READ_AHEAD="no")
    mount.run("cat d1/f00 d1/f01 d1/f02 d1/f03")
    assert not comes_into_cache(mount, "d1")
    expect_equal(mount.read("d1/f20").decode(), FILES["d1/f20"])


@test
def a_single_file_brings_no_other():
    mount = warm_mount()
    mount.run("cat d3/f00")
    mount.run("cat d2/f00")
    expect_equal(cached_pages(mount, "d3/f10"), 0)
    expect_equal(cached_pages(mount, "d2/f10"), 0)


harness.main()
