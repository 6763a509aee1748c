#!/usr/bin/env python3
"""The self-extracting file: where and how it unpacks itself, and what may happen meanwhile.

The bundles are made by makedist of small trees made here. Their program `cvmfsexec` is a script
that says how it was called and where it stands.
"""

import hashlib
import os
import platform
import random
import shutil
import stat
import subprocess
import tarfile
import time

import harness
from harness import expect_equal, expect_in, test

USER = harness.ORDINARY
MACHINE_TYPE = f"rhel9-{platform.machine()}"
PROGRAM = """#!/bin/sh
here=${0%/*}
printf '%s\\n' "$0" "$@"
[ "${SHOW_TREE-}" ] && stat -c '%i' "$here"
exit 7
"""

_bundles = {}


def make_bundle(version="first", files=None):
    """A bundle of a small tree; `files` are names below dist and contents. Made once by script."""
    key = (version, bool(files))
    if key in _bundles:
        return _bundles[key]
    site = harness.temporary_directory(whole_script=True)
    for name in ("makedist", "stub"):
        shutil.copy2(harness.program(name), site)
    for name in ("cvmfsexec", "mountrepo", "umountrepo"):
        write(os.path.join(site, name), PROGRAM, 0o755)
    contents = {".cvmfsexecdist": f"disttype: standard\nmachtype: {MACHINE_TYPE}\n",
                "etc/cvmfs/default.local": "CVMFS_HTTP_PROXY=DIRECT\n",
                "usr/lib/version": version, "var/lib/cvmfs/excluded": "x"}
    for name, content in {**contents, **(files or {})}.items():
        write(os.path.join(site, "dist", name), content)
    os.symlink("usr/lib", os.path.join(site, "dist", "lib"))
    output = os.path.join(site, "FILE")
    harness.run([os.path.join(site, "makedist"), "-q", "--level", "3", "-o", output], check=True)
    _bundles[key] = output
    return output


def large_bundle(version="large"):
    """A bundle that takes long enough to unpack to be interrupted: 16 MiB in 80 files."""
    generator = random.Random(1)
    return make_bundle(version, {f"data/{i}": generator.randbytes(200 << 10) for i in range(80)})


