"""What a live run cannot do once it is open (seccomp, Landlock), and that every output works all the same."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.namespaces import ENVIRONMENT, command, inside

from .program import Live, status_of_threads
from .test_interface import wait_for
from .wire import MONITORED, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def assert_confined(threads: dict[str, dict[str, str]]) -> None:
    for status in threads.values():
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")


def test_every_thread_of_a_run_is_confined(wire: Wire) -> None:
    with Live(wire.monitor) as live:
        threads = live.status()
        assert len(threads) >= 3, "main, engine and ring"
        assert_confined(threads)
        assert "no way to more; Landlock, seccomp; Ctrl-C ends it" in live.said[0]
        assert live.end() == 0


TRIES = """
import ctypes, errno, os, socket, subprocess, sys
from ctcpmon import engine
from ctcpmon.confining import of_stream
libc = ctypes.CDLL(None, use_errno=True)
def why(what):
    try:
        what()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "it worked"
with engine.open_live(["m0"], needs=of_stream(sys.argv[1])):
    print(why(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)))
    print(why(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)))
    print(errno.errorcode[ctypes.get_errno()] if libc.unshare(0x10000000) else "it worked")
    print(why(lambda: subprocess.run(["/bin/true"])))
    print(why(lambda: open("/var/tmp/ctcpmon-test", "w")))
    print(why(lambda: socket.create_connection(("127.0.0.1", 9))))
    print(why(lambda: os.kill(int(sys.argv[2]), 0)))
    print(why(lambda: open(sys.argv[1] + "/file", "w")))
    print(why(lambda: open("/dev/null", "w")))
    print(why(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)))
    print(why(lambda: open("/etc/passwd")))
"""


def test_what_somebody_who_took_it_over_would_want_is_denied(wire: Wire, folder: Path) -> None:
    words = (sys.executable, "-c", TRIES, str(folder), str(os.getpid()))
    said = command("ip", "netns", "exec", wire.monitor, *words).split("\n")
    denied = ["EPERM", "EPERM", "EPERM", "EPERM", "EACCES", "EACCES", "EPERM"]
    assert said == [*denied, "it worked", "it worked", "it worked", "it worked", ""]


class Receivers:
    """A webhook's server and a syslog receiver, in the namespace of the monitor."""

    def __init__(self, namespace: str) -> None:
        self.posted: list[dict[str, Any]] = []
        posted = self.posted

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                """Nothing."""

        command("ip", "-n", namespace, "link", "set", "lo", "up")
        with inside(namespace):
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            self.syslog = socket.create_server(("127.0.0.1", 0))
        self.syslog.settimeout(20)
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
        self.syslog.close()


@pytest.fixture
def receivers(wire: Wire) -> Iterator[Receivers]:
    one = Receivers(wire.monitor)
    yield one
    one.close()


