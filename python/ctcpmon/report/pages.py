"""A report as HTML or Markdown: the one place where its strings meet a format and are escaped. Pure."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from ctcpmon.report.contents import Code, Facts, Graph, Heading, Items, Prose
from ctcpmon.text import clean

if TYPE_CHECKING:
    from ctcpmon.report.contents import Block, Document

__all__ = ["html", "markdown"]

_CELLS = 4_000
_STYLE = (
    "body{font:15px/1.5 sans-serif;color:#222;background:#fff;max-width:62rem;margin:2rem auto}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;border-bottom:1px solid #ccc;margin-top:2rem}"
    "table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.15rem .8rem .15rem 0}"
    "th{font-weight:bold;white-space:nowrap}"
    "pre{background:#f4f4f4;border:1px solid #ddd;padding:.8rem;white-space:pre-wrap}"
    "svg{width:100%;height:auto}@media print{body{max-width:none;margin:0}pre{page-break-inside:avoid}}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is fetched and nothing runs, whatever a string could do."""
_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&$#]")
_SPECIAL_FIRST = re.compile(r"^([-+=]|\d+(?=[.)](?: |$)))")
"""What makes a list or a heading of a line."""


def html(page: Document) -> str:
    """One file: no script, nothing from outside."""
    body = "\n".join(_html(block) for block in page.blocks)
    title = escape(clean(page.title, _CELLS))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _html(block: Block) -> str:
    match block:
        case Heading():
            return f"<h2>{_safe(block.text)}</h2>"
        case Prose():
            return f"<p>{_safe(block.text)}</p>"
        case Facts():
            rows = (f"<tr><th>{_safe(name)}</th><td>{_safe(text)}</td></tr>" for name, text in block.rows)
            return "<table>\n" + "\n".join(rows) + "\n</table>"
        case Items():
            return "<ul>\n" + "\n".join(f"<li>{_safe(text)}</li>" for text in block.texts) + "\n</ul>"
        case Code():
            return "<pre>" + "\n".join(map(_safe, block.lines)) + "</pre>"
        case Graph():
            return f"<figure>{block.svg}</figure>"


def _safe(text: str) -> str:
    return escape(clean(text, _CELLS))


def markdown(page: Document) -> str:
    """CommonMark; tables as GitHub and GitLab have them."""
    parts = [f"# {_plain(page.title)}", *map(_markdown, page.blocks)]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading():
            return f"## {_plain(block.text)}"
        case Prose():
            return _plain(block.text)
        case Facts():
            rows = (f"| {_plain(name)} | {_plain(text)} |" for name, text in block.rows)
            return "| | |\n| --- | --- |\n" + "\n".join(rows)
        case Items():
            return "\n".join(f"- {_plain(text)}" for text in block.texts)
        case Code():
            return _fenced(block.lines)
        case Graph():
            return _fenced(block.lines)


def _plain(text: str) -> str:
    shown = _SPECIAL.sub(r"\\\g<0>", clean(" ".join(text.split()), _CELLS))
    return _SPECIAL_FIRST.sub(lambda found: _first(found[0]), shown)


def _first(start: str) -> str:
    return f"{start[:-1]}&#{ord(start[-1])};"


def _fenced(lines: tuple[str, ...]) -> str:
    """A fence is longer than any run of its character inside."""
    shown = [clean(line, _CELLS) for line in lines]
    longest = max((len(run) for line in shown for run in re.findall("`+", line)), default=0)
    fence = "`" * max(longest + 1, 3)
    return "\n".join((f"{fence}text", *shown, fence))
