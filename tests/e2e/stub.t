#!/usr/bin/env python3
"""The self-extracting file: how it unpacks itself beside itself, what may happen meanwhile, and
what becomes of an older tree. Where else it goes is in stub_places.t."""

import os
import shutil
import stat
import subprocess
import tarfile
import time

import harness
from harness import expect_equal, expect_in, test
from stubtest import (USER, Node, digests, expect_started, in_namespace, large_bundle, make_bundle,
                      write)


@test
def a_first_run_unpacks_beside_the_file_and_starts_the_program():
    node = Node()
    result = node.run("one", "two words", "", "-v", cwd="/")
    expect_started(result, node.tree("cvmfsexec"), "one", "two words", "", "-v")
    expect_equal(node.names(), [".cvmfsexec", "FILE"], "names beside FILE")
    with open(node.tree("dist/lib/version"), encoding="utf-8") as file:
        expect_equal(file.read(), "first", "a file of the tree")
    expect_equal(os.listdir(node.tree("dist/var/lib/cvmfs")), [], "what is not packed")


@test
def a_long_extraction_shows_its_progress_on_a_terminal():
    if not shutil.which("strace") or not shutil.which("script"):
        harness.skip("no strace to slow it down, or no script to give it a terminal")
    node = Node(large_bundle())
    slow = f"strace -f -o /dev/null -e inject=fchmod:delay_exit=20000 {node.file}"
    harness.run(["script", "-qec", slow, node.path("typescript")], user=USER, cwd=node.directory)
    with open(node.path("typescript"), encoding="utf-8") as file:
        shown = file.read()
    expect_in("cvmfsexec: unpacking ", shown)
    expect_in("%", shown)
    expect_in(node.tree("cvmfsexec"), shown)


@test
def a_second_run_unpacks_nothing():
    node = Node()
    node.run()
    before = os.stat(node.tree("cvmfsexec"))
    expect_started(node.run("again"), node.tree("cvmfsexec"), "again")
    after = os.stat(node.tree("cvmfsexec"))
    expect_equal((after.st_ino, after.st_ctime_ns), (before.st_ino, before.st_ctime_ns), "program")


@test
def a_path_may_have_blanks_and_letters_of_any_kind():
    node = Node(name="a job  für 原子核\tand \"quotes\"")
    expect_started(node.run("x"), node.tree("cvmfsexec"), "x")


@test
def it_is_found_by_any_name_it_is_called_by():
    node = Node()
    os.symlink(node.file, os.path.join(node.outside, "link"))
    result = harness.run(["./link", "x"], user=USER, cwd=node.outside)
    expect_started(result, node.tree("cvmfsexec"), "x")


@test
def the_environment_reaches_the_program_unchanged():
    node = Node()
    os.unlink(node.file)
    environment = {"PATH": os.environ["PATH"], "B": "2", "A": " 1 ", "EMPTY": ""}
    bundle = make_bundle("environment")
    node.put(bundle)
    node.run()
    write(node.tree("cvmfsexec"), "#!/bin/sh\nexec /usr/bin/env -0\n", 0o755)
    shown = subprocess.run([node.file], env=environment, stdout=subprocess.PIPE, check=True)
    found = dict(line.split("=", 1) for line in shown.stdout.decode().split("\0") if line)
    for added_by_the_shell in ("PWD", "OLDPWD", "SHLVL", "_"):
        found.pop(added_by_the_shell, None)
    expect_equal(found, environment, "environment")


@test
def files_are_as_new_as_the_extraction_and_readable_whatever_the_umask():
    node = Node()
    start = time.time() - 2
    node.run(user=None)
    shutil.rmtree(node.tree())
    harness.run(["sh", "-c", 'umask 077; exec "$0"', node.file], user=USER)
    for parent, directories, names in os.walk(node.tree()):
        for name in directories + names:
            status = os.lstat(os.path.join(parent, name))
            assert status.st_mtime >= start, f"{name} is older than the extraction"
            if not stat.S_ISLNK(status.st_mode):
                wanted = 0o755 if stat.S_ISDIR(status.st_mode) or status.st_mode & 0o100 else 0o644
                expect_equal(stat.S_IMODE(status.st_mode), wanted, name)


