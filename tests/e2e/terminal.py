"""A terminal with somebody at it.

    terminal = Terminal(["/bin/sh", "-i"], user)
    terminal.type("echo words\\n")
    terminal.expect("words")
"""

import fcntl
import os
import pty
import select
import shlex
import struct
import termios

import harness


class Terminal:
    """A command in a session of its own, on a pseudo-terminal."""

    def __init__(self, command, user, rows=24, columns=80, env=None):
        self.master, slave = pty.openpty()
        self.ends = [self.master, slave]
        harness.at_end(self.hang_up)
        os.fchown(slave, user.uid, user.gid)
        self.resize(rows, columns)
        name = os.ttyname(slave)
        # A session leader without a terminal gets the one that it opens.
        opened = 'exec <>"$0" >&0 2>&0; exec "$@"'
        self.process = harness.start(["/bin/sh", "-c", opened, name, *command], user=user, cwd="/",
                                     env={"TERM": "xterm", **(env or {})})
        self.seen = ""

    def type(self, text):
        """Presses these keys."""
        os.write(self.master, text.encode())

    def hang_up(self):
        """Is gone."""
        while self.ends:
            os.close(self.ends.pop())

    def resize(self, rows, columns):
        """Gives the window another size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, words):
        """Reads on until these words come."""
        while words not in self.seen:
            ready, _, _ = select.select([self.master], [], [], 20)
            if not ready:
                raise AssertionError(f"no {words!r} in {self.seen!r}, {self.process.output()}")
            self.seen += os.read(self.master, 4096).decode(errors="replace")

    def expect_next(self, words):
        """The same of what comes from now on, or was not looked at yet."""
        self.expect(words)
        self.seen = self.seen.partition(words)[2]


def expect_job_control(shell, user, env=None):
    """The command, an interactive bash, has the terminal with job control, and gives it back to the
    shell that started it."""
    command = shlex.join(shell)
    terminal = Terminal(["/bin/sh", "-c", f"{command}; echo status $?; read line; echo got $line"],
                        user, env=env)
    terminal.type("(read x; echo job $x) &\n")
    terminal.expect("[1] ")
    terminal.type("fg\n")
    terminal.expect("( read x; echo job $x )\r\n")
    terminal.type("one\n")
    terminal.expect("job one\r\n")
    terminal.type("exit 5\n")
    terminal.expect("status 5\r\n")
    terminal.type("words\n")
    terminal.expect("got words\r\n")
