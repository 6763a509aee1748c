"""Sessions of cvmfsexec, for tests of them.

    node = sessiontest.Node()
    node.begin("s", "a.example.org")
    result = node.join("s", "ls", "/cvmfs")
    node.end("s")
    node.expect_nothing_left()
"""

import os
import shlex
import signal

import harness
from launchtree import Tree, children_of, wait_until


class Node(Tree):
    """A tree whose sessions are recorded in a directory of the test's own. `prefix` is a command that
    runs each start of a session, to restrict it."""

    def __init__(self, prefix=(), **options):
        super().__init__(**options)
        self.prefix = list(prefix)
        self.record = os.path.join(harness.temporary_directory(self.user), "record")
        self.environment = {"CVMFSEXEC_SESSIONS": self.record}
        harness.at_end(self._kill)

    def _kill(self):
        """A session is nobody's child: a test that fails has to end it, too."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _options(self, options):
        return {"cwd": "/", **options, "env": {**self.environment, **options.get("env", {})}}

    def run_session(self, *arguments, **options):
        """cvmfsexec --session with these arguments, to its end."""
        return harness.run([*self.prefix, *self.command("--session", *arguments)], user=self.user,
                           **self._options(options))

    def begin(self, name, *arguments, **options):
        """Starts a session; it must work, without a word."""
        result = self.run_session(name, *arguments, **options)
        harness.expect_equal((result.status, result.stdout, result.stderr), (0, "", ""), str(result))

    def join(self, name, *command, options=(), **others):
        """Runs a command in a session to its end."""
        return self.cvmfsexec("--join", name, *options, "--", *command, **self._options(others))

    def join_shell(self, name, script, **others):
        return self.join(name, "/bin/sh", "-c", script, **others)

    def start_join(self, name, script, **others):
        """Starts a shell in a session."""
        return self.start("--join", name, "--", "/bin/sh", "-c", script, **self._options(others))

    def end(self, name, status=0):
        result = self.cvmfsexec("--end", name, **self._options({}))
        harness.expect_equal(result.status, status, str(result))
        return result

    def sleeper(self):
        """A command that sleeps, known as one of this tree's processes, and holds no stream."""
        return (f"bash -c 'exec -a \"$0/sleeper\" sleep 1000' {shlex.quote(self.home)} "
                "</dev/null >/dev/null 2>&1")

    def sleepers(self):
        """Those that sleep."""
        return [pid for pid, words in self.processes().items() if words[0].endswith("/sleeper")]

    def keeper(self):
        """The outer process of the only session: it leads a session of the terminal's kind, too, and
        its child is in that."""
        processes = self.processes()
        (pid,) = [pid for pid, words in processes.items() if "--session" in words
                  and any("--session" in processes.get(child, []) and os.getsid(child) == pid
                          for child in children_of(pid))]
        return pid

    def process_one(self):
        keeper = self.keeper()
        (pid,) = [pid for pid in children_of(keeper) if os.getsid(pid) == keeper]
        return pid

    def is_there(self, name):
        return os.path.exists(os.path.join(self.record, name))

    def wait_until_gone(self, name):
        wait_until(lambda: not self.is_there(name), lambda: f"{name} is still there")

    def expect_nothing_left(self, record=()):
        super().expect_nothing_left()
        if os.path.exists(self.record):
            harness.expect_equal(sorted(os.listdir(self.record)), sorted(record), "records")
