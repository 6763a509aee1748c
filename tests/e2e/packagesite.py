"""A site that gets one package which is not what it should be, and all around it that must not
change, for tests of what packages can do.

    packagesite.Site(packagesite.USUAL.with_entries(...)).refuses("leads out of the tree")

That package takes the place of the configuration, which is unpacked in the midst of the others.
What else is downloaded is in a cache that all tests of a script share.
"""

import functools
import os

import harness
import packagetest
from harness import expect_equal, expect_in
from packagetest import ALMA, CLIENT, CONFIG, TYPE
from rpmwriter import Package, directory, file, link

USUAL = Package("cvmfs-config-default", "2.5", "1", "noarch",
                [directory("./etc/cvmfs"), file("./etc/cvmfs/domain.d/a.conf", b"A=1\n")])


def publish(world, *client):
    """All but the configuration."""
    world.publish(CLIENT, *client)
    world.publish(f"{ALMA}/9/AppStream/x86_64/os", Package("fuse3-libs"), folder="Packages")
    world.publish(f"{ALMA}/9/BaseOS/x86_64/os")
    return world


def client(*entries):
    """The packages of a client, with these entries in the first."""
    return [Package("cvmfs", "2.13.3",
                    entries=list(entries) or [file("./usr/bin/cvmfs2", b"x", 0o755),
                                              link("./usr/link", "/usr/bin")]),
            Package("cvmfs-libs", "2.13.3"), Package("cvmfs-fuse3", "2.13.3")]


@functools.cache
def world():
    """The servers; what is at the place of the configuration changes."""
    return publish(packagetest.World(whole_script=True), *client())


@functools.cache
def cache():
    """For downloads."""
    return harness.temporary_directory(packagetest.USER, whole_script=True)


class Site(packagetest.Site):
    """A site with neighbours that must not change."""

    count = 0

    def __init__(self, package, servers=None):
        self.servers = servers or world()
        super().__init__(programs=["makedist", "cvmfsexec", "mountrepo", "umountrepo"])
        self.cache = cache()
        self.around = os.path.dirname(self.directory)
        self.canary = os.path.join(self.around, "canary")
        os.mkdir(self.canary)
        for path in (os.path.join(self.canary, "bird"), os.path.join(self.directory, "bird")):
            with open(path, "w", encoding="utf-8") as bird:
                bird.write("sings")
            os.chmod(path, 0o666)
        os.chmod(self.canary, 0o777)
        self.offer(package)

    def offer(self, package):
        """Makes this the package of the configuration."""
        Site.count += 1
        self.place = f"{Site.count}/{CONFIG}"
        self.servers.put(self.place, package)
        self.write_table(f"[default]\nfile = {self.servers.url}{self.place}\n" +
                         self.servers.replacement())
        self.before = self.look()

    def look(self):
        """Everything around dist."""
        found = {}
        for folder, folders, names in os.walk(self.around):
            if folder == self.directory and "dist" in folders:
                folders.remove("dist")
            for name in folders + names:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                found[path] = (status.st_mode, status.st_nlink if name in names else 0,
                               status.st_size)
        return found

    def refuses(self, *words, name=CONFIG):
        """Its package must be refused, with these words."""
        said = self.makedist("-q", *TYPE, "default", status=1).stderr
        for word in (name, *words):
            expect_in(word, said)
        expect_equal(len(said.splitlines()), 1, said)
        expect_equal(os.path.exists(self.path("dist")), False, "dist is there")
        expect_equal(self.look(), self.before, "what is around it")

    def accepts(self, *options):
        """A tree must be made, and nothing else; what was said."""
        result = self.makedist(*(options or ("-q",)), *TYPE, "default")
        expect_equal(self.look(), self.before, "what is around it")
        return result.stderr