class Serving:
    """``ctcpmon serve`` on the monitored end."""

    def __init__(self, namespace: str, *words: str) -> None:
        program = (sys.executable, "-m", "ctcpmon", "serve", MONITORED, "--stats-every", "0.2", *words)
        self.process = subprocess.Popen(
            ("ip", "netns", "exec", namespace, *program),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        assert self.process.stderr is not None
        self.first = self.process.stderr.readline()

    def status(self) -> dict[str, dict[str, str]]:
        return status_of_threads(self.process.pid)

    def end(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        assert self.process.stderr is not None
        # Not ``communicate``: it does not see what came together with the first line.
        with self.process.stderr as stream:
            said = stream.read()
        assert self.process.returncode == 0, said
        return said


def stats_in(path: Path) -> int:
    return path.read_bytes().count(b'"type":"ctcpmon.stats.v1"') if path.exists() else 0


def test_every_output_works_confined(wire: Wire, folder: Path, receivers: Receivers) -> None:
    config, out = folder / "c.toml", folder / "events"
    kinds = 'events = ["stats"]'
    config.write_text(
        f'[outputs.file]\npath = "{out}"\n'
        f'[outputs.history]\npath = "{folder}/history"\n'
        f'[outputs.metrics]\naddress = "127.0.0.1:0"\n'
        f'[outputs.webhook]\nurl = "http://127.0.0.1:{receivers.server.server_port}/x"\n{kinds}\n'
        f'[outputs.syslog]\naddress = "127.0.0.1:{receivers.syslog.getsockname()[1]}"\ntransport = "tcp"\n{kinds}\n'
    )
    serving = Serving(wire.monitor, "-c", str(config), "--listen", f"{folder}/socket")
    try:
        assert "Landlock, seccomp" in serving.first
        connection, _ = receivers.syslog.accept()
        with connection:
            connection.settimeout(20)
            assert b"ctcpmon" in connection.recv(4_096)
            wait_for(lambda: len(receivers.posted) > 2)
            threads = serving.status()
            assert len(threads) > 6, "and one for each output"
            assert_confined(threads)
            # As logrotate does it: the name is given to a new file.
            out.rename(folder / "events.old")
            serving.process.send_signal(signal.SIGHUP)
            wait_for(lambda: stats_in(out) > 1)
            _attach(wire.monitor, f"{folder}/socket")
            said = serving.end()
    finally:
        serving.process.kill()
        serving.process.wait()
    for name in ("file", "history", "webhook", "syslog"):
        assert f"{name}: " in said
    assert said.count(" 0 lost") == 4, said
    assert not Path(f"{folder}/socket").exists()


def _attach(namespace: str, path: str) -> None:
    """A screen without a terminal cannot be shown; its greeting can be asked for."""
    with inside(namespace), socket.socket(socket.AF_UNIX) as screen:
        screen.settimeout(10)
        screen.connect(path)
        assert screen.recv(64)


def test_a_file_is_rotated_by_a_confined_run(wire: Wire, folder: Path) -> None:
    config, out = folder / "c.toml", folder / "events"
    config.write_text(f'[outputs.file]\npath = "{out}"\nmax_mib = 1\nkeep = 2\n')
    # Nearly full at the start; the first events of the run are one too many.
    line = b'{"type":"ctcpmon.stats.v1"}\n'
    out.write_bytes(line * ((1 << 20) // len(line)))
    serving = Serving(wire.monitor, "-c", str(config), "--no-listen")
    try:
        wait_for(lambda: Path(f"{out}.1").exists() and stats_in(out) > 0)
        assert "cannot be rotated" not in serving.end()
    finally:
        serving.process.kill()
        serving.process.wait()


def test_a_file_that_cannot_be_rotated_later_is_said_at_the_start(wire: Wire, folder: Path) -> None:
    folder.chmod(0o755)
    serving = Serving(wire.monitor, "--file", str(folder / "events"), "--no-listen")
    try:
        assert f"{folder}/events cannot be rotated: no right to write to its folder" in serving.end()
    finally:
        serving.process.kill()
        serving.process.wait()


def test_a_hook_may_write_and_is_not_hindered(wire: Wire, folder: Path) -> None:
    config, seen = folder / "c.toml", folder / "seen"
    program = folder / "hook"
    program.write_text(f"#!/bin/sh\ncat >>{seen}\n")
    program.chmod(0o755)
    config.write_text(f'[outputs.hook]\ncommand = ["{program}"]\nevents = ["stats"]\n')
    serving = Serving(wire.monitor, "-c", str(config), "--no-listen")
    try:
        assert "; seccomp; no Landlock: a hook must be able to write and to connect" in serving.first
        assert_confined(serving.status())
        wait_for(lambda: stats_in(seen) > 1)
        assert "hook: " in serving.end()
    finally:
        serving.process.kill()
        serving.process.wait()


def test_doctor_says_what_the_kernel_has() -> None:
    words: Sequence[str] = (sys.executable, "-m", "ctcpmon", "doctor")
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert "confined by       Landlock, seccomp\n" in done.stdout
