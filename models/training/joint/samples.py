"""Lesions with simulated users, as the joint system is trained on them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from models.backbones import backbone
from models.data.lesion import Lesion
from models.errors import TrainingError
from models.evaluation.folds import answered
from models.evaluation.joint_prompts import (
    click_sequence,
    foreground_clicks,
    jittered_box,
)
from models.images import standardised
from models.lesion.clicks import Point, box_clicks
from models.lesion.joint import network_input
from models.lesion.joint_views import View
from models.training.augmentation import GAIN, GAMMA, OFFSET
from models.training.joint.recipes import Recipe

BOX_SHARE, CLICK_SHARE = 0.45, 0.35
"""Of the prompts in training: a user's box, clicks, and (the rest) the box that a first look at
clicks would find."""

TIGHT_SHARE = 0.35
"""Of the boxes: drawn without any error."""


class JointBatch(NamedTuple):
    """images : (N, C, S, S) float32, as the network takes them. masks : (N, S, S) 0 or 1.
    targets, known : (N, L), a target is 0 where it is not known."""

    images: torch.Tensor
    masks: torch.Tensor
    targets: torch.Tensor
    known: torch.Tensor


def trainable_labels(lesions: Sequence[Lesion], folds: int = 0) -> tuple[str, ...]:
    """The labels that lesions of as many patients as there are folds have, and are known not to
    have, in order."""
    found: dict[str, set[tuple[str, int]]] = {}
    for lesion in lesions:
        for label, value in lesion.labels.items():
            found.setdefault(label, set()).add((lesion.patient, value))
    return tuple(label for label, answers in found.items() if answered(answers, folds))


class JointSamples(Dataset[JointBatch]):
    """A freshly drawn view and prompt of each lesion whenever it is asked for.

    The paper draws 15 click sequences an image once; here each epoch draws its own. Draws come
    from torch's generator.
    """

    def __init__(
        self, lesions: Sequence[Lesion], labels: Sequence[str], recipe: Recipe, name: str
    ) -> None:
        self._lesions = [
            lesion for lesion in lesions if lesion.mask is not None or not recipe.shape.segments
        ]
        if not self._lesions:
            raise TrainingError("there are no outlined masses: the manifest needs the column mass")
        self._labels = tuple(labels)
        self._recipe = recipe
        self._row = backbone(name)

    def __len__(self) -> int:
        return len(self._lesions)

    def __getitem__(self, index: int) -> JointBatch:
        generator = np.random.default_rng(int(torch.randint(2**62, ()).item()))
        lesion, shape = self._lesions[index], self._recipe.shape
        view, foreground, background, classified = self._prompt(lesion, generator)
        cut = varied(view.cut(lesion.grey), generator)
        grey = standardised(cut, self._row.mean, self._row.std)
        image = network_input(view, grey, foreground if shape.prompted else None, background)
        mask = np.zeros(grey.shape, np.float32)
        if lesion.mask is not None:
            mask = (view.cut(lesion.mask) >= 128).astype(np.float32)
        if generator.random() < 0.5:
            image, mask = image[:, :, ::-1].copy(), mask[:, ::-1].copy()
        values = [lesion.labels.get(label) for label in self._labels]
        return JointBatch(
            torch.from_numpy(image),
            torch.from_numpy(mask),
            torch.tensor([float(value or 0) for value in values]),
            torch.tensor([float(classified and value is not None) for value in values]),
        )

    def _prompt(
        self, lesion: Lesion, generator: np.random.Generator
    ) -> tuple[View, tuple[Point, ...], tuple[Point, ...], bool]:
        """A view, its clicks in pixels of the whole image, and whether it is classified from."""
        framing = self._recipe.framing
        if not self._recipe.shape.prompted:
            scaled = float(generator.uniform(0.9, 1.1))
            return framing.of_box(jittered_box(lesion.box, generator, 0.0, scaled)), (), (), True
        assert lesion.mask is not None  # __init__ leaves no other
        inside = lesion.mask > 0
        if framing.whole:
            view = scaled_view(framing.of_window(lesion.window), float(generator.uniform(0.8, 1.2)))
            return (view, *_clicks_in_view(view, lesion.mask, generator), True)
        drawn = float(generator.random())
        if drawn < BOX_SHARE:
            box = lesion.box
            if generator.random() >= TIGHT_SHARE:
                box = jittered_box(box, generator, enlarged=float(generator.uniform(1.0, 1.15)))
            return (framing.of_box(box), *box_clicks(box), True)
        if drawn < BOX_SHARE + CLICK_SHARE:
            first = foreground_clicks(inside, 1, generator)
            view = framing.of_clicks(first, lesion.window)
            if generator.random() < 0.5:
                return view, first, (), False
            more, background = _clicks_in_view(view, lesion.mask, generator)
            return view, (*first, *more[1:]), background, False
        box = jittered_box(lesion.box, generator, 0.25, float(generator.uniform(0.8, 1.25)))
        view = framing.of_box(box)
        if generator.random() < 0.5:
            return view, foreground_clicks(inside, 1, generator), (), True
        return (view, *_clicks_in_view(view, lesion.mask, generator), True)


def _clicks_in_view(
    view: View, mask: npt.NDArray[np.uint8], generator: np.random.Generator
) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """A click sequence whose background lies at the paper's distances in pixels of the view."""
    seen = view.cut(mask) >= 128
    if not seen.any():
        return foreground_clicks(mask > 0, 1, generator), ()
    foreground, background = click_sequence(seen, generator)
    return view.image_points(foreground), view.image_points(background)


def scaled_view(view: View, scale: float) -> View:
    """The view about its centre, its sides scaled."""
    x, y = (view.x0 + view.x1) / 2, (view.y0 + view.y1) / 2
    across, down = (view.x1 - view.x0) * scale / 2, (view.y1 - view.y0) * scale / 2
    return View(x - across, y - down, x + across, y + down, view.size)


def varied(grey: npt.NDArray[np.uint8], generator: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Gain, gamma and offset of a view changed at random; black stays black."""
    gain = float(np.exp(generator.uniform(-GAIN, GAIN)))
    gamma = float(np.exp(generator.uniform(-GAMMA, GAMMA)))
    offset = float(generator.uniform(-OFFSET, OFFSET))
    table = np.clip((np.linspace(0, 1, 256) ** gamma) * gain + offset, 0, 1) * 255
    table[0] = 0
    return table.round().astype(np.uint8)[grey]