def write(path, content, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    os.chmod(path, mode)


class Node:
    """A directory of an ordinary user with a copy of a bundle."""

    def __init__(self, bundle=None, name="job", owner=USER):
        self.outside = harness.temporary_directory(owner)
        self.directory = os.path.join(self.outside, name)
        os.mkdir(self.directory)
        os.chown(self.directory, owner.uid, owner.gid)
        self.owner = owner
        self.file = self.path("FILE")
        self.put(bundle or make_bundle())

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def tree(self, *names):
        return self.path(".cvmfsexec", *names)

    def put(self, bundle):
        """Puts a bundle into FILE's place, as a copying user would."""
        shutil.copy(bundle, self.file + ".tmp")
        os.chown(self.file + ".tmp", self.owner.uid, self.owner.gid)
        os.rename(self.file + ".tmp", self.file)

    def run(self, *arguments, user=None, **more):
        return harness.run([self.file, *arguments], user=user or self.owner, **more)

    def start(self, *arguments, **more):
        return harness.start([self.file, *arguments], user=self.owner, **more)

    def names(self):
        return sorted(os.listdir(self.directory))


def expect_started(result, program, *arguments, words=""):
    """The program of the tree ran, and nobody else said anything but `words` on stderr."""
    expect_equal(result.status, 7, str(result))
    expect_equal(result.stdout.splitlines(), [program, *arguments], "standard output")
    if words:
        expect_in(words, result.stderr)
    else:
        expect_equal(result.stderr, "", "standard error")


def digests(directory):
    """All files below a directory, by name."""
    found = {}
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
                found[os.path.relpath(path, directory)] = content
    return found


def in_namespace(script, *arguments, **more):
    """Runs a shell script as root of a user namespace with mounts of its own, or skips the test."""
    if harness.run(["unshare", "-Urm", "true"], user=USER).status != 0:
        harness.skip("no user namespaces for ordinary users")
    return harness.run(["unshare", "-Urm", "sh", "-ec", script, "sh", *arguments], user=USER,
                       **more)


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
def from_a_directory_that_cannot_be_written_it_unpacks_below_tmpdir():
    result = in_namespace("""
        directory=$1; temporary=$2
        mount --bind "$directory" "$directory"
        mount -o remount,bind,ro "$directory"
        export TMPDIR=$temporary
        "$directory/FILE" first 2>"$temporary/first" || [ $? = 7 ]
        "$directory/FILE" second 2>"$temporary/second" || [ $? = 7 ]
        cat "$temporary/first" >&2
        [ ! -s "$temporary/second" ]
        stat -c %a "$temporary"/cvmfsexec-*
        """, (node := Node()).directory, temporary := harness.temporary_directory(USER))
    expect_equal(result.status, 0, str(result))
    lines = result.stdout.splitlines()
    expect_equal(lines[1::2], ["first", "second"], "arguments")
    assert lines[0] == lines[2] and lines[0].startswith(temporary + "/cvmfsexec-"), lines
    expect_in("Read-only file system", result.stderr)
    expect_in(temporary, result.stderr)
    expect_equal(lines[4], "700", "mode of the directory")
    expect_equal(node.names(), ["FILE"], "names beside FILE")


@test
def a_place_mounted_noexec_is_passed_over():
    result = in_namespace("""
        directory=$1; noexec=$2; executable=$3
        mount --bind "$directory" "$directory"
        mount -o remount,bind,ro "$directory"
        mount -t tmpfs -o noexec none "$noexec"
        mount --bind "$executable" /var/tmp
        TMPDIR=$noexec "$directory/FILE" x || [ $? = 7 ]
        ls -A "$noexec"/*/*
        """, Node().directory, harness.temporary_directory(USER),
        harness.temporary_directory(USER))
    expect_equal(result.status, 0, str(result))
    lines = result.stdout.splitlines()
    assert lines[0].startswith("/var/tmp/cvmfsexec-0/"), str(result)
    expect_in("noexec", result.stderr)
    expect_equal(lines[2:], [], "names left behind")


@test
def a_full_disk_is_passed_over_and_left_as_it_was():
    bundle = large_bundle()
    room = os.path.getsize(bundle) + (2 << 20)
    result = in_namespace("""
        full=$1; bundle=$2; room=$3; export TMPDIR=$4
        mount -t tmpfs -o size=$room none "$full"
        cp "$bundle" "$full/FILE"
        "$full/FILE" x || [ $? = 7 ]
        ls -A "$full"
        """, harness.temporary_directory(USER), bundle, str(room),
        temporary := harness.temporary_directory(USER))
    expect_equal(result.status, 0, str(result))
    lines = result.stdout.splitlines()
    assert lines[0].startswith(temporary), str(result)
    expect_in("No space left on device", result.stderr)
    expect_equal(lines[2:], ["FILE"], "names on the full disk")


@test
def where_no_place_is_left_it_says_why_each_was_refused():
    result = in_namespace("""
        full=$1; bundle=$2; room=$3
        mount -t tmpfs -o size=$room none "$full"
        cp "$bundle" "$full/FILE"
        mkdir "$full/tmp"
        mount --bind "$full/tmp" /var/tmp
        export TMPDIR=/nonexistent
        unset XDG_CACHE_HOME HOME
        exec 3<"$full"
        mount --bind "$full/tmp" /tmp
        status=0; /proc/self/fd/3/FILE x || status=$?
        echo status $status
        """, harness.temporary_directory(USER), bundle := large_bundle(),
        str(os.path.getsize(bundle) + (2 << 20)))
    expect_equal(result.stdout, "status 1\n", str(result))
    for words in ("No space left on device", "/nonexistent", "/var/tmp", "TMPDIR"):
        expect_in(words, result.stderr)
    expect_equal(result.stderr.count("\n"), 1, "lines of the message")


@test
def a_directory_open_to_others_is_not_used():
    result = in_namespace("""
        directory=$1; open=$2; closed=$3
        mount --bind "$directory" "$directory"
        mount -o remount,bind,ro "$directory"
        mkdir -m 777 "$open/cvmfsexec-0"
        chmod 777 "$open/cvmfsexec-0"
        mount --bind "$closed" /var/tmp
        TMPDIR=$open "$directory/FILE" x || [ $? = 7 ]
        ls -A "$open/cvmfsexec-0"
        """, Node().directory, harness.temporary_directory(USER),
        harness.temporary_directory(USER))
    expect_equal(result.status, 0, str(result))
    lines = result.stdout.splitlines()
    assert lines[0].startswith("/var/tmp/cvmfsexec-0/"), str(result)
    expect_in("open to others", result.stderr)
    expect_equal(lines[2:], [], "names in the open directory")


@test
def another_user_can_run_what_was_unpacked():
    if harness.ME.uid != 0:
        harness.skip("not root: there is no other user")
    node = Node()
    node.run()
    other = harness.User(34567, 34567)
    expect_started(node.run("x", user=other), node.tree("cvmfsexec"), "x")


@test
def a_tree_somebody_else_put_there_is_not_trusted():
    if harness.ME.uid != 0:
        harness.skip("not root: there is no other user")
    other = harness.User(34567, 34567)
    node = Node(owner=USER)
    os.chmod(node.directory, 0o1777)
    node.run()
    os.rename(node.tree(), node.path("tree"))
    shutil.copytree(node.path("tree"), node.tree(), symlinks=True)
    write(node.tree("cvmfsexec"), "#!/bin/sh\necho evil\n", 0o755)
    harness.run(["chown", "-R", f"{other.uid}:{other.gid}", node.tree()], check=True)
    result = node.run("x", env={"TMPDIR": harness.temporary_directory(USER)})
    expect_equal(result.status, 7, str(result))
    assert "evil" not in result.stdout, "the other user's program ran"
    expect_in("another user", result.stderr)


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
