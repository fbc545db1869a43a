"""Screens on a running ``serve``: over a real socket, and the real program on a terminal."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from ctcpmon.errors import AttachError
from ctcpmon.tui.packets import PacketsError
from ctcpmon.tui.remote_source import RemoteSource
from ctcpmon.tui.screens.history import past_incidents
from ctcpmon.tui.view import Progress, Query, Reach, Refused, Situation, Tally, Tap, View
from ctcpmon.tui.wire import (
    ASK_MOST,
    Answer,
    Ask,
    Frames,
    Hello,
    WireError,
    answer_of,
    ask_of,
    encode_answer,
    encode_ask,
    encode_hello,
    views_digest,
)

from tests.serve.process import DEMO, long_capture, serve, start, stop, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "s"
    process = start("--replay", DEMO, "--stay", "--listen", path, listen=True)
    wait_for(path.exists, "the socket")
    yield path
    stop(process)
    assert not path.exists()


def connected(path: Path) -> RemoteSource:
    source = RemoteSource(str(path), period_s=0.05)
    source.start()
    return source


def cpu_s(process: int) -> float:
    with open(f"/proc/{process}/stat") as stat_file:  # noqa: PTH123
        words = stat_file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_a_screen_sees_what_the_run_found(running: Path) -> None:
    assert stat.S_IMODE(running.stat().st_mode) == 0o600
    source = connected(running)
    try:
        wait_for(lambda: source.view().progress.phase == "done", "the first view")
        view = source.view()
        assert view.name == "demo.pcap"
        assert view.packets == 1_013
        assert (view.tally.total, view.tally.stalled) == (6, 4)
        key = view.incidents[-1].key
        source.ask(Query(incident=key, session=view.sessions[0].key))
        wait_for(lambda: source.view().detail is not None, "the detail")
        assert source.view().evidence is not None
        assert source.view().evidence.incident == key  # type: ignore[union-attr]
        kept = source.view()
        time.sleep(0.3)
        assert source.view() is kept, "the same object while nothing changes"
    finally:
        source.close()


def test_several_screens_look_at_different_things_and_a_ninth_is_refused(running: Path) -> None:
    screens = [connected(running) for _ in range(8)]
    try:
        keys = ("worst", "idle", "client")
        for number, screen in enumerate(screens):
            screen.ask(Query(reach=Reach(order=keys[number % 3])))
        wait_for(
            lambda: all(
                one.view().query.reach.order == keys[n % 3] and one.view().sessions
                for n, one in enumerate(screens)
            ),
            "each its own view",
        )
        with pytest.raises(AttachError, match="8 screens are attached already"):
            connected(running)
    finally:
        for screen in screens:
            screen.close()


def test_long_lists_are_answered_over_the_socket(running: Path) -> None:
    source = connected(running)
    try:
        source.ask(Query(reach=Reach(order="client", is_reversed=True, filter="state=stalled")))
        wait_for(lambda: source.view().listing.matching == 4, "the stalled ones")
        view = source.view()
        assert {row.state for row in view.sessions} == {"stalled"}
        assert view.listing.total == 6
        source.ask(Query(reach=Reach(filter="state=maybe")))
        wait_for(lambda: bool(source.view().listing.fault), "the fault of the filter")
        assert "stalled suspect" in source.view().listing.fault
        source.ask(Query(reach=Reach(order="colour")))
        wait_for(lambda: "no such order" in source.view().listing.fault, "the fault of the order")
        assert source.failure is None
    finally:
        source.close()


def test_a_whole_list_comes_over_the_socket_and_a_screen_goes_on_meanwhile(running: Path) -> None:
    source = connected(running)
    try:
        wait_for(lambda: source.view().progress.phase == "done", "the first view")
        found = source.rows(Reach("sessions", height=1)).result(10)
        assert (len(found.sessions), found.matching) == (6, 6)
        stalled = source.rows(Reach("sessions", filter="state=stalled")).result(10)
        assert {row.state for row in stalled.sessions} == {"stalled"}
        flows = source.rows(Reach("flows", "bytes", height=1)).result(10)
        assert len(flows.flows) == source.view().conversations
        # Packets are one more thing that is waited for; each gives up what was asked before.
        gone = source.rows(Reach("flows", "bytes"))
        assert source.packets(stalled.sessions[0].key).result(10).count > 0
        assert gone.cancelled() or gone.done()
        with pytest.raises(PacketsError, match="no field"):
            source.rows(Reach("sessions", filter="nonsense=1")).result(10)
        source.ask(Query(session=stalled.sessions[0].key))
        wait_for(lambda: source.view().detail is not None, "the detail")
    finally:
        source.close()


def test_a_screen_finds_the_history_and_the_flows_of_a_run_that_stays(tmp_path: Path) -> None:
    path, history = tmp_path / "s", tmp_path / "h.db"
    process = start("--replay", DEMO, "--stay", "--listen", path, "--history", history, listen=True)
    source = None
    try:
        wait_for(path.exists, "the socket")
        source = connected(path)
        assert source.history == str(history)
        wait_for(lambda: source.view().progress.phase == "done", "the end of the capture")
        source.ask(Query(reach=Reach(name="flows", order="packets", height=5), log=20))
        wait_for(lambda: bool(source.view().flows) and bool(source.view().log), "flows and log")
        assert any("incident opened" in line.text for line in source.view().log)
        lines = past_incidents(source.history)
        assert len(lines) == len(source.view().incidents)
        assert any("10.1.4." in line for line in lines)
    finally:
        if source is not None:
            source.close()
        stop(process)


def test_a_screen_comes_back_when_serve_does(tmp_path: Path) -> None:
    path = tmp_path / "s"
    process = start("--replay", DEMO, "--stay", "--listen", path, listen=True)
    wait_for(path.exists, "the socket")
    source = connected(path)
    try:
        wait_for(lambda: source.view().packets == 1_013, "a view")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        wait_for(lambda: source.view().progress.phase == "failed", "the loss")
        assert source.view().packets == 1_013, "the last view stays"
        process = start("--replay", DEMO, "--stay", "--listen", path, listen=True)
        wait_for(lambda: source.view().progress.phase == "done", "the new run")
    finally:
        source.close()
        stop(process)


def test_a_client_that_does_not_read_costs_nothing_and_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "s"
    capture = long_capture(tmp_path / "long.pcap", 200)
    process = start("--replay", capture, "--stay", "--listen", path, listen=True)
    wait_for(path.exists, "the socket")
    with socket.socket(socket.AF_UNIX) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        # The name is there a moment before it listens.
        wait_for(lambda: lazy.connect_ex(str(path)) == 0, "it listens")
        # It asks and never reads.
        lazy.send(encode_ask(Ask(1, Query())))
        other = connected(path)
        wait_for(lambda: other.view().progress.phase == "done", "the run goes on")
        other.close()
        before = cpu_s(process.pid)
        time.sleep(3)
        assert cpu_s(process.pid) - before < 0.6
        lazy.settimeout(15)
        wait_for(lambda: _is_cut_off(lazy), "it is let go")
    assert "a screen that did not read for 10 s was let go" in stop(process)


def _is_cut_off(client: socket.socket) -> bool:
    try:
        client.send(encode_ask(Ask(2, Query())))
    except OSError:
        return True
    return False


@pytest.mark.parametrize(
    "sent", [b"\xff" * 64, encode_ask(Ask(1, Query()))[:-1] + b"\xc1", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_a_client_that_speaks_something_else_is_let_go(running: Path, sent: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as strange:
        strange.settimeout(5)
        strange.connect(str(running))
        strange.send(sent)
        while strange.recv(65_536):
            pass
    source = connected(running)
    wait_for(lambda: source.view().packets == 1_013, "others go on")
    source.close()


def test_the_socket_of_a_killed_run_is_taken_over_and_that_of_a_living_one_is_not(
    running: Path, tmp_path: Path
) -> None:
    said = serve("--replay", DEMO, "--listen", running, listen=True, code=2)
    assert "another ctcpmon serves there" in said
    file = tmp_path / "file"
    file.write_text("x")
    assert "no socket" in serve("--replay", DEMO, "--listen", file, listen=True, code=2)
    assert file.read_text() == "x"
    dead = tmp_path / "dead"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(dead))
    serve("--replay", DEMO, "--listen", dead, listen=True)


def test_a_run_that_is_stopped_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "stopped"
    with ExitStack() as leaving:
        stopped = leaving.enter_context(socket.socket(socket.AF_UNIX))
        stopped.bind(str(path))
        stopped.listen(0)
        for _ in range(8):
            one = leaving.enter_context(socket.socket(socket.AF_UNIX))
            one.setblocking(False)  # noqa: FBT003
            with suppress(BlockingIOError):
                one.connect(str(path))
        said = serve("--replay", DEMO, "--listen", path, listen=True, code=2)
    assert "another ctcpmon serves there" in said


def test_another_version_is_one_clear_sentence(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        command = [sys.executable, "-m", "ctcpmon", "attach", str(path)]
        ours, theirs = os.openpty()
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True)
        connection, _ = server.accept()
        with connection:
            connection.send(encode_hello(Hello(program="ctcpmon", version="9.9\x1b[2J", views="other")))
            _, said = process.communicate(timeout=20)
        os.close(ours)
        os.close(theirs)
    assert process.returncode == 4
    assert said.startswith("ctcpmon: serve is ctcpmon 9.9\\x1b[2J and this is ")
    assert said.endswith("attach with the version that serves\n")


def test_nobody_there_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(AttachError, match=r"no ctcpmon serve at .*/none: No such file"):
        RemoteSource(str(tmp_path / "none")).start()


HOSTILE = "\x1b]52;c;x\x07[/]\u202e\u2028 a"


def test_every_string_of_a_view_is_made_safe_again() -> None:
    situation = Situation("info", HOSTILE, facts=(HOSTILE, "first\nsecond"))
    view = View(
        query=Query(), name=HOSTILE, inputs=(HOSTILE,), progress=Progress("reading", error=HOSTILE),
        tap=Tap(text=HOSTILE), refused=Refused(), tally=Tally(), situation=situation,
    )  # fmt: skip
    (message,) = Frames(1 << 20).feed(encode_answer(Answer(7, view)))
    got = answer_of(message)
    assert got.number == 7
    assert got.view is not None
    for text in (got.view.name, got.view.tap.text, got.view.situation.facts[0], got.view.progress.error):
        assert text.isprintable()
    assert got.view.situation.facts[1] == "first\nsecond"
    assert replace(got.view, query=Query()) == got.view


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_frames_do_not_depend_on_how_bytes_arrive(size: int) -> None:
    data = b"".join(encode_ask(Ask(n, Query(incident="i" * n))) for n in range(50))
    frames = Frames(ASK_MOST)
    got = [one for at in range(0, len(data), size) for one in frames.feed(data[at : at + size])]
    assert [ask_of(one).number for one in got] == list(range(50))
    with pytest.raises(WireError):
        frames.feed(b"\xff\xff\xff\xff")


def test_the_digest_is_that_of_the_form() -> None:
    assert len(views_digest()) == 12


def test_a_terminal_without_a_size_does_not_keep_it_busy(running: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "ctcpmon", "attach", str(running)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    drawn = bytearray()

    def draw() -> None:
        try:
            while part := os.read(ours, 65_536):
                drawn.extend(part)
        except OSError:
            return

    terminal = threading.Thread(target=draw)
    terminal.start()
    try:
        wait_for(lambda: b"4 stalled" in drawn, "the first screen")
        time.sleep(1)
        before = cpu_s(process.pid), len(drawn)
        time.sleep(2)
        assert cpu_s(process.pid) - before[0] < 0.4
        assert len(drawn) - before[1] < 10_000
    finally:
        process.kill()
        process.wait()
        terminal.join()
        os.close(ours)


needs_tmux = pytest.mark.skipif(
    shutil.which("tmux") is None, reason="ATTACH ON A TERMINAL NOT TESTED: no tmux"
)


class Terminal:
    """A program in a tmux server of its own, without a shell that would notice that it is stopped."""

    def __init__(self, command: str) -> None:
        self._name = f"ctcpmon-attach-{uuid4().hex[:8]}"
        self("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", command)

    def __call__(self, *words: str) -> str:
        env = {name: value for name, value in os.environ.items() if name != "TMUX"}
        done = subprocess.run(
            ["tmux", "-L", self._name, *words], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout

    def wait(self, text: str) -> None:
        wait_for(lambda: text in self("capture-pane", "-p", "-J"), f"{text!r} on the screen")

    def wait_without(self, text: str) -> None:
        """One frame reaches the terminal in several writes: the last screen must be gone too."""
        wait_for(lambda: text not in self("capture-pane", "-p", "-J"), f"{text!r} gone from the screen")


def test_without_a_terminal_it_says_what_helps_and_not_what_it_has_not() -> None:
    words = [sys.executable, "-m", "ctcpmon", "attach", "/nowhere"]
    for env in ({}, {"TERM": "dumb"}):
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", **env},
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert "ssh -t HOST ctcpmon attach" in done.stderr
        assert "ctcpmon history" in done.stderr
        assert "-o" not in done.stderr.split()


@needs_tmux
def test_the_real_screen_and_a_stopped_one_that_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s"
    process = start("--replay", DEMO, "--stay", "--listen", path, listen=True)
    wait_for(path.exists, "the socket")
    command = f"{sys.executable} -m ctcpmon attach {path}"
    terminal = Terminal(f"sh -c 'echo $$ >{tmp_path}/pid; exec {command}'; echo code=$?; sleep 60")
    try:
        for text in ("demo.pcap", "4 stalled", "EVIDENCE", "DO FIRST"):
            terminal.wait(text)
        screen = int((tmp_path / "pid").read_text())
        os.kill(screen, signal.SIGSTOP)
        time.sleep(0.5)
        before = cpu_s(process.pid)
        time.sleep(2)
        assert cpu_s(process.pid) - before < 0.4
        os.kill(screen, signal.SIGCONT)
        terminal("send-keys", "s")
        terminal.wait("o O order")
        terminal.wait_without("DO FIRST")
        terminal("send-keys", "Escape")
        # Escape and a letter in one read would be Alt and the letter.
        terminal.wait("DO FIRST")
        terminal.wait_without("o O order")
        terminal("send-keys", "q")
        terminal.wait("code=0")
        assert "mouse=0" in terminal("display", "-p", "mouse=#{mouse_any_flag}")
    finally:
        terminal("kill-server")
        stop(process)
