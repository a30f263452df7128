"""The prepared images of the attention detector, held in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from models.data import Box, Case
from models.evaluation.changes import without_fan_mask
from models.evaluation.folds import answered
from models.images import Window
from models.lesion.preprocessing import prepare
from models.training.attention.augmentation import Batch
from models.training.options import Options

TYPES = (
    "haemangioma",
    "hepatocellular carcinoma",
    "focal nodular hyperplasia",
    "cyst",
    "metastasis",
)
LABELS = ("lesion", "malignant", *TYPES)
"""The seven heads of paper 1, in its order. A head without labels does not exist."""


@dataclass(frozen=True)
class Samples:
    """N prepared images.

    grey : (N, H, W) float32 levels. mask : (N, H, W) float32, 1 inside a lesion's box.
    targets : (N, L) float32, 0 where unknown. known : (N, L) float32, 1 where the label is known.
    sizes : whole image (width, height). windows : the fan crops. unmasked : as grey, with tissue
    where the fan's black corners were; None where nobody asked for it.
    """

    labels: tuple[str, ...]
    grey: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor
    known: torch.Tensor
    sizes: tuple[tuple[int, int], ...]
    windows: tuple[Window, ...]
    unmasked: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.grey)


class Rows(Dataset[Batch]):
    """Some of the samples, as the training loop takes them.

    unmasked : the share of passages that shows tissue in the fan's corners, drawn from torch's
    global generator.
    """

    def __init__(self, samples: Samples, indices: Sequence[int], unmasked: float = 0.0) -> None:
        self._samples = samples
        self._indices = list(indices)
        self._unmasked = unmasked

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, place: int) -> Batch:
        index = self._indices[place]
        samples = self._samples
        grey = samples.grey
        if samples.unmasked is not None and torch.rand(()).item() < self._unmasked:
            grey = samples.unmasked
        return Batch(grey[index], samples.mask[index], samples.targets[index], samples.known[index])


def labels_of(cases: Sequence[Case], folds: int = 0) -> tuple[str, ...]:
    """The labels of paper 1 of which each answer has as many patients as there are folds."""
    return tuple(
        label
        for label in LABELS
        if answered(
            ((case.patient, case.labels[label]) for case in cases if label in case.labels), folds
        )
    )


def load_samples(
    cases: Sequence[Case],
    labels: Sequence[str],
    size: tuple[int, int],
    options: Options,
    *,
    unmasked: bool = False,
) -> Samples:
    """Decodes, crops and normalises every image once; about 20 ms each, unmasked 60 more.

    size : (height, width). unmasked : without the fan's black corners as well. Of
    ``options.extra`` only presence and place of a lesion are taken.
    """
    every = [*cases, *options.extra]
    rows = [[case.labels.get(label) for label in labels] for case in cases]
    rows += [
        [case.labels.get(label) if label == "lesion" else None for label in labels]
        for case in options.extra
    ]
    grey, mask, sizes, windows, bare = [], [], [], [], []
    for number, case in enumerate(every):
        if number % 20 == 0:
            options.progress("images", number, len(every))
        image = options.read(case)
        prepared = prepare(image, size)
        grey.append(torch.from_numpy(prepared.grey))
        mask.append(box_mask(case.boxes, prepared.window, size))
        sizes.append((image.shape[1], image.shape[0]))
        windows.append(prepared.window)
        if unmasked:
            bare.append(torch.from_numpy(prepare(without_fan_mask(image), size).grey))
    options.progress("images", len(every), len(every))
    return Samples(
        labels=tuple(labels),
        grey=torch.stack(grey),
        mask=torch.stack(mask),
        targets=torch.tensor([[float(value or 0) for value in row] for row in rows]),
        known=torch.tensor([[float(value is not None) for value in row] for row in rows]),
        sizes=tuple(sizes),
        windows=tuple(windows),
        unmasked=torch.stack(bare) if unmasked else None,
    )


def box_mask(boxes: Sequence[Box], window: Window, size: tuple[int, int]) -> torch.Tensor:
    """(H, W) float32 of a size: boxes in pixels of the whole image, seen through a fan crop."""
    height, width = size
    x0, y0, x1, y1 = window
    mask = np.zeros(size, np.float32)
    for left, top, right, bottom in boxes:
        columns = slice(
            max(0, int((left - x0) / (x1 - x0) * width)),
            max(0, int(np.ceil((right - x0) / (x1 - x0) * width))),
        )
        rows = slice(
            max(0, int((top - y0) / (y1 - y0) * height)),
            max(0, int(np.ceil((bottom - y0) / (y1 - y0) * height))),
        )
        mask[rows, columns] = 1.0
    return torch.from_numpy(mask)
