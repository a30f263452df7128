"""What the joint system is worth on lesions whose outline or type is known (paper 4)."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import contourpy
import numpy as np
import numpy.typing as npt

from models.data import Box, Outline
from models.data.lesion import Lesion
from models.data.manifest import MALIGNANT_TYPES
from models.evaluation.classes import accuracy, confusion
from models.evaluation.folds import possible_folds
from models.evaluation.geometry import geometry_calls, geometry_features, geometry_scores
from models.evaluation.joint_prompts import foreground_clicks, jittered_box
from models.evaluation.metrics import (
    Figure,
    area_under_curve,
    bootstrap,
    over_repeats,
    sensitivity,
    specificity,
)
from models.evaluation.outcome import Chart, Confusion, Distribution, Evaluation, Example, Scores
from models.evaluation.picture import draw
from models.evaluation.shapes import disc_mask, ellipse_mask
from models.images.overlap import Mask, jaccard
from models.lesion.clicks import Prompt
from models.lesion.joint import JointReading, JointSegmenter

BOX, TIGHT, CLICK = "mass_jaccard_box", "mass_jaccard_box_tight", "mass_jaccard_click"

USERS = 5
"""Simulated boxes, and clicks, an image (paper 4)."""

EXAMPLES = 4
_FEWEST = 5  # cases of either answer, below which a baseline would be noise
_FOLDS = 3
_SIZES = (0.15, 0.3)


@dataclass(frozen=True)
class Assessed:
    """One lesion as the system read it. overlaps : Jaccard index by figure, the mean over the
    simulated users. rivals : the same of an ellipse in the box, of a disc at the click. logits :
    by label, for the first user's box. outline : what was found in that box, None if nothing. box :
    that box."""

    overlaps: Mapping[str, float] = field(default_factory=dict)
    rivals: Mapping[str, float] = field(default_factory=dict)
    logits: Mapping[str, float] = field(default_factory=dict)
    outline: Outline | None = None
    box: Box | None = None


def relative_radius(lesion: Lesion) -> float:
    """The radius of a disc of the lesion's area, over the root of the fan crop's area."""
    area = 0 if lesion.mask is None else np.count_nonzero(lesion.mask)
    return float((area / np.pi) ** 0.5 / _fan_size(lesion))


def assess(segmenter: JointSegmenter, lesion: Lesion, radius: float) -> Assessed:
    """The lesion read for five users who draw a box, the tight box, and five who click once.

    radius : relative, of the disc that rivals the click; the mean of the lesions trained on. The
    users are the same in every run: their draws come from the case's id.
    """
    generator = np.random.default_rng(zlib.crc32(f"{lesion.case} {lesion.box}".encode()))
    boxes = [jittered_box(lesion.box, generator) for _ in range(USERS)]
    if not segmenter.segments:
        # The paper's classification-only system was given ideal patches.
        reading = segmenter.read(lesion.grey, Prompt(box=lesion.box))
        return Assessed(logits=reading.logits, box=lesion.box)
    if lesion.mask is None:
        reading = segmenter.read(lesion.grey, Prompt(box=boxes[0]))
        return Assessed(logits=reading.logits, box=boxes[0], outline=_outline(reading))
    truth = lesion.mask > 0
    clicks = [foreground_clicks(truth, 1, generator)[0] for _ in range(USERS)]
    prompts = [Prompt(box=box) for box in (*boxes, lesion.box)]
    prompts += [Prompt(foreground=(click,)) for click in clicks]
    readings = segmenter.read_all(lesion.grey, prompts)
    pixels = radius * _fan_size(lesion)
    found = [jaccard(_mask(reading), truth) for reading in readings]
    shapes = [ellipse_mask(box, truth.shape) for box in (*boxes, lesion.box)]
    shapes += [disc_mask(click, pixels, truth.shape) for click in clicks]
    return Assessed(
        overlaps=_by_user(found),
        rivals=_by_user([jaccard(shape, truth) for shape in shapes]),
        logits=readings[0].logits,
        outline=_outline(readings[0]),
        box=boxes[0],
    )


def evaluate_lesions(
    lesions: Sequence[Lesion],
    repeats: Sequence[Sequence[Assessed]],
    probabilities: Mapping[str, npt.NDArray[np.float64]],
    bundle: str | None,
    protocol: str,
) -> Evaluation:
    """Jaccard indices and areas under the curve, beside their baselines: means over the repeats.

    repeats : of each lesion, in each repeat of the protocol; charts and examples are of the first.
    probabilities : by label, (n,) calibrated, NaN where not known; of the first as well.
    """
    figures: dict[str, Figure] = {}
    baseline: dict[str, Figure] = {}
    charts: list[Chart] = []
    notes = list(NOTES)
    if len(repeats) > 1:
        notes.append(f"Figures are means over {len(repeats)} repeats; charts are of the first.")
    assessed = repeats[0]
    patients = [lesion.patient for lesion in lesions]
    outlined = [place for place, row in enumerate(assessed) if row.overlaps]
    for name in (BOX, TIGHT, CLICK) if outlined else ():
        own = [patients[place] for place in outlined]
        values, rival = _overlaps(repeats, outlined, name)
        figures[name] = bootstrap(_mean, values, patients=own)
        figures[f"{name}_lead"] = bootstrap(_mean, values - rival, patients=own)
        baseline[name] = bootstrap(_mean, rival, patients=own)
        shape = "disc" if name == CLICK else "ellipse"
        shown = {"model": values[:, 0], shape: rival[:, 0]}
        charts.append(Distribution(TITLES[name], "Jaccard", shown))
    for label, probability in probabilities.items():
        known = [place for place, lesion in enumerate(lesions) if label in lesion.labels]
        truth = np.asarray([lesions[place].labels[label] for place in known], dtype=np.float64)
        if len(set(truth.tolist())) < 2:
            continue
        name = auc_name(label)
        own = [patients[place] for place in known]
        logits = np.asarray([[row[place].logits[label] for place in known] for row in repeats])
        figures[name] = bootstrap(over_repeats(area_under_curve), truth, *logits, patients=own)
        other = _geometry([lesions[place] for place in known], truth)
        if other is None:
            notes.append(f"{name}: too few lesions or patients for a geometry-only baseline.")
        else:
            baseline[name] = bootstrap(area_under_curve, truth, other, patients=own)
            figures[f"{name}_lead"] = bootstrap(_lead, truth, other, *logits, patients=own)
        charts.append(Scores(label.capitalize(), truth, probability[known], other, patients=own))
    typed = call_types(lesions, probabilities)
    if typed is not None:
        own = [patients[place] for place in typed.places]
        figures |= _type_figures(typed, typed.called, own)
        calls = _type_geometry([lesions[place] for place in typed.places], typed)
        if calls is not None:
            baseline |= _type_figures(typed, calls, own)
        counts = confusion(typed.truth, typed.called, len(typed.types))
        charts.append(Confusion("Types", typed.types, counts))
    strata, strata_baseline = _strata(lesions, repeats, outlined)
    return Evaluation(
        system="joint",
        bundle=bundle,
        protocol=protocol,
        n=len({lesion.case for lesion in lesions}),
        figures=figures,
        baseline=baseline,
        strata=strata,
        strata_baseline=strata_baseline,
        charts=tuple(charts),
        examples=tuple(
            _examples(lesions, assessed, outlined)
            if outlined
            else _called(lesions, assessed, probabilities)
        ),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class Typed:
    """Lesions of a known type. places : among all. truth, called : (n,) places in ``types``."""

    types: tuple[str, ...]
    places: list[int]
    truth: npt.NDArray[np.int64]
    called: npt.NDArray[np.int64]


def call_types(
    lesions: Sequence[Lesion], probabilities: Mapping[str, npt.NDArray[np.float64]]
) -> Typed | None:
    """The paper's task of several classes: a lesion is called the type whose head is surest, at
    equal prior of all. None unless two types have heads and lesions.

    The heads are independent, for a lesion whose type is not known still teaches the others; so
    there is no softmax over types, and the largest probability is its call.
    """
    types = tuple(name for name in MALIGNANT_TYPES if name in probabilities)
    known = {
        place: number
        for place, lesion in enumerate(lesions)
        for number, name in enumerate(types)
        if lesion.labels.get(name) == 1
    }
    if len(set(known.values())) < 2:
        return None
    said = np.stack([probabilities[name][list(known)] for name in types], axis=1)
    return Typed(
        types, list(known), np.asarray(list(known.values())), said.argmax(axis=1).astype(np.int64)
    )


TITLES = {
    BOX: "Overlap, box as a user draws it",
    TIGHT: "Overlap, tight box",
    CLICK: "Overlap, one click",
}

NOTES = (
    "Jaccard indices are the mean over five simulated users an image, as in the paper: a box whose "
    "corners lie off by up to 10 % of the side, moved out by 5 %; one click anywhere in a lesion.",
    "Baselines: an ellipse in the same box; a disc at the same click with the mean radius of the "
    "lesions trained on; for labels a logistic regression on image size and fan geometry alone, "
    "for the call of one type a multinomial one of balanced classes.",
    "Intervals are percentile bootstraps over patients, 95 %.",
)


def auc_name(label: str) -> str:
    """The figure of a label."""
    return "malignancy_auc" if label == "malignant" else f"{label.replace(' ', '_')}_auc"


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(values.mean())


def _lead(
    truth: npt.NDArray[np.floating],
    other: npt.NDArray[np.floating],
    *models: npt.NDArray[np.floating],
) -> float:
    return over_repeats(area_under_curve)(truth, *models) - area_under_curve(truth, other)


def _by_user(values: Sequence[float]) -> dict[str, float]:
    return {
        BOX: float(np.mean(values[:USERS])),
        TIGHT: values[USERS],
        CLICK: float(np.mean(values[USERS + 1 :])),
    }


def _fan_size(lesion: Lesion) -> float:
    x0, y0, x1, y1 = lesion.window
    return float(((x1 - x0) * (y1 - y0)) ** 0.5)


def _mask(reading: JointReading) -> Mask:
    assert reading.mask is not None  # asked of systems that segment only
    return reading.mask


def _outline(reading: JointReading) -> Outline | None:
    mask = _mask(reading)
    lines = contourpy.contour_generator(z=np.pad(mask, 1).astype(float)).lines(0.5)
    if not lines:
        return None
    longest = max((np.asarray(line) for line in lines), key=len)
    return tuple((float(x) - 1, float(y) - 1) for x, y in longest)


def _geometry(
    lesions: Sequence[Lesion], truth: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64] | None:
    patients = [lesion.patient for lesion in lesions]
    folds = possible_folds([str(value) for value in truth], patients, _FOLDS)
    return geometry_scores(_features(lesions), truth, folds) if folds else None


def _type_figures(
    typed: Typed, called: npt.NDArray[np.int64], patients: Sequence[str]
) -> dict[str, Figure]:
    """Accuracy over all types, and each against the rest; intervals by patient."""
    columns = typed.truth.astype(float), called.astype(float)
    figures = {"type_accuracy": bootstrap(accuracy, *columns, patients=patients)}
    for number in sorted(set(typed.truth.tolist())):
        name = typed.types[number].replace(" ", "_")
        one = ((typed.truth == number).astype(float), (called == number).astype(float))
        figures[f"type_sensitivity_{name}"] = bootstrap(sensitivity, *one, patients=patients)
        figures[f"type_specificity_{name}"] = bootstrap(specificity, *one, patients=patients)
    return figures


def _type_geometry(lesions: Sequence[Lesion], typed: Typed) -> npt.NDArray[np.int64] | None:
    """The types that geometry alone would call, out of fold; None with too few patients of one."""
    patients = [lesion.patient for lesion in lesions]
    strata = [typed.types[number] for number in typed.truth]
    folds = possible_folds(strata, patients, _FOLDS)
    return geometry_calls(_features(lesions), typed.truth, folds, balanced=True) if folds else None


def _features(lesions: Sequence[Lesion]) -> npt.NDArray[np.float64]:
    return geometry_features(
        [(lesion.grey.shape[1], lesion.grey.shape[0]) for lesion in lesions],
        [lesion.window for lesion in lesions],
    )


def _overlaps(
    repeats: Sequence[Sequence[Assessed]], places: Sequence[int], name: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(n, r) of some lesions in each repeat, and their rivals'."""
    rows = [[repeat[place] for repeat in repeats] for place in places]
    return (
        np.asarray([[one.overlaps[name] for one in row] for row in rows]),
        np.asarray([[one.rivals[name] for one in row] for row in rows]),
    )


