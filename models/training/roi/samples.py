"""The regions that the region classifier learns from, held in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from models.data import Case
from models.data.manifest import MALIGNANT_TYPES
from models.errors import TrainingError
from models.evaluation.geometry import geometry_features
from models.evaluation.joint_prompts import jittered_box
from models.images import Window, content_window
from models.images.roi import background_window, crop_roi, lesion_window
from models.training.options import Options

NO_LESION = "none"
BENIGN, MALIGNANT = "benign", "malignant"

LARGEST = 400
"""Pixels: the largest region of liver without a lesion (paper 3: 300 to 400)."""

MALIGNANCY: Mapping[str, int | None] = {**MALIGNANT_TYPES, BENIGN: 0, MALIGNANT: 1}
"""Whether a class is malignant; None where there is no lesion."""


@dataclass(frozen=True)
class RoiSamples:
    """N regions. crops : (N, 224, 224) uint8. rough : the same in a box as a user draws it (paper
    4's jitter). targets : (N,) places in ``classes``. patients, ids : of each region's image.
    geometry : (N, 9), what the confound baseline reads. own : how many of the first may be held
    out; the others are only learned from. notes : what was left out."""

    classes: tuple[str, ...]
    crops: npt.NDArray[np.uint8]
    rough: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.int64]
    patients: tuple[str, ...]
    ids: tuple[str, ...]
    geometry: npt.NDArray[np.float64]
    own: int
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.crops)

    def counts(self) -> dict[str, int]:
        """Regions that may be held out, by class."""
        found = np.bincount(self.targets[: self.own], minlength=len(self.classes))
        return dict(zip(self.classes, found.tolist(), strict=True))

    def strata(self) -> list[str]:
        return [self.classes[number] for number in self.targets[: self.own]]


def choose_classes(cases: Sequence[Case], folds: int) -> tuple[str, ...]:
    """The classes that a manifest supports, with as many patients as there are folds in each.

    Lesion types where two or more are labelled so, else benign and malignant; 'none' (paper 3's
    non-FLL) where there are images without a lesion. TrainingError with fewer than two classes.
    """
    least = max(2, folds)

    def supported(name: str, classes: Sequence[str]) -> bool:
        known = {case.patient for case in cases if class_of(case, classes) == name}
        return len(known) >= least

    types = [name for name in MALIGNANT_TYPES if name != NO_LESION]
    found = [name for name in types if supported(name, [name])]
    if len(found) < 2:
        found = [name for name in (BENIGN, MALIGNANT) if supported(name, [name])]
    if supported(NO_LESION, [NO_LESION]):
        found.insert(0, NO_LESION)
    if len(found) < 2:
        raise TrainingError(
            f"the manifest supports {len(found)} classes: at least two of a type, benign or "
            f"malignant, and no lesion must be labelled in {least} patients or more each, with a "
            "mass or box, or a liver outline where there is no lesion"
        )
    return tuple(found)


def class_of(case: Case, classes: Sequence[str]) -> str | None:
    """The class that a case's labels give it and its outlines can show, or None."""
    if case.labels.get("lesion") == 0:
        name = NO_LESION if case.liver is not None else None
    elif not case.boxes:
        name = None
    elif case.type in classes:
        name = case.type
    else:
        name = {0: BENIGN, 1: MALIGNANT}.get(case.labels.get("malignant", -1))
    return name if name in classes else None


def load_rois(
    cases: Sequence[Case], classes: Sequence[str], options: Options, extra: Sequence[Case] = ()
) -> RoiSamples:
    """Crops every region of the cases once: each box, or the largest square of liver.

    extra : cases that are only learned from. TrainingError when no case can be used.
    """
    crops, rough, targets, patients, ids, sizes, windows = [], [], [], [], [], [], []
    generator = np.random.default_rng(options.seed)
    unused = 0
    own = 0
    for number, case in enumerate([*cases, *extra]):
        options.progress("images", number, len(cases) + len(extra))
        name = class_of(case, classes)
        found = [] if name is None else _windows(case, image := options.read(case), name, generator)
        if name is None or not found:
            unused += number < len(cases)
            continue
        for window, drawn in found:
            crops.append(crop_roi(image, window))
            rough.append(crop_roi(image, drawn))
            targets.append(list(classes).index(name))
            patients.append(case.patient)
            ids.append(case.id)
            sizes.append((image.shape[1], image.shape[0]))
            windows.append(content_window(image))
        own += len(found) * (number < len(cases))
    if not own:
        raise TrainingError(
            f"none of {len(cases)} cases shows a region of {', '.join(classes)}: label them, and "
            "outline their masses, or the liver where there is none"
        )
    notes = [f"{unused} of {len(cases)} cases show no region of these classes"] if unused else []
    return RoiSamples(
        tuple(classes),
        np.stack(crops),
        np.stack(rough),
        np.asarray(targets, np.int64),
        tuple(patients),
        tuple(ids),
        geometry_features(sizes, windows),
        own,
        tuple(notes),
    )


class Balanced(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Regions repeated until every class is as common as the largest, and that ``copies`` times.

    Paper 3 fills its small classes with changed copies and then quadruples all: here each passage
    of a region is changed anew, see ``models.training.roi.augmentation``.
    """

    def __init__(self, samples: RoiSamples, indices: Sequence[int], copies: int) -> None:
        self._crops = torch.from_numpy(samples.crops)
        self._targets = torch.from_numpy(samples.targets)
        chosen = np.asarray(indices, int)
        groups = [
            chosen[samples.targets[chosen] == number] for number in range(len(samples.classes))
        ]
        most = max(len(group) for group in groups)
        filled = [np.resize(group, most) for group in groups if len(group)]
        self._indices = np.tile(np.concatenate(filled), copies)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        index = int(self._indices[place])
        return self._crops[index], self._targets[index]


def _windows(
    case: Case, image: npt.NDArray[np.uint8], name: str, generator: np.random.Generator
) -> list[tuple[Window, Window]]:
    """Each region, and the same as a user draws it; nobody draws where there is no lesion."""
    if name != NO_LESION:
        return [
            (lesion_window(box), lesion_window(jittered_box(box, generator))) for box in case.boxes
        ]
    window = background_window(image, (), liver=case.liver, largest=LARGEST)
    return [] if window is None else [(window, window)]
