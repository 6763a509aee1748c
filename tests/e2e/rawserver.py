"""An HTTP server without the help of a library, for answers that no library would give."""

import contextlib
import fnmatch
import os
import socket
import threading
from typing import Callable, Iterable

import harness

# What a server sends instead of an answer: pieces of bytes, given the right body. The generator may
# wait for the event, which means that the server ends.
Answer = Callable[[bytes, threading.Event], Iterable[bytes]]


class RawServer:
    """Serves a directory; requests whose path matches the pattern get the answer, and then the end
    of the connection. Listens on a loopback port until the scope ends."""

    def __init__(self, webroot: str, answer: Answer, pattern: str = "*"):
        self._webroot = webroot
        self._answer = answer
        self._pattern = pattern
        self._stopping = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        harness.at_end(self._stop)

    def _stop(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                piece = connection.recv(65536)
                if not piece:
                    return
                request += piece
            path = request.split(b" ")[1].decode()
            body = self._read(path)
            answer = self._answer if fnmatch.fnmatchcase(path, self._pattern) else _in_order
            for piece in answer(body, self._stopping):
                connection.sendall(piece)

    def _read(self, path: str) -> bytes:
        try:
            with open(self._webroot + os.path.normpath(path), "rb") as file:
                return file.read()
        except OSError:
            return b""


def _headers(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % length


def _in_order(body: bytes, _stopping: threading.Event) -> Iterable[bytes]:
    yield _headers(len(body)) + body


def drip(body: bytes, stopping: threading.Event) -> Iterable[bytes]:
    """A byte now and then."""
    yield _headers(len(body) + 1000)
    for _ in range(10000):
        if stopping.wait(0.2):
            return
        yield b"x"


def short_length(body: bytes, _stopping: threading.Event) -> Iterable[bytes]:
    """More than was announced."""
    yield _headers(max(len(body) - 10, 1)) + body


def long_length(body: bytes, _stopping: threading.Event) -> Iterable[bytes]:
    """Less than was announced."""
    yield _headers(len(body) + 10) + body


def broken_header(_body: bytes, _stopping: threading.Event) -> Iterable[bytes]:
    """The end in the middle of the headers."""
    yield b"HTTP/1.1 200 OK\r\nContent-Len"


def silence(_body: bytes, stopping: threading.Event) -> Iterable[bytes]:
    """Nothing at all, and no end."""
    stopping.wait()
    return []


def no_http(_body: bytes, _stopping: threading.Event) -> Iterable[bytes]:
    """Something else than HTTP, which may look like an answer of its version 0.9."""
    yield b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n" * 20


def body_only(body: bytes, _stopping: threading.Event) -> Iterable[bytes]:
    """The right bytes without headers, as HTTP 0.9 would have it."""
    yield body


def endless_header(_body: bytes, stopping: threading.Event) -> Iterable[bytes]:
    """Headers without end."""
    yield b"HTTP/1.1 200 OK\r\n"
    while not stopping.is_set():
        yield b"X-Filler: " + b"y" * 4000 + b"\r\n"


def endless_body(body: bytes, stopping: threading.Event) -> Iterable[bytes]:
    """The right bytes first, then others without end and without an announced length."""
    yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body
    while not stopping.is_set():
        yield b"\0" * 65536


def broken_chunks(body: bytes, _stopping: threading.Event) -> Iterable[bytes]:
    """A transfer in chunks whose lengths are none."""
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body)
    yield body + b"\r\nzz\r\n"
