#!/usr/bin/env python3
"""singcvmfs: repositories in containers, which a stand-in for apptainer and singularity makes. The
images have a static busybox and no library; the client and its libraries are those of the bundle.
Where things are is in singcvmfs_places.t, what fails in singcvmfs_failures.t."""

import os
import shutil

import bundlesite
import harness
import singtest
from bundlesite import CONFIG
from harness import expect_equal, expect_in, test
from launchtree import OFFICIAL_CACHE, official_tree, wait_for_output, wait_until
from singtest import NAME, ONE, SINGULARITY, TWO, Node, expect_said, values_of

singtest.require()

site = bundlesite.Site(ONE, TWO, sing=True)


# What is run.


@test
def exec_runs_a_command_with_the_repositories_and_its_status():
    node = Node(site)
    result = node.singcvmfs("exec", node.image(), "sh", "-c",
                            "ls /cvmfs; cat /cvmfs/*/name; exit 7", repositories=f"{ONE},{TWO}")
    names = sorted([CONFIG, ONE, TWO])
    expect_equal((result.status, result.stdout.split(), result.stderr),
                 (7, [*names, "".join(names)], ""), str(result))
    wait_until(lambda: not node.processes(), lambda: f"left: {node.processes()}")


@test
def run_and_shell_and_version_are_passed_on():
    node = Node(site)
    result = node.singcvmfs("run", node.image(), "cat", NAME, repositories=ONE)
    expect_said(result, 0, ONE)
    result = node.singcvmfs("shell", node.image(), repositories=ONE, input=f"cat {NAME}; exit 3\n")
    expect_said(result, 3, ONE)
    expect_said(node.singcvmfs("version"), 0, "1.3.4\n")
    expect_equal(node.calls()[-1]["arguments"], ["version"])


@test
def global_options_come_before_the_command_and_the_users_own_behind_ours():
    node = Node(site)
    image, work = node.image(), f"{node.work}/a b"
    result = node.singcvmfs("--debug", "-c", "file", "exec", "--cleanenv", image, "echo", "a  b",
                            repositories=ONE, env={"SINGCVMFS_SINGOPTS": f"--nv -W '{work}'"})
    expect_equal(result.status, 0, str(result))
    arguments = node.calls()[-1]["arguments"]
    expect_equal(arguments[:6], ["--debug", "-c", "file", "exec", "-S", "/var/run/cvmfs"])
    expect_equal(arguments[-8:], [f"container:/.singcvmfs/singcvmfs --client {ONE} /cvmfs/{ONE}",
                                  "--nv", "-W", work, "--cleanenv", image, "echo", "a  b"])


@test
def other_commands_are_run_in_the_image_that_is_set():
    node = Node(site)
    env = {"SINGCVMFS_IMAGE": node.image()}
    expect_said(node.singcvmfs("cat", NAME, repositories=ONE, env=env), 0, ONE)
    expect_equal(node.calls()[-1]["arguments"][-3:], [env["SINGCVMFS_IMAGE"], "cat", NAME])
    result = node.singcvmfs(repositories=ONE, input=f"cat {NAME}\n",
                            env={"SINGCVMFS_IMAGE": node.image(script="exec /bin/sh\n")})
    expect_said(result, 0, ONE)


@test
def an_instance_is_started_used_and_stopped():
    node = Node(site)
    image = node.image()
    harness.at_end(node.singcvmfs, "instance", "stop", "day")
    result = node.singcvmfs("instance", "start", image, "day", repositories=f"{ONE},{TWO}")
    expect_equal(result.status, 0, str(result))
    expect_in("day", node.singcvmfs("instance", "list").stdout)
    for option in ((), ("--cleanenv",), ("-B", "/tmp:/tmp")):
        result = node.singcvmfs("exec", *option, "instance://day", "cat", NAME, repositories=ONE)
        expect_said(result, 0, ONE)
        expect_equal(values_of(node.calls()[-1]["arguments"], "--fusemount"), [])
    expect_said(node.singcvmfs("exec", "instance://day", "cat", f"/cvmfs/{TWO}/name"), 0, TWO)
    expect_equal(node.singcvmfs("instance", "stop", "day").status, 0)
    expect_equal(node.calls()[-1]["arguments"], ["instance", "stop", "day"])
    wait_until(lambda: not node.processes(), lambda: f"left: {node.processes()}")


@test
def what_only_looks_like_an_instance_is_no_hindrance():
    node = Node(site)
    result = node.singcvmfs("exec", node.image(), "echo", "instance://x", repositories=ONE)
    expect_said(result, 0, "instance://x\n")
    expect_equal(len(values_of(node.calls()[-1]["arguments"], "--fusemount")), 2)


@test
def standard_input_signals_and_environment_are_the_commands():
    node = Node(site)
    image = node.image()
    result = node.singcvmfs("exec", image, "cat", repositories=ONE, input="some\nlines\n")
    expect_said(result, 0, "some\nlines\n")
    result = node.singcvmfs("exec", image, "sh", "-c", 'echo "$WORDS"', repositories=ONE,
                            env={"WORDS": "a  b"})
    expect_said(result, 0, "a  b\n")
    process = node.start("exec", image, "sh", "-c", "echo ready; exec sleep 1000", repositories=ONE)
    wait_for_output(process, b"ready\n")
    process.signal(15)
    expect_equal(process.wait().status, 143)


