"""Classes of named fields, made as ``dataclasses`` makes them but without the libraries that it imports.

For what a plain ``replay`` needs: there the imports take longer than the work. Types that are read from
text (events, configuration, recipes) are ``msgspec`` structs, which check what they read.

The annotations of a class are its fields, so its module must have ``from __future__ import annotations``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_words: object) -> Callable[[T], T]:
        """Tells type checkers what a class of classes does; nothing at run time."""
        return lambda made: made


__all__ = ["Record", "field"]


class _Factory:
    """Stands where a default stands and makes a new one for each object."""

    def __init__(self, make: Callable[[], object]) -> None:
        self.make = make


def field(*, default_factory: Callable[[], T]) -> T:
    """A default that is made anew for each object."""
    return _Factory(default_factory)  # type: ignore[return-value]


_DISPLAYS: dict[object, str] = {dict: "{}", list: "[]"}
"""Made without a call."""


def _initialiser(names: list[str], defaults: dict[str, Any]) -> Callable[..., None]:
    """``__init__`` that takes the fields by place or name."""
    heads, lines = ["self"], []
    known: dict[str, Any] = {}
    for name in names:
        default = defaults.get(name, known)
        known[f"given_{name}"] = default
        if isinstance(default, _Factory):
            known[f"make_{name}"] = default.make
            made = _DISPLAYS.get(default.make, f"make_{name}()")
            lines.append(f" self.{name} = {made} if {name} is given_{name} else {name}")
        else:
            lines.append(f" self.{name} = {name}")
        heads.append(name if name not in defaults else f"{name}=given_{name}")
    source = f"def __init__({', '.join(heads)}):\n" + "\n".join(lines or [" pass"])
    exec(source, known)  # noqa: S102 names of fields only, from our own classes
    init: Callable[..., None] = known["__init__"]
    return init


def _equal(self: Any, other: Any) -> bool:
    return type(other) is type(self) and all(
        getattr(self, name) == getattr(other, name) for name in self.__slots__
    )


def _hash(self: Any) -> int:
    return hash(tuple([getattr(self, name) for name in self.__slots__]))


def _shown(self: Any) -> str:
    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
    return f"{type(self).__name__}({fields})"


@dataclass_transform(field_specifiers=(field,))
class _RecordType(type):
    """Turns annotations into slots and ``__init__``."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], space: dict[str, Any], *, frozen: bool = False
    ) -> _RecordType:
        names = list(space.get("__annotations__", ()))
        defaults = {one: space.pop(one) for one in names if one in space}

        def first(self: Any, *values: Any, **named: Any) -> None:
            # Compiling takes longer than most classes have to do in a run, and some have nothing.
            type(self).__init__ = _initialiser(names, defaults)
            self.__init__(*values, **named)

        space["__slots__"] = tuple(names)
        space["__init__"] = first
        space["__eq__"] = _equal
        space["__repr__"] = _shown
        # As in dataclasses: what may change is no key.
        space.setdefault("__hash__", _hash if frozen else None)
        return super().__new__(cls, name, bases, space)


class Record(metaclass=_RecordType):
    """Base of the classes. ``frozen=True`` makes them keys; that nobody sets a field is for mypy to see."""
