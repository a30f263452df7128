"""What is found of kidneys, beside what their mean shape finds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.data import Case
from models.evaluation.metrics import Figure, bootstrap
from models.evaluation.outcome import Distribution, Evaluation, Example
from models.evaluation.picture import draw
from models.frame.fan_liver import Mask, seen_window, spread
from models.frame.kidney import STRUCTURE, Kidney
from models.images.contours import mask_outline
from models.images.overlap import dice
from models.training.fan_liver.samples import truth_mask
from models.training.options import Options

FOUND = 0.5
"""Dice coefficient from which a kidney is found."""

_EXAMPLES = 4

NOTES = (
    f"kidney_dice and kidney_recall (a Dice coefficient of {FOUND} or more) are of frames that "
    "show a kidney; false_kidneys_per_frame of frames that show none: there something was found.",
    "Baseline: the mean shape of the kidneys of other patients, drawn in every frame.",
    "Intervals are percentile bootstraps over patients, 95 %.",
)


@dataclass(frozen=True)
class Found:
    """One frame. dice, shape_dice : of the kidney, by the system and by the mean shape, None where
    there is no kidney, or no shape. mask : (H, W), what was found, empty where nothing was."""

    dice: float | None
    shape_dice: float | None
    mask: Mask


def find(
    reader: Kidney, cases: Sequence[Case], shape: Mask | None, options: Options
) -> list[Found]:
    """The cases as the system reads them, in order. shape : of the rival, in its window."""
    found = []
    for number, case in enumerate(cases):
        if number % 20 == 0:
            options.progress("frames read", number, len(cases))
        grey = options.read(case)
        size = (grey.shape[0], grey.shape[1])
        (mask,) = reader.read([grey])
        truth = truth_mask(case, STRUCTURE, size)
        if truth is None or not truth.any():
            found.append(Found(None, None, mask))
            continue
        rival = None
        if shape is not None:
            guess = spread(shape.astype(np.float32), seen_window(grey), size) >= 0.5
            rival = dice(guess, truth)
        found.append(Found(dice(mask, truth), rival, mask))
    options.progress("frames read", len(cases), len(cases))
    return found


def evaluation_of(
    cases: Sequence[Case],
    found: Sequence[Found],
    bundle: str | None,
    protocol: str,
    options: Options,
) -> Evaluation:
    """Figures, chart and examples. found : of each case."""
    shown = [place for place, one in enumerate(found) if one.dice is not None]
    absent = sorted(set(range(len(cases))) - set(shown))

    def mean(places: Sequence[int], value: Callable[[Found], float]) -> Figure:
        values = np.array([value(found[place]) for place in places])
        owners = [cases[place].patient for place in places]
        return bootstrap(lambda column: float(column.mean()), values, patients=owners)

    figures, baseline, values = {}, {}, {}
    if shown:
        figures["kidney_dice"] = mean(shown, lambda one: one.dice or 0.0)
        figures["kidney_recall"] = mean(shown, lambda one: float((one.dice or 0.0) >= FOUND))
        values["model"] = np.array([found[place].dice for place in shown], float)
    if shown and all(found[place].shape_dice is not None for place in shown):
        baseline["kidney_dice"] = mean(shown, lambda one: one.shape_dice or 0.0)
        baseline["kidney_recall"] = mean(shown, lambda one: float((one.shape_dice or 0) >= FOUND))
        values["mean shape"] = np.array([found[place].shape_dice for place in shown], float)
    if absent:
        figures["false_kidneys_per_frame"] = mean(absent, lambda one: float(one.mask.any()))
        if "kidney_dice" in baseline:
            baseline["false_kidneys_per_frame"] = mean(absent, lambda one: 1.0)
    charts = (Distribution("Overlap of the kidney", "dice", values),) if values else ()
    return Evaluation(
        system="kidney",
        bundle=bundle,
        protocol=protocol,
        n=len(cases),
        figures=figures,
        baseline=baseline,
        charts=charts,
        examples=tuple(_examples(cases, found, shown, options)),
        notes=NOTES,
    )


def _examples(
    cases: Sequence[Case], found: Sequence[Found], shown: Sequence[int], options: Options
) -> list[Example]:
    ranked = sorted(shown, key=lambda place: -(found[place].dice or 0.0))
    half = min(_EXAMPLES, len(ranked) // 2)
    examples = []
    for place in [*ranked[:half], *ranked[len(ranked) - half :]]:
        case, drawn = cases[place], mask_outline(found[place].mask)
        picture = draw(
            options.read(case),
            outlines=[case.kidney] if case.kidney else [],
            found=[] if drawn is None else [drawn],
        )
        caption = f"{case.id}: kidney {found[place].dice:.2f}"
        examples.append(Example(caption, picture, place in ranked[:half]))
    return examples
