#!/usr/bin/env python3
"""singcvmfs: repositories in containers, which a stand-in for apptainer and singularity makes. The
images have a static busybox and no library; the client and its libraries are those of the bundle."""

import os
import shutil
import signal
import subprocess

import bundlesite
import harness
import singtest
from bundlesite import CONFIG
from harness import expect_equal, expect_in, test
from launchtree import OFFICIAL_CACHE, official_tree, wait_for_output, wait_until
from nodes import REFUSING
from singtest import Node

singtest.require()

ONE, TWO = "one.example.org", "two.example.org"
site = bundlesite.Site(ONE, TWO, sing=True)
NAME = f"/cvmfs/{ONE}/name"
SINGULARITY = "singularity version {}"


def expect_said(result, status, words):
    expect_equal((result.status, result.stdout), (status, words), str(result))


def expect_refused(result, *words):
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    for part in words:
        expect_in(part, result.stderr)


def values_of(arguments, option):
    """The values an option was called with."""
    return [arguments[index + 1] for index, word in enumerate(arguments) if word == option]


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


# Where things are.

@test
def any_image_will_do_and_nothing_is_written_into_dist_but_the_cache():
    node = Node(site)
    node.singcvmfs("-V", check=True)
    before = node.files()
    # Links that lead elsewhere in the image than on the node.
    image = node.image(links={"run": "var/volatile", "var/run": "/run", "lib": "nowhere"})
    os.makedirs(os.path.join(image, "var/volatile"))
    expect_said(node.singcvmfs("exec", image, "cat", NAME, repositories=ONE), 0, ONE)
    after = {name: time for name, time in node.files().items() if "var/lib/cvmfs" not in name}
    expect_equal(after, {name: time for name, time in before.items() if "var/lib/cvmfs" not in name})
    result = node.singcvmfs("exec", image, "sh", "-c", "touch /.singcvmfs/dist/x", repositories=ONE)
    expect_in("Read-only", result.stderr)


@test
def ten_at_the_same_time_in_one_directory_do_not_disturb_each_other():
    node = Node(site)
    image = node.image()
    files = []
    for number in range(3):
        path = os.path.join(node.work, f"options{number}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"CVMFS_HTTP_PROXY=DIRECT\nCVMFS_MAX_RETRIES=0\nCVMFS_CLAIM_OWNERSHIP=no\n"
                       f"CVMFS_MARK={number}\n")
        files.append(path)
    show = f"cat {NAME} /cvmfs/{TWO}/name; cat /var/run/cvmfs/{ONE}.?????? | grep MARK"
    runs = [node.start("exec", image, "sh", "-c", show, repositories=f"{ONE},{TWO}",
                       env={"SINGCVMFS_OPTSFILE": files[number % 3]}) for number in range(10)]
    for number, process in enumerate(runs):
        expect_said(process.wait(120), 0, f"{ONE}{TWO}CVMFS_MARK='{number % 3}'\n")
    wait_until(lambda: not node.processes(), lambda: f"left: {node.processes()}")


@test
def cache_and_logs_are_where_they_are_wanted_seen_from_the_callers_directory():
    node = Node(site)
    env = {"SINGCVMFS_CACHEDIR": "my cache/here", "SINGCVMFS_LOGDIR": "logs"}
    result = node.singcvmfs("exec", node.image(), "cat", NAME, repositories=ONE, env=env)
    expect_said(result, 0, ONE)
    expect_in("shared", os.listdir(os.path.join(node.work, "my cache/here")))
    expect_in(f"{ONE}.log", os.listdir(os.path.join(node.work, "logs")))
    expect_equal(os.listdir(node.path("dist/var/lib/cvmfs")), [])
    expect_equal(values_of(node.calls()[-1]["arguments"], "-B"),
                 [f"{node.work}/my cache/here:/var/lib/cvmfs"])


@test
def usual_places_are_in_and_beside_dist_and_may_be_links():
    node = Node(site)
    node.singcvmfs("-V", check=True)
    os.rmdir(node.path("dist/var/lib/cvmfs"))
    os.mkdir(os.path.join(node.work, "cache"))
    os.chown(os.path.join(node.work, "cache"), singtest.USER.uid, singtest.USER.gid)
    os.symlink(os.path.join(node.work, "cache"), node.path("dist/var/lib/cvmfs"))
    result = node.singcvmfs("exec", node.image(), "cat", NAME, repositories=ONE)
    expect_said(result, 0, ONE)
    expect_in("shared", os.listdir(os.path.join(node.work, "cache")))
    expect_in(f"{ONE}.log", os.listdir(node.path("log")))


