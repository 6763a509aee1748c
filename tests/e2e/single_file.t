#!/usr/bin/env python3
"""The whole way: makedist's file, as an ordinary user, mounts real repositories from a server and
runs a job. What the stub alone does is in stub*.t, the launcher alone in launcher*.t, the client
alone in client*.t."""

import hashlib
import os
import random
import re
import shlex
import shutil
import signal
import time

import harness
from harness import expect_equal, expect_in, test

harness.require_fuse_userns()

MANY, ZOO, LONELY = "many.example.org", "zoo.example.org", "lonely.example.org"
BROKEN = {  # what is wrong with it, its parameters, the client's status and words
    "refused.example.org": ({"CVMFS_SERVER_URL": "http://127.0.0.1:1/cvmfs/@fqrn@"}, 16,
                            ["Failed to initialize root file catalog",
                             "host connection problem"]),
    "keyless.example.org": ({"CVMFS_PUBLIC_KEY": "/no/such/key"}, 15,
                            ["failed to load public key(s)", "/no/such/key"]),
    "proxyless.example.org": ({"CVMFS_HTTP_PROXY": ""}, 23,
                              ["failed to discover HTTP proxy servers"]),
    "tagless.example.org": ({"CVMFS_REPOSITORY_TAG": "nowhere"}, 22, ["no such tag: nowhere"]),
}
USER = harness.ORDINARY
READER = r"""
import hashlib, os, random, sys
names = [os.path.join(d, f) for d, _, fs in os.walk(sys.argv[1]) for f in fs]
random.Random(int(sys.argv[2])).shuffle(names)
wrong = 0
for name in names:
    with open(name, "rb") as file:
        wrong += not name.endswith(hashlib.sha256(file.read()).hexdigest()[:16])
print(len(names), wrong, flush=True)
"""
TREECHECK = os.path.join(harness.source_directory(), "tests/e2e/treecheck.py")


class Site:
    """Where the file is made: repositories, a server, a configuration, a bundle of it all."""

    def __init__(self):
        self.many = harness.make_repository(MANY, "--chunk-size", "100K", "--nested", "/d0*",
                                            files=self._files())
        # A user namespace without a root hides capabilities of files.
        without = os.path.join(harness.temporary_directory(), "entries")
        with open(without, "w", encoding="utf-8") as file:
            file.write('{"path": "/xattrs/capability", "delete": true}\n')
        self.zoo = harness.make_repository(ZOO, "--generate", "zoo,size=300K", "--entries", without,
                                           "--chunk-size", "64K", "--nested-entries", "20")
        self.lonely = harness.make_repository(LONELY, files={"file": "still here"})
        self.lonely_server = harness.FaultServer(self.lonely.webroot)
        self.directory = harness.temporary_directory(USER)
        for entry in os.scandir(harness.build_directory()):
            if entry.is_file():
                shutil.copy2(entry.path, self.directory)
        self._run("./makedist", "-n", "none")
        for repository in (self.many, self.zoo):
            self._configure(repository, self._serve(repository).url)
        self._configure(self.lonely, self.lonely_server.url)
        for fqrn, (parameters, _, _) in BROKEN.items():
            repository = harness.make_repository(fqrn, files={"file": "x"})
            self._configure(repository, self._serve(repository).url, **parameters)
        self._run("./makedist", "--level=3", "-o", "file")

    @staticmethod
    def _files() -> dict[str, bytes]:
        """Files with the digest of their content in their names."""
        files = {}
        generator = random.Random(1)
        for number in range(400):
            size = 400000 if number % 80 == 0 else generator.randrange(1, 9000)
            content = generator.randbytes(size)
            digest = hashlib.sha256(content).hexdigest()[:16]
            files[f"d{number % 30:02}/f{number:03}-{digest}"] = content
        return files

    @staticmethod
    def _serve(repository: harness.Repository):
        if harness.nginx_available():
            return harness.NginxServer(repository.webroot)
        return harness.FaultServer(repository.webroot)

    def _configure(self, repository: harness.Repository, url: str, **parameters: str) -> None:
        """As a site does it: a file for the repository, and its key beside the others."""
        etc = os.path.join(self.directory, "dist/etc/cvmfs")
        shutil.copy(repository.public_key, os.path.join(etc, "keys"))
        values = {"CVMFS_SERVER_URL": url + "/cvmfs/@fqrn@", "CVMFS_HTTP_PROXY": "DIRECT",
                  "CVMFS_PUBLIC_KEY": f"/etc/cvmfs/keys/{repository.fqrn}.pub",
                  "CVMFS_CLAIM_OWNERSHIP": "no", "CVMFS_CHECK_PERMISSIONS": "no",
                  "CVMFS_TIMEOUT_DIRECT": "2",
                  "CVMFS_MAX_RETRIES": "0", **harness.MAGIC_HIDDEN, **parameters}
        name = os.path.join(etc, "config.d", repository.fqrn + ".conf")
        with open(name, "w", encoding="utf-8") as file:
            file.writelines(f"{key}={value}\n" for key, value in values.items())

    def _run(self, *command: str) -> None:
        harness.run(list(command), cwd=self.directory, check=True, timeout=300)


