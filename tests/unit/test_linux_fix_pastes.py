"""The printed Linux commands, word for word, in a network namespace of the test's own.

Needs root, nft, ip and unshare; conntrack and iptables for their steps. Sends no packet.
"""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from ctcpmon.fixes import RenderedFix, Target, catalogue, render

TARGETS = {
    "v4": Target("10.1.4.17", 1061, "198.51.100.9", 10_000, "a1b2c3"),
    "v6": Target("2001:db8::17", 1061, "2001:db8:ffff::9", 10_000, "a1b2c3"),
    "net4": Target("10.1.4.0/24", None, "198.51.100.9", 10_000, "a1b2c3"),
    "net6": Target("2001:db8:0:4::/64", None, "2001:db8:ffff::9", 10_000, "a1b2c3"),
}
CLIENTS = {"v4": "10.1.4.17", "v6": "2001:db8::17", "net4": "10.1.4.99", "net6": "2001:db8:0:4::99"}
_LACKING = [tool for tool in ("nft", "ip", "unshare") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or bool(_LACKING),
    reason=f"LINUX FIXES NOT TRIED: needs root and {', '.join(_LACKING) or 'nothing else'}",
)
every_target = pytest.mark.parametrize("which", TARGETS)


def paste(*blocks: str) -> subprocess.CompletedProcess[str]:
    """Runs the blocks in one new namespace, as a root shell would that stops at the first error."""
    script = "\n".join(("set -e", "ip link set lo up", *blocks))
    return subprocess.run(
        ["unshare", "-n", "sh"], input=script, capture_output=True, text=True, timeout=30, check=False
    )


def commands(section: str) -> str:
    return "\n".join(line.strip() for line in section.splitlines() if line.startswith(" "))


def step(fix: RenderedFix, word: str) -> str:
    (found,) = (one.text for one in fix.steps if word in one.title)
    return found


@every_target
def test_notrack_by_nft_with_its_forward_rules_and_its_undo(which: str) -> None:
    fix = render(catalogue()["linux-notrack"], TARGETS[which])
    done = paste(
        "nft add table inet filter",
        "nft 'add chain inet filter forward { type filter hook forward priority 0 ; policy drop ; }'",
        fix.config,
        step(fix, "forward chain"),
        step(fix, "itself an end"),
        "nft list ruleset",
        "echo UNDO",
        commands(fix.undo),
        "nft list tables",
    )
    assert (done.returncode, done.stderr) == (0, "")
    applied, undone = done.stdout.split("UNDO")
    assert applied.count("notrack") == 4
    assert applied.count("ct state untracked accept") == 2
    assert applied.index("ct state untracked") < applied.index("table inet ctcpmon")
    assert applied.count("hook prerouting priority raw") == 1
    assert applied.count("hook output priority raw") == 1
    assert "ctcpmon" not in undone


@every_target
def test_only_this_stream_is_untracked(which: str) -> None:
    target = TARGETS[which]
    done = paste(render(catalogue()["linux-notrack"], target).config, "nft list table inet ctcpmon")
    rules = [line.strip() for line in done.stdout.splitlines() if "notrack" in line]
    ip = f"ip{'6' if target.ip_version == 6 else ''}"
    assert rules == [
        f"{ip} saddr {target.client} {ip} daddr {target.server} tcp dport 10000 notrack",
        f"{ip} saddr {target.server} {ip} daddr {target.client} tcp sport 10000 notrack",
    ]


def test_be_liberal_and_its_undo() -> None:
    fix = render(catalogue()["linux-be-liberal"], TARGETS["v4"])
    done = paste(fix.config, "echo", commands(fix.undo), "echo", commands(fix.verify))
    if "No such file" in done.stderr:
        pytest.skip("LINUX FIX NOT TRIED: this kernel has no nf_conntrack")
    key = "net.netfilter.nf_conntrack_tcp_be_liberal"
    assert done.stdout.split("\n\n") == [f"{key} = 1", f"{key} = 0", f"{key} = 0\n"]


@every_target
@pytest.mark.parametrize("name", ["linux-notrack", "linux-be-liberal"])
def test_the_poisoned_entry_is_removed_and_no_other(which: str, name: str) -> None:
    if shutil.which("conntrack") is None:
        pytest.skip("LINUX FIX NOT TRIED: conntrack is not installed")
    target, client = TARGETS[which], CLIENTS[which]
    add = f"conntrack -I -p tcp -s {client} --sport 1061 --state ESTABLISHED -t 600"
    family = "ipv6" if ":" in client else "ipv4"
    done = paste(
        f"{add} -d {target.server} --dport 10000 2>&1",
        f"{add} -d {target.server} --dport 443 2>&1",
        step(render(catalogue()[name], target), "entry" if name == "linux-be-liberal" else "poisoned entry"),
        "echo LEFT",
        f"conntrack -L -f {family}",
    )
    assert done.returncode == 0, done.stderr
    deleted, left = done.stdout.split("LEFT")
    assert "dport=10000" in deleted
    assert "dport=443" in left
    assert "dport=10000" not in left


@every_target
def test_iptables(which: str) -> None:
    tool = "ip6tables" if TARGETS[which].ip_version == 6 else "iptables"
    if shutil.which(tool) is None:
        pytest.skip(f"LINUX FIX NOT TRIED: {tool} is not installed")
    text = step(render(catalogue()["linux-notrack"], TARGETS[which]), "iptables")
    done = paste(
        text, f"{tool} -t raw -S", f"{tool} -S", "echo UNDO", text.replace(" -I ", " -D "), f"{tool} -S"
    )
    assert done.returncode == 0, done.stderr
    applied, undone = done.stdout.split("UNDO")
    assert applied.count("--notrack") == 2
    assert applied.count("UNTRACKED") == 2
    assert "UNTRACKED" not in undone


@every_target
def test_the_exception_from_a_redirect_and_its_undo(which: str) -> None:
    fix = render(catalogue()["proxy-exclude"], TARGETS[which])
    done = paste(fix.config, "nft list ruleset", "echo UNDO", commands(fix.undo), "nft list ruleset")
    assert (done.returncode, done.stderr) == (0, "")
    applied, undone = done.stdout.split("UNDO")
    assert "dnat to" in applied
    assert undone.strip() == ""
