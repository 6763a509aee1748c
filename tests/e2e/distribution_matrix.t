#!/usr/bin/env python3
"""Every machine type with every source, with and without -s: which packages, from where. The table
below is the contract's ("Where makedist downloads from" in compatibility.md), written out; what the
servers have is what stands in it, and an older version of each."""

import functools
import os
import re

import harness
import packagetest
import rpmwriter
from harness import expect_equal, expect_in, test

# Where it is, by machine type.
CERN = "cvmrepo.s3.cern.ch/cvmrepo/yum/cvmfs/"
COPR = "download.copr.fedorainfracloud.org/results/dwd/"
ALMA = "repo.almalinux.org/almalinux/"
OSG = "repo.opensciencegrid.org/osg/25-main/"
EPEL = "download.fedoraproject.org/pub/epel/"
EPEL7 = "archives.fedoraproject.org/pub/archive/epel/7/x86_64/Packages/"
CENTOS = "vault.centos.org/centos/7/os/x86_64/Packages/"
SUSE = "download.opensuse.org/distribution/leap/15.5/repo/oss/"
EGI = "repository.egi.eu/sw/production/umd/5/al9/release/x86_64/"

PLACES = {
    "rhel7-x86_64": {"cvmfs": CERN + "EL/7/x86_64/", "fuse3": EPEL7 + "f/", "fuse2": CENTOS,
                     "fuse2fs": COPR + "fuse2fs/epel-7-x86_64/"},
    "rhel8-x86_64": {"cvmfs": CERN + "EL/8/x86_64/", "fuse3": ALMA + "8/BaseOS/x86_64/os/Packages/",
                     "osg": OSG + "el8/release/x86_64/Packages/c/",
                     "epel": EPEL + "8/Everything/x86_64/Packages/s/"},
    "rhel8-aarch64": {"cvmfs": CERN + "EL/8/aarch64/",
                      "fuse3": ALMA + "8/BaseOS/aarch64/os/Packages/",
                      "osg": OSG + "el8/release/x86_64/Packages/c/"},
    "rhel8-ppc64le": {"cvmfs": COPR + "cvmfs/epel-8-ppc64le/",
                      "fuse3": ALMA + "8/BaseOS/ppc64le/os/Packages/",
                      "fuse2": ALMA + "8/BaseOS/ppc64le/os/Packages/",
                      "osg": OSG + "el8/release/x86_64/Packages/c/"},
    "rhel9-x86_64": {"cvmfs": CERN + "EL/9/x86_64/",
                     "fuse3": ALMA + "9/AppStream/x86_64/os/Packages/",
                     "osg": OSG + "el9/release/x86_64/Packages/c/", "egi": EGI,
                     "epel": EPEL + "9/Everything/x86_64/Packages/s/"},
    "rhel9-aarch64": {"cvmfs": CERN + "EL/9/aarch64/",
                      "fuse3": ALMA + "9/AppStream/aarch64/os/Packages/",
                      "osg": OSG + "el9/release/x86_64/Packages/c/", "egi": EGI},
    "rhel9-ppc64le": {"cvmfs": COPR + "cvmfs/epel-9-ppc64le/",
                      "fuse3": ALMA + "9/AppStream/ppc64le/os/Packages/",
                      "osg": OSG + "el9/release/x86_64/Packages/c/", "egi": EGI},
    "rhel10-x86_64": {"cvmfs": CERN + "EL/10/x86_64/",
                      "fuse3": ALMA + "10/BaseOS/x86_64/os/Packages/",
                      "osg": OSG + "el10/release/x86_64/Packages/c/",
                      "epel": EPEL + "10/Everything/x86_64/Packages/s/"},
    "suse15-x86_64": {"cvmfs": CERN + "suse/15/x86_64/", "fuse3": SUSE + "x86_64/",
                      "osg": OSG + "el9/release/x86_64/Packages/c/", "egi": EGI,
                      "epel": EPEL + "9/Everything/x86_64/Packages/s/"},
    "suse15-aarch64": {"cvmfs": CERN + "suse/15/aarch64/", "fuse3": SUSE + "aarch64/",
                       "osg": OSG + "el9/release/x86_64/Packages/c/", "egi": EGI},
}
DEFAULT = "cvmrepo.s3.cern.ch/cvmrepo/yum/cvmfs-config-default-latest.noarch.rpm"