@test
def it_survives_strip_and_objcopy():
    for command in (["strip", "FILE"], ["strip", "--strip-all", "FILE"],
                    ["objcopy", "FILE"], ["objcopy", "--strip-debug", "FILE"]):
        node = Node()
        os.chmod(node.directory, 0o777)
        harness.run(command, cwd=node.directory, user=USER, check=True)
        expect_started(node.run("x"), node.tree("cvmfsexec"), "x")


@test
def readelf_shows_the_note_and_zstd_and_tar_list_the_tree():
    file = make_bundle()
    shown = harness.run(["readelf", "-n", file], check=True).stdout
    expect_in(".note.cvmfsexec", shown)
    directory = harness.temporary_directory()
    packed = os.path.join(directory, "x")
    harness.run(["objcopy", "--dump-section", f".cvmfsexec.dist={packed}", file, "/dev/null"],
                check=True)
    listed = harness.run(f"zstd -d <{packed} | tar t", check=True).stdout.splitlines()
    for name in ("cvmfsexec", "mountrepo", "umountrepo", "dist/", "dist/usr/lib/version",
                 "dist/lib", "dist/var/lib/cvmfs/"):
        assert name in listed, f"{name} is not in {listed}"
    with subprocess.Popen(["zstd", "-dc", packed], stdout=subprocess.PIPE) as zstd, \
            tarfile.open(fileobj=zstd.stdout, mode="r|") as archive:
        owners = {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in archive}
    expect_equal(owners, {(0, 0, "", "")}, "owners")


@test
def fifty_first_runs_at_once_share_one_extraction():
    node = Node(large_bundle())
    processes = [node.start(env={"SHOW_TREE": "1"}) for _ in range(50)]
    results = [process.wait() for process in processes]
    for result in results:
        expect_equal((result.status, result.stderr), (7, ""), str(result))
    trees = {result.stdout.splitlines()[1] for result in results}
    expect_equal(len(trees), 1, "number of trees they ran in")
    expect_equal(node.names(), [".cvmfsexec", "FILE"], "names beside FILE")


@test
def a_kill_at_any_moment_is_repaired_by_the_next_run():
    bundle = large_bundle()
    whole = Node(bundle)
    start = time.monotonic()
    whole.run()
    duration = time.monotonic() - start
    expected = digests(whole.tree())
    node = Node(bundle)
    for attempt in range(25):
        shutil.rmtree(node.tree(), ignore_errors=True)
        process = node.start()
        time.sleep(duration * attempt / 20)
        process.kill()
        expect_started(node.run("x"), node.tree("cvmfsexec"), "x")
        expect_equal(digests(node.tree()), expected, f"tree after kill {attempt}")
        expect_equal(node.names(), [".cvmfsexec", "FILE"], f"names after kill {attempt}")


@test
def a_newer_file_replaces_the_tree_and_keeps_cache_and_logs():
    node = Node()
    node.run()
    as_user = {"user": USER, "check": True}
    harness.run('mkdir -p "$0/log" && echo object >"$0/dist/var/lib/cvmfs/object" && '
                'echo line >"$0/log/a.log" && echo >"$0/dist/usr/lib/leftover" && '
                'chmod 555 "$0/dist/usr"'.replace("$0", node.tree()), **as_user)
    node.put(make_bundle("second"))
    expect_started(node.run("x"), node.tree("cvmfsexec"), "x")
    found = digests(node.tree())
    with open(node.tree("dist/usr/lib/version"), encoding="utf-8") as file:
        expect_equal(file.read(), "second", "a file of the newer tree")
    assert "dist/usr/lib/leftover" not in found, "a file of the older tree is gone"
    assert "dist/var/lib/cvmfs/object" in found, "the cache has moved over"
    assert "log/a.log" in found, "the logs have moved over"
    expect_equal(node.names(), [".cvmfsexec", "FILE"], "names beside FILE")


@test
def a_link_a_site_put_in_place_of_the_cache_is_kept():
    node = Node()
    node.run()
    harness.run(["rmdir", node.tree("dist/var/lib/cvmfs")], user=USER, check=True)
    harness.run(["ln", "-s", "/scratch/cache", node.tree("dist/var/lib/cvmfs")], user=USER,
                check=True)
    node.put(make_bundle("second"))
    node.run()
    expect_equal(os.readlink(node.tree("dist/var/lib/cvmfs")), "/scratch/cache", "the link")


