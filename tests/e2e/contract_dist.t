#!/usr/bin/env python3
"""The section "The dist tree" of compatibility.md: what a site does with a tree that makedist made.

What is in a tree and in a bundle, and when makedist refuses, is tested in makedist.t; what the files
mean, in contract_configuration.t.
"""

import os
import pwd
import shlex
import shutil
import stat

import harness
from harness import expect_equal, expect_in, test

harness.require_fuse_userns()

FQRN = "a.example.org"
PROGRAMS = ["makedist", "stub", "cvmfsexec", "mountrepo", "umountrepo", "cvmfs2",
            "libcvmfsexec-transfer.so"]
USER = harness.ORDINARY


class Site:
    """A directory of an ordinary user with the programs, and a dist tree made there."""

    def __init__(self):
        self.directory = os.path.join(harness.temporary_directory(USER), "a site é")
        os.mkdir(self.directory)
        for name in PROGRAMS:
            shutil.copy2(harness.program(name), self.directory)
        if harness.ME.uid == 0:
            harness.run(["chown", "-R", f"{USER.uid}:{USER.gid}", self.directory], check=True)
        self.shell("./makedist -qn none")
        self.cache = self.path("dist/var/lib/cvmfs")

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def shell(self, script):
        """As the site does it: a script in its directory."""
        result = harness.run(["/bin/sh", "-e", "-c", script], user=USER, cwd=self.directory,
                             timeout=300)
        expect_equal(result.status, 0, str(result))
        return result

    def configure(self):
        """The repository comes from a server of its own, by the means of the contract: sed, and files
        that are put beside the others."""
        repository = harness.make_repository(FQRN, files={"f": "content"})
        server = harness.FaultServer(repository.webroot)
        self.shell(f"""
grep -q '^CVMFS_HTTP_PROXY="auto;DIRECT"$' dist/etc/cvmfs/default.local
sed -i -e 's/^CVMFS_HTTP_PROXY=.*/CVMFS_HTTP_PROXY="DIRECT"/' -e '/^CVMFS_PAC_URLS=/d' \\
    dist/etc/cvmfs/default.local
echo 'CVMFS_CLAIM_OWNERSHIP=no' >>dist/etc/cvmfs/default.local
mkdir dist/etc/cvmfs/keys/example.org
cp {shlex.quote(repository.public_key)} dist/etc/cvmfs/keys/example.org
echo 'CVMFS_KEYS_DIR=/etc/cvmfs/keys/example.org' >dist/etc/cvmfs/domain.d/example.org.conf
echo 'CVMFS_SERVER_URL={harness.server_url(server)}' >dist/etc/cvmfs/config.d/{FQRN}.conf
""")
        return repository


def expect_to_work(program, user=USER, **options):
    result = harness.run([program, FQRN, "--", "cat", f"/cvmfs/{FQRN}/f"], user=user, timeout=120,
                         **{"cwd": "/", **options})
    expect_equal((result.status, result.stdout, result.stderr), (0, "content", ""), str(result))


@test
def what_a_site_edits_and_adds_counts_in_the_tree_and_in_the_file():
    site = Site()
    site.configure()
    expect_to_work(site.path("cvmfsexec"))
    site.shell("./makedist -q --level=1 -o file")
    node = harness.temporary_directory(USER)
    shutil.copy2(site.path("file"), node)
    expect_to_work(os.path.join(node, "file"))
    expect_equal(sorted(os.listdir(os.path.join(node, ".cvmfsexec/log"))),
                 [f"{FQRN}.log", f"{FQRN}.log.1"])


@test
def a_tree_can_be_moved_and_copied_and_used_by_others():
    site = Site()
    site.configure()
    expect_to_work(site.path("cvmfsexec"))
    elsewhere = os.path.join(harness.temporary_directory(USER), "else where")
    os.rename(site.directory, elsewhere)
    expect_to_work(os.path.join(elsewhere, "cvmfsexec"))
    other = harness.User(*pwd.getpwnam("nobody")[2:4]) if harness.ME.uid == 0 else USER
    copy = os.path.join(harness.temporary_directory(other), "copy")
    os.mkdir(copy)
    for name in ("cvmfsexec", "dist"):
        harness.run(["cp", "-r", os.path.join(elsewhere, name), copy], check=True)
    shutil.rmtree(os.path.join(copy, "dist/var/lib/cvmfs"))  # of its first user
    if harness.ME.uid == 0:
        harness.run(["chown", "-R", f"{other.uid}:{other.gid}", copy], check=True)
    expect_to_work(os.path.join(copy, "cvmfsexec"), user=other)