@test
def a_cache_can_be_in_an_image():
    if not shutil.which("fuse2fs") or not shutil.which("mke2fs"):
        harness.skip("no fuse2fs or no mke2fs")
    node = Node(site)
    content = os.path.join(node.work, "content")
    os.makedirs(os.path.join(content, "below"))
    for name in (content, os.path.join(content, "below")):
        os.chown(name, singtest.USER.uid, singtest.USER.gid)
    image = os.path.join(node.work, "cache.ext3")
    owner = f"root_owner={singtest.USER.uid}:{singtest.USER.gid}"
    harness.run(["mke2fs", "-q", "-t", "ext3", "-E", owner, "-d", content, image, "40M"], check=True,
                user=singtest.USER, env={"PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"})
    for directory, used in ((None, "/"), ("below", "/below"), ("/below", "/below")):
        result = node.singcvmfs("exec", node.image(), "sh", "-c", f"cat {NAME}; ls /var/lib/cvmfs",
                                repositories=ONE, env={"SINGCVMFS_CACHEIMAGE": "cache.ext3",
                                                       "SINGCVMFS_CACHEDIR": directory})
        expect_in(f"{ONE}", result.stdout, str(result))
        expect_in("shared\n", result.stdout, str(result))
        expect_equal(values_of(node.calls()[-1]["arguments"], "-B"),
                     [f"{image}:/var/lib/cvmfs:image-src={used}"])


@test
def an_options_file_takes_the_place_of_default_local():
    node = Node(site)
    with open(os.path.join(node.work, "my options"), "w", encoding="utf-8") as file:
        file.write("CVMFS_HTTP_PROXY=DIRECT\nCVMFS_CLAIM_OWNERSHIP=no\n"
                   "CVMFS_DEFAULT_DOMAIN=example.org\nCVMFS_MARK=seen\n")
    result = node.singcvmfs("exec", node.image(), "sh", "-c",
                            f"cat {NAME}; cat /var/run/cvmfs/{ONE}.?????? | grep MARK",
                            repositories="one", env={"SINGCVMFS_OPTSFILE": "my options"})
    expect_said(result, 0, f"{ONE}CVMFS_MARK='seen'\n")


@test
def default_local_may_be_a_link_to_a_file_elsewhere():
    node = Node(site)
    node.singcvmfs("-V", check=True)
    local = node.path("dist/etc/cvmfs/default.local")
    shared = os.path.join(node.work, "shared.local")
    shutil.move(local, shared)
    os.symlink(shared, local)
    with open(shared, "a", encoding="utf-8") as file:
        file.write("CVMFS_MARK=shared\n")
    result = harness.run([node.path("singcvmfs"), "exec", node.image(), "sh", "-c",
                          f"cat {NAME}; cat /var/run/cvmfs/{ONE}.?????? | grep MARK"],
                         user=singtest.USER, cwd=node.work,
                         env={**node.environment, "SINGCVMFS_REPOSITORIES": ONE})
    expect_said(result, 0, f"{ONE}CVMFS_MARK='shared'\n")


@test
def debug_logs_are_written_on_demand():
    node = Node(site)
    node.singcvmfs("exec", node.image(), "cat", NAME, repositories=ONE, check=True)
    expect_equal([name for name in os.listdir(node.path("log")) if "debug" in name], [])
    result = node.singcvmfs("exec", node.image(), "cat", NAME, repositories=ONE,
                            env={"SINGCVMFS_LOGLEVEL": "debug"})
    expect_said(result, 0, ONE)
    for name in (CONFIG, ONE):
        assert os.path.getsize(node.path(f"log/{name}-debug.log")) > 0


