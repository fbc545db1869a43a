"""Every error that ctcpmon raises on purpose. One base class, few children, no logic.

The message of each is one complete line for a person; the command line prints it as it is.
"""

from __future__ import annotations

__all__ = [
    "AttachError",
    "CaptureRefusedError",
    "CtcpmonError",
    "EngineMissingError",
    "FilterError",
    "FixError",
    "InputError",
    "OutputClosedError",
    "PartMissingError",
    "SettingsError",
]


class CtcpmonError(Exception):
    """Base of all errors raised on purpose."""


class EngineMissingError(CtcpmonError, ImportError):
    """The compiled engine ``ctcpmon._ctcpmon`` cannot be imported."""


class PartMissingError(CtcpmonError):
    """An optional part (package, shipped capture) is missing; the message has the line to type."""


class InputError(CtcpmonError):
    """An input could not be opened or holds no readable capture; nothing was analysed."""


class CaptureRefusedError(CtcpmonError):
    """There is no right to capture, no such interface, or one whose frames cannot be decoded."""


class AttachError(CtcpmonError):
    """No run answers at the socket, or one of another version."""


class SettingsError(CtcpmonError):
    """A setting or configuration file is wrong; unknown keys name the nearest known one."""


class FilterError(CtcpmonError):
    """A filter expression is wrong, or too long to run."""


class FixError(CtcpmonError):
    """A fix recipe is malformed, or a value is not fit to be put into one."""


class OutputClosedError(CtcpmonError):
    """The reader of the output went away (EPIPE). Not a failure: the run ends quietly."""
