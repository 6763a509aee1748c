"""A private nginx on a loopback port, with a log of what was asked for."""

import os
import shutil
import socket
import time
import urllib.request

from . import cleanup
from .processes import start, temporary_directory

_CONFIGURATION = """
daemon off;
master_process off;
pid {state}/pid;
error_log {state}/error.log;
events {{ worker_connections 512; }}
http {{
    log_format path escape=none "$status $request_uri";
    access_log {state}/access.log path;
    client_body_temp_path {state}/body;
    proxy_temp_path {state}/proxy;
    fastcgi_temp_path {state}/fastcgi;
    uwsgi_temp_path {state}/uwsgi;
    scgi_temp_path {state}/scgi;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 60s;
    keepalive_requests 1000000;
    open_file_cache off;
    server {{
        listen 127.0.0.1:{port};
        location / {{ root "{root}"; }}
    }}
}}
"""


def available() -> bool:
    """Whether this machine has nginx."""
    return _program() is not None


def _program() -> str | None:
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class NginxServer:
    """Serves a directory from its making until stop() or the end of the scope. One process, which
    runs as whoever runs the test."""

    def __init__(self, webroot: str, port: int | None = None):
        """port None: any free one, tried again if somebody was quicker to take it."""
        nginx = _program()
        if nginx is None:
            raise AssertionError("nginx is not installed")
        self.webroot = os.path.abspath(webroot)
        self.state = temporary_directory()
        self._sentinel = 0
        for _ in range(5):
            self.port = port or _free_port()
            self.url = f"http://127.0.0.1:{self.port}"
            if self._start(nginx):
                break
        else:
            raise AssertionError(f"nginx does not start: {self._read('error.log')}")
        cleanup.at_end(self.stop)

    def repository_url(self, fqrn: str) -> str:
        """What CVMFS_SERVER_URL is for a repository below cvmfs/ of the web root."""
        return f"{self.url}/cvmfs/{fqrn}"

    def requests(self) -> list[str]:
        """The paths asked for since the start or the last clear(), in order of completion."""
        return [line.split(" ", 1)[1] for line in self.log()]

    def log(self) -> list[str]:
        """As requests(), each line "status path"."""
        self._flush()
        return [line for line in self._read("access.log").splitlines() if "/.sentinel-" not in line]

    def count(self, part: str) -> int:
        """How many requests had this text in their path."""
        return sum(part in path for path in self.requests())

    def clear(self) -> None:
        """Forgets the requests so far."""
        self._flush()
        os.truncate(os.path.join(self.state, "access.log"), 0)

    def stop(self) -> None:
        """Ends the server; its port refuses connections from then on. May be called again."""
        self._process.kill()

    def _start(self, nginx: str) -> bool:
        configuration = os.path.join(self.state, "nginx.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(_CONFIGURATION.format(state=self.state, port=self.port, root=self.webroot))
        self._process = start([nginx, "-p", self.state, "-e", f"{self.state}/error.log",
                               "-c", configuration])
        while self._process.running():
            try:
                self._flush()
                return True
            except OSError:
                time.sleep(0.01)
        return False

    def _flush(self) -> None:
        """A request is logged after its answer has been sent; one process serves all requests in
        turn, so when a later one is in the log, all earlier ones are."""
        self._sentinel += 1
        name = f"/.sentinel-{self._sentinel}-{os.getpid()}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(self.url + name, timeout=10).close()
        except urllib.error.HTTPError as missing:
            missing.close()
        for _ in range(500):
            if name in self._read("access.log"):
                return
            time.sleep(0.01)
        raise OSError(f"{self.url} is not the server that was started")

    def _read(self, name: str) -> str:
        try:
            with open(os.path.join(self.state, name), encoding="utf-8",
                      errors="surrogateescape") as file:
                return file.read()
        except FileNotFoundError:
            return ""
