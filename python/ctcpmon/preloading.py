"""Reads everything of the program that a run may still need, for an account that cannot read it later.

A program in ``/root`` that goes on as nobody could not import a module or read a recipe any more. Wherever
the new account can read the installation, none of this runs: imports stay where they are.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["can_read", "preload"]

_STANDARD = (
    "asyncio", "email.parser", "encodings.ascii", "encodings.idna", "encodings.latin_1", "http.client",
    "linecache", "shlex", "sqlite3", "ssl", "stringprep", "subprocess", "tempfile", "traceback",
    "unicodedata", "urllib.request", "zoneinfo",
)  # fmt: skip
"""What the standard library, and the parts below, import on first use."""
_SCREEN = ("rich", "textual", "markdown_it", "pygments.lexers.special", "pygments.styles.default")
_NEVER = (".__main__", ".demo", "._sleep", ".pilot")
"""Modules that run something when they are imported, or that only developers use."""


def can_read(account: tuple[int, int]) -> bool:
    """Whether a user and group, with no other group, can read the program, its libraries and its Python."""
    found = (find_spec(name) for name in ("click", "msgspec"))
    libraries = (one.origin for one in found if one is not None and one.origin is not None)
    parts = (__file__, os.__file__, *libraries, sys.executable)
    return all(_is_open(Path(one), *account) for one in parts)


def _is_open(path: Path, uid: int, gid: int) -> bool:
    """May read the file and enter every folder above it, as the modes of files say."""
    try:
        real = path.resolve()
        steps = [(real, 4), *((one, 1) for one in real.parents)]
        return all(_grants(one.stat(), uid, gid) & right for one, right in steps)
    except OSError:
        return False


def _grants(of: os.stat_result, uid: int, gid: int) -> int:
    if of.st_uid == uid:
        return of.st_mode >> 6
    return of.st_mode >> 3 if of.st_gid == gid else of.st_mode


def preload(*, has_screen: bool) -> None:
    """Imports every module of ours and what they import late, and reads the recipes."""
    import ctcpmon
    from ctcpmon.fixes import catalogue

    for name in (*_STANDARD, *_modules("ctcpmon", ctcpmon.__path__, has_screen=has_screen)):
        with suppress(ImportError):
            import_module(name)
    catalogue()
    if has_screen:
        for package in _SCREEN:
            with suppress(ImportError):
                module = import_module(package)
                for name in _modules(package, getattr(module, "__path__", ()), has_screen=True):
                    # Not ours: a part whose own parts are missing fails in its own way.
                    with suppress(Exception):
                        import_module(name)


def _modules(package: str, path: object, *, has_screen: bool) -> Iterator[str]:
    """Names of all modules below a package; nothing is imported to find them."""
    for one in pkgutil.iter_modules(path, f"{package}."):  # type: ignore[arg-type]
        if one.name.endswith(_NEVER) or (one.name == "ctcpmon.tui" and not has_screen):
            continue
        yield one.name
        if one.ispkg:
            folder = [f"{where}/{one.name.rpartition('.')[2]}" for where in path]  # type: ignore[attr-defined]
            yield from _modules(one.name, folder, has_screen=has_screen)
