"""Mounting repositories with the client program, without leaving a trace on the machine.

A Sandbox is a mount namespace and a pid namespace with a `cat` as process 1 that reads from a pipe
of this script: when the script ends, even by SIGKILL, the pipe closes, `cat` ends, and the kernel
kills what ran in the namespace and drops its mounts.
"""

import os
import subprocess
from typing import Mapping, Sequence

from . import cleanup, tap
from .processes import (ME, ORDINARY, ROOT, Command, Process, Result, User, arguments_of, program,
                        run, start, temporary_directory)


class MountFailed(AssertionError):
    """The client did not end with 0; result has its status and words."""

    def __init__(self, result: Result):
        super().__init__(str(result))
        self.result = result


class Sandbox:
    """Namespaces in which an ordinary user may mount.

    By default a user namespace of ORDINARY in which he appears as root; with owners=True (needs
    root) none, so that the owners of files show as they are.
    """

    def __init__(self, owners: bool = False):
        if owners and ME != ROOT:
            tap.skip("only root sees all owners")
        self.user = ROOT if owners else ORDINARY
        self._kinds = ["mnt"] if owners else ["user", "mnt"]
        flags = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if not owners:
            flags += ["--user", "--map-root-user"]
        self._holder = Process(["unshare", *flags, "cat"], user=self.user, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
        self._holder.popen.stdin.write(b"ready\n")
        self._holder.popen.stdin.flush()
        if self._holder.popen.stdout.readline() != b"ready\n":
            raise AssertionError(f"no namespace: {self._holder.wait(5)}")

    @property
    def root(self) -> str:
        """A directory outside in which its files can be seen."""
        return f"/proc/{self._holder.pid}/root"

    def _enter(self, command: Command) -> list[str]:
        namespaces = f"/proc/{self._holder.pid}/ns"
        flags = [f"--{'mount' if kind == 'mnt' else kind}={namespaces}/{kind}"
                 for kind in self._kinds]
        return ["nsenter", *flags, f"--pid={namespaces}/pid_for_children",
                "--preserve-credentials", "--", *arguments_of(command)]

    def run(self, command: Command, **options) -> Result:
        """As processes.run, inside."""
        return run(self._enter(command), user=self.user, **options)

    def start(self, command: Command, **options) -> Process:
        """As processes.start, inside; killing the process kills nsenter and its session."""
        return start(self._enter(command), user=self.user, **options)

    def processes(self, name: str) -> list[int]:
        """Ids, as seen inside, of the processes with this name in /proc/ID/comm. What has
        ended is not there, even while nobody has asked for its status."""
        script = 'for f in /proc/[0-9]*; do read -r c <"$f/comm" && read -r s <"$f/stat" && ' \
                 'case "${s##*) }" in Z*) ;; *) echo "${f#/proc/} $c";; esac; done'
        found = []
        for line in self.run(script + " 2>/dev/null; true", check=True).stdout.splitlines():
            number, _, command = line.partition(" ")
            if command == name:
                found.append(int(number))
        return found

    def close(self) -> None:
        """Kills everything inside and drops its mounts; all is gone when it returns."""
        self._holder.popen.stdin.close()
        self._holder.wait(10)


class Mount:
    """A mounted repository. Its files can be seen by commands in its sandbox only: use run()."""

    def __init__(self, sandbox: Sandbox, fqrn: str, mountpoint: str, result: Result):
        self.sandbox = sandbox
        self.fqrn = fqrn
        self.mountpoint = mountpoint
        self.result = result

    def path(self, name: str = "/") -> str:
        """Where a path of the repository is in the sandbox."""
        return self.mountpoint + "/" + name.strip("/") if name.strip("/") else self.mountpoint

    def run(self, command: Command, **options) -> Result:
        """Runs a command with the mountpoint as working directory (which is entered inside)."""
        script = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', self.mountpoint, *arguments_of(command)]
        return self.sandbox.run(script, **options)

    def start(self, command: Command, **options) -> Process:
        """As run(), without waiting."""
        script = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', self.mountpoint, *arguments_of(command)]
        return self.sandbox.start(script, **options)

    def read(self, name: str) -> bytes:
        """Content of a file; OSError with the errno that reading it gave."""
        return self._python("sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())", name)

    def xattr(self, name: str, path: str = "/") -> bytes:
        """Value of an extended attribute; OSError with the errno that reading it gave."""
        code = "sys.stdout.buffer.write(os.getxattr(sys.argv[1], sys.argv[2], " \
               "follow_symlinks=False))"
        return self._python(code, path, name)

    def _python(self, code: str, name: str, *arguments: str) -> bytes:
        """Runs a line of Python inside; passes an OSError on."""
        script = f"import os, sys\ntry:\n    {code}\nexcept OSError as e:\n" \
                 "    sys.stderr.write(str(e.errno)); sys.exit(99)"
        result = self.sandbox.run(["python3", "-c", script, self.path(name), *arguments])
        if result.status == 99:
            raise OSError(int(result.stderr), os.strerror(int(result.stderr)), name)
        if result.status != 0:
            raise AssertionError(str(result))
        return result.stdout_bytes

    def unmount(self) -> None:
        """Unmounts; lazily if something is open."""
        result = self.sandbox.run(["umount", self.mountpoint])
        if result.status != 0:
            self.sandbox.run(["umount", "-l", self.mountpoint])


def mount(fqrn: str, config: str, options: Sequence[str] = (), sandbox: Sandbox | None = None,
          mountpoint: str | None = None, env: Mapping[str, str | None] | None = None,
          check: bool = True, timeout: float = 60) -> Mount:
    """Runs `cvmfs2 -o config=CONFIG[,options] FQRN MOUNTPOINT` in a sandbox (a new one unless
    given) and waits until it has gone to the background or ended. With check, a status other than
    0 raises MountFailed; without, Mount.result tells."""
    sandbox = sandbox or _new_sandbox()
    if mountpoint is None:
        mountpoint = os.path.join(temporary_directory(sandbox.user), fqrn)
        os.mkdir(mountpoint)
        os.chown(mountpoint, sandbox.user.uid, sandbox.user.gid)
    result = sandbox.run([program("cvmfs2"), "-o", ",".join([f"config={config}", *options]), fqrn,
                          mountpoint], env=env, timeout=timeout)
    if check and result.status != 0:
        raise MountFailed(result)
    return Mount(sandbox, fqrn, mountpoint, result)


def _new_sandbox() -> Sandbox:
    sandbox = Sandbox()
    cleanup.at_end(sandbox.close)
    return sandbox


def try_fuse_in_user_namespace(user: User = ORDINARY) -> str | None:
    """Tries the mount that all the rest is built on. None when it works, else the reason."""
    device = "/dev/fuse"
    if ME == ROOT and os.path.exists(device) and (os.stat(device).st_mode & 0o666) != 0o666:
        os.chmod(device, 0o666)  # as udev's rules have it on every distribution
    with cleanup.scope():
        directory = temporary_directory(user)
        result = run(["unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c",
                      f'exec 3<>{device} && exec mount -i -t fuse '
                      '-o fd=3,rootmode=40000,user_id=0,group_id=0 none "$0"', directory],
                     user=user)
    return None if result.status == 0 else result.stderr.strip() or f"status {result.status}"


def require_fuse_userns() -> None:
    """Skips the whole file, with the reason, where an ordinary user cannot mount FUSE."""
    reason = try_fuse_in_user_namespace()
    if reason:
        tap.skip_all(f"no FUSE mount in a user namespace: {reason}")
