"""What a detector's page calls its threshold is the constant that the detector judges by, not a second number."""

from __future__ import annotations

import re
from pathlib import Path

DETECTORS = Path(__file__).parents[2] / "rust/core/src/detect"


def test_every_threshold_is_a_constant_of_the_code() -> None:
    values = [
        (path.name, value)
        for path in sorted(DETECTORS.glob("*.rs"))
        for value in re.findall(r"Threshold \{\s+name: [^,]+,\s+value: ([^,]+),", path.read_text("utf-8"))
    ]
    assert len(values) > 20
    assert [one for one in values if not re.search(r"\b[A-Z][A-Z_]+\b", one[1])] == []
