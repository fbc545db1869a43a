"""Guards the rooms: what each Rust crate may depend on, and how long a file may be."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 600
"""A file longer than this is rarely one thing."""

ALLOWED = {
    "core": {"ahash", "hashbrown", "memchr"},
    "capture": {"ctcpmon-core", "flate2", "lz4_flex", "thiserror", "zstd"},
    "events": {"base64", "ctcpmon-core", "sha1"},
    "live": {"ctcpmon-core", "landlock", "libc", "seccompiler", "thiserror"},
    "runtime": {
        "ctcpmon-core",
        "ctcpmon-capture",
        "ctcpmon-live",
        "crossbeam-channel",
        "libc",
        "rustix",
        "thiserror",
    },
    "py": {"ctcpmon-core", "ctcpmon-capture", "ctcpmon-events", "ctcpmon-live", "ctcpmon-runtime", "pyo3"},
}
"""Normal dependencies of each crate. A new one is a decision: write it down, then add it here."""


def check() -> list[str]:
    """Every breach, in words."""
    wrong: list[str] = []
    for crate, allowed in ALLOWED.items():
        manifest = tomllib.loads((ROOT / "rust" / crate / "Cargo.toml").read_text("utf-8"))
        here = manifest.get("target", {}).values()
        named = set(manifest.get("dependencies", {})).union(*(t.get("dependencies", {}) for t in here))
        extra = named - allowed
        wrong += [f"rust/{crate} may not depend on {name}" for name in sorted(extra)]
    sources = [*ROOT.glob("rust/*/src/**/*.rs"), *ROOT.glob("python/ctcpmon/**/*.py")]
    for path in sorted(sources):
        if path.stem.endswith("tests") or "tests" in path.parts:
            continue
        lines = len(path.read_text("utf-8").splitlines())
        if lines > MAX_LINES:
            wrong.append(f"{path.relative_to(ROOT)} has {lines} lines, more than {MAX_LINES}")
    return wrong


if __name__ == "__main__":
    problems = check()
    for problem in problems:
        print(problem)
    print(f"rooms: {len(problems)} breaches")
    sys.exit(1 if problems else 0)
