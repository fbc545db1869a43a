"""What the lab needs of a machine, each missing part named with what brings it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from .losses import Loss, install
from .namespaces import SEARCH_PATH, Namespaces
from .scenarios import FIRST_PORT

_PACKAGES = {
    "ip": "iproute2",
    "ss": "iproute2",
    "nft": "nftables",
    "sysctl": "procps",
    "conntrack": "conntrack",
}
"""``conntrack`` is typed by the printed fix; the lab itself does not call it."""
_TRACKING = (
    "table inet ctlab_trial {\n chain forward {\n type filter hook forward priority 0;\n"
    " ct state invalid reject with tcp reset\n }\n}"
)


def missing() -> list[str]:
    """Why the lab cannot run here; empty when it can."""
    if not sys.platform.startswith("linux"):
        return ["Linux: the lab is made of network namespaces"]
    lacks = [
        f"the program {name} (apt-get install {package})"
        for name, package in _PACKAGES.items()
        if not has_program(name)
    ]
    if os.geteuid() != 0:
        lacks.append("root (CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN): run as root")
    if lacks:
        return lacks
    try:
        with Namespaces() as spaces:
            spaces.nft("firewall", _TRACKING)
            spaces.run("firewall", "sysctl", "-q", "net.netfilter.nf_conntrack_tcp_be_liberal")
            install(spaces, (Loss(FIRST_PORT, 1, 1),))
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        return [f"a kernel with namespaces, veth, nf_conntrack and the nftables egress hook: {error}"]
    return []


def has_program(name: str) -> bool:
    """True when it is installed."""
    return shutil.which(name, path=SEARCH_PATH) is not None
