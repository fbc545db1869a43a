"""Keys of the screen by action, and other ones from a configuration. No textual.

Arrows, Enter, Esc, Home, End, PgUp and PgDn are always what they are; so are Ctrl-C and Ctrl-Z.
"""

from __future__ import annotations

import unicodedata
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_KEYS", "check_keys", "key_name"]

DEFAULT_KEYS: dict[str, str] = {
    "incidents": "1",
    "sessions": "2",
    "flows": "3",
    "tap": "4",
    "fixes": "f",
    "log": "l",
    "history": "h",
    "help": "?",
    "quit": "q",
    "copy": "y",
    "graph": "t",
    "packets": "p",
    "report": "R",
    "ack": "a",
    "mute": "m",
    "note": "N",
    "export": "e",
    "pause": "space",
    "slower": ",",
    "faster": ";",
    "step": ".",
    "next_incident": "n",
    "back": "<",
    "forth": ">",
    "previous_row": "[",
    "next_row": "]",
    "filter": "/",
    "order": "o",
    "reverse": "O",
    "columns": "c",
    "down": "j",
    "up": "k",
    "first": "g",
    "last": "G",
}
"""What ``[keys]`` of a configuration may change, with the key it has by itself."""

_TAKEN = {
    "ctrl+a": "the prefix of screen",
    "ctrl+b": "the prefix of tmux",
    "ctrl+c": "always leaves",
    "ctrl+q": "always leaves",
    "ctrl+z": "always suspends",
    **dict.fromkeys(
        ("enter", "escape", "up", "down", "left", "right", "home", "end", "pageup", "pagedown", "tab"),
        "always what it is",
    ),
}
_NAMES = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}


def key_name(key: str) -> str:
    """The name that textual has for a key: ``?`` is ``question_mark``."""
    if len(key) != 1 or key.isalnum():
        return key
    name = unicodedata.name(key, key).lower().replace("-", "_").replace(" ", "_")
    return _NAMES.get(name, name)


def check_keys(keys: Mapping[str, str]) -> None:
    """Raises ``ValueError`` that begins with the name of the field at fault."""
    for action, key in keys.items():
        if action not in DEFAULT_KEYS:
            near = get_close_matches(action, DEFAULT_KEYS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f" (there are: {', '.join(DEFAULT_KEYS)})"
            message = f"keys.{action}: no such action{hint}"
            raise ValueError(message)
        _check_key(action, key)
    owner: dict[str, str] = {}
    for action, key in {**DEFAULT_KEYS, **keys}.items():
        if key in owner:
            wanted, other = (action, owner[key]) if action in keys else (owner[key], action)
            message = f"keys.{wanted}: {key!r} is the key of {other!r} already"
            raise ValueError(message)
        owner[key] = action
    if keys.get("sessions") is None and "s" in keys.values():
        # The second key of the sessions goes with the first one.
        message = f"keys.{next(a for a, k in keys.items() if k == 's')}: 's' is the key of 'sessions' already"
        raise ValueError(message)


def _check_key(action: str, key: str) -> None:
    why = _TAKEN.get(key.lower())
    if why is not None:
        message = f"keys.{action}: {key!r} is {why}"
        raise ValueError(message)
    is_control = key.startswith("ctrl+") and len(key) == len("ctrl+x") and key[-1].isalpha() and key.islower()
    is_function = key in {f"f{number}" for number in range(1, 13)}
    if not (
        is_control or is_function or key == "space" or (len(key) == 1 and key.isprintable() and key != " ")
    ):
        message = f"keys.{action}: {key!r} is no key; write one character, space, f1 to f12, or ctrl+x"
        raise ValueError(message)
