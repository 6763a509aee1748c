#!/usr/bin/env python3
"""makedist: what it makes, what it packs, and how it fails.

Each test works on programs copied into a directory of its own, for dist is made beside the program.
"""

import os
import platform
import re
import shutil
import signal
import tarfile

import harness
from harness import expect_equal, expect_in, test

PROGRAMS = ["makedist", "stub", "cvmfsexec", "mountrepo", "umountrepo", "cvmfs2",
            "libcvmfsexec-transfer.so"]
EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}


class Site:
    """A directory with the programs of a build, and an ordinary user who works there."""

    def __init__(self, without=()):
        self.directory = os.path.join(harness.temporary_directory(harness.ORDINARY), "a site é")
        os.mkdir(self.directory)
        for name in PROGRAMS:
            if name not in without:
                shutil.copy2(harness.program(name), self.directory)
        if harness.ME.uid == 0:
            os.chown(self.directory, harness.ORDINARY.uid, harness.ORDINARY.gid)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def makedist(self, *arguments, status=0, cwd=None, **more):
        result = harness.run([self.path("makedist"), *arguments], user=harness.ORDINARY,
                             cwd=cwd or "/", **more)
        expect_equal(result.status, status, str(result))
        expect_equal(result.stdout, "", "standard output")
        return result

    def names(self):
        """What stands beside the programs."""
        return sorted(set(os.listdir(self.directory)) - set(PROGRAMS))

    def payload(self, file):
        """The tar archive in a bundle, opened."""
        packed, archive = file + ".zst", file + ".tar"
        harness.run(["objcopy", "--dump-section", f".cvmfsexec.dist={packed}", file, "/dev/null"],
                    check=True)
        harness.run(["zstd", "-q", "-d", "-f", packed, "-o", archive], check=True)
        return tarfile.open(archive)


def host_type():
    """The machine type that the tests expect of this host, or a skip."""
    release = platform.freedesktop_os_release()
    if (release.get("ID"), release.get("VERSION_ID")) != ("debian", "12"):
        harness.skip("the machine type of this host is not written down here")
    return f"rhel9-{platform.machine()}"


def read(path, mode="r"):
    with open(path, mode) as file:
        return file.read()


@test
def a_native_tree_is_complete():
    machine = host_type()
    site = Site()
    said = site.makedist("--native", "none").stderr
    expect_in(machine, said, "the summary")
    expect_equal(site.names(), ["dist"])
    expect_equal(read(site.path("dist/.cvmfsexecdist")), f"disttype: standard\nmachtype: {machine}\n")
    for name in ("etc/cvmfs/default.d", "etc/cvmfs/domain.d", "etc/cvmfs/config.d",
                 "etc/cvmfs/keys", "var/lib/cvmfs", "var/run/cvmfs"):
        assert os.path.isdir(site.path("dist", name)), name
    libraries = os.listdir(site.path("dist/usr/lib64"))
    for name in ("libc.so.6", "libfuse3.so.3", "libsqlite3.so.0", "libcurl.so.4", "libgcc_s.so.1",
                 "libcvmfsexec-transfer.so"):
        expect_in(name, libraries, "libraries")
    assert any(re.fullmatch(r"ld.*\.so\.\d", name) for name in libraries), libraries


@test
def fuse2fs_of_the_host_comes_along_with_its_libraries():
    found = shutil.which("fuse2fs", path="/usr/bin:/usr/sbin:/bin:/sbin")
    if not found:
        harness.skip("there is no fuse2fs here")
    site = Site()
    expect_in("fuse2fs", site.makedist("-n", "none").stderr, "the summary")
    expect_equal(read(site.path("dist/usr/bin/fuse2fs"), "rb"), read(found, "rb"))
    expect_in(f"fuse2fs {os.path.realpath(found)}\n",
              read(site.path("dist/usr/share/cvmfsexec/libraries")))
    libraries = os.listdir(site.path("dist/usr/lib64"))
    needed = harness.run(["objdump", "-p", found], check=True).stdout
    for name in re.findall(r"NEEDED\s+(\S+)", needed):
        expect_in(name, libraries)
    loader = next(name for name in libraries if re.fullmatch(r"ld.*\.so\.\d", name))
    result = harness.run([site.path("dist/usr/lib64", loader), "--library-path",
                          site.path("dist/usr/lib64"), site.path("dist/usr/bin/fuse2fs")])
    expect_in("device", result.stderr, "the usage")


