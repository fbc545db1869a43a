"""Screens. What textual reads at its import is set first, as the program does."""

import os

from ctcpmon.tui.app import TEXTUAL_DEFAULTS

for _name, _value in TEXTUAL_DEFAULTS.items():
    os.environ.setdefault(_name, _value)
