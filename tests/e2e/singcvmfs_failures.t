#!/usr/bin/env python3
"""singcvmfs: what ends before its time, and what is refused or said on the node and in the
container."""

import os
import shutil
import signal
import subprocess

import bundlesite
import harness
import singtest
from harness import expect_equal, expect_in, test
from launchtree import wait_for_output, wait_until
from nodes import REFUSING
from singtest import NAME, ONE, SINGULARITY, TWO, Node, expect_refused, expect_said

singtest.require()

site = bundlesite.Site(ONE, TWO, sing=True)


# What ends before its time.


def client_of(node, fqrn):
    """The process of the client itself, and that of the keeper in front of it."""
    serving = {"--client" in words: pid for pid, words in node.processes().items()
               if fqrn in words and "/.singcvmfs/" in " ".join(words)}
    return serving[False], serving[True]


def start_and_wait(node, *repositories):
    """A container with a shell that has read their names, and waits to be told what to do."""
    names = " ".join(f"/cvmfs/{fqrn}/name" for fqrn in repositories)
    process = node.start("exec", node.image(), "sh", "-c", f"cat {names}; echo; exec sh",
                         repositories=",".join(repositories), stdin=subprocess.PIPE)
    wait_for_output(process, "".join(repositories).encode() + b"\n")
    return process


def tell(process, words):
    process.popen.stdin.write(words)
    process.popen.stdin.close()
    return process.wait(60)


@test
def a_repository_whose_client_is_killed_keeps_nobody_waiting():
    node = Node(site)
    for fqrn, other in ((ONE, TWO), (TWO, ONE)):
        process = start_and_wait(node, ONE, TWO)
        os.kill(client_of(node, fqrn)[0], 9)
        result = tell(process, f"ls /cvmfs/{fqrn} || echo gone; cat /cvmfs/{other}/name".encode())
        expect_equal((result.status, result.stdout), (0, f"{ONE}{TWO}\ngone\n{other}"), str(result))
        expect_in(f"mounting {fqrn} failed: the client was ended by signal 9", result.stderr)


@test
def a_client_goes_on_when_its_keeper_is_killed():
    node = Node(site)
    process = start_and_wait(node, ONE)
    os.kill(client_of(node, ONE)[1], 9)
    result = tell(process, f"cat {NAME}".encode())
    expect_equal((result.status, result.stdout), (0, f"{ONE}\n{ONE}"), str(result))
    wait_until(lambda: not node.processes(), lambda: f"left: {node.processes()}")


@test
def a_client_that_does_not_end_does_not_keep_the_container():
    node = Node(site)
    process = start_and_wait(node, ONE)
    os.kill(client_of(node, ONE)[0], signal.SIGSTOP)
    expect_equal(tell(process, b"exit 3").status, 3)
    wait_until(lambda: not node.processes(), lambda: f"left: {node.processes()}")


@test
def nothing_is_left_of_a_container_whose_program_is_killed():
    node = Node(site)
    process = start_and_wait(node, ONE, TWO)
    assert len(node.processes()) > 4, node.processes()
    os.kill(process.pid, 9)
    wait_until(lambda: not node.processes(), lambda: f"left: {node.processes()}")
    expect_said(node.singcvmfs("exec", node.image(), "cat", NAME, repositories=ONE), 0, ONE)


# What is refused, and what is said.


@test
def a_version_that_is_too_old_is_named_with_what_is_needed():
    for version, env, words in (
            ("2.6.1-dist", {}, ("version 2.6", "singularity 3.4 or newer", "--fusemount")),
            (SINGULARITY.format("3.3.0"), {}, ("version 3.3", "3.4")),
            (SINGULARITY.format("3.5.3"), {"SINGCVMFS_CACHEIMAGE": "/etc/passwd"},
             ("version 3.5", "SINGCVMFS_CACHEIMAGE", "singularity 3.6"))):
        node = Node(site, version=version)
        expect_refused(node.singcvmfs("exec", node.image(), "true", repositories=ONE, env=env),
                       *words)


@test
def a_node_without_either_program_is_told_what_cvmfsexec_could_do():
    node = Node(site, version="")
    if shutil.which("apptainer") or shutil.which("singularity"):
        harness.skip("this machine has one")
    result = node.singcvmfs("exec", node.image(), "true", repositories=ONE)
    expect_refused(result, "neither apptainer nor singularity", "it allows user namespaces",
                   "'cvmfsexec REPO -- COMMAND'")
    refused = [REFUSING, "clone:0:0x10000000=EPERM", "unshare:0:0x10000000=EPERM", "--"]
    result = harness.run([*refused, *node.command("exec", "x")], user=singtest.USER, cwd=node.work,
                         env={**node.environment, "SINGCVMFS_REPOSITORIES": ONE})
    expect_refused(result, "neither apptainer nor singularity", "cvmfsexec could not mount either")


@test
def usage_errors_end_with_1_and_show_the_usage():
    node = Node(site)
    expect_refused(node.singcvmfs("exec", node.image(), "true"),
                   "SINGCVMFS_REPOSITORIES is not set", "Usage: ")
    expect_refused(node.singcvmfs("ls", repositories=ONE), "SINGCVMFS_IMAGE is not set", "Usage: ")
    expect_refused(node.singcvmfs("exec", "x", repositories=f"{ONE},/etc"), "'/etc'")
    expect_refused(node.singcvmfs("exec", "x", repositories=ONE,
                                  env={"SINGCVMFS_OPTSFILE": "nothing"}), "SINGCVMFS_OPTSFILE")
    expect_refused(node.singcvmfs("exec", "x", repositories=ONE,
                                  env={"SINGCVMFS_SINGOPTS": "'a"}), "SINGCVMFS_SINGOPTS")
    help_text = node.singcvmfs("-h")
    expect_equal((help_text.status, help_text.stderr), (0, ""))
    expect_in("Usage: singcvmfs", help_text.stdout)


@test
def a_repository_that_cannot_be_mounted_is_named_and_the_others_can_be_read():
    node = Node(site)
    result = node.singcvmfs("exec", node.image(), "sh", "-c",
                            f"cat {NAME}; ls /cvmfs/missing.example.org || echo no",
                            repositories=f"{ONE},missing.example.org")
    expect_equal((result.status, result.stdout), (0, f"{ONE}no\n"), str(result))
    expect_in("singcvmfs: mounting missing.example.org failed\n", result.stderr)


@test
def what_is_wrong_with_a_configuration_is_said():
    node = Node(site)
    with open(os.path.join(node.work, "options"), "w", encoding="utf-8") as file:
        file.write("CVMFS_HTTP_PROXY=DIRECT\nif\n")
    result = node.singcvmfs("exec", node.image(), "ls", f"/cvmfs/{ONE}", repositories=ONE,
                            env={"SINGCVMFS_OPTSFILE": "options"})
    assert result.status != 0, str(result)
    expect_in(f"singcvmfs: {ONE}: configuration: ", result.stderr)


harness.main()