@test
def without_fuse2fs_a_tree_is_made_and_one_line_says_what_is_missing():
    site = Site()
    script = """for d in /usr/bin /usr/sbin /bin /sbin; do [ ! -e $d/fuse2fs ] ||
        mount --bind /dev/null $d/fuse2fs || exit 99; done; exec ./makedist "$@" """
    command = ["unshare", "-Urm", "sh", "-c", script, "sh"]
    result = harness.run([*command, "-n", "none"], cwd=site.directory, user=harness.ORDINARY)
    if "makedist: " not in result.stderr:
        harness.skip("no mounts in a user namespace")
    expect_equal(result.status, 0, str(result))
    missing, made = result.stderr.splitlines()
    expect_in("package fuse2fs", missing)
    expect_in("made ", made)
    assert not os.path.exists(site.path("dist/usr/bin/fuse2fs"))
    shutil.rmtree(site.path("dist"))
    result = harness.run([*command, "-qn", "none"], cwd=site.directory, user=harness.ORDINARY)
    expect_equal((result.status, result.stderr), (0, ""))


@test
def default_local_has_plain_lines_that_sites_edit():
    site = Site()
    site.makedist("-qn", "none")
    lines = read(site.path("dist/etc/cvmfs/default.local")).splitlines()
    expect_in('CVMFS_HTTP_PROXY="auto;DIRECT"', lines)
    expect_in('CVMFS_PAC_URLS="http://grid-wpad/wpad.dat;http://wpad/wpad.dat;'
              'http://cernvm-wpad.cern.ch/wpad.dat;http://cernvm-wpad.fnal.gov/wpad.dat"', lines)
    release = read(site.path("dist/etc/os-release"))
    assert re.fullmatch(r'ID_LIKE="(rhel|suse)"\nVERSION_ID="\d+"\n', release), release


@test
def the_client_runs_on_its_tree_alone():
    if harness.run(["unshare", "-Ur", "true"], user=harness.ORDINARY).status != 0:
        harness.skip("user namespaces are not allowed")
    site = Site()
    site.makedist("-qn", "none")
    loader = next(name for name in os.listdir(site.path("dist/usr/lib64"))
                  if re.fullmatch(r"ld.*\.so\.\d", name))
    result = harness.run(["unshare", "-Ur", "chroot", site.path("dist"), f"/usr/lib64/{loader}",
                          "--library-path", "/usr/lib64", "--argv0", "/usr/bin/cvmfs2",
                          "/usr/bin/cvmfs2", "-V"], user=harness.ORDINARY)
    expect_equal(result.status, 0, str(result))
    expect_in("CernVM-FS version", result.stdout)


@test
def a_tree_is_for_everybody_whatever_the_umask():
    site = Site()
    result = harness.run(f"umask 077 && '{site.path('makedist')}' -qn none", user=harness.ORDINARY)
    expect_equal(result.status, 0, str(result))
    for directory, _, files in os.walk(site.path("dist")):
        expect_equal(os.stat(directory).st_mode & 0o7777, 0o755, directory)
        for name in files:
            mode = os.lstat(os.path.join(directory, name)).st_mode
            expect_in(mode, (0o100644, 0o100755), name)


@test
def a_second_tree_is_refused_with_what_to_do():
    site = Site()
    site.makedist("-qn", "none")
    before = os.stat(site.path("dist")).st_ino
    expect_in("rm -rf", site.makedist("-n", "none", status=1).stderr)
    expect_equal(os.stat(site.path("dist")).st_ino, before)
    expect_equal(site.names(), ["dist"])


@test
def a_missing_library_is_named_and_leaves_nothing():
    site = Site()
    client = read(site.path("cvmfs2"), "rb")
    expect_in(b"\0libfuse3.so.3\0", client)
    with open(site.path("cvmfs2"), "wb") as file:
        file.write(client.replace(b"\0libfuse3.so.3\0", b"\0libnone3.so.3\0"))
    said = site.makedist("-n", "none", status=1).stderr
    expect_in("libnone3.so.3, which", said)
    expect_in("cvmfs2 needs", said)
    expect_equal(site.names(), [])


@test
def a_missing_program_is_named_and_leaves_nothing():
    for name in ("cvmfs2", "libcvmfsexec-transfer.so", "umountrepo"):
        site = Site(without=[name])
        expect_in(f"{name} is missing", site.makedist("-n", "none", status=1).stderr)
        expect_equal(site.names(), [])


