"""The report of an incident: one page that stands alone, as HTML or Markdown.

Made of the parts of a view, so the command line, a screen on captures and one that is attached write the same
report. No clock, no network, no template engine: a page of a dozen blocks is less text than a template and
its rules for escaping would be, and one function puts every string in.
"""

from ctcpmon.report.contents import Document, Parts, document
from ctcpmon.report.pages import html, markdown

__all__ = ["Document", "Parts", "document", "html", "markdown"]
