#!/usr/bin/env python3
"""Completion in bash: what is offered for a word, by a bash that has read payload/completion.bash and
nothing else."""

import os
import pty
import re
import select
import shlex
import shutil

import harness
from harness import expect_equal, expect_in, test
from launchtree import Tree

COMPLETION = os.path.join(harness.source_directory(), "payload/completion.bash")
# Prints what would be offered for the last of its arguments.
ASK = f""". {shlex.quote(COMPLETION)}
compopt() {{ :; }}
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_cvmfsexec_complete "$1" "${{@: -1}}" "${{@: -2:1}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def question(words):
    return ["bash", "--norc", "-c", ASK, "bash", *words]


def offered(*words, **options):
    """What is offered, sorted."""
    options.setdefault("user", harness.ORDINARY)
    options.setdefault("cwd", "/")
    result = harness.run(question(words), check=True, **options)
    expect_equal(result.stderr, "")
    return sorted(filter(None, result.stdout.split("\n")))


def options_in(help_text):
    """Names of options in the lines of a help text that begin with one."""
    lines = [line.strip().split("  ")[0] for line in help_text.splitlines()
             if re.match(r" +-", line)]
    return sorted(set(re.findall(r"(?:^|(?<=[ ,]))--?[a-zA-Z][a-z-]*", " ".join(lines))))


def tree_of_a_site():
    """A tree with some configuration, and logs of what was mounted."""
    tree = Tree(config_repository="config.example.org")
    for directory in ("dist/etc/cvmfs/config.d", "log", "dist/cvmfs/mounted.example.org"):
        os.makedirs(tree.path(directory))
    for name in ("conf.example.org.conf", "local.example.org.local", "README"):
        tree.write("dist/etc/cvmfs/config.d/" + name, "")
    tree.write("dist/etc/cvmfs/default.local",
               "CVMFS_HTTP_PROXY=DIRECT\nCVMFS_REPOSITORIES='one.example.org,two.example.org'\n")
    tree.write("log/logged.example.org.log", "")
    return tree


@test
def the_options_offered_are_those_of_the_help():
    tree = Tree()
    for program in (tree.path("cvmfsexec"), tree.path("mountrepo"), tree.path("umountrepo"),
                    harness.program("makedist")):
        help_text = harness.run([program, "--help"], check=True).stdout
        expect_equal(offered(program, "-"), options_in(help_text), program)
        expect_equal(offered(program, "--vers"), ["--version"], program)


@test
def repositories_are_those_that_the_configuration_or_a_log_names():
    tree = tree_of_a_site()
    names = [f"{name}.example.org" for name in ("conf", "config", "local", "logged", "one", "two")]
    for program in ("cvmfsexec", "mountrepo"):
        expect_equal(offered(tree.path(program), ""), names)
        expect_equal(offered(tree.path(program), "conf.ex"), ["conf.example.org"])
    expect_equal(offered(tree.path("cvmfsexec"), "-N", "a.example.org", "t"), ["two.example.org"])


@test
def a_command_is_found_by_any_name():
    tree = tree_of_a_site()
    expect_equal(offered("./cvmfsexec", "tw", cwd=tree.home), ["two.example.org"])
    expect_equal(offered("cvmfsexec", "tw", env={"PATH": f"{tree.home}:{os.environ['PATH']}"}),
                 ["two.example.org"])
    expect_equal(offered("~/cvmfsexec", "tw", env={"HOME": tree.home}), ["two.example.org"])


@test
def only_what_is_mounted_can_be_unmounted():
    expect_equal(offered(tree_of_a_site().path("umountrepo"), ""), ["mounted.example.org"])


@test
def inside_it_is_what_is_below_cvmfs():
    reason = harness.try_fuse_in_user_namespace()
    if reason:
        harness.skip(f"no FUSE mount in a user namespace: {reason}")
    tree = tree_of_a_site()
    result = tree.cvmfsexec("a.example.org", "--", *question([tree.path("umountrepo"), ""]))
    expect_equal(result.stdout, "a.example.org\nconfig.example.org\n", str(result))


@test
def machine_types_and_sources_are_those_of_makedist():
    makedist = harness.program("makedist")
    listed = harness.run([makedist, "-m", "none of them"]).stderr.split("are:")[1].split()
    expect_equal(offered(makedist, "-m", ""), sorted(listed))
    expect_equal(offered(makedist, "--machine", "suse15-x"), ["suse15-x86_64"])
    expect_equal(offered(makedist, "--machine", "=", "suse15-x"), ["suse15-x86_64"])
    expect_equal(offered(makedist, "--machine", "="), sorted(listed))
    expect_equal(offered(makedist, "-n", ""), ["default", "egi", "none", "osg"])


@test
def files_are_offered_where_files_are_wanted_and_nothing_where_a_number_is():
    place = harness.temporary_directory(harness.ORDINARY)
    for name in ("bundle", "burger", "other"):
        shutil.copy("/etc/passwd", os.path.join(place, name))
    makedist = harness.program("makedist")
    expect_equal(offered(makedist, "-o", "bu", cwd=place), ["bundle", "burger"])
    expect_equal(offered(makedist, "--output", "=", "bu", cwd=place), ["bundle", "burger"])
    expect_equal(offered(makedist, "--inspect", "=", "bu", cwd=place), ["bundle", "burger"])
    expect_equal(offered(makedist, "--extract", "bundle", "o", cwd=place), ["other"])
    expect_equal(offered(makedist, "--level", "", cwd=place), [])


@test
def sessions_are_those_that_are_recorded():
    reason = harness.try_fuse_in_user_namespace()
    if reason:
        harness.skip(f"no FUSE mount in a user namespace: {reason}")
    tree = tree_of_a_site()
    env = {"CVMFSEXEC_SESSIONS": os.path.join(tree.directory, "sessions")}
    for name in ("night", "day"):
        harness.at_end(lambda name=name: tree.cvmfsexec("--end", name, env=env))
        tree.cvmfsexec("--session", name, env=env, check=True)
    for option in ("--join", "--end", "--session"):
        expect_equal(offered(tree.path("cvmfsexec"), option, "", env=env), ["day", "night"])
    for name in ("night", "day"):
        tree.cvmfsexec("--end", name, env=env, check=True)
    expect_equal(offered(tree.path("cvmfsexec"), "--join", "", env=env), [])


@test
def files_are_offered_for_an_image():
    tree = tree_of_a_site()
    with open(os.path.join(tree.home, "image.ext3"), "w", encoding="utf-8"):
        pass
    for option in ("-m", "--image"):
        expect_equal(offered("./cvmfsexec", option, "ima", cwd=tree.home), ["image.ext3"])


@test
def behind_the_dashes_is_a_command_with_files():
    tree = tree_of_a_site()
    expect_in("bash", offered(tree.path("cvmfsexec"), "two.example.org", "--", "bas"))
    expect_equal(offered(tree.path("cvmfsexec"), "--", "/etc/passw"), ["/etc/passwd"]
                 if not os.path.exists("/etc/passwd-") else ["/etc/passwd", "/etc/passwd-"])
    expect_in("/etc/group", offered(tree.path("cvmfsexec"), "--", "ls", "/etc/grou"))


@test
def a_bundle_is_not_run_for_it_but_its_tree_is_used_when_it_is_there():
    tree = tree_of_a_site()
    bundle, marker = os.path.join(tree.directory, "cvmfsexec"), os.path.join(tree.directory, "ran")
    with open(bundle, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n: >{shlex.quote(marker)}\n")
    os.chmod(bundle, 0o755)
    expect_equal(offered(bundle, "tw"), ["two.example.org"])
    expect_in("--version", offered(bundle, "--"))
    os.rename(tree.home, tree.home + ".gone")
    expect_equal(offered(bundle, ""), [])
    assert not os.path.exists(marker), "it was run"


@test
def containers_get_commands_and_images():
    tree = tree_of_a_site()
    shutil.copy2(harness.program("singcvmfs"), tree.home)
    program = tree.path("singcvmfs")
    commands = ["exec", "instance", "run", "shell", "version"]
    expect_equal(offered(program, ""), commands)
    expect_equal(offered(program, "--dry-run", "ex"), ["exec"])
    expect_equal(offered(program, "-"),
                 options_in(harness.run([program, "--help"], check=True).stdout))
    expect_equal(offered(program, "instance", ""), ["list", "start", "stop"])
    expect_equal(offered(program, "exec", "/etc/grou"),
                 [name for name in ("/etc/group", "/etc/group-") if os.path.exists(name)])
    os.unlink(tree.path("cvmfsexec"))
    bundle = os.path.join(tree.directory, "bundle")
    shutil.copy2(program, bundle)
    os.rename(tree.home, os.path.join(tree.directory, ".singcvmfs"))
    expect_equal(offered(bundle, ""), commands)


@test
def a_tab_completes_at_the_prompt():
    tree = tree_of_a_site()
    master, slave = pty.openpty()
    for end in (master, slave):
        harness.at_end(os.close, end)
    harness.start(["bash", "--noprofile", "--norc", "-i"], user=harness.ORDINARY, cwd=tree.home,
                  env={"PS1": "$ ", "TERM": "dumb", "HISTFILE": None},
                  stdin=slave, stdout=slave, stderr=slave)
    os.write(master, f". {shlex.quote(COMPLETION)}\n./cvmfsexec --vers\t; "
                     "./cvmfsexec tw\t-x; echo done\n".encode())
    seen = ""
    while "\ndone" not in seen:
        ready, _, _ = select.select([master], [], [], 20)
        if not ready:
            raise AssertionError(f"it does not end: {seen!r}")
        seen += os.read(master, 4096).decode()
    expect_in("./cvmfsexec --version ; ./cvmfsexec two.example.org -x", seen)


harness.main()
