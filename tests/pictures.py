"""Heatmaps and summaries of very different frames, to be looked at.

``python -m tests.pictures OUT`` writes them as PNG.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

from tests.workers.results.studies import (
    CONTEXT,
    blank_header,
    by_uid,
    findings_of,
    frame_of,
    header_of,
    pixels_of,
    whole_of,
)
from workers.findings import StudyFindings
from workers.results import build

STILL, LOOP = "US1_UNCR.dcm", "examples_ybr_color.dcm"


def write_pictures(folder: Path) -> None:
    """Every picture of every study, in the order in which a PACS shows them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, header, pixels, findings in studies():
        results = build(CONTEXT, findings, by_uid(header), lambda _, shown=pixels: shown)
        previews = [(one.kind, one.preview) for one in results if one.preview is not None]
        for number, (kind, preview) in enumerate(previews, start=1):
            Image.fromarray(preview).save(folder / f"{name}-{number}-{kind}.png")


def studies() -> Iterator[tuple[str, Dataset, NDArray[np.uint8], StudyFindings]]:
    """Name, header, pixels of one frame and what is found there."""
    still, loop = pixels_of(STILL), pixels_of(LOOP, 12)
    yield _whole("grey", header_of(STILL), still)
    yield _whole("loop", header_of(LOOP), loop, 12)
    yield _whole("square", blank_header(SeriesNumber=2, InstanceNumber=7), still[100:400, 170:470])
    yield _whole("portrait", blank_header(SeriesNumber=2), still[60:420, 240:390])
    header, dark = blank_header(InstanceNumber=1), (0.3 * still).astype(np.uint8)
    uncalibrated = findings_of([frame_of(header)], (40, 100, 600, 400))
    yield "dark", header, dark, uncalibrated


def _whole(
    name: str, header: Dataset, pixels: NDArray[np.uint8], number: int = 1
) -> tuple[str, Dataset, NDArray[np.uint8], StudyFindings]:
    rows, columns = pixels.shape[:2]
    return name, header, pixels, whole_of(frame_of(header, number), shape=(rows, columns))


if __name__ == "__main__":
    write_pictures(Path(sys.argv[1]))
