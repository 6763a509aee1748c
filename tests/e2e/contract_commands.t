#!/usr/bin/env python3
"""What users of the bash package rely on: the commands, their options and their exit statuses.

Each test is a clause. How the commands work beyond that is in makedist.t, launcher*.t, mountrepo.t.
"""

import os
import platform
import re
import shlex
import shutil

import harness
from harness import expect_equal, expect_in, test
from launchtree import Tree

PROGRAMS = ["makedist", "stub", "cvmfsexec", "mountrepo", "umountrepo", "cvmfs2",
            "libcvmfsexec-transfer.so"]
SUPPORTED = ["rhel7-x86_64", "rhel8-aarch64", "rhel8-ppc64le", "rhel8-x86_64", "rhel9-aarch64",
             "rhel9-ppc64le", "rhel9-x86_64", "rhel10-x86_64", "suse15-aarch64", "suse15-x86_64"]


class Checkout:
    """A directory with the commands in it, as a site gets them."""

    def __init__(self):
        self.directory = harness.temporary_directory(harness.ORDINARY)
        for name in PROGRAMS:
            shutil.copy2(harness.program(name), self.directory)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def run(self, *command, cwd="/", **options):
        return harness.run([self.path(command[0]), *command[1:]], user=harness.ORDINARY, cwd=cwd,
                           **options)

    def run_on(self, os_release, *command):
        """The same on a host whose /etc/os-release is another."""
        release = self.path("os-release")
        with open(release, "w", encoding="utf-8") as file:
            file.write(os_release)
        host = os.path.realpath("/etc/os-release")
        words = shlex.join([self.path(command[0]), *command[1:]])
        result = harness.run(["unshare", "-Urm", "/bin/sh", "-c",
                              f"mount --bind {release} {host} || exit 99; exec {words}"],
                             user=harness.ORDINARY, cwd="/")
        if result.status == 99:
            harness.skip("no mounts in a user namespace")
        return result

    def stamp(self):
        with open(self.path("dist/.cvmfsexecdist"), encoding="utf-8") as file:
            return file.read()


def statuses(*runs):
    return [run.status for run in runs]


@test
def makedist_unpacks_a_client_and_its_configuration_under_dist_beside_itself():
    site = Checkout()
    elsewhere = harness.temporary_directory(harness.ORDINARY)
    expect_equal(site.run("makedist", "-n", "none", cwd=elsewhere).status, 0)
    for name in ("usr/bin/cvmfs2", "etc/cvmfs/default.local", "etc/cvmfs/default.conf"):
        assert os.path.exists(site.path("dist", name)), name
    expect_equal(os.listdir(elsewhere), [])


@test
def makedist_o_puts_the_tree_and_the_commands_into_one_executable():
    site = Checkout()
    place = harness.temporary_directory(harness.ORDINARY)
    site.run("makedist", "-n", "none", check=True)
    expect_equal(site.run("makedist", "--level=1", "-o", "FILE", cwd=place).status, 0)
    shutil.rmtree(site.directory)
    result = harness.run(["./FILE", "-v"], user=harness.ORDINARY, cwd=place)
    expect_equal(result.status, 0, str(result))


@test
def makedist_takes_a_machine_type_or_the_one_that_stands_for_the_host():
    machine = platform.machine()
    site = Checkout()
    site.run("makedist", "-m", f"rhel8-{machine}", "-n", "none", check=True)
    expect_equal(site.stamp(), f"disttype: standard\nmachtype: rhel8-{machine}\n")
    for system, release in (("debian", "11"), ("debian", "12"), ("debian", "13"),
                            ("ubuntu", "22.04"), ("ubuntu", "24.04")):
        shutil.rmtree(site.path("dist"), ignore_errors=True)
        result = site.run_on(f'ID={system}\nVERSION_ID="{release}"\n', "makedist", "-n", "none")
        expect_equal(result.status, 0, str(result))
        expect_in(f"machtype: {'rhel8' if release == '11' else 'rhel9'}-{machine}", site.stamp())


@test
def these_machine_types_are_supported():
    said = Checkout().run("makedist", "-m", "none-such").stderr
    expect_equal(said.splitlines()[2].split(), SUPPORTED)


@test
def the_list_of_machine_types_begins_on_the_third_line():
    # glideinWMS' create_cvmfsexec_distros.sh, which names no source either.
    site = Checkout()
    result = harness.run(f"{site.path('makedist')} -m xxx 2>&1 | grep -v 'not supported' | "
                         "tail -n +3")
    expect_equal(result.stdout.split(), SUPPORTED)


@test
def a_usage_error_of_makedist_gives_2():
    site = Checkout()
    for arguments in ([], ["-o"], ["-z", "none"], ["nowhere"], ["-m"], ["-s"], ["-o", "a", "osg"]):
        result = site.run("makedist", *arguments)
        expect_equal((result.status, result.stdout), (2, ""), str(arguments))