class Node:
    """A directory on some node with nothing but the file, whose name is not the simplest."""

    def __init__(self):
        self.directory = os.path.join(harness.temporary_directory(USER), "a nöde")
        os.mkdir(self.directory)
        self.file = os.path.join(self.directory, "the file")
        shutil.copy2(os.path.join(site.directory, "file"), self.file)
        os.chown(self.directory, USER.uid, USER.gid)
        self.cache = os.path.join(self.directory, ".cvmfsexec/dist/var/lib/cvmfs")

    def run(self, *arguments: str, **options) -> harness.Result:
        """Runs the file."""
        options.setdefault("cwd", "/")
        return harness.run([self.file, *arguments], user=USER, timeout=300, **options)

    def start(self, *arguments: str, **options) -> harness.Process:
        """The same without waiting."""
        options.setdefault("cwd", "/")
        return harness.start([self.file, *arguments], user=USER, **options)

    def processes(self) -> dict[int, str]:
        """What runs from here, and jobs that were told about it: command lines by process id."""
        found = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    line = os.fsdecode(file.read()).replace("\0", " ")
            except OSError:
                continue  # it has ended
            if self.directory in line:
                found[int(name)] = line
        return found

    def expect_nothing_left(self) -> None:
        """Fails unless all processes end; and no mount may be left on the host."""
        for _ in range(600):
            if not self.processes():
                break
            time.sleep(0.05)
        expect_equal(self.processes(), {}, "processes that are left")
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            left = [line for line in file if self.directory.replace(" ", "\\040") in line
                    or " /cvmfs" in line]
        expect_equal(left, [], "mounts that are left")


def shell(script: str) -> list[str]:
    """The part of a command line that runs a script as the job."""
    return ["--", "/bin/sh", "-c", script]


@test
def the_first_run_mounts_and_the_second_and_the_rest_do_not_need_to_fetch():
    node = Node()
    for _ in range(2):
        result = node.run(LONELY, "--", "cat", f"/cvmfs/{LONELY}/file")
        expect_equal((result.status, result.stdout, result.stderr), (0, "still here", ""))
    expect_equal(site.lonely_server.count(site.lonely.manifest_field("C")[2:]), 1)
    node.expect_nothing_left()


@test
def the_log_has_the_lines_that_the_official_client_writes():
    node = Node()
    for _ in range(2):
        expect_equal(node.run(LONELY, "--", "cat", f"/cvmfs/{LONELY}/file").status, 0)
    log = os.path.join(node.directory, ".cvmfsexec/log", LONELY + ".log")
    with open(log, encoding="utf-8") as file:
        lines = file.read().splitlines()
    # The device is the mount point that it was given.
    words = [f"CernVM-FS: linking /dev/fd/3 to repository {LONELY}",
             f"CernVM-FS: unmounted /dev/fd/3 ({LONELY})"] * 2
    date = r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} "
    expect_equal([re.sub(f"^{date}", "", line) for line in lines],
                 [f"({LONELY}) {line}" for line in words])
    expect_equal(os.stat(log).st_mode & 0o777, 0o600)