# Files of the packages whose version is not that of the client.
LIBRARIES = {"fuse3-libs": "fuse3-libs-3.10.2-5", "libfuse3-3": "libfuse3-3-3.10.5-150400",
             "fuse-libs": "fuse-libs-2.9.7-19", "fuse2fs": "fuse2fs-1.45.6-1",
             "scitokens-cpp": "scitokens-cpp-1.1.2-1"}

# type, source, -s: the client's version; packages of the client, of the source, of libraries.
# "-": there is no such distribution.
MATRIX = """
rhel7-x86_64   default    2.11.5 cvmfs cvmfs-libs | default | fuse2:fuse-libs fuse2fs:fuse2fs
rhel7-x86_64   default -s 2.11.5 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs fuse2fs:fuse2fs
rhel7-x86_64   none       2.11.5 cvmfs cvmfs-libs | | fuse2:fuse-libs fuse2fs:fuse2fs
rhel7-x86_64   none    -s 2.11.5 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs fuse2fs:fuse2fs
rhel7-x86_64   osg        -
rhel7-x86_64   osg     -s -
rhel7-x86_64   egi        -
rhel7-x86_64   egi     -s -

rhel8-x86_64   default    2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel8-x86_64   default -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel8-x86_64   none       2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel8-x86_64   none    -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel8-x86_64   osg        2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg cvmfs-x509-helper | fuse3:fuse3-libs epel:scitokens-cpp
rhel8-x86_64   osg     -s 2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg cvmfs-x509-helper | fuse3:fuse3-libs epel:scitokens-cpp
rhel8-x86_64   egi        -
rhel8-x86_64   egi     -s -

rhel8-aarch64  default    2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel8-aarch64  default -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel8-aarch64  none       2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel8-aarch64  none    -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel8-aarch64  osg        2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg | fuse3:fuse3-libs
rhel8-aarch64  osg     -s 2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg | fuse3:fuse3-libs
rhel8-aarch64  egi        -
rhel8-aarch64  egi     -s -

rhel8-ppc64le  default    2.12.6 cvmfs cvmfs-libs | default | fuse2:fuse-libs
rhel8-ppc64le  default -s 2.12.6 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel8-ppc64le  none       2.12.6 cvmfs cvmfs-libs | | fuse2:fuse-libs
rhel8-ppc64le  none    -s 2.12.6 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel8-ppc64le  osg        2.12.6 cvmfs cvmfs-libs | osg | fuse2:fuse-libs
rhel8-ppc64le  osg     -s 2.12.6 cvmfs cvmfs-libs cvmfs-fuse3 | osg | fuse3:fuse3-libs
rhel8-ppc64le  egi        -
rhel8-ppc64le  egi     -s -

rhel9-x86_64   default    2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel9-x86_64   default -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel9-x86_64   none       2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel9-x86_64   none    -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel9-x86_64   osg        2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg cvmfs-x509-helper | fuse3:fuse3-libs epel:scitokens-cpp
rhel9-x86_64   osg     -s 2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg cvmfs-x509-helper | fuse3:fuse3-libs epel:scitokens-cpp
rhel9-x86_64   egi        2.12.7 cvmfs cvmfs-libs cvmfs-fuse3 | egi cvmfs-x509-helper | fuse3:fuse3-libs epel:scitokens-cpp
rhel9-x86_64   egi     -s 2.12.7 cvmfs cvmfs-libs cvmfs-fuse3 | egi cvmfs-x509-helper | fuse3:fuse3-libs epel:scitokens-cpp

rhel9-aarch64  default    2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel9-aarch64  default -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel9-aarch64  none       2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel9-aarch64  none    -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel9-aarch64  osg        2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg | fuse3:fuse3-libs
rhel9-aarch64  osg     -s 2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg | fuse3:fuse3-libs
rhel9-aarch64  egi        2.12.7 cvmfs cvmfs-libs cvmfs-fuse3 | egi | fuse3:fuse3-libs
rhel9-aarch64  egi     -s 2.12.7 cvmfs cvmfs-libs cvmfs-fuse3 | egi | fuse3:fuse3-libs

rhel9-ppc64le  default    2.12.6 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel9-ppc64le  default -s 2.12.6 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel9-ppc64le  none       2.12.6 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel9-ppc64le  none    -s 2.12.6 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel9-ppc64le  osg        2.12.6 cvmfs cvmfs-libs cvmfs-fuse3 | osg | fuse3:fuse3-libs
rhel9-ppc64le  osg     -s 2.12.6 cvmfs cvmfs-libs cvmfs-fuse3 | osg | fuse3:fuse3-libs
rhel9-ppc64le  egi        2.12.6 cvmfs cvmfs-libs cvmfs-fuse3 | egi | fuse3:fuse3-libs
rhel9-ppc64le  egi     -s 2.12.6 cvmfs cvmfs-libs cvmfs-fuse3 | egi | fuse3:fuse3-libs

rhel10-x86_64  default    2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel10-x86_64  default -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:fuse3-libs
rhel10-x86_64  none       2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel10-x86_64  none    -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:fuse3-libs
rhel10-x86_64  osg        2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg cvmfs-x509-helper | fuse3:fuse3-libs epel:scitokens-cpp
rhel10-x86_64  osg     -s 2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg cvmfs-x509-helper | fuse3:fuse3-libs epel:scitokens-cpp
rhel10-x86_64  egi        -
rhel10-x86_64  egi     -s -

suse15-x86_64  default    2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:libfuse3-3
suse15-x86_64  default -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:libfuse3-3
suse15-x86_64  none       2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:libfuse3-3
suse15-x86_64  none    -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:libfuse3-3
suse15-x86_64  osg        2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg cvmfs-x509-helper | fuse3:libfuse3-3 epel:scitokens-cpp
suse15-x86_64  osg     -s 2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg cvmfs-x509-helper | fuse3:libfuse3-3 epel:scitokens-cpp
suse15-x86_64  egi        2.12.7 cvmfs cvmfs-libs cvmfs-fuse3 | egi cvmfs-x509-helper | fuse3:libfuse3-3 epel:scitokens-cpp
suse15-x86_64  egi     -s 2.12.7 cvmfs cvmfs-libs cvmfs-fuse3 | egi cvmfs-x509-helper | fuse3:libfuse3-3 epel:scitokens-cpp

suse15-aarch64 default    2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:libfuse3-3
suse15-aarch64 default -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | default | fuse3:libfuse3-3
suse15-aarch64 none       2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:libfuse3-3
suse15-aarch64 none    -s 2.13.3 cvmfs cvmfs-libs cvmfs-fuse3 | | fuse3:libfuse3-3
suse15-aarch64 osg        2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg | fuse3:libfuse3-3
suse15-aarch64 osg     -s 2.13.2 cvmfs cvmfs-libs cvmfs-fuse3 | osg | fuse3:libfuse3-3
suse15-aarch64 egi        2.12.7 cvmfs cvmfs-libs cvmfs-fuse3 | egi | fuse3:libfuse3-3
suse15-aarch64 egi     -s 2.12.7 cvmfs cvmfs-libs cvmfs-fuse3 | egi | fuse3:libfuse3-3
"""


