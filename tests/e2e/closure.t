#!/usr/bin/env python3
"""Trees from packages, completed with their libraries, loader and libc from the packages of the
target's system. Those of the job are made by rpmbuild, which finds out what they provide and need, of
files of this system; the others hold libraries that are made for the one test, and say of themselves
what it wants."""

import functools
import os
import platform
import re

import emptyroot
import harness
import packagetest
from harness import expect_equal, expect_in, test
from packagetest import ALMA, CERN, USER
from rpmwriter import Package, file, link

ARCHITECTURE = platform.machine()
TYPE = ("-m", packagetest.machine())
CLIENT = f"{CERN}/cvmfs/EL/9/{ARCHITECTURE}"
MORE, BASE = f"{ALMA}/9/AppStream/{ARCHITECTURE}/os", f"{ALMA}/9/BaseOS/{ARCHITECTURE}/os"
LIST = "dist/usr/share/cvmfsexec/libraries"
VERSION = "2.13.3"
# Those of the client that every tree is asked for.
NAMES = ("cvmfs", "cvmfs-libs", "cvmfs-fuse3")


def read(path):
    """The bytes of a file."""
    with open(path, "rb") as content:
        return content.read()


def listed(site):
    """Which library is from which package, without its version."""
    lines = [line.split(" ") for line in site.read(LIST).splitlines()]
    expect_equal(lines, sorted(lines), "the order")
    return {name: re.sub(r"-1\.0-1\..*", "", package) for name, package in lines}


# A real client and a real system.


@functools.cache
def system_library(name):
    """The path of a library of this system."""
    for line in harness.run(["/sbin/ldconfig", "-p"], check=True).stdout.splitlines():
        if line.split()[:1] == [name] and "64" in line:
            return os.path.realpath(line.split()[-1])
    raise AssertionError(f"{name}: not on this system")


@functools.cache
def loader():
    """The path under which programs of this system name their loader."""
    lines = harness.run(["readelf", "-l", "/bin/ls"], check=True).stdout.splitlines()
    return next(line.split(": ")[1].rstrip("]") for line in lines if "interpreter" in line)


@functools.cache
def folder():
    """Where the packages are built."""
    return harness.temporary_directory(whole_script=True)


def build(name, *entries, version="1.0"):
    """A package of real files; its path."""
    return packagetest.build(Package(name, version, "1", ARCHITECTURE, list(entries)), folder())


def library(path, source, mode=0o755):
    """An entry for a library of this system."""
    return file(path, os.fsencode(source), mode)


def program(path, name):
    """An entry for a program of this build."""
    return file(path, os.fsencode(harness.program(name)), 0o755)


GLIBC = ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libresolv.so.2",
         "libnss_files.so.2", "libnss_dns.so.2"]


def glibc(ld):
    """As the package of Enterprise Linux 8 has it: files with the version in their names, in /lib64,
    links to them; and what is no library."""
    entries = []
    for name in GLIBC:
        real = f"lib64/{name.split('.so')[0]}-2.99.so"
        entries += [library(real, system_library(name)), link(f"lib64/{name}", os.path.basename(real))]
    return build("glibc", *entries, library("lib64/ld-2.99.so", ld, 0o555),
                 link(loader()[1:], "/lib64/ld-2.99.so"), program("sbin/sln", "stub"),
                 file("usr/share/doc/glibc/README", b"much"))


HELPER = r"""
#include <stdio.h>
#include <stdlib.h>
const char *zlibVersion(void);
int main(int count, char **words) {
    printf("%d %s %s %s\n", count, words[0], words[1], getenv("CVMFS_DIST"));
    return zlibVersion() ? 7 : 1;
}
"""


