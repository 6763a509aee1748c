"""A tree like an extracted .cvmfsexec, for tests of the programs in it.

    tree = launchtree.Tree()
    result = tree.cvmfsexec("a.example.org", "--", "ls", "/cvmfs")

Its client is tests/e2e/standin_client; the directory's path has a blank and a letter beyond ASCII.
"""

import glob
import os
import pwd
import shlex
import shutil
import time

import harness

PROGRAMS = ["cvmfsexec", "mountrepo", "umountrepo"]
# fusermount wants a user with a name.
NAMED = harness.User(*pwd.getpwnam("nobody")[2:4]) if harness.ME.uid == 0 else harness.ME
STANDIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "standin_client")


class Tree:
    def __init__(self, config_repository=None, parameters=(), user=harness.ORDINARY, parent=None):
        self.user = user
        self.directory = os.path.join(parent or harness.temporary_directory(user), "a tree é")
        self.home = os.path.join(self.directory, ".cvmfsexec")
        for name in ("usr/bin", "usr/lib64", "etc/cvmfs/default.d", "cvmfs"):
            os.makedirs(self.path("dist", name))
        for name in PROGRAMS:
            shutil.copy2(harness.program(name), self.home)
        shutil.copy2(STANDIN, self.path("dist/usr/bin/cvmfs2"))
        lines = list(parameters)
        if config_repository:
            lines.append(f"CVMFS_CONFIG_REPOSITORY={config_repository}")
        self.write("dist/etc/cvmfs/default.d/50-test.conf", "".join(f"{x}\n" for x in lines))
        self._give_away()

    def _give_away(self):
        if harness.ME.uid == 0:
            harness.run(["chown", "-R", f"{self.user.uid}:{self.user.gid}", self.directory],
                        check=True)

    def path(self, *names):
        return os.path.join(self.home, *names)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def give_away(self, name):
        """What the test has made in the tree as root becomes its user's."""
        if harness.ME.uid == 0:
            harness.run(["chown", "-hR", f"{self.user.uid}:{self.user.gid}", self.path(name)],
                        check=True)

    def use_native_client(self, pattern="*"):
        """Lets our own client serve the repositories whose names match; the stand-in all others."""
        shutil.copy2(STANDIN, self.path("dist/usr/bin/standin"))
        self.write("dist/usr/bin/cvmfs2", f"""#!/bin/sh
case $3 in
{pattern}) exec {shlex.quote(harness.program("cvmfs2"))} "$@" ;;
esac
exec "${{0%/*}}/standin" "$@"
""", 0o755)

    def command(self, *arguments):
        return [self.path("cvmfsexec"), *arguments]

    def cvmfsexec(self, *arguments, **options):
        """Runs it to its end."""
        options.setdefault("cwd", "/")
        return harness.run(self.command(*arguments), user=self.user, **options)

    def start(self, *arguments, **options):
        """Starts it."""
        options.setdefault("cwd", "/")
        return harness.start(self.command(*arguments), user=self.user, **options)

    def run(self, program, *arguments, **options):
        """Runs another of its programs."""
        return harness.run([self.path(program), *arguments], user=self.user, cwd="/", **options)

    def processes(self):
        """Processes of the host that were started from this tree, as {pid: arguments}."""
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    line = os.fsdecode(file.read())
            except OSError:  # it ended meanwhile
                continue
            if self.home in line:
                found[int(name)] = line.rstrip("\0").split("\0")
        return found

    def mounts(self):
        """Lines of the host's mount table that name this tree."""
        home = self.home.replace(" ", "\\040")
        with open("/proc/self/mountinfo") as file:
            return [line for line in file if home in line]

    def expect_nothing_left(self):
        """Fails unless all processes end, and no mount nor file but the log stays."""
        wait_until(lambda: not self.processes(), lambda: f"left: {self.processes()}")
        harness.expect_equal(self.mounts(), [], "mounts")
        files = []
        for directory, _, names in os.walk(self.home):
            files += [os.path.relpath(os.path.join(directory, name), self.home) for name in names]
        extra = [name for name in files if not name.startswith("log/")]
        harness.expect_equal(sorted(extra), sorted(
            [*PROGRAMS, "dist/usr/bin/cvmfs2", "dist/etc/cvmfs/default.d/50-test.conf"]), "files")


def children_of(pid):
    """Ids of the children of a process."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) == pid:
                        found.append(int(name))
            except OSError:  # it ended meanwhile
                pass
    return found


def name_of(pid):
    """The name of a process; None when there is none."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return None


def masked(user=harness.ORDINARY):
    """The beginning of a command that runs the rest of it where a new /proc is refused, as in a
    container."""
    return ["unshare", "-Urm", "/bin/sh", "-c",
            "mount --bind /dev/null /proc/version && "
            f'exec unshare -U --map-user={user.uid} --map-group={user.gid} "$@"', "sh"]


def wait_until(holds, why):
    """Waits until holds() is true; gives up after a long time, with the words why()."""
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(why())


def wait_for_output(process, words):
    """Waits until a started process has written these words to its standard output."""
    wait_until(lambda: words in process.output()[0] or not process.running(),
               lambda: f"no {words!r} in {process.output()}")
    harness.expect_in(words, process.output()[0])


# Where official_tree keeps its cache.
OFFICIAL_CACHE = "dist/var/lib/cvmfs/shared"


def official_tree(with_loader, **options):
    """A tree whose client is the stand-in for the official one (tests/official): as its packages
    lie there, or with the closure of its libraries and their loader."""
    tree = Tree(parameters=["CVMFS_CACHE_BASE=/var/lib/cvmfs",  # as of the package
                            "CVMFS_RELOAD_SOCKETS=/var/run/cvmfs"], **options)
    shutil.copy2(harness.program("official/cvmfs2"), tree.path("dist/usr/bin/cvmfs2"))
    module = harness.program("official/libcvmfs_fuse3_stub.so")
    libraries = [module, harness.program("official/libcvmfs_fuse3_private.so.1")]
    listed = harness.run(["ldd", module], check=True,
                         env={"LD_LIBRARY_PATH": os.path.dirname(module)}).stdout.splitlines()
    for line in listed:
        words = line.split()
        path = next((word for word in words if word.startswith("/")), None)
        if path and (with_loader or words[0].startswith("libfuse")):
            libraries.append(path)
    if with_loader:  # what the C library looks for when a thread is cancelled
        libraries += glob.glob("/lib/*-linux-gnu*/libgcc_s.so.1")
    for path in libraries:
        shutil.copy2(path, tree.path("dist/usr/lib64", os.path.basename(path)))
    return tree


def why_no_fusermount(make_tree):
    """Why fusermount cannot mount in a tree of that kind here, or None."""
    if not shutil.which("fusermount3") and not shutil.which("fusermount"):
        return "no fusermount"
    harness.try_fuse_in_user_namespace()  # opens /dev/fuse to users, as udev does
    with harness.scope():
        result = make_tree().run("mountrepo", "a.example.org")
    return result.stderr if result.status else None
