"""What has to be undone, in reverse order, however the script ends.

Scopes nest: a test has one of its own, the script has the outermost. SIGTERM, SIGINT and SIGHUP
become SystemExit, so that they pass through here; against SIGKILL the processes defend themselves
(see processes.py).
"""

import atexit
import contextlib
import os
import signal
import sys
from typing import Callable, Iterator

_scopes: list[list[tuple[Callable[..., object], tuple]]] = [[]]


def at_end(callback: Callable[..., object], *arguments: object) -> None:
    """Calls callback(*arguments) when the innermost scope ends."""
    _scopes[-1].append((callback, arguments))


def at_end_of_script(callback: Callable[..., object], *arguments: object) -> None:
    """Calls callback(*arguments) when the script ends."""
    _scopes[0].append((callback, arguments))


def forget(callback: Callable[..., object]) -> None:
    """Takes back at_end(callback): it has been done."""
    for entries in reversed(_scopes):
        for entry in reversed(entries):
            if entry[0] == callback:
                entries.remove(entry)
                return


@contextlib.contextmanager
def scope() -> Iterator[None]:
    """A scope around a with statement."""
    _scopes.append([])
    try:
        yield
    finally:
        _close(_scopes.pop())


def _close(callbacks: list) -> None:
    """Undoes all of it: one failure must not keep the rest from being undone."""
    while callbacks:
        callback, arguments = callbacks.pop()
        try:
            callback(*arguments)
        except Exception as error:
            print(f"# cleanup: {callback.__qualname__}: {error!r}", file=sys.stderr)


def _close_all(owner: int) -> None:
    if os.getpid() != owner:  # a forked copy of the script owns nothing
        return
    while _scopes:
        _close(_scopes.pop())
    _scopes.append([])


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


atexit.register(_close_all, os.getpid())
for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_number, _leave)
