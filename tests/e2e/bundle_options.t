#!/usr/bin/env python3
"""What makedist does with a finished file without running it, and files with a cache in them."""

import hashlib
import os
import re
import shutil
import socket
import stat
import subprocess

import bundlesite
import harness
from bundlesite import Node
from harness import expect_equal, expect_in, test

ONE = "one.example.org"
NOTE = ["version", "disttype", "machtype", "sha256", "payload", "archive", "entries", "frames"]


def makedist(*arguments, status=0, **options):
    options.setdefault("user", bundlesite.USER)
    result = harness.run([harness.program("makedist"), *arguments], **options)
    expect_equal(result.status, status, str(result))
    return result


def inspected(file):
    """The note as a dictionary, and the lines of the list."""
    note, _, entries = makedist("--inspect", file).stdout.partition("\n\n")
    return dict(line.split(": ") for line in note.splitlines()), entries.splitlines()


def payload_of(file):
    """Where the payload is in the file."""
    lines = harness.run(["readelf", "-SW", file], check=True).stdout
    offset, size = re.search(r"\.cvmfsexec\.dist\s+PROGBITS\s+\S+\s+(\S+)\s+(\S+)", lines).groups()
    return int(offset, 16), int(size, 16)


def damaged_copy(place, offset, change):
    """A copy of the file in which one byte is another."""
    copy = os.path.join(place, "damaged")
    shutil.copyfile(site.file, copy)
    with open(copy, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([change(byte)]))
    return copy


def tree_of(directory):
    """Everything below a directory: type and permissions, and content."""
    found = {}
    for parent, directories, files in os.walk(directory):
        for name in directories + files:
            path = os.path.join(parent, name)
            mode = os.lstat(path).st_mode
            content = os.readlink(path) if stat.S_ISLNK(mode) else None
            if stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            found[os.path.relpath(path, directory)] = (mode, content)
    return found


def new_place():
    return harness.temporary_directory(bundlesite.USER)


@test
def inspect_says_what_the_note_says():
    note, entries = inspected(site.file)
    expect_equal(list(note), NOTE)
    offset, size = payload_of(site.file)
    with open(site.file, "rb") as file:
        file.seek(offset)
        payload = file.read(size)
    expect_equal(note["sha256"], hashlib.sha256(payload).hexdigest())
    expect_equal((note["disttype"], int(note["payload"])), ("standard", size))
    archive = subprocess.run(["zstd", "-d"], input=payload, stdout=subprocess.PIPE, check=True)
    expect_equal(int(note["archive"]), len(archive.stdout))
    expect_equal(int(note["entries"]), len(entries))
    stamp = harness.run(["cat", site.path("dist/.cvmfsexecdist")], check=True).stdout
    expect_in(f"machtype: {note['machtype']}\n", stamp)


@test
def inspect_lists_every_entry():
    _, entries = inspected(site.file)
    size = os.stat(site.path("cvmfsexec")).st_size
    expect_in(f"-rwxr-xr-x {size:10} cvmfsexec", entries)
    expect_in("drwxr-xr-x          0 dist/etc/cvmfs", entries)
    assert not [line for line in entries if "var/lib/cvmfs/" in line]


@test
def names_do_not_speak_to_the_terminal():
    other = os.path.join(new_place(), "file")
    name, link = site.path("dist/etc/a\nb\x1b[2J\\"), site.path("dist/etc/link")
    try:
        site.write("dist/etc/a\nb\x1b[2J\\", "x")
        os.symlink("\x07to", link)
        site.makedist("-q", "--level=1", "-o", other)
    finally:
        os.unlink(name)
        os.unlink(link)
    _, entries = inspected(other)
    expect_in(r"          1 dist/etc/a\012b\033[2J\134", "\n".join(entries))
    expect_in(r"          0 dist/etc/link -> \007to", "\n".join(entries))


