#!/usr/bin/env python3
"""makedist with package repositories: from the name of a distribution to a tree. Packages are small
and their client is a text; what a real one does is in distribution_job.t, which packages make which
distribution in distribution_matrix.t, what hostile packages do in packages.t."""

import functools
import os
import re
import shutil
import signal
import time

import harness
import packagetest
import rpmwriter
from harness import expect_equal, expect_in, test
from packagetest import ALMA, CERN, CERN_MIRROR, CONFIG, USER
from rpmwriter import Package, directory, file, link

TYPE = ("-m", "rhel9-x86_64")
CLIENT = f"{CERN}/cvmfs/EL/9/x86_64"
MIRROR = f"{CERN_MIRROR}/cvmfs/EL/9/x86_64"
FUSE, BASE = f"{ALMA}/9/AppStream/x86_64/os", f"{ALMA}/9/BaseOS/x86_64/os"
OSG = "repo.opensciencegrid.org/osg/25-main/el9/release/x86_64"
EGI = "repository.egi.eu/sw/production/umd/5/al9/release/x86_64"
EPEL = "download.fedoraproject.org/pub/epel/9/Everything/x86_64"
VERSIONS = ("2.9.4", "2.12.7", "2.13.2", "2.13.3")


def client(version):
    """Packages of a client."""
    noise = os.urandom(300_000)  # nothing that compresses to nothing
    return [
        Package("cvmfs", version, "1.el9", entries=[
            directory("./etc/cvmfs"), file("./etc/cvmfs/default.conf", b"CVMFS_MOUNT_DIR=/cvmfs\n"),
            file("./usr/bin/cvmfs2", version.encode(), 0o755), link("./sbin/mount.cvmfs", "/usr/bin/cvmfs2"),
            link("./usr/share/cvmfs/there", "/etc/cvmfs"), link("./top", "/usr"),
            link("./usr/share/cvmfs/near", "../doc"), file("./usr/share/cvmfs/noise", noise),
            link("./usr/lib/.build-id/ab/cdef", "../../../bin/cvmfs2"),
            directory("./var/lib/cvmfs", 0o700)], compression="zstd"),
        Package("cvmfs-libs", version, "1.el9", compression="xz", entries=[
            file("./usr/lib64/libcvmfs_util.so.2.13", b"a library", 0o755),
            link("./usr/lib64/libcvmfs_util.so", "libcvmfs_util.so.2.13")]),
        Package("cvmfs-fuse3", version, "1.el9", compression="bzip2", entries=[
            file("./usr/lib64/libcvmfs_fuse3_stub.so", b"another", 0o755)]),
    ]


def configuration(source):
    """The package with the configuration of a source."""
    return Package(f"cvmfs-config-{source}", "2.5", "1", "noarch", [
        file(f"./etc/cvmfs/default.d/60-{source}.conf", b"CVMFS_CONFIG_REPOSITORY=a.example.org\n"),
        directory("./etc/cvmfs/keys/example.org"),
        file("./etc/cvmfs/keys/example.org/example.org.pub", b"a key\n")])


def fill(world):
    """All that distributions for rhel9-x86_64 need."""
    world.publish(CLIENT, *(package for version in VERSIONS for package in client(version)))
    world.put(f"{CERN}/{CONFIG}", configuration("default"))
    world.publish(FUSE, Package("fuse3-libs", "3.10.2", "5", entries=[
        file("./usr/lib64/libfuse3.so.3", b"fuse", 0o755)]), folder="Packages")
    world.publish(BASE)
    helper = Package("cvmfs-x509-helper", "2.5", "1", entries=[
        file("./usr/libexec/cvmfs/authz/cvmfs_x509_helper", b"helper", 0o755)])
    world.publish(OSG, configuration("osg"), helper, Package("cvmfs", "2.13.2", "9.osg"), folder="Packages/c")
    world.publish(EGI, configuration("egi"), helper, Package("cvmfs", "2.12.7", "1"))
    world.publish(EPEL, Package("scitokens-cpp", entries=[file("./usr/lib64/libSciTokens.so.0", b"x")]))
    return world


