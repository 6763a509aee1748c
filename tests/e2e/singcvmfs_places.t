#!/usr/bin/env python3
"""singcvmfs: where things are. The image, the tree, the cache and the logs, files of options; and
paths with letters that mean something to a program for containers."""

import os
import shutil

import bundlesite
import harness
import singtest
from bundlesite import CONFIG
from harness import expect_equal, expect_in, test
from launchtree import wait_until
from singtest import NAME, ONE, SINGULARITY, TWO, Node, expect_refused, expect_said, values_of

singtest.require()

site = bundlesite.Site(ONE, TWO, sing=True)


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
    expect_equal(after,
                 {name: time for name, time in before.items() if "var/lib/cvmfs" not in name})
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
    harness.run(["mke2fs", "-q", "-t", "ext3", "-E", owner, "-d", content, image, "40M"],
                check=True, user=singtest.USER,
                env={"PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"})
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


harness.main()
