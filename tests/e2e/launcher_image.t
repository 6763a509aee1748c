#!/usr/bin/env python3
"""cvmfsexec -m: a file system image at /e2fs, the cache in it, and what e2fsck finds afterwards,
however the run ended."""

import hashlib
import os
import random
import re
import shlex
import shutil
import signal

import harness
from harness import expect_equal, expect_in, test
from launchtree import Tree, wait_for_output, wait_until

harness.require_fuse_userns()

SYSTEM = "/usr/bin:/usr/sbin:/bin:/sbin"
for tool in ("fuse2fs", "mke2fs", "e2fsck"):
    if not shutil.which(tool, path=SYSTEM):
        harness.skip_all(f"there is no {tool} here")
MKE2FS, E2FSCK = (shutil.which(tool, path=SYSTEM) for tool in ("mke2fs", "e2fsck"))

USER = harness.ORDINARY
SMALL, LARGE = "small.example.org", "large.example.org"


class Image:
    """An image of the user's, in a directory of its own."""

    def __init__(self, *options, size="32M", name="cvmfs image é", user=USER):
        self.directory = harness.temporary_directory(user)
        self.name = name
        self.path = os.path.join(self.directory, name)
        with open(self.path, "wb") as file:
            os.fchown(file.fileno(), user.uid, user.gid)
        harness.run(["truncate", "-s", size, self.path], check=True)
        harness.run([MKE2FS, "-q", "-F", *(options or ["-t", "ext4"]), self.path], check=True)

    def expect_clean(self):
        """Fails unless e2fsck, looking everywhere, has nothing to say, and nobody has it open."""
        result = harness.run([E2FSCK, "-fn", self.path])
        expect_equal(result.status, 0, str(result))
        passes = [line for line in result.stdout.splitlines() if line.startswith("Pass ")]
        expect_equal((len(passes), len(result.stdout.splitlines())), (5, 6), str(result))
        state = harness.run(["dumpe2fs", "-h", self.path],
                            env={"PATH": SYSTEM}).stdout.partition("Filesystem state:")[2]
        expect_equal(state.split("\n")[0].strip(), "clean")

    def holders(self):
        """Processes that have it open."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                links = [os.readlink(f"/proc/{name}/fd/{fd}")
                         for fd in os.listdir(f"/proc/{name}/fd")]
            except OSError:  # it ended meanwhile
                continue
            if self.path in links:
                found.append(int(name))
        return found

    def wait_until_closed(self):
        wait_until(lambda: not self.holders(), lambda: f"open in {self.holders()}")


def shell(script):
    return ["--", "/bin/sh", "-c", script]


def write_much(directory):
    """A job that changes the image in many ways, and has a file open that has no name any more."""
    return (f"mkdir -p {directory} && cd {directory} && for n in 1 2 3 4 5 6 7 8 9; do "
            "head -c $((n * 50000)) /dev/zero >f$n; mkdir d$n; ln f$n d$n/link; mv f$n d$n/moved; "
            "done; rm d3/link d4/*; rmdir d4; exec 9>gone; echo words >&9; rm gone; ")


def masked():
    """Runs a command of the ordinary user where a new /proc is refused, as in a container."""
    return ["unshare", "-Urm", "/bin/sh", "-c",
            "mount --bind /dev/null /proc/version && "
            f'exec unshare -U --map-user={USER.uid} --map-group={USER.gid} "$@"', "sh"]


def started(tree, image, script, prefix=(), repositories=("a.example.org",)):
    """A run whose job has changed the image and does so still."""
    command = [*prefix, *tree.command("-m", image.path, *repositories, *shell(script))]
    process = harness.start(command, user=tree.user, cwd="/")
    wait_for_output(process, b"ready\n")
    return process


BUSY = write_much("/e2fs/work") + ("echo ready; while :; do echo more >/e2fs/work/again; "
                                   "mv /e2fs/work/again /e2fs/work/other; done")


@test
def the_image_is_mounted_for_the_run_and_the_job_may_write_to_it():
    tree, image = Tree(), Image()
    result = tree.cvmfsexec("-m", image.name, "a.example.org", "b.example.org", *shell(
        "echo words >/e2fs/file && cat /e2fs/file && stat -c %u:%g /e2fs /e2fs/file && "
        "df -h | grep -c /cvmfs; grep -c ' /e2fs ' /proc/self/mounts; exit 7"),
        cwd=image.directory)
    owner = f"{tree.user.uid}:{tree.user.gid}"
    expect_equal((result.status, result.stdout, result.stderr),
                 (7, f"words\n{owner}\n{owner}\n2\n1\n", ""), str(result))
    image.expect_clean()
    tree.expect_nothing_left()
    result = tree.cvmfsexec("--image", image.path, "--", "cat", "/e2fs/file")
    expect_equal(result.stdout, "words\n", str(result))


@test
def the_job_gets_neither_capabilities_nor_descriptors_with_it():
    tree, image = Tree(), Image()
    result = tree.cvmfsexec("-N", "-m", image.path, *shell(
        "grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status; exec ls /proc/self/fd"))
    words = result.stdout.split()
    expect_equal(words[1:8:2], ["0000000000000000"] * 4)
    expect_equal(words[8:], ["0", "1", "2", "3"])  # 3 is the directory that ls reads


@test
def every_kind_of_image_is_clean_after_many_changes():
    tree = Tree()
    kinds = (["-t", "ext2"], ["-t", "ext3"], ["-t", "ext4"], ["-t", "ext4", "-O", "^has_journal"],
             ["-t", "ext4", "-b", "4096", "-E", f"root_owner={USER.uid}:{USER.gid}"])
    for options in kinds:
        image = Image(*options)
        result = tree.cvmfsexec("-m", image.path, *shell(write_much("/e2fs/work")))
        expect_equal((result.status, result.stderr), (0, ""), str(result))
        image.expect_clean()


@test
def signals_to_the_launcher_leave_a_clean_image():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        tree, image = Tree(), Image()
        process = started(tree, image, BUSY)
        process.signal(number)
        expect_equal(process.wait().status, 128 + number)
        image.expect_clean()  # at once: the launcher has waited
        tree.expect_nothing_left()


@test
def signals_to_everybody_leave_a_clean_image():
    for number in (signal.SIGTERM, signal.SIGINT):
        tree, image = Tree(), Image()
        process = started(tree, image, "trap '' TERM INT; " + write_much("/e2fs/work") +
                          "echo ready; read line; echo more >/e2fs/work/more && exit 5",
                          repositories=())
        for pid in tree.processes():
            os.kill(pid, number)
        expect_equal(process.wait().status, 5)
        image.expect_clean()
        tree.expect_nothing_left()


@test
def killed_processes_leave_a_clean_image():
    def outer(process):
        return process.pid

    def process_one(process):
        return child(process.pid)

    def job(process):
        return child(child(process.pid), "sh")

    for victim in (outer, process_one, job):
        tree, image = Tree(), Image()
        process = started(tree, image, BUSY)
        os.kill(victim(process), signal.SIGKILL)
        expect_equal(process.wait().status, 137)
        image.wait_until_closed()
        image.expect_clean()
        tree.expect_nothing_left()


def child(pid, name=None):
    """The one child, of this name."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                line = file.read()
        except OSError:  # it ended meanwhile
            continue
        command, _, rest = line.partition("(")[2].rpartition(")")
        if int(rest.split()[1]) == pid and name in (None, command):
            found.append(int(entry))
    expect_equal(len(found), 1, f"children of {pid} called {name}")
    return found[0]


