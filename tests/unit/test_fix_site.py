"""The site file in the text of a fix: device names, releases that choose templates, checked names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ctcpmon.config import Firewall, Headend, Site, load_settings
from ctcpmon.errors import FixError, SettingsError
from ctcpmon.fixes import Target, catalogue, render, render_for_session
from ctcpmon.fixes.place import fits_release
from ctcpmon.fixes.placeholders import SITE_NAMES, site_values
from ctcpmon.platforms import PLATFORMS

from tests.fake_engine import session

if TYPE_CHECKING:
    from ctcpmon.fixes import RenderedFix

V4 = Target("10.1.4.17", 1061, "198.51.100.9", 10_000, "a1b2c3")
FULL = """
[site]
name = "fra1"

[[site.firewall]]
name = "asa-core"
platform = "asa"
inside = ["10.0.0.0/8"]
version = "9.8(4)"
nat = false
policy = "core_policy"

[[site.firewall]]
name = "edge"
platform = "opnsense"
inside = ["192.0.2.0/24", "2001:db8::/32"]

[[site.headend]]
name = "vpn-a"
address = "198.51.100.9"
ports = [10000, 10001]
nat_t = true
platform = "asa"
version = "8.0"
"""


def load(tmp_path: Path, text: str) -> Site:
    path = tmp_path / "ctcpmon.toml"
    path.write_text(text)
    return load_settings(path).site


def asa(**facts: Any) -> Site:
    return Site(firewall=(Firewall(name="asa-core", platform="asa", inside=("10.0.0.0/8",), **facts),))


def fixed(name: str, site: Site | None = None, target: Target = V4) -> RenderedFix:
    return render(catalogue()[name], target, site=site)


def titles(fix: RenderedFix) -> str:
    return "\n".join(step.title for step in fix.steps)


def test_a_full_site_file_fills_the_text(tmp_path: Path) -> None:
    site = load(tmp_path, FULL)
    fix = fixed("asa-tcp-state-bypass", site)
    text = fix.text(79)
    assert "Where: on asa-core (release 9.8(4)): its inside networks hold the client" in text
    assert "Where: headend vpn-a (release 8.0); it accepts UDP 4500 (site file)" in text
    assert "policy-map core_policy" in fix.config
    assert "service-policy core_policy global" in fix.config
    assert "global_policy" not in text
    assert " no class CTCPMON-a1b2c3" in fix.undo
    assert "policy-map core_policy" in fix.undo
    assert "edge" not in text


def test_the_example_of_the_documentation_is_valid_and_complete(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "site-file.md").read_text("utf-8")
    site = load(tmp_path, page.split("```toml\n")[1].split("```")[0])
    assert [one.name for one in site.firewall] == ["asa-core", "edge-2", "gw-3"]
    for key in (*Firewall.__struct_fields__, *Headend.__struct_fields__):
        assert key in page, key
    for platform in PLATFORMS:
        assert f"`{platform}`" in page, platform


def test_a_device_in_front_of_other_clients_is_not_named(tmp_path: Path) -> None:
    assert fixed("pf-sloppy-state", load(tmp_path, FULL)).where == (
        "headend vpn-a (release 8.0); it accepts UDP 4500 (site file)",
    )


def test_a_device_without_networks_is_named_with_that_caveat() -> None:
    site = Site(firewall=(Firewall(name="fw", platform="asa"),))
    assert fixed("asa-tcp-state-bypass", site).where == (
        "on fw: the site file does not say which clients are behind it",
    )


def test_two_devices_on_the_path_are_both_named() -> None:
    one, two = (Firewall(name=name, platform="asa", inside=("10.0.0.0/8",)) for name in ("a-1", "a-2"))
    where = fixed("asa-tcp-state-bypass", Site(firewall=(one, two))).where
    assert where[0].startswith("on a-1, a-2: ")
    assert "the text is for a-1" in where[1]


def test_an_incident_of_several_clients_finds_its_device() -> None:
    net = Target("10.1.4.0/24", None, "198.51.100.9", 10_000, "a1")
    assert fixed("asa-tcp-state-bypass", asa(), net).where[0].startswith("on asa-core")


@pytest.mark.parametrize("release", ["8.0", "8.0(5)", "7.2(4)"])
def test_an_old_asa_gets_template_b(release: str) -> None:
    fix = fixed("asa-tcp-state-bypass", asa(version=release))
    assert "seq-past-window allow" in fix.config
    assert "tcp-state-bypass" not in fix.config
    assert "Template A" not in titles(fix)
    assert "only before" not in titles(fix)
    assert "! tcp-state-bypass does not exist" in fix.text()


@pytest.mark.parametrize("release", ["8.2", "8.2(1)", "8.2(5)26", "9.16(4)"])
def test_a_newer_asa_gets_template_a_and_no_word_about_old_releases(release: str) -> None:
    fix = fixed("asa-tcp-state-bypass", asa(version=release))
    assert "set connection advanced-options tcp-state-bypass" in fix.config
    assert "tcp-map" not in fix.config
    assert "does not exist" not in fix.text()


def test_an_unknown_release_shows_both_with_their_range() -> None:
    names = titles(fixed("asa-tcp-state-bypass"))
    assert "Template A: bypass state for this stream (from 8.2(1))" in names
    assert "(only before 8.2(1))" in names


@pytest.mark.parametrize(("release", "is_flexconfig"), [("6.2.3", True), ("6.3", False), ("7.4.1", False)])
def test_the_release_of_an_ftd_chooses_between_flexconfig_and_menu(
    release: str, *, is_flexconfig: bool
) -> None:
    site = Site(firewall=(Firewall(name="ftd", platform="ftd", inside=("10.0.0.0/8",), version=release),))
    fix = fixed("ftd-tcp-state-bypass", site)
    assert ("FlexConfig object" in titles(fix)) is is_flexconfig
    assert ("Enable TCP State Bypass" in fix.text()) is not is_flexconfig
    assert ("access-list CTCPMON" in fix.config) is is_flexconfig


@pytest.mark.parametrize(
    ("platform", "release", "has", "has_not"),
    [
        ("asa", "8.0", "no crypto isakmp ipsec-over-tcp", "no crypto ikev1"),
        ("asa", "8.4(2)", "no crypto ikev1 ipsec-over-tcp", "no crypto isakmp ipsec"),
        ("asa", "7.0", "\n    isakmp nat-traversal", "crypto isakmp nat-traversal"),
        ("ios-xe", "12.4(24)T", "no crypto ctcp port 10000", "ipsec-over-tcp"),
    ],
)
def test_platform_and_release_of_the_headend_choose_its_commands(
    platform: str, release: str, has: str, has_not: str
) -> None:
    one = Headend(name="vpn-a", address="198.51.100.9", platform=platform, version=release)
    text = fixed("ipsec-over-udp-nat-t", Site(headend=(one,))).text()
    assert has in text
    assert has_not not in text


def test_the_headend_is_known_by_address_and_then_by_port() -> None:
    heads = tuple(
        Headend(name=name, address=address, ports=(port,))
        for name, address, port in (
            ("other", "198.51.100.10", 10_000),
            ("wrong-port", "198.51.100.9", 443),
            ("right", "198.51.100.9", 10_000),
        )
    )
    assert fixed("find-the-loss", Site(headend=heads)).where == ("headend right",)
    assert fixed("find-the-loss", Site(headend=heads[:2])).where == ("headend wrong-port",)
    assert fixed("find-the-loss", Site(headend=heads[:1])).where == ()


@pytest.mark.parametrize(
    ("release", "since", "before", "fits"),
    [
        (None, "8.2(1)", "", True),
        ("8.2", "8.2(1)", "", True),
        ("8.1(9)", "8.2(1)", "", False),
        ("10.0", "9.8", "", True),
        ("6.2.3.18", "", "6.3", True),
        ("6.3", "", "6.3", False),
        ("12.4(24)T", "12.4(9)", "12.5", True),
    ],
)
def test_releases_are_compared_by_number(release: str | None, since: str, before: str, *, fits: bool) -> None:
    assert fits_release(release, since=since, before=before) is fits


def test_names_that_the_site_file_does_not_give_are_asked_for() -> None:
    fix = fixed(
        "srx-sequence-check", Site(firewall=(Firewall(name="s", platform="junos", inside_zone="trust"),))
    )
    assert "from-zone trust to-zone <outside-zone>" in fix.config
    assert "<outside-zone>" in fix.own_names
    assert fix.site_keys == ("outside_zone",)
    assert "the site file can name them, in [[site.firewall]]: outside_zone" in " ".join(fix.text(79).split())


def test_the_forward_chain_of_a_linux_box_is_used() -> None:
    box = Firewall(name="gw", platform="openwrt", inside=("10.0.0.0/8",), forward_chain="inet fw4 forward")
    assert "nft insert rule inet fw4 forward ip saddr" in fixed("linux-notrack", Site(firewall=(box,))).text()
    assert "nft insert rule inet filter forward ip saddr" in fixed("linux-notrack").text()


HOSTILE = (
    "a b",
    "x;reload",
    "x\nreload",
    "x\n",
    "$(id)",
    "`id`",
    "{PORT}",
    "<x>",
    "-rf",
    "",
    "a" * 64,
    "é",
    "a'b",
)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("key", [*SITE_NAMES.values(), "version", "name"])
def test_a_name_that_could_mean_something_is_refused_by_the_file_and_by_the_text(
    tmp_path: Path, name: str, key: str
) -> None:
    facts = {"name": "fw", "platform": "asa", key: name}
    lines = "".join(f"{one} = {_toml(text)}\n" for one, text in facts.items())
    with pytest.raises(SettingsError, match=key):
        load(tmp_path, f"[[site.firewall]]\n{lines}")
    if key in SITE_NAMES.values():
        with pytest.raises(FixError, match=key):
            site_values(Firewall(**facts), {})


def _toml(text: str) -> str:
    return '"' + "".join(f"\\U{ord(char):08x}" for char in text) + '"'


def test_a_session_with_a_hostile_address_gets_no_device_and_no_command() -> None:
    fix = render_for_session(
        catalogue()["asa-tcp-state-bypass"],
        session(client_ip="10.1.4.17\nreload"),  # type: ignore[arg-type]
        site=asa(),
    )
    assert fix.where == ()
    assert "reload" not in fix.text()
    assert "CLIENT_ACL" in fix.to_fill_in


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[site.firewall]]\nname = "a"\nplatform = "asa"\nnam = "x"\n', "'nam' in site.firewall[0]; did you mean 'name'"),
        ('[[site.firewall]]\nname = "a"\nplatform = "asa"\ninsid = []\n', "did you mean 'inside'"),
        ('[[site.firewall]]\nname = "a"\nplatform = "asa"\nnat_t = true\n', "did you mean 'nat'"),
        ('[[site.headend]]\nname = "a"\naddress = "192.0.2.1"\nport = [1]\n', "in site.headend[0]; did you mean 'ports'"),
        ("[site]\ninside = []\n", "unknown key 'inside' in site; that key belongs in site.firewall"),
        ("[[firewall]]\n", "unknown key 'firewall'; that key belongs in site"),
        ("[limits]\nnat_t = true\n", "unknown key 'nat_t' in limits; that key belongs in site.headend"),
        ('[[site.firewall]]\nname = "a"\nplatform = "cisco-asa"\n', "did you mean 'asa'"),
        ('[[site.firewall]]\nname = "a"\nplatform = "fortigat"\n', "did you mean 'fortigate'"),
        ('[[site.headend]]\nname = "a"\naddress = "192.0.2.1"\nplatform = "isa"\n', "did you mean"),
        ('[[site.firewall]]\nname = "a"\nplatform = "asa"\ninside = ["10.0.0.1/8"]\n', "'10.0.0.1/8' is no network"),
        ('[[site.firewall]]\nname = "a"\nplatform = "asa"\ninside = ["\\u001b[2J"]\n', "x1b"),
        ('[[site.headend]]\nname = "a"\naddress = "vpn.example"\n', "'vpn.example' is no IP address"),
        ('[[site.headend]]\nname = "a"\naddress = "192.0.2.1"\nports = [0]\n', "site.headend[0].ports"),
    ],
)  # fmt: skip
def test_a_wrong_site_file_is_one_clear_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert expected in str(caught.value)
    assert str(caught.value).isprintable()
