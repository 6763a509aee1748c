#!/usr/bin/env python3
"""From package repositories to a job: packages made by rpmbuild hold a client and its libraries, each
where a distribution has it; makedist makes a tree of them that needs nothing of the node, and a file
that runs a job. The client is the native one of this build."""

import functools
import os
import platform
import re
import shutil

import emptyroot
import harness
import packagetest
from harness import expect_equal, expect_in, test
from packagetest import ALMA, CERN, CONFIG, USER
from rpmwriter import Package, directory, file, link

harness.require_fuse_userns()

FQRN = "software.example.org"
ARCHITECTURE = platform.machine()
TYPE = ("-m", packagetest.machine())
GLIBC = re.compile(r"(ld.*|lib(c|m|dl|rt|pthread|resolv|util))\.so\.\d+$")
DEFAULT_CONF = """# Base environment of every repository.
CVMFS_BASE_ENV=1
CVMFS_CLIENT_PROFILE=
if [ "x$CVMFS_BASE_ENV" = "x" ]; then
  readonly CVMFS_BASE_ENV=1
fi
CVMFS_CACHE_BASE=/var/lib/cvmfs
CVMFS_SHARED_CACHE=yes
CVMFS_QUOTA_LIMIT=4000
CVMFS_RELOAD_SOCKETS=/var/run/cvmfs
CVMFS_TIMEOUT=5
CVMFS_TIMEOUT_DIRECT=10
CVMFS_CLAIM_OWNERSHIP=no
CVMFS_DEFAULT_DOMAIN=example.org
CVMFS_STRICT_MOUNT=no
"""


def libraries():
    """What the client needs of this host: path by the name it is asked for."""
    found = {}
    for name in ("cvmfs2", "libcvmfsexec-transfer.so"):
        for line in harness.run(["ldd", harness.program(name)], check=True).stdout.splitlines():
            path = re.search(r"(/\S+) \(0x", line)
            if path:
                found[os.path.basename(line.split()[0])] = path.group(1)
    found["libgcc_s.so.1"] = os.path.join(os.path.dirname(found["libc.so.6"]), "libgcc_s.so.1")
    return found


def entries(names, found, where="usr/lib64"):
    """A library under the name of its version, and a link by which it is asked for."""
    made = []
    for name in names:
        real = os.path.realpath(found[name])
        made.append(file(f"{where}/{os.path.basename(real)}", os.fsencode(real), 0o755))
        if os.path.basename(real) != name:
            made.append(link(f"{where}/{name}", os.path.basename(real)))
    return made


def client(version):
    """The packages of a client, each with another compression."""
    return [
        Package("cvmfs", version, "1.el9", ARCHITECTURE, [
            file("usr/bin/cvmfs2", os.fsencode(harness.program("cvmfs2")), 0o755),
            link("sbin/mount.cvmfs", "/usr/bin/cvmfs2"), directory("var/lib/cvmfs", 0o700),
            file("etc/cvmfs/default.conf", DEFAULT_CONF.encode()),
            file("usr/libexec/cvmfs/authz/cvmfs_helper", b"#!/bin/sh\n", 0o755)], "gzip"),
        Package("cvmfs-libs", version, "1.el9", ARCHITECTURE, [
            file("usr/lib64/libcvmfsexec-transfer.so",
                 os.fsencode(harness.program("libcvmfsexec-transfer.so")), 0o755)], "zstd"),
        Package("cvmfs-fuse3", version, "1.el9", ARCHITECTURE, [
            file("usr/lib64/libcvmfs_fuse3_private.so.1",
                 os.fsencode(harness.program("official/libcvmfs_fuse3_private.so.1")), 0o755)], "xz"),
    ]


def configuration(repository, server):
    """As configurations are: keys in a directory of the domain, servers in its file."""
    domain = f"""CVMFS_SERVER_URL="{server.url}/cvmfs/@fqrn@;http://127.0.0.1:1/cvmfs/@fqrn@"
CVMFS_KEYS_DIR="/etc/cvmfs/keys/example.org"
CVMFS_USE_GEOAPI=no
"""
    return Package("cvmfs-config-default", "2.2", "1", "noarch", [
        file("etc/cvmfs/domain.d/example.org.conf", domain.encode()),
        file("etc/cvmfs/keys/example.org/example.org.pub", os.fsencode(repository.public_key)),
        file("etc/cvmfs/default.d/50-default.conf", b"CVMFS_DEFAULT_DOMAIN=example.org\n")], "bzip2")


