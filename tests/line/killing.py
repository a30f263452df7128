"""Killing a part of the node at a point of its work, and not at a point of time."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.line.node import Node

_LAUNCHER = Path(__file__).with_name("stalled.py")


@dataclass(frozen=True)
class Point:
    """Where a part stands still, in the words of ``stalled.py``."""

    when: str
    where: str
    times: int = 1


def kill_at(
    node: Node,
    part: str,
    point: Point,
    *,
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Start a part and ``kill -9`` it and its children as soon as it stands at ``point``.

    ``meanwhile`` is called when it was started: it brings what the part needs to come so far.
    """
    marker = node.folder / f"{uuid.uuid4().hex}.stalled"
    launcher = [sys.executable, "-P", str(_LAUNCHER), str(marker)]
    node.start(part, command=[*launcher, point.when, point.where, str(point.times)])
    meanwhile()
    node.until(marker.exists)
    node.kill(part)
