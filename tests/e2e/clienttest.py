"""What the tests of the native client share: a repository served and mounted in one call, and a
visitor inside the mount that does what it is told.

    mount = clienttest.mounted(repository, CVMFS_QUOTA_LIMIT="4")
    visitor = clienttest.Visitor(mount)
    visitor.do("file = open('hello')")
    harness.expect_equal(visitor.value("file.read()"), "world")
    harness.expect_equal(visitor.failure("os.mkdir('x')"), "EROFS")
"""

import ast
import errno
import json
import os
import subprocess
import threading
import time
from typing import Callable, Mapping

import harness

_LOOP = r"""
import errno, fcntl, hashlib, mmap, os, stat, sys
names = dict(globals())
for line in sys.stdin:
    mode, code = eval(line)
    try:
        answer = ("value", eval(compile(code, "visitor", mode), names))
    except OSError as error:
        answer = ("errno", error.errno)
    except Exception as error:
        answer = ("error", repr(error))
    print(ascii(answer), flush=True)
"""

# Prints the sha256 of every file below the working directory, or what went wrong.
SUMS = r"""
import hashlib, os, stat
for directory, _, names in os.walk("."):
    for name in names:
        path = os.path.join(directory, name)
        if not stat.S_ISREG(os.lstat(path).st_mode):
            continue
        try:
            with open(path, "rb") as file:
                print(ascii(path), hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            print(ascii(path), error)
"""


class Visitor:
    """A Python process that stands in the root of a mount and keeps what it opened."""

    def __init__(self, mount: harness.Mount):
        self._process = mount.start(["python3", "-I", "-c", _LOOP], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE)
        harness.at_end(self.leave)

    def value(self, code: str) -> object:
        """Value, of plain types, of an expression; OSError as it came."""
        return self._answer("eval", code)

    def do(self, code: str) -> None:
        """Runs statements; OSError as it came."""
        self._answer("exec", code)

    def _answer(self, mode: str, code: str) -> object:
        streams = self._process.popen
        streams.stdin.write(ascii((mode, code)).encode() + b"\n")
        streams.stdin.flush()
        line = streams.stdout.readline()
        if not line:
            raise AssertionError(f"the visitor is gone: {self._process.wait(5)}")
        kind, value = ast.literal_eval(line.decode())
        if kind == "errno":
            raise OSError(value, os.strerror(value), code)
        if kind == "error":
            raise AssertionError(f"{code}: {value}")
        return value

    def failure(self, code: str) -> str | None:
        """The name of the errno with which something fails; None when it does not."""
        try:
            self.do(code)
        except OSError as error:
            return errno.errorcode[error.errno]
        return None

    def read(self, name: str) -> bytes:
        """Content of a file, opened anew."""
        return self.value(f"open({name!r}, 'rb').read()")

    def xattr(self, name: str, path: str = ".") -> str:
        """Text of an extended attribute."""
        value = self.value(f"os.getxattr({path!r}, {name!r}, follow_symlinks=False)")
        return os.fsdecode(value)

    def leave(self) -> None:
        """Ends the process, with the files it has open."""
        self._process.popen.stdin.close()
        self._process.wait(10)


def mounted(repository: harness.Repository, server: object = None, owners: bool = False,
            cache: str | None = None, check: bool = True, options: tuple = (),
            env: Mapping[str, str | None] | None = None,
            sandbox: harness.Sandbox | None = None, **settings: str) -> harness.Mount:
    """Serves a repository (unless a server is given) and mounts it with these parameters.

    owners: without a user namespace, so that all owners show; skips where that needs to be root.
    """
    server = server or harness.FaultServer(repository.webroot)
    config = harness.client_config(repository, server, cache=cache, settings=settings)
    if owners:
        sandbox = harness.Sandbox(owners=True)
        harness.at_end(sandbox.close)
    mount = harness.mount(repository.fqrn, config, options, sandbox=sandbox, env=env, check=check)
    mount.config = config
    return mount


def log_of(mount: harness.Mount) -> str:
    """What the client has logged."""
    name = os.path.join(os.path.dirname(mount.config), "log")
    with open(name, encoding="utf-8", errors="replace") as file:
        return file.read()


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Waits for something that must happen some time; fails the test when it does not."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.05)


def expected_sums(repository: harness.Repository) -> set[str]:
    """The lines that SUMS should print."""
    with open(repository.manifest, encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    return {f"{ascii('.' + entry['path'])} {entry['sha256']}" for entry in entries
            if entry["type"] == "file"}


def check_readers(mounts: list[harness.Mount], want: set[str], count: int) -> None:
    """So many processes in each mount read everything at once; all have to get it right."""
    results: list[harness.Result] = []

    def read(mount: harness.Mount) -> None:
        results.append(mount.run(["python3", "-c", SUMS], timeout=120))

    threads = [threading.Thread(target=read, args=(mount,))
               for mount in mounts for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    harness.expect_equal(len(results), len(threads))
    for result in results:
        got = set(result.stdout.splitlines())
        assert got == want, f"too much: {list(got - want)[:9]}\nmissing: {list(want - got)[:9]}" \
                            f"\n{result.stderr[:2000]}"
