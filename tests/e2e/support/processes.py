"""Users, temporary directories and processes of a test.

Every process is started in a session of its own and, through setpriv(1), dies with the thread
that started it; its output goes to files, so that a daemon that keeps the descriptors open never
blocks the reader.
"""

import os
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import IO, Mapping, Sequence

from . import cleanup

Command = str | Sequence[str | os.PathLike]


@dataclass(frozen=True)
class User:
    """Who runs a program. No passwd entry is needed."""

    uid: int
    gid: int


ME = User(os.geteuid(), os.getegid())
ROOT = User(0, 0)
# Most of the project is for people who are not root; when the tests are run by root, this is one.
ORDINARY = User(23456, 23456) if ME.uid == 0 else ME


def _hear_all_signals() -> None:
    """Gives every signal that whoever started the tests ignores its usual meaning: a shell ignores
    INT and QUIT for what it starts in the background, nohup does HUP, and both would be inherited
    by what is tested."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        if signal.getsignal(number) == signal.SIG_IGN:
            usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, usual)


_hear_all_signals()


@dataclass
class Result:
    """A finished process. status is the exit status, or 128+N after signal N."""

    command: list[str]
    status: int
    stdout: str
    stderr: str
    stdout_bytes: bytes = field(repr=False, default=b"")
    timed_out: bool = False

    def __str__(self) -> str:
        late = " (timed out)" if self.timed_out else ""
        return (f"$ {shlex.join(self.command)}\nstatus {self.status}{late}\n"
                f"stdout: {self.stdout[-4000:]}\nstderr: {self.stderr[-4000:]}")


class CommandFailed(AssertionError):
    """A command that the test needs did not end with 0."""


def build_directory() -> str:
    """Where the programs under test are: $CVMFSEXEC_BUILD, else build/ of this checkout."""
    return os.environ.get("CVMFSEXEC_BUILD") or os.path.join(source_directory(), "build")


def source_directory() -> str:
    """The root of the checkout."""
    return os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))


def program(name: str) -> str:
    """Path of a built program; a missing one is a failure of the test, not a reason to skip."""
    path = os.path.join(build_directory(), name)
    if not os.path.exists(path):
        raise AssertionError(f"{path} is not built")
    return path


def temporary_directory(user: User | None = None, whole_script: bool = False,
                        prefix: str = "cvmfsexec-test-") -> str:
    """A new directory below $TMPDIR that ends with the scope, or with the script. Everybody may
    look into it; it belongs to the given user."""
    path = tempfile.mkdtemp(prefix=prefix)
    (cleanup.at_end_of_script if whole_script else cleanup.at_end)(_remove_tree, path)
    os.chmod(path, 0o755)
    if user and user != ME:
        os.chown(path, user.uid, user.gid)
    return path


def _remove_tree(path: str) -> None:
    """As rm -rf, also through directories that forbid it to their owner."""
    def unlock_and_retry(function, name, error):
        if isinstance(error[1], FileNotFoundError):
            return
        for directory in (os.path.dirname(name), name):
            is_ours = (directory + "/").startswith(path + "/")
            if is_ours and os.path.isdir(directory) and not os.path.islink(directory):
                os.chmod(directory, stat.S_IRWXU)
        if function in (os.unlink, os.rmdir):
            function(name)
        else:
            shutil.rmtree(name, ignore_errors=True)

    shutil.rmtree(path, onerror=unlock_and_retry)


def _environment(user: User | None, changes: Mapping[str, str | None] | None) -> dict[str, str]:
    """The script's environment in the C locale, with changes; None removes a variable. A user
    other than the script's has a home that does not exist, as a pilot job's often does not."""
    environment = dict(os.environ)
    environment["LC_ALL"] = "C"
    if user and user != ME:
        environment["HOME"] = "/nonexistent"
        environment.pop("USER", None)
        environment.pop("LOGNAME", None)
    for name, value in (changes or {}).items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment


def arguments_of(command: Command) -> list[str]:
    """A string is one for the shell; a sequence is the program and its arguments."""
    return ["/bin/sh", "-c", command] if isinstance(command, str) else [str(a) for a in command]


class Process:
    """A process under way. pid is that of the program itself."""

    def __init__(self, command: Command, user: User | None = None, cwd: str | None = None,
                 env: Mapping[str, str | None] | None = None, stdin: int | IO | None = None,
                 stdout: int | IO | None = None, stderr: int | IO | None = None,
                 pass_fds: Sequence[int] = ()):
        self.command = arguments_of(command)
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        credentials = {}
        if user and user != ME:
            credentials = {"user": user.uid, "group": user.gid, "extra_groups": []}
        self.popen = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *self.command], cwd=cwd,
            env=_environment(user, env), start_new_session=True, pass_fds=pass_fds,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=self.out if stdout is None else stdout,
            stderr=self.err if stderr is None else stderr, **credentials)
        self.pid = self.popen.pid
        cleanup.at_end(self.kill)

    def wait(self, timeout: float | None = 60) -> Result:
        """Waits for the end; after the timeout the process and its session are killed."""
        timed_out = False
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            self.kill()
        return self._result(timed_out)

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.popen.poll() is None

    def signal(self, number: int) -> None:
        """Sends a signal to the program alone."""
        self.popen.send_signal(number)

    def kill(self) -> None:
        """Kills the program with all that it started in its session, and reaps it."""
        if self.popen.poll() is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self.popen.kill()
        self.popen.wait()

    def output(self) -> tuple[bytes, bytes]:
        """What has been written so far to standard output and standard error."""
        return _content(self.out), _content(self.err)

    def _result(self, timed_out: bool) -> Result:
        code = self.popen.returncode
        out, err = self.output()
        return Result(self.command, code if code >= 0 else 128 - code,
                      out.decode("utf-8", "surrogateescape"),
                      err.decode("utf-8", "surrogateescape"), out, timed_out)


def _content(file: IO[bytes]) -> bytes:
    """The whole file, without moving the offset that the process writes at."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


def start(command: Command, **options) -> Process:
    """Starts a process (options as of Process) that ends with the scope at the latest."""
    return Process(command, **options)


def run(command: Command, user: User | None = None, cwd: str | None = None,
        env: Mapping[str, str | None] | None = None, input: bytes | str | None = None,
        timeout: float = 60, check: bool = False, pass_fds: Sequence[int] = ()) -> Result:
    """Runs a command to its end. With check, any status but 0 fails the test."""
    with tempfile.TemporaryFile() as stdin:
        stdin.write(input.encode() if isinstance(input, str) else input or b"")
        stdin.seek(0)
        process = Process(command, user, cwd, env, stdin=stdin, pass_fds=pass_fds)
        result = process.wait(timeout)
        cleanup.forget(process.kill)
    if check and result.status != 0:
        raise CommandFailed(str(result))
    return result