@test
def the_whole_tree_equals_its_listing():
    result = Node().run(ZOO, "--", "python3", "-B", TREECHECK, "compare", site.zoo.manifest,
                        f"/cvmfs/{ZOO}")
    expect_equal(result.status, 0, str(result))


@test
def several_repositories_are_there_together():
    result = Node().run(ZOO, MANY, LONELY, *shell("ls /cvmfs; ls /cvmfs/*/ | wc -l"))
    expect_equal(result.stdout.split()[:3], sorted([ZOO, MANY, LONELY]))


@test
def the_job_is_the_user_s_own_with_his_directory_environment_and_streams():
    node = Node()
    where = harness.temporary_directory(USER)
    result = node.run(MANY, *shell("id -u; id -g; pwd; echo \"$A_NAME\"; cat; echo words >&2"),
                      cwd=where, env={"A_NAME": "a  value\twith 'all'"}, input="from outside\n")
    expect_equal(result.stdout, f"{USER.uid}\n{USER.gid}\n{where}\na  value\twith 'all'\n"
                                "from outside\n")
    expect_equal(result.stderr, "words\n")


@test
def nothing_but_the_job_writes_to_standard_output():
    node = Node()
    for arguments in ([ZOO, MANY], [ZOO], []):
        result = node.run(*arguments, "--", "printf", "%s", "x")
        expect_equal((result.status, result.stdout), (0, "x"), str(result))
    for fqrn in BROKEN:
        expect_equal(node.run(fqrn, "--", "echo", "job").stdout, "")


@test
def the_status_is_the_job_s():
    node = Node()
    cases = {"exit 0": 0, "exit 7": 7, "exit 255": 255, "kill -KILL $$": 137, "kill -TERM $$": 143,
             "kill -SEGV $$": 139}
    for script, status in cases.items():
        expect_equal(node.run(LONELY, *shell(script)).status, status, script)
    expect_equal(node.run(LONELY, "--", "no-such-command").status, 127)
    expect_equal(node.run(LONELY, "--", f"/cvmfs/{LONELY}/none").status, 127)
    expect_equal(node.run(LONELY, "--", f"/cvmfs/{LONELY}/file").status, 126)
    node.expect_nothing_left()


@test
def a_mount_that_fails_gives_the_client_s_status_its_words_and_its_log():
    node = Node()
    for fqrn, (_, status, words) in BROKEN.items():
        result = node.run(fqrn, "--", "touch", os.path.join(node.directory, "ran"))
        expect_equal(result.status, status, str(result))
        for word in [fqrn, *words]:
            expect_in(word, result.stderr)
        assert not os.path.exists(os.path.join(node.directory, "ran")), "the job was run"
    expect_in(f"({fqrn}) ", result.stderr, "lines of the log")
    node.expect_nothing_left()


@test
def one_of_several_that_fails_ends_it():
    node = Node()
    result = node.run(ZOO, "refused.example.org", MANY, "--", "echo", "job")
    expect_equal((result.status, result.stdout), (16, ""), str(result))
    node.expect_nothing_left()


@test
def the_shell_runs_where_no_command_is_given():
    result = Node().run(LONELY, "--", input=f"cat /cvmfs/{LONELY}/file\nexit 3\n",
                        env={"SHELL": "/bin/sh"})
    expect_equal((result.status, result.stdout), (3, "still here"), str(result))


def expect_all_right(results: list[harness.Result], lines: int) -> None:
    """Each reader must have found every file right."""
    for result in results:
        expect_equal((result.status, result.stdout), (0, "400 0\n" * lines), str(result))


