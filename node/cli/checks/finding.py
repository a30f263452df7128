"""What a check of ``hepanode doctor`` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """``text`` is what was seen, ``advice`` what to do about it."""

    level: Literal["ok", "warning", "wrong"]
    check: str
    text: str
    advice: str = ""