@test
def an_interrupted_makedist_leaves_nothing_or_all():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        site = Site()
        process = harness.start([site.path("makedist"), "-qn", "none"], user=harness.ORDINARY)
        while not site.names() and process.running():
            pass
        if process.running():
            process.signal(number)
        status = process.wait().status
        expect_in(status, (0, 128 + number), "the status")
        expect_in(site.names(), ([], ["dist"]) if status else (["dist"],), "what is left")
        if site.names():
            assert os.path.exists(site.path("dist/.cvmfsexecdist"))


@test
def what_a_killed_makedist_left_is_removed_by_the_next():
    site = Site()
    process = harness.start([site.path("makedist"), "-qn", "none"], user=harness.ORDINARY)
    while not site.names() and process.running():
        pass
    process.kill()
    if "dist" in site.names():  # it was too quick
        shutil.rmtree(site.path("dist"))
    site.makedist("-qn", "none")
    expect_equal(site.names(), ["dist"])


@test
def a_directory_that_cannot_be_written_is_named():
    site = Site()
    os.chmod(site.directory, 0o555)
    if harness.ORDINARY.uid == 0:
        harness.skip("root may write everywhere")
    expect_in("Permission denied", site.makedist("-n", "none", status=1).stderr)


@test
def a_full_disk_leaves_nothing():
    site = Site()
    script = """cd "$1" && shift && mkdir small && mount -t tmpfs -o size=12m none small &&
        cp "$@" small && cd small && { ./makedist -n none; echo "status $?"; ls -A; }"""
    result = harness.run(["unshare", "-Urm", "sh", "-c", script, "sh", site.directory, *PROGRAMS],
                         user=harness.ORDINARY)
    if "status" not in result.stdout:
        harness.skip("no mounts in a user namespace")
    expect_in("No space left on device", result.stderr)
    expect_in("status 1", result.stdout)
    assert "dist" not in result.stdout.replace("makedist", ""), result.stdout


@test
def the_command_line_decides_the_status():
    site = Site()
    rows = [
        (2, []), (2, ["none", "more", "-n"]), (2, ["elsewhere"]), (2, ["-n", "elsewhere"]),
        (2, ["--nothing"]), (2, ["-x"]), (2, ["-m"]), (2, ["-o"]), (2, ["-o", ""]),
        (2, ["-o", "file", "none"]), (2, ["-o", "file", "-n"]), (2, ["-o", "file", "-v", "2.12.0"]),
        (2, ["-n", "-v", "2.12.0", "none"]), (2, ["-n", "--level", "3", "none"]),
        (2, ["-o", "file", "--level", "23"]), (2, ["-o", "file", "--level", "x"]),
        (2, ["-o", "file", "--threads", "0"]), (2, ["-o", "file", "--threads=1e9"]),
        (2, ["-n", "--no-closure", "none"]), (2, ["--cache", "", "osg"]), (2, ["--sources="]),
        (2, ["-o", "file", "--dry-run"]), (2, ["-o", "file", "--keys=x"]),
        (1, ["-n", "-m", "rhel9", "none"]), (1, ["-n", "-m", "rhel5-x86_64", "none"]),
    ]
    for status, arguments in rows:
        said = site.makedist(*arguments, status=status).stderr
        expect_in("makedist: ", said, str(arguments))
    foreign = "suse15-aarch64" if platform.machine() == "x86_64" else "rhel9-x86_64"
    expect_in(f"make CROSS={foreign.split('-')[1]}\n",
              site.makedist("-nm", foreign, "none", status=1).stderr)
    expect_equal(site.names(), [])


@test
def help_fits_a_screen():
    for option in ("-h", "--help"):
        result = harness.run([harness.program("makedist"), option], check=True)
        lines = result.stdout.splitlines()
        assert len(lines) <= 24 and max(map(len, lines)) <= 80, result.stdout
    result = harness.run([harness.program("makedist"), "--version"], check=True)
    assert re.fullmatch(r"makedist \d+\.\d+\.\d+\n", result.stdout), result.stdout


