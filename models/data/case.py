"""One annotated image, as a row of a manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.errors import TrainingError

Grey = npt.NDArray[np.uint8]
"""(H, W) echo level."""

Outline = tuple[tuple[float, float], ...]
"""Corners x, y of a polygon, in pixels of the whole image."""

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1, in pixels of the whole image."""

Clinical = Mapping[str, float]
"""The factors of ``models.factors.CLINICAL`` that are known: age in years, the others 0 or 1
(sex: 1 is male)."""


@dataclass(frozen=True)
class Case:
    """One image and all that is known of it; what is not known is None or absent, never a zero.

    id : unique in the manifest. patient : splits never divide one. image : a picture or DICOM
    file. frame : of the file, from 1. labels : 0 or 1 by label ('lesion', 'malignant', and each
    lesion type once the type is known). type : the lesion's type. fan, liver, kidney, masses :
    outlines. boxes : one per mass. view : one of the four of paper 5. fat_percent : the reference
    fat fraction. hepatorenal_index : liver over kidney echo level, as somebody measured it.
    background : the liver around, 'normal', 'steatosis' or 'fibrosis'. spacing : mm per pixel.
    kind : what an image shows that shows no liver; None is a liver.
    line : of the manifest, for error texts.
    """

    id: str
    patient: str
    image: Path
    frame: int = 1
    labels: Mapping[str, int] = field(default_factory=dict)
    type: str | None = None
    fan: Outline | None = None
    liver: Outline | None = None
    kidney: Outline | None = None
    masses: tuple[Outline, ...] = ()
    boxes: tuple[Box, ...] = ()
    view: str | None = None
    fat_percent: float | None = None
    hepatorenal_index: float | None = None
    background: str | None = None
    spacing: float | None = None
    kind: str | None = None
    clinical: Clinical = field(default_factory=dict)
    line: int | None = None


@dataclass(frozen=True)
class ImageHeader:
    """What a file says without its pixels. size : (width, height) of the image. clinical : age and
    sex, where a DICOM file says them. spacing : mm per pixel, where one is calibrated."""

    size: tuple[int, int]
    clinical: Clinical = field(default_factory=dict)
    spacing: float | None = None


def bounding_box(outline: Outline) -> Box:
    """The tight box of an outline."""
    columns = [x for x, _ in outline]
    rows = [y for _, y in outline]
    return (min(columns), min(rows), max(columns), max(rows))


def read_picture(case: Case) -> Grey:
    """The image of a case whose file is a picture (JPEG, PNG, …).

    OSError when it cannot be read. DICOM files need a reader that knows DICOM, see
    ``models.training.options.Options.read``.
    """
    try:
        with Image.open(case.image) as image:
            return np.asarray(image.convert("L"))
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # SyntaxError is Pillow's word for a broken PNG, ValueError for a PPM that was cut short.
        raise OSError(str(error)) from error


def picture_header(case: Case) -> ImageHeader:
    """The header of a case whose file is a picture.

    TrainingError when it is none. DICOM files need a reader that knows DICOM.
    """
    try:
        with Image.open(case.image) as image:
            return ImageHeader(image.size)
    except (OSError, Image.DecompressionBombError) as error:
        raise TrainingError(f"{case.image} is no picture that can be read ({error})") from error


def patients(cases: Sequence[Case]) -> list[str]:
    """The patient of each case, as splitters take them."""
    return [case.patient for case in cases]
