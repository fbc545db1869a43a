"""Outputs elsewhere: syslog, webhook, hook, metrics. Real sockets, receivers that fail, hostile text."""

from __future__ import annotations

import http.server
import json
import re
import signal
import socket
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ctcpmon.sinks.hook import HookOutput
from ctcpmon.sinks.output import RefusedError, glance, kind_of, wanting
from ctcpmon.sinks.syslog import SyslogOutput, message_of
from ctcpmon.sinks.webhook import WebhookOutput

from tests.serve.process import DEMO, events, long_capture, serve, start, stop, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

RFC5424 = re.compile(
    r"<(?P<pri>\d{1,3})>1 (?P<time>\S+) (?P<host>[!-~]{1,255}) ctcpmon \d+ (?P<kind>[a-z]+) "
    r'\[ctcpmon@32473(?P<data>(?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")*)\] \ufeff(?P<text>.*)\Z'
)
HOSTILE = '\x1b]52;c;x\x07\n"] [x@1 a="b\\\u202e\u2028$(touch /tmp/x)`id`;\x00'


def hostile_line(kind: str = "incident") -> bytes:
    part = {"reason": HOSTILE, "severity": 99}
    return json.dumps({
        "type": f"ctcpmon.{kind}.v1", "id": f"a.b.1{HOSTILE}", "time": "2026-11-23T02:58:18.000000Z",
        "data": {"event": part, "rule": {"id": HOSTILE}, "source": {"address": HOSTILE},
                 "destination": {"ip": HOSTILE, "port": 1}, "ctcp": {"incident": HOSTILE, "change": "opened",
                 "where": HOSTILE, "session": HOSTILE, "confidence": 0.5}},
    }, separators=(",", ":")).encode()  # fmt: skip


def frames(data: bytes) -> Iterator[str]:
    """Octet counting (RFC 6587)."""
    while data:
        length, _, rest = data.partition(b" ")
        yield rest[: int(length)].decode("utf-8")
        data = rest[int(length) :]


def wanted(path: Path) -> list[dict[str, Any]]:
    return [one for one in events(path) if ".finding." in one["type"] or ".incident." in one["type"]]


def test_syslog_over_udp(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        config = tmp_path / "c.toml"
        config.write_text(
            f'[outputs.syslog]\naddress = "127.0.0.1:{receiver.getsockname()[1]}"\nfacility = 3\n'
        )
        serve("--replay", DEMO, "-c", config, "--file", tmp_path / "a")
        got = [receiver.recv(65_535) for _ in wanted(tmp_path / "a")]
    for message, event in zip(got, wanted(tmp_path / "a"), strict=True):
        assert len(message) <= 2_048
        found = RFC5424.match(message.decode("utf-8"))
        assert found, message
        assert f'id="{event["id"]}"' in found["data"]
        level = {99: 2, 47: 4, 21: 6}[event["data"]["event"]["severity"]]
        assert int(found["pri"]) == 3 * 8 + level
        assert found["time"] == event["time"]
        assert event["data"]["event"]["reason"] in found["text"]


def test_syslog_over_tcp_counts_octets_and_waits_for_its_receiver(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "c.toml"
    config.write_text(f'[outputs.syslog]\naddress = "127.0.0.1:{port}"\ntransport = "tcp"\n')
    process = start("--replay", DEMO, "--stay", "-c", config, "--file", tmp_path / "a")
    wait_for(lambda: (tmp_path / "a").exists() and len(events(tmp_path / "a")) == 27, "all events")
    time.sleep(1)  # It reads the file, and is refused meanwhile.
    with socket.create_server(("127.0.0.1", port)) as late:
        late.settimeout(20)
        connection, _ = late.accept()
        connection.settimeout(5)
        time.sleep(0.5)
        said = stop(process)
        data = b""
        with connection:
            while chunk := connection.recv(65_536):
                data += chunk
    got = list(frames(data))
    assert all(RFC5424.match(one) for one in got)
    assert len(got) == len(wanted(tmp_path / "a"))
    assert "syslog: Connection refused; trying again" in said
    assert f"syslog: {len(got)} events delivered, 0 lost" in said


def test_hostile_text_stays_inside_a_syslog_message() -> None:
    message = message_of(glance(hostile_line()), facility=16, host="h\n\x1b st", process=1, most=2_048)
    text = message.decode("utf-8")
    assert RFC5424.match(text), text
    assert text.replace("\ufeff", "").isprintable()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        output = SyslogOutput(receiver.getsockname(), is_tcp=False)
        assert output.deliver([hostile_line(), b"never looked at"]) == 1
        assert b"\x1b" not in receiver.recv(65_535)
        output.close()


class Receiver(http.server.BaseHTTPRequestHandler):
    answers: list[int]
    bodies: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        code = self.answers.pop(0) if self.answers else 204
        if code < 300:
            self.bodies.append(body)
        self.send_response(code)
        if code == 302:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 named by the base class

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, type[Receiver]]]:
    handler = type("OneReceiver", (Receiver,), {"answers": [], "bodies": []})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_that_fails_at_first_gets_every_event_once(
    tmp_path: Path, receiver: tuple[str, type[Receiver]]
) -> None:
    url, handler = receiver
    handler.answers[:] = [503, 429]
    config = tmp_path / "c.toml"
    config.write_text(f'[outputs.webhook]\nurl = "{url}"\n')
    process = start("--replay", DEMO, "--stay", "-c", config, "--file", tmp_path / "a")
    wait_for(lambda: len(handler.bodies) == 20, "20 posts")
    said = stop(process)
    assert [json.loads(one)["id"] for one in handler.bodies] == [one["id"] for one in wanted(tmp_path / "a")]
    assert "webhook: the receiver answered 503; trying again" in said
    assert "webhook: 20 events delivered, 0 lost" in said


