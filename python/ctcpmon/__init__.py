"""Passive monitor for stalled Cisco cTCP (IPsec over TCP) sessions and their look-alikes.

Public Python interface: ``replay``, ``Monitor``, ``Result`` and the errors below. Names are
loaded on first use, so ``import ctcpmon`` is cheap and works without the built extension.
No name here may lead to an import of textual or pyshark.
"""

from __future__ import annotations

TYPE_CHECKING = False  # As typing has it; importing typing takes as long as starting Python.
if TYPE_CHECKING:
    from ctcpmon.api import Monitor, Result, replay
    from ctcpmon.errors import CtcpmonError, EngineMissingError, InputError

__all__ = [
    "CtcpmonError",
    "EngineMissingError",
    "InputError",
    "Monitor",
    "Result",
    "__version__",
    "replay",
]

__version__: str

_HOMES = {
    "CtcpmonError": "ctcpmon.errors",
    "EngineMissingError": "ctcpmon.errors",
    "InputError": "ctcpmon.errors",
    "Monitor": "ctcpmon.api",
    "Result": "ctcpmon.api",
    "replay": "ctcpmon.api",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("ctcpmon")
        except PackageNotFoundError:
            return "0+unknown"
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    message = f"module 'ctcpmon' has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
