"""The screens on made-up views: ``python -m ctcpmon.tui.preview [scene] [--ascii]``. For developers."""

from __future__ import annotations

import sys

from ctcpmon.looks import Looks
from ctcpmon.tui.fake_source import SCENES, FakeSource
from ctcpmon.tui.replay_app import ReplayApp

__all__ = ["main"]


def main() -> None:
    """Shows a scene until q."""
    words = [word for word in sys.argv[1:] if word != "--ascii"]
    scene = SCENES.get(words[0] if words else "busy")
    if scene is None:
        sys.exit(f"scenes: {', '.join(SCENES)}")
    ReplayApp(FakeSource(scene()), looks=Looks(is_ascii="--ascii" in sys.argv)).run()


if __name__ == "__main__":
    main()
