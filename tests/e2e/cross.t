#!/usr/bin/env python3
"""Trees and files for other architectures, made here and run by qemu's user emulation. The programs
are those of make CROSS="aarch64 ppc64le"."""

import os
import platform
import shutil

import bundlesite
import harness
from bundlesite import Node, Site
from harness import expect_equal, expect_in, test

FQRN = "one.example.org"
MACHINES = {"aarch64": ["rhel9-aarch64", "rhel8-aarch64", "suse15-aarch64"],
            "ppc64le": ["rhel8-ppc64le", "rhel9-ppc64le"]}
# How the kernel knows their programs: e_machine, in the 20 bytes that an ELF file begins with.
ELF_NUMBER = {"aarch64": 0xb7, "ppc64le": 0x15}
ELF_START = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00"
# Of each byte, what counts: any ABI, and both kinds of programs.
ELF_MASK = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfc\xff"
# A binfmt_misc of its own, which a user namespace can have: nothing else on the host sees it.
SCRIPT = """mount -t binfmt_misc none "$1" && printf '%s' "$2" >"$1/register" || exit 99
            shift 2 && exec "$@" """


def emulator(architecture):
    """The path of qemu's program for it, or None; it must need nothing besides itself."""
    path = shutil.which(f"qemu-{architecture}-static")
    return path or shutil.which(f"qemu-{architecture}")


def register_line(architecture):
    def escaped(these):
        return "".join(f"\\x{byte:02x}" for byte in these)
    number = bytes([ELF_NUMBER[architecture], 0])
    # F: opened now, by those who register it. O: handed over open. C would be for set-id programs.
    return ":".join(["", "cross-" + architecture, "M", "", escaped(ELF_START + number),
                     escaped(ELF_MASK + b"\xff\xff"), emulator(architecture), "OF"])


def emulated(architecture, command):
    """A command that may start programs of that architecture, and be one."""
    place = harness.temporary_directory(bundlesite.USER)
    return ["unshare", "-Urm", "sh", "-c", SCRIPT, "sh", place, register_line(architecture),
            *command]


def why_not_built(architecture):
    """Why there are no programs of that architecture here, or None."""
    if platform.machine() == architecture:
        return f"{architecture} is the host's own"
    if not os.path.exists(os.path.join(harness.build_directory(), architecture, "lib/complete")):
        return f"nothing is built for it: make CROSS={architecture}"
    return None


def why_not_run(architecture):
    """Why they cannot be run here, or None."""
    if not emulator(architecture):
        return f"there is no qemu-{architecture}"
    program = harness.program(f"{architecture}/cvmfsexec")
    result = harness.run(emulated(architecture, [program, "--version"]), user=bundlesite.USER)
    return f"no binfmt_misc in a user namespace: {result.stderr.strip()}" if result.status else None


def new_node(architecture):
    """A node with FILE for that architecture, not yet run; or a skip."""
    if reasons[architecture]:
        harness.skip(reasons[architecture])
    return Node(sites[architecture])


def extracted_node(architecture):
    node = new_node(architecture)
    node.shell_command(emulated(architecture, [node.file, "-v"]), check=True)
    return node


def each_architecture(function):
    """A test for each of them."""
    for architecture in MACHINES:
        def run(architecture=architecture):
            function(architecture)
        run.__name__ = f"{architecture}_{function.__name__}"
        test(run)
    return function


def elf_machine(path):
    """e_machine of a program or library, None for other files."""
    with open(path, "rb") as file:
        head = file.read(20)
    return int.from_bytes(head[18:], "little") if head[:4] == ELF_START[:4] else None


@each_architecture
def a_file_is_extracted_and_says_its_version(architecture):
    node = new_node(architecture)
    result = node.shell_command(emulated(architecture, [node.file, "-v"]))
    expect_equal((result.status, result.stderr), (0, ""), str(result))
    expect_equal(result.stdout, harness.run([harness.program("cvmfsexec"), "-v"]).stdout)
    expect_equal(sorted(os.listdir(node.directory)), [".cvmfsexec", "cvmfsexec"])


@each_architecture
def all_that_runs_is_of_one_architecture(architecture):
    node = extracted_node(architecture)
    found = {name: elf_machine(os.path.join(directory, name))
             for directory, _, names in os.walk(node.home) for name in names}
    programs = {name: number for name, number in found.items() if number is not None}
    expect_equal(set(programs.values()), {ELF_NUMBER[architecture]}, str(programs))
    for name in ("cvmfsexec", "mountrepo", "umountrepo", "cvmfs2", "libcvmfsexec-transfer.so",
                 "fuse2fs", "libc.so.6", "libfuse3.so.3", "libcurl.so.4", "libgcc_s.so.1"):
        expect_in(name, programs)
    expect_equal(elf_machine(node.file), ELF_NUMBER[architecture])


@each_architecture
def the_report_of_the_node_comes(architecture):
    """qemu lets no program make namespaces, so that it is not a good one."""
    node = extracted_node(architecture)
    result = node.shell_command(emulated(architecture, [node.file, "--check"]))
    expect_in(f" {architecture}\n", result.stdout, str(result))
    expect_in("CernVM-FS version", result.stdout, "the client")


@each_architecture
def mountrepo_mounts_and_umountrepo_unmounts(architecture):
    node = extracted_node(architecture)
    script = f"""./mountrepo {FQRN} && cat dist/cvmfs/{FQRN}/name; ./umountrepo -a
                 grep -c $PWD/dist/cvmfs /proc/self/mounts"""
    result = node.shell_command(emulated(architecture, ["sh", "-c", script]), cwd=node.home)
    expect_equal((result.stdout, result.stderr), (FQRN + "0\n", ""), str(result))
    expect_equal(node.processes(), [])


@each_architecture
def the_client_serves_a_job(architecture):
    """The job is started by the host's own launcher, which may make namespaces."""
    node = extracted_node(architecture)
    shutil.copy2(harness.program("cvmfsexec"), node.path("cvmfsexec"))
    command = [node.path("cvmfsexec"), FQRN, "--", "cat", f"/cvmfs/{FQRN}/name"]
    result = node.shell_command(emulated(architecture, command))
    expect_equal((result.status, result.stdout, result.stderr), (0, FQRN, ""), str(result))


@test
def one_machine_makes_files_for_all_types():
    types = [name for architecture, names in MACHINES.items() for name in names
             if not why_not_built(architecture)]
    if not types:
        harness.skip("nothing is built for other architectures")
    site = Site()
    for architecture in MACHINES:
        if not why_not_built(architecture):
            os.symlink(harness.program(architecture), site.path(architecture))
    types.append("rhel9-" + platform.machine())
    for name in types:
        shutil.rmtree(site.path("dist"))
        site.makedist("-qn", "-m", name, "none")
        site.makedist("-q", "--level=1", "-o", "FILE-" + name)
        number = ELF_NUMBER.get(name.split("-")[1], elf_machine(site.path("makedist")))
        expect_equal(elf_machine(site.path("FILE-" + name)), number, name)


reasons = {architecture: why_not_built(architecture) or why_not_run(architecture)
           for architecture in MACHINES}
sites = {architecture: Site(FQRN, machine=MACHINES[architecture][0])
         for architecture in MACHINES if not reasons[architecture]}
harness.main()