@functools.cache
def client_packages():
    """The stand-in for the official client, and helpers for authorisation."""
    helper = compile_object("helper", HELPER, system_library("libz.so.1"))
    authz = "usr/libexec/cvmfs/authz"
    return [build("cvmfs", program("usr/bin/cvmfs2", "official/cvmfs2"),
                  file("etc/cvmfs/default.conf", b"CVMFS_CACHE_BASE=/var/lib/cvmfs\n"
                                                 b"CVMFS_RELOAD_SOCKETS=/var/run/cvmfs\n"),
                  file(f"{authz}/cvmfs_real_helper", os.fsencode(helper), 0o755),
                  file(f"{authz}/cvmfs_script_helper", b"#!/bin/sh\necho script\n", 0o755),
                  link(f"{authz}/cvmfs_other_helper", "cvmfs_real_helper"), version=VERSION),
            build("cvmfs-libs", program("usr/lib64/libcvmfs_fuse3_private.so.1",
                                        "official/libcvmfs_fuse3_private.so.1"), version=VERSION),
            build("cvmfs-fuse3", program("usr/lib64/libcvmfs_fuse3_stub.so",
                                         "official/libcvmfs_fuse3_stub.so"), version=VERSION)]


@functools.cache
def real_world(old_loader):
    """Servers with the client and all it needs; old_loader: one that knows no --argv0, as those of
    glibc before 2.33."""
    ld = os.path.realpath(loader())
    if old_loader:
        content = read(ld)
        assert b"--argv0" in content
        ld = os.path.join(folder(), "ld-old.so")
        with open(ld, "wb") as out:
            out.write(content.replace(b"--argv0", b"--nothg"))
    fuse = system_library("libfuse3.so.3")
    world = packagetest.World(whole_script=True)
    world.publish(CLIENT, *client_packages())
    world.publish(MORE, build("fuse3-libs", library("usr/lib64/libfuse3.so.3.99", fuse),
                              link("usr/lib64/libfuse3.so.3", "libfuse3.so.3.99")),
                  build("zlib", library("usr/lib64/libz.so.1", system_library("libz.so.1"))),
                  build("unrelated", library("usr/lib64/libcrypto.so.3",
                                             system_library("libcrypto.so.3"))))
    world.publish(BASE, glibc(ld), build("libgcc", library("lib64/libgcc_s.so.1",
                                                           system_library("libgcc_s.so.1"))))
    return world


def compile_object(name, source, *words):
    """Makes an ELF file with the compiler; its path."""
    path = os.path.join(harness.temporary_directory(), name)
    with open(path + ".c", "w", encoding="utf-8") as out:
        out.write(source)
    harness.run(["gcc", "-o", path, "-Wl,--no-as-needed", path + ".c", *words], check=True)
    return path


@test
def a_tree_is_completed_with_loader_and_libraries():
    site = packagetest.Site(real_world(False))
    said = site.makedist(*TYPE, "none").stderr
    for package in ("glibc-1.0-1", "libgcc-1.0-1", "zlib-1.0-1"):
        expect_in(package, said)
    interpreter = os.path.basename(loader())
    added = listed(site)
    expect_equal({**added, "libm.so.6": "?"}["libm.so.6"], "?", "nobody needs it")
    expect_equal({name: added[name] for name in (interpreter, "libc.so.6", "libgcc_s.so.1", "libz.so.1")},
                 {interpreter: "glibc", "libc.so.6": "glibc", "libgcc_s.so.1": "libgcc",
                  "libz.so.1": "zlib"})
    expect_equal(set(added), set(os.listdir(site.path("dist/usr/lib64"))) - {
        "libfuse3.so.3", "libfuse3.so.3.99", "libcvmfs_fuse3_stub.so", "libcvmfs_fuse3_private.so.1"})
    modes = {name: os.lstat(site.path("dist/usr/lib64", name)).st_mode for name in added}
    expect_equal(modes.pop(interpreter), 0o100755)
    expect_equal(set(modes.values()), {0o100644})
    expect_equal(read(site.path("dist/usr/lib64/libc.so.6")), read(system_library("libc.so.6")))
    extra = {name for name in site.files() if name.startswith(("lib64", "sbin", "usr/share/doc", "."))}
    expect_equal(extra, {".cvmfsexecdist"})


SHOW = "cd /cvmfs/a.example.org && read a <arguments && read b <libraries && echo $a $b"


