"""One mass of one image, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.data.case import Box, Case, Outline
from models.images import Window, content_window
from models.images.outlines import outline_mask
from models.training.options import Options


@dataclass(frozen=True)
class Lesion:
    """One mass of one image.

    case, patient : whose. grey : (H, W) uint8. mask : (H, W) uint8, 255 inside the outline, None
    where there is a box only. outline : of the mask. box : the tight one. window : the fan crop.
    labels : known ones, 'lesion' left out.
    """

    case: str
    patient: str
    grey: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.uint8] | None
    outline: Outline | None
    box: Box
    window: Window
    labels: dict[str, int]


def load_lesions(cases: Sequence[Case], options: Options) -> list[Lesion]:
    """Every mass of every case, with its whole image in memory (about 1 MB each)."""
    lesions = []
    for number, case in enumerate(cases):
        options.progress("images", number, len(cases))
        if not case.boxes:
            continue
        grey = options.read(case)
        window = content_window(grey)
        labels = {label: value for label, value in case.labels.items() if label != "lesion"}
        for place, box in enumerate(case.boxes):
            outline = case.masses[place] if place < len(case.masses) else None
            mask = None
            if outline is not None:
                inside = outline_mask([outline], (grey.shape[0], grey.shape[1]))
                mask = inside.astype(np.uint8) * 255
            lesion = Lesion(case.id, case.patient, grey, mask, outline, box, window, labels)
            if mask is None or mask.any():  # an outline beyond the image's edge has no pixel
                lesions.append(lesion)
    options.progress("images", len(cases), len(cases))
    return lesions
