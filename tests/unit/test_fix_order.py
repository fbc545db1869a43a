"""Which fix comes first: by the evidence of the finding and by what the site file says."""

from __future__ import annotations

from typing import Any

import pytest
from ctcpmon.config import Firewall, Headend, Site
from ctcpmon.fixes import catalogue, fixes_for, fixes_for_detector
from ctcpmon.fixes.place import place_of
from ctcpmon.platforms import PLATFORMS

from tests.fake_engine import Evidence, finding, stalled

UDP, MIGRATE, LOOK, AROUND = (
    "ipsec-over-udp-nat-t", "anyconnect-ikev2", "find-the-loss", "route-around-proxy",
)  # fmt: skip
HEADEND = "198.51.100.9"


def firewall(platform: str, *inside: str, **facts: Any) -> Firewall:
    return Firewall(name=f"{platform}-1", platform=platform, inside=inside, **facts)


def headend(**facts: Any) -> Headend:
    return Headend(name="vpn-a", address=HEADEND, **facts)


def order(on: Any = None, site: Site | None = None, **options: Any) -> list[str]:
    on = finding(1, stalled()) if on is None else on
    return [recipe.id for recipe in fixes_for(on, site, **options)]


def frozen(*names: str) -> Any:
    evidence = tuple(Evidence(name, 5.0, "segments") for name in ("hole_bytes", *names))
    on = stalled(signature="ctcp.proxy_ack_freeze")
    return finding(1, on, "ctcp.proxy_ack_freeze", evidence=evidence)


def platform_ids(ids: list[str]) -> list[str]:
    return [one for one in ids if catalogue()[one].platform != "any"]


def test_without_a_site_the_usual_devices_come_first_and_the_rest_after_what_always_works() -> None:
    ids = order()
    assert ids[:3] == ["asa-tcp-state-bypass", "linux-notrack", "linux-be-liberal"]
    assert ids[3] == UDP
    assert ids.index(MIGRATE) < ids.index(AROUND) < ids.index(LOOK) < ids.index("fortigate-anti-replay")


@pytest.mark.parametrize("platform", sorted(set(PLATFORMS)))
def test_the_platform_on_the_path_comes_before_all_others(platform: str) -> None:
    others = [firewall(one, "192.0.2.0/24") for one in PLATFORMS if one != platform]
    site = Site(firewall=(*others, firewall(platform, "10.0.0.0/8")))
    first = order(site=site)[0]
    assert catalogue()[first].platform == platform


def test_a_device_on_the_path_beats_one_whose_place_is_not_told_and_that_beats_one_elsewhere() -> None:
    site = Site(firewall=(firewall("asa", "192.0.2.0/24"), firewall("srx"), firewall("pf", "10.1.4.0/24")))
    ids = platform_ids(order(site=site))
    assert ids[:3] == ["pf-sloppy-state", "srx-sequence-check", "asa-tcp-state-bypass"]


def test_a_site_that_tells_no_place_still_names_the_platform() -> None:
    ids = order(site=Site(firewall=(firewall("linux"),)))
    assert ids[0] == "linux-notrack"
    assert ids.index("asa-tcp-state-bypass") > ids.index(LOOK)


def test_an_incident_network_is_matched_too_and_ipv6_never_matches_ipv4() -> None:
    v6 = finding(1, stalled(client_ip="2001:db8::17", headend_ip="2001:db8:ffff::9"))
    site = Site(firewall=(firewall("asa", "10.0.0.0/8"), firewall("pf", "2001:db8::/32")))
    assert platform_ids(order(v6, site))[0] == "pf-sloppy-state"
    assert platform_ids(order(site=site))[0] == "asa-tcp-state-bypass"


