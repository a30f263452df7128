"""What the system says of one frame, laid beside its outlines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from models.data import Case, Grey, Outline
from models.frame.fan_liver import Anatomy, FanLiver, seen_window, spread
from models.images import Window, content_window
from models.images.contours import mask_outline
from models.images.outlines import outline_mask
from models.images.overlap import Mask, dice, jaccard
from models.images.parts import connected_parts
from models.lesion.proposals import SMALLEST
from models.training.fan_liver.samples import Samples, truth_mask
from models.training.options import Options

LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Probabilities from which a pixel may count as mass."""

FOUND = 0.1
"""Jaccard index of a part with a mass, from which the mass is found."""

_TOP = 0.001
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Found:
    """One frame, pixels counting as mass from one level on. overlaps : Jaccard index of the fan,
    Dice of the liver, and of all that is found of masses with all that was outlined. rivals : the
    same of the echo content's box and of the mean shapes. recalled : of each mass, whether a part
    found it. shape_recalled : whether the mean shape would, drawn in every frame; None without one.
    parts : of mass found. lesion, malignant : scores 0..1 of the frame, that it shows a
    mass and that this is malignant; NaN where the system does not know. outlines : of liver and
    masses as they were found."""

    size: tuple[int, int]
    window: Window
    overlaps: Mapping[str, float]
    rivals: Mapping[str, float]
    recalled: tuple[bool, ...]
    parts: int
    lesion: float
    malignant: float
    outlines: tuple[Outline, ...]
    shape_recalled: tuple[bool, ...] | None = None


def best_level(found: Sequence[Mapping[float, Found]]) -> float:
    """The level at which the mean Dice of masses is best, the highest of equals."""
    dices = {
        level: [row[level].overlaps["mass"] for row in found if "mass" in row[level].overlaps]
        for level in reversed(LEVELS)
    }
    return max(dices, key=lambda level: float(np.mean(dices[level] or [0.0])))


def nearest(level: float) -> float:
    """That of ``LEVELS`` which a card's level is."""
    return min(LEVELS, key=lambda one: abs(one - level))


def mean_shapes(samples: Samples, places: Sequence[int]) -> dict[str, Mask]:
    """(h, w) of the window, by structure, of liver, mass and kidney, as some frames have it: where
    enough of them have it, and enough is what gives them the best mean Dice. The rival that looks
    at no echo."""
    shapes = {}
    for structure in {"liver", "mass", "kidney"} & set(samples.structures):
        column = samples.structures.index(structure)
        masks = samples.masks[list(places), column]
        masks = masks[samples.known[list(places), column] > 0] >= 128
        masks = masks[masks.flatten(1).any(dim=1)]
        if not len(masks):
            continue
        share = masks.float().mean(dim=0)
        guesses = [share >= least for least in _SHARES]
        best = int(np.argmax([float(_soft_dice(masks, guess)) for guess in guesses]))
        shapes[structure] = guesses[best].numpy()
    return shapes


def find(
    reader: FanLiver,
    cases: Sequence[Case],
    places: Sequence[int],
    shapes: Mapping[str, Mask],
    options: Options,
) -> list[dict[float, Found]]:
    """Some of the cases as the system reads them, in order, each by level. shapes : the rival's."""
    found = []
    for number, place in enumerate(places):
        if number % 20 == 0:
            options.progress("frames read", number, len(places))
        grey = options.read(cases[place])
        found.append(_found(cases[place], grey, reader.read([grey])[0], shapes))
    options.progress("frames read", len(places), len(places))
    return found


def _found(case: Case, grey: Grey, said: Anatomy, shapes: Mapping[str, Mask]) -> dict[float, Found]:
    shape = (grey.shape[0], grey.shape[1])
    content = content_window(grey)
    overlaps, rivals = {}, {}
    fan, liver, mass = (truth_mask(case, name, shape) for name in ("fan", "liver", "mass"))
    if said.fan is not None and fan is not None:
        box = np.zeros(shape, bool)
        box[content[1] : content[3], content[0] : content[2]] = True
        overlaps["fan"], rivals["fan"] = jaccard(said.fan, fan), jaccard(box, fan)
    if said.liver is not None and liver is not None:
        overlaps["liver"] = dice(said.liver, liver)
    masses = [outline_mask([outline], shape) for outline in case.masses]
    shape_recalled = None
    for name, truth in (("liver", liver), ("mass", mass)):
        if name in shapes and truth is not None:
            guess = spread(shapes[name].astype(np.float32), seen_window(grey), shape) >= 0.5
            if truth.any():
                rivals[name] = dice(guess, truth)
            if name == "mass":
                shape_recalled = tuple(jaccard(guess, one) >= FOUND for one in masses)
    room = np.ones(shape, bool) if said.fan is None else said.fan
    suspected = np.zeros(shape, np.float32) if said.mass is None else np.where(room, said.mass, 0.0)
    plain = Found(
        size=(shape[1], shape[0]),
        window=content,
        overlaps=overlaps,
        rivals=rivals,
        recalled=(),
        parts=0,
        lesion=_highest(suspected, room) if said.mass is not None else float("nan"),
        malignant=_weighted(said.malignant, suspected),
        outlines=_outlines([] if said.liver is None else [said.liver]),
        shape_recalled=shape_recalled,
    )
    if said.mass is None:
        return dict.fromkeys(LEVELS, plain)
    least = SMALLEST * np.count_nonzero(room)
    return {
        level: _with_masses(plain, _parts(suspected >= level, least), masses) for level in LEVELS
    }


def _with_masses(plain: Found, parts: Sequence[Mask], masses: Sequence[Mask]) -> Found:
    overlaps = dict(plain.overlaps)
    if masses:
        truth = np.logical_or.reduce(masses)
        overlaps["mass"] = dice(np.logical_or.reduce([truth & False, *parts]), truth)
    return replace(
        plain,
        overlaps=overlaps,
        recalled=tuple(any(jaccard(part, one) >= FOUND for part in parts) for one in masses),
        parts=len(parts),
        outlines=(*plain.outlines, *_outlines(parts)),
    )


def _outlines(masks: Sequence[Mask]) -> tuple[Outline, ...]:
    found = [mask_outline(mask) for mask in masks]
    return tuple(outline for outline in found if outline is not None)


def _parts(inside: Mask, least: float) -> list[Mask]:
    found = []
    for place, pixels in connected_parts(inside, corners=False):
        if np.count_nonzero(pixels) >= least:
            whole = np.zeros_like(inside)
            whole[place] = pixels
            found.append(whole)
    return found


def _highest(mass: npt.NDArray[np.float32], room: Mask) -> float:
    """The mean of the most suspicious thousandth of the fan."""
    values = mass[room]
    count = max(1, round(_TOP * values.size))
    return float(np.partition(values, -count)[-count:].mean()) if values.size else 0.0


def _weighted(malignant: npt.NDArray[np.float32] | None, mass: npt.NDArray[np.float32]) -> float:
    total = float(mass.sum())
    return (
        float("nan") if malignant is None or not total else float((malignant * mass).sum()) / total
    )


def _soft_dice(masks: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
    shared = (masks & guess).flatten(1).sum(dim=1)
    return (2 * shared / (masks.flatten(1).sum(dim=1) + guess.sum())).mean()
