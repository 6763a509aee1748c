#!/usr/bin/env python3
"""cvmfsexec on hosts of many kinds: what their root directory and their /cvmfs may be, where it may
be called from, and inside of what. It must work, and nothing else must be seen or left."""

import os
import select
import shlex
import shutil
import struct
import threading

import harness
from harness import expect_equal, test
from hostroot import Host, entries_of_root
from launchtree import Tree

harness.require_fuse_userns()

# Which repositories there are, as a job may ask for it.
SHOW = ("cat /cvmfs/*/fqrn; ls -A /cvmfs; df -h | grep -c /cvmfs; grep -c ' /cvmfs/' /proc/mounts")
SHOWN = "a.example.org\nb.example.org\n" * 2 + "2\n2\n"


def shows(tree, host, show=SHOW, **options):
    """The result of a job that shows two repositories."""
    result = host.run(tree.command("a.example.org", "b.example.org", "--", "sh", "-c", show),
                      tree.user, **options)
    tree.expect_nothing_left()
    return result


def check(host, tree=None, further=()):
    """Fails unless a job on that host sees just its repositories, and no trace of the making; the
    root directory has the further entries besides those of this host's."""
    tree = tree or Tree()
    result = shows(tree, host)
    expect_equal((result.status, result.stdout, result.stderr), (0, SHOWN, ""), str(result))
    result = shows(tree, host, "ls -A /; awk '{print $5}' /proc/self/mountinfo >&2")
    expect_equal(set(result.stdout.split("\n")), {*entries_of_root(), *further, "cvmfs", ""})
    ours = [name for name in result.stderr.split("\n") if name.startswith("/cvmfs/")]
    expect_equal(sorted(ours), ["/cvmfs/a.example.org", "/cvmfs/b.example.org"])
    stacked = [name for name in result.stderr.split("\n") if name in ("/", "/proc/self")]
    expect_equal(stacked, ["/"], "the root directories")


@test
def where_there_is_no_cvmfs_a_root_directory_with_one_takes_the_place_of_the_hosts():
    check(Host())
    expect_equal(shows(Tree(), Host(), "stat -fc %T /").stdout, "tmpfs\n")


@test
def where_there_is_a_directory_the_root_directory_stays():
    check(Host("mkdir cvmfs"))
    # The one that was made is a file system of this name.
    result = shows(Tree(), Host("mkdir cvmfs"), "awk '$5 == \"/\" {print $(NF - 1)}' "
                                                "/proc/self/mountinfo")
    expect_equal(result.stdout, "host\n", str(result))


@test
def a_directory_that_nobody_may_read_does_as_well():
    check(Host("mkdir -m 0 cvmfs"))


@test
def a_link_is_replaced_by_a_directory_wherever_it_leads():
    for target in ("usr/lib", "nowhere", "/cvmfs", "/home", "/proc/self/cwd"):
        check(Host(f"ln -s {target} cvmfs"))


@test
def a_file_is_replaced_by_a_directory():
    check(Host("touch cvmfs"))


@test
def of_what_the_host_has_mounted_there_nothing_is_seen():
    for script in ("mkdir cvmfs; mount -t tmpfs -o mode=755 x cvmfs; mkdir cvmfs/host.example.org",
                   "mkdir -p cvmfs/a.example.org; mount -t tmpfs x cvmfs/a.example.org",
                   "mkdir cvmfs; mount -t tmpfs x cvmfs; mkdir -p cvmfs/host.example.org/deep; "
                   "mount -t tmpfs y cvmfs/host.example.org/deep"):
        check(Host(script))


@test
def a_root_directory_that_cannot_be_written_to_is_enough():
    check(Host(read_only=True))
    check(Host("mkdir cvmfs", read_only=True))


