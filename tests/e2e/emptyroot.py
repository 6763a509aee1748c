"""A host whose root directory has next to nothing: a static shell, /dev/fuse, /proc, without which
nobody can make a user namespace, and the directory that the test is about.

    result = emptyroot.run(directory, user, '"$1/cvmfsexec" a.example.org -- /bin/sh -c ...')

This file is also the program that goes there: what makes such a host cannot stay outside of it, and
none of this host's programs runs inside.
"""

import ctypes
import os
import platform
import shutil
import sys

_SHELLS = ("/bin/bash-static", "/bin/busybox", "/usr/bin/busybox")
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "ppc64le": 203}
_CLONE_NEWUSER = 0x10000000
_MNT_DETACH = 2


def shell() -> str | None:
    """A shell without libraries, if this host has one."""
    for path in _SHELLS:
        if os.path.exists(path):
            with open(path, "rb") as file:
                if b"/ld-linux" not in file.read(4096):
                    return path
    return None


def run(directory: str, user, script: str, **options):
    """Runs a script of that shell as the user; $1 is where the directory is, with $0 as its name."""
    import harness
    if not shell():
        harness.skip("no shell without libraries: bash-static, busybox-static")
    place = harness.temporary_directory(user)
    return harness.run(["unshare", "-Urm", "python3", "-B", os.path.abspath(__file__), place,
                        directory, shell(), str(user.uid), str(user.gid), script],
                       user=user, cwd="/", **options)


def _check(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _mount(libc, source: str, target: str, kind: bytes, flags: int, data: bytes) -> None:
    _check(libc.mount(os.fsencode(source), os.fsencode(target), kind, flags, data))


def _enter(place: str, directory: str, static: str, uid: str, gid: str, script: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    bind = 4096 | 16384
    _mount(libc, "root", place, b"tmpfs", 0, b"mode=755")
    os.chdir(place)
    for name in ("bin", "dev", "node", "proc"):
        os.mkdir(name)
    shutil.copy2(static, "bin/sh")
    with open("dev/fuse", "w", encoding="utf-8"):
        pass
    _mount(libc, "/dev/fuse", "dev/fuse", b"", bind, b"")
    _mount(libc, directory, "node", b"", bind, b"")
    _mount(libc, "/proc", "proc", b"", bind, b"")
    _check(libc.syscall(_PIVOT_ROOT[platform.machine()], b".", b"."))
    _check(libc.umount2(b".", _MNT_DETACH))
    os.chdir("/")
    _check(libc.unshare(_CLONE_NEWUSER))
    for name, text in (("setgroups", "deny"), ("gid_map", f"{gid} 0 1"), ("uid_map", f"{uid} 0 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    os.execve("/bin/sh", ["sh", "-c", script, "sh", "/node"], {"PATH": "/bin"})


if __name__ == "__main__":
    _enter(*sys.argv[1:])
