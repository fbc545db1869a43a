"""The panels under the list: evidence, first fix, and what to say when there is no incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.stamps import clock, day, is_old
from ctcpmon.text import width
from ctcpmon.tui.painting import words
from ctcpmon.tui.painting.fold import fold, prose

if TYPE_CHECKING:
    from ctcpmon.tui.painting.brush import Frame, Line, Role
    from ctcpmon.tui.view import EvidenceLine, EvidenceView, FixView, View

__all__ = ["evidence", "first_fix", "situation"]

_TIME_CELLS = 13
_TALL = 9
_ROOMY = 72
_NOTES = 3
_TITLE_CELLS = 12
"""Of the word and the shortest rule."""


def situation(view: View, frame: Frame) -> list[Line]:
    """No incident: say so, prove that something looked, and name what to check."""
    now = view.situation
    lines: list[Line] = [((f"  {text}", words.role_of(now.level)),) for text in _wrapped(now.headline, frame)]
    for text in now.facts:
        lines += [((f"  {piece}", ""),) for piece in _wrapped(text, frame)]
    for text in view.notes[:_NOTES]:
        lines += [((f"  {piece}", "dim"),) for piece in _wrapped(f"note: {text}", frame)]
    if now.checks:
        lines.append((("  Check:", "bold"),))
        for number, text in enumerate(now.checks, 1):
            pieces = prose(text, frame.width - 1, first=f"  {number}. ", rest="     ")
            lines += [((piece, ""),) for piece in pieces]
    return lines


def evidence(view: View, frame: Frame) -> list[Line]:
    """The measured facts of the selected incident; in a tall frame also the story."""
    facts = view.evidence
    if facts is None:
        return []
    number = f"  incident {facts.number} of {facts.of}"
    where = facts.silence or (f"loss {facts.loss}" if frame.width >= _ROOMY else facts.loss)
    body = [_fact(one, frame, view.last_ns) for one in facts.lines]
    stopped = _labelled("effect", facts.stopped, frame, "bold")
    sure = f"{facts.confidence}; {facts.confidence_reasons}"
    room = frame.height - 1
    # The facts first, but what it means and how sure it is always have their lines.
    if room >= _TALL:
        sureness = _labelled("sure?", sure, frame)
        rest = [*_labelled("story", facts.story, frame), *_labelled("why", facts.why, frame)]
        rest += _otherwise(facts, frame)
    else:
        stopped = _labelled("effect", facts.stopped, frame, "bold", most=max(room - 2, 1))
        sureness, rest = _labelled("sure?", sure, frame, most=1), []
    keep = max(room - len(stopped) - len(sureness), 1)
    shown = f"{number}, {keep} of {len(body)} facts: Enter shows all" if keep < len(body) else number
    right: Line = ((where, "bold"),)
    if width(shown) + width(where) + _TITLE_CELLS > frame.width:
        shown = shown.removesuffix(": Enter shows all")
    if width(shown) + width(where) + _TITLE_CELLS > frame.width:
        shown = number
    title = frame.rule((("EVIDENCE", "title"), (shown, "")), right)
    return [title, *body[:keep], *stopped, *sureness, *rest]


def first_fix(view: View, frame: Frame) -> list[Line]:
    """What to do first; in a tall frame the text to type."""
    if not view.fixes:
        text = "no shipped fix fits this finding" if view.incidents else "nothing to do: there is no incident"
        return [frame.rule((("DO FIRST", "title"),)), ((f"  {text}", "dim"),)]
    fix = view.fixes[0]
    right: Line = (("y", "key"), (" copy  ", ""), ("f", "key"), (" all fixes", ""))
    left: Line = (("DO FIRST", "title"), (f"  fix 1 of {len(view.fixes)}: {fix.id}", "bold"))
    lines = [frame.rule(left, right if frame.width >= _ROOMY else ()), ((f"  {fix.title}", "bold"),)]
    room = frame.height - len(lines)
    if room >= _TALL:
        lines.append(((f"  {fix.platform}", "dim"),))
        lines += [*_labelled("why", fix.why, frame), *_labelled("risk", fix.risk, frame)]
        return _fitted([*lines, *_config(fix, frame), *_others(view.fixes, frame, most=3)], frame)
    others = _others(view.fixes, frame, most=1) if room >= 1 else []
    room -= len(others)
    risk = _labelled("risk", fix.risk, frame, most=1) if room >= 1 else []
    room -= len(risk)
    why = _labelled("why", fix.why, frame, most=room) if room >= 1 else []
    return [*lines, *why, *risk, *others]


def _fact(one: EvidenceLine, frame: Frame, now_ns: int | None) -> Line:
    at = clock(one.at_ns) if one.at_ns is not None else ""
    if one.at_ns is not None and is_old(one.at_ns, now_ns):
        at = f"{day(one.at_ns)} {at[:5]}"
    frame_number = f"  (frame {one.frame:,})" if one.frame is not None and frame.width >= _ROOMY else ""
    text = one.short if one.short and width(one.text) > frame.width - _TIME_CELLS - 1 else one.text
    return ((f" {at:<{_TIME_CELLS}}", "dim"), (text, ""), (frame_number, "dim"))


def _labelled(label: str, text: str, frame: Frame, role: Role = "", *, most: int | None = None) -> list[Line]:
    pieces = prose(text, frame.width - _TIME_CELLS - 2, most=most) if text else []
    return [
        ((f" {label if not at else '':<{_TIME_CELLS}}", "dim"), (piece, role))
        for at, piece in enumerate(pieces)
    ]


def _otherwise(facts: EvidenceView, frame: Frame) -> list[Line]:
    lines: list[Line] = []
    for at, text in enumerate(facts.otherwise):
        lines += _labelled("" if at else "or else", text, frame, "dim")
    return lines + _labelled("not known", facts.limits, frame, "dim")


def _others(fixes: tuple[FixView, ...], frame: Frame, *, most: int) -> list[Line]:
    names = ", ".join(f"{number} {fix.id}" for number, fix in enumerate(fixes[1:], 2))
    return _labelled("or instead", names, frame, most=most)


def _fitted(lines: list[Line], frame: Frame) -> list[Line]:
    """Text to type that ends at the edge of the frame must not be taken for all of it."""
    if len(lines) <= frame.height:
        return lines
    kept = max(frame.height - 1, 1)
    told = f"  ... {len(lines) - kept:,} more lines: f shows them, y copies the text to type"
    return [*lines[:kept], ((told, "warning"),)]


def _config(fix: FixView, frame: Frame) -> list[Line]:
    if not fix.config:
        return []
    lines: list[Line] = [(("  to type, after you checked it:", "dim"),)]
    for text in fix.config.splitlines():
        lines += [((f"    {piece}", ""),) for piece in fold(text, frame.width - 5)]
    return lines


def _wrapped(text: str, frame: Frame) -> list[str]:
    return prose(text, frame.width - 3)
