"""The parts of the screens. Each takes lines or rows and knows no run, engine or global app.

What a widget shows is handed to it; what the user does comes back as a message.
"""

from ctcpmon.tui.widgets.filter_bar import FilterBar
from ctcpmon.tui.widgets.index_list import IndexList
from ctcpmon.tui.widgets.line_view import LineView
from ctcpmon.tui.widgets.long_table import LongTable, Window
from ctcpmon.tui.widgets.panel import Panel
from ctcpmon.tui.widgets.row_list import RowList

__all__ = ["FilterBar", "IndexList", "LineView", "LongTable", "Panel", "RowList", "Window"]
