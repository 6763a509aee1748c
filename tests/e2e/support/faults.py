"""An HTTP server, and forwarding proxy, that misbehaves as it is told.

Rules are tried in the order they were made; the first that matches the path and is not used up
decides. Without one the server answers from its directory, the proxy from the origin.
"""

import fnmatch
import http.client
import http.server
import os
import socket
import socketserver
import threading
import urllib.parse
from dataclasses import dataclass

from . import cleanup


@dataclass
class Fault:
    """One rule. kind: status, body, truncate, stall, slow, flip, redirect, hangup, ok."""

    pattern: str
    kind: str
    status: int = 200
    body: bytes = b""
    keep: int = 0
    offset: int = 0
    delay: float = 0.0
    location: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    times: int | None = None
    used: int = 0

    def matches(self, path: str) -> bool:
        """Whether it applies to this path (fnmatch on the whole path, '*' also over '/')."""
        exhausted = self.times is not None and self.used >= self.times
        return not exhausted and fnmatch.fnmatchcase(path, self.pattern)


class FaultServer:
    """Listens on a loopback port from its making until stop() or the end of the scope."""

    def __init__(self, webroot: str | None = None, proxy: bool = False):
        """webroot: what is served; proxy: requests with an absolute URI are passed on."""
        self.webroot = os.path.abspath(webroot) if webroot else None
        self.proxy = proxy
        self.faults: list[Fault] = []
        self._requests: list[str] = []
        self._headers: list[dict[str, str]] = []
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        cleanup.at_end(self.stop)

    def repository_url(self, fqrn: str) -> str:
        """What CVMFS_SERVER_URL is for a repository below cvmfs/ of the web root."""
        return f"{self.url}/cvmfs/{fqrn}"

    # The faults. Each takes a pattern such as "*/.cvmfspublished" or "*/data/ab/*", and how many
    # times it happens (None: always).

    def fail(self, pattern: str, status: int = 404, body: bytes = b"", times: int | None = None,
             headers: tuple[tuple[str, str], ...] = ()):
        """Answers with this status, and these headers besides."""
        return self._add(Fault(pattern, "status", status=status, body=body, times=times,
                               headers=headers))

    def garbage(self, pattern: str, body: bytes = b"\x00<html>?</html>\xff" * 40,
                times: int | None = None):
        """Answers 200 with other bytes."""
        return self._add(Fault(pattern, "body", body=body, times=times))

    def truncate(self, pattern: str, keep: int = 1, times: int | None = None):
        """Promises the whole body, sends `keep` bytes of it and closes."""
        return self._add(Fault(pattern, "truncate", keep=keep, times=times))

    def stall(self, pattern: str, keep: int = 0, times: int | None = None):
        """Sends headers and `keep` bytes, then nothing until the server stops."""
        return self._add(Fault(pattern, "stall", keep=keep, times=times))

    def slow(self, pattern: str, delay: float = 0.05, times: int | None = None):
        """Waits this long before the answer."""
        return self._add(Fault(pattern, "slow", delay=delay, times=times))

    def flip(self, pattern: str, offset: int = -1, times: int | None = None):
        """Inverts one byte of the body (negative: from its end)."""
        return self._add(Fault(pattern, "flip", offset=offset, times=times))

    def redirect(self, pattern: str, location: str, times: int | None = None):
        """Answers 302; "{path}" in the location stands for the path asked for."""
        return self._add(Fault(pattern, "redirect", location=location, times=times))

    def hangup(self, pattern: str, times: int | None = None):
        """Closes the connection without an answer."""
        return self._add(Fault(pattern, "hangup", times=times))

    def behave(self, pattern: str = "*", times: int | None = None):
        """Answers as it should: an exception from the rules made after it."""
        return self._add(Fault(pattern, "ok", times=times))

    def clear(self) -> None:
        """Forgets rules and requests."""
        with self._lock:
            self.faults.clear()
            self._requests.clear()
            self._headers.clear()

    def requests(self) -> list[str]:
        """The paths asked for (whole URLs, where it was used as a proxy), in order of arrival."""
        with self._lock:
            return list(self._requests)

    def headers(self) -> list[dict[str, str]]:
        """The request headers belonging to requests(), names in lower case."""
        with self._lock:
            return list(self._headers)

    def count(self, part: str) -> int:
        """How many requests had this text in their path."""
        return sum(part in path for path in self.requests())

    def stop(self) -> None:
        """Closes the port and every connection. May be called again."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # its client was quicker

    def _add(self, fault: Fault) -> Fault:
        with self._lock:
            self.faults.append(fault)
        return fault

    # What the handler asks for.

    def note_connection(self, connection: socket.socket, is_open: bool) -> None:
        """Keeps the set of connections that stop() has to close."""
        with self._lock:
            (self._connections.add if is_open else self._connections.discard)(connection)

    def note_request(self, target: str, headers: dict[str, str]) -> Fault | None:
        """Records a request and picks its rule."""
        path = urllib.parse.urlsplit(target).path
        with self._lock:
            self._requests.append(target)
            self._headers.append(headers)
            for fault in self.faults:
                if fault.matches(path):
                    fault.used += 1
                    return None if fault.kind == "ok" else fault
        return None


class RefusedPort:
    """A loopback port where nobody listens and that nobody else can take."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        cleanup.at_end(self._socket.close)


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A thread per connection; the threads end with the script."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: FaultServer

    def server_bind(self) -> None:
        """Without the name lookup of HTTPServer, which may leave the machine."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address) -> None:
        """A client that went away is what many tests are about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        """Also registers the connection, so that stop() can close it."""
        super().setup()
        self.server.owner.note_connection(self.connection, True)

    def finish(self) -> None:
        """The reverse of setup."""
        self.server.owner.note_connection(self.connection, False)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal: the log is FaultServer.requests()."""

    def do_GET(self) -> None:  # the name is http.server's
        """Answers a request as the first matching rule says."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.server.owner.note_request(self.path, headers)
        if fault is None:
            self._answer(*self._content())
        else:
            getattr(self, "_fault_" + fault.kind)(fault)

    def _fault_status(self, fault: Fault) -> None:
        self._answer(fault.status, fault.body, list(fault.headers))

    def _fault_body(self, fault: Fault) -> None:
        self._answer(200, fault.body)

    def _fault_hangup(self, _fault: Fault) -> None:
        self.close_connection = True

    def _fault_redirect(self, fault: Fault) -> None:
        path = urllib.parse.urlsplit(self.path).path
        self._answer(302, b"", [("Location", fault.location.replace("{path}", path))])

    def _fault_slow(self, fault: Fault) -> None:
        self.server.owner.stopping.wait(fault.delay)
        self._answer(*self._content())

    def _fault_flip(self, fault: Fault) -> None:
        status, body, headers = self._content()
        if status < 300 and body:
            changed = bytearray(body)
            changed[fault.offset % len(changed)] ^= 0xFF
            body = bytes(changed)
        self._answer(status, body, headers)

    def _fault_truncate(self, fault: Fault) -> None:
        self._send_part(fault.keep)

    def _fault_stall(self, fault: Fault) -> None:
        self._send_part(fault.keep)
        self.server.owner.stopping.wait()

    def _send_part(self, keep: int) -> None:
        """The right headers, the first bytes only, and the end of the connection."""
        status, body, headers = self._content()
        self._send_headers(status, max(len(body), keep + 1), headers)
        self.wfile.write(body[:keep])
        self.wfile.flush()
        self.close_connection = True

    def _answer(self, status: int, body: bytes, headers: list[tuple[str, str]] = []) -> None:
        self._send_headers(status, len(body), headers)
        self.wfile.write(body)

    def _send_headers(self, status: int, length: int, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _content(self) -> tuple[int, bytes, list[tuple[str, str]]]:
        """Status, body and headers that a server in order would send."""
        if self.path.startswith("http://"):
            return self._forward() if self.server.owner.proxy else (403, b"", [])
        return self._read_file()

    def _forward(self) -> tuple[int, bytes, list[tuple[str, str]]]:
        """What the origin answers."""
        target = urllib.parse.urlsplit(self.path)
        origin = http.client.HTTPConnection(target.hostname, target.port or 80, timeout=30)
        wanted = {name: value for name, value in self.headers.items()
                  if name.lower() in ("range", "cache-control", "pragma", "user-agent")}
        try:
            origin.request("GET", target.path or "/", headers=wanted)
            response = origin.getresponse()
            kept = [(name, value) for name, value in response.getheaders()
                    if name.lower() in ("content-type", "content-range", "location")]
            return response.status, response.read(), kept
        except OSError:
            return 502, b"", []
        finally:
            origin.close()

    def _read_file(self) -> tuple[int, bytes, list[tuple[str, str]]]:
        """A file below the web root, or a range of it."""
        root = self.server.owner.webroot
        path = os.path.normpath(urllib.parse.unquote(urllib.parse.urlsplit(self.path).path,
                                                     errors="surrogateescape"))
        if root is None or not path.startswith("/"):
            return 404, b"", []
        try:
            with open(root + path, "rb") as file:
                body = file.read()
        except OSError:
            return 404, b"", []
        return _cut_range(body, self.headers.get("Range"))


def _cut_range(body: bytes, wanted: str | None) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Serves the forms of Range that are in use here: bytes=first-last and bytes=first-."""
    first, dash, last = (wanted or "").removeprefix("bytes=").partition("-")
    if not dash or not first.isdigit() or not (last.isdigit() or last == ""):
        return 200, body, []
    begin, end = int(first), min(int(last or len(body)), len(body) - 1)
    if begin > end:
        return 416, b"", [("Content-Range", f"bytes */{len(body)}")]
    return 206, body[begin:end + 1], [("Content-Range", f"bytes {begin}-{end}/{len(body)}")]
