"""TOML text to a typed, frozen structure; an unknown key is an error that names the nearest one.

Shared by the configuration and the fix recipes. Reads no files.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import TypeVar

import msgspec

from ctcpmon.text import clean

__all__ = ["StrictTomlError", "parse"]

T = TypeVar("T", bound=msgspec.Struct)
_UNKNOWN = re.compile(r"unknown field `(?P<key>.*?)`(?: - at `(?P<path>.*)`)?", re.DOTALL)


class StrictTomlError(ValueError):
    """The text is no TOML, or does not fit the type. The message is one line."""


def parse(text: str, into: type[T], where: str) -> T:
    """Parses ``text`` into ``into``; ``where`` (a file name) opens every message."""
    try:
        return msgspec.convert(tomllib.loads(text), into, strict=True)
    except tomllib.TOMLDecodeError as error:
        message = f"{clean(where)}: {clean(str(error), 200)}"
    except msgspec.ValidationError as error:
        message = f"{clean(where)}: {_explain(str(error), into)}"
    raise StrictTomlError(message)


def _explain(problem: str, into: type[msgspec.Struct]) -> str:
    match = _UNKNOWN.search(problem)
    if match is None:
        return clean(problem, 300)
    key = match["key"]
    place = f" in {match['path'].removeprefix('$.')}" if match["path"] else ""
    near = difflib.get_close_matches(key, sorted(_names(into)), n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown key '{clean(key)}'{clean(place)}{hint}"


def _names(into: type[msgspec.Struct]) -> set[str]:
    """Every key that may stand anywhere below ``into``."""
    names: set[str] = set()
    waiting: list[object] = [msgspec.inspect.type_info(into)]
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            for field in info.fields:
                names.add(field.encode_name)
                waiting.append(field.type)
        elif isinstance(info, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
            waiting.append(info.item_type)
        elif isinstance(info, msgspec.inspect.UnionType):
            waiting.extend(info.types)
        elif isinstance(info, msgspec.inspect.DictType):
            waiting.append(info.value_type)
    return names
