"""Addresses as the library reads them, without loading it."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

import pytest
from ctcpmon.addresses import ip_version, packed
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF, 0x20]) | st.integers(0, 0xFFFF), min_size=8, max_size=8)


@given(WORDS)
def test_zeroes_in_every_place_of_an_ipv6_address(words: list[int]) -> None:
    address = str(IPv6Address(b"".join(word.to_bytes(2, "big") for word in words)))
    assert packed(address) == ip_address(address).packed


@given(st.ip_addresses())
def test_every_address_is_read(address: object) -> None:
    assert packed(str(address)) == ip_address(str(address)).packed
    assert ip_version(str(address)) == f"ipv{ip_address(str(address)).version}"


@pytest.mark.parametrize(
    "text",
    ["", "1.2.3", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.256", "1.2.3.4.5", "+1.2.3.4", "0x1.2.3.4", "1.2.3.4\0",
     "\ud800", "\u0663.1.1.1", ":", "1::2::3", "::ffff:01.2.3.4", "::g", "12345::", "1:2:3:4:5:6:7:8:9", "::1/64"],
)  # fmt: skip
def test_what_is_no_address_is_none(text: str) -> None:
    assert packed(text) is None
    assert ip_version(text) is None