@functools.cache
def world():
    """The servers that tests only read from."""
    return fill(packagetest.World(whole_script=True))


def own_world():
    """Servers to be spoilt."""
    world()
    made = packagetest.World()
    shutil.rmtree(made.webroot)
    shutil.copytree(world().webroot, made.webroot)
    return made


def names(packages):
    """What packages are called, of their URLs."""
    return sorted(re.sub(r"-\d.*", "", os.path.basename(url)) for url in packages)


DEFAULT_PACKAGES = ["cvmfs", "cvmfs-config-default-latest.noarch.rpm", "cvmfs-fuse3", "cvmfs-libs",
                    "fuse3-libs"]


# The trees.


@test
def a_tree_has_what_the_packages_have_and_what_is_ours():
    site = packagetest.Site(world())
    said = site.makedist(*TYPE, "default").stderr
    expect_in("for rhel9-x86_64: cvmfs-2.13.3-1.el9.x86_64.rpm, cvmfs-libs-2.13.3", said)
    expect_equal(site.names(), ["dist"])
    expect_equal(site.files() - {"usr/share/cvmfsexec/libraries"}, {
        ".cvmfsexecdist", "etc/os-release", "etc/cvmfs/default.conf", "etc/cvmfs/default.local",
        "etc/cvmfs/default.d/60-default.conf", "etc/cvmfs/keys/example.org/example.org.pub",
        "usr/bin/cvmfs2", "usr/share/cvmfs/noise", "usr/share/cvmfs/there", "usr/share/cvmfs/near",
        "sbin/mount.cvmfs", "top", "usr/lib64/libcvmfs_util.so.2.13", "usr/lib64/libcvmfs_util.so",
        "usr/lib64/libcvmfs_fuse3_stub.so", "usr/lib64/libfuse3.so.3"})
    expect_equal(site.read("dist/.cvmfsexecdist"), "disttype: standard\nmachtype: rhel9-x86_64\n")
    expect_equal(site.read("dist/etc/os-release"), 'ID_LIKE="rhel"\nVERSION_ID="9"\n')
    expect_equal(site.read("dist/etc/cvmfs/default.conf"), "CVMFS_MOUNT_DIR=/cvmfs\n", "the package's own")
    expect_equal(os.stat(site.path("dist/usr/bin/cvmfs2")).st_mode & 0o7777, 0o755)


@test
def absolute_links_become_relative_and_the_tree_can_be_moved():
    site = packagetest.Site(world())
    site.makedist(*TYPE, "-q", "default")
    os.rename(site.path("dist"), site.path("elsewhere"))
    links = {name: os.readlink(site.path("elsewhere", name)) for name in
             ("sbin/mount.cvmfs", "usr/share/cvmfs/there", "usr/share/cvmfs/near", "top",
              "usr/lib64/libcvmfs_util.so")}
    expect_equal(links, {"sbin/mount.cvmfs": "../usr/bin/cvmfs2",
                         "usr/share/cvmfs/there": "../../../etc/cvmfs",
                         "usr/share/cvmfs/near": "../doc", "top": "usr",
                         "usr/lib64/libcvmfs_util.so": "libcvmfs_util.so.2.13"})
    expect_equal(site.read("elsewhere/sbin/mount.cvmfs"), "2.13.3")
    expect_in("MOUNT_DIR", site.read("elsewhere/usr/share/cvmfs/there/default.conf"))


def default_local(source):
    site = packagetest.Site(world())
    site.makedist("-q", *TYPE, source)
    return site.read("dist/etc/cvmfs/default.local").splitlines()


@test
def default_local_names_the_nearer_servers_first():
    common = 'CVMFS_PAC_URLS="http://grid-wpad/wpad.dat;http://wpad/wpad.dat;'
    cern, fnal = (f"http://cernvm-wpad.{place}/wpad.dat" for place in ("cern.ch", "fnal.gov"))
    for source, order in (("osg", f'{fnal};{cern}"'), ("egi", f'{cern};{fnal}"'),
                          ("default", f'{cern};{fnal}"')):
        lines = default_local(source)
        expect_in(common + order, lines, source)
        expect_in('CVMFS_HTTP_PROXY="auto;DIRECT"', lines)


