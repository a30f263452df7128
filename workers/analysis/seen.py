"""What a frozen backbone makes of frames, computed once however many heads look at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.frame.seen import Seen
from workers.findings import Frame


def seen_by(features: Any, frames: Sequence[Frame]) -> list[Seen]:
    """One per frame, by ``models.frame.features.Features``; what the gate's network has seen
    serves where it is the same."""
    known = [one.seen for one in frames if one.seen and one.seen.network == features.digest]
    if len(known) == len(frames):
        return known
    return list(features.see([frame.image for frame in frames]))
