"""Answers GET /metrics with the last text it was given. The run never waits for a scraper."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ctcpmon.metrics import CONTENT_TYPE

__all__ = ["MetricsServer"]

_MOST_AT_ONCE = 8
"""Scrapers at the same time; a further one is turned away, so that strangers cannot make threads."""
_TIMEOUT_S = 5.0
_LONGEST_S = 10.0
"""For the whole of a scrape: one that sends a byte now and then would keep its place for ever."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    text = b""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._room = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self._begun: dict[socket.socket, float] = {}
        """When each scrape that is being answered began."""
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the look-up of our own name that the base class makes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "", self.server_address[1]

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        if self._room.acquire(blocking=False):
            self._begun[request] = time.monotonic()
            try:
                super().process_request(request, client_address)
            except RuntimeError:
                # No further thread may be started now (TasksMax): its place is free again.
                self._free(request)
                raise
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free(request)

    def _free(self, request: socket.socket) -> None:
        self._begun.pop(request, None)
        self._room.release()

    def service_actions(self) -> None:
        """Between two scrapes: ends those that take too long."""
        now = time.monotonic()
        for request, begun in [*self._begun.items()]:
            if now - begun > _LONGEST_S:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

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
