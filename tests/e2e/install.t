#!/usr/bin/env python3
"""make install and make uninstall: which files, and that they work for ordinary users."""

import os
import shutil

import harness
from harness import expect_equal, expect_in, test

PREFIX = "/opt/here"
COMMANDS = ["cvmfsexec", "makedist", "mountrepo", "singcvmfs", "umountrepo"]
FILES = sorted([
    "bin/makedist",
    *(f"libexec/cvmfsexec/{name}" for name in ("cvmfs2", "cvmfsexec", "libcvmfsexec-name.so",
                                               "libcvmfsexec-transfer.so", "mountrepo", "singcvmfs",
                                               "start", "stub", "umountrepo")),
    *(f"share/bash-completion/completions/{name}" for name in COMMANDS),
    *(f"share/man/man1/{name}.1" for name in (*COMMANDS, "cvmfs2")),
])


class Installation:
    """What make install made below a new directory."""

    def __init__(self):
        self.destination = harness.temporary_directory()
        self.prefix = self.destination + PREFIX
        self.make("install")

    def make(self, target):
        """What is installed has been built: -o all keeps make from looking. Its flags would be
        those of the make that runs the tests."""
        harness.run(f"umask 077 && exec make -s -o all BUILD='{harness.build_directory()}' "
                    f"DESTDIR='{self.destination}' PREFIX={PREFIX} CROSS= {target}",
                    cwd=harness.source_directory(), env={"MAKEFLAGS": None, "MAKELEVEL": None},
                    check=True)

    def path(self, name):
        return os.path.join(self.prefix, name)

    def files(self):
        return sorted(os.path.relpath(os.path.join(directory, name), self.prefix)
                      for directory, _, names in os.walk(self.prefix) for name in names)


def worker():
    """A directory of an ordinary user."""
    return harness.temporary_directory(harness.ORDINARY)


def run(*command, cwd, **options):
    return harness.run(list(command), user=harness.ORDINARY, cwd=cwd, **options)


@test
def these_files_are_installed_and_no_others():
    installation = Installation()
    expect_equal(installation.files(), FILES)
    expect_equal(os.listdir(installation.destination), [PREFIX.split("/")[1]])


@test
def everybody_can_use_them_and_only_programs_are_executable():
    installation = Installation()
    for name in FILES:
        program = name.startswith(("bin/", "libexec/"))
        expect_equal(os.stat(installation.path(name)).st_mode & 0o777, 0o755 if program else 0o644,
                     name)
    for directory, _, _ in os.walk(installation.prefix):
        expect_equal(os.stat(directory).st_mode & 0o755, 0o755, directory)


@test
def uninstalling_removes_all_of_them_and_nothing_else():
    installation = Installation()
    with open(installation.path("bin/other"), "w", encoding="utf-8"):
        pass
    installation.make("uninstall")
    expect_equal(installation.files(), ["bin/other"])
    assert not os.path.exists(installation.path("libexec/cvmfsexec"))


@test
def an_ordinary_user_makes_a_tree_and_a_bundle_in_his_current_directory():
    installation = Installation()
    place = worker()
    environment = {"PATH": installation.path("bin") + ":" + os.environ["PATH"]}
    made = run("makedist", "-n", "none", cwd=place, env=environment, check=True)
    expect_in(f"made {place}/dist ", made.stderr)
    packed = run("makedist", "--level=1", "-o", "bundle", cwd=place, env=environment, check=True)
    expect_in("wrote bundle ", packed.stderr)
    expect_equal(sorted(os.listdir(place)), ["bundle", "dist"])
    expect_equal(installation.files(), FILES)
    version = run("./bundle", "-v", cwd=place, check=True).stdout
    expect_equal("makedist " + version, run("makedist", "--version", cwd=place,
                                            env=environment).stdout)


@test
def by_a_link_it_works_as_well():
    installation = Installation()
    place = worker()
    os.symlink(installation.path("bin/makedist"), os.path.join(place, "link"))
    run("./link", "-qn", "none", cwd=place, check=True)
    expect_equal(sorted(os.listdir(place)), ["dist", "link"])


@test
def a_tree_that_is_not_there_is_missed_in_the_current_directory():
    place = worker()
    result = run(Installation().path("bin/makedist"), "-o", "bundle", cwd=place)
    expect_equal(result.status, 1)
    expect_in(f"{place}/dist is not there", result.stderr)


@test
def the_manuals_are_without_a_warning():
    if not shutil.which("groff"):
        harness.skip("groff is not installed")
    installation = Installation()
    for name in filter(lambda name: name.endswith(".1"), FILES):
        result = harness.run(["groff", "-ww", "-man", "-Tutf8", "-z", installation.path(name)])
        expect_equal((result.status, result.stderr), (0, ""), name)


@test
def man_shows_the_manuals():
    if not shutil.which("man"):
        harness.skip("man is not installed")
    installation = Installation()
    environment = {"LC_ALL": "C.UTF-8", "MANPAGER": "cat", "MANWIDTH": "80"}
    for name in filter(lambda name: name.endswith(".1"), FILES):
        result = harness.run(["man", "-l", "--warnings", installation.path(name)], env=environment)
        expect_equal((result.status, result.stderr), (0, ""), name)
        for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS"):
            expect_in(section, result.stdout, name)


@test
def each_completion_is_found_by_the_name_of_its_command():
    installation = Installation()
    for name in COMMANDS:
        file = installation.path(f"share/bash-completion/completions/{name}")
        result = harness.run(["bash", "--norc", "-c", f". {file}; complete -p {name}"], check=True)
        expect_in("-F ", result.stdout)


harness.main()
