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

__all__ = ["as_csv", "as_json", "save_new"]

_MAX_NAMES = 100
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute a cell (reliability.md section 8)."""


def as_csv(rows: Sequence[Any]) -> bytes:
    """Rows of one dataclass; every cell in quotes, none that a spreadsheet would run."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    names = [field.name for field in fields(rows[0])]
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return out.getvalue().encode()


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


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, int) else text