@test
def verify_is_content_with_a_whole_file():
    expect_in(" is whole: ", makedist("--verify", site.file).stderr)
    expect_equal(makedist("-q", f"--verify={site.file}").stderr, "")


@test
def verify_finds_any_damage():
    place = new_place()
    offset, size = payload_of(site.file)
    for number in range(12):  # throughout the payload
        copy = damaged_copy(place, offset + number * size // 12 + 20, lambda byte: byte ^ 0x10)
        expect_in(" is damaged: ", makedist("--verify", copy, status=1).stderr)
    with open(site.file, "rb") as file:
        content = file.read()
    expect_equal(content.count(hashlib.sha256(content[offset:offset + size]).digest()), 1)
    digest = content.index(hashlib.sha256(content[offset:offset + size]).digest())
    copy = damaged_copy(place, digest, lambda byte: byte ^ 1)
    expect_in("SHA-256", makedist("--verify", copy, status=1).stderr)
    expect_in("SHA-256", makedist("--extract", copy, place + "/x", status=1).stderr)
    expect_equal(os.listdir(place), ["damaged"])
    os.truncate(copy, offset + size // 2)
    expect_in(copy, makedist("--verify", copy, status=1).stderr)


@test
def inspect_shows_what_can_be_read_of_a_damaged_file():
    offset, size = payload_of(site.file)
    copy = damaged_copy(new_place(), offset + size - 30, lambda byte: byte ^ 0x55)
    result = makedist("--inspect", copy, status=1)
    expect_in("machtype: ", result.stdout)
    expect_in(" dist/etc/cvmfs\n", result.stdout)
    expect_in(" is damaged: ", result.stderr)


@test
def what_is_no_bundle_is_refused():
    place = new_place()
    stub, text = harness.program("stub"), os.path.join(site.directory, "dist/etc/os-release")
    for path, words in ((stub, "carries no bundle"), (text, "ELF"), (place, "not a file"),
                        (place + "/none", "No such file")):
        for arguments in (["--inspect", path], ["--verify", path], ["--extract", path, place + "/x"]):
            result = makedist(*arguments, status=1)
            expect_in(words, result.stderr)
            expect_in(path, result.stderr)
    expect_equal(os.listdir(place), [])


@test
def extract_makes_the_tree_that_running_makes():
    node, place = Node(site), new_place()
    node.run("-v", check=True)
    result = makedist("--extract", site.file, "new", cwd=place)
    expect_in(" unpacked ", result.stderr)
    ran = tree_of(node.home)
    del ran[".bundle"]
    ran.pop("log", None)
    expect_equal(tree_of(place + "/new"), ran)
    expect_equal(harness.run([place + "/new/cvmfsexec", "--version"]).status, 0)


@test
def extract_wants_a_directory_for_itself():
    place = new_place()
    os.mkdir(place + "/empty")
    os.chown(place + "/empty", bundlesite.USER.uid, bundlesite.USER.gid)
    makedist("-q", "--extract", site.file, place + "/empty")
    before = tree_of(place)
    said = makedist("--extract", site.file, place + "/empty", status=1).stderr
    expect_in("not empty", said)
    expect_in("Not a directory", makedist("--extract", site.file, place + "/empty/cvmfsexec",
                                          status=1).stderr)
    expect_in("No such file", makedist("--extract", site.file, place + "/a/b", status=1).stderr)
    expect_equal(tree_of(place), before)


@test
def a_failing_extract_leaves_nothing():
    place = new_place()
    script = """cd "$1" && mkdir small && mount -t tmpfs -o size=4m none small && cd small &&
        "$2" --extract "$3" new; echo "status $?"; ls -A; mkdir old; "$2" --extract "$3" old; ls -A old"""
    result = harness.run(["unshare", "-Urm", "sh", "-c", script, "sh", place,
                          harness.program("makedist"), site.file], user=bundlesite.USER)
    if "status" not in result.stdout:
        harness.skip("no mounts in a user namespace")
    expect_in("No space left on device", result.stderr)
    expect_equal(result.stdout, "status 1\n", str(result))


@test
def the_command_line_decides_the_status():
    file = site.file
    rows = [["--inspect"], ["--verify"], ["--extract"], ["--extract", file], ["--inspect", ""],
            ["--extract", file, ""], ["--extract", file, "a", "b"], ["--inspect", file, "more"],
            ["--verify", file, "none"], ["--verify", file, "--inspect", file],
            ["-o", "x", "--verify", file], ["--inspect", file, "-o", "x"],
            ["--inspect", file, "-s"], ["--verify", file, "--with-cache"],
            ["--verify", file, "--level=3"], ["--inspect", file, "-n"],
            ["--extract", file, "x", "-m", "rhel9-x86_64"], ["-n", "--with-cache", "none"]]
    place = new_place()
    for arguments in rows:
        expect_in("makedist: ", makedist(*arguments, status=2, cwd=place).stderr, str(arguments))
    expect_equal(os.listdir(place), [])


def site_of_a_job():
    """A site where a job has read a repository, whose servers have ended since."""
    reason = harness.try_fuse_in_user_namespace()
    if reason:
        harness.skip(f"no FUSE mount in a user namespace: {reason}")
    made = bundlesite.Site(ONE)
    harness.run([made.path("cvmfsexec"), ONE, "--", "cat", f"/cvmfs/{ONE}/name"], check=True)
    for server in made.servers:
        server.stop()
    return made


@test
def with_the_cache_a_job_needs_no_network():
    made = site_of_a_job()
    made.makedist("-q", "--level=1", "--with-cache", "-o", "FILE")
    node = Node(made)
    result = node.run(ONE, "--", "cat", f"/cvmfs/{ONE}/name")
    expect_equal((result.status, result.stdout), (0, ONE), str(result))
    made.makedist("-q", "--level=1", "-o", "FILE")
    node = Node(made)
    assert node.run(ONE, "--", "cat", f"/cvmfs/{ONE}/name").status != 0, "there is no cache"


@test
def of_a_cache_what_belongs_to_the_machine_stays_behind():
    made = bundlesite.Site(ONE)
    cache = made.path("dist/var/lib/cvmfs/shared")
    os.makedirs(cache + "/ab")
    os.mkdir(cache + "/txn")
    content = ["ab/" + "0" * 38, "cvmfschecksum.one.example.org", ".cvmfscache"]
    state = ["lock.one.example.org", "running.one.example.org", "txn/fetchAbCdEf", "cachedb",
             "cachemgr.protocol", "uuid", "cvmfsexec.usage"]
    for name in content + state:
        with open(os.path.join(cache, name), "w", encoding="utf-8") as file:
            file.write("x")
    os.mkfifo(cache + "/pipe1")
    with socket.socket(socket.AF_UNIX) as listening:
        directory = os.open(cache, os.O_PATH)
        listening.bind(f"/proc/self/fd/{directory}/cvmfs_io.one.example.org")
        os.close(directory)
        made.makedist("-q", "--level=1", "--with-cache", "-o", "FILE")
    prefix = "dist/var/lib/cvmfs/shared/"
    _, entries = inspected(made.file)
    found = [line.split(prefix)[1] for line in entries if prefix in line]
    expect_equal(sorted(found), sorted(["ab", "txn", *content]))


@test
def a_cache_elsewhere_is_not_packed():
    made = bundlesite.Site(ONE)
    os.rmdir(made.path("dist/var/lib/cvmfs"))
    os.symlink("/tmp", made.path("dist/var/lib/cvmfs"))
    result = harness.run(["./makedist", "--with-cache", "-o", "other"], cwd=made.directory)
    expect_equal(result.status, 1, str(result))
    expect_in("dist/var/lib/cvmfs is no directory", result.stderr)
    made.makedist("-q", "--level=1", "-o", "other")


site = bundlesite.Site(ONE)
harness.main()