@test
def it_runs_jobs_on_this_host_and_on_one_that_has_nothing():
    harness.require_fuse_userns()
    for old_loader in (False, True):
        site = packagetest.Site(real_world(old_loader))
        site.makedist("-q", *TYPE, "none")
        expect_equal("usr/lib64/libcvmfsexec-name.so" in site.files(), old_loader)
        for directory, result in (
                (site.directory, harness.run([site.path("cvmfsexec"), "a.example.org", "--", "sh",
                                              "-c", SHOW], user=USER, cwd="/")),
                ("/node", emptyroot.run(site.directory, USER, '"$1/cvmfsexec" a.example.org -- '
                                        f"/bin/sh -c '{SHOW}'"))):
            expect_equal((result.status, result.stderr), (0, ""), str(result))
            expect_equal(result.stdout, f"{directory}/cvmfsexec {directory}/dist/usr/lib64/libc.so.6\n")
        # The cache manager, which the client starts as argv[0], is of the same libraries.
        notes = site.read("dist/var/lib/cvmfs/shared/libraries").split()
        expect_equal(notes[-1], "/node/dist/usr/lib64/libc.so.6")


# Helpers for authorisation: a client starts them by their path, with an environment of its own.


def start_helper(path, **options):
    return harness.run(["env", "-i", "CVMFS_DIST=here", path, "a word"], user=USER, cwd="/", **options)


@test
def helpers_find_the_libraries_of_the_tree():
    for options, world in (((), real_world(False)), ((), real_world(True)), (("--no-closure",), real_world(False))):
        site = packagetest.Site(world)
        site.makedist("-q", *options, *TYPE, "none")
        authz = site.path("dist/usr/libexec/cvmfs/authz")
        expect_equal(os.readlink(f"{authz}/cvmfs_real_helper"), "../../cvmfsexec/start")
        os.rename(site.path("dist"), site.path("moved dist"))
        authz = site.path("moved dist/usr/libexec/cvmfs/authz")
        helper = f"{authz}/cvmfs_real_helper"
        elsewhere = os.path.join(harness.temporary_directory(USER), "another name")
        os.symlink(helper, elsewhere)
        for path in (helper, f"{authz}/cvmfs_other_helper", elsewhere):
            result = start_helper(path)
            expect_equal((result.status, result.stdout, result.stderr), (7, f"2 {path} a word here\n", ""),
                         str(result))
        expect_equal(start_helper(f"{authz}/cvmfs_script_helper").stdout, "script\n")


@test
def helpers_need_nothing_of_the_host():
    site = packagetest.Site(real_world(False))
    site.makedist("-q", *TYPE, "none")
    path = "/node/dist/usr/libexec/cvmfs/authz/cvmfs_real_helper"
    result = emptyroot.run(site.directory, USER, f"CVMFS_DIST=here {path} word; echo $?")
    expect_equal((result.stdout, result.stderr), (f"2 {path} word here\n7\n", ""), str(result))


@test
def the_starter_says_what_is_wrong():
    site = packagetest.Site(real_world(False))
    site.makedist("-q", *TYPE, "none")
    starter = site.path("dist/usr/libexec/cvmfsexec/start")
    result = start_helper(starter)
    expect_equal(result.status, 126)
    expect_in("stands for no program", result.stderr)
    expect_in("is not in a dist tree", start_helper(site.path("start")).stderr)
    helper = site.path("dist/usr/libexec/cvmfs/authz/.cvmfs_real_helper")
    os.chmod(helper, 0)
    if USER.uid != 0:
        expect_in(".cvmfs_real_helper: Permission denied", start_helper(helper.replace("/.", "/")).stderr)


# Choices, on libraries that have nothing in them but what they need and provide.


def _function(version):
    return "f_" + version.replace(".", "_")


def make_library(name, needs=(), versions=(), words=()):
    """Makes a library that needs others (their paths) and has symbols of these versions; its path."""
    path = os.path.join(harness.temporary_directory(), name)
    source = "".join(f"void {_function(version)}(void) {{}}\n" for version in versions) + "int x;\n"
    script = "".join(f"{version} {{ global: {_function(version)}; }};\n" for version in versions)
    return _link(path, name, source, script, needs, words)