class Row:
    """One line of the table; urls is None where there is no such distribution."""

    def __init__(self, line: str):
        first, *rest = line.split(" | ") if " | " in line else [line.replace(" |", "")]
        self.machine, self.source, *words = first.split()
        self.sing = words[0] == "-s"
        version, *client = words[self.sing:]
        self.urls = None if version == "-" else self._urls(version, client, line)

    def _urls(self, version: str, client: list[str], line: str) -> list[str]:
        places, architecture = PLACES[self.machine], self.machine.partition("-")[2]
        _, of_source, libraries = (part.split() for part in line.split("|"))
        urls = [f"{places['cvmfs']}{name}-{version}-1.{architecture}.rpm" for name in client]
        for name in of_source:
            if name == "default":
                urls.append(DEFAULT)
            elif name == self.source:
                urls.append(f"{places[name]}cvmfs-config-{name}-2.5-1.noarch.rpm")
            else:
                urls.append(f"{places[self.source]}{name}-1.5-1.{architecture}.rpm")
        for word in libraries:
            place, name = word.split(":")
            urls.append(f"{places[place]}{LIBRARIES[name]}.{architecture}.rpm")
        return urls


ROWS = [Row(line) for line in MATRIX.splitlines() if line]
# Directories of packages in a repository: it begins above them.
FOLDERS = re.compile(r"(Packages/(\w/)?|(?<=/oss/)\w+/)$")


