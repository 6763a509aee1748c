"""Test functions and their report in TAP.

A test is a function named as a sentence and decorated with @test. It fails by any exception (use
`assert` or the expect_ functions) and is skipped, by name, by calling skip(reason). What a test
opened through cleanup.at_end is closed when it returns.
"""

import sys
import traceback
from typing import Callable, NoReturn

from . import cleanup


class Skip(Exception):
    """Raised inside a test that cannot run here; the text is the reason."""


class Report:
    """Counts and prints results; the plan comes last, when the number of tests is known."""

    def __init__(self) -> None:
        self.count = 0
        self.failures = 0

    def ok(self, holds: bool, sentence: str, *diagnostics: object) -> bool:
        """One result line; the diagnostics are printed only with a failure."""
        self.count += 1
        print(f"{'ok' if holds else 'not ok'} {self.count} - {_one_line(sentence)}")
        if not holds:
            self.failures += 1
            for diagnostic in diagnostics:
                note(diagnostic)
        sys.stdout.flush()
        return holds

    def skip(self, sentence: str, reason: str) -> None:
        """One result line for a test that could not run."""
        self.count += 1
        print(f"ok {self.count} - {_one_line(sentence)} # SKIP {_one_line(reason)}", flush=True)

    def finish(self) -> int:
        """Prints the plan; the value is the exit status."""
        print(f"1..{self.count}", flush=True)
        return 1 if self.failures or self.count == 0 else 0


_report = Report()
_tests: list[tuple[str, Callable[[], None]]] = []

ok = _report.ok


def _one_line(text: str) -> str:
    """'#' and line ends mean something in TAP."""
    return " ".join(str(text).replace("#", "\\#").split())


def note(text: object) -> None:
    """A diagnostic: every line of the text behind '# '."""
    for line in str(text).splitlines() or [""]:
        print(f"# {line}".encode("utf-8", "backslashreplace").decode(), flush=True)


def skip(first: str, reason: str | None = None) -> None:
    """skip(reason) leaves the running test; skip(sentence, reason) reports one that is not run."""
    if reason is None:
        raise Skip(first)
    _report.skip(first, reason)


def skip_all(reason: str) -> NoReturn:
    """Nothing of this file can run here. Names every test registered so far, then exits."""
    if _tests:
        for sentence, _ in _tests:
            _report.skip(sentence, reason)
        sys.exit(_report.finish())
    print(f"1..0 # SKIP {_one_line(reason)}", flush=True)
    sys.exit(0)


def test(function: Callable[[], None]) -> Callable[[], None]:
    """Registers a test; its name with '_' read as a blank is the sentence."""
    _tests.append((function.__name__.replace("_", " "), function))
    return function


def expect_equal(got: object, want: object, what: str = "value") -> None:
    """Fails the running test unless both are equal; says both."""
    if got != want:
        raise AssertionError(f"{what}:\n   got {got!r}\n  want {want!r}")


def expect_in(part: object, whole, what: str = "value") -> None:
    """Fails the running test unless part is in whole."""
    if part not in whole:
        raise AssertionError(f"{what}: {part!r} is not in\n{whole}")


def _run_test(sentence: str, function: Callable[[], None]) -> None:
    try:
        with cleanup.scope():
            function()
    except Skip as reason:
        _report.skip(sentence, str(reason))
    except AssertionError as error:
        _report.ok(False, sentence, _where(error), error)
    except Exception:  # a test must not take the rest of its file with it
        _report.ok(False, sentence, traceback.format_exc())
    else:
        _report.ok(True, sentence)


def _where(error: AssertionError) -> str:
    """The line of the test that failed, shorter than a whole traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}: {frame.line}"
             for frame in frames if "/support/" not in frame.filename]
    return "\n".join(lines)


def main(*names: str) -> NoReturn:
    """Runs every registered test (or those whose name holds a word of the command line), exits."""
    words = names or tuple(sys.argv[1:])
    for sentence, function in _tests:
        if not words or any(word.replace("_", " ") in sentence for word in words):
            _run_test(sentence, function)
    sys.exit(_report.finish())
