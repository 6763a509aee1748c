#!/usr/bin/env python3
"""The native client as a program: arguments, what it prints, exit statuses, logs, and how it comes
to its end."""

import os
import pwd
import re
import signal
import stat

import clienttest
import harness
from clienttest import log_of, wait_until
from harness import ME, ORDINARY, ROOT, expect_equal, expect_in, program, test

harness.require_fuse_userns()

FQRN = "command.example.org"
DATE = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"
# Mounts /dev/fuse, then becomes the client: argv is the mountpoint and the client's command line,
# in which "FD" stands for the descriptor's number.
PREMOUNT = r"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open("/dev/fuse", os.O_RDWR)
os.set_inheritable(fd, True)
options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if libc.mount(b"given", sys.argv[1].encode(), b"fuse", 7, options) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
command = [word.replace("FD", str(fd)) for word in sys.argv[2:]]
os.execv(command[0], command)
"""


def make(**files: str) -> harness.Repository:
    """A small repository."""
    return harness.make_repository(FQRN, files=files or {"file": "content"})


def client(*arguments: str, **options) -> harness.Result:
    """Runs the client with nothing around it."""
    return harness.run([program("cvmfs2"), *arguments], **options)


def config_file(text: str) -> str:
    """A configuration with this content."""
    name = os.path.join(harness.temporary_directory(), "config")
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    return name


def new_mountpoint() -> str:
    """An empty directory of the user who mounts."""
    return harness.temporary_directory(ORDINARY)


def new_sandbox(owners: bool = False) -> harness.Sandbox:
    """One that ends with the test."""
    sandbox = harness.Sandbox(owners=owners)
    harness.at_end(sandbox.close)
    return sandbox


def mounts_of(sandbox: harness.Sandbox, mountpoint: str) -> list[str]:
    """Lines of /proc/mounts for a mountpoint."""
    lines = sandbox.run(["cat", "/proc/mounts"], check=True).stdout.splitlines()
    return [line for line in lines if line.split()[1] == mountpoint]


@test
def it_tells_its_version_and_its_usage():
    result = client("-V")
    expect_equal((result.status, result.stdout, result.stderr),
                 (0, "CernVM-FS version 2.12.0\n\n", ""))
    result = client("-h")
    expect_equal(result.status, 0)
    expect_in("usage: ", result.stdout)


@test
def arguments_that_make_no_sense_are_status_2():
    for arguments in ((), ("-o", "config=/x"), (FQRN,), (FQRN, "/a", "/b"), ("-Z", FQRN, "/a"),
                      ("-o", "uid=me", FQRN, "/a"), ("-o", "libfuse=2", FQRN, "/a")):
        result = client(*arguments)
        expect_equal((arguments, result.status), (arguments, 2))
        expect_in("usage: ", result.stdout)
    for fqrn in ("", "a/b", "..", "x" * 61, "a b"):
        result = client(fqrn, "/tmp")
        expect_equal((fqrn, result.status), (fqrn, 2))
        expect_in("(2 - illegal options)", result.stderr)


@test
def the_parameters_are_printed_as_they_were_understood():
    config = config_file('A="x   y"\nB=@org@-@fqrn@-@z@\nif [ "$NOPE" = 1 ]; then\n  C=1\nfi\n')
    for arguments in (("-k", "-o", f"config={config}", FQRN, "/mp"),
                      (FQRN, "/mp", "-o", f"parse,config={config}")):
        result = client(*arguments)
        expect_equal((result.status, result.stdout),
                     (0, f"# CernVM-FS parameters:\nA='x y'    # from {config}\n"
                         f"B='command-{FQRN}-@z@'    # from {config}\n"
                         f"C=    # from {config}\n\n"))


@test
def later_files_of_a_list_win():
    first, second = config_file("A=1\nB=1\n"), config_file("B=2\nC=$A$B\n")
    result = client("-k", "-o", f"config={first}:/does/not/exist:{second}", FQRN, "/mp")
    expect_equal(result.stdout, f"# CernVM-FS parameters:\nA=1    # from {first}\n"
                                f"B=2    # from {second}\nC=12    # from {second}\n\n")


@test
def simple_parsing_leaves_the_shell_out():
    config = config_file("A=$HOME # comment\nB=\"quoted text\"\nC='x'\n")
    result = client("-k", "-o", f"simple_options_parsing,config={config}", FQRN, "/mp")
    expect_equal(result.stdout.replace(f"    # from {config}", ""),
                 "# CernVM-FS parameters:\nA='$HOME'\nB='quoted text'\nC=x\n\n")


@test
def a_mount_says_the_official_words():
    mount = clienttest.mounted(make())
    expect_equal((mount.result.stdout, mount.result.stderr),
                 ("CernVM-FS: loading Fuse module... done\n"
                  f"CernVM-FS: mounted cvmfs on {mount.mountpoint}\n", ""))
    line = mounts_of(mount.sandbox, mount.mountpoint)[0].split()
    expect_equal((line[0], line[2]), ("cvmfs2", "fuse"))
    assert {"ro", "nosuid", "nodev"} <= set(line[3].split(",")), line


@test
def a_second_mount_of_the_same_says_so_and_is_no_error():
    repository = make()
    server = harness.FaultServer(repository.webroot)
    mount = clienttest.mounted(repository, server)
    again = harness.mount(FQRN, mount.config, sandbox=mount.sandbox, mountpoint=mount.mountpoint)
    expect_equal(again.result.stdout,
                 f"CernVM-FS: repository {FQRN} already mounted on {mount.mountpoint}\n")
    expect_equal(len(mounts_of(mount.sandbox, mount.mountpoint)), 1)
    expect_equal(mount.read("/file"), b"content")


@test
def a_mountpoint_that_is_no_directory_is_status_3():
    repository = make()
    config = harness.client_config(repository, harness.FaultServer(repository.webroot))
    absent = os.path.join(new_mountpoint(), "absent")
    for mountpoint, reason in ((absent, "No such file or directory"),
                               (repository.public_key, "Not a directory")):
        result = harness.mount(FQRN, config, mountpoint=mountpoint, check=False).result
        expect_equal(result.status, 3)
        expect_in(mountpoint, result.stderr)
        expect_in(reason + " (3 - permission denied)", result.stderr)


@test
def a_failure_is_one_line_and_leaves_no_mount():
    repository = make()
    for settings, status, message in (
            ({"CVMFS_HTTP_PROXY": ""}, 23,
             "failed to discover HTTP proxy servers (23 - proxy auto-discovery failed)"),
            ({"CVMFS_PUBLIC_KEY": "/does/not/exist"}, 15, "(15 - signature verification failure)"),
            ({"CVMFS_PUBLIC_KEY": ""}, 16, "(16 - file catalog failure)"),
            ({"CVMFS_SERVER_URL": ""}, 16, "(16 - file catalog failure)")):
        mount = clienttest.mounted(repository, check=False, **settings)
        expect_equal((settings, mount.result.status), (settings, status))
        expect_equal(mount.result.stdout, "CernVM-FS: loading Fuse module... ")
        expect_in(message, mount.result.stderr)
        expect_equal(mount.result.stderr.count("\n"), 1)
        expect_equal(mounts_of(mount.sandbox, mount.mountpoint), [])
        expect_equal(mount.sandbox.processes("cvmfs2"), [])


@test
def options_for_fuse_reach_it_and_those_without_a_meaning_do_no_harm():
    mount = clienttest.mounted(make(), options=("_netdev", "noauto", "users", "disable_watchdog",
                                                "libfuse=3", "fsname=other", "allow_other"))
    line = mounts_of(mount.sandbox, mount.mountpoint)[0]
    assert line.startswith("other ") and "allow_other" in line, line
    result = clienttest.mounted(make(), options=("no_such_option",), check=False).result
    expect_equal(result.status, 4)
    expect_in("(4 - failed to mount)", result.stderr)


@test
def one_thread_is_enough():
    repository = make(**{f"d/{number}": f"{number}" * 100 for number in range(30)})
    mount = clienttest.mounted(repository)
    mount.unmount()
    single = mount.sandbox.run([program("cvmfs2"), "-s", "-o", f"config={mount.config}", FQRN,
                                mount.mountpoint])
    expect_equal(single.status, 0)
    expect_equal(mount.run("cat d/* | wc -c", check=True).stdout.strip(), "5000")


@test
def the_debug_log_is_written_when_it_is_asked_for():
    name = os.path.join(harness.temporary_directory(ORDINARY), "debug")
    for options, written in ((("debug",), True), ((), False)):
        mount = clienttest.mounted(make(), options=options, CVMFS_DEBUGLOG=name)
        mount.read("/file")
        expect_equal("CernVM-FS: running in debug mode\n" in mount.result.stdout, written)
        expect_equal(os.path.exists(name), written)
        if written:
            with open(name, encoding="utf-8") as file:
                lines = file.read().splitlines()
            form = r"\(.+\) .*    \[\d\d-\d\d-\d{4} \d\d:\d\d:\d\d [A-Z]+\]"
            assert lines and all(re.fullmatch(form, line) for line in lines), lines
            os.unlink(name)


@test
def a_log_file_has_lines_of_the_official_form():
    mount = clienttest.mounted(make())
    mount.unmount()
    wait_until(lambda: "unmounted" in log_of(mount), "the last line")
    name = os.path.join(os.path.dirname(mount.config), "log")
    lines = log_of(mount).splitlines()
    form = re.compile(rf"{DATE} \({re.escape(FQRN)}\) .+")
    assert all(form.fullmatch(line) for line in lines), lines
    expect_in(f"({FQRN}) CernVM-FS: linking {mount.mountpoint} to repository {FQRN}", lines[-2])
    expect_in(f"({FQRN}) CernVM-FS: unmounted {mount.mountpoint} ({FQRN})", lines[-1])
    for path in (name, name + ".1"):
        expect_equal(stat.S_IMODE(os.stat(path).st_mode), 0o600)
    expect_equal(os.path.getsize(name + ".1"), 0)


@test
def a_full_log_file_begins_anew():
    repository = make()
    config = harness.client_config(repository, harness.FaultServer(repository.webroot))
    name = os.path.join(os.path.dirname(config), "log")
    with open(name, "w", encoding="ascii") as file:
        file.write("old\n" * 128_001)
    os.chmod(name, 0o666)
    harness.mount(FQRN, config)
    with open(name + ".1", encoding="ascii") as file:
        expect_equal(file.read(), "old\n" * 128_001)
    assert os.path.getsize(name) < 10_000


def start_in_foreground(*arguments: str, sandbox: harness.Sandbox | None = None):
    """A client that stays in the foreground: process, sandbox, mountpoint, configuration."""
    repository = make()
    config = harness.client_config(repository, harness.FaultServer(repository.webroot))
    sandbox = sandbox or new_sandbox()
    mountpoint = new_mountpoint()
    words = [program("cvmfs2"), "-o", f"config={config}", FQRN, mountpoint, *arguments]
    process = sandbox.start(words)
    wait_until(lambda: mounts_of(sandbox, mountpoint) or not process.running(), "the mount")
    return process, sandbox, mountpoint


@test
def a_signal_unmounts_and_the_status_is_0():
    for number, flag in ((signal.SIGTERM, "-f"), (signal.SIGINT, "-f"),
                         (signal.SIGHUP, "-oforeground")):
        process, sandbox, mountpoint = start_in_foreground(flag)
        expect_equal(sandbox.run(["cat", mountpoint + "/file"]).stdout, "content")
        (inside,) = sandbox.processes("cvmfs2")
        sandbox.run(["kill", f"-{number}", str(inside)], check=True)
        result = process.wait(20)
        expect_equal((number, result.status), (number, 0))
        expect_equal(mounts_of(sandbox, mountpoint), [])


@test
def a_signal_ends_it_while_files_are_open():
    process, sandbox, mountpoint = start_in_foreground("-f")
    reader = sandbox.start(["sh", "-c", 'exec 3<"$0/file"; echo; exec sleep 60', mountpoint])
    wait_until(lambda: reader.output()[0], "the open file")
    (inside,) = sandbox.processes("cvmfs2")
    sandbox.run(["kill", str(inside)], check=True)
    expect_equal(process.wait(20).status, 0)
    expect_equal(mounts_of(sandbox, mountpoint), [])


@test
def an_unmount_from_outside_ends_the_process():
    for flags in ([], ["-l"]):
        process, sandbox, mountpoint = start_in_foreground("-f")
        sandbox.run(["umount", *flags, mountpoint], check=True)
        expect_equal(process.wait(20).status, 0)
        mount = clienttest.mounted(make(), sandbox=sandbox)
        mount.read("/file")
        sandbox.run(["umount", *flags, mount.mountpoint], check=True)
        wait_until(lambda: not sandbox.processes("cvmfs2"), "the end of the client")


@test
def tracing_stays_in_the_foreground_and_prints():
    process, sandbox, mountpoint = start_in_foreground("-d")
    sandbox.run(["cat", mountpoint + "/file"], check=True)
    sandbox.run(["umount", mountpoint], check=True)
    result = process.wait(20)
    expect_equal(result.status, 0)
    expect_in("INIT", result.stderr)
    expect_in("LOOKUP", result.stderr)


def premounted(*arguments: str, sandbox: harness.Sandbox):
    """A client on a descriptor that was mounted for it: process and mountpoint."""
    repository = make()
    config = harness.client_config(repository, harness.FaultServer(repository.webroot))
    mountpoint = new_mountpoint()
    process = sandbox.start(["python3", "-I", "-c", PREMOUNT, mountpoint, program("cvmfs2"), "-o",
                             f"config={config}", FQRN, "/dev/fd/FD", *arguments])
    return process, mountpoint


@test
def it_serves_a_descriptor_that_was_mounted_for_it():
    sandbox = new_sandbox()
    process, mountpoint = premounted("-f", sandbox=sandbox)
    wait_until(lambda: mounts_of(sandbox, mountpoint), "the mount")
    expect_equal(sandbox.run(["cat", mountpoint + "/file"]).stdout, "content")
    assert process.running()
    sandbox.run(["umount", mountpoint], check=True)
    result = process.wait(20)
    expect_equal(result.status, 0)
    form = r"CernVM-FS: pre-mounted on file descriptor \d+\n" \
           r"CernVM-FS: loading Fuse module... done\n"
    assert re.fullmatch(form, result.stdout), result.stdout


@test
def with_a_descriptor_it_goes_into_the_background_too():
    sandbox = new_sandbox()
    process, mountpoint = premounted(sandbox=sandbox)
    expect_equal(process.wait(20).status, 0)
    expect_equal(sandbox.run(["cat", mountpoint + "/file"]).stdout, "content")
    (inside,) = sandbox.processes("cvmfs2")
    sandbox.run(["kill", str(inside)], check=True)
    wait_until(lambda: not sandbox.processes("cvmfs2"), "the end of the client")


@test
def a_descriptor_that_is_none_is_refused():
    repository = make()
    config = harness.client_config(repository, harness.FaultServer(repository.webroot))
    for name, status in (("/dev/fd/77", 4), ("/dev/fd/x", 3), ("/dev/fd/", 3), ("/dev/fd/3x", 3)):
        result = new_sandbox().run([program("cvmfs2"), "-o", f"config={config}", FQRN, name, "-f"])
        expect_equal((name, result.status), (name, status))
        expect_in(name, result.stderr)


@test
def the_number_of_open_files_is_raised_as_far_as_it_goes():
    repository = make()
    config = harness.client_config(repository, harness.FaultServer(repository.webroot),
                                   settings={"CVMFS_NFILES": "4000"})
    for before, limits, message, most in (
            ("100:2000", (), "Failed to set requested number of open files, "
                             "using maximum number 2000\n", "2000"),
            ("100:9000", (), "", "4000"), ("5000:9000", (), "", "5000")):
        sandbox, mountpoint = new_sandbox(), new_mountpoint()
        # Without the right to raise it beyond the hard limit, which root of the sandbox has not.
        result = sandbox.run(["prlimit", f"--nofile={before}", program("cvmfs2"), "-o",
                              ",".join([f"config={config}", *limits]), FQRN, mountpoint])
        expect_equal((before, result.status), (before, 0))
        assert result.stdout.startswith(message + "CernVM-FS: loading"), result.stdout
        expect_equal(sandbox.run(["getfattr", "--only-values", "-n", "user.maxfd",
                                  mountpoint]).stdout, str(int(most) - 512))
    strict = new_sandbox().run(["prlimit", "--nofile=100:2000", program("cvmfs2"), "-o",
                                f"config={config},system_mount", FQRN, new_mountpoint()])
    expect_equal(strict.status, 3)
    expect_in("(3 - permission denied)", strict.stderr)


@test
def root_may_have_it_run_as_somebody_else():
    if ME != ROOT:
        harness.skip("needs root")
    sandbox = new_sandbox(owners=True)
    if sandbox.run("test -u \"$(command -v fusermount3)\"").status != 0:
        harness.skip("there is no setuid fusermount3")
    nobody = harness.User(*pwd.getpwnam("nobody")[2:4])
    repository = make()
    config = harness.client_config(repository, harness.FaultServer(repository.webroot),
                                   user=nobody)
    mountpoint = harness.temporary_directory()
    options = f"uid={nobody.uid},gid={nobody.gid},grab_mountpoint"
    mount = harness.mount(FQRN, config, [options], sandbox=sandbox, mountpoint=mountpoint)
    expect_in(f"CernVM-FS: running with credentials {nobody.uid}:{nobody.gid}\n",
              mount.result.stdout)
    (inside,) = sandbox.processes("cvmfs2")
    expect_equal(sandbox.run(["stat", "-c", "%u:%g", f"/proc/{inside}"]).stdout,
                 f"{nobody.uid}:{nobody.gid}\n")
    reader = ["setpriv", f"--reuid={nobody.uid}", f"--regid={nobody.gid}", "--clear-groups",
              "cat", mountpoint + "/file"]
    expect_equal(sandbox.run(reader).stdout, "content")
    sandbox.run(["umount", mountpoint], check=True)
    wait_until(lambda: not sandbox.processes("cvmfs2"), "the end of the client")
    expect_equal(os.stat(mountpoint)[4:6], (nobody.uid, nobody.gid))


harness.main()
