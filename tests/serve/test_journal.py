"""Outputs elsewhere that read the event file behind an acknowledged place: what was accepted arrives."""

from __future__ import annotations

import http.server
import json
import random
import re
import signal
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import pytest
from ctcpmon.journal import Journal
from ctcpmon.journal_outlet import JournalOutlet
from ctcpmon.sinks.output import wanting

from tests.serve.process import DEMO, events, long_capture, serve, start, stop, wait_for

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 12


class Receiver:
    """Takes posts on a port that is its own also while nobody listens there."""

    def __init__(self, *, slow_s: float = 0.0) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.ids: list[str] = []
        self._slow_s = slow_s
        self._server: http.server.HTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def listen(self) -> None:
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                time.sleep(owner._slow_s)
                owner.ids.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["id"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def configured(folder: Path, url: str, more: str = "", file: str = "") -> Path:
    path = folder / "c.toml"
    path.write_text(
        f'[outputs.file]\npath = "{folder}/a.jsonl"\n{file}\n[outputs.webhook]\nurl = "{url}"\n{more}\n'
    )
    return path


def alerts(*paths: Path) -> list[str]:
    found = [one for path in paths for one in events(path)]
    return [one["id"] for one in found if ".finding." in one["type"] or ".incident." in one["type"]]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of one frame: a run that has nothing to say but its counters."""
    path = tmp_path_factory.mktemp("quiet") / "one.pcap"
    data = DEMO.read_bytes()
    (length,) = struct.unpack_from("<I", data, 24 + 8)
    path.write_bytes(data[: 24 + 16 + length])
    return path


def test_events_of_a_run_that_was_killed_arrive_after_the_next_start(tmp_path: Path, quiet: Path) -> None:
    with Receiver() as receiver:
        config = configured(tmp_path, receiver.url)
        file = tmp_path / "a.jsonl"
        process = start("--replay", DEMO, "--stay", "-c", config)
        wait_for(lambda: file.exists() and len(events(file)) == 27, "every event in the file")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        receiver.listen()
        said = serve("--replay", quiet, "-c", config)
        assert receiver.ids == alerts(file)
        assert len(receiver.ids) == 20
        assert "webhook: 27 events of before wait in the file" in said
        assert "webhook: 20 events delivered, 0 lost" in said
        # Nothing comes twice when nothing went wrong.
        serve("--replay", quiet, "-c", config)
        assert len(receiver.ids) == 20


@pytest.mark.parametrize("seed", range(6))
def test_killed_again_and_again_every_event_arrives(tmp_path: Path, quiet: Path, seed: int) -> None:
    chance = random.Random(seed)
    capture = long_capture(tmp_path / "long.pcap", ROUNDS)
    file = tmp_path / "a.jsonl"
    with Receiver(slow_s=0.004) as receiver:
        receiver.listen()
        config = configured(tmp_path, receiver.url)
        process = start("--replay", capture, "--stay", "-c", config)
        wait_for(lambda: bool(receiver.ids), "the first post")
        time.sleep(chance.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills = 1
        for _ in range(2):
            before = len(receiver.ids)
            process = start("--replay", quiet, "--stay", "-c", config)
            wait_for(lambda: len(receiver.ids) > before or process.poll() is not None, "more")  # noqa: B023
            time.sleep(chance.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        process = start("--replay", quiet, "--stay", "-c", config)
        wait_for(lambda: set(alerts(file)) <= set(receiver.ids), "all")
        stop(process)
        assert set(receiver.ids) == set(alerts(file))
        # In order, and repeated only where it was killed between a delivery and its acknowledgement.
        first = list(dict.fromkeys(receiver.ids))
        assert first == alerts(file)
        assert len(receiver.ids) - len(first) <= kills


def test_a_receiver_that_is_down_at_the_end_gets_it_the_next_time(tmp_path: Path, quiet: Path) -> None:
    with Receiver() as receiver:
        config = configured(tmp_path, receiver.url)
        said = serve("--replay", DEMO, "-c", config)
        assert "webhook: 27 events wait in the file; the next start goes on with them" in said
        assert "webhook: 0 events delivered, 0 lost" in said
        receiver.listen()
        process = start("--replay", quiet, "--stay", "-c", config)
        wait_for(lambda: len(receiver.ids) == 20, "what waited")
        stop(process)


def rotated(folder: Path) -> list[Path]:
    old = sorted(folder.glob("a.jsonl.[0-9]*"), key=lambda p: -int(p.suffix[1:]))
    return [*old, folder / "a.jsonl"]


def test_rotation_while_the_receiver_is_down(tmp_path: Path, quiet: Path) -> None:
    capture = long_capture(tmp_path / "long.pcap", 100)
    with Receiver() as receiver:
        config = configured(tmp_path, receiver.url, file="max_mib = 1\nkeep = 100")
        process = start("--replay", capture, "--stay", "-c", config)
        wait_for(lambda: len(rotated(tmp_path)) >= 4, "a rotation")
        time.sleep(0.5)
        receiver.listen()
        wait_for(lambda: len(receiver.ids) >= 50, "posts")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        process = start("--replay", quiet, "--stay", "-c", config)
        wait_for(lambda: set(alerts(*rotated(tmp_path))) <= set(receiver.ids), "everything")
        stop(process)
        assert list(dict.fromkeys(receiver.ids)) == alerts(*rotated(tmp_path))


def test_what_rotation_took_away_is_counted(tmp_path: Path) -> None:
    capture = long_capture(tmp_path / "long.pcap", 100)
    with Receiver() as receiver:
        config = configured(tmp_path, receiver.url, file="max_mib = 1\nkeep = 1")
        process = start("--replay", capture, "--stay", "-c", config)
        wait_for((tmp_path / "a.jsonl.1").exists, "a rotation")
        time.sleep(2.0)
        # Nothing is lost while it is down but what the file itself does not keep any more.
        receiver.listen()
        wait_for(lambda: alerts(*rotated(tmp_path))[-1] in receiver.ids, "the last one")
        said = stop(process)
    kept = alerts(*rotated(tmp_path))
    assert receiver.ids[-len(kept) :] == kept
    numbers = [int(one.rpartition(".")[2]) for one in receiver.ids]
    assert numbers == sorted(set(numbers))
    found = re.search(r"webhook: ([\d,]+) events delivered, 0 lost, ([\d,]+) taken away by rotation", said)
    assert found, said
    assert int(found[1].replace(",", "")) == len(receiver.ids)
    # Between the last that was read of the file that is gone and the first of the next: of every kind.
    at = next(i for i, one in enumerate(numbers) if one > 1 and numbers[i] - numbers[i - 1] > 100)
    assert numbers[at - 1] - numbers[at] + int(found[2].replace(",", "")) < 100


def test_events_that_the_file_does_not_take_come_from_memory(tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.listen()
        config = configured(tmp_path, receiver.url, file='events = ["incident", "session"]')
        said = serve("--replay", DEMO, "-c", config)
        assert "webhook: fed from memory, since the file does not take finding events" in said
        assert len(receiver.ids) == 20


def test_an_output_that_is_new_does_not_get_what_was_there(tmp_path: Path, quiet: Path) -> None:
    serve("--replay", DEMO, "--file", tmp_path / "a.jsonl")
    with Receiver() as receiver:
        receiver.listen()
        serve("--replay", quiet, "-c", configured(tmp_path, receiver.url))
        assert receiver.ids == []


# The reader alone.


def line(number: int, run: str = "r", kind: str = "finding", **ctcp: Any) -> bytes:
    return json.dumps({
        "type": f"ctcpmon.{kind}.v1", "specversion": "1.0", "id": f"s.{run}.{number}",
        "data": {"event": {"severity": ctcp.pop("severity", 21)}, "ctcp": ctcp},
    }, separators=(",", ":")).encode()  # fmt: skip


def write(path: Path, *numbers: int, run: str = "r") -> None:
    with path.open("ab") as file:
        file.writelines(line(number, run) + b"\n" for number in numbers)


def opened(path: Path, said: list[str] | None = None) -> Journal:
    return Journal(str(path), "x", owner=None, say=(said if said is not None else []).append)


def numbers(journal: Journal, *, most: int = 1_000) -> list[int]:
    found: list[int] = []
    while lines := journal.lines():
        for one in lines:
            if len(found) == most:
                return found
            found.append(int(json.loads(one)["id"].rpartition(".")[2]))
            journal.passed(one)
            journal.acknowledge()
    return found


def test_it_goes_on_behind_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert numbers(opened(path)) == []
    write(path, 1, 2, 3, 4)
    assert numbers(opened(path), most=2) == [1, 2]
    assert opened(path).backlog == 2
    with path.open("ab") as file:
        file.write(line(5)[:40])
    journal = opened(path)
    assert numbers(journal) == [3, 4]
    # The half line is taken back, and another one written in its place.
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 40)
    write(path, 5, 6)
    assert numbers(journal) == [5, 6]


def test_it_follows_every_rotation(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, 1)
    opened(path).close()
    write(path, 2, 3)
    for number in (4, 6):
        for old in (2, 1):
            if (tmp_path / f"a.{old}").exists():
                (tmp_path / f"a.{old}").rename(tmp_path / f"a.{old + 1}")
        path.rename(tmp_path / "a.1")
        write(path, number, number + 1)
    assert opened(path).backlog == 6
    journal = opened(path)
    assert numbers(journal, most=3) == [2, 3, 4]
    (tmp_path / "a.2").unlink()
    (tmp_path / "a.1").unlink()
    # It has that file open still.
    assert numbers(journal) == [5, 6, 7]
    assert journal.given_up == 0


def test_it_follows_a_rename_by_something_else(tmp_path: Path) -> None:
    """As logrotate with ``create`` and SIGHUP: the old file still grows when the new one is there."""
    path, old = tmp_path / "a", tmp_path / "a-20261126"
    path.touch()
    journal = opened(path)
    write(path, 1)
    assert numbers(journal) == [1]
    path.rename(old)
    assert numbers(journal) == []
    path.touch()
    write(old, 2)
    assert numbers(journal) == [2]
    write(old, 3)
    write(path, 4)
    assert opened(path).backlog == 2
    assert numbers(opened(path)) == [3, 4]
    assert numbers(journal) == [3, 4]
    assert journal.given_up == 0


def test_a_gap_that_rotation_made_is_counted_and_one_in_the_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    opened(path).close()
    write(path, 1, 2, 5)
    journal = opened(path)
    assert numbers(journal) == [1, 2, 5]
    assert journal.given_up == 0
    journal.close()
    path.unlink()
    write(path, 20, 21)
    said: list[str] = []
    journal = opened(path, said)
    assert numbers(journal) == [20, 21]
    assert journal.given_up == 14
    assert "does not hold what was sent last" in said[0]


def test_a_file_that_was_copied_back_is_known_by_its_ids(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    opened(path).close()
    write(path, 1, 2, 3)
    assert numbers(opened(path), most=2) == [1, 2]
    copy = path.read_bytes()
    path.unlink()
    (tmp_path / "other").write_bytes(b"takes the number of the old file")
    path.write_bytes(copy)
    assert numbers(opened(path)) == [3]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"device":1,"inode":"x","offset":-1}'])
def test_a_place_that_cannot_be_understood_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    write(path, 1, 2)
    (tmp_path / "a.x.ack").write_bytes(content)
    said: list[str] = []
    journal = opened(path, said)
    write(path, 3)
    assert numbers(journal) == [3]
    assert "cannot be understood" in said[0]


def test_lines_that_are_none_of_ours_are_passed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    journal = opened(path)
    with path.open("ab") as file:
        file.write(b"x" * (3 << 20) + b"\n\n")
    write(path, 1)
    found = []
    while lines := journal.lines():
        found += lines
        for one in lines:
            journal.passed(one)
    assert found[-1] == line(1)


class Fake:
    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def deliver(self, lines: list[bytes]) -> int:
        self.taken += lines[:1]
        return 1

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_who_was_told_before_the_crash_is_told_after_it_that_it_is_over(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    begun = line(1, kind="incident", severity=99, incident="i1", change="opened")
    over = line(2, kind="incident", severity=21, incident="i1", change="closed")
    other = line(3, kind="incident", severity=21, incident="i2", change="closed")

    def run(*lines: bytes) -> list[bytes]:
        fake = Fake()
        outlet = JournalOutlet(
            "x", fake, wanting(("incident",), "critical"), opened(path),
            accepted=lambda _line: True, say=lambda _text: None,
        )  # fmt: skip
        with path.open("ab") as file:
            file.writelines(one + b"\n" for one in lines)
        outlet.start()
        outlet.join()
        return fake.taken

    assert run(begun) == [begun]
    assert run(over, other) == [over]
