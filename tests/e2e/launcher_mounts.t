#!/usr/bin/env python3
"""cvmfsexec and the repositories: which are mounted, how clients are started, what failures say."""

import os
import shlex
import signal
import stat

import harness
from harness import expect_equal, expect_in, test
from launchtree import Tree, wait_until

harness.require_fuse_userns()

CONFIG = "config.example.org"


def shell(script):
    return ["--", "/bin/sh", "-c", script]


@test
def the_named_repositories_are_under_cvmfs_and_nothing_else():
    tree = Tree()
    result = tree.cvmfsexec("b.example.org", "a.example.org", "b.example.org", *shell(
        "ls -A /cvmfs; cat /cvmfs/*/fqrn"))
    expect_equal((result.status, result.stderr), (0, ""), str(result))
    expect_equal(result.stdout, "a.example.org\nb.example.org\n" * 2)
    tree.expect_nothing_left()


@test
def with_no_name_cvmfs_is_an_empty_directory():
    result = Tree().cvmfsexec(*shell("ls -A /cvmfs; df -h | grep -c /cvmfs"))
    expect_equal(result.stdout, "0\n")


@test
def the_config_repository_is_mounted_without_being_named():
    tree = Tree(config_repository=CONFIG)
    expect_equal(tree.cvmfsexec("--", "ls", "/cvmfs").stdout, CONFIG + "\n")
    expect_equal(tree.cvmfsexec("a.example.org", "--", "ls", "/cvmfs").stdout,
                 f"a.example.org\n{CONFIG}\n")
    expect_equal(tree.cvmfsexec(CONFIG, "--", "ls", "/cvmfs").stdout, CONFIG + "\n")


@test
def df_counts_the_repositories():
    tree = Tree(config_repository=CONFIG)
    for names in ([], ["a.example.org"], ["a.example.org", "b.example.org"]):
        result = tree.cvmfsexec(*names, *shell("df -h | grep /cvmfs | wc -l"))
        expect_equal(int(result.stdout), len(names) + 1)


@test
def a_mount_is_read_only_fuse_for_the_user():
    tree = Tree()
    result = tree.cvmfsexec("a.example.org", "--", "grep", " /cvmfs/", "/proc/mounts")
    source, where, kind, options, *_ = result.stdout.split()
    expect_equal((source, where, kind), ("cvmfs2@/dev/fuse", "/cvmfs/a.example.org", "fuse"))
    for option in ("ro", "nosuid", "nodev", "allow_other", f"user_id={tree.user.uid}"):
        expect_in(option, options.split(","))


@test
def permissions_are_checked_by_the_kernel_when_the_configuration_says_so():
    for value, expected in (("yes", True), ("no", False)):
        tree = Tree(parameters=[f"CVMFS_CHECK_PERMISSIONS={value}"])
        result = tree.cvmfsexec("a.example.org", "--", "grep", " /cvmfs/", "/proc/mounts")
        expect_equal("default_permissions" in result.stdout, expected, value)


@test
def the_client_is_started_with_a_configuration_that_is_gone_afterwards():
    tree = Tree()
    result = tree.cvmfsexec("a.example.org", *shell(
        "cd /cvmfs/a.example.org; cat arguments; grep USYSLOG config; ls -A /cvmfs"))
    program, option, config, fqrn, device, *rest = result.stdout.splitlines()
    expect_equal((program, option, fqrn), (tree.path("dist/usr/bin/cvmfs2"), "-o", "a.example.org"))
    assert config.startswith("config=/cvmfs/.") and device.startswith("/dev/fd/"), result.stdout
    expect_equal(rest, [f"CVMFS_USYSLOG='{tree.path('log/a.example.org.log')}'", "a.example.org"])


@test
def the_debug_option_follows_the_configuration():
    tree = Tree(parameters=["CVMFS_DEBUGLOG=/tmp/log"])
    result = tree.cvmfsexec("a.example.org", "--", "sed", "-n", "3s/.*,//p",
                            "/cvmfs/a.example.org/arguments")
    expect_equal(result.stdout, "debug\n")