@test
def the_official_client_serves_in_a_container_too_and_ends_in_order():
    # A stand-in for it, with the closure of its libraries: it executes itself as a cache manager,
    # by a name that must lead back to it in the container.
    tree = official_tree(with_loader=True, user=singtest.USER)
    shutil.copy2(harness.program("singcvmfs"), tree.home)
    node = Node(site)
    for version in ("apptainer version 1.3.4", SINGULARITY.format("3.5.3")):
        for _ in range(2):
            # Its shell is the container's.
            result = harness.run(
                [tree.path("singcvmfs"), "exec", node.image(), "sh", "-c",
                 f"cat /cvmfs/{ONE}/fqrn /cvmfs/{TWO}/libraries; "
                 "cat /var/lib/cvmfs/shared/libraries"],
                user=singtest.USER, cwd="/", timeout=120,
                env={**node.environment, "STANDIN_VERSION": version,
                     "PATH": node.environment["PATH"], "SINGCVMFS_REPOSITORIES": f"{ONE},{TWO}"})
            lines = result.stdout.splitlines()
            expect_equal((result.status, lines[0], result.stderr), (0, ONE, ""), str(result))
            for line in lines[1:]:
                assert line.startswith("/.singcvmfs/dist/usr/lib64"), str(result)
            wait_until(lambda: not tree.processes(), lambda: f"left: {tree.processes()}")
            if version.startswith("apptainer"):  # older ones do not wait for any client
                left = set(os.listdir(tree.path(OFFICIAL_CACHE)))
                expect_equal(left & {"rebuilds", "crashes", "cachemgr"}, set())


@test
def v_prints_the_version_and_the_tree_is_beside_file():
    node = Node(site)
    version = node.singcvmfs("-V")
    expect_equal((version.status, version.stderr), (0, ""), str(version))
    assert version.stdout[0].isdigit(), version.stdout
    expect_equal(sorted(os.listdir(node.directory)), [".singcvmfs", "singcvmfs"])
    expect_equal({name for name in os.listdir(node.home) if not name.startswith(".")},
                 {"dist", "singcvmfs"})


# What it is called with.


@test
def the_config_repository_is_mounted_first_and_once():
    node = Node(site)
    for repositories in (ONE, f"{ONE},{CONFIG},{ONE}", f" {ONE} , "):
        node.singcvmfs("exec", node.image(), "true", repositories=repositories)
        mounts = values_of(node.calls()[-1]["arguments"], "--fusemount")
        expect_equal([mount.split()[-1] for mount in mounts], [f"/cvmfs/{CONFIG}", f"/cvmfs/{ONE}"])
        for mount in mounts:
            assert mount.startswith("container:"), mount


@test
def binds_are_added_to_what_the_user_has_set_for_either_program():
    node = Node(site)
    image = node.image()
    mine = os.path.join(node.work, "mine")
    os.mkdir(mine)
    os.chown(mine, singtest.USER.uid, singtest.USER.gid)
    for version in ("apptainer version 1.3.4", SINGULARITY.format("3.8.7")):
        for variable in ("APPTAINER_BIND", "SINGULARITY_BIND"):
            for ending in ("", "PATH"):
                node = Node(site, version=version)
                result = node.singcvmfs("exec", image, "sh", "-c", f"test -d /mine && cat {NAME}",
                                        repositories=ONE, env={variable + ending: f"{mine}:/mine"})
                expect_said(result, 0, ONE)
                seen = node.calls()[-1]["environment"]
                expect_equal(seen["APPTAINER_BINDPATH"], seen["SINGULARITY_BINDPATH"])


@test
def scratch_directories_and_mounts_that_the_user_has_set_are_kept():
    node = Node(site)
    result = node.singcvmfs("exec", node.image(), "sh", "-c", f"touch /mine/x /his/x && cat {NAME}",
                            repositories=ONE, env={"APPTAINER_SCRATCH": "/mine",
                                                   "SINGULARITY_SCRATCHDIR": "/his"})
    expect_said(result, 0, ONE)
    dry = node.singcvmfs("--dry-run", "exec", "x", repositories=ONE,
                         env={"SINGULARITY_FUSESPEC": "container:a b"})
    expect_in("--fusemount 'container:a b'", dry.stdout)


@test
def both_programs_are_known_and_apptainer_comes_first():
    node = Node(site, version=SINGULARITY.format("3.8.7"))
    expect_said(node.singcvmfs("exec", node.image(), "cat", NAME, repositories=ONE), 0, ONE)
    expect_equal(node.calls()[-1]["program"], "singularity")
    directory = node.environment["PATH"].split(":")[0]
    shutil.copy2(os.path.join(directory, "singularity"), os.path.join(directory, "apptainer"))
    node.singcvmfs("exec", node.image(), "true", repositories=ONE)
    expect_equal(node.calls()[-1]["program"], "apptainer")


@test
def singularity_3_5_does_not_say_that_the_client_is_to_stay_in_the_foreground():
    node = Node(site, version=SINGULARITY.format("3.5.3"))
    expect_said(node.singcvmfs("exec", node.image(), "cat", NAME, repositories=ONE), 0, ONE)


@test
def a_dry_run_prints_the_command_which_does_the_same():
    node = Node(site)
    image = node.image()
    dry = node.singcvmfs("--dry-run", "exec", image, "echo", "it's", "a  b", repositories=ONE)
    expect_equal((dry.status, dry.stderr, len(dry.stdout.splitlines())), (0, "", 1), str(dry))
    assert not os.path.exists(node.record) and not os.path.exists(node.path("log")), "it was run"
    os.mkdir(node.path("log"))
    os.chown(node.path("log"), singtest.USER.uid, singtest.USER.gid)
    result = harness.run(dry.stdout, user=singtest.USER, cwd=node.work, env=node.environment)
    expect_said(result, 0, "it's a  b\n")
    printed = node.calls()[-1]["arguments"]
    node.singcvmfs("exec", image, "echo", "it's", "a  b", repositories=ONE)
    expect_equal(node.calls()[-1]["arguments"], printed)


harness.main()
