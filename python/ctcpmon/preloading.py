"""Reads everything of the program that a run may still need, for an account that cannot read it later.

A program in ``/root`` that goes on as nobody could not import a module or read a recipe any more. Wherever
the new account can read the installation, none of this runs: imports stay where they are.
"""

from __future__ import annotations

import os
import pkgutil
import sys
import zlib
from contextlib import suppress
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.util import decode_source, find_spec, spec_from_loader
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["can_read", "preload"]

_LIBRARY = Path(os.__file__).parent
_EXTENSIONS = "lib-dynload"
_TESTS = ("_test", "_ctypes_test", "_xx", "xx", "_tkinter")
_OF_A_SCREEN = ("markdown_it", "mdurl", "pygments")
"""What ``textual`` and ``rich`` import for texts, and for the words about a fault of their own."""
_NEVER = (".__main__",)
"""Modules of ours that run something when they are imported."""
_LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "site-packages"}
)
"""Folders of libraries that no run has a use for."""


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
    """Imports every module of ours, reads the recipes, and keeps the source of what libraries import late."""
    import ctcpmon
    from ctcpmon.fixes import catalogue

    for name in _modules("ctcpmon", ctcpmon.__path__, has_screen=has_screen):
        with suppress(ImportError):
            import_module(name)
    catalogue()
    # What is no source is imported now: the loader of the system would read its file.
    for path in (_LIBRARY / _EXTENSIONS).glob("*.so"):
        name = path.name.partition(".")[0]
        if not name.startswith(_TESTS):
            with suppress(ImportError):
                import_module(name)
    sys.meta_path.append(_Kept(_OF_A_SCREEN if has_screen else ()))


def _modules(package: str, path: object, *, has_screen: bool) -> Iterator[str]:
    """Names of all modules below a package; nothing is imported to find them."""
    for one in pkgutil.iter_modules(path, f"{package}."):  # type: ignore[arg-type]
        if one.name.endswith(_NEVER) or (one.name == "ctcpmon.tui" and not has_screen):
            continue
        yield one.name
        if one.ispkg:
            folder = [f"{where}/{one.name.rpartition('.')[2]}" for where in path]  # type: ignore[attr-defined]
            yield from _modules(one.name, folder, has_screen=has_screen)


class _Kept(InspectLoader, MetaPathFinder):
    """Sources of Python's own library and of the libraries in use, packed, for when nothing else is found."""

    def __init__(self, more: Sequence[str]) -> None:
        """``more``: libraries that are not in use yet."""
        self._sources: dict[str, tuple[bool, bytes]] = {}
        """By name of the module: whether it is a package, and its source."""
        self._keep(_LIBRARY, "")
        for name in {one.partition(".")[0] for one in [*sys.modules, *more]} - {"ctcpmon"}:
            spec = find_spec(name) if name in more else getattr(sys.modules[name], "__spec__", None)
            for folder in getattr(spec, "submodule_search_locations", None) or ():
                if Path(folder).parent != _LIBRARY:
                    self._keep(Path(folder), name)

    def _keep(self, folder: Path, package: str) -> None:
        before = f"{package}." if package else ""
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                name, dot, kind = entry.name.partition(".")
                if entry.is_dir() and not dot and name not in _LEFT_OUT:
                    self._keep(Path(entry.path), before + name)
                elif kind == "py":
                    is_package = name == "__init__"
                    whole = package if is_package else before + name
                    self._sources[whole] = (is_package, zlib.compress(Path(entry.path).read_bytes(), 1))

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See ``MetaPathFinder``."""
        return spec_from_loader(name, self) if name in self._sources else None

    def is_package(self, name: str) -> bool:
        """See ``InspectLoader``."""
        return self._sources[name][0]

    def get_source(self, name: str) -> str:
        """See ``InspectLoader``."""
        return decode_source(zlib.decompress(self._sources[name][1]))
