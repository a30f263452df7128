"""One frame that an operator asks about, whether or not the study's selection has it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from node.errors import FrameError
from node.settings import Analysis
from workers.findings import Dropped, Frame, Point, Reason
from workers.frames.header import opened, quiet
from workers.frames.instance import StoredInstance, present, usable_layout
from workers.frames.layout import Layout
from workers.frames.reading import read
from workers.frames.selection import frame_of


def image_layout(path: Path, settings: Analysis) -> Layout:
    """The size of an image and the number of frames that its file holds.

    Raises FrameError for what is no ultrasound image or cannot be decoded, StorageError when the
    file cannot be opened or read.
    """
    limit = settings.max_decoded_mib << 20
    with opened(path, limit) as (header, stream), quiet():
        held, _ = present(stream, header, usable_layout(header, limit))
    return held


def read_asked(
    instance: StoredInstance, number: int, points: Sequence[Point], settings: Analysis
) -> Frame | Dropped:
    """The frame, counted from 1, with the B-mode region that holds all ``points``.

    Raises StorageError when the file cannot be opened or read; bad content never raises.
    """
    try:
        ref = frame_of(instance, number, settings)
    except FrameError as error:
        return Dropped(instance.sop_instance_uid, number, Reason(error.reason), str(error))
    return next(iter(read(instance.path, [ref], settings, points)))
