"""How answers look: columns for people, JSON for programs, times that a tired reader can use."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

STATE_STYLES = {
    "receiving": "cyan",
    "complete": "green",
    "held": "bold red",
    "queued": "cyan",
    "running": "cyan",
    "done": "green",
    "failed": "bold red",
    "refused": "yellow",
    "quarantined": "bold red",
    "superseded": "dim",
    "pending": "cyan",
    "sent": "green",
    "confirmed": "green",
    "ok": "green",
    "warning": "bold yellow",
    "wrong": "bold red",
}


def say(line: str | Text = "", *, style: str = "", error: bool = False) -> None:
    """One line for a person; never cut or folded, so that a UID can be copied whole."""
    Console(stderr=error, highlight=False).print(
        Text(line) if isinstance(line, str) else line, style=style, soft_wrap=True
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their content; put what is long, as a UID, into the last one."""
    cells = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    for number, row in enumerate(cells):
        line = Text()
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            last = column == len(row) - 1
            style = "bold" if number == 0 else STATE_STYLES.get(cell, "")
            line.append(cell, style=style)
            line.append("" if last else " " * (width - len(cell) + 2))
        say(line)


def fields(pairs: Iterable[tuple[str, str]]) -> None:
    """``name  value`` lines, for one thing shown in full."""
    known = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        say(Text(name.ljust(width + 2), style="dim") + Text(value, STATE_STYLES.get(value, "")))


def heading(text: str) -> None:
    say()
    say(text, style="bold")


def print_json(value: Any) -> None:
    """``value`` as JSON on standard output; dataclasses as objects, times in ISO 8601."""
    sys.stdout.write(as_text(value))


def as_text(value: Any) -> str:
    """``value`` as JSON, with a line end."""
    return json.dumps(value, indent=2, default=_plain, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def moment(at: datetime | None) -> str:
    """Local time and how long ago that was; empty for None."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S} ({ago(at)})" if at else ""


def ago(at: datetime | None) -> str:
    """``12 s ago``, ``in 3 min``; a local date and time beyond a day."""
    if at is None:
        return "-"
    seconds = (datetime.now(UTC) - at).total_seconds()
    if abs(seconds) > 86400:
        return f"{at.astimezone():%Y-%m-%d %H:%M}"
    return f"in {duration(-seconds)}" if seconds < 0 else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    """``0.24 s``, ``12 s``, ``3 min``, ``5 h``, ``2 days``."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds >= 0.01 else "0 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} days"


def size(count: int) -> str:
    """Bytes as ``831 B``, ``12.4 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def plural(count: int, word: str, many: str = "") -> str:
    """``1 study``, ``2 studies``."""
    return f"{count} {word if count == 1 else many or word + 's'}"


def place(kind: str, points: Sequence[Sequence[float]]) -> str:
    """Where an operator pointed: ``box 120,80,240,190``, ``clicks 20,40 22,41``, ``liver 259,197
    kidney 258,265``."""
    corners = [f"{x:g},{y:g}" for x, y in points]
    if kind == "box":
        return f"box {','.join(corners)}"
    if kind == "hepatorenal":
        return " ".join(
            f"{organ} {at}" for organ, at in zip(("liver", "kidney"), corners, strict=True)
        )
    return f"{'click' if len(corners) == 1 else 'clicks'} {' '.join(corners)}"


def class_name(uid: str) -> str:
    """The name of a SOP class or transfer syntax; an unknown one as its UID."""
    from pydicom.uid import UID

    return UID(uid).name.removesuffix(" Storage")
