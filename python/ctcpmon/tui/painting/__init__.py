"""Views to lines. Pure functions over ``view`` and a frame; no widgets, no state.

A line is a tuple of spans, a span is a text and the name of a role. What a role looks like is
decided in ``brush``, the last gate before the terminal.
"""
