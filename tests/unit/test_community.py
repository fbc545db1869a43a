"""Community ID v1 against published vectors (corelight/community-id-spec, baseline and tests)."""

from __future__ import annotations

import pytest
from ctcpmon.community import community_id

VECTORS = [
    ("128.232.110.120", 34855, "66.35.250.204", 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    (
        "2001:470:e5bf:dead:4957:2174:e82c:4887",
        63943,
        "2607:f8b0:400c:c03::1a",
        25,
        "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
    ),
]


@pytest.mark.parametrize(("ip_a", "port_a", "ip_b", "port_b", "expected"), VECTORS)
def test_known_vectors_in_both_directions(
    ip_a: str, port_a: int, ip_b: str, port_b: int, expected: str
) -> None:
    assert community_id(ip_a, port_a, ip_b, port_b) == expected
    assert community_id(ip_b, port_b, ip_a, port_a) == expected


def test_not_an_address_is_unknown() -> None:
    assert community_id("nonsense", 1, "10.0.0.1", 2) is None
    assert community_id("10.0.0.1", 70_000, "10.0.0.2", 2) is None
    assert community_id("10.0.0.1", 1, "::1", 2) is None
