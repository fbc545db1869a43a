"""The shipped recipes as a whole: complete, marked, renderable for every kind of target, readable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from ctcpmon.config import Firewall, Headend, Site
from ctcpmon.diagnosis import CAUSES, IncidentBook
from ctcpmon.errors import FixError
from ctcpmon.fixes import (
    NOTICE,
    PLANNED_DETECTORS,
    Target,
    catalogue,
    fixes_for_detector,
    listing,
    load_recipe,
    render,
    render_for_incident,
)
from ctcpmon.fixes.fitting import EvidenceRange, Ranks, Treats, When
from ctcpmon.fixes.ranks import RANKS
from ctcpmon.fixes.recipe import Recipe
from ctcpmon.platforms import PLATFORMS, family_of

from tests.fake_engine import finding, stalled

if TYPE_CHECKING:
    from ctcpmon.fixes import Recipe

V4 = Target("10.1.4.17", 1061, "198.51.100.9", 10_000, "a1b2c3")
V6 = Target("2001:db8::17", 1061, "2001:db8:ffff::9", 10_000, "a1b2c3")
NET4 = Target("10.1.4.0/24", None, "198.51.100.9", 10_000, "a1b2c3")
NET6 = Target("2001:db8:1::/64", None, "2001:db8:ffff::9", 10_000, "a1b2c3")
TARGETS = {"v4": V4, "v6": V6, "net4": NET4, "net6": NET6}
RECIPES = list(catalogue().values())
every_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.id)
every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
# The devices of the field notes, section 2, under the name the site file uses for them.
DEVICES = (
    "asa", "ftd", "ios", "linux", "openwrt", "mikrotik", "pf", "opnsense", "pfsense", "paloalto",
    "fortigate", "srx", "checkpoint", "f5", "haproxy", "nginx", "squid", "suricata", "snort",
)  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_of_the_field_notes_has_a_recipe(device: str) -> None:
    ours = [recipe for recipe in RECIPES if recipe.platform == family_of(device)]
    assert ours, device
    treated = {treats.detector for recipe in ours for treats in recipe.treats}
    assert treated & {"ctcp.stateful_drop", "ctcp.proxy_ack_freeze"}


def test_the_ranks_are_those_of_the_recipes() -> None:
    assert [entry.id for entry in RANKS] == [recipe.id for recipe in RECIPES], "run tools/fix_ranks.py"
    for entry, recipe in zip(RANKS, RECIPES, strict=True):
        assert repr(entry) == repr(plain(recipe)), "run tools/fix_ranks.py"


def plain(recipe: Recipe) -> Ranks:
    """What choosing reads of a recipe."""
    ranges = [EvidenceRange(one.name, one.at_least, one.at_most) for one in recipe.when.evidence]
    return Ranks(
        recipe.id,
        recipe.platform,
        tuple(Treats(one.detector, one.rank, one.if_evidence, one.if_site) for one in recipe.treats),
        When(recipe.when.protocols, tuple(ranges)),
        recipe.is_common,
    )


def test_every_platform_has_a_recipe_and_every_recipe_a_platform() -> None:
    assert {recipe.platform for recipe in RECIPES} == {"any", *PLATFORMS}


@pytest.mark.parametrize("detector", [*(cause.detector for cause in CAUSES), *PLANNED_DETECTORS])
def test_every_detector_has_fixes_for_any_device(detector: str) -> None:
    ids = {recipe.id for recipe in fixes_for_detector(detector) if recipe.platform == "any"}
    assert {"find-the-loss", "ipsec-over-udp-nat-t"} <= ids


def test_an_inspection_queue_is_treated_by_exempting_the_stream_first() -> None:
    ids = [recipe.id for recipe in fixes_for_detector("ctcp.inspection_queue_freeze")]
    assert ids[0] == "asa-tcp-state-bypass"
    assert {"ftd-tcp-state-bypass", "ios-zbf-pass", "paloalto-app-override", "ips-pass-bypass"} <= set(ids)


@every_recipe
def test_every_step_has_a_mark_and_every_mark_is_printed(recipe: Recipe) -> None:
    assert recipe.references
    shown = {"V": "read in the named", "V2": "second-hand", "M": "unconfirmed", "I": "inferred"}
    for step, rendered in zip(recipe.steps, render(recipe).steps, strict=True):
        assert shown[step.mark] in rendered.confirmed
    text = render(recipe, V4).text()
    assert all(shown[step.mark] in text for step in recipe.steps)


@every_recipe
@every_target
def test_nothing_is_left_to_fill_in_but_names_on_the_device(recipe: Recipe, target: Target) -> None:
    fix = render(recipe, target)
    text = fix.text(79)
    assert text.replace("\n", " ").endswith(NOTICE)
    assert fix.to_fill_in == ()
    assert not re.search(r"\{\S|\S\}", text), "a brace that is not syntax of a device is left"
    assert all(name in text for name in fix.own_names)


@every_recipe
def test_a_text_without_a_target_keeps_its_placeholders(recipe: Recipe) -> None:
    fix = render(recipe)
    assert set(fix.to_fill_in) == set(re.findall(r"\{([A-Z_]+)\}", fix.text().partition("Fill in")[0]))


@every_recipe
def test_every_recipe_for_an_incident_of_several_clients(recipe: Recipe) -> None:
    book = IncidentBook()
    book.add(finding(1, stalled(0)))
    book.add(finding(2, stalled(1)))
    (incident,) = book.incidents()
    fix = render_for_incident(recipe, incident)
    assert fix.to_fill_in == ()
    if recipe.platform != "any":
        assert "10.1.4.0" in fix.text()
        assert "10.1.4.17" not in fix.text()


@every_recipe
def test_prose_fits_eighty_columns_and_text_to_type_is_never_broken(recipe: Recipe) -> None:
    wide, narrow = render(recipe, V4), render(recipe, V4).lines(79)
    to_type = {f"    {line}" for step in wide.steps for line in step.text.splitlines()}
    to_type |= {f"  {line}" for line in f"{wide.verify}\n{wide.undo}".splitlines() if line[:1] == " "}
    assert to_type <= set(narrow)
    for line in narrow:
        if line not in to_type and "://" not in line:
            assert len(line) <= 79, line
    for step in wide.steps:
        if step.role == "advice":
            prose = [
                line for line in step.text.splitlines() if not re.search(r"10\.1\.4|nft |set |add ", line)
            ]
            assert all(len(line) <= 76 for line in prose), prose


@every_recipe
def test_ids_and_titles_fit_the_lists(recipe: Recipe) -> None:
    assert len(recipe.id) <= 23
    assert len(recipe.title) <= 53
    for line in listing(RECIPES):
        assert len(line) <= 79


def test_the_list_is_grouped_by_platform() -> None:
    lines = listing(RECIPES)
    assert lines[0] == "any device"
    assert "asa: Cisco ASA" in lines
    assert sum(line.startswith("  ") for line in lines) == len(RECIPES)
    assert listing(RECIPES, "srx")[0] == "srx: Juniper SRX"
    assert len(listing(RECIPES, "srx")) == 2


IPV6_FORMS = {
    "ftd-tcp-state-bypass": "permit tcp host 2001:db8::17 host 2001:db8:ffff::9 eq 10000",
    "fortigate-anti-replay": "set ip6 2001:db8::17/128",
    "f5-fastl4": "destination 2001:db8:ffff::9.10000",
    "ios-zbf-pass": "ipv6 access-list CTCPMON-a1b2c3",
    "linux-notrack": "conntrack -D -f ipv6 -p tcp -s 2001:db8::17",
    "mikrotik-notrack": "/ipv6 firewall raw",
    "proxy-exclude": "nft add table ip6 ctcpmon",
    "srx-sequence-check": "ctcpmon-a1b2c3-client 2001:db8::17/128",
}


@pytest.mark.parametrize(("name", "form"), IPV6_FORMS.items())
def test_ipv6_has_its_own_syntax(name: str, form: str) -> None:
    assert form in render(catalogue()[name], V6).text()
    four = render(catalogue()[name], V4).text().partition("References")[0]
    assert not re.search(r"ip6|ipv6|2001:db8", four)


def test_a_step_without_an_ipv6_form_says_so() -> None:
    steps = render(catalogue()["route-around-proxy"], V6).steps
    assert [step.text for step in steps if not step.is_available] == ["not available for IPv6"]


MASKS = {
    "asa-tcp-state-bypass": "10.1.4.0 255.255.255.0 host 198.51.100.9",
    "ios-zbf-pass": "permit tcp 10.1.4.0 0.0.0.255 host 198.51.100.9",
    "fortigate-anti-replay": "set subnet 10.1.4.0/24",
    "srx-sequence-check": "-client 10.1.4.0/24",
}


@pytest.mark.parametrize(("name", "form"), MASKS.items())
def test_a_network_of_clients_in_the_form_of_the_device(name: str, form: str) -> None:
    assert form in render(catalogue()[name], NET4).text()


def test_dangerous_or_useless_ways_are_marked_as_such() -> None:
    texts = {name: " ".join(render(recipe, V4).text().split()) for name, recipe in catalogue().items()}
    assert "Fastpath" in texts["ftd-tcp-state-bypass"]
    assert "postpones" in texts["ios-zbf-pass"]
    assert "escape NAT" in texts["linux-notrack"]
    assert "every policy that is forgotten" in texts["srx-sequence-check"].lower()
    assert "no exemption" in texts["proxy-exclude"].lower()
    assert "without a filter ends every session" in texts["fortigate-anti-replay"]
    assert texts["paloalto-app-override"].index("By GUI") < texts["paloalto-app-override"].index("By command")


BROKEN = {
    "platform": (r'platform = "asa"', 'platform = "asaa"', "unknown platform 'asaa'"),
    "placeholder": ("eq {PORT}", "eq {PORTT}", "unknown placeholder {PORTT}"),
    "usual name": ("POLICY = ", "POLICE = ", "usual_names has 'POLICE'"),
    "mark": ('mark = "V2"', 'mark = "V9"', "steps"),
    "no mark": ('mark = "V2"\n', "", "mark"),
    "release": ('since = "8.2(1)"', 'since = "soon"', "since"),
    "site condition": ("rank = 10\n", 'rank = 10\nif_site = "maybe"\n', "if_site"),
}


@pytest.mark.parametrize(("old", "new", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_recipe_is_refused(old: str, new: str, reason: str) -> None:
    from importlib import resources

    text = resources.files("ctcpmon.fixes").joinpath("asa-tcp-state-bypass.toml").read_text("utf-8")
    assert load_recipe(text, "x").id == "asa-tcp-state-bypass"
    assert old in text
    with pytest.raises(FixError, match=re.escape(reason)):
        load_recipe(text.replace(old, new), "x")


NAMES: dict[str, Any] = {
    "inside_interface": "port7",
    "outside_interface": "wan1",
    "inside_zone": "trust",
    "outside_zone": "untrust",
    "policy": "IN-OUT",
    "return_policy": "OUT-IN",
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_fully_described_firewall_leaves_no_name_of_the_site_file_open(platform: str) -> None:
    firewall = Firewall(name="fw-1", platform=platform, inside=("10.0.0.0/8",), **NAMES)
    site = Site(firewall=(firewall,), headend=(Headend(name="vpn-a", address="198.51.100.9"),))
    for recipe in RECIPES:
        if recipe.platform == platform:
            fix = render(recipe, V4, site=site)
            assert fix.site_keys == ()
            assert fix.where[0].startswith("on fw-1: ")
            assert fix.where[-1].startswith("headend vpn-a")