@test
def osg_and_egi_decide_which_client_it_is():
    for source, version in (("osg", "2.13.2"), ("egi", "2.12.7"), ("none", "2.13.3")):
        site = packagetest.Site(world())
        site.makedist("-q", *TYPE, source)
        expect_equal(site.read("dist/usr/bin/cvmfs2"), version, source)
        helper = os.path.exists(site.path("dist/usr/libexec/cvmfs/authz/cvmfs_x509_helper"))
        expect_equal(helper, source != "none", source)
        expect_equal(os.path.exists(site.path("dist/etc/cvmfs/keys/example.org")), source != "none")


@test
def a_tree_for_singcvmfs_says_so():
    if not os.path.exists(os.path.join(harness.build_directory(), "singcvmfs")):
        harness.skip("there is no singcvmfs in this build")
    site = packagetest.Site(world())
    shutil.copy2(harness.program("singcvmfs"), site.directory)
    site.makedist("-sq", *TYPE, "default")
    expect_equal(site.read("dist/.cvmfsexecdist"), "disttype: sing\nmachtype: rhel9-x86_64\n")


@test
def a_tree_is_for_everybody_whatever_umask_and_packages_say():
    site = packagetest.Site(world())
    command = site.command("-q", *TYPE, "default")
    result = harness.run(["sh", "-c", 'umask 077; exec "$@"', "sh", *command], user=USER,
                         env=packagetest.ENVIRONMENT)
    expect_equal(result.status, 0, str(result))
    for folder, folders, files in os.walk(site.path("dist")):
        for name in folders + files:
            mode = os.lstat(os.path.join(folder, name)).st_mode
            if (mode & 0o170000) != 0o120000:
                expect_equal(mode & 0o444, 0o444 if name != "cvmfs" or folders else mode & 0o444, name)


# Which client.


@test
def a_version_is_chosen():
    site = packagetest.Site(world())
    site.makedist("-q", *TYPE, "-v", "2.12.7", "none")
    expect_equal(site.read("dist/usr/bin/cvmfs2"), "2.12.7")
    expect_equal(names(site.dry_run(*TYPE, "-v", "2.9.4", "none")), ["cvmfs", "cvmfs-fuse3", "fuse3-libs"])


@test
def a_version_that_does_not_exist_says_which_do():
    site = packagetest.Site(world())
    for source in ("default", "osg"):
        said = site.makedist(*TYPE, "-v", "2.7.1", source, status=1).stderr
        expect_in("2.7.1", said)
        expect_in("2.13.3, 2.13.2, 2.12.7, 2.9.4", said)
    expect_in("is not a version", site.makedist(*TYPE, "-v", "new", "none", status=1).stderr)
    expect_equal(site.names(), [])


# What is said without making anything.


@test
def a_dry_run_prints_urls_and_loads_no_package():
    made = own_world()
    site = packagetest.Site(made)
    result = site.makedist("--dry-run", *TYPE, "default")
    expect_equal(result.stdout, "".join(made.url + path + "\n" for path in (
        f"{CLIENT}/cvmfs-2.13.3-1.el9.x86_64.rpm", f"{CLIENT}/cvmfs-libs-2.13.3-1.el9.x86_64.rpm",
        f"{CERN}/{CONFIG}", f"{CLIENT}/cvmfs-fuse3-2.13.3-1.el9.x86_64.rpm",
        f"{FUSE}/Packages/fuse3-libs-3.10.2-5.x86_64.rpm")))
    expect_equal((site.names(), made.downloaded()), ([], []))


@test
def a_dry_run_needs_no_place_for_a_tree():
    site = packagetest.Site(world())
    os.mkdir(site.path("dist"))
    expect_equal(len(site.dry_run(*TYPE, "default")), 5)


@test
def types_are_listed():
    site = packagetest.Site()
    types = site.makedist("--list-types").stdout.split()
    expect_equal(len(types), 10)
    expect_in("rhel10-x86_64", types)