def make_user(name, library, versions, words=(), more=()):
    """Makes a library that needs these versions of another."""
    source = "".join(f"void {_function(version)}(void);\n" for version in versions)
    source += "void user(void) {" + "".join(f" {_function(version)}();" for version in versions) + " }\n"
    return _link(os.path.join(harness.temporary_directory(), name), name, source, "", [library, *more],
                 words)


def _link(path, name, source, script, needs, words):
    with open(path + ".c", "w", encoding="utf-8") as out:
        out.write(source)
    if script:
        with open(path + ".map", "w", encoding="utf-8") as out:
            out.write(script)
        words = [*words, f"-Wl,--version-script={path}.map"]
    harness.run(["gcc", "-shared", "-nostdlib", "-fPIC", f"-Wl,-soname,{name}", "-Wl,--no-as-needed",
                 "-o", path, path + ".c", *needs, *words], check=True)
    return path


def provides(name, *versions):
    """The capabilities of a library."""
    return [f"{name}()(64bit)", *(f"{name}({version})(64bit)" for version in versions)]


def package(name, *entries, capabilities=()):
    return Package(name, "1.0", "1", ARCHITECTURE, list(entries), provides=list(capabilities))


def entry(path, source):
    return file(path, read(source), 0o755)


def make_site(client, base=(), more=()):
    """A site whose packages of a client have these entries, and those of the system are these."""
    world = packagetest.World()
    names = [Package(name, VERSION, "1", ARCHITECTURE) for name in NAMES]
    world.publish(CLIENT, names[0].with_entries(*client), *names[1:])
    world.publish(MORE, package("fuse3-libs"), *more)
    world.publish(BASE, *base)
    return packagetest.Site(world)


def complete(*arguments, **more):
    """The site after a tree was made."""
    site = make_site(*arguments, **more)
    site.makedist("-q", *TYPE, "none")
    return site


def refusal(site, *options):
    """The words with which no tree was made; nothing of it is left."""
    words = site.makedist(*options, *TYPE, "none", status=1).stderr
    expect_equal(site.names(), [])
    return words


USER_PATH = "usr/lib64/libuser.so"


@test
def the_package_that_has_most_of_it_is_taken():
    a, b = make_library("liba.so.1"), make_library("libb.so.1")
    user = make_library("libuser.so", [a, b])
    only = package("a", entry("usr/lib64/liba.so.1", a), capabilities=provides("liba.so.1"))
    both = package("both-of-them", entry("usr/lib64/liba.so.1", a), entry("usr/lib64/libb.so.1", b),
                   capabilities=provides("liba.so.1") + provides("libb.so.1"))
    site = complete([entry(USER_PATH, user)], [only], [both])
    expect_equal(listed(site), {"liba.so.1": "both-of-them", "libb.so.1": "both-of-them"})


@test
def of_equals_the_first_repository_and_the_shortest_name_is_taken():
    a = make_library("liba.so.1")
    user = [entry(USER_PATH, make_library("libuser.so", [a]))]
    variants = {name: package(name, entry("usr/lib64/liba.so.1", a), capabilities=provides("liba.so.1"))
                for name in ("a-minimal", "abcd", "abcc")}
    site = complete(user, [variants["abcd"], variants["a-minimal"], variants["abcc"]])
    expect_equal(listed(site), {"liba.so.1": "abcc"})
    site = complete(user, [variants["abcd"]], [variants["a-minimal"]])
    expect_equal(listed(site), {"liba.so.1": "a-minimal"})


@test
def a_library_with_too_few_versions_is_passed_over():
    old, new = make_library("liba.so.1", versions=["V1"]), make_library("liba.so.1", versions=["V1", "V2"])
    user = make_user("libuser.so", new, ["V1", "V2"])
    lies = package("a", entry("usr/lib64/liba.so.1", old), capabilities=provides("liba.so.1", "V1", "V2"))
    right = package("long-name", entry("usr/lib64/liba.so.1", new),
                    capabilities=provides("liba.so.1", "V1", "V2"))
    site = complete([entry(USER_PATH, user)], [lies, right])
    expect_equal(listed(site), {"liba.so.1": "long-name"})
    words = refusal(make_site([entry(USER_PATH, user)], [lies]))
    expect_in(f"liba.so.1 (V1, V2, needed by {USER_PATH})", words)
    expect_in(f"no package for {TYPE[1]} has", words)
    expect_in("--no-closure", words)