@pytest.mark.parametrize("code", [400, 302])
def test_a_webhook_that_refuses_is_not_asked_again(code: int, receiver: tuple[str, type[Receiver]]) -> None:
    url, handler = receiver
    handler.answers[:] = [code]
    output = WebhookOutput(url, headers={}, timeout_s=5, agent="test")
    with pytest.raises(RefusedError, match=str(code)):
        output.deliver([b"{}"])
    assert not handler.bodies, "a redirect is not followed"
    assert output.deliver([b"{}"]) == 1


def test_a_webhook_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = tmp_path / "c.toml"
        config.write_text(f'[outputs.webhook]\nurl = "http://127.0.0.1:{silent.getsockname()[1]}/"\n')
        began = time.monotonic()
        # Without a file there is nothing that the next start could go on with.
        said = serve("--replay", DEMO, "-c", config, "--history", tmp_path / "h")
        assert time.monotonic() - began < 8
        assert "webhook: 0 events delivered, 20 lost" in said
        assert "history: 26 events delivered, 0 lost" in said
        began = time.monotonic()
        said = serve("--replay", DEMO, "-c", config, "--file", tmp_path / "a")
        assert time.monotonic() - began < 8
    assert len(events(tmp_path / "a")) == 27
    assert "webhook: 27 events wait in the file" in said
    assert "webhook: 0 events delivered, 0 lost" in said


def test_a_hook_reads_each_change_of_an_incident(tmp_path: Path) -> None:
    program = tmp_path / "hook"
    program.write_text(f'#!/bin/sh\nread -r line; echo "$# $line" > {tmp_path}/got.$$\n')
    program.chmod(0o755)
    config = tmp_path / "c.toml"
    config.write_text(f'[outputs.hook]\ncommand = ["{program}"]\n')
    said = serve("--replay", DEMO, "-c", config, "--file", tmp_path / "a")
    got = [one.read_text() for one in tmp_path.glob("got.*")]
    assert all(one.startswith("0 {") for one in got), "no argument holds anything"
    ids = {json.loads(one[2:])["id"] for one in got}
    assert ids == {one["id"] for one in events(tmp_path / "a") if ".incident." in one["type"]}
    assert f"hook: {len(ids)} events delivered" in said


def test_hostile_text_reaches_a_hook_as_bytes_and_runs_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    output = HookOutput(
        ["/bin/sh", "-c", f"cat >> {tmp_path}/got; env > {tmp_path}/env; exit 3"],
        timeout_s=10, at_once=1, say=said.append, now=time.monotonic,
    )  # fmt: skip
    assert output.deliver([hostile_line()]) == 1
    output.close()
    assert (tmp_path / "got").read_bytes() == hostile_line() + b"\n"
    assert "incident" not in (tmp_path / "env").read_text().lower()
    assert said == ["hook: /bin/sh ended with 3"]