@test
def sources_are_listed_with_the_changes_of_the_site():
    site = packagetest.Site(table="[fuse2fs]\nfile = https://b.example.org/x.rpm\n[mine]\ntypes = suse15-*\n"
                                  "base = http://a.example.org/{arch}\n[replace]\nhttps://x = file:///y\n")
    text = site.makedist("--list-sources").stdout
    for line in ("[cvmfs]", "[fuse2fs]\nfile = https://b.example.org/x.rpm\n",
                 "[mine]\ntypes = suse15-*\nbase = http://a.example.org/{arch}\n",
                 "[replace]\nhttps://x = file:///y\n"):
        expect_in(line, text)
    other = packagetest.Site()
    other.write_table(text)
    expect_equal(other.makedist("--list-sources").stdout, text, "read again")


# Tables of sources.


@test
def a_table_on_the_command_line_takes_the_place_of_the_one_beside_the_program():
    site = packagetest.Site(table="[replace]\nhttps:// = http://127.0.0.1:1/\n")
    other = site.write_table(world().replacement(), "other.conf")
    expect_equal(names(site.dry_run("--sources", other, *TYPE, "default")), DEFAULT_PACKAGES)
    site.makedist("--dry-run", *TYPE, "default", status=1)


@test
def mistakes_in_a_table_are_named_with_their_line():
    site = packagetest.Site()
    rows = [("base = https://x\n", 1, "a [SECTION] must come first"),
            ("[a]\nbase = ftp://x\n", 2, "ftp://x"), ("\n[a]\nbsae = https://x\n", 3, "bsae"),
            ("[a]\nbase = https://{x}\n", 2, "{version} and {arch}"), ("[a\n", 1, "[NAME]"),
            ("[a]\ntypes = rhel5-*\n", 2, "rhel5-*"), ("[a]\n[a]\n", 2, "already"),
            ("[replace]\nhttps://x = y\n", 2, '"y"'), ("[a]\nfile = https://x # y\n", 2, "no blanks"), ("[a]\n#\n\nbase =\n", 4, "no value")]
    for text, line, words in rows:
        path = site.write_table(text, "wrong.conf")
        said = site.makedist("--sources", path, *TYPE, "default", status=1).stderr
        expect_in(f"{path}:{line}: ", said)
        expect_in(words, said)
    said = site.makedist("--sources", site.path("none"), *TYPE, "default", status=1).stderr
    expect_in(site.path("none"), said)


@test
def a_copy_on_this_machine_is_a_mirror():
    site = packagetest.Site(table=world().replacement(f"file://{world().webroot}/"))
    site.makedist("-q", *TYPE, "default")
    expect_equal(site.read("dist/usr/bin/cvmfs2"), "2.13.3")


@test
def sources_of_the_sites_own_are_used():
    made = packagetest.World()
    made.publish("mine/9", *client("3.0.0"))
    table = (f"[cvmfs]\nbase = {made.url}mine/{{version}}\n[default]\n"
             f"file = file://{world().path(CERN, CONFIG)}\n")
    site = packagetest.Site(world(), table=table)
    site.makedist("-q", *TYPE, "default")
    expect_equal(site.read("dist/usr/bin/cvmfs2"), "3.0.0")
    expect_equal(names(made.downloaded()), ["cvmfs", "cvmfs-fuse3", "cvmfs-libs"])


# Downloads.


@test
def a_second_run_needs_no_network():
    made = own_world()
    site = packagetest.Site(made)
    site.makedist("-q", *TYPE, "default")
    expect_equal(names(made.downloaded()), DEFAULT_PACKAGES)
    shutil.rmtree(site.path("dist"))
    made.server.clear()
    site.makedist("-q", *TYPE, "default")
    expect_equal(names(line.split()[1] for line in made.server.log() if line.endswith(".rpm")
                       and not line.startswith("304")), [], "loaded again")


