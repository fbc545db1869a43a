"""The device families that fixes exist for, and the other names people use for them.

A site file and ``--platform`` name a family; every family has at least one recipe. Knows no recipe.
"""

from __future__ import annotations

__all__ = ["PLATFORMS", "family_of", "nearest_platform"]

PLATFORMS: dict[str, str] = {
    "asa": "Cisco ASA",
    "checkpoint": "Check Point",
    "f5": "F5 BIG-IP",
    "fortigate": "Fortinet FortiGate",
    "ftd": "Cisco FTD / Secure Firewall",
    "ios": "Cisco IOS and IOS XE firewall",
    "ips": "Suricata or Snort inline",
    "linux": "Linux netfilter",
    "mikrotik": "MikroTik RouterOS",
    "paloalto": "Palo Alto",
    "pf": "pf: OpenBSD, FreeBSD, OPNsense, pfSense",
    "proxy": "HAProxy, nginx, Squid, WAN optimiser",
    "srx": "Juniper SRX",
}
_OTHER_NAMES: dict[str, str] = {
    "big-ip": "f5",
    "fortios": "fortigate",
    "freebsd": "pf",
    "haproxy": "proxy",
    "ios-xe": "ios",
    "iptables": "linux",
    "junos": "srx",
    "nftables": "linux",
    "nginx": "proxy",
    "openbsd": "pf",
    "openwrt": "linux",
    "opnsense": "pf",
    "palo-alto": "paloalto",
    "panos": "paloalto",
    "pfsense": "pf",
    "routeros": "mikrotik",
    "secure-firewall": "ftd",
    "snort": "ips",
    "squid": "proxy",
    "suricata": "ips",
}


def family_of(name: str) -> str | None:
    """The family a name stands for (``opnsense``: ``pf``), None for an unknown name."""
    name = name.lower()
    return name if name in PLATFORMS else _OTHER_NAMES.get(name)


def nearest_platform(name: str) -> str | None:
    """The known name that looks most like ``name``."""
    import difflib

    known = sorted({*PLATFORMS, *_OTHER_NAMES})
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    inside = [one for one in known if len(one) > 2 and one in name.lower()]
    return inside[0] if inside else near[0] if near else None
