"""A bad tap invents no stall and hides none: the lab captures, damaged in every way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.corpus.shared import captures
from tests.score import damage

if TYPE_CHECKING:
    import pytest


def test_no_damage_makes_a_verdict_that_must_not_be(capsys: pytest.CaptureFixture[str]) -> None:
    lab = captures("lab", "labels.json")
    code = damage.main([str(lab), "--rounds", "2"])
    assert code == 0, capsys.readouterr().out