@test
def ten_types_in_a_row_load_what_they_share_once():
    made = own_world()
    site = packagetest.Site(made)
    for source in ("default", "none", "osg"):
        site.makedist("-q", *TYPE, source)
        os.rename(site.path("dist"), site.path(source))
    loaded = [line.split()[1] for line in made.server.log()
              if line.startswith("200") and line.endswith(".rpm")]
    expect_equal(sorted(set(loaded)), sorted(loaded))


@test
def where_a_mirror_fails_the_next_one_is_asked():
    made = own_world()
    os.makedirs(os.path.dirname(made.path(MIRROR)))
    shutil.move(made.path(CLIENT), made.path(MIRROR))
    shutil.move(made.path(CERN, CONFIG), made.path(CERN_MIRROR, CONFIG))
    site = packagetest.Site(made)
    site.makedist("-q", *TYPE, "default")
    expect_equal(site.read("dist/usr/bin/cvmfs2"), "2.13.3")
    expect_equal(len([path for path in made.downloaded() if path.startswith(CERN_MIRROR)]), 4)


@test
def a_package_that_a_mirror_has_lost_comes_from_the_other():
    made = own_world()
    shutil.copytree(made.path(CLIENT), made.path(MIRROR))
    os.unlink(made.path(CLIENT, "cvmfs-2.13.3-1.el9.x86_64.rpm"))
    packagetest.Site(made).makedist("-q", *TYPE, "none")


@test
def a_package_that_no_mirror_has_is_named():
    made = own_world()
    os.unlink(made.path(CLIENT, "cvmfs-libs-2.13.3-1.el9.x86_64.rpm"))
    site = packagetest.Site(made)
    said = site.makedist("-q", *TYPE, "none", status=1).stderr
    expect_in("cvmfs-libs-2.13.3-1.el9.x86_64.rpm", said)
    expect_in("404", said)
    expect_equal(site.names(), [])


LISTING_PLACE = "cvmrepo.s3-website.cern.ch/cvmrepo/yum/cvmfs/EL/9/x86_64"


@test
def where_there_is_no_metadata_the_listing_is_read():
    made = own_world()
    made.unindex(CLIENT)
    rows = "".join(f'<tr><td><a href="./{name}">{name}</a></td></tr>'
                   for name in sorted(os.listdir(made.path(CLIENT))))
    shutil.move(made.path(CLIENT), made.path(LISTING_PLACE))
    os.rename(made.path(LISTING_PLACE), made.path("packages"))
    os.makedirs(made.path(LISTING_PLACE))
    with open(made.path(LISTING_PLACE, "index.html"), "w", encoding="utf-8") as page:
        page.write(f"<html><body><table>{rows}</table></body></html>")
    for name in os.listdir(made.path("packages")):
        shutil.move(made.path("packages", name), made.path(LISTING_PLACE))
    site = packagetest.Site(made)
    expect_equal(site.dry_run(*TYPE, "-v", "2.12.7", "none")[0],
                 f"{made.url}{LISTING_PLACE}/cvmfs-2.12.7-1.el9.x86_64.rpm")
    site.makedist("-q", *TYPE, "none")
    expect_equal(site.read("dist/usr/bin/cvmfs2"), "2.13.3")
    expect_in("2.13.3, 2.13.2", site.makedist(*TYPE, "--dry-run", "-v", "1.0.0", "none", status=1).stderr)


@test
def one_line_for_each_file_goes_into_a_pipe_and_nothing_with_quiet():
    site = packagetest.Site(world())
    lines = site.makedist(*TYPE, "default").stderr.splitlines()
    for name in ("cvmfs-2.13.3", "cvmfs-libs-2.13.3", "cvmfs-fuse3-2.13.3", CONFIG, "fuse3-libs-3.10.2"):
        expect_equal(len([line for line in lines[:-1] if name in line]), 1, name)
    expect_in("made ", lines[-1])
    shutil.rmtree(site.path("dist"))
    result = site.makedist("-q", *TYPE, "default")
    expect_equal((result.stdout, result.stderr), ("", ""))


