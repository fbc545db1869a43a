"""The packets of one session: list, fields and bytes. The one that proves the fault is selected first.

The packets come through the source, the fields from ``ctcpmon.dissect`` on a thread. Both are given up when
the screen is left, and nothing here waits for either.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Container

from ctcpmon.dissect.book import PacketBook
from ctcpmon.dissect.dissection import dissect, missing
from ctcpmon.dissect.lines import TreeRow, bytes_per_line, tree_rows
from ctcpmon.dissect.slices import read_slice
from ctcpmon.errors import CtcpmonError
from ctcpmon.text import clean
from ctcpmon.tui.packets import PacketsError
from ctcpmon.tui.painting import packets as painting
from ctcpmon.tui.painting.fold import prose
from ctcpmon.tui.screens.base import ViewScreen
from ctcpmon.tui.waiting import GivenUpError, arrived
from ctcpmon.tui.widgets import IndexList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ctcpmon.dissect.tree import Node
    from ctcpmon.tui.desk import Desk
    from ctcpmon.tui.packets import Packets
    from ctcpmon.tui.painting.brush import Frame, Line
    from ctcpmon.tui.view import View

__all__ = ["PacketsScreen"]

_UNFOLDED = frozenset({"tcp", "tcpencap", "esp", "ah", "isakmp"})
"""Layers that are open from the start: those that this fault is about."""
_REDACTED = "no packets on a redacted screen: they hold the real addresses; t draws their graph"
_REST_S = 0.15
"""Who scrolls does not want each packet dissected."""


class PacketsScreen(ViewScreen):
    """List above, fields and bytes below; beside each other where there is room."""

    OWN_KEYS = frozenset({"n", "Tab", "x", "w"})

    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("j k", "move"),
        ("n", "next remark"),
        ("Tab", "next part"),
        ("Enter", "fold"),
        ("x", "bytes"),
        ("w", "write pcapng"),
        ("Esc", "back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "remark(1)", show=False),
        Binding("tab", "other", show=False, priority=True),
        Binding("x", "bytes", show=False),
        Binding("w", "write", show=False),
        Binding("left", "fold(False)", show=False),
        Binding("right", "fold(True)", show=False),
    ]
    DEFAULT_CSS = """
    PacketsScreen {
        #drill { height: 1fr; layout: vertical; }
        #list-side { height: 2fr; }
        #field-side { height: 3fr; }
        #packets, #fields { height: 1fr; }
        #bytes { height: 5; display: none; }
        &.-roomy #bytes, &.-tall #bytes { display: block; }
        &.-tall #bytes { height: 12; }
        &.-bytes-only {
            #fields { display: none; }
            #bytes { display: block; height: 1fr; }
        }
        &.-wide #drill { layout: horizontal; }
        &.-wide #list-side { width: 1fr; height: 100%; margin-right: 2; }
        &.-wide #field-side { width: 1fr; height: 100%; }
    }
    """

    def __init__(self, desk: Desk, session: str = "") -> None:
        super().__init__(desk)
        self.packets_of = session
        self._packets: Packets | None = None
        self._book: PacketBook | None = None
        self._problem = ""
        self._state = "asking for the packets"
        self._folds: set[tuple[int, str]] = set()
        """Fields that are not as they are from the start, by depth and name: the same for all packets."""
        self._tree: list[TreeRow] = []
        self._asked: list[int] = []
        self._stop: threading.Event | None = None
        self._number = 0

    def body(self) -> ComposeResult:
        """List, fields, bytes."""
        with Container(id="drill"):
            with Container(id="list-side"):
                yield self.panel(self._title, "title", "bar")
                yield self.panel(
                    lambda _view, frame: painting.heading(frame), "packets-heading", "bar in-room"
                )
                yield IndexList(self._row, id="packets", is_ascii=self.desk.is_ascii)
            with Container(id="field-side"):
                yield self.panel(self._fields_title, "fields-title", "bar")
                yield IndexList(self._field, id="fields", is_ascii=self.desk.is_ascii)
                shown = self.panel(self._bytes, "bytes")
                shown.can_focus = True
                yield shown

    def on_mount(self) -> None:
        """Asks for the packets."""
        super().on_mount()
        self.focus_list()
        self.run_worker(self._load(), exclusive=True, exit_on_error=False)

    def focus_list(self) -> None:
        """See above."""
        self.listed.focus()

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._give_up()

    @property
    def listed(self) -> IndexList:
        """The packets."""
        return self.query_one("#packets", IndexList)

    @property
    def fields(self) -> IndexList:
        """The fields of the packet in hand."""
        return self.query_one("#fields", IndexList)

    def show_body(self, view: View) -> None:
        """Shows what is known."""
        for name in ("title", "packets-heading", "fields-title", "bytes"):
            self.part(name).show(view)

    def session_in_hand(self) -> str | None:
        """The session whose packets these are."""
        return self.packets_of

    def action_other(self) -> None:
        """The keys go to the next part that is shown: list, fields, bytes."""
        parts = [one for one in (self.listed, self.fields, self.part("bytes")) if one.display]
        at = next((at for at, one in enumerate(parts) if one.has_focus), 0)
        parts[(at + 1) % len(parts)].focus()
        self.call_after_refresh(self._repaint)

    def action_remark(self, step: int) -> None:
        """To the next packet with a remark, from the last one to the first."""
        book = self._book
        marked = [row.number for row in book.rows if row.remarks] if book is not None else []
        if marked:
            after = [number for number in marked if (number - self._number) * step > 0]
            self.listed.choose((after or marked)[0] - 1)

    def action_bytes(self) -> None:
        """Bytes instead of fields, and back: a small screen has no room for both."""
        self.toggle_class("-bytes-only")
        self.listed.focus()
        self.call_after_refresh(self._repaint)

    def action_write(self) -> None:
        """Writes the packets to a file that Wireshark opens, remarks and all."""
        packets = self._packets
        if packets is not None:
            stem = f"ctcpmon-{packets.session.partition('/')[0]}"
            self.post_message(self.Save(stem, ".pcapng", packets.pcapng, f"{packets.count:,} packets"))

    def action_fold(self, unfold: bool) -> None:  # noqa: FBT001 the way of actions
        """Folds or unfolds the field in hand."""
        row = self._tree_row(self.fields.at)
        if self.fields.has_focus and row is not None and row.has_children and row.is_open != unfold:
            self._toggle(row)

    def on_index_list_moved(self, event: IndexList.Moved) -> None:
        """The fields follow the list, the marked bytes follow the fields."""
        if type(event) is not IndexList.Moved:
            return
        if event.control.id == "packets":
            self._look_at(event.at + 1)
        else:
            self._repaint()

    def on_index_list_opened(self, event: IndexList.Opened) -> None:
        """Enter goes from the list to the fields; there it folds."""
        row = self._tree_row(event.at)
        if event.control.id == "packets":
            self.action_other()
        elif row is not None and row.has_children:
            self._toggle(row)

    async def _load(self) -> None:
        try:
            packets = await arrived(self.desk.source.packets(self.packets_of))
            if any(packets.aliases):
                # Of a redacted screen: the addresses are in every packet.
                raise PacketsError(_REDACTED)
            self._packets = packets
            cut = await asyncio.to_thread(read_slice, self._packets.pcapng)
        except CtcpmonError as error:
            self._state = clean(str(error), 300)
            if isinstance(error, GivenUpError):
                self._state += "; Esc, then p, asks again"
            self._repaint()
            return
        self._book = PacketBook(cut, self._packets.client)
        self._state = "" if self._book.rows else "there are no packets"
        self._problem = missing()
        self.listed.show(len(self._book.rows), self._book.proof - 1)
        self._look_at(self._book.proof)

    def _look_at(self, number: int) -> None:
        """Shows a packet, and asks for its fields if they are not known."""
        self._number = number
        self._fold_anew(at=0)
        book = self._book
        if book is None or number in self._asked or not book.wanted(number):
            return
        self._give_up()
        self.set_timer(_REST_S if self._tree or book.rows[0].text else 0.01, lambda: self._ask(number))

    def _ask(self, number: int) -> None:
        if number == self._number and not self._asked and self._book is not None and self.is_there:
            wanted = self._book.wanted(number)
            if wanted:
                self._asked, self._stop = wanted, threading.Event()
                work = self._dissect(self._book, wanted, self._stop)
                self.run_worker(work, group="dissect", exit_on_error=False)

    async def _dissect(self, book: PacketBook, wanted: list[int], stop: threading.Event) -> None:
        try:
            found = await asyncio.to_thread(dissect, book.cut, wanted, is_cancelled=stop)
        finally:
            stop.set()
            if self._stop is stop:
                self._asked, self._stop = [], None
        book.take(wanted, found)
        if found.problem != "cancelled":
            self._problem = found.problem
        if self.is_there:
            self.listed.show(len(book.rows))
            self._look_at(self._number)

    def _give_up(self) -> None:
        """Ends the dissection that is going on."""
        if self._stop is not None:
            self._stop.set()
            self._asked, self._stop = [], None

    def _toggle(self, row: TreeRow) -> None:
        # Fields of one name and depth fold together, also in the packets that follow.
        node = self._node(row.key)
        if node is not None:
            self._folds ^= {(row.depth, node.name or node.label)}
            self._fold_anew(at=None)

    def _fold_anew(self, *, at: int | None) -> None:
        found = self._book.tree(self._number) if self._book is not None else None
        self._tree = tree_rows(found.layers, self._is_open) if found is not None else []
        self.fields.show(len(self._remarks()) + len(self._words()) + len(self._tree), at)
        self._repaint()

    def _is_open(self, key: str, node: Node) -> bool:
        depth = key.count(".")
        return (depth == 0 and node.name in _UNFOLDED) != ((depth, node.name or node.label) in self._folds)

    def _node(self, key: str) -> Node | None:
        found = self._book.tree(self._number) if self._book is not None else None
        nodes, node = found.layers if found is not None else (), None
        for step in map(int, key.split(".")):
            if step >= len(nodes):
                return None
            node = nodes[step]
            nodes = node.children
        return node

    def _repaint(self) -> None:
        if self.is_there:
            self.listed.refresh()
            self.fields.refresh()
            self.show_body(self.desk.view)
            self._follow_bytes()

    def _follow_bytes(self) -> None:
        """Keeps the marked bytes in view."""
        panel, row = self.part("bytes"), self._tree_row(self.fields.at)
        place = row.at if row is not None and row.size else 0
        line = place // bytes_per_line(panel.content_size.width)
        if not panel.scroll_y <= line < panel.scroll_y + max(panel.size.height, 1):
            panel.scroll_to(y=line, animate=False, force=True)

    def _remarks(self) -> tuple[str, ...]:
        book = self._book
        return book.rows[self._number - 1].remarks if book is not None and book.rows else ()

    def _words(self) -> list[str]:
        """What stands where there are no fields."""
        if self._tree or self._book is None or not self._book.rows:
            return []
        said = self._problem or "asking tshark"
        return prose(said, max(self.fields.content_size.width - 4, 20))

    def _tree_row(self, at: int) -> TreeRow | None:
        at -= len(self._remarks()) + len(self._words())
        return self._tree[at] if 0 <= at < len(self._tree) else None

    def _row(self, at: int, cells: int) -> Line:
        assert self._book is not None  # noqa: S101 else there are no rows
        listed = self.listed
        return painting.row(self._book.rows[at], cells, is_chosen=at == listed.at, has_keys=listed.has_focus)

    def _field(self, at: int, cells: int) -> Line:
        remarks, words, row = self._remarks(), self._words(), self._tree_row(at)
        fields = self.fields
        is_chosen, has_keys = at == fields.at, fields.has_focus
        if row is not None:
            return painting.field(row, is_chosen=is_chosen, has_keys=has_keys)
        if at < len(remarks):
            return painting.remark(remarks[at], is_chosen=is_chosen, has_keys=has_keys)
        at -= len(remarks)
        return (("    ", ""), (words[at][:cells] if at < len(words) else "", "dim"))

    def _title(self, view: View, frame: Frame) -> list[Line]:
        del view
        packets, book = self._packets, self._book
        if book is None or packets is None:
            pieces = prose(self._state, frame.width - 10)
            return [frame.rule((("PACKETS", "title"), (f"  {pieces[0]}", "bold")))]
        ends = f"  {packets.client[0]}:{packets.client[1]} -> {packets.headend[0]}:{packets.headend[1]}"
        remarked = sum(bool(row.remarks) for row in book.rows)
        right: Line = ((f"{remarked} with a remark", "dim"),) if frame.width >= 72 else ()
        return [frame.rule(((f"PACKETS {len(book.rows):,}", "title"), (ends, "bold")), right)]

    def _fields_title(self, view: View, frame: Frame) -> list[Line]:
        del view
        packets, book = self._packets, self._book
        if book is None or packets is None or not book.rows:
            pieces = prose(self._state, frame.width - 2)
            return [((pieces[0], "dim"),)]
        number = self._number
        place = f", frame {packets.numbers[number - 1]:,}" if number <= len(packets.numbers) else ""
        name = "BYTES" if self.has_class("-bytes-only") else "FIELDS"
        right: Line = ((packets.left_out, "warning"),) if packets.left_out and frame.width >= 72 else ()
        return [frame.rule(((name, "title"), (f"  packet {number:,}{place}", "bold")), right)]

    def _bytes(self, view: View, frame: Frame) -> list[Line]:
        del view
        frame_now = self._book.frame(self._number) if self._book is not None else None
        row = self._tree_row(self.fields.at)
        marked = range(row.at, row.at + row.size) if row is not None else range(0)
        return painting.hexadecimal(frame_now.data if frame_now is not None else b"", marked, frame)
