"""Records behave as dataclasses do."""

from __future__ import annotations

import pytest
from ctcpmon.records import Record, field


class Point(Record, frozen=True):
    x: int
    y: int = 2
    names: tuple[str, ...] = ()


class Box(Record):
    items: list[int] = field(default_factory=list)
    label: str | None = None

    @property
    def total(self) -> int:
        return sum(self.items)


def test_fields_are_taken_by_place_and_by_name() -> None:
    assert (Point(1).x, Point(1).y) == (1, 2)
    assert Point(1, 3) == Point(y=3, x=1)
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Point(1, z=2)  # type: ignore[call-arg]


def test_a_made_default_is_not_shared() -> None:
    one, other = Box(), Box()
    one.items.append(5)
    assert (one.total, other.total) == (5, 0)
    assert Box([1]).items == [1]


def test_only_frozen_records_are_keys() -> None:
    assert {Point(1): "a"}[Point(1)] == "a"
    with pytest.raises(TypeError):
        hash(Box())


def test_equal_means_the_same_class_and_fields() -> None:
    assert Point(1) != Point(2)
    assert Point(1) != (1, 2, ())
    assert repr(Point(1)) == "Point(x=1, y=2, names=())"


def test_there_is_no_other_field() -> None:
    with pytest.raises(AttributeError):
        Box().other = 1  # type: ignore[attr-defined]