@test
def a_native_tree_asks_for_its_configuration_alone():
    made = own_world()
    site = packagetest.Site(made)
    said = site.makedist("-n", "-m", packagetest.machine(), "default").stderr
    expect_in("native client", said)
    expect_in(CONFIG, said)
    expect_equal(made.server.requests(), [f"/{CERN}/{CONFIG}"])
    expect_in("usr/bin/cvmfs2", site.files())
    expect_in("etc/cvmfs/default.d/60-default.conf", site.files())
    made.server.clear()
    if packagetest.machine() == "rhel9-x86_64":
        shutil.rmtree(site.path("dist"))
        site.makedist("-nq", *TYPE, "osg")
        expect_equal(names(made.downloaded()), ["cvmfs-config-osg"])


# What ends it.


@test
def a_tree_that_is_there_is_refused_before_anything_is_asked():
    made = own_world()
    site = packagetest.Site(made)
    os.mkdir(site.path("dist"))
    expect_in("rm -rf", site.makedist(*TYPE, "default", status=1).stderr)
    expect_equal(made.server.requests(), [])


@test
def a_distribution_that_is_not_made_is_refused_before_anything_is_asked():
    made = own_world()
    site = packagetest.Site(made)
    for machine, source in (("rhel7-x86_64", "osg"), ("rhel8-x86_64", "egi"), ("rhel10-x86_64", "egi")):
        said = site.makedist("-m", machine, source, status=1).stderr
        expect_in(f"{source} is not made for {machine}", said)
    expect_equal((made.server.requests(), site.names()), ([], []))


def held_back(made, path):
    """A site whose downloads go through a server that stops in the midst of one of them."""
    server = harness.FaultServer(made.webroot)
    server.stall(f"*{path}", keep=5000)
    return packagetest.Site(table=made.replacement(server.url + "/")), server


def sizes_of_parts(cache):
    """How much there is of files that are being downloaded."""
    sizes = []
    for entry in os.scandir(cache):
        try:
            if entry.name.endswith(".part"):
                sizes.append(entry.stat().st_size)
        except FileNotFoundError:  # it is whole now
            pass
    return sizes


@test
def interrupted_in_a_download_it_leaves_nothing_and_goes_on_there_the_next_time():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        site, server = held_back(world(), "/cvmfs-2.13.3-1.el9.x86_64.rpm")
        process = site.start(*TYPE, "none")
        while 5000 not in sizes_of_parts(site.cache) and process.running():
            time.sleep(0.01)
        process.signal(number)
        expect_equal(process.wait().status, 128 + number)
        expect_equal(site.names(), [])
        server.clear()
        site.makedist("-q", *TYPE, "none")
        expect_equal(site.names(), ["dist"])
        ranges = [headers["range"] for headers in server.headers() if "range" in headers]
        expect_equal(ranges, ["bytes=5000-"])


@functools.cache
def large_world():
    """Unpacking takes so long that it can be interrupted."""
    made = own_world_for_the_script()
    entries = [file(f"./usr/share/many/{number}") for number in range(50_000)]
    made.publish(CLIENT, Package("cvmfs", "2.14.0", "1.el9", entries=entries, listed=[]),
                 Package("cvmfs-libs", "2.14.0", "1.el9"), Package("cvmfs-fuse3", "2.14.0", "1.el9"))
    return made


def own_world_for_the_script():
    made = packagetest.World(whole_script=True)
    shutil.rmtree(made.webroot)
    shutil.copytree(world().webroot, made.webroot)
    return made


@test
def interrupted_in_unpacking_it_leaves_nothing_or_what_the_next_run_removes():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        site = packagetest.Site(large_world())
        process = site.start("-q", *TYPE, "none")
        while not any(os.path.isdir(site.path(name, "usr/share/many")) for name in site.names()) \
                and process.running():
            time.sleep(0.001)
        process.signal(number)
        expect_equal(process.wait().status, 128 + number)
        left = site.names()
        expect_equal(left if number != signal.SIGKILL else left[1:], [])
        site.makedist("-q", *TYPE, "-v", "2.13.3", "none")
        expect_equal(site.names(), ["dist"])


ON_DISK = ("makedist", "makedist.conf", "cvmfsexec", "mountrepo", "umountrepo")


