"""The page of promises names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"


def test_every_test_that_the_page_names_is_there() -> None:
    text = PAGE.read_text("utf-8")
    named = re.findall(r"`([\w./*-]+?(?:\.rs|\.py|/run))(?: --[^`]*)?`", text)
    folders = re.findall(r"`((?:tests|rust|benches)/[\w/]+)`", text)
    assert len(named) > 30
    assert len(folders) > 3
    for name in (*named, *folders):
        looked = (
            ROOT.glob(name)
            if "/" in name
            else (*ROOT.glob(f"tests/*/{name}"), *ROOT.glob(f"rust/**/tests/**/{name}"))
        )
        assert next(iter(looked), None), f"{name} is not there"


def test_links_of_the_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text("utf-8")):
        assert (PAGE.parent / target).exists(), target