@test
def without_a_pid_namespace_the_image_is_clean_too():
    prefix = masked()
    tree, image = Tree(), Image()
    result = harness.run([*prefix, *tree.command("-m", image.path, "a.example.org", *shell(
        write_much("/e2fs/work")))], user=tree.user, cwd="/")
    expect_equal((result.status, result.stderr), (0, ""), str(result))
    image.expect_clean()
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = started(tree, image, BUSY, prefix)
        process.signal(number)
        expect_equal(process.wait().status, 128 + number)
        image.wait_until_closed()
        image.expect_clean()
        tree.expect_nothing_left()


@test
def a_job_in_a_mount_namespace_of_its_own_and_one_left_behind_do_not_matter():
    tree, image = Tree(), Image()
    result = tree.cvmfsexec("-m", image.path, *shell(
        "unshare -Urm sh -c 'echo ready >/e2fs/f; exec sleep 1000' "
        f"{shlex.quote(tree.home)} >/dev/null & until [ -s /e2fs/f ]; do :; done"))
    expect_equal((result.status, result.stderr), (0, ""), str(result))
    image.expect_clean()
    tree.expect_nothing_left()


@test
def one_cvmfsexec_with_an_image_works_inside_another():
    tree, outer, inner = Tree(), Image(), Image()
    command = shlex.join(tree.command("-m", inner.path, *shell("echo inner >/e2fs/file")))
    result = tree.cvmfsexec("-m", outer.path, *shell(
        f"echo outer >/e2fs/file; {command}; cat /e2fs/file"))
    expect_equal((result.stdout, result.stderr), ("outer\n", ""), str(result))
    for image in (outer, inner):
        image.expect_clean()