def on_a_small_disk(site, *arguments, cache=None):
    """Runs makedist in a directory on a file system that has room for 150 kB."""
    pages = sum((os.path.getsize(site.path(name)) + 4095) // 4096 for name in ON_DISK)
    script = """cd "$1" && shift && mkdir small && mount -t tmpfs -o size=$1 none small && shift &&
        cp {} small && cd small || exit 99
        ./makedist --cache "$@"; echo "status $?"; ls -A""".format(" ".join(ON_DISK))
    result = harness.run(["unshare", "-Urm", "sh", "-c", script, "sh", site.directory,
                          f"{pages * 4 + 150}k", cache or site.cache, *arguments], user=USER, env=packagetest.ENVIRONMENT)
    if "status" not in result.stdout:
        harness.skip("no mounts in a user namespace")
    expect_in("status 1", result.stdout)
    expect_in("No space left on device", result.stderr)
    return result


@test
def a_full_disk_leaves_nothing_and_is_said_with_the_file():
    site = packagetest.Site(world())
    result = on_a_small_disk(site, *TYPE, "none")
    expect_equal([name for name in result.stdout.split() if "dist" in name], ["makedist", "makedist.conf"])
    expect_in("usr/", result.stderr)


@test
def a_full_disk_under_the_cache_is_said():
    site = packagetest.Site(large_world())
    result = on_a_small_disk(site, *TYPE, "none", cache="here")
    expect_in("here/", result.stderr)


@test
def what_is_no_package_is_refused():
    for content in (b"", b"<html>sorry</html>" * 1000, b"\xed\xab\xee\xdb" + b"\0" * 4000):
        made = own_world()
        with open(made.path(CERN, CONFIG), "wb") as page:
            page.write(content)
        site = packagetest.Site(made)
        expect_in(f"{CONFIG} is damaged, or no package",
                  site.makedist("-q", *TYPE, "default", status=1).stderr)
        expect_equal(site.names(), [])


@test
def the_home_of_a_user_decides_nothing_and_stays_as_it_is():
    site = packagetest.Site(world())
    home = harness.temporary_directory(USER)
    for name, text in ((".rpmmacros", "%_pkgverify_level all\n%_dbpath %(touch $HOME/db)\n"),
                       (".rpmrc", "nonsense: x\n")):
        with open(os.path.join(home, name), "w", encoding="utf-8") as out:
            out.write(text)
    trace = os.path.join(harness.temporary_directory(USER), "trace")
    strace = ["strace", "-f", "-e", "trace=file,flock,fcntl", "-o", trace] if shutil.which("strace") else []
    result = harness.run([*strace, *site.command("-q", *TYPE, "default")], user=USER, cwd="/",
                         env={**packagetest.ENVIRONMENT, "HOME": home})
    expect_equal((result.status, result.stderr), (0, ""), str(result))
    expect_equal(sorted(os.listdir(home)), [".rpmmacros", ".rpmrc"])
    if strace:
        with open(trace, encoding="utf-8", errors="replace") as lines:
            found = [line for line in lines if re.search("rpmmacros|rpmrc|rpmdb|rpm/macros|lib/rpm|/etc/rpm", line)]
        expect_equal(found, [])


@test
def the_cache_is_in_the_users_home_when_nobody_says():
    site = packagetest.Site(world())
    home = harness.temporary_directory(USER)
    for env, place in (({"HOME": home}, f"{home}/.cache/cvmfsexec"),
                       ({"HOME": home, "XDG_CACHE_HOME": f"{home}/other"}, f"{home}/other/cvmfsexec")):
        result = harness.run([site.path("makedist"), "-q", *TYPE, "default"], user=USER, cwd="/",
                             env=packagetest.ENVIRONMENT | env)
        expect_equal(result.status, 0, str(result))
        assert os.listdir(place)
        shutil.rmtree(site.path("dist"))
    result = harness.run([site.path("makedist"), *TYPE, "default"], user=USER, cwd="/",
                         env=packagetest.ENVIRONMENT | {"HOME": None})
    expect_equal(result.status, 1)
    expect_in("--cache", result.stderr)


world()
large_world()
harness.main()
