"""Recipes: strict files, a closed set of checked placeholders, sensible order, display only."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ctcpmon.diagnosis import CAUSES, IncidentBook
from ctcpmon.errors import FixError
from ctcpmon.fixes import (
    NOTICE,
    PLANNED_DETECTORS,
    Target,
    catalogue,
    fixes_for,
    fixes_for_detector,
    load_recipe,
    render,
    render_for_incident,
    render_for_session,
)

from tests.fake_engine import finding, session, stalled

V4 = Target("10.1.4.17", 1061, "198.51.100.9", 10_000, "a1b2c3")
V6 = Target("2001:db8::17", 1061, "2001:db8:ffff::9", 10_000, "a1b2c3")
MINIMAL = """
id = "some-fix"
title = "t"
platform = "any"
platform_name = "p"
cause = "c"
why = "w"
risk = "r"
verify = "v"
undo = "u"
[[treats]]
detector = "ctcp.stateful_drop"
rank = 1
[[steps]]
title = "s"
text = "x {CLIENT}"
mark = "V"
[[references]]
text = "r"
mark = "V"
"""


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.detector)
def test_every_detector_has_a_fix_and_a_way_to_look(cause: Any) -> None:
    ids = [recipe.id for recipe in fixes_for_detector(cause.detector)]
    assert "find-the-loss" in ids
    assert len(ids) >= 3


def test_recipes_name_known_detectors_only() -> None:
    known = {cause.detector for cause in CAUSES} | PLANNED_DETECTORS
    for recipe in catalogue().values():
        assert {treats.detector for treats in recipe.treats} <= known


@pytest.mark.parametrize("recipe", catalogue().values(), ids=lambda recipe: recipe.id)
@pytest.mark.parametrize("target", [V4, V6, None], ids=["v4", "v6", "none"])
def test_every_recipe_renders(recipe: Any, target: Target | None) -> None:
    fix = render(recipe, target)
    text = fix.text()
    assert text.endswith(NOTICE)
    if target is not None:
        assert fix.to_fill_in == ()
        assert not re.search(r"\{[A-Z_]+\}", text)


def test_asa_template_in_full() -> None:
    (apply,) = (s for s in render(catalogue()["asa-tcp-state-bypass"], V4).steps if s.role == "apply")
    assert apply.text.splitlines() == [
        "access-list CTCPMON-a1b2c3 extended permit tcp host 10.1.4.17 host 198.51.100.9 eq 10000",
        "access-list CTCPMON-a1b2c3 extended permit tcp host 198.51.100.9 eq 10000 host 10.1.4.17",
        "class-map CTCPMON-a1b2c3",
        " match access-list CTCPMON-a1b2c3",
        "policy-map global_policy",
        " class CTCPMON-a1b2c3",
        "  set connection advanced-options tcp-state-bypass",
        "  set connection timeout idle 1:00:00",
        "service-policy global_policy global",
        "clear conn address 10.1.4.17",
    ]


def test_asa_text_names_template_b_and_old_releases() -> None:
    text = render(catalogue()["asa-tcp-state-bypass"], V4).text()
    for part in ("tcp-map CTCPMON-a1b2c3", "seq-past-window allow", "invalid-ack allow", "exceed-mss allow"):
        assert part in text
    assert "only before 8.2(1)" in text
    assert "second-hand copy" in text
    assert "unconfirmed" in text


def test_ipv6_gets_its_own_syntax() -> None:
    text = render(catalogue()["linux-notrack"], V6).text()
    assert "ip6 saddr 2001:db8::17 ip6 daddr 2001:db8:ffff::9" in text
    assert "ip6tables -t raw" in text
    assert not re.search(r"\bip saddr|\biptables -", text)
    assert "9.0 or later" in render(catalogue()["asa-tcp-state-bypass"], V6).text()


def test_an_incident_of_several_sessions_gets_the_network() -> None:
    book = IncidentBook()
    book.add(finding(1, stalled(0)))
    (alone,) = book.incidents()
    recipe = catalogue()["asa-tcp-state-bypass"]
    assert "host 10.1.4.17 host 198.51.100.9" in render_for_incident(recipe, alone).config
    book.add(finding(2, stalled(1)))
    (both,) = book.incidents()
    config = render_for_incident(recipe, both).config
    assert "permit tcp 10.1.4.0 255.255.255.0 host 198.51.100.9 eq 10000" in config
    assert "clear conn address 10.1.4.0 netmask 255.255.255.0" in config
    assert "tcp-map" not in config


@pytest.mark.parametrize(
    "changes",
    [
        {"client": "10.1.4.17\nno service-policy"},
        {"client": "evil; reload"},
        {"client": "fe80::1%eth0;reload", "server": "fe80::2"},
        {"server": "10.0.0.0/8"},
        {"server": "::1"},
        {"port": 0},
        {"port": 70_000},
        {"port": "22; reload"},
        {"port": True},
        {"client_port": -1},
        {"tag": "a b"},
        {"tag": "abc\n"},
        {"tag": ""},
        {"tag": "x" * 13},
    ],
)
def test_nothing_but_addresses_ports_and_tags_gets_into_a_command(changes: dict[str, Any]) -> None:
    values: dict[str, Any] = {
        "client": "10.1.4.17",
        "client_port": 1061,
        "server": "198.51.100.9",
        "port": 10_000,
        "tag": "a1",
    }
    with pytest.raises(FixError):
        Target(**{**values, **changes})


def test_a_session_with_a_hostile_address_leaves_the_placeholders() -> None:
    fix = render_for_session(catalogue()["asa-tcp-state-bypass"], session(client_ip="\x1b[2J;reload"))  # type: ignore[arg-type]
    assert "reload" not in fix.config
    assert "CLIENT_ACL" in fix.to_fill_in


def test_silence_after_a_loss_points_to_the_device_and_silence_alone_to_the_silent_side() -> None:
    on = stalled(signature="ctcp.silent_death")
    after_loss = finding(1, on, "ctcp.silent_death")
    alone = finding(1, on, "ctcp.silent_death", evidence=())
    assert fixes_for(after_loss)[0].id == "asa-tcp-state-bypass"  # type: ignore[arg-type]
    assert fixes_for(alone)[0].id == "find-the-loss"  # type: ignore[arg-type]


def test_fake_tcp_tunnels_get_no_cisco_client_advice() -> None:
    on = finding(1, stalled(protocol="faketcp"))
    ids = {recipe.id for recipe in fixes_for(on)}  # type: ignore[arg-type]
    assert ids.isdisjoint({"ipsec-over-udp-nat-t", "anyconnect-ikev2"})
    assert "asa-tcp-state-bypass" in ids


def test_an_evidence_condition_decides() -> None:
    text = MINIMAL + '\n[[when.evidence]]\nname = "hole_bytes"\nat_least = 100\n'
    assert load_recipe(text, "f").when.evidence[0].at_least == 100


def test_the_ledger_is_printed_for_a_session() -> None:
    on = finding(1, stalled())
    text = render_for_session(catalogue()["find-the-loss"], on.session, on).text()  # type: ignore[arg-type]
    assert "place of the loss: on the client side of the tap" in text
    assert "ESP 2 of 90 packets missing (2.22 %)" in text
    assert "the tap itself missed 0.10 %" in text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("why =", "wy ="), "did you mean 'why'"),
        (("rank = 1", "rnk = 1"), "did you mean 'rank'"),
        (("{CLIENT}", "{CLIENTS}"), "unknown placeholder {CLIENTS}"),
        (('mark = "V"', 'mark = "X"'), "f.toml: "),
        (('id = "some-fix"', 'id = "Some Fix"'), "f.toml: "),
        (("rank = 1", "rank = "), "f.toml: "),
    ],
)
def test_a_wrong_recipe_is_refused_with_a_hint(change: tuple[str, str], expected: str) -> None:
    with pytest.raises(FixError, match=re.escape(expected)):
        load_recipe(MINIMAL.replace(*change), "f.toml")


def test_no_recipe_claims_that_something_was_done() -> None:
    assert load_recipe(MINIMAL, "f").id == "some-fix"
    assert "never" in NOTICE