def _strata(
    lesions: Sequence[Lesion], repeats: Sequence[Sequence[Assessed]], outlined: Sequence[int]
) -> tuple[dict[str, dict[str, Figure]], dict[str, dict[str, Figure]]]:
    """Overlaps by the lesion's size, which decides how much a pixel counts, and their rivals'."""
    strata: dict[str, dict[str, Figure]] = {}
    baseline: dict[str, dict[str, Figure]] = {}
    low, high = _SIZES
    names = (f"under {low:.0%} of the fan", f"{low:.0%} to {high:.0%}", f"over {high:.0%}")
    sizes = np.asarray([2 * relative_radius(lesions[place]) for place in outlined])
    groups = np.digitize(sizes, _SIZES)
    for number, name in enumerate(names):
        inside = [outlined[int(row)] for row in np.flatnonzero(groups == number)]
        if len(inside) >= _FEWEST:
            own = [lesions[place].patient for place in inside]
            found = {key: _overlaps(repeats, inside, key) for key in (BOX, TIGHT, CLICK)}
            for rows, column in ((strata, 0), (baseline, 1)):
                rows[f"diameter {name}"] = {
                    key: bootstrap(_mean, pair[column], patients=own) for key, pair in found.items()
                }
    return strata, baseline


def _examples(
    lesions: Sequence[Lesion], assessed: Sequence[Assessed], outlined: Sequence[int]
) -> Iterator[Example]:
    order = sorted(outlined, key=lambda place: assessed[place].overlaps[BOX])
    worst = order[:EXAMPLES]
    for place in [*worst, *(each for each in order[-EXAMPLES:] if each not in worst)]:
        lesion, row = lesions[place], assessed[place]
        yield Example(
            caption=f"{lesion.case}: Jaccard {row.overlaps[BOX]:.2f} in a user's box (blue), "
            f"{row.overlaps[CLICK]:.2f} from a click",
            picture=draw(
                lesion.grey,
                outlines=[] if lesion.outline is None else [lesion.outline],
                found=[] if row.outline is None else [row.outline],
                boxes=[] if row.box is None else [row.box],
            ),
            good=place not in worst,
        )


def _called(
    lesions: Sequence[Lesion],
    assessed: Sequence[Assessed],
    probabilities: Mapping[str, npt.NDArray[np.float64]],
) -> Iterator[Example]:
    """Where nothing was outlined: the lesions whose first label was best and worst judged."""
    for label, probability in probabilities.items():
        known = [place for place, lesion in enumerate(lesions) if label in lesion.labels]
        order = sorted(
            known, key=lambda place: abs(lesions[place].labels[label] - float(probability[place]))
        )
        half = min(EXAMPLES, len(order) // 2)
        chosen = [(place, True) for place in order[:half]]
        chosen += [(place, False) for place in order[::-1][:half]]
        for place, good in chosen:
            lesion, box = lesions[place], assessed[place].box
            yield Example(
                caption=f"{lesion.case}: {label} {probability[place]:.0%}; true: "
                f"{label} {lesion.labels[label]}",
                picture=draw(
                    lesion.grey,
                    outlines=[] if lesion.outline is None else [lesion.outline],
                    boxes=[] if box is None else [box],
                ),
                good=good,
            )
        return
