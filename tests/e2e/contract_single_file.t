#!/usr/bin/env python3
"""What users of the bash package rely on: the single file and what it leaves beside itself.

Each test is a clause. More of the extraction is in stub*.t, more of the whole in single_file.t.
"""

import os
import platform
import shutil
import tarfile
import time

import bundlesite
import harness
from bundlesite import CONFIG, Node
from harness import expect_equal, expect_in, test

harness.require_fuse_userns()

ONE, TWO = "one.example.org", "two.example.org"
OLD = {"SOURCE_DATE_EPOCH": "1000000000"}


def mode_1(node):
    """Its tree, ready for mounts on the host, or a skip."""
    if why_not:
        harness.skip(f"fusermount does not work here: {why_not}")
    node.run("-v", check=True)
    return node


def found_by_glideinwms(node):
    """What glideinWMS' command line shows of this node."""
    lines = harness.run(["findmnt", "-t", "fuse", "-S", "/dev/fuse"]).stdout.splitlines()
    return [line.split()[:3] for line in lines if node.directory in line]


@test
def v_extracts_and_prints_the_version():
    node = Node(site)
    result = node.run("-v")
    expect_equal((result.status, result.stdout, result.stderr),
                 (0, harness.run([harness.program("cvmfsexec"), "-v"]).stdout, ""))
    assert os.path.isdir(node.home)


@test
def after_any_run_the_tree_and_the_commands_stand_beside_the_file():
    for arguments in (["-v"], ["-h"], ["wrong"], ["--", "true"], ["none.such", "--", "true"]):
        node = Node(site)
        node.run(*arguments)
        for name in ("cvmfsexec", "mountrepo", "umountrepo"):
            assert os.access(node.path(name), os.X_OK), name
        assert os.path.isdir(node.path("dist/etc/cvmfs")), str(arguments)
        expect_equal(sorted(os.listdir(node.directory)), [".cvmfsexec", "cvmfsexec"])


@test
def the_log_appears_later():
    node = Node(site)
    node.run("--", "true", check=True)
    node.run(ONE, "--", "true", check=True)
    assert os.path.isdir(node.path("log"))


@test
def a_newer_file_replaces_an_older_extraction():
    node = Node(site)
    node.run("-v", check=True)
    with open(node.path("dist/etc/cvmfs/default.local"), encoding="utf-8") as file:
        older = file.read()
    site.write("dist/etc/cvmfs/default.local", older + "A_SITES=change\n")
    try:
        site.makedist("-q", "--level=1", "-o", node.file)
    finally:
        site.write("dist/etc/cvmfs/default.local", older)
    node.run("-v", check=True)
    with open(node.path("dist/etc/cvmfs/default.local"), encoding="utf-8") as file:
        expect_equal(file.read(), older + "A_SITES=change\n")


@test
def everything_extracted_has_the_time_of_the_extraction():
    node = Node(site)
    site.makedist("-q", "--level=1", "-o", node.file, env=OLD)
    os.utime(node.file, (1000000000, 1000000000))
    before = int(time.time())
    node.run("-v", check=True)
    names = [os.path.join(directory, name) for directory, directories, files in os.walk(node.home)
             for name in [*directories, *files]]
    assert len(names) > 50
    expect_equal([name for name in names if os.lstat(name).st_mtime < before], [])


@test
def mountrepo_and_umountrepo_of_the_extraction_are_called_directly():
    node = mode_1(Node(site))
    for fqrn in (ONE, TWO):
        result = node.shell_command([node.path("mountrepo"), fqrn], cwd="/")
        expect_equal((result.status, result.stdout), (0, ""), str(result))
        result = node.shell_command(["cat", node.path(f"dist/cvmfs/{fqrn}/name")])
        expect_equal(result.stdout, fqrn, str(result))
    with open(node.path(f"log/{ONE}.log"), encoding="utf-8") as file:
        expect_in(f"({ONE})", file.read())
    expect_equal(node.shell_command([node.path("umountrepo"), "-a"], cwd="/").status, 0)
    expect_equal((node.mounts(), node.processes()), ([], []))


@test
def mounts_on_the_host_show_as_type_fuse_from_dev_fuse():
    node = mode_1(Node(site))
    node.shell_command([node.path("mountrepo"), ONE], check=True)
    expect_equal(found_by_glideinwms(node), [[node.path(f"dist/cvmfs/{fqrn}"), "/dev/fuse", "fuse"]
                                             for fqrn in (CONFIG, ONE)])


def inside(node, fqrns, script):
    """Which lines a script prints inside, without those of mounts that the host has."""
    before = mounted_on_host()
    result = node.run(*fqrns, "--", "sh", "-c", script, check=True)
    others = before | mounted_on_host()
    return [line for line in result.stdout.splitlines() if line.split()[-1] not in others]


def mounted_on_host():
    """Paths as /proc/mounts has them, and the last words of what df makes of them."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        paths = {line.split()[1] for line in file}
    return paths | {path.rpartition("\\040")[2] for path in paths}


@test
def df_counts_the_repositories_mounted_inside():
    node = Node(site)
    for fqrns in ([], [ONE], [ONE, TWO]):
        expect_equal(len(inside(node, fqrns, "df -h | grep /cvmfs")), 1 + len(fqrns))


@test
def no_mount_but_those_of_repositories_has_cvmfs_in_its_path():
    node = Node(site)
    for command in ("cut -d' ' -f2 /proc/mounts", "df -ha --output=target"):
        expect_equal(sorted(inside(node, [ONE], command + " | grep /cvmfs")),
                     sorted([f"/cvmfs/{CONFIG}", f"/cvmfs/{ONE}"]), command)


@test
def one_machine_makes_bundles_for_many_types_in_a_row():
    place = harness.temporary_directory(bundlesite.USER)
    for name in bundlesite.PROGRAMS:
        shutil.copy2(harness.program(name), place)
    for release in ("rhel8", "rhel9", "suse15"):
        kind = f"{release}-{platform.machine()}"
        result = harness.run(f"./makedist -n -m {kind} none && ./makedist --level=1 -o FILE-{kind} "
                             "&& rm -rf dist", user=bundlesite.USER, cwd=place)
        expect_equal(result.status, 0, str(result))
        expect_equal(machine_type(os.path.join(place, f"FILE-{kind}")), kind)


def machine_type(file):
    """What the stamp of the tree in a bundle says."""
    harness.run(["objcopy", "--dump-section", f".cvmfsexec.dist={file}.zst", file, "/dev/null"],
                check=True)
    harness.run(["zstd", "-q", "-d", f"{file}.zst", "-o", f"{file}.tar"], check=True)
    with tarfile.open(f"{file}.tar") as archive:
        stamp = archive.extractfile("dist/.cvmfsexecdist").read().decode()
    return stamp.split("machtype: ")[1].strip()


site = bundlesite.Site(ONE, TWO)
why_not = bundlesite.why_no_fusermount(site)
harness.main()