@pytest.mark.parametrize(
    "site",
    [
        Site(headend=(headend(nat_t=True),)),
        Site(firewall=(firewall("asa", "10.0.0.0/8"),), headend=(headend(nat_t=True),)),
        Site(firewall=(firewall("asa", "10.0.0.0/8", nat=False),)),
        Site(firewall=(firewall("asa", "10.0.0.0/8", nat=False),), headend=(headend(nat_t=False),)),
    ],
    ids=["nat_t", "nat_t and firewall", "no NAT on the path", "no NAT, no NAT-T: native ESP"],
)
@pytest.mark.parametrize(
    "detector",
    ["ctcp.stateful_drop", "ctcp.reset_after_loss", "ctcp.proxy_ack_freeze", "ctcp.inspection_queue_freeze"],
)
def test_leaving_tcp_comes_first_where_it_is_known_to_work(site: Site, detector: str) -> None:
    assert order(finding(1, stalled(signature=detector), detector), site)[0] == UDP


@pytest.mark.parametrize(
    "site",
    [
        Site(headend=(Headend(name="b", address="198.51.100.10", nat_t=True),)),
        Site(firewall=(firewall("asa", "10.0.0.0/8", nat=True),)),
        Site(firewall=(firewall("asa", "192.0.2.0/24", nat=False),)),
        Site(firewall=(firewall("asa", "10.0.0.0/8", nat=False), firewall("pf", "10.1.0.0/16"))),
    ],
    ids=["other headend", "PAT", "other path", "one of two unknown"],
)
def test_otherwise_that_is_not_known(site: Site) -> None:
    assert place_of(site, "10.1.4.17", HEADEND, 10_000).udp == ""
    assert order(frozen("retransmissions_by_device"), site)[0] == AROUND


def test_a_headend_without_nat_t_puts_leaving_tcp_behind_what_does_not_need_it() -> None:
    site = Site(firewall=(firewall("asa", "10.0.0.0/8", nat=True),), headend=(headend(nat_t=False),))
    ids = order(site=site)
    assert ids.index(UDP) > ids.index(MIGRATE)
    assert order().index(UDP) < order().index(MIGRATE)


@pytest.mark.parametrize("evidence", [(), ("retransmissions_by_device",)])
def test_routing_around_a_proxy_comes_before_any_state_bypass(evidence: tuple[str, ...]) -> None:
    for site in (None, Site(firewall=(firewall("asa", "10.0.0.0/8"), firewall("ftd", "10.0.0.0/8")))):
        ids = order(frozen(*evidence), site)
        for bypass in ("asa-tcp-state-bypass", "ftd-tcp-state-bypass", "ios-zbf-pass", "ips-pass-bypass"):
            assert ids.index(AROUND) < ids.index(bypass)


def test_segments_resent_by_a_device_prove_a_proxy_so_the_way_around_it_is_first() -> None:
    assert order(frozen("retransmissions_by_device"))[0] == AROUND
    assert order(frozen())[0] == UDP


def test_no_fix_for_one_stream_is_offered_for_a_headend_outage() -> None:
    site = Site(firewall=(firewall("asa", "10.0.0.0/8"),), headend=(headend(nat_t=True),))
    for ids in (
        order(is_headend_outage=True),
        order(site=site, is_headend_outage=True),
        [recipe.id for recipe in fixes_for_detector("ctcp.headend_outage", site)],
    ):
        assert ids[0] == "check-the-headend"
        assert platform_ids(ids) == []
        assert AROUND not in ids


def test_an_unanswered_headend_is_looked_at_before_anything_is_changed() -> None:
    on = finding(1, stalled(signature="ctcp.ike_unanswered"), "ctcp.ike_unanswered")
    assert order(on, Site(firewall=(firewall("asa", "10.0.0.0/8"),)))[:2] == [LOOK, "check-the-headend"]


def test_a_platform_filter_takes_any_of_its_names() -> None:
    assert order(platform="opnsense") == order(platform="pf")
    assert platform_ids(order(platform="opnsense")) == ["pf-sloppy-state"]


def test_a_hostile_address_finds_no_device_and_raises_nothing() -> None:
    on = finding(1, stalled(client_ip="\x1b[2J; reload"))
    site = Site(firewall=(firewall("pf", "0.0.0.0/0"), firewall("asa")))
    assert "pf-sloppy-state" in order(on, site)


def test_fixes_of_a_detector_use_the_site_without_a_session() -> None:
    site = Site(firewall=(firewall("srx", "10.0.0.0/8"),))
    assert fixes_for_detector("ctcp.stateful_drop", site)[0].id == "srx-sequence-check"
