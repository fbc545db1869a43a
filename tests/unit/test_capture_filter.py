"""Filter expressions: libpcap's programs and words, no name ever looked up, and what the command line says."""

from __future__ import annotations

import ctypes
import ctypes.util
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import ctcpmon
import pytest
from click.testing import CliRunner
from ctcpmon import capture_filter
from ctcpmon.capture_filter import program_for, programs_for
from ctcpmon.cli import cli
from ctcpmon.errors import FilterError, PartMissingError
from ctcpmon.exits import ExitCode
from ctcpmon.filter_words import refuse_names

if TYPE_CHECKING:
    from tests.fake_engine import Scenario

ETHERNET, RAW, SLL, RADIOTAP = 1, 101, 113, 127
ACCEPT = (6, 0, 0, 262_144)


@pytest.fixture
def libpcap() -> None:
    try:
        capture_filter._libpcap()
    except PartMissingError:
        pytest.skip("SKIPPED, NOT PROVEN: no libpcap (apt-get install libpcap0.8)")


@pytest.mark.usefixtures("libpcap")
def test_a_program_is_that_of_tcpdump() -> None:
    # tcpdump -ddd arp
    assert program_for("arp") == ((0x28, 0, 0, 12), (0x15, 0, 1, 0x806), ACCEPT, (6, 0, 0, 0))
    assert program_for("") == (ACCEPT,)


@pytest.mark.usefixtures("libpcap")
def test_link_types_of_files_are_told_in_the_numbers_of_libpcap() -> None:
    # The version, in the first byte of the packet.
    assert program_for("ip", RAW)[:2] == ((0x30, 0, 0, 0), (0x54, 0, 0, 0xF0))
    assert program_for("ip", 14) == program_for("ip", RAW) == program_for("ip", 12)
    assert program_for("ip", SLL)[0] == (0x28, 0, 0, 14)


@pytest.mark.usefixtures("libpcap")
def test_every_link_type_of_the_engine_that_the_expression_fits() -> None:
    from ctcpmon.engine import LINK_TYPES

    links = [link_type for link_type, _ in LINK_TYPES]
    assert list(programs_for("len > 60")) == links
    tagged = programs_for("vlan")
    assert ETHERNET in tagged
    assert SLL not in tagged
    # To libpcap an error, for one link type among others an answer.
    assert programs_for("ip6")[228] == ((6, 0, 0, 0),)
    # For one link type only.
    assert ETHERNET not in programs_for("wlan type mgt")
    assert 105 in programs_for("wlan type mgt")


@pytest.mark.usefixtures("libpcap")
@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("port 10000 and", "filter 'port 10000 and': can't parse filter expression: syntax error"),
        ("tcp[0:3] = 1", "data size must be 1, 2, or 4"),
        ("port 100000", "illegal port number 100000 > 65535"),
        ("port nosuchservice", "unknown port 'nosuchservice'"),
        ("ip \x1b[", r"filter 'ip \x1b[': can't parse"),
        ("caf\udce9", "no word of the filter language"),
    ],
)
def test_a_wrong_expression_is_refused_in_the_words_of_libpcap(expression: str, words: str) -> None:
    for compiled in (program_for, programs_for):
        with pytest.raises(FilterError) as caught:
            compiled(expression)
        assert words in str(caught.value)
        assert str(caught.value).isprintable()


@pytest.mark.usefixtures("libpcap")
def test_what_no_packet_can_be_is_an_error_as_in_tcpdump() -> None:
    with pytest.raises(FilterError, match="expression rejects all packets"):
        program_for("ip and ip6")


@pytest.mark.usefixtures("libpcap")
def test_a_program_too_long_for_the_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # A real one takes libpcap a minute.
    assert capture_filter._MOST_INSTRUCTIONS == 4_096
    monkeypatch.setattr(capture_filter, "_MOST_INSTRUCTIONS", 20)
    with pytest.raises(FilterError, match="24 instructions; the kernel takes 20"):
        programs_for("port 10000")
    # Too long for radiotap alone.
    assert ETHERNET in programs_for("ip6")
    assert RADIOTAP not in programs_for("ip6")


