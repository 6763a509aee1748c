#!/usr/bin/env python3
"""makedist with package repositories: from the name of a distribution to a tree. Packages are small
and their client is a text; what a real one does is in distribution_job.t, which packages make which
distribution in distribution_matrix.t, where they come from in distribution_sources.t, what fails in
distribution_failures.t, what hostile packages do in packages*.t."""

import os
import re
import shutil

import harness
import packagetest
from distributiontest import FUSE, names, own_world, world
from harness import expect_equal, expect_in, test
from packagetest import CERN, CLIENT, CONFIG, TYPE, USER


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
    expect_equal(site.read("dist/etc/cvmfs/default.conf"), "CVMFS_MOUNT_DIR=/cvmfs\n",
                 "the package's own")
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
                expect_equal(mode & 0o444,
                             0o444 if name != "cvmfs" or folders else mode & 0o444, name)


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


@test
def the_home_of_a_user_decides_nothing_and_stays_as_it_is():
    site = packagetest.Site(world())
    home = harness.temporary_directory(USER)
    for name, text in ((".rpmmacros", "%_pkgverify_level all\n%_dbpath %(touch $HOME/db)\n"),
                       (".rpmrc", "nonsense: x\n")):
        with open(os.path.join(home, name), "w", encoding="utf-8") as out:
            out.write(text)
    trace = os.path.join(harness.temporary_directory(USER), "trace")
    strace = ["strace", "-f", "-e", "trace=file,flock,fcntl", "-o", trace] \
        if shutil.which("strace") else []
    result = harness.run([*strace, *site.command("-q", *TYPE, "default")], user=USER, cwd="/",
                         env={**packagetest.ENVIRONMENT, "HOME": home})
    expect_equal((result.status, result.stderr), (0, ""), str(result))
    expect_equal(sorted(os.listdir(home)), [".rpmmacros", ".rpmrc"])
    if strace:
        with open(trace, encoding="utf-8", errors="replace") as lines:
            found = [line for line in lines
                     if re.search("rpmmacros|rpmrc|rpmdb|rpm/macros|lib/rpm|/etc/rpm", line)]
        expect_equal(found, [])


# Which client.


@test
def a_version_is_chosen():
    site = packagetest.Site(world())
    site.makedist("-q", *TYPE, "-v", "2.12.7", "none")
    expect_equal(site.read("dist/usr/bin/cvmfs2"), "2.12.7")
    expect_equal(names(site.dry_run(*TYPE, "-v", "2.9.4", "none")),
                 ["cvmfs", "cvmfs-fuse3", "fuse3-libs"])


@test
def a_version_that_does_not_exist_says_which_do():
    site = packagetest.Site(world())
    for source in ("default", "osg"):
        said = site.makedist(*TYPE, "-v", "2.7.1", source, status=1).stderr
        expect_in("2.7.1", said)
        expect_in("2.13.3, 2.13.2, 2.12.7, 2.9.4", said)
    expect_in("is not a version", site.makedist(*TYPE, "-v", "new", "none", status=1).stderr)
    expect_equal(site.names(), [])


# What is said.


@test
def one_line_for_each_file_goes_into_a_pipe_and_nothing_with_quiet():
    site = packagetest.Site(world())
    lines = site.makedist(*TYPE, "default").stderr.splitlines()
    for name in ("cvmfs-2.13.3", "cvmfs-libs-2.13.3", "cvmfs-fuse3-2.13.3", CONFIG,
                 "fuse3-libs-3.10.2"):
        expect_equal(len([line for line in lines[:-1] if name in line]), 1, name)
    expect_in("made ", lines[-1])
    shutil.rmtree(site.path("dist"))
    result = site.makedist("-q", *TYPE, "default")
    expect_equal((result.stdout, result.stderr), ("", ""))


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
    site = packagetest.Site(table="[fuse2fs]\nfile = https://b.example.org/x.rpm\n"
                                  "[mine]\ntypes = suse15-*\n"
                                  "base = http://a.example.org/{arch}\n"
                                  "[replace]\nhttps://x = file:///y\n")
    text = site.makedist("--list-sources").stdout
    for line in ("[cvmfs]", "[fuse2fs]\nfile = https://b.example.org/x.rpm\n",
                 "[mine]\ntypes = suse15-*\nbase = http://a.example.org/{arch}\n",
                 "[replace]\nhttps://x = file:///y\n"):
        expect_in(line, text)
    other = packagetest.Site()
    other.write_table(text)
    expect_equal(other.makedist("--list-sources").stdout, text, "read again")


world()
harness.main()
