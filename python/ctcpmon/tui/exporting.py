"""The table in view to a file, as CSV or JSON. A file that is there is never touched."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

import msgspec

from ctcpmon.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["as_csv", "as_json", "counted", "save_new"]

_MAX_NAMES = 100
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute a cell (reliability.md section 8)."""


def as_csv(rows: Sequence[Any]) -> bytes:
    """Rows of one dataclass; every cell in quotes, none that a spreadsheet would run."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    names = [field.name for field in fields(rows[0])]
    writer.writerow([title for name in names for title in _titles(name, getattr(rows[0], name))])
    for row in rows:
        values = (getattr(row, name) for name in names)
        writer.writerow(
            [_cell(one) for value in values for one in (value if isinstance(value, tuple) else (value,))]
        )
    return out.getvalue().encode()


def counted(number: int, of: int) -> str:
    """How many rows there are in a file, and how many there would have been."""
    rows = f"{number:,} {'row' if number == 1 else 'rows'}"
    return rows if number >= of else f"the first {rows} of {of:,}; no more fit into one file"


def as_json(rows: Sequence[Any]) -> bytes:
    """An array of objects, one a line."""
    lines = b",\n".join(msgspec.json.encode(asdict(row)) for row in rows)
    return b"[\n" + lines + b"\n]\n"


def save_new(stem: str, suffix: str, data: bytes) -> Path:
    """Writes a new file here, or in the temporary folder; mode 0600. Raises ``OSError``."""
    try:
        return _save(Path.cwd(), stem, suffix, data)
    except OSError:
        return _save(Path(gettempdir()), stem, suffix, data)


def _save(folder: Path, stem: str, suffix: str, data: bytes) -> Path:
    for number in range(1, _MAX_NAMES + 1):
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            with whole_file(str(path)) as part:
                Path(part).write_bytes(data)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(17, "too many files of that name", str(folder / stem))


def _titles(name: str, value: object) -> tuple[str, ...]:
    """A pair is of client and server."""
    return (f"{name}_client", f"{name}_server") if isinstance(value, tuple) else (name,)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, int) else text
