"""What a user of ctcpmon sees, through its command line: events of a capture, and the text of fixes.

A fix is taken out of the printed text as a person would: the indented lines below a step.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_FIX = re.compile(r"^FIX \d+ of \d+: (?P<title>.+?)  ?\[(?P<id>[a-z0-9-]+)\]$")
_STEP = re.compile(r"^Step \d+: (?P<title>.+?)  ?\([^()]*\)$")
_WRAPPED = re.compile(r"^  (?! |Note:)")
"""The rest of a step's heading that was too long for one line."""
_NOT_TO_APPLY = re.compile(r"^prove\b|^only if\b|\binstead\b|\bonly before\b", re.IGNORECASE)
"""Steps that a person who applies the fix does not type here: the proof before it, the other ways, and what
is only for boxes that are not like this one."""


@dataclass(frozen=True)
class PrintedFix:
    """One fix as printed."""

    id: str
    title: str
    steps: tuple[tuple[str, str], ...]
    """Title and the text below it, unindented and otherwise word for word."""

    @property
    def script(self) -> str:
        """The text to type, step after step."""
        return "".join(text for title, text in self.steps if not _NOT_TO_APPLY.search(title))


def ctcpmon(*words: str | Path) -> str:
    """Runs ctcpmon and returns what it prints; raises when it fails."""
    line = [sys.executable, "-m", "ctcpmon", *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{line}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def events(capture: Path) -> list[dict[str, Any]]:
    """The events of ``ctcpmon replay``."""
    return [json.loads(line) for line in ctcpmon("replay", "-o", "jsonl", capture).splitlines()]


def of_type(some: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Events of one kind: ``finding``, ``incident``, ``session``."""
    return [event for event in some if event["type"] == f"ctcpmon.{kind}.v1"]


def linux_fixes(capture: Path) -> tuple[str, list[PrintedFix]]:
    """What ``ctcpmon fixes CAPTURE --platform linux`` prints, and the fixes in it."""
    text = ctcpmon("fixes", capture, "--platform", "linux")
    return text, read_fixes(text)


def read_fixes(text: str) -> list[PrintedFix]:
    """Fixes in printed text, in order."""
    fixes: list[PrintedFix] = []
    lines = text.splitlines()
    while lines:
        heading = lines.pop(0)
        if heading.startswith("FIX "):
            while lines and not heading.endswith("]"):
                heading += f" {lines.pop(0)}"
            if found := _FIX.match(heading):
                fixes.append(PrintedFix(found["id"], found["title"], ()))
        elif heading.startswith("Step ") and fixes:
            while lines and _WRAPPED.match(lines[0]):
                heading += f" {lines.pop(0).strip()}"
            typed = ""
            while lines and lines[0].startswith("    "):
                typed += f"{lines.pop(0)[4:]}\n"
            found = _STEP.match(heading)
            title = found["title"].strip() if found else heading
            fixes[-1] = replace(fixes[-1], steps=(*fixes[-1].steps, (title, typed)))
    return fixes