@test
def what_is_mounted_in_the_older_tree_stays_mounted_at_its_path():
    result = in_namespace("""
        cd "$1"; ./FILE x || [ $? = 7 ]
        mkdir -p .cvmfsexec/dist/cvmfs/a.example.org
        mount -t tmpfs none .cvmfsexec/dist/cvmfs/a.example.org
        echo mounted >.cvmfsexec/dist/cvmfs/a.example.org/file
        cp "$2" new; mv new FILE; ./FILE x || [ $? = 7 ]
        cat .cvmfsexec/dist/usr/lib/version .cvmfsexec/dist/cvmfs/a.example.org/file
        ls -A
        """, (node := Node()).directory, make_bundle("second"))
    expect_equal(result.status, 0, str(result))
    expect_equal(result.stdout.split()[-3:], ["secondmounted", ".cvmfsexec", "FILE"], "result")
    expect_equal(node.names(), [".cvmfsexec", "FILE"], "names beside FILE")


@test
def a_killed_replacement_loses_no_cache():
    small, large = make_bundle(), large_bundle()
    whole = Node(large)
    start = time.monotonic()
    whole.run()
    duration = time.monotonic() - start
    node = Node(large)
    node.run()
    harness.run(f"echo object >'{node.tree('dist/var/lib/cvmfs/object')}'", user=USER, check=True)
    for attempt in range(20):
        node.put((small, large)[attempt % 2])
        process = node.start()
        time.sleep(duration * 1.3 * attempt / 20)
        process.kill()
        expect_started(node.run("x"), node.tree("cvmfsexec"), "x")
        assert os.path.exists(node.tree("dist/var/lib/cvmfs/object")), \
            f"the cache is there after kill {attempt}"
        expect_equal(node.names(), [".cvmfsexec", "FILE"], f"names after kill {attempt}")


@test
def an_extraction_of_the_bash_package_is_replaced():
    node = Node()
    harness.run(f"mkdir -p '{node.tree('dist/var/lib/cvmfs')}' && cd '{node.tree()}' && "
                "echo object >dist/var/lib/cvmfs/object && echo old >cvmfsexec && mkdir log && "
                "echo line >log/a.log", user=USER, check=True)
    expect_started(node.run("x"), node.tree("cvmfsexec"), "x")
    assert os.path.exists(node.tree("dist/var/lib/cvmfs/object")), "its cache is kept"
    assert os.path.exists(node.tree("log/a.log")), "its logs are kept"


@test
def a_tree_that_lost_its_program_is_unpacked_again():
    for damage in ("rm", "truncate -s 0"):
        node = Node()
        node.run()
        harness.run(f"{damage} '{node.tree('cvmfsexec')}'", user=USER, check=True)
        expect_started(node.run("x"), node.tree("cvmfsexec"), "x")


@test
def a_damaged_file_says_so_and_unpacks_nothing():
    size = os.path.getsize(large_bundle())
    for keep in (size - 1, size // 2):
        node = Node(large_bundle())
        os.truncate(node.file, keep)
        result = node.run("x", env={"TMPDIR": harness.temporary_directory(USER)})
        expect_equal((result.status, result.stdout), (1, ""), str(result))
        expect_in("damaged", result.stderr)
        expect_equal(node.names(), ["FILE"], "names beside FILE")


@test
def a_changed_payload_is_noticed():
    node = Node()
    with open(node.file, "r+b") as file:
        content = file.read()
        place = content.rindex(b"\x28\xb5\x2f\xfd")  # the last frame
        file.seek(place + 40)
        file.write(bytes(255 - byte for byte in content[place + 40:place + 60]))
    result = node.run("x")
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("damaged", result.stderr)
    expect_equal(node.names(), ["FILE"], "names beside FILE")


@test
def a_stub_without_a_bundle_says_how_to_make_one():
    result = harness.run([harness.program("stub")])
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("makedist", result.stderr)


@test
def packing_twice_gives_the_same_bytes():
    first = make_bundle()
    site = os.path.dirname(first)
    second = os.path.join(site, "second")
    harness.run([os.path.join(site, "makedist"), "-q", "--level", "3", "--threads", "1", "-o",
                 second], check=True)
    with open(first, "rb") as one, open(second, "rb") as other:
        assert one.read() == other.read(), "the bundles differ"


harness.main()
