"""The lesions that DCNN-US learns from, each with its images, held in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from models.data import Box, Case
from models.data.manifest import BACKGROUNDS
from models.errors import TrainingError
from models.evaluation.geometry import geometry_features
from models.evaluation.joint_prompts import jittered_box
from models.images import content_window
from models.lesion.dcnn_us import Crop, crop
from models.lesion.region import Region
from models.training.options import Options


@dataclass(frozen=True)
class Lesion:
    """id : of its first image. images : places in ``LesionSamples.crops``. clinical : what is known
    of the patient. background : the liver around, as labelled. size : longest side of its box in
    cm, where an image is calibrated."""

    id: str
    patient: str
    malignant: int
    images: tuple[int, ...]
    clinical: Mapping[str, float]
    background: str | None
    size: float | None


@dataclass(frozen=True)
class LesionSamples:
    """crops : one per image. rough : the same images as a node reads them: the box as a user draws
    it (paper 4's jitter), and neither liver nor fan outlined. geometry : (L, 9) of the lesions'
    images, averaged. own : how many of the first lesions may be held out; the others are only
    learned from. types : background types that are labelled, none where fewer than two are. notes :
    what was left out."""

    lesions: tuple[Lesion, ...]
    crops: tuple[Crop, ...]
    rough: tuple[Crop, ...]
    geometry: npt.NDArray[np.float64]
    own: int
    types: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def truth(self) -> npt.NDArray[np.float64]:
        """(own,) 1 where malignant."""
        return np.array([float(row.malignant) for row in self.lesions[: self.own]])

    @property
    def patients(self) -> list[str]:
        return [row.patient for row in self.lesions[: self.own]]

    def strata(self) -> list[str]:
        return [str(row.malignant) for row in self.lesions[: self.own]]


def load_lesions(
    cases: Sequence[Case], options: Options, extra: Sequence[Case] = (), *, fewest: int = 2
) -> LesionSamples:
    """Crops every image of every lesion once.

    All images of a patient that show a mass of one kind are one lesion's: manifests do not number
    lesions. Where an image shows several masses, the largest is the lesion's, and the background
    keeps off all. extra : cases that are only learned from. TrainingError when there is
    no lesion, or fewer than the fewest are benign or malignant.
    """
    usable = [case for case in cases if _usable(case)]
    groups = [*_grouped(usable), *_grouped([case for case in extra if _usable(case)])]
    crops: list[Crop] = []
    rough: list[Crop] = []
    generator = np.random.default_rng(options.seed)
    lesions, geometry = [], []
    for number, group in enumerate(groups):
        options.progress("images", number, len(groups))
        sizes, windows = [], []
        for case in group:
            image = options.read(case)
            box, *others = sorted(case.boxes, key=_side, reverse=True)
            crops.append(crop(Region(image, box, case.liver, case.fan, tuple(others))))
            drawn = jittered_box(box, generator)
            rough.append(crop(Region(image, drawn, others=tuple(others))))
            sizes.append((image.shape[1], image.shape[0]))
            windows.append(content_window(image))
        lesions.append(_lesion(group, len(crops)))
        geometry.append(geometry_features(sizes, windows).mean(axis=0))
    own = len(_grouped(usable))
    counts = np.bincount([row.malignant for row in lesions[:own]], minlength=2)
    if not own or counts.min() < fewest:
        raise TrainingError(
            f"the manifest holds {counts[0]} benign and {counts[1]} malignant lesions with an "
            "outline or box: DCNN-US is fitted on two of each or more"
        )
    labelled = {row.background for row in lesions}
    types = tuple(name for name in BACKGROUNDS if name in labelled)
    return LesionSamples(
        tuple(lesions),
        tuple(crops),
        tuple(rough),
        np.stack(geometry),
        own,
        types if len(types) > 1 else (),
        _notes(len(cases) - len(usable), lesions[:own], crops),
    )


class Images(Dataset[tuple[torch.Tensor, ...]]):
    """Images of chosen lesions: lesion and background (224, 224), present, malignant, and the
    background type's place or -1.

    Each passage takes the crops of the outlines, or those of ``LesionSamples.rough``, at random: a
    network that only ever saw squares of outlined liver read those beside a box far worse. Draws
    from torch's global generator.

    batch : of the loader. Batch normalisation cannot learn from one image, so where the last
    batch would be one, the first image comes twice.
    """

    def __init__(self, samples: LesionSamples, chosen: Sequence[int], batch: int) -> None:
        self._crops = (samples.crops, samples.rough)
        self._rows = [
            (image, float(lesion.malignant), _place(lesion.background, samples.types))
            for lesion in (samples.lesions[number] for number in chosen)
            for image in lesion.images
        ]
        if len(self._rows) % batch == 1:
            self._rows.append(self._rows[0])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, ...]:
        image, malignant, background = self._rows[place]
        found = self._crops[int(torch.randint(2, ()))][image]
        return (
            torch.from_numpy(found.lesion),
            torch.from_numpy(found.background),
            torch.tensor(float(found.present)),
            torch.tensor(malignant),
            torch.tensor(background),
        )


def _usable(case: Case) -> bool:
    return bool(case.boxes) and "malignant" in case.labels


def _grouped(cases: Sequence[Case]) -> list[list[Case]]:
    groups: dict[tuple[str, int], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.patient, case.labels["malignant"]), []).append(case)
    return list(groups.values())


def _lesion(group: Sequence[Case], end: int) -> Lesion:
    clinical: dict[str, float] = {}
    for case in group:
        clinical = {**case.clinical, **clinical}
    sizes = [
        max(_side(box) for box in case.boxes) * case.spacing / 10
        for case in group
        if case.spacing is not None
    ]
    first = group[0]
    return Lesion(
        id=first.id,
        patient=first.patient,
        malignant=first.labels["malignant"],
        images=tuple(range(end - len(group), end)),
        clinical=clinical,
        background=next((case.background for case in group if case.background), None),
        size=max(sizes) if sizes else None,
    )


def _notes(unused: int, lesions: Sequence[Lesion], crops: Sequence[Crop]) -> tuple[str, ...]:
    each = [len(row.images) for row in lesions]
    notes = [
        f"{len(lesions)} lesions with {min(each)} to {max(each)} images each, which are averaged "
        "(the paper has four)"
    ]
    if unused:
        notes.append(f"{unused} cases without an outlined mass known as benign or malignant")
    bare = sum(not crops[image].present for row in lesions for image in row.images)
    if bare:
        notes.append(f"no liver background could be cropped from {bare} images")
    return tuple(notes)


def _place(background: str | None, types: Sequence[str]) -> int:
    return -1 if background is None or background not in types else list(types).index(background)


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])