@test
def eight_readers_at_once_find_every_file_right_cold_and_warm():
    node = Node()
    read = shlex.join(["python3", "-c", READER, f"/cvmfs/{MANY}"])
    script = f"for i in 1 2 3 4 5 6 7 8; do {read} $i & done; wait"
    for _ in range(2):
        expect_all_right([node.run(MANY, *shell(script))], 8)


@test
def several_runs_at_once_share_one_cache():
    node = Node()
    for _ in range(2):
        running = [node.start(MANY, "--", "python3", "-c", READER, f"/cvmfs/{MANY}", str(number))
                   for number in range(4)]
        expect_all_right([process.wait(300) for process in running], 1)
    names = [name for folder, _, names in os.walk(node.cache) for name in names]
    expect_equal([name for name in names if name.startswith("fetch")], [])
    assert len(names) > 400
    node.expect_nothing_left()


def started(node: Node) -> harness.Process:
    """A running file whose job has begun."""
    process = node.start(MANY, ZOO, *shell(f"echo ready; : {shlex.quote(node.directory)}; "
                                           "sleep 1000; :"))
    for _ in range(1200):
        if process.output()[0] == b"ready\n":
            return process
        time.sleep(0.05)
    raise AssertionError(f"it does not start: {process.output()}")


def settled(node: "Node") -> dict[int, str]:
    """The five processes of a run: two of the launcher, two clients, the job; not one more that is
    between its fork and its exec."""
    before = None
    for _ in range(200):
        now = node.processes()
        if now == before and len(now) == 5:
            return now
        before = now
        time.sleep(0.05)
    raise AssertionError(f"not five processes: {before}")


@test
def whichever_process_is_killed_nothing_is_left():
    node = Node()
    clients = 0
    for number in range(5):
        process = started(node)
        pid, line = sorted(settled(node).items())[number]
        os.kill(pid, signal.SIGKILL)
        if "cvmfs2" in line:
            clients += 1
            process.signal(signal.SIGTERM)  # for the job goes on without that repository
        result = process.wait(60)
        assert not result.timed_out and result.status >= 128, f"{line}: {result}"
        node.expect_nothing_left()
    expect_equal(clients, 2)


@test
def a_signal_to_the_file_ends_the_job_and_all_else():
    node = Node()
    process = started(node)
    process.signal(signal.SIGTERM)
    expect_equal(process.wait(60).status, 143)
    node.expect_nothing_left()


@test
def inside_where_the_host_has_a_directory_cvmfs_it_works_too():
    node = Node()
    inner = shlex.join([node.file, LONELY, "--", "sh", "-c", "ls /cvmfs; cat /cvmfs/*/file"])
    result = node.run(ZOO, *shell(f"{inner}; ls /cvmfs"))
    expect_equal(result.stdout, f"{LONELY}\nstill here{ZOO}\n", str(result))
    node.expect_nothing_left()


@test
def a_job_can_have_further_repositories_mounted():
    node = Node()
    mount = os.path.join(node.directory, ".cvmfsexec/mountrepo")
    script = f"{shlex.quote(mount)} {LONELY} && cat /cvmfs/{LONELY}/file; ls /cvmfs; " \
             f"{shlex.quote(mount)} refused.example.org; echo $?"
    result = node.run(ZOO, *shell(script))
    expect_equal(result.stdout, f"still here{LONELY}\n{ZOO}\n16\n", str(result))
    node.expect_nothing_left()


@test
def when_the_server_is_gone_the_cache_serves():
    node = Node()
    read = [LONELY, "--", "cat", f"/cvmfs/{LONELY}/file"]
    expect_equal(node.run(*read).stdout, "still here")
    breadcrumbs = [os.path.join(folder, name) for folder, _, names in os.walk(node.cache)
                   for name in names if name == "cvmfschecksum." + LONELY]
    for name in breadcrumbs:
        os.utime(name, (0, 0))  # what it says was confirmed long ago
    assert breadcrumbs
    site.lonely_server.stop()
    result = node.run(*read)
    expect_equal((result.status, result.stdout), (0, "still here"), str(result))
    expect_equal(Node().run(*read).status, 16)


site = Site()
harness.main()
