"""Answers GET /metrics with the last text it was given. The run never waits for a scraper."""

from __future__ import annotations

import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ctcpmon.metrics import CONTENT_TYPE

__all__ = ["MetricsServer"]

_MOST_AT_ONCE = 8
"""Scrapers at the same time; a further one is turned away, so that strangers cannot make threads."""
_TIMEOUT_S = 5.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    text = b""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._room = threading.BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the look-up of our own name that the base class makes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "", self.server_address[1]

    def process_request(self, request: object, client_address: object) -> None:
        if self._room.acquire(blocking=False):
            try:
                super().process_request(request, client_address)  # type: ignore[arg-type]
            except RuntimeError:
                # No further thread may be started now (TasksMax): its place is free again.
                self._room.release()
                raise
        else:
            self.shutdown_request(request)  # type: ignore[arg-type]

    def process_request_thread(self, request: object, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._room.release()

    def handle_error(self, _request: object, _client_address: object) -> None:
        """A scraper that broke off is no news."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _TIMEOUT_S
    server: _Server

    def do_GET(self) -> None:
        is_known = self.path.partition("?")[0] == "/metrics"
        body = self.server.text if is_known else b"there is only /metrics\n"
        self.send_response(HTTPStatus.OK if is_known else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", CONTENT_TYPE if is_known else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "ctcpmon"

    def log_message(self, format: str, *_words: object) -> None:  # noqa: A002 as in the base class
        """No log of scrapes: a stranger would write it."""


class MetricsServer:
    """Bound while there are rights to bind; answers once started."""

    def __init__(self, address: tuple[str, int]) -> None:
        """Raises ``OSError``."""
        self._server = _Server(address)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            name="ctcpmon-metrics",
            kwargs={"poll_interval": 0.2},
            daemon=True,
        )

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/metrics"

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def show(self, text: bytes) -> None:
        """What the next scrapes get."""
        self._server.text = text

    def close(self) -> None:
        """Stops answering."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