@test
def entries_of_the_root_directory_of_every_kind_are_taken_over():
    script = ("mkdir -m 0 closed; mkdir -m 700 own; echo words >own/file; touch secret; "
              "chmod 0 secret; echo text >readable; mkfifo fifo; ln -s nowhere dangling; "
              "ln -s readable link; touch -- 'with a blank' -n .hidden; mkdir 'dir é'; "
              "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'")
    tree = Tree()
    made = {"closed", "own", "secret", "readable", "fifo", "dangling", "link", "with a blank", "-n",
            ".hidden", "dir é", "socket"}
    check(Host(script), tree, made)
    result = shows(tree, Host(script), "cd /; cat readable own/file link; "
                                       "stat -c '%n %F %a' -- closed secret fifo socket "
                                       "dangling -n")
    expect_equal(result.stdout.split("\n")[:-1], ["text", "words", "text", "closed directory 0",
                                 "secret regular empty file 0", "fifo fifo 644",
                                 "socket socket 755", "dangling symbolic link 777",
                                 "-n regular empty file 644"])


@test
def a_mount_of_the_host_in_the_root_directory_is_there_with_what_is_mounted_in_it():
    result = shows(Tree(), Host("mkdir scratch; mount -t tmpfs -o mode=755 x scratch; "
                                "mkdir scratch/deep; mount -t tmpfs y scratch/deep; "
                                "echo words >scratch/deep/file"), "cat /scratch/deep/file")
    expect_equal(result.stdout, "words\n", str(result))


class Automounter(threading.Thread):
    """The daemon's side of an autofs: denies whatever is asked for, and remembers that it was."""

    def __init__(self):
        super().__init__(daemon=True)
        self.reader, self.writer = os.pipe()
        self.stop = os.pipe()
        self.asked = []
        harness.at_end(self.close)
        self.start()

    def mount_script(self):
        """Mounts it; whoever does this becomes the daemon for the kernel."""
        return (f"mkdir cvmfs; mount -t autofs -o fd={self.writer},pgrp={os.getpgrp()},minproto=5,"
                "maxproto=5,indirect automount cvmfs")

    def run(self):
        packet = struct.Struct("iiIIIQIIIII256s")
        while True:
            ready, _, _ = select.select([self.reader, self.stop[0]], [], [])
            if self.reader not in ready:
                return
            data = os.read(self.reader, 4096)
            if len(data) >= packet.size:
                self.asked.append(packet.unpack_from(data)[-1].rstrip(b"\0").decode())

    def close(self):
        os.write(self.stop[1], b"x")
        self.join()
        for fd in (self.reader, self.writer, *self.stop):
            os.close(fd)


@test
def an_automounter_at_cvmfs_is_asked_for_nothing():
    with open("/proc/filesystems") as file:
        if "autofs" not in file.read():
            harness.skip("this kernel has no autofs")
    automounter = Automounter()
    host = Host(automounter.mount_script(), privileged=True)
    tree = Tree()
    result = shows(tree, host, pass_fds=[automounter.writer])
    expect_equal((result.status, result.stdout, result.stderr), (0, SHOWN, ""), str(result))
    expect_equal(automounter.asked, [])


@test
def as_root_too_whatever_cvmfs_is():
    for script in ("true", "mkdir cvmfs", "ln -s usr cvmfs",
                   "mkdir cvmfs; mount -t tmpfs x cvmfs; mkdir cvmfs/host.example.org"):
        check(Host(script, privileged=True), Tree(user=harness.ROOT))


@test
def a_user_of_a_host_with_namespaces_of_root_alone_is_served():
    for script in ("true", "mkdir cvmfs"):
        check(Host(script, privileged=True))


@test
def a_working_directory_that_may_not_be_entered_does_no_harm():
    tree = Tree()
    for script in ("true", "mkdir cvmfs"):
        place = os.path.join(tree.directory, "closed")
        os.mkdir(place)
        os.chown(place, tree.user.uid, tree.user.gid)
        command = tree.command("a.example.org", "--", "cat", "/cvmfs/a.example.org/fqrn")
        closing = ["/bin/sh", "-c", 'chmod 0 . && exec "$@"', "sh", *command]
        result = Host(script, cwd=place).run(closing, tree.user)
        expect_equal((result.status, result.stdout), (0, "a.example.org\n"), str(result))
        os.rmdir(place)