@test
def a_second_run_on_the_same_image_is_refused():
    tree, image = Tree(), Image()
    process = started(tree, image, "echo ready; exec sleep 1000")
    result = tree.cvmfsexec("-m", image.path, "--", "echo", "ran")
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in(image.path, result.stderr)
    expect_in("in use by another cvmfsexec", result.stderr)
    process.signal(signal.SIGTERM)
    expect_equal(process.wait().status, 143)
    expect_equal(tree.cvmfsexec("-m", image.path, "--", "true").status, 0)


@test
def what_is_no_image_is_refused_with_words():
    tree, image = Tree(), Image()

    def file(name, content=b"", mode=0o644):
        path = os.path.join(image.directory, name)
        with open(path, "wb") as stream:
            stream.write(content)
            os.fchown(stream.fileno(), USER.uid, USER.gid)
        os.chmod(path, mode)
        return path

    fifo = os.path.join(image.directory, "fifo")
    os.mkfifo(fifo)
    rows = [("/no/such/image", "No such file"), (image.directory, "not a regular file"),
            (fifo, "not a regular file"), ("/dev/null", "not a regular file"),
            (file("empty"), "no ext2, ext3 or ext4"), (file("short", b"x" * 1500), "no ext2"),
            (file("other", b"x" * 70000), "no ext2"), (file("a,b", b"\0" * 70000), "no ext2")]
    if USER.uid != 0:
        rows.append((file("closed", mode=0o444), "must be writable"))
    for path, words in rows:
        result = tree.cvmfsexec("-m", path, "--", "echo", "ran")
        expect_equal((result.status, result.stdout), (1, ""), str(result))
        expect_in(path, result.stderr)
        expect_in(words, result.stderr)
    comma = Image(name="a,b")
    expect_in("','", tree.cvmfsexec("-m", comma.path, "--", "echo", "ran").stderr)
    dash = Image(name="-o")
    result = tree.cvmfsexec("--image=-o", "--", "echo", "ran", cwd=dash.directory)
    expect_equal((result.stdout, result.stderr), ("ran\n", ""), str(result))


