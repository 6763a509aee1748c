"""Servers that have all a distribution for rhel9-x86_64 needs, for tests of makedist with package
repositories. Packages are small, and their client is a text.

    site = packagetest.Site(distributiontest.world())
    site.makedist(*packagetest.TYPE, "default")
"""

import functools
import os
import re
import shutil

import packagetest
from packagetest import ALMA, CERN, CLIENT, CONFIG
from rpmwriter import Package, directory, file, link

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
            file("./usr/bin/cvmfs2", version.encode(), 0o755),
            link("./sbin/mount.cvmfs", "/usr/bin/cvmfs2"),
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
    world.publish(OSG, configuration("osg"), helper, Package("cvmfs", "2.13.2", "9.osg"),
                  folder="Packages/c")
    world.publish(EGI, configuration("egi"), helper, Package("cvmfs", "2.12.7", "1"))
    world.publish(EPEL, Package("scitokens-cpp",
                                entries=[file("./usr/lib64/libSciTokens.so.0", b"x")]))
    return world


@functools.cache
def world():
    """The servers that tests only read from."""
    return fill(packagetest.World(whole_script=True))


def own_world(whole_script=False):
    """Servers to be spoilt."""
    world()
    made = packagetest.World(whole_script)
    shutil.rmtree(made.webroot)
    shutil.copytree(world().webroot, made.webroot)
    return made


def names(packages):
    """What packages are called, of their URLs."""
    return sorted(re.sub(r"-\d.*", "", os.path.basename(url)) for url in packages)