@functools.cache
def world():
    """A repository, and package repositories that know it."""
    with_script = packagetest.World(whole_script=True)
    repository = harness.make_repository(FQRN, files={"name": FQRN, "bin/run": "#!/bin/sh\necho ran\n"})
    server = harness.NginxServer(repository.webroot)
    folder = harness.temporary_directory()
    found = libraries()
    glibc = [name for name in found if GLIBC.match(name)]
    fuse = [name for name in found if name.startswith("libfuse3")]
    ssl = [name for name in found if name.startswith(("libssl", "libcrypto"))]
    rest = [name for name in found if name not in glibc + fuse + ssl]
    loaders = [name for name in glibc if name.startswith("ld")]
    build = lambda package: packagetest.build(package, folder)
    system = lambda name, content, how="zstd": build(Package(name, "1.0", "1.el9", ARCHITECTURE, content, how))
    with_script.publish(f"{CERN}/cvmfs/EL/9/{ARCHITECTURE}", *map(build, client("2.13.3")))
    with_script.put(f"{CERN}/{CONFIG}", build(configuration(repository, server)))
    appstream = f"{ALMA}/9/AppStream/{ARCHITECTURE}/os"
    with_script.publish(appstream, system("fuse3-libs", entries(fuse, found)),
                        system("more-libs", entries(rest, found)), folder="Packages")
    with_script.publish(f"{ALMA}/9/BaseOS/{ARCHITECTURE}/os", system("glibc", [
        *entries([name for name in glibc if name not in loaders], found, "lib64"),
        *entries(loaders, found, "lib64"), file("usr/share/doc/glibc/README", b"not wanted"),
        file("usr/sbin/not-wanted", b"#!/bin/sh\n", 0o755)], "xz"),
        system("openssl-libs", entries(ssl, found)), folder="Packages", compression="xz")
    return with_script


class Site(packagetest.Site):
    """With a tree of these packages, as a site makes it its own."""

    def __init__(self, *options):
        super().__init__(world())
        self.said = self.makedist(*options, *TYPE, "default").stderr
        harness.run(["sed", "-i", "-e", 's/^CVMFS_HTTP_PROXY=.*/CVMFS_HTTP_PROXY="DIRECT"/', "-e",
                     "/^CVMFS_PAC_URLS=/d", self.path("dist/etc/cvmfs/default.local")], check=True)

    def pack(self):
        """The file, in a directory of a user who has nothing else."""
        node = harness.temporary_directory(USER)
        self.makedist("-q", "--level=1", "-o", self.path("FILE"), *TYPE)
        shutil.copy2(self.path("FILE"), node)
        return node


JOB = ["--", "/bin/sh", "-c", f"read name </cvmfs/{FQRN}/name; echo \"$name\" /cvmfs/*"]
DONE = f"{FQRN} /cvmfs/{FQRN}\n"


@test
def the_tree_has_its_loader_and_all_libraries():
    site = Site()
    for name in ("glibc-1.0", "openssl-libs-1.0", "more-libs-1.0", "fuse3-libs-1.0"):
        expect_in(name, site.said)
    files = site.files()
    for name in libraries():
        if not name.startswith("linux-vdso"):
            assert {f"usr/lib64/{name}", f"lib64/{name}"} & files, f"{name} is missing of {sorted(files)}"
    assert "usr/sbin/not-wanted" not in files and "usr/share/doc/glibc/README" not in files, files
    assert not any(".build-id" in name for name in files), files
    expect_equal(os.readlink(site.path("dist/sbin/mount.cvmfs")), "../usr/bin/cvmfs2")


@test
def the_tree_runs_a_job():
    site = Site("-q")
    result = harness.run([site.path("cvmfsexec"), FQRN, *JOB], user=USER, cwd="/")
    expect_equal((result.status, result.stdout, result.stderr), (0, DONE, ""), str(result))
    os.rename(site.path("dist"), site.path("moved"))
    os.rename(site.path("moved"), site.path("dist"))
    os.rename(site.directory, site.directory + " moved")
    result = harness.run([site.directory + " moved/cvmfsexec", FQRN, *JOB], user=USER, cwd="/")
    expect_equal((result.status, result.stdout, result.stderr), (0, DONE, ""), str(result))


@test
def the_file_runs_a_job():
    node = Site("-q").pack()
    result = harness.run([os.path.join(node, "FILE"), FQRN, *JOB], user=USER, cwd="/")
    expect_equal((result.status, result.stdout, result.stderr), (0, DONE, ""), str(result))


@test
def the_file_runs_a_job_where_there_is_a_shell_and_nothing_else():
    node = Site("-q").pack()
    result = emptyroot.run(node, USER, 'echo /*; "$1/FILE" ' + f"{FQRN} -- /bin/sh -c '{JOB[-1]}'")
    expect_equal((result.status, result.stdout, result.stderr), (0, "/bin /dev /node /proc\n" + DONE, ""),
                 str(result))


@test
def without_the_closure_the_node_has_to_have_the_libraries():
    site = Site("--no-closure")
    assert "glibc" not in site.said, site.said
    assert "usr/lib64/libc.so.6" not in site.files() and "usr/lib64/libfuse3.so.3" in site.files()
    result = harness.run([site.path("cvmfsexec"), FQRN, *JOB], user=USER, cwd="/")
    expect_equal((result.status, result.stdout, result.stderr), (0, DONE, ""), str(result))


world()
harness.main()