@test
def an_unsupported_host_gives_2_and_an_unsupported_machine_type_1():
    site = Checkout()
    result = site.run_on('ID=arch\n', "makedist", "-n", "none")
    expect_equal(result.status, 2, str(result))
    expect_equal(statuses(site.run("makedist", "-m", "xxx", "none"),
                          site.run("makedist", "-m", "xxx"),
                          site.run("makedist", "-m", "xxx", "-o", "FILE")), [1, 1, 1])
    expect_equal(os.path.exists(site.path("dist")), False)


@test
def a_usage_error_of_the_other_commands_gives_1():
    tree = Tree()
    for command in (["cvmfsexec"], ["cvmfsexec", "a.example.org"], ["cvmfsexec", "-x", "--", "a"],
                    ["mountrepo"], ["mountrepo", "a.example.org", "b.example.org"],
                    ["umountrepo"], ["umountrepo", "-z"], ["umountrepo", "-x", "-a"]):
        result = tree.run(*command)
        expect_equal((result.status, result.stdout), (1, ""), str(command))
        expect_in(f"Usage: {command[0]}", result.stderr)


@test
def options_of_one_letter_can_stand_together():
    tree = Tree()
    version = tree.run("cvmfsexec", "-v").stdout
    for options in ("-vN", "-Nv"):
        result = tree.run("cvmfsexec", options)
        expect_equal((result.status, result.stdout), (0, version), options)
    expect_equal(statuses(tree.run("umountrepo", "-za"), tree.run("umountrepo", "-az"),
                          tree.run("umountrepo", "-z", "-a")), [0, 0, 0])


@test
def v_prints_the_version_alone():
    tree = Tree()
    for program in ("cvmfsexec", "mountrepo", "umountrepo"):
        result = tree.run(program, "-v")
        assert re.fullmatch(r"\d+\.\d+\.\d+\n", result.stdout), str(result)
        expect_equal((result.status, result.stderr), (0, ""))
        expect_equal(tree.run(program, "--version").stdout, result.stdout)
    # makedist has another use for the letter.
    expect_equal(Checkout().run("makedist", "--version").stdout, "makedist " + result.stdout)


@test
def help_goes_to_standard_output_and_names_every_option():
    tree = Tree()
    for program in ("cvmfsexec", "mountrepo", "umountrepo", harness.program("makedist")):
        results = [tree.run(program, option) for option in ("-h", "--help")]
        expect_equal([(result.status, result.stderr) for result in results], [(0, "")] * 2, program)
        expect_equal(results[0].stdout, results[1].stdout)
        expect_in(f"Usage: {os.path.basename(program)} ", results[0].stdout)
        for words in ("--help", "--version"):
            expect_in(words, results[0].stdout)
        for line in results[0].stdout.splitlines():
            assert len(line) <= 80, line


@test
def a_wrong_option_is_named_on_standard_error():
    tree = Tree()
    for program in ("cvmfsexec", "mountrepo", "umountrepo", harness.program("makedist")):
        for option in ("-y", "--yes"):
            result = tree.run(program, option)
            assert result.status in (1, 2), str(result)
            expect_in(option, result.stderr, program)
            expect_equal(result.stdout, "")


@test
def cvmfsexec_ends_with_the_status_of_its_command():
    require_namespaces()
    tree = Tree()
    for script, status in (("exit 0", 0), ("exit 3", 3), ("kill -INT $$", 130),
                           ("kill -KILL $$", 137)):
        result = tree.run("cvmfsexec", "a.example.org", "--", "/bin/sh", "-c", script)
        expect_equal(result.status, status, script)


@test
def cvmfsexec_runs_the_command_with_the_repositories_under_cvmfs():
    require_namespaces()
    result = Tree().run("cvmfsexec", "a.example.org", "b.example.org", "--", "cat",
                        "/cvmfs/a.example.org/fqrn", "/cvmfs/b.example.org/fqrn")
    expect_equal((result.status, result.stdout), (0, "a.example.org\nb.example.org\n"))


@test
def mountrepo_and_umountrepo_ask_cvmfsexec_when_they_are_inside():
    require_namespaces()
    tree = Tree()
    script = 'cd "$0" && ./mountrepo a.example.org && ls /cvmfs && ls dist/cvmfs && ' \
             "./umountrepo a.example.org && ls /cvmfs"
    result = tree.run("cvmfsexec", "--", "/bin/sh", "-c", script, tree.home)
    expect_equal((result.status, result.stdout), (0, "a.example.org\n"), str(result))


def require_namespaces():
    reason = harness.try_fuse_in_user_namespace()
    if reason:
        harness.skip(f"no FUSE mount in a user namespace: {reason}")


harness.main()