@test
def an_image_that_was_not_unmounted_is_refused_with_the_command_that_repairs_it():
    tree, image = Tree(), Image()
    process = started(tree, image, BUSY)
    for pid in image.holders():
        os.kill(pid, signal.SIGKILL)
    process.signal(signal.SIGTERM)
    result = process.wait()
    expect_equal(result.status, 143, str(result))
    image.wait_until_closed()
    tree.expect_nothing_left()
    result = tree.cvmfsexec("-m", image.path, "--", "echo", "ran")
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in(f"e2fsck -p {image.path}", result.stderr)
    expect_in(harness.run([E2FSCK, "-p", image.path]).status, (0, 1))
    expect_equal(tree.cvmfsexec("-m", image.path, "--", "true").status, 0)
    image.expect_clean()


@test
def when_fuse2fs_is_killed_the_run_goes_on_and_says_so_at_the_end():
    tree, image = Tree(), Image()
    reader, writer = os.pipe()
    process = tree.start("-m", image.path, *shell("echo ready; read line; ls /e2fs 2>/dev/null || "
                                                  "echo gone; exit 3"), stdin=reader)
    os.close(reader)
    wait_for_output(process, b"ready\n")
    (fuse2fs,) = [pid for pid in image.holders() if name_of(pid) != "cvmfsexec"]
    os.kill(fuse2fs, signal.SIGKILL)
    wait_until(lambda: fuse2fs not in image.holders(), lambda: "fuse2fs lives")
    os.close(writer)
    result = process.wait()
    expect_equal((result.status, result.stdout), (3, "ready\ngone\n"), str(result))
    expect_in("fuse2fs was ended by signal 9", result.stderr)


def name_of(pid):
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()


@test
def where_fuse_is_closed_the_message_says_what_opens_it():
    tree, image = Tree(), Image()
    command = shlex.join(tree.command("-m", image.path, "--", "echo", "ran"))
    result = harness.run(["unshare", "-Urm", "/bin/sh", "-c",
                          f"mount --bind /dev/null /dev/fuse && exec {command}"], user=tree.user,
                         cwd="/")
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("mounting the image", result.stderr)
    image.wait_until_closed()
    image.expect_clean()


@test
def without_fuse2fs_the_message_names_the_package():
    tree, image = Tree(), Image()
    hide = "".join(f"for d in {SYSTEM.replace(':', ' ')}; do [ -e $d/fuse2fs ] && "
                   "mount --bind /dev/null $d/fuse2fs; done; ")
    command = shlex.join(tree.command("-m", image.path, "--", "echo", "ran"))
    result = harness.run(["unshare", "-Urm", "/bin/sh", "-c", hide + f"exec {command}"],
                         user=tree.user, cwd="/")
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("the package fuse2fs", result.stderr)


@test
def repositories_are_told_to_keep_their_cache_there_unless_configured():
    image = Image()
    script = ("\"$CVMFSMOUNT\" b.example.org; grep -h CVMFS_CACHE_BASE /cvmfs/*/config || echo none")
    result = Tree().cvmfsexec("-m", image.path, "a.example.org", *shell(script))
    expect_equal(result.stdout, "CVMFS_CACHE_BASE='/e2fs/cvmfscache'\n" * 2, str(result))
    result = Tree(parameters=["CVMFS_CACHE_BASE=/elsewhere"]).cvmfsexec(
        "-m", image.path, "a.example.org", *shell(script))
    expect_equal(result.stdout, "CVMFS_CACHE_BASE='/elsewhere'\n" * 2, str(result))
    expect_equal(Tree().cvmfsexec("a.example.org", *shell(script)).stdout, "none\n")


