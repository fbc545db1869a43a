"""What these tests need of a machine, each missing part named with what brings it."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys

import pytest

from tests.lab.requirements import has_program

from .wire import Wire

_PACKAGES = {"ip": "iproute2", "sysctl": "procps", "setpriv": "util-linux"}


@functools.cache
def missing() -> str:
    """Why they cannot run here; empty when they can."""
    if not sys.platform.startswith("linux"):
        return "Linux: packet rings are its own"
    lacks = [
        f"the program {name} (apt-get install {package})"
        for name, package in _PACKAGES.items()
        if not has_program(name)
    ]
    if importlib.util.find_spec("ctcpmon._ctcpmon") is None:
        lacks.append("the engine ctcpmon._ctcpmon (./x build)")
    if os.geteuid() != 0:
        lacks.append("root (CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN): run as root")
    if not lacks:
        try:
            with Wire():
                pass
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            lacks.append(f"a kernel with namespaces and veth: {error}")
    return "; ".join(lacks)


def need() -> None:
    """Skips, loudly, where they cannot run."""
    if lacks := missing():
        pytest.skip(f"LIVE CAPTURE NOT TESTED: this machine lacks {lacks}")
