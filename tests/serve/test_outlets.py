"""Outputs that are slow, late or broken, each on its thread: what is counted, and that a run comes to its end."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from ctcpmon.journal import Journal
from ctcpmon.journal_outlet import JournalOutlet
from ctcpmon.metrics_server import MetricsServer
from ctcpmon.outlets import Outlet
from ctcpmon.sinks.output import wanting
from ctcpmon.sinks.syslog import SyslogOutput

from .test_journal import line, opened, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


class Slow:
    """Takes one line at a time, each after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.taken = seconds, 0
        self.is_closed = threading.Event()

    def deliver(self, _lines: Sequence[bytes]) -> int:
        time.sleep(self.seconds)
        self.taken += 1
        return 1

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed.set()


def every(_line: bytes) -> bool:
    return True


def behind(path: Path, output: Slow, wants: Callable[[bytes], bool] = every, **more: Any) -> JournalOutlet:
    return JournalOutlet("x", output, wants, opened(path), accepted=every, say=lambda _text: None, **more)


def test_what_is_delivered_after_its_time_was_over_is_counted_once() -> None:
    output = Slow(1.0)
    outlet = Outlet("x", output, every, say=lambda _text: None, drain_s=0.1)
    outlet.start()
    outlet.put([b"a", b"b", b"c"])
    outlet.join()
    assert outlet.counters()["x_lost"] == 3
    # The one that was under way arrives all the same; an error of the thread would fail this test.
    assert output.is_closed.wait(5.0)
    counters = outlet.counters()
    assert (counters["x_delivered"], counters["x_lost"], counters["x_waiting"]) == (1, 2, 0)


def test_a_run_that_is_to_end_does_not_wait_for_a_slow_receiver_to_the_last_event() -> None:
    output = Slow(0.05)
    outlet = Outlet("x", output, every, say=lambda _text: None, drain_s=0.1, last_s=1.0)
    outlet.watch(lambda: True)
    outlet.start()
    outlet.put([b"%d" % one for one in range(400)])
    began = time.monotonic()
    outlet.join()
    assert time.monotonic() - began < 5.0
    assert output.is_closed.wait(5.0)
    counters = outlet.counters()
    assert 0 < counters["x_delivered"] == output.taken < 200
    assert counters["x_delivered"] + counters["x_lost"] == 400


@pytest.mark.parametrize("is_asked", [True, False])
def test_what_waits_in_the_file_is_left_for_the_next_start(tmp_path: Path, *, is_asked: bool) -> None:
    path = tmp_path / "a"
    path.touch()
    output = Slow(0.02)
    outlet = behind(path, output, drain_s=0.1, last_s=0.5)
    outlet.watch(lambda: is_asked)
    write(path, *range(1, 101))
    outlet.start()
    began = time.monotonic()
    outlet.join()
    # Where nobody asked, as at the end of a capture file, all of it is delivered.
    assert (time.monotonic() - began < 1.8) == is_asked
    assert output.is_closed.wait(5.0)
    assert (output.taken < 100) == is_asked
    rest = Slow(0.0)
    again = behind(path, rest)
    again.start()
    again.join()
    assert output.taken + rest.taken == 100


def test_a_damaged_line_of_the_file_does_not_end_its_outputs(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    output = Slow(0.0)
    outlet = behind(path, output, wanting(("incident",), "critical"))
    with path.open("ab") as file:
        # What a loss of power leaves of a line, and the next one.
        file.write(b'{"type":"ctcpmon.incident.v1","id' + b"\0" * 100 + b"\n")
        file.write(line(2, kind="incident", severity=99, incident="i1", change="opened") + b"\n")
    outlet.start()
    outlet.join()
    assert output.taken == 1


def test_a_file_that_was_emptied_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    said: list[str] = []
    journal = Journal(str(path), "x", owner=None, say=said.append)
    write(path, 1, 2)
    for one in journal.lines():
        journal.passed(one)
    # As logrotate does with ``copytruncate``, which took line 3 away before it was read.
    path.write_bytes(b"")
    assert journal.lines() == []
    write(path, 4)
    found = journal.lines()
    assert found == [line(4)]
    journal.passed(found[0])
    assert journal.given_up == 1
    assert len(said) == 1
    assert "emptied" in said[0]


def test_a_receiver_is_reached_with_a_descriptor_above_a_thousand() -> None:
    # As many rings as a run may have, each a descriptor.
    with socket.create_server(("127.0.0.1", 0)) as receiver:
        output = SyslogOutput(("127.0.0.1", receiver.getsockname()[1]), is_tcp=True)
        one = line(1, kind="incident", severity=99, incident="i1", change="opened")
        assert output.deliver([one]) == 1
        assert output._socket is not None
        high = os.dup2(output._socket.fileno(), 1_500)
        output._socket.close()
        output._socket = socket.socket(fileno=high)
        assert output.deliver([one]) == 1
        output.close()


def scraped(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5.0) as asking:
        asking.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: asking.recv(4_096), b""))


@pytest.fixture
def port() -> Iterator[int]:
    server = MetricsServer(("127.0.0.1", 0))
    server.start()
    server.show(b"a 1\n")
    yield int(server.address.rpartition(":")[2].partition("/")[0])
    server.close()


def test_scrapers_that_found_no_thread_do_not_use_up_the_places(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoThread:
        def __init__(self, **_words: object) -> None:
            pass

        def start(self) -> None:
            message = "can't start new thread"
            raise RuntimeError(message)

    assert b"a 1" in scraped(port)
    with monkeypatch.context() as patched:
        patched.setattr("socketserver.threading.Thread", NoThread)
        for _ in range(20):
            with suppress(ConnectionError):
                assert b"a 1" not in scraped(port)
    assert b"a 1" in scraped(port)


def test_scrapers_that_never_come_to_an_end_are_let_go(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctcpmon.metrics_server._LONGEST_S", 1.0)
    with ExitStack() as leaving:
        slow = [leaving.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(8)]
        until = time.monotonic() + 5.0
        answer = b""
        while b"a 1" not in answer:
            assert time.monotonic() < until, "they keep their places"
            for one in slow:
                with suppress(OSError):
                    one.send(b"G")
            time.sleep(0.1)
            with suppress(ConnectionError):
                answer = scraped(port)


class Full:
    """A disk without room."""

    def deliver(self, _lines: Sequence[bytes]) -> int:
        raise OSError(28, os.strerror(28))

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_what_the_file_lost_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    file = Outlet("file", Full(), every, say=lambda _text: None, drain_s=0.1, max_bytes=10)
    outlet = behind(path, Slow(0.0), never_came=lambda: file.lost)
    file.start()
    outlet.start()
    lines = [line(one) for one in range(3)]
    for one in (file, outlet):
        one.put(lines)
    # One has room in memory, and may still get there.
    assert (file.counters()["file_lost"], outlet.counters()["x_waiting"]) == (2, 1)
    file.join()
    outlet.join()
    assert (file.counters()["file_lost"], outlet.counters()["x_waiting"]) == (3, 0)