@test
def a_tree_for_reading_only_is_good_enough_with_a_cache_elsewhere():
    node = Node(site)
    node.singcvmfs("-V", check=True)
    if harness.ME.uid == 0:
        harness.run(["chown", "-R", "0:0", node.home], check=True)
    os.chmod(node.home, 0o555)
    harness.at_end(os.chmod, node.home, 0o755)
    result = harness.run([node.path("singcvmfs"), "exec", node.image(), "cat", NAME],
                         user=singtest.USER, cwd=node.work,
                         env={**node.environment, "SINGCVMFS_REPOSITORIES": ONE,
                              "SINGCVMFS_CACHEDIR": "cache"})
    expect_said(result, 0, ONE)
    assert not os.path.exists(node.path("log"))
    result = harness.run([node.path("singcvmfs"), "exec", node.image(), "cat", NAME],
                         user=singtest.USER, cwd=node.work,
                         env={**node.environment, "SINGCVMFS_REPOSITORIES": ONE,
                              "SINGCVMFS_CACHEDIR": "cache", "SINGCVMFS_LOGLEVEL": "debug"})
    expect_refused(result, "SINGCVMFS_LOGDIR", node.path("log"))


@test
def paths_with_special_letters_are_shown_whole():
    for name in ("a b", "a,b", "a:b", 'a"b', "a, :\"b^c\\d é", "a ", "ro"):
        node = Node(site, parent=name)
        result = node.singcvmfs("exec", node.image(), "cat", NAME, repositories=ONE,
                                env={"SINGCVMFS_CACHEDIR": "x" + name})
        expect_equal((result.status, result.stdout), (0, ONE), f"{name}: {result}")
        expect_in("shared", os.listdir(os.path.join(node.work, "x" + name)))
        expect_in(f"{ONE}.log", os.listdir(node.path("log")))


@test
def or_refused_where_the_program_is_too_old_for_them():
    for name in ("a,b", "a:b", "a^b"):
        node = Node(site, version=SINGULARITY.format("3.8.7"), parent=name)
        expect_refused(node.singcvmfs("exec", node.image(), "cat", NAME, repositories=ONE), name,
                       "version 3.8", "--mount", "apptainer, or singularity 3.9")
    node = Node(site, version=SINGULARITY.format("3.8.7"), parent="a b")
    expect_said(node.singcvmfs("exec", node.image(), "cat", NAME, repositories=ONE), 0, ONE)
    expect_refused(Node(site).singcvmfs("run", "x", repositories=ONE,
                                        env={"SINGCVMFS_CACHEDIR": "a\nb"}), "newline")


@test
def the_official_client_serves_in_a_container_too_and_ends_in_order():
    # A stand-in for it, with the closure of its libraries: it executes itself as a cache manager, by
    # a name that must lead back to it in the container.
    tree = official_tree(with_loader=True, user=singtest.USER)
    shutil.copy2(harness.program("singcvmfs"), tree.home)
    node = Node(site)
    for version in ("apptainer version 1.3.4", SINGULARITY.format("3.5.3")):
        for _ in range(2):
            # Its shell is the container's.
            result = harness.run(
                [tree.path("singcvmfs"), "exec", node.image(), "sh", "-c",
                 f"cat /cvmfs/{ONE}/fqrn /cvmfs/{TWO}/libraries; cat /var/lib/cvmfs/shared/libraries"],
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
def only_the_tree_is_shown_and_what_is_beside_it_is_not():
    node = Node(site)
    node.singcvmfs("-V", check=True)
    with open(node.path("private"), "w", encoding="utf-8"):
        pass
    os.rename(node.path("dist"), os.path.join(node.work, "dist"))
    os.symlink(os.path.join(node.work, "dist"), node.path("dist"))
    result = harness.run([node.path("singcvmfs"), "exec", node.image(), "sh", "-c",
                          f"cat {NAME}; ls /.singcvmfs"], user=singtest.USER, cwd=node.work,
                         env={**node.environment, "SINGCVMFS_REPOSITORIES": ONE})
    expect_said(result, 0, f"{ONE}dist\nsingcvmfs\n")


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
    expect_refused(node.singcvmfs("exec", node.image(), "true"), "SINGCVMFS_REPOSITORIES is not set",
                   "Usage: ")
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
def v_prints_the_version_and_the_tree_is_beside_file():
    node = Node(site)
    version = node.singcvmfs("-V")
    expect_equal((version.status, version.stderr), (0, ""), str(version))
    assert version.stdout[0].isdigit(), version.stdout
    expect_equal(sorted(os.listdir(node.directory)), [".singcvmfs", "singcvmfs"])
    expect_equal({name for name in os.listdir(node.home) if not name.startswith(".")},
                 {"dist", "singcvmfs"})


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