def test_a_hook_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    said: list[str] = []
    script = f"echo $$ > {tmp_path}/pid; sleep 600 & echo $! > {tmp_path}/child; wait"
    output = HookOutput(
        ["/bin/sh", "-c", script], timeout_s=0.5, at_once=1, say=said.append, now=time.monotonic
    )
    output.deliver([hostile_line()])
    began = time.monotonic()
    output.deliver([hostile_line()])
    output.close()
    assert time.monotonic() - began < 3
    assert said == ["hook: /bin/sh took longer than 0.5 s and was ended"] * 2
    for name in ("pid", "child"):
        process = int((tmp_path / name).read_text())
        # Only the program itself was waited for.
        wait_for(lambda: not _is_running(process), "it ends")  # noqa: B023


def _is_running(process: int) -> bool:
    """False for a process that is gone, or dead and not yet collected."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def scrape(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    values = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE) ctcpmon_[a-z_]+ \S", line)
            continue
        found = re.match(r'(ctcpmon_[a-z_]+(?:\{(?:[a-z]+="[^"\\\n]*",?)*\})?) (\S+)\Z', line)
        assert found, line
        assert found[1] not in values
        values[found[1]] = float(found[2])
    return values


def test_metrics_have_the_same_series_whoever_sends(tmp_path: Path) -> None:
    capture = long_capture(tmp_path / "many.pcap", 200)
    process = start("--replay", capture, "--speed", "4000", "--stay", "--metrics", "127.0.0.1:0")
    assert process.stderr is not None
    url = ""
    while not url:
        url = process.stderr.readline().partition("metrics: ")[2].strip()
    try:
        wait_for(lambda: scrape_or_nothing(url).get("ctcpmon_packets_total", 0) > 0, "first scrape")
        first = scrape(url)
        wait_for(lambda: scrape(url)["ctcpmon_packets_total"] == 200 * 1_013, "the end")
        last = scrape(url)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url + "x", timeout=5)  # noqa: S310
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert set(first) == set(last)
    assert last["ctcpmon_packets_total"] > first["ctcpmon_packets_total"] > 0
    assert last['ctcpmon_incidents{severity="critical"}'] > 0
    assert not [name for name in last if "10.1." in name or "198.51" in name]


def scrape_or_nothing(url: str) -> dict[str, float]:
    try:
        return scrape(url)
    except OSError:
        return {}


def test_who_was_told_that_it_began_is_told_that_it_is_over() -> None:
    def line(incident: str, severity: int, change: str) -> bytes:
        return json.dumps({
            "type": "ctcpmon.incident.v1", "id": "a",
            "data": {"event": {"severity": severity}, "ctcp": {"incident": incident, "change": change}},
        }, separators=(",", ":")).encode()  # fmt: skip

    wants = wanting(("incident",), "critical")
    assert kind_of(line("i1", 99, "opened")) == "incident"
    asked = [
        ("i1", 47, "opened"),
        ("i1", 99, "changed"),
        ("i1", 21, "closed"),
        ("i2", 47, "opened"),
        ("i2", 21, "closed"),
    ]
    assert [wants(line(*one)) for one in asked] == [False, True, True, False, False]
    assert not wants(line("i1", 21, "closed"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('[outputs.webhook]\nurl = "http://127.0.0.1:99999/"', "Port out of range"),
        ('[outputs.webhook]\nurl = "http://127.0.0.1:abc/"', "abc"),
        ('[outputs.webhook]\nurl = "http://127.0.0.1:0/"', "port 0"),
        ('[outputs.webhook]\nurl = "http://[::1/"', "Invalid IPv6 URL"),
        ('[outputs.webhook]\nurl = "http:///x"', "names no host"),
        ('[outputs.syslog]\naddress = "127.0.0.1:99999"', "no such port: 99999"),
        ('[outputs.syslog]\naddress = "127.0.0.1:0"', "port 0"),
        ('[outputs.metrics]\naddress = "127.0.0.1:99999"', "no such port: 99999"),
    ],
)
def test_a_receiver_that_cannot_be_is_one_clear_line_at_the_start(
    tmp_path: Path, settings: str, words: str
) -> None:
    configuration = tmp_path / "c.toml"
    configuration.write_text(settings + "\n")
    # The same for an interface, which needs no right to get so far.
    for source in (("--replay", DEMO), ("lo",)):
        (said,) = serve(*source, "-c", configuration, code=2).splitlines()
        assert words in said
        assert settings[len("[outputs.") : settings.index("]")] in said
