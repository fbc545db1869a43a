"""The panels under the list: evidence, first fix, and what to say when there is no incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.stamps import clock
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
    title: Line = (("EVIDENCE", "title"), (f"  incident {facts.number} of {facts.of}", ""))
    where = facts.silence or (f"loss {facts.loss}" if frame.width >= _ROOMY else facts.loss)
    lines = [frame.rule(title, ((where, "bold"),))]
    body = [_fact(one, frame) for one in facts.lines]
    stopped = _labelled("effect", facts.stopped, frame, "bold")
    sure = f"{facts.confidence}; {facts.confidence_reasons}"
    room = frame.height - 1
    if room >= _TALL:
        lines += [*body, *stopped, *_labelled("sure?", sure, frame), *_labelled("story", facts.story, frame)]
        return [*lines, *_labelled("why", facts.why, frame), *_otherwise(facts, frame)]
    # Small: the facts first, but what it means and how sure it is always have their line.
    keep = max(room - len(stopped) - 1, 1)
    return [*lines, *body[:keep], *stopped, *_labelled("sure?", sure, frame, most=1)]


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
        return [*lines, *_config(fix, frame), *_others(view.fixes, frame, most=3)]
    others = _others(view.fixes, frame, most=1) if room >= 1 else []
    room -= len(others)
    risk = _labelled("risk", fix.risk, frame, most=1) if room >= 1 else []
    room -= len(risk)
    why = _labelled("why", fix.why, frame, most=room) if room >= 1 else []
    return [*lines, *why, *risk, *others]


def _fact(one: EvidenceLine, frame: Frame) -> Line:
    at = clock(one.at_ns) if one.at_ns is not None else ""
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


def _config(fix: FixView, frame: Frame) -> list[Line]:
    if not fix.config:
        return []
    lines: list[Line] = [(("  to type, after you checked it:", "dim"),)]
    for text in fix.config.splitlines():
        lines += [((f"    {piece}", ""),) for piece in fold(text, frame.width - 5)]
    return lines


def _wrapped(text: str, frame: Frame) -> list[str]:
    return prose(text, frame.width - 3)
