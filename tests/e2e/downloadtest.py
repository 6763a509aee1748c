"""What the tests of the packer's downloads share: its command line, and servers whose answers are
written out.

    loaded = downloadtest.load(cache, downloadtest.item("name", [url], content))
"""

import hashlib
import os
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Callable

import harness

# Pauses are short, so that tests are; what is slow is given up after a second.
QUICK = ["--pause", "10", "--pause-max", "2000", "--rounds", "3", "--connect", "5000",
         "--low-speed", "1000", "--low-speed-time", "1"]
NO_PROXY = {name: None for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy",
                                    "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE")}


def sha256(content: bytes) -> str:
    """As metadata gives it."""
    return hashlib.sha256(content).hexdigest()


def body(size: int = 200_000, seed: int = 1) -> bytes:
    """Content in which no two parts are alike."""
    pieces = (hashlib.sha256(b"%d %d" % (seed, number)).digest() for number in range(size // 32 + 1))
    return b"".join(pieces)[:size]


def item(label: str, urls: list[str], content: bytes | None = None, size: bool = True,
         *more: str) -> list[str]:
    """One file of a command line; with content, its checksum and size are asked for."""
    words = ["--item", label, *(word for url in urls for word in ("--url", url))]
    if content is not None:
        words += ["--checksum", f"sha256:{sha256(content)}"]
        words += ["--size", str(len(content))] if size else []
    return words + list(more)


@dataclass
class Loaded:
    """One line of what the program printed."""

    label: str
    how: str
    url: int
    resumed: int
    size: int
    path: str

    def content(self) -> bytes:
        """The file that came."""
        with open(self.path, "rb") as file:
            return file.read()


def command(cache: str, *words: str, what: str = "files", settings: list[str] = QUICK) -> list[str]:
    """The command line of the program."""
    return [harness.program("helpers/downloads"), what, "--cache", cache, *settings, *words]


def run(cache: str, *words: str, env: dict | None = None, **options) -> harness.Result:
    """Runs it, with no proxies but those of `env`."""
    result = harness.run(command(cache, *words, **options), env=NO_PROXY | (env or {}))
    assert not result.timed_out and result.status < 128, result
    return result


def load(cache: str, *words: str, **options) -> list[Loaded]:
    """Runs it and expects that all files come."""
    result = run(cache, *words, **options)
    harness.expect_equal(result.status, 0, str(result))
    return parse(result.stdout)


def parse(output: str) -> list[Loaded]:
    """The lines of files that came."""
    loaded = []
    for line in output.splitlines():
        label, how, *rest = line.split(" ", 5)
        if how != "failed":
            url, resumed, size = (int(word.partition("=")[2]) for word in rest[:3])
            loaded.append(Loaded(label, how, url, resumed, size, rest[3]))
    return loaded


def fail(cache: str, *words: str, **options) -> str:
    """Runs it and expects a failure; the words are the value."""
    result = run(cache, *words, **options)
    harness.expect_equal(result.status, 1, str(result))
    return result.stderr


def leftovers(cache: str) -> list[str]:
    """What is in a cache."""
    return sorted(os.listdir(cache))


@dataclass
class Request:
    """What a server was asked."""

    path: str
    headers: dict[str, str]


class ScriptServer:
    """Answers the requests, one for a connection, by a function that writes the answer out."""

    def __init__(self, answer: Callable[[Request, int], bytes],
                 context: ssl.SSLContext | None = None):
        """answer: gets the request and its number from 0. context: for TLS."""
        self._answer = answer
        self._context = context
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        harness.at_end(self._stop)

    def _stop(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                request = self._read(connection)
                if request is None:
                    return
                with self._lock:
                    number = len(self.requests)
                    self.requests.append(request)
                connection.sendall(self._answer(request, number))
        except OSError:
            connection.close()  # the client went away, or did not trust us

    @staticmethod
    def _read(connection: socket.socket) -> Request | None:
        text = b""
        while b"\r\n\r\n" not in text:
            piece = connection.recv(65536)
            if not piece:
                return None
            text += piece
        first, *lines = text.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        pairs = (line.split(":", 1) for line in lines)
        return Request(first.split(" ")[1], {name.lower(): value.strip() for name, value in pairs})


def answer(status: int, content: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """A whole answer; length: what is announced, where that is not the truth."""
    announced = len(content) if length is None else length
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {announced}", "Connection: close",
             *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def certificate() -> tuple[str, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that only those trust who are given its file."""
    directory = harness.temporary_directory()
    key, pem = os.path.join(directory, "key.pem"), os.path.join(directory, "certificate.pem")
    harness.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                 "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                 "-out", pem], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return pem, context
