#!/usr/bin/env python3
"""Starts and kills: at random moments random processes of a run are killed, until it is over. Each
time no process, no mount and no file is left but in .cvmfsexec; in modes 1 and 2, in which the host
has the mounts, not after the next run. The client is the stand-in for the official one, which has
four processes. KILLS_SEED in the environment repeats a series."""

import os
import random
import shutil
import signal
import threading
import time

import harness
from harness import expect_equal, test
from launchtree import NAMED, Tree, official_tree, wait_until

harness.require_fuse_userns()

MARK = "CVMFSEXEC_TEST_RUN"
WORKERS = 4
SEED = os.environ.get("KILLS_SEED") or str(random.randrange(10 ** 9))
JOB = ["--", "/bin/sh", "-c", "sleep 1000 & setsid sleep 1000 & (cd /cvmfs/a.example.org && sleep "
       "1000 <fqrn) & sleep 1000"]


class Worker:
    """A tree and what is done in it, one after the other; several work at the same time."""

    def __init__(self, number, user, mode):
        self.random = random.Random(f"{SEED} {mode} {number}")
        self.parent = harness.temporary_directory(user, prefix="killed-")
        self.tree = official_tree(True, user=user, parent=self.parent)
        self.scratch = harness.temporary_directory(user, prefix="killed-")
        self.mark = f"{os.getpid()}-{mode}-{number}"
        self.env = {MARK: self.mark, "TMPDIR": self.scratch, "HOME": self.scratch,
                    "XDG_RUNTIME_DIR": self.scratch}
        if mode != 1:
            self.env["CVMFSEXEC_MODE"] = str(mode)
        self.longest = 0.1  # how long a start takes, or somewhat more

    def processes(self):
        """Ids of all that was started in this worker's runs, and has not ended."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if wanted in file.read().split(b"\0"):
                        found.append(int(name))
            except OSError:  # it ended, or is somebody else's
                pass
        return found

    def mounts(self):
        """Mount points of the host in the tree or beside it."""
        with open("/proc/self/mountinfo") as file:
            return [line.split()[4] for line in file if self.parent in line]

    def kill_one(self, found):
        try:
            os.kill(self.random.choice(found), signal.SIGKILL)
        except ProcessLookupError:
            pass

    def expect_no_process(self):
        wait_until(lambda: not self.processes(), lambda: f"left: {names(self.processes())}")

    def expect_no_file(self):
        """None outside of .cvmfsexec, that is."""
        expect_equal(os.listdir(self.tree.directory), [".cvmfsexec"], "in the tree's directory")
        expect_equal(os.listdir(self.parent), ["a tree é"], "beside the tree")
        expect_equal(os.listdir(self.scratch), [], "in directories for temporary files")
        expect_equal(sorted(os.listdir(self.tree.home)),
                     ["cvmfsexec", "dist", "log", "mountrepo", "umountrepo"])

    def run_and_kill(self):
        """One run that is killed until it is over."""
        before = time.monotonic()
        process = self.tree.start("a.example.org", "b.example.org", *JOB, env=self.env)
        time.sleep(self.random.uniform(0, self.longest))
        while process.running():
            found = self.processes()
            if found:
                self.kill_one(found)
            time.sleep(self.random.uniform(0, 0.02))
        process.wait()
        self.longest = max(self.longest, min(time.monotonic() - before, 0.3))
        self.expect_no_process()

    def one_inside(self):
        self.run_and_kill()
        expect_equal(self.mounts(), [])

    def one_outside(self):
        self.run_and_kill()
        if self.mounts():
            self.one_in_order()

    def one_in_order(self):
        """The next run tidies up, and works."""
        result = self.tree.cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/fqrn",
                                     env=self.env)
        expect_equal((result.status, result.stdout), (0, "a.example.org\n"), str(result))
        self.expect_no_process()
        expect_equal(self.mounts(), [])

    def one_on_the_host(self):
        """A mountrepo of which one or more processes are killed; what is left is unmounted."""
        process = harness.start([self.tree.path("mountrepo"), "a.example.org"], env=self.env,
                                user=self.tree.user, cwd="/")
        time.sleep(self.random.uniform(0, self.longest))
        for _ in range(self.random.randint(1, 3)):
            found = self.processes()
            if found:
                self.kill_one(found)
            time.sleep(self.random.uniform(0, 0.02))
        process.wait()
        self.wait_for_quiet()
        result = self.tree.run("umountrepo", "-z", "-a", env=self.env)
        expect_equal(result.status, 0, str(result))
        self.expect_no_process()
        expect_equal((self.mounts(), os.listdir(self.tree.path("dist/cvmfs"))), ([], []))

    def wait_for_quiet(self):
        """What goes on without its parent comes to its end, or to rest."""
        before, same = None, 0
        while same < 5:
            now = sorted(self.processes())
            same = same + 1 if now == before else 0
            before = now
            time.sleep(0.05)


def names(pids):
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found.append(file.read().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            pass
    return found


def series(count, user, mode, one):
    """Does it that often, on several trees at once; the first failure is that of the test."""
    harness.note(f"KILLS_SEED={SEED}")
    workers = [Worker(number, user, mode) for number in range(WORKERS)]
    for worker in workers:
        harness.at_end(worker.tree.run, "umountrepo", "-z", "-a")
    failures = []

    def work(worker):
        try:
            for _ in range(count // WORKERS):
                if not failures:
                    one(worker)
        except Exception as failure:  # raised again by the test
            failures.append(failure)

    threads = [threading.Thread(target=work, args=[worker]) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return workers


def why_no_fusermount():
    if not shutil.which("fusermount3") and not shutil.which("fusermount"):
        return "no fusermount"
    with harness.scope():
        tree = Tree(user=NAMED)
        harness.at_end(tree.run, "umountrepo", "-z", "-a")
        result = tree.run("mountrepo", "a.example.org")
    return result.stderr if result.status else None


@test
def two_hundred_kills_inside_leave_nothing():
    for worker in series(200, harness.ORDINARY, 3, Worker.one_inside):
        worker.one_in_order()
        worker.expect_no_file()


@test
def forty_kills_of_mountrepo_leave_nothing_after_umountrepo():
    reason = why_no_fusermount()
    if reason:
        harness.skip(reason)
    for worker in series(40, NAMED, 1, Worker.one_on_the_host):
        result = worker.tree.run("mountrepo", "a.example.org", env=worker.env)
        expect_equal(result.status, 0, str(result))
        expect_equal(worker.tree.run("umountrepo", "a.example.org").status, 0)
        worker.expect_no_process()
        worker.expect_no_file()


@test
def forty_kills_with_mounts_outside_leave_nothing_after_the_next_run():
    reason = why_no_fusermount()
    if reason:
        harness.skip(reason)
    for worker in series(40, NAMED, 2, Worker.one_outside):
        worker.one_in_order()
        worker.expect_no_file()


harness.main()