@test
def a_machine_type_is_a_label_of_the_tree_and_the_bundle():
    machine = f"rhel8-{platform.machine()}"
    site = Site()
    site.makedist("-qn", "-m", machine, "none")
    expect_in('VERSION_ID="8"', read(site.path("dist/etc/os-release")))
    other = site.makedist("-o", site.path("file"), "-m", f"rhel9-{platform.machine()}", status=1)
    expect_in(f"is for {machine}", other.stderr)
    said = site.makedist("-o", site.path("file"), "-m", machine, "--level=1").stderr
    expect_in(machine, said)
    expect_in(machine.encode(), read(site.path("file"), "rb"), "the note")


@test
def only_trees_of_makedist_are_packed():
    site = Site()
    expect_in("make it first", site.makedist("-o", site.path("file"), status=1).stderr)
    site.makedist("-qn", "none")
    expect_in("without -s", site.makedist("-s", "-o", site.path("file"), status=1).stderr)
    os.unlink(site.path("dist/.cvmfsexecdist"))
    said = site.makedist("-o", site.path("file"), status=1).stderr
    expect_in("was not made by makedist", said)
    expect_equal(site.names(), ["dist"])


@test
def a_tree_for_another_architecture_wants_programs_of_that():
    machine = "rhel9-aarch64" if platform.machine() == "x86_64" else "rhel9-x86_64"
    architecture = machine.split("-")[1]
    site = Site()
    site.makedist("-qn", "none")
    with open(site.path("dist/.cvmfsexecdist"), "w") as file:
        file.write(f"disttype: standard\nmachtype: {machine}\n")
    said = site.makedist("-o", site.path("file"), status=1).stderr
    expect_in(f"stub for {architecture} is missing", said)
    expect_in(f"make CROSS={architecture}\n", said)
    os.mkdir(site.path(architecture))
    shutil.copy2(site.path("stub"), site.path(architecture))
    said = site.makedist("-o", site.path("file"), status=1).stderr
    expect_in(f"cvmfsexec for {architecture} is missing", said)
    with open(site.path("dist/.cvmfsexecdist"), "w") as file:
        file.write("disttype: standard\nmachtype: plan9-z80\n")
    expect_in("no machine type", site.makedist("-o", site.path("file"), status=1).stderr)
    expect_equal(site.names(), [architecture, "dist"])


@test
def a_bundle_holds_commands_and_tree_but_no_state():
    site = Site()
    site.makedist("-qn", "none")
    for name in ("var/run/cvmfs/socket", "var/lib/cvmfs/object", "cvmfs/repository",
                 "etc/cvmfs/config.d/site.conf", "etc/cvmfs/left.out"):
        path = site.path("dist", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write("x\n")
    elsewhere = harness.temporary_directory(harness.ORDINARY)
    site.makedist("-o", "bundle", "--level=1", "--exclude=*.out", cwd=elsewhere)
    expect_equal(os.listdir(elsewhere), ["bundle"])
    with site.payload(os.path.join(elsewhere, "bundle")) as archive:
        names = archive.getnames()
    for name in ("cvmfsexec", "mountrepo", "umountrepo", "dist/usr/bin/cvmfs2",
                 "dist/.cvmfsexecdist", "dist/var/lib/cvmfs", "dist/var/run/cvmfs",
                 "dist/etc/cvmfs/config.d/site.conf"):
        expect_in(name, names)
    unwanted = [name for name in names if re.search("socket|object|repository|left.out", name)]
    expect_equal(unwanted, [])


@test
def the_same_tree_gives_the_same_bytes():
    first, second = Site(), Site()
    for site in (first, second):
        site.makedist("-qn", "none")
        site.makedist("-q", "-o", site.path("file"), "--level=1", env=EPOCH)
    bundle = read(first.path("file"), "rb")
    assert read(second.path("file"), "rb") == bundle, "two trees made apart differ"
    first.makedist("-q", "-o", first.path("again"), "--level=1", "--threads=1", env=EPOCH)
    assert read(first.path("again"), "rb") == bundle, "the number of threads makes a difference"


@test
def a_failing_pack_leaves_the_older_file():
    site = Site()
    site.makedist("-qn", "none")
    with open(site.path("file"), "w") as file:
        file.write("older")
    os.truncate(site.path("stub"), 0)
    site.makedist("-o", site.path("file"), status=1)
    expect_equal(read(site.path("file")), "older")
    expect_equal(site.names(), ["dist", "file"])


@test
def silence_is_kept_when_asked_for():
    site = Site()
    expect_equal(site.makedist("-qn", "none").stderr, "")
    expect_equal(site.makedist("-q", "--level=1", "-o", site.path("file")).stderr, "")


harness.main()
