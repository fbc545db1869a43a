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


_TYPES = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "object": "a table",
    "array": "a list", "null": "nothing",
}  # fmt: skip
"""What msgspec calls the types, and what who writes the file calls them."""


class StrictTomlError(ValueError):
    """The text is no TOML, or does not fit the type. The message is one line."""


def parse(text: str, into: type[T], where: str) -> T:
    """Parses ``text`` into ``into``; ``where`` (a file name) opens every message."""
    try:
        return msgspec.convert(tomllib.loads(text), into, strict=True)
    except RecursionError:
        message = f"{clean(where)}: lists or tables lie too deep inside each other"
    except tomllib.TOMLDecodeError as error:
        message = f"{clean(where)}: {clean(str(error), 200)}"
    except msgspec.ValidationError as error:
        message = f"{clean(where)}: {_explain(str(error), into)}"
    raise StrictTomlError(message)


def _explain(problem: str, into: type[msgspec.Struct]) -> str:
    match = _UNKNOWN.search(problem)
    if match is None:
        return clean(_in_words_of_toml(problem), 300)
    key = match["key"]
    path = (match["path"] or "").removeprefix("$").removeprefix(".")
    tables = _tables(into)
    here = tables.get(_plain(path), frozenset())
    hint = _hint(key, here, {name: keys for name, keys in tables.items() if keys is not here})
    place = f" in {path}" if path else ""
    return f"unknown key '{clean(key)}'{clean(place)}{hint}"


def _in_words_of_toml(problem: str) -> str:
    """``Expected `int`, got `str` - at `$.limits.max_flow_mib``` with the key first and the types of TOML."""
    problem, _, path = problem.rpartition(" - at `$")
    if not problem:
        return path
    for ours, theirs in _TYPES.items():
        problem = problem.replace(f"`{ours}`", theirs)
    problem = problem.replace("Expected", "expected", 1).replace(r"\\Z'", "$'")
    key = path.rstrip("`").removeprefix(".")
    return f"{key}: {problem}" if key else problem


def _hint(key: str, here: frozenset[str], elsewhere: dict[str, frozenset[str]]) -> str:
    """The nearest key of the same table; else the table that has this very key."""
    owners = sorted(name for name, keys in elsewhere.items() if key in keys)
    close = difflib.get_close_matches(key, sorted(here), n=1, cutoff=0.75 if owners else 0.4)
    if close:
        return f"; did you mean {close[0]!r}?"
    if owners:
        return f"; that key belongs in {owners[0] or 'the top level'}"
    everywhere = sorted(set().union(*elsewhere.values()))
    near = difflib.get_close_matches(key, everywhere, n=1, cutoff=0.6)
    if not near:
        return ""
    owner = min(name for name, keys in elsewhere.items() if near[0] in keys)
    return f"; did you mean {near[0]!r} in {owner or 'the top level'}?"


def _plain(path: str) -> str:
    """``site.firewall[0]`` or ``site.firewall[...]`` to ``site.firewall``."""
    return re.sub(r"\[[^]]*\]", "", path)


def _tables(into: type[msgspec.Struct]) -> dict[str, frozenset[str]]:
    """Keys by the path of their table; the top level has the empty path."""
    tables: dict[str, frozenset[str]] = {}
    waiting: list[tuple[str, object]] = [("", msgspec.inspect.type_info(into))]
    while waiting:
        path, info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            tables[path] = frozenset(field.encode_name for field in info.fields)
            waiting += [(f"{path}.{field.encode_name}".strip("."), field.type) for field in info.fields]
        elif isinstance(info, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
            waiting.append((path, info.item_type))
        elif isinstance(info, msgspec.inspect.UnionType):
            waiting += [(path, one) for one in info.types]
        elif isinstance(info, msgspec.inspect.DictType):
            waiting.append((path, info.value_type))
    return tables