@test
def cache_and_log_may_be_links():
    site = Site()
    site.configure()
    big = harness.temporary_directory(USER)
    site.shell(f"mkdir {big}/cache {big}/log; rmdir dist/var/lib/cvmfs; "
               f"ln -s {big}/cache dist/var/lib/cvmfs; ln -s {big}/log log")
    expect_to_work(site.path("cvmfsexec"))
    assert os.listdir(os.path.join(big, "cache")), "nothing is in the cache"
    expect_in(f"{FQRN}.log", os.listdir(os.path.join(big, "log")))
    assert os.path.islink(site.path("log")) and os.path.islink(site.cache)


@test
def a_link_in_place_of_the_cache_is_packed_as_the_link_it_is():
    site = Site()
    site.configure()
    big = harness.temporary_directory(USER)
    site.shell(f"rmdir dist/var/lib/cvmfs; ln -s {big} dist/var/lib/cvmfs; "
               "./makedist -q --level=1 -o file")
    node = harness.temporary_directory(USER)
    shutil.copy2(site.path("file"), node)
    expect_to_work(os.path.join(node, "file"))
    expect_equal(os.readlink(os.path.join(node, ".cvmfsexec/dist/var/lib/cvmfs")), big)
    assert os.listdir(big), "nothing is in the cache"


@test
def a_cache_that_is_a_link_to_nothing_is_said():
    site = Site()
    site.configure()
    site.shell("rmdir dist/var/lib/cvmfs; ln -s /no/such/disk dist/var/lib/cvmfs")
    result = harness.run([site.path("cvmfsexec"), FQRN, "--", "echo", "started"], user=USER,
                         cwd="/")
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in(f"{site.cache} is a symbolic link to /no/such/disk, which does not exist",
              result.stderr)


@test
def a_log_that_is_a_link_to_nothing_is_a_warning():
    site = Site()
    site.configure()
    site.shell("ln -s /no/such/disk log")
    result = harness.run([site.path("cvmfsexec"), FQRN, "--", "cat", f"/cvmfs/{FQRN}/f"],
                         user=USER, cwd="/")
    expect_equal((result.status, result.stdout), (0, "content"), str(result))
    expect_equal(result.stderr, f"cvmfsexec: warning: {site.path('log')} is a symbolic link to "
                 "/no/such/disk, which does not exist\n")


@test
def a_tree_for_reading_only_works_with_a_cache_elsewhere_and_without_a_log():
    site = Site()
    repository = site.configure()
    cache = harness.temporary_directory(USER)
    site.shell(f"echo CVMFS_CACHE_BASE={cache} >>dist/etc/cvmfs/default.local; "
               "mkdir log; chmod -R a-w .")
    expect_to_work(site.path("cvmfsexec"))
    assert os.listdir(cache), "nothing is in the cache"
    expect_equal(os.listdir(site.path("log")), [])
    os.unlink(repository.object_path(repository.manifest_field("C"), "C"))
    shutil.rmtree(cache)
    os.mkdir(cache)
    if harness.ME.uid == 0:
        os.chown(cache, USER.uid, USER.gid)
    result = harness.run([site.path("cvmfsexec"), FQRN, "--", "true"], user=USER, cwd="/")
    expect_equal(result.status, 16, str(result))
    expect_in("no log file: ", result.stderr)


@test
def another_users_log_is_no_obstacle():
    if harness.ME.uid != 0:
        harness.skip("root must arrange it")
    site = Site()
    site.configure()
    os.mkdir(site.path("log"))
    with open(site.path("log", f"{FQRN}.log"), "w") as file:
        file.write("of another user\n")
    os.chmod(site.path("log", f"{FQRN}.log"), 0o600)
    os.chmod(site.path("log"), 0o777)
    expect_to_work(site.path("cvmfsexec"))
    expect_equal(stat.S_IMODE(os.stat(site.path("log", f"{FQRN}.log")).st_mode), 0o600)


harness.main()