@test
def the_client_inherits_only_the_device_and_its_streams():
    tree = Tree()
    reader, writer = os.pipe()
    result = tree.cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/descriptors",
                            pass_fds=[reader, writer], input="something")
    os.close(reader)
    os.close(writer)
    found = dict(line.split(" ", 1) for line in result.stdout.splitlines())
    expect_equal(sorted(found), ["0", "1", "2", "3"], result.stdout)
    expect_equal((found["0"], found["1"], found["3"]), ("/dev/null", "/dev/null", "/dev/fuse"))


@test
def nothing_that_the_user_preloads_reaches_the_client():
    tree = Tree()
    env = {"LD_LIBRARY_PATH": "/nowhere", "LD_AUDIT": "", "MINE": "kept"}
    result = tree.cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/environment",
                            env=env)
    found = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    expect_equal(found.get("MINE"), "kept")
    expect_equal(found.get("LD_LIBRARY_PATH"), library_path(tree))
    expect_equal(found.get("CVMFS_LIBRARY_PATH"), tree.path("dist/usr/lib64"))
    assert "LD_AUDIT" not in found
    assert "CVMFSEXEC_CMDFD" not in found


@test
def a_client_that_brings_its_loader_is_started_through_it():
    tree = Tree()
    client = tree.path("dist/usr/bin/cvmfs2")
    # An ELF program in place of the client, a script in place of its loader: it tells how it was
    # called, and then runs the stand-in with the client's arguments.
    os.rename(client, tree.path("dist/usr/bin/standin"))
    harness.run(["cp", "/bin/true", client], check=True)
    loader = os.path.basename(interpreter_of("/bin/true"))
    tree.write(f"dist/usr/lib64/{loader}", f"""#!/bin/sh
printf '%s\\n' "$@" >{shlex.quote(tree.path("log/loader"))}
shift 5
exec {shlex.quote(tree.path("dist/usr/bin/standin"))} "$@"
""", 0o755)
    result = tree.cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/fqrn",
                            env={"LD_LIBRARY_PATH": "/nowhere"})
    expect_equal(result.stdout, "a.example.org\n", str(result))
    with open(tree.path("log/loader")) as file:
        expect_equal(file.read().splitlines()[:6],
                     ["--library-path", library_path(tree), "--argv0", tree.path("cvmfsexec"),
                      client, "-o"])


def library_path(tree):
    return ":".join(tree.path("dist", name) for name in ("usr/lib64", "lib64", "usr/lib"))


def interpreter_of(program):
    lines = harness.run(["readelf", "-l", program], check=True).stdout
    return lines.partition("interpreter: ")[2].partition("]")[0]


@test
def repositories_are_mounted_at_the_same_time():
    tree = Tree()
    # Each of these waits, before it serves, until the other has come as far.
    tree.write("dist/usr/bin/cvmfs2", f"""#!/bin/sh
here={shlex.quote(tree.directory)}
case $3 in a*) touch "$here/a"; other=b;; *) touch "$here/b"; other=a;; esac
while ! [ -e "$here/$other" ]; do sleep 0.01; done
exec {shlex.quote(tree.path("log/standin"))} "$@"
""", 0o755)
    os.mkdir(tree.path("log"))
    harness.run(["cp", os.path.join(os.path.dirname(__file__), "standin_client"),
                 tree.path("log/standin")], check=True)
    harness.run(["chown", str(tree.user.uid), tree.path("log")])
    result = tree.cvmfsexec("a.example.org", "b.example.org", "--", "ls", "/cvmfs")
    expect_equal(result.stdout, "a.example.org\nb.example.org\n", str(result))


@test
def a_failing_client_gives_its_code_its_words_and_its_log():
    tree = Tree()
    result = tree.cvmfsexec("a.example.org", "fails.example.org", *shell("echo started"))
    expect_equal((result.status, result.stdout), (16, ""), str(result))
    expect_in("fails.example.org", result.stderr)
    expect_in("Failed to initialize root file catalog", result.stderr)
    expect_in("line 19 of the log", result.stderr)
    assert "line 9 of the log" not in result.stderr, "only the last lines"
    tree.expect_nothing_left()


@test
def a_failing_config_repository_ends_it_with_that_code():
    result = Tree(config_repository="fails.example.org").cvmfsexec("a.example.org",
                                                                   *shell("echo started"))
    expect_equal((result.status, result.stdout), (16, ""), str(result))