class Site:
    """A native distribution, with its own fuse2fs, and two repositories on a server."""

    def __init__(self):
        generator = random.Random(1)
        small = {f"d/{number}": generator.randbytes(3000) for number in range(50)}
        large = {f"f{number}": generator.randbytes(700000) for number in range(40)}
        self.sums = {fqrn: digest(files[name] for name in sorted(files))
                     for fqrn, files in ((SMALL, small), (LARGE, large))}
        repositories = [harness.make_repository(fqrn, files=files)
                        for fqrn, files in ((SMALL, small), (LARGE, large))]
        self.directory = os.path.join(harness.temporary_directory(USER), "a site é")
        os.mkdir(self.directory)
        for entry in os.scandir(harness.build_directory()):
            if entry.is_file():
                shutil.copy2(entry.path, self.directory)
        harness.run([os.path.join(self.directory, "makedist"), "-qn", "none"], check=True)
        self.servers = [self.configure(repository) for repository in repositories]
        harness.run(["chown", "-R", f"{USER.uid}:{USER.gid}", self.directory], check=True)
        self.cache = os.path.join(self.directory, "dist/var/lib/cvmfs")

    def configure(self, repository):
        etc = os.path.join(self.directory, "dist/etc/cvmfs")
        server = harness.FaultServer(repository.webroot)
        shutil.copy(repository.public_key, os.path.join(etc, "keys"))
        with open(os.path.join(etc, "config.d", repository.fqrn + ".conf"), "w") as file:
            file.write(f"CVMFS_SERVER_URL={server.url}/cvmfs/@fqrn@\nCVMFS_HTTP_PROXY=DIRECT\n"
                       f"CVMFS_PUBLIC_KEY=/etc/cvmfs/keys/{repository.fqrn}.pub\n"
                       "CVMFS_MAX_RETRIES=0\nCVMFS_TIMEOUT_DIRECT=2\n")
        return server

    def run(self, *arguments, **options):
        return harness.run([os.path.join(self.directory, "cvmfsexec"), *arguments], user=USER,
                           cwd="/", timeout=300, **options)


def digest(contents):
    total = hashlib.sha256()
    for content in contents:
        total.update(content)
    return total.hexdigest()


def read_all(fqrn):
    return f"LC_ALL=C; export LC_ALL; cat $(find /cvmfs/{fqrn} -type f | sort) | sha256sum"


@test
def the_cache_is_in_the_image_and_the_next_run_needs_no_server():
    site, image = Site(), Image("-t", "ext4", size="64M")
    result = site.run("-m", image.path, SMALL, *shell(
        f"{read_all(SMALL)}; ls /e2fs; tr '\\0' ' ' </proc/mounts | grep ' /e2fs '"))
    expect_equal(result.status, 0, str(result))
    expect_in(site.sums[SMALL], result.stdout)
    expect_in("cvmfscache", result.stdout)
    expect_equal(os.listdir(site.cache), [], "the other cache")
    image.expect_clean()
    for server in site.servers:
        server.stop()
    result = site.run("-m", image.path, SMALL, *shell(read_all(SMALL)))
    expect_equal(result.status, 0, str(result))
    expect_in(site.sums[SMALL], result.stdout)
    image.expect_clean()


@test
def the_distribution_s_own_fuse2fs_serves_it():
    site, image = Site(), Image()
    process = harness.start([os.path.join(site.directory, "cvmfsexec"), "-m", image.path,
                             *shell("echo ready; exec sleep 1000")], user=USER, cwd="/",
                            env={"LD_PRELOAD": "/no/such/library.so"})
    wait_for_output(process, b"ready\n")
    executables = {os.readlink(f"/proc/{pid}/exe") for pid in image.holders()}
    process.signal(signal.SIGTERM)
    process.wait()
    libraries = os.path.join(site.directory, "dist/usr/lib64")
    (loader,) = [name for name in executables if not name.endswith("/cvmfsexec")]
    assert re.fullmatch(re.escape(libraries) + r"/ld.*\.so\.\d", loader), executables
    image.expect_clean()


@test
def a_full_image_loses_nothing():
    site, image = Site(), Image(size="16M")
    for _ in range(2):
        result = site.run("-m", image.path, LARGE, *shell(
            f"{read_all(LARGE)}; df -P /e2fs | tail -1"))
        expect_equal(result.status, 0, str(result))
        expect_in(site.sums[LARGE], result.stdout)
        image.expect_clean()


harness.main()