@test
def a_library_of_the_tree_that_is_too_old_is_replaced_for_all_its_users():
    old, new = make_library("liba.so.1", versions=["V1"]), make_library("liba.so.1", versions=["V1", "V2"])
    client = [entry("usr/lib64/liba.so.1.0", old), link("usr/lib64/liba.so.1", "liba.so.1.0"),
              entry(USER_PATH, make_user("libuser.so", new, ["V2"])),
              entry("usr/lib64/libother.so", make_user("libother.so", old, ["V1"]))]
    right = package("a", entry("usr/lib64/liba.so.1", new), capabilities=provides("liba.so.1", "V1", "V2"))
    site = complete(client, [right])
    expect_equal(read(site.path("dist/usr/lib64/liba.so.1")), read(new))
    expect_equal(read(site.path("dist/usr/lib64/liba.so.1.0")), read(old))
    only = make_library("liba.so.1", versions=["V2"])
    words = refusal(make_site(client, [package("a", entry("usr/lib64/liba.so.1", only),
                                               capabilities=provides("liba.so.1", "V2"))]))
    expect_in("liba.so.1 (V2, needed by", words)


@test
def what_libraries_need_in_turn_comes_too():
    c = make_library("libc1.so")
    b = make_library("libb.so", [c])
    a = make_library("liba.so", [b])
    packages = [package(name, entry(f"lib64/{name}.so", path), capabilities=provides(f"{name}.so"))
                for name, path in (("liba", a), ("libb", b), ("libc1", c))]
    site = complete([entry(USER_PATH, make_library("libuser.so", [a]))], packages)
    expect_equal(listed(site), {"liba.so": "liba", "libb.so": "libb", "libc1.so": "libc1"})


@test
def run_paths_from_the_file_itself_count_and_others_do_not():
    a = make_library("liba.so")
    client = [entry("usr/lib64/private/liba.so", a)]
    for words in (["-Wl,--enable-new-dtags,-rpath,$ORIGIN/private"],
                  ["-Wl,--disable-new-dtags,-rpath,/nowhere:${ORIGIN}/../lib64/private"]):
        user = make_library("libuser.so", [a], words=words)
        site = complete([*client, entry(USER_PATH, user)])
        assert not os.path.exists(site.path(LIST))
    for words in ([], ["-Wl,-rpath,/usr/lib64/private"], ["-Wl,-rpath,$ORIGIN/../../../usr/lib64/private"],
                  ["-Wl,-rpath,$LIB/private"]):
        user = make_library("libuser.so", [a], words=words)
        expect_in(f"liba.so (needed by {USER_PATH})", refusal(make_site([*client, entry(USER_PATH, user)])))


@test
def a_library_in_a_directory_of_its_own_is_taken_out_of_it():
    a = make_library("liba.so")
    hidden = package("a", entry("usr/lib64/a/deep/liba.so", a), entry("usr/lib/debug/usr/lib64/liba.so", a),
                     capabilities=provides("liba.so"))
    site = complete([entry(USER_PATH, make_library("libuser.so", [a]))], [hidden])
    expect_equal(listed(site), {"liba.so": "a"})


@test
def the_parts_of_glibc_are_of_one_package():
    first = {name: make_library(name, versions=["GLIBC_PRIVATE", "GLIBC_2.99"])
             for name in ("libc.so.6", "libm.so.6")}
    client = [entry("usr/lib64/libm.so.6", first["libm.so.6"]),
              entry(USER_PATH, make_library("libuser.so", list(first.values())))]
    second = {name: make_library(name, versions=["GLIBC_PRIVATE", "GLIBC_2.99", "GLIBC_3"]) for name in first}
    files = [entry(f"lib64/{name}", path) for name, path in second.items()]
    services = entry("lib64/libnss_files.so.2", make_library("libnss_files.so.2"))
    site = complete(client, [package("glibc", *files, services, capabilities=provides("libc.so.6"))])
    expect_equal(listed(site), {"libc.so.6": "glibc", "libm.so.6": "glibc", "libnss_files.so.2": "glibc"})
    expect_equal(read(site.path("dist/usr/lib64/libm.so.6")), read(second["libm.so.6"]))


