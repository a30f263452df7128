"""Frames with the outlines of what they show, held in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from models.data import Case, Grey, Outline
from models.data.manifest import VIEWS
from models.evaluation.folds import answered
from models.frame.fan_liver import SIZE, STRUCTURES, Mask, prepare, seen_window
from models.frame.kidney import STRUCTURE as KIDNEY
from models.images import Window, crop
from models.images.outlines import outline_mask
from models.training.options import Options

_WITHOUT_KIDNEY = VIEWS[:3]


class Batch(NamedTuple):
    """images : (B, H, W) levels. masks : (B, S, H, W) 0..1, 0 where not known. known : (B, S)."""

    images: torch.Tensor
    masks: torch.Tensor
    known: torch.Tensor


@dataclass(frozen=True)
class Samples:
    """N frames at the size that the network sees.

    images : (N, H, W) uint8. masks : (N, S, H, W) uint8, 255 inside. known : (N, S) float32.
    sizes : whole image (width, height). windows : what is seen of it.
    """

    structures: tuple[str, ...]
    images: torch.Tensor
    masks: torch.Tensor
    known: torch.Tensor
    sizes: tuple[tuple[int, int], ...]
    windows: tuple[Window, ...]


class Rows(Dataset[Batch]):
    """Some of the samples, as the training loop takes them."""

    def __init__(self, samples: Samples, indices: Sequence[int]) -> None:
        self._images = samples.images[list(indices)]
        self._masks = samples.masks[list(indices)]
        self._known = samples.known[list(indices)]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, place: int) -> Batch:
        images, masks = self._images[place].float(), self._masks[place].float() / 255
        return Batch(images, masks, self._known[place])


def outlined(case: Case, structure: str) -> list[Outline] | None:
    """The outlines of a structure in a case, [] where it is known to be absent, None where nobody
    looked. A mass counts as 'malignant' structure where it is malignant. A kidney is absent from
    the views that are not named after it."""
    if structure == KIDNEY:
        if case.kidney is not None:
            return [case.kidney]
        return [] if case.view in _WITHOUT_KIDNEY else None
    if structure in ("fan", "liver"):
        outline = case.fan if structure == "fan" else case.liver
        return None if outline is None else [outline]
    if case.labels.get("lesion") == 0:
        return []
    if not case.masses:
        return None
    if structure == "mass":
        return list(case.masses)
    malignant = case.labels.get("malignant")
    return None if malignant is None else list(case.masses) * malignant


def truth_mask(case: Case, structure: str, shape: tuple[int, int]) -> Mask | None:
    """(H, W) of the whole image; None where nobody looked."""
    outlines = outlined(case, structure)
    return None if outlines is None else outline_mask(outlines, shape)


def structures_of(cases: Sequence[Case], folds: int = 0) -> tuple[str, ...]:
    """Those of which as many patients as there are folds have an outline; for 'malignant' masses
    of both answers."""
    found = []
    for structure in STRUCTURES:
        if structure == "malignant":
            pairs = [(c.patient, c.labels.get("malignant", -1)) for c in cases if c.masses]
            enough = answered([pair for pair in pairs if pair[1] >= 0], folds)
        else:
            owners = {case.patient for case in cases if outlined(case, structure)}
            enough = len(owners) >= max(1, folds)
        if enough:
            found.append(structure)
    return tuple(found)


def load_samples(cases: Sequence[Case], structures: Sequence[str], options: Options) -> Samples:
    """Decodes and prepares every image once, those of ``options.extra`` too; about 30 ms each."""
    images, masks, known, sizes, windows = [], [], [], [], []
    every = [*cases, *options.extra]
    for number, case in enumerate(every):
        if number % 20 == 0:
            options.progress("images", number, len(every))
        grey = options.read(case)
        window = seen_window(grey)
        images.append(prepare(grey, window))
        rows = [_seen(case, structure, grey, window) for structure in structures]
        masks.append(np.stack([np.zeros(SIZE, np.uint8) if row is None else row for row in rows]))
        known.append([float(row is not None) for row in rows])
        sizes.append((grey.shape[1], grey.shape[0]))
        windows.append(window)
    options.progress("images", len(every), len(every))
    return Samples(
        structures=tuple(structures),
        images=torch.from_numpy(np.stack(images)),
        masks=torch.from_numpy(np.stack(masks)),
        known=torch.tensor(known),
        sizes=tuple(sizes),
        windows=tuple(windows),
    )


def _seen(case: Case, structure: str, grey: Grey, window: Window) -> Grey | None:
    whole = truth_mask(case, structure, (grey.shape[0], grey.shape[1]))
    if whole is None:
        return None
    part = crop(whole.astype(np.uint8) * np.uint8(255), window)
    height, width = SIZE
    return np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BILINEAR))
