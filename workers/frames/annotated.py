"""The images of a manifest, DICOM among them, as training and evaluation take them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data import Case, ImageHeader, picture_header, read_picture
from models.errors import TrainingError
from node.errors import FrameError, StorageError
from node.settings import Analysis
from workers.clinical import read_factors
from workers.findings import EXPLANATION, Dropped, FrameRef, Reason
from workers.frames.calibration import spacing
from workers.frames.header import opened, quiet
from workers.frames.instance import present, usable_layout
from workers.frames.reading import read
from workers.frames.regions import candidates

_PREAMBLE = 128  # PS3.10 7.1


@dataclass(frozen=True)
class CaseReader:
    """Reads the (H, W) uint8 grey image of a case: DICOM as the worker does, else a picture.

    Raises TrainingError that names the file. Can be pickled, as loader processes need it.
    """

    analysis: Analysis

    def __call__(self, case: Case) -> NDArray[np.uint8]:
        try:
            if is_dicom(case.image):
                return read_whole(case.image, case.frame, self.analysis)
            return read_picture(case)
        except (OSError, FrameError, StorageError) as error:
            raise TrainingError(f"{_named(case)}: {error}") from error

    def header(self, case: Case) -> ImageHeader:
        """What the file says without its pixels: a frame that is not there, or a file that a
        worker could not read, is a TrainingError before any image is decoded."""
        try:
            if not is_dicom(case.image):
                return picture_header(case)
            limit = self.analysis.max_decoded_mib << 20
            with opened(case.image, limit) as (header, stream), quiet():
                layout, _ = present(stream, header, usable_layout(header, limit))
                regions = candidates(header.dataset, layout.rows, layout.columns)
                spacings = {known for region in regions if (known := spacing(region)[0])}
        except FrameError as error:
            raise TrainingError(f"{_named(case)}: {_explained(error)}") from error
        except (OSError, StorageError) as error:
            raise TrainingError(f"{_named(case)}: {error}") from error
        if case.frame > layout.frames:
            raise TrainingError(f"{_named(case)}: the file has {layout.frames}")
        return ImageHeader(
            size=(layout.columns, layout.rows),
            clinical=read_factors([case.image], {}).numbers,
            spacing=spacings.pop().row if len(spacings) == 1 else None,
        )


def _named(case: Case) -> str:
    """The case's file, and its line where a manifest has given it."""
    line = "" if case.line is None else f"line {case.line}: "
    return f"{line}{case.image}, frame {case.frame}"


def _explained(error: FrameError) -> str:
    why = EXPLANATION[Reason(error.reason)]
    return f"{why}: {error}" if str(error) else why


def is_dicom(path: Path) -> bool:
    """Whether a file begins as a DICOM file does; OSError when it cannot be read."""
    with path.open("rb") as stream:
        return stream.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"


def read_whole(path: Path, number: int, settings: Analysis) -> NDArray[np.uint8]:
    """(rows, columns) echo levels of a frame, counted from 1, black beyond its B-mode region.

    The size is that of the whole frame, so that outlines drawn on it keep their place, while the
    echoes are those that the worker's models see. Raises FrameError for a frame that the worker
    would not analyse, StorageError when the file cannot be opened.
    """
    found = next(iter(read(path, [FrameRef("", "", "", number, number)], settings)))
    if isinstance(found, Dropped):
        why = EXPLANATION[found.reason]
        raise FrameError(f"{why}: {found.detail}" if found.detail else why, found.reason)
    x0, y0, x1, y1 = found.window
    whole = np.zeros(found.source.shape[:2], np.uint8)
    whole[y0:y1, x0:x1] = found.image
    return whole