@test
def a_working_directory_that_is_gone_stays_what_it_was():
    tree = Tree()
    for script in ("true", "mkdir cvmfs"):
        place = os.path.join(tree.directory, "gone")
        os.mkdir(place)
        command = tree.command("--", "sh", "-c", "ls -A; cd .. 2>/dev/null; echo ended")
        removing = ["/bin/sh", "-c", 'rmdir "$0" && exec "$@"', place, *command]
        result = Host(script, cwd=place).run(removing, tree.user)
        expect_equal((result.status, result.stdout), (0, "ended\n"), str(result))


@test
def a_working_directory_in_the_hosts_cvmfs_becomes_that_of_ours():
    script = ("mkdir cvmfs; mount -t tmpfs -o mode=755 x cvmfs; mkdir -p cvmfs/a.example.org "
              "cvmfs/other.example.org/deep")
    for place, expected in (("/cvmfs/a.example.org", "/cvmfs/a.example.org"), ("/cvmfs", "/cvmfs"),
                            ("/cvmfs/other.example.org/deep", "/cvmfs")):
        result = shows(Tree(), Host(script, cwd=place), "/bin/pwd")
        expect_equal((result.status, result.stdout), (0, expected + "\n"), str(result))


@test
def the_old_root_directory_is_reached_by_no_path():
    tree = Tree()
    result = shows(tree, Host("touch mark"), "ls -d /mark /proc/*/root/mark /proc/*/cwd/mark | "
                                            "sort; stat -c %n /..; ls -A /.. | grep -c cvmfs; "
                                            "awk '$5 == \"/\"' /proc/self/mountinfo | wc -l")
    expect_equal(result.stdout.split("\n")[-4:], ["/..", "1", "1", ""], str(result))


@test
def one_inside_another_inside_a_third_sees_its_own_only():
    for script in ("true", "mkdir cvmfs"):
        tree = Tree()
        inner = tree.command("a.example.org", "b.example.org", "--", "sh", "-c", SHOW)
        middle = tree.command("c.example.org", "--", "sh", "-c", shlex.join(inner) +
                              "; ls -A /cvmfs; df -h | grep -c /cvmfs")
        result = Host(script).run(tree.command("d.example.org", "a.example.org", "--", *middle),
                                  tree.user)
        expect_equal((result.stdout, result.stderr), (SHOWN + "c.example.org\n1\n", ""),
                     str(result))
        tree.expect_nothing_left()


@test
def no_directory_for_scratch_is_used_anywhere():
    tree = Tree()
    place = harness.temporary_directory(tree.user)
    before = os.listdir("/")
    result = harness.run(tree.command("a.example.org", "--", "true"), user=tree.user, cwd=place,
                         env={"TMPDIR": place, "HOME": place, "XDG_RUNTIME_DIR": place})
    expect_equal((result.status, os.listdir(place), os.listdir("/")), (0, [], before))
    # Not even for a moment: nothing that could hold one may be written to.
    command = shlex.join(tree.command("a.example.org", "--", "cat", "/cvmfs/a.example.org/fqrn"))
    result = Host("mount -o remount,bind,ro tmp; mount -t tmpfs -o ro x var/tmp; "
                  "mount -t tmpfs -o ro y run; mount -t tmpfs -o ro z dev/shm",
                  read_only=True).run(["sh", "-c", f"{command}"], tree.user)
    expect_equal(result.stdout, "a.example.org\n", str(result))


def bubblewrap(*options):
    """Skips the test without it."""
    program = shutil.which("bwrap")
    if not program:
        harness.skip("no bubblewrap")
    command = [program, *options, "--"]
    result = harness.run([*command, "true"], user=harness.ORDINARY, cwd="/")
    if result.status:
        harness.skip(f"bubblewrap does not work here: {result.stderr}")
    return command


