"""The keys and what the columns mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ctcpmon.tui.filters import FIELDS
from ctcpmon.tui.painting import pages
from ctcpmon.tui.screens.detail import TextScreen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.tui.painting.brush import Frame, Line
    from ctcpmon.tui.view import View

__all__ = ["HelpScreen"]

_KEYS = (
    ("1", "incidents, the first screen"),
    ("2  s", "all tunnel sessions"),
    ("3", "every TCP conversation, the largest first: millions of them; Enter opens its tunnel"),
    ("o O", "in a list: order, and the other way round; c switches columns"),
    ("/", "filter of incidents, sessions or flows; Esc takes it off"),
    ("Enter", "detail: time line, numbers, reasoning, what else it could be"),
    ("t", "time-sequence graph of the session: where data and ACKs part"),
    (
        "p",
        "packets of the session: remarks, fields by tshark, bytes; n next remark, Tab, Enter folds, x bytes",
    ),
    ("f", "all fixes for the selected incident, whole text"),
    ("y", "save the fix to a file and copy the lines to type (tmux buffer or OSC 52)"),
    ("R", "write the report of the incident: one HTML file, one Markdown file"),
    (
        "a m N",
        "acknowledge the incident; mute it for 1 h, 8 h or 7 d (it sinks and counts no more); a note on it",
    ),
    ("e", "export the whole table to a file, CSV or JSON: as it is filtered and sorted"),
    ("4", "tap, input remarks and counters: can this be trusted"),
    ("j k arrows", "down, up; g G first, last; PgDn PgUp by a screen"),
    ("[ ]", "previous, next incident"),
    ("l  h", "log of this run; past incidents from the history of serve"),
    ("Space", "hold and resume the reading; of a live run the view only: the engine goes on"),
    (". n", "of a capture: one second of packet time further; on to the next incident"),
    ("< >", "of a live run: back and forth through what was shown"),
    (", ;", "slower, faster (max is as fast as possible)"),
    ("Esc q", "back; on the first screen q quits"),
    ("Ctrl-Z Ctrl-C", "suspend to the shell; leave at once"),
)
_GRAPH_KEYS = (
    ("Tab", "data of the client, of the headend, both (from 30 lines on)"),
    ("+ -", "closer, wider, around the cursor; 0 shows all, t what happened around the finding"),
    ("h l arrows", "cursor; < > packet by packet; Home End first, last"),
    ("PgUp PgDn", "earlier, later by half a window"),
    ("b", "braille, blocks or ASCII; r asks for the packets as of now"),
)
_COLUMNS = (
    ("CRIT !", "sessions are stalled: their users have no connection"),
    ("WARN *", "at risk or suspect: loss that nobody repairs, stream still alive"),
    (
        "? held",
        "data are sent and nothing shows that they arrive, for so long; no stall is called before 6 s, "
        "because a queue may let go by itself; gone when data go on",
    ),
    ("OK", "cleared: the sessions of this incident move again"),
    ("SINCE", "when what is described began; all times are UTC and packet time"),
    ("SESS", "tunnel sessions in this incident"),
    ("->", "client to headend; a network stands for several clients"),
    ("HOLES", "lost segments seen in TCP since the session began, both directions"),
    ("MISSING", "ESP packets missing by their own sequence numbers, an independent meter"),
    ("WAS", "the worst state the session ever had, if it is better now"),
    ("tap gaps", "share of ordinary TCP that the tap itself did not deliver"),
    (
        "refused",
        "segments, flows, sessions or incidents for which a table had no room: not judged, or only later",
    ),
    ("nothing sent", "ctcpmon only reads; it never sends a packet and never logs in to a device"),
)
_FILTER = (
    ("state=stalled", "a field, = or !=, a value; several with commas: one of them is enough"),
    ("holes>3", "numbers also with < <= > >=: 3k, 1.5M, times 30, 5m, 2h"),
    ("client=10.1.0.0/16", "also headend, addr (either end), port"),
    ("!port=443", "not"),
    ('10.1.4 "a text"', "a word is looked for in ends and states"),
    *((listed, " ".join(fields)) for listed, fields in FIELDS.items()),
)


class HelpScreen(TextScreen):
    """Help."""

    HINTS: ClassVar[Sequence[tuple[str, str]]] = (("j k PgDn PgUp", "scroll"), ("Esc", "back"))
    DEFAULT_CSS = """
    HelpScreen #title { display: none; }
    """

    def page(self, view: View, frame: Frame) -> list[Line]:  # noqa: ARG002
        """The page."""
        keys = [(self.desk.shown_key(key), text) for key, text in _KEYS]
        # The graph has keys of its own, which nobody changes.
        return pages.help_page([*keys, ("in the graph", ""), *_GRAPH_KEYS], _COLUMNS, _FILTER, frame)