@functools.cache
def world() -> packagetest.World:
    """All servers, with what is in the table."""
    made = packagetest.World(whole_script=True)
    made.put(DEFAULT, rpmwriter.Package("cvmfs-config-default", architecture="noarch"))
    wanted = {url for row in ROWS for url in row.urls or [] if url != DEFAULT}
    # The newest client that these have decides; they are not where it comes from.
    wanted |= {f"{OSG}el{version}/release/x86_64/Packages/c/cvmfs-2.13.2-1.x86_64.rpm"
               for version in (8, 9, 10)}
    wanted.add(f"{EGI}cvmfs-2.12.7-1.x86_64.rpm")
    repositories = set()
    for url in wanted:
        folder, file = os.path.split(url)
        name, version, release, architecture = re.fullmatch(r"(.+)-(.+)-(\w+)\.(\w+)\.rpm",
                                                            file).groups()
        os.makedirs(made.path(folder), exist_ok=True)
        rpmwriter.write(made.path(folder), rpmwriter.Package(name, version, release, architecture))
        rpmwriter.write(made.path(folder), rpmwriter.Package(name, "1.0", release, architecture))
        repositories.add(FOLDERS.sub("", folder + "/"))
    for repository in repositories:
        made.index(repository)
    return made


def check(machine: str) -> None:
    """All rows of a machine type."""
    site = packagetest.Site(world())
    for row in ROWS:
        if row.machine != machine:
            continue
        words = [*(["-s"] if row.sing else []), "-m", machine, row.source]
        if row.urls is None:
            said = site.makedist("--dry-run", *words, status=1).stderr
            expect_in(f"{row.source} is not made for {machine}", said)
        else:
            urls = [url.removeprefix(world().url) for url in site.dry_run(*words)]
            expect_equal(sorted(urls), sorted(row.urls), " ".join(words))


def register(machine: str) -> None:
    """A test of its own for each machine type."""
    def packages() -> None:
        check(machine)
    packages.__name__ = f"packages_of_{machine}"
    test(packages)


for machine_type in PLACES:
    register(machine_type)


@test
def the_table_has_every_machine_type_with_every_source():
    types = harness.run([harness.program("makedist"), "--list-types"], check=True).stdout.split()
    expect_equal({(row.machine, row.source, row.sing) for row in ROWS},
                 {(machine, source, sing) for machine in types for sing in (False, True)
                  for source in ("default", "osg", "egi", "none")})
    expect_equal(len(ROWS), 80)


@test
def no_package_was_asked_for():
    expect_equal(world().downloaded(), [])


world()
harness.main()