@test
def inside_bubblewrap():
    tree = Tree()
    for options in (["--dev-bind", "/", "/"],
                    ["--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc"],
                    ["--bind", "/", "/", "--dev", "/dev", "--dev-bind", "/dev/fuse", "/dev/fuse",
                     "--proc", "/proc", "--unshare-all", "--die-with-parent"],
                    ["--ro-bind", "/usr", "/usr", "--symlink", "usr/lib64", "/lib64", "--symlink",
                     "usr/lib", "/lib", "--symlink", "usr/bin", "/bin", "--proc", "/proc", "--dev",
                     "/dev", "--dev-bind", "/dev/fuse", "/dev/fuse", "--bind", tree.directory,
                     tree.directory, "--unshare-pid", "--dir", "/cvmfs"]):
        command = tree.command("a.example.org", "b.example.org", "--", "sh", "-c", SHOW)
        result = harness.run([*bubblewrap(*options), *command], user=tree.user, cwd="/")
        expect_equal((result.status, result.stdout, result.stderr), (0, SHOWN, ""), str(result))
        tree.expect_nothing_left()


@test
def inside_a_container_that_masks_its_proc():
    script = ("mkdir {0}; mount -t tmpfs -o ro x proc/acpi 2>/dev/null || true; "
              "for f in kcore keys timer_list version; do "
              "[ ! -e proc/$f ] || mount --bind /dev/null proc/$f; done; "
              "mount -t tmpfs -o ro y sys/firmware 2>/dev/null || true")
    check(Host(script.format("cvmfs")))
    check(Host(script.format("another")), further=["another"])


def podman(tree, *options):
    """Skips the test without it. Its containers have a file system of their own, but of what this
    host has: nothing is downloaded."""
    if not shutil.which("podman"):
        harness.skip("no podman")
    if harness.ME.uid != 0:
        harness.skip("the tests do not run as root")
    place = harness.temporary_directory()
    for name in ("usr", "dev", "proc", "sys", "tmp", "etc", "run", "var/tmp"):
        os.makedirs(os.path.join(place, "root", name))
    for name in ("bin", "lib", "lib64", "sbin"):
        os.symlink(f"usr/{name}", os.path.join(place, "root", name))
    user = f"{tree.user.uid}:{tree.user.gid}"
    # Which of these work depends on the host's control groups.
    for variant in (["--cgroups=disabled"], ["--cgroups=enabled"]):
        runtime = [f"--runtime={name}" for name in ("runc",)
                   if variant == ["--cgroups=enabled"] and shutil.which(name)]
        command = ["podman", "--root", place + "/store", "--runroot", place + "/run",
                   "--cgroup-manager=cgroupfs", "--events-backend=none", "--storage-driver=vfs",
                   *runtime, "run", "--rm", "--network=none", "--log-driver=k8s-file", *variant,
                   "--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096", "--volume=/usr:/usr:ro",
                   f"--volume={tree.directory}:{tree.directory}", f"--user={user}", *options,
                   "--rootfs", place + "/root"]
        result = harness.run([*command, "true"], cwd="/")
        if result.status == 0:
            return command
    harness.skip(f"podman does not work here: {result.stderr}")


@test
def inside_podman_with_the_device_and_without_a_filter_of_system_calls():
    tree = Tree()
    container = podman(tree, "--device=/dev/fuse", "--security-opt=seccomp=unconfined")
    command = tree.command("a.example.org", "b.example.org", "--", "sh", "-c", SHOW)
    result = harness.run([*container, *command], cwd="/")
    expect_equal((result.status, result.stdout), (0, SHOWN), str(result))
    tree.expect_nothing_left()


@test
def inside_podman_as_it_comes_the_message_names_what_is_missing():
    tree = Tree()
    result = harness.run([*podman(tree), *tree.command("a.example.org", "--", "true")], cwd="/")
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    assert "seccomp" in result.stderr or "--device /dev/fuse" in result.stderr, str(result)
    tree.expect_nothing_left()


harness.main()
