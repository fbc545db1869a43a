"""What every sink promises. A sink that is not in ``SINKS`` fails the last test."""

from __future__ import annotations

import errno
import inspect
import io
from typing import TYPE_CHECKING, Any

import pytest
from ctcpmon import sinks
from ctcpmon.config import Settings
from ctcpmon.errors import OutputClosedError
from ctcpmon.pipeline import Pipeline
from ctcpmon.sinks import JsonLinesSink, Sink, TableSink
from ctcpmon.text import width

from tests.fake_engine import Evidence, Replay, Scenario, finding, stalled, textbook

if TYPE_CHECKING:
    from collections.abc import Callable

SINKS: dict[str, Callable[[Any], Sink]] = {"jsonl": JsonLinesSink, "table": TableSink}
every_sink = pytest.mark.parametrize("make", SINKS.values(), ids=SINKS.keys())


@pytest.fixture
def lines(scenario: Scenario) -> list[bytes]:
    hostile = "\x1b[2J\u202e[/]"
    on = stalled(5, client_ip=hostile, protocol=hostile, id="f" * 12)
    scenario.items = [*textbook(), finding(6, on), on, *(stalled(n + 10) for n in range(400))]
    pipeline = Pipeline(Replay(["x"]), Settings(), version="1")  # type: ignore[arg-type]
    return [item.line for items in pipeline.batches(0) for item in items]


class Failing(io.BytesIO):
    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code

    def write(self, _data: Any, /) -> int:
        raise OSError(self.code, "failed")


def written(make: Callable[[Any], Sink], *batches: list[bytes]) -> bytes:
    stream = io.BytesIO()
    sink = make(stream)
    for batch in batches:
        sink.write(batch)
    sink.close()
    assert not stream.closed
    return stream.getvalue()


@every_sink
def test_output_is_whole_printable_lines_of_utf8(make: Callable[[Any], Sink], lines: list[bytes]) -> None:
    text = written(make, lines).decode("utf-8")
    assert text.endswith("\n")
    assert all(line.isprintable() for line in text.split("\n"))


@every_sink
def test_batches_change_nothing(make: Callable[[Any], Sink], lines: list[bytes]) -> None:
    assert written(make, lines) == written(make, *([line] for line in lines), [])


@every_sink
def test_no_events_is_no_failure(make: Callable[[Any], Sink]) -> None:
    written(make, [])


@every_sink
def test_a_reader_that_left_is_named(make: Callable[[Any], Sink], lines: list[bytes]) -> None:
    sink = make(Failing(errno.EPIPE))
    with pytest.raises(OutputClosedError):
        _write_all(sink, lines)


@every_sink
def test_a_full_disk_is_an_error(make: Callable[[Any], Sink], lines: list[bytes]) -> None:
    sink = make(Failing(errno.ENOSPC))
    with pytest.raises(OSError, match="failed"):
        _write_all(sink, lines)


def _write_all(sink: Sink, lines: list[bytes]) -> None:
    sink.write(lines)
    sink.close()


@pytest.mark.parametrize("cells", [60, 80, 100, 160])
def test_the_table_fits_its_width(lines: list[bytes], cells: int) -> None:
    text = written(lambda stream: TableSink(stream, cells=cells), lines).decode()
    assert max(map(width, text.splitlines())) <= cells


def test_the_table_says_what_happened_in_full_and_how_it_ended(scenario: Scenario) -> None:
    evidence = (Evidence("hole_to_stall_ms", 4_050.0, "ms"),)
    scenario.items = [finding(n, stalled(n), at_s=24 + n, evidence=evidence) for n in range(12)]
    scenario.items += [finding(n, stalled(n), verdict="healthy", at_s=60) for n in range(12)]
    pipeline = Pipeline(Replay(["x"]), Settings(), version="1")  # type: ignore[arg-type]
    made = [item.line for items in pipeline.batches(0) for item in items]
    lines = written(TableSink, made).decode().splitlines()
    assert lines[0] == "INCIDENTS 1: 0 open, 0 critical"
    assert lines[2].split()[0] == "OK"
    assert " ".join(" ".join(lines[2:4]).split()).endswith(
        "cleared: 12 of 12 sessions moving again for 6.0 s"
    )
    assert "consistent with" in " ".join(lines)
    assert "DO FIRST" not in lines


def test_the_table_says_what_it_leaves_out(lines: list[bytes]) -> None:
    assert "SESSIONS 404, worst first" in (text := written(TableSink, lines).decode())
    assert "and 204 more, none worse" in text


def test_every_sink_is_tested() -> None:
    classes = {
        value
        for name in sinks.__all__
        for value in [getattr(sinks, name)]
        if inspect.isclass(value) and name.endswith("Sink") and value is not Sink
    }
    assert classes == set(SINKS.values())