@pytest.mark.usefixtures("libpcap")
def test_threads_get_what_one_thread_gets() -> None:
    expressions = [f"tcp port {n} or ip6 host fe80::{n:x}" for n in range(1, 40)]
    wanted = [program_for(one) for one in expressions]
    got: list[list[capture_filter.Program]] = []
    threads = [
        threading.Thread(target=lambda: got.append([program_for(one) for one in expressions]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [wanted] * 4


NUMBERS = [
    "port 10000", "tcp port http or https", "dst port domain and not src port (ntp or 53)", "portrange 1-20",
    "portrange ftp-http", "host 10.0.0.1 or 10.0.0.2", "net 10 or net 172.16.0.0/12", "net 10.1 mask 255.255.0.0",
    "src net 2001:db8::/32", "ip6 host ::1 or fe80::1", "host ::ffff:192.0.2.1", "ether host 00:11:22:33:44:55",
    "ether host 00-11-22-33-44-55", "ether src 0011.2233.4455", "ether dst 001122334455", "vlan 5 && port 10000",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[13]&0x12=0x12", "ip[2:2] > 1400", "ip[6:2]&0x1fff!=0",
    "len<=128", "greater 100 and less 1500", "ip proto 50", r"ip proto \tcp", r"ether proto \arp", "ether proto 0x800",
    "wlan type mgt subtype beacon", "dir fromds", "ip[8]-1>4", "((((tcp[12:1] & 0xf0) >> 4) * 4) + 20) > 40",
    "mpls 100 and ip", "icmp[icmptype]==icmp-echo", "icmp6[icmp6type]=icmp6-routeradvert", "ip multicast", "",
    "wlan addr1 00:11:22:33:44:55", "port (80 or 443) and host 192.0.2.1",
]  # fmt: skip


@pytest.mark.parametrize("expression", NUMBERS)
def test_numbers_and_words_of_the_language_pass(expression: str) -> None:
    refuse_names(expression)


@pytest.mark.usefixtures("libpcap")
@pytest.mark.parametrize("expression", NUMBERS)
def test_what_passes_is_what_libpcap_understands(expression: str) -> None:
    assert programs_for(expression)


NAMES = {
    "host www.example.com": "www.example.com",
    "www.example.com": "www.example.com",
    "port 80 and host example": "example",
    "host 10.0.0.1 or example": "example",
    "port http and tcp example": "example",
    "src example": "example",
    "net corp": "corp",
    "gateway router": "router",
    "ether host printer": "printer",
    "prot 80": "prot",
    "1.2.3.4.5": "1.2.3.4.5",
    "host 10.0.0.1a": "10.0.0.1a",
    "port http and (udp or example)": "example",
    r"host \tcp": "tcp",
    "TCP": "TCP",
    "len-1 > 5": "len-1",
    "port http or vlan and example": "example",
    "wlan type mgt and example": "example",
    "host[0:example]": "example",
    "host 1::2::3": "",
}


@pytest.mark.parametrize("expression", [one for one in NAMES if NAMES[one]])
def test_a_name_never_reaches_libpcap(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_filter, "_libpcap", lambda: pytest.fail("asked libpcap"))
    for compiled in (program_for, programs_for):
        with pytest.raises(FilterError) as caught:
            compiled(expression)
        assert NAMES[expression] in str(caught.value)
        assert "not looked up" in str(caught.value)


def without_libpcap(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> ctypes.CDLL:
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", missing)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)


def test_without_libpcap_one_sentence_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    without_libpcap(monkeypatch)
    with pytest.raises(PartMissingError) as caught:
        program_for("tcp")
    assert str(caught.value) == "a filter needs libpcap, which is not installed: apt-get install libpcap0.8"


@pytest.mark.usefixtures("scenario")
def test_the_command_line_without_libpcap(monkeypatch: pytest.MonkeyPatch) -> None:
    without_libpcap(monkeypatch)
    done = CliRunner().invoke(cli, ["replay", "a.pcap", "-f", "tcp", "-o", "jsonl"])
    assert done.exit_code == ExitCode.PART_MISSING
    assert done.stderr.count("\n") == 1
    assert "libpcap0.8" in done.stderr
    # Without a filter nobody misses it.
    assert CliRunner().invoke(cli, ["replay", "a.pcap", "-o", "jsonl"]).exit_code == 0


@pytest.mark.usefixtures("libpcap")
def test_a_wrong_expression_on_the_command_line(scenario: Scenario) -> None:
    scenario.error = "must not be opened"
    done = CliRunner().invoke(cli, ["replay", "a.pcap", "-f", "port 10000 and", "-o", "jsonl"])
    assert done.exit_code == ExitCode.USAGE
    assert done.stdout == ""
    assert done.stderr == "ctcpmon: filter 'port 10000 and': can't parse filter expression: syntax error\n"


def test_without_a_filter_no_part_of_it_is_imported() -> None:
    code = (
        "import sys\n"
        "from ctcpmon.cli import cli\n"
        "cli(['replay', sys.argv[1], '-o', 'jsonl'], standalone_mode=False)\n"
        "print([name for name in sys.modules if 'filter' in name and name.startswith('ctcpmon')], file=sys.stderr)"
    )
    demo = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
    done = subprocess.run([sys.executable, "-c", code, demo], capture_output=True, check=True)
    assert done.stdout
    assert done.stderr == b"[]\n"


def test_the_help_names_the_option() -> None:
    shown = CliRunner().invoke(cli, ["replay", "--help"]).stdout
    assert "-f, --filter EXPR" in shown
    assert "tcpdump's language" in " ".join(shown.split())