@test
def of_an_old_log_nothing_is_shown():
    tree = Tree()
    os.mkdir(tree.path("log"))
    tree.write("log/dies.example.org.log", "an old line\n")
    harness.run(["chown", "-R", str(tree.user.uid), tree.path("log")])
    result = tree.cvmfsexec("dies.example.org", "--", "true")
    assert "an old line" not in result.stderr, result.stderr


@test
def a_client_that_is_killed_before_it_reports_is_a_failure():
    tree = Tree()
    result = tree.cvmfsexec("dies.example.org", *shell("echo started"))
    expect_equal((result.status, result.stdout), (137, ""), str(result))
    expect_in("signal 9", result.stderr)
    tree.expect_nothing_left()


@test
def a_missing_client_is_a_failure_with_its_path():
    tree = Tree()
    os.unlink(tree.path("dist/usr/bin/cvmfs2"))
    result = tree.cvmfsexec("a.example.org", "--", "true")
    expect_equal(result.status, 1)
    expect_in(tree.path("dist/usr/bin/cvmfs2"), result.stderr)


@test
def a_signal_during_the_start_ends_it():
    tree = Tree()
    process = tree.start("hangs.example.org", *shell("echo started"))
    wait_until(lambda: any("cvmfs2" in " ".join(arguments) for arguments
                           in tree.processes().values()), lambda: "no client")
    process.signal(signal.SIGTERM)
    result = process.wait()
    expect_equal((result.status, result.stdout), (143, ""))
    tree.expect_nothing_left()


@test
def the_log_directory_is_made_on_demand_only():
    tree = Tree()
    tree.cvmfsexec("--", "true")
    assert not os.path.exists(tree.path("log"))
    tree.cvmfsexec("a.example.org", "--", "true")
    expect_equal(stat.S_IMODE(os.stat(tree.path("log")).st_mode), 0o755)


@test
def a_tree_that_cannot_be_written_to_serves_as_well():
    tree = Tree()
    harness.run(["chmod", "-R", "a-w", tree.directory], check=True)
    result = tree.cvmfsexec("a.example.org", "--", "cat", "/cvmfs/a.example.org/fqrn")
    expect_equal((result.status, result.stdout), (0, "a.example.org\n"), str(result))


@test
def where_the_host_has_a_directory_cvmfs_only_ours_is_seen():
    tree = Tree()
    # Inside cvmfsexec the host has one.
    inner = shlex.join(tree.command("b.example.org", "c.example.org", *shell(
        "ls /cvmfs; df -h | grep -c /cvmfs; cat /cvmfs/c.example.org/fqrn; touch /cvmfs/x")))
    result = tree.cvmfsexec("a.example.org", *shell(inner))
    expect_equal(result.stdout, "b.example.org\nc.example.org\n2\nc.example.org\n", str(result))
    expect_in("Read-only", result.stderr)


@test
def a_working_directory_in_the_hosts_cvmfs_becomes_the_one_in_ours():
    tree = Tree()
    inner = shlex.join(tree.command("a.example.org", "b.example.org", *shell("pwd; cat fqrn")))
    result = tree.cvmfsexec("a.example.org", *shell(
        f"cd /cvmfs/a.example.org && {inner}; cd .. && {inner} 2>/dev/null"))
    expect_equal(result.stdout, "/cvmfs/a.example.org\na.example.org\n/cvmfs\n", str(result))


@test
def where_a_new_proc_is_refused_it_goes_on_without_pid_namespace_and_leaves_nothing():
    tree = Tree()
    # As containers do it: a part of /proc is covered, by a more privileged namespace.
    command = shlex.join(tree.command("a.example.org", *shell(
        "cat /cvmfs/a.example.org/fqrn; echo $$; exit 4")))
    result = harness.run(["unshare", "-Urm", "/bin/sh", "-c",
                          "mount --bind /dev/null /proc/version && "
                          f"exec unshare -U --map-user={tree.user.uid} "
                          f"--map-group={tree.user.gid} {command}"], user=tree.user, cwd="/")
    expect_equal(result.status, 4, str(result))
    fqrn, pid = result.stdout.split()
    expect_equal(fqrn, "a.example.org")
    assert int(pid) > 10, "a pid of the host"
    tree.expect_nothing_left()


harness.main()