# What is refused.


@test
def links_of_packages_lead_nowhere_outside():
    a = make_library("liba.so")
    user = [entry(USER_PATH, make_library("libuser.so", [a]))]
    secret = os.path.join(harness.temporary_directory(USER), "liba.so")
    with open(secret, "wb") as out:
        out.write(read(a))
    os.chmod(secret, 0o644)
    for entries in ([link("usr/lib64/liba.so", secret)],
                    [link("usr/lib64/liba.so", "../" * 30 + secret[1:])],
                    [link("usr/lib64/out.so", os.path.dirname(secret)), link("usr/lib64/liba.so", "out.so/liba.so")],
                    [link("usr/lib64/liba.so", "libb.so"), link("usr/lib64/libb.so", "liba.so")]):
        words = refusal(make_site(user, [package("a", *entries, capabilities=provides("liba.so"))]))
        expect_in("liba.so (needed by", words)
    within = [entry("opt/deep/libreal.so", a), link("usr/lib64/liba.so", "/lib64/../opt/deep/../other.so"),
              link("opt/other.so", "deep/./libreal.so")]
    site = complete(user, [package("a", *within, capabilities=provides("liba.so"))])
    expect_equal(listed(site), {"liba.so": "a"})


@test
def libraries_that_are_asked_for_by_a_path_are_nobodys():
    a = make_library("liba.so")
    user = read(make_library("libuser.so", [a])).replace(b"liba.so\0", b"../a.so\0")
    words = refusal(make_site([file(USER_PATH, user)], [
        package("a", entry("usr/a.so", a), entry("a.so", a), capabilities=provides("../a.so"))]))
    expect_in("../a.so (needed by", words)


def of_another_machine(path):
    """The content of an ELF file, with its machine changed."""
    content = bytearray(read(path))
    content[18] = 183 if content[18] != 183 else 62
    return bytes(content)


@test
def files_for_another_machine_are_refused_by_name_and_objects_are_data():
    a = make_library("liba.so")
    words = refusal(make_site([file("usr/share/x/helper", of_another_machine(a))]))
    expect_in(f"usr/share/x/helper is a program or library for another machine than {ARCHITECTURE}", words)
    module = compile_object("module.o", "int x;", "-c")
    wrong = package("a", file("usr/lib64/liba.so", of_another_machine(a)), capabilities=provides("liba.so"))
    right = package("another", entry("usr/lib64/liba.so", a), capabilities=provides("liba.so"))
    site = complete([file("lib/modules/module.ko", of_another_machine(module)), file("etc/text", b"\x7fELF"),
                     file("usr/lib/debug/x", of_another_machine(a)),
                     entry(USER_PATH, make_library("libuser.so", [a]))], [wrong, right])
    expect_equal(listed(site), {"liba.so": "another"}, "it is passed over")
    words = refusal(make_site([file("usr/bin/cut", read(a)[:200])]))
    expect_in("usr/bin/cut: damaged ELF file", words)


@test
def many_lacks_are_not_all_named():
    libraries = [make_library(f"lib{number}.so") for number in range(12)]
    words = refusal(make_site([entry(USER_PATH, make_library("libuser.so", libraries))]))
    expect_in("lib7.so (needed by", words)
    expect_in(", and 4 more;", words)


@test
def without_the_closure_it_is_said_what_nodes_must_have():
    a, z = make_library("liba.so.1", versions=["V1"]), make_library("libz.so.1")
    client = [entry(USER_PATH, make_user("libuser.so", a, ["V1"], more=[z]))]
    site = make_site(client)
    said = site.makedist("--no-closure", *TYPE, "none").stderr
    expect_in(f"makedist: the nodes must have these libraries: liba.so.1 (V1, needed by {USER_PATH})\n", said)
    expect_equal(os.listdir(site.path("dist/usr/lib64")), ["libuser.so"])
    site = make_site(client)
    expect_equal(site.makedist("-q", "--no-closure", *TYPE, "none").stderr, "")


# Built once, for all tests.
for old in (False, True):
    real_world(old)
harness.main()
