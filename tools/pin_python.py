"""Writes tests/constraints.txt: the versions of everything that the tests run with, as installed in .venv.

    .venv/bin/python tools/pin_python.py [--check]

`./x test` installs by it. To take newer versions: CTCPMON_UNPINNED=1 ./x test, and when that has passed
this script.
`--check` asks only whether every part that pyproject.toml names is there, with a version that it allows.
"""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "tests" / "constraints.txt"
HEAD = """\
# Versions that the tests have passed with; no part of what is installed for use.
# Written by tools/pin_python.py.
"""


def wanted() -> list[Requirement]:
    """What the project names: to run, to test, to dissect."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [Requirement(text) for text in (*project["dependencies"], *extras["test"], *extras["dissect"])]


def installed(roots: list[Requirement]) -> dict[str, str]:
    """Those and everything that they need here, with its version."""
    found: dict[str, str] = {}
    waiting = list(roots)
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one = waiting.pop()
        name, extras = canonicalize_name(one.name), frozenset(one.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        part = metadata.distribution(name)
        found[name] = part.version
        for text in part.requires or ():
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append(need)
    return found


def pinned() -> dict[str, str]:
    """The file as it is."""
    lines = [line for line in PINS.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def unfit() -> list[str]:
    """What the project names and the file has not, or has in a version that the project does not allow."""
    pins = pinned()

    def fits(one: Requirement) -> bool:
        version = pins.get(canonicalize_name(one.name))
        return version is not None and one.specifier.contains(version)

    return [str(one) for one in wanted() if not fits(one)]


def main() -> int:
    """Writes the file, or checks it."""
    if "--check" in sys.argv[1:]:
        problems = unfit()
        for problem in problems:
            print(f"{PINS.name}: no fitting version of {problem}; run tools/pin_python.py")
        print(f"pins: {len(pinned())}, {len(problems)} missing or not fitting")
        return 1 if problems else 0
    found = installed(wanted())
    PINS.write_text(HEAD + "".join(f"{name}=={found[name]}\n" for name in sorted(found)), "utf-8")
    print(f"pins: {len(found)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
