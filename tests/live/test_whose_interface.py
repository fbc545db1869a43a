"""Interfaces that are moved, renamed, called otherwise or watched by others, and runs that watch several."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.namespaces import command, inside

from .program import Live
from .sender import Sender
from .test_balance import frame
from .test_interface import RESUMES_WITHIN_S, STATS, measured, wait_for
from .wire import MONITORED, SENDS

if TYPE_CHECKING:
    from .wire import Wire

APART = ("unshare", "--pid", "--fork", "--mount-proc")
"""Processes are counted from 1, as in a container."""
NUMBER = "77"
MOST_MIB = 65_536
"""The most that the option takes."""


def test_an_interface_that_was_elsewhere_and_keeps_its_number_is_captured_again(wire: Wire) -> None:
    wire.cut()
    ends = ("type", "veth", "peer", "name", SENDS, "netns", wire.sender)
    command("ip", "-n", wire.monitor, "link", "add", MONITORED, "index", NUMBER, *ends)
    for name, interface in ((wire.sender, SENDS), (wire.monitor, MONITORED)):
        command("ip", "-n", name, "link", "set", interface, "arp", "off", "up")
    with Live(wire.monitor, MONITORED, *STATS) as live:
        command("ip", "-n", wire.monitor, "link", "set", MONITORED, "netns", wire.sender)
        # It is told although no frame ever came.
        wait_for(lambda: bool(live.of_type("stats")) and live.counters()["interface_downs"] == 1)
        command("ip", "-n", wire.sender, "link", "set", MONITORED, "netns", wire.monitor)
        wire.set("up")
        assert wire.shown()["ifindex"] == int(NUMBER)
        assert wait_for(lambda: wire.shown()["promiscuity"] == 1) < RESUMES_WITHIN_S
        with Sender(wire.sender) as sender:
            assert all(sender.send(frame(one)) for one in range(100))
            wait_for(lambda: measured(live) == 100)
        assert live.end() == 0


def test_one_that_was_renamed_is_not_listened_to_any_more(wire: Wire) -> None:
    with Live(wire.monitor, MONITORED, *STATS) as live:
        wire.set("down")
        command("ip", "-n", wire.monitor, "link", "set", MONITORED, "name", "before0")
        ends = ("type", "veth", "peer", "name", "s1", "netns", wire.sender)
        command("ip", "-n", wire.monitor, "link", "add", MONITORED, *ends)
        wire.set("up")
        wait_for(lambda: wire.shown()["promiscuity"] == 1)
        assert wire.shown("before0")["promiscuity"] == 0
        assert live.end() == 0


def test_two_runs_with_several_rings_each_get_everything(wire: Wire) -> None:
    # Both are process 1 or 2 of their own count.
    with ExitStack() as leaving:
        more = ("--rings", "2", "--duration", "5")
        runs = [leaving.enter_context(Live(wire.monitor, MONITORED, *more, before=APART)) for _ in range(2)]
        with Sender(wire.sender) as sender:
            assert all(sender.send(frame(one)) for one in range(1_000))
        assert [one.wait() for one in runs] == [0, 0]
        assert [measured(one) for one in runs] == [1_000, 1_000]


def test_several_rings_leave_out_what_this_machine_sends(wire: Wire) -> None:
    with inside(wire.monitor):
        ours = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with ours, Live(wire.monitor, MONITORED, "--rings", "2") as live, Sender(wire.sender) as theirs:
        ours.bind((MONITORED, 0))
        for one in range(50):
            assert theirs.send(frame(one))
            assert ours.send(frame(one)) == len(frame(one))
        assert live.end() == 0
    counters = live.counters()
    assert (counters["kernel_received_packets"], counters["frames"]) == (50, 50)
    assert counters["outgoing_packets_ignored"] == 0


def test_a_run_that_loses_one_of_its_interfaces_does_not_go_on_as_if_nothing_was(wire: Wire) -> None:
    with Live(wire.monitor, MONITORED, "lo") as live:
        wire.cut()
        time.sleep(0.5)
        # Frames of another kind than those of before.
        command("ip", "-n", wire.monitor, "tuntap", "add", MONITORED, "mode", "tun")
        assert live.wait() == 4
    assert any(f"{MONITORED}: frames of hardware type" in words for words in live.said)
    assert live.of_type("stats")


def test_another_name_of_an_interface_is_refused_with_the_one_that_counts(wire: Wire) -> None:
    command("ip", "-n", wire.monitor, "link", "property", "add", "dev", MONITORED, "altname", "spanport")
    for more in ((), ("-f", "tcp")):
        assert f"spanport is another name of {MONITORED}; give that one" in refused(
            wire, 3, "spanport", *more
        )


def test_a_name_that_is_not_text_is_refused(wire: Wire) -> None:
    assert "captured by a name in UTF-8" in refused(wire, 2, "m\udcff")


def test_more_interfaces_than_can_be_told_apart_are_refused(wire: Wire) -> None:
    for one in range(17):
        command("ip", "-n", wire.monitor, "link", "add", f"v{one}", "type", "veth", "peer", "name", f"w{one}")
    assert "at most 16" in refused(wire, 3, *(f"v{one}" for one in range(17)))


def test_a_machine_without_descriptors_or_threads_is_not_an_interface_that_is_missing(wire: Wire) -> None:
    few = ("prlimit", "--nofile=12:12")
    assert "Too many open files" in refused(wire, 3, MONITORED, "--rings", "16", before=few)
    none = ("prlimit", "--nproc=1:1")
    assert "starting a thread: " in refused(wire, 3, MONITORED, before=none)


def test_more_memory_than_there_is_is_not_asked_for(wire: Wire) -> None:
    # The kernel would end other programs for it.
    lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    there = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) >> 10
    if there >= MOST_MIB:
        pytest.skip(f"MEMORY OF RINGS NOT TESTED: this machine has {there} MiB")
    said = refused(wire, 3, MONITORED, "--ring-mib", str(MOST_MIB))
    assert re.search(rf"rings of {MOST_MIB} MiB: this machine has \d+ MiB available", said)


def refused(wire: Wire, code: int, *words: str, before: tuple[str, ...] = ()) -> str:
    live = Live(wire.monitor, *words, before=before)
    try:
        assert live.wait() == code
    finally:
        live.__exit__()
    assert live.lines == []
    return live.said[-1]


@pytest.mark.parametrize("more", [(), ("-f", "tcp")])
def test_the_sys_of_another_namespace_is_not_believed(wire: Wire, more: tuple[str, ...]) -> None:
    # What ``nsenter --net`` starts keeps the mounts of before.
    enter = ("nsenter", f"--mount=/proc/{os.getpid()}/ns/mnt", f"--net=/run/netns/{wire.monitor}", "--wd=.")
    with Live(wire.monitor, MONITORED, *more, before=enter) as live, Sender(wire.sender) as sender:
        assert all(sender.send(frame(one)) for one in range(10))
        assert live.end() == 0
    assert json.loads(live.lines[-1][1])["data"]["counters"]["frames"] == 10
