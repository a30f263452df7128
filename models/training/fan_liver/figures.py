"""What the system finds of fan, liver and masses, beside what a look at the frame's shape finds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.data import Case
from models.evaluation.folds import possible_folds
from models.evaluation.geometry import geometry_features, geometry_scores
from models.evaluation.metrics import Figure, area_under_curve, bootstrap, over_repeats
from models.evaluation.outcome import Distribution, Evaluation, Example
from models.evaluation.picture import draw
from models.lesion.proposals import SMALLEST
from models.training.fan_liver.assessment import FOUND, Found
from models.training.options import Options

_EXAMPLES = 4


def evaluation_of(
    cases: Sequence[Case],
    repeats: Sequence[Sequence[Found]],
    bundle: str | None,
    protocol: str,
    options: Options,
) -> Evaluation:
    """Figures as means over the repeats, charts and examples of the first.

    repeats : of each case, in each repeat of the protocol.
    """
    first = repeats[0]
    figures: dict[str, Figure] = {}
    baseline: dict[str, Figure] = {}
    charts = []
    for structure, (name, title, rival) in _OVERLAPS.items():
        known = [place for place, one in enumerate(first) if structure in one.overlaps]
        if not known:
            continue
        figures[name] = _mean_overlap(cases, repeats, structure, known)
        shown = {"model": np.array([first[place].overlaps[structure] for place in known])}
        if all(structure in first[place].rivals for place in known):
            baseline[name] = _mean_rival(cases, first, structure, known)
            shown[rival] = np.array([first[place].rivals[structure] for place in known])
        charts.append(Distribution(title, name.split("_")[1], shown))
    figures |= _counts(cases, repeats, range(len(cases)))
    baseline |= _shape_counts(cases, first, range(len(cases)))
    for label, name in (("lesion", "detection_auc"), ("malignant", "malignancy_auc")):
        known = [
            place
            for place, case in enumerate(cases)
            if label in case.labels and np.isfinite(_score(first[place], label))
        ]
        truth = np.array([float(cases[place].labels[label]) for place in known])
        if len(set(truth.tolist())) < 2:
            continue
        own = _owners(cases, known)
        scores = [np.array([_score(row[place], label) for place in known]) for row in repeats]
        figures[name] = bootstrap(over_repeats(area_under_curve), truth, *scores, patients=own)
        if folds := possible_folds([str(value) for value in truth], own, 3):
            features = geometry_features(
                [first[place].size for place in known], [first[place].window for place in known]
            )
            other = geometry_scores(features, truth, folds)
            baseline[name] = bootstrap(area_under_curve, truth, other, patients=own)
    strata, strata_baseline = _strata(cases, repeats)
    return Evaluation(
        system="fan-liver",
        bundle=bundle,
        protocol=protocol,
        n=len(cases),
        figures=figures,
        baseline=baseline,
        strata=strata,
        strata_baseline=strata_baseline,
        charts=tuple(charts),
        examples=tuple(_examples(cases, first, options)),
        notes=_NOTES,
    )


_OVERLAPS = {
    "fan": ("fan_iou", "Overlap of the fan", "box of the echo content"),
    "liver": ("liver_dice", "Overlap of the liver", "mean shape"),
    "mass": ("mass_dice", "Overlap of masses, without any click", "mean shape"),
}

_NOTES = (
    "mass_dice is of frames with a mass, the mean over them: all pixels that are mass in the fan "
    "against all that experts outlined, 0 where nothing was found.",
    f"A mass is found (lesion_recall) where a connected part of at least {SMALLEST:.1%} of the fan "
    f"overlaps it with a Jaccard index of {FOUND} or more. A false finding is such a part of a "
    "frame without a mass.",
    "In cross-validation a pixel counts as mass from the probability on that gave the other folds "
    "their best mean Dice.",
    "Baselines: the box of the echo content for the fan; for liver and mass the mean shape of the "
    "training frames at the level of their best Dice, drawn in every frame (of a bundle, frames of "
    "other patients among these); for areas under the curve a logistic regression on image size "
    "and fan geometry.",
    "detection_auc and malignancy_auc are of the maps alone; the node asks other systems.",
    "Intervals are percentile bootstraps over patients, 95 %.",
)


def _score(found: Found, label: str) -> float:
    return found.lesion if label == "lesion" else found.malignant


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(values.mean())


def _owners(cases: Sequence[Case], places: Sequence[int]) -> list[str]:
    return [cases[place].patient for place in places]


def _mean_overlap(
    cases: Sequence[Case],
    repeats: Sequence[Sequence[Found]],
    structure: str,
    places: Sequence[int],
) -> Figure:
    values = np.array([[row[place].overlaps[structure] for row in repeats] for place in places])
    return bootstrap(_mean, values, patients=_owners(cases, places))


def _mean_rival(
    cases: Sequence[Case], found: Sequence[Found], structure: str, places: Sequence[int]
) -> Figure:
    values = np.array([found[place].rivals[structure] for place in places])
    return bootstrap(_mean, values, patients=_owners(cases, places))


def _counts(
    cases: Sequence[Case], repeats: Sequence[Sequence[Found]], places: Sequence[int]
) -> dict[str, Figure]:
    """Masses found, and false findings of frames without one."""
    figures = {}
    masses = [
        (place, number) for place in places for number in range(len(repeats[0][place].recalled))
    ]
    if masses:
        hits = np.array([[float(row[p].recalled[n]) for row in repeats] for p, n in masses])
        figures["lesion_recall"] = bootstrap(
            _mean, hits, patients=[cases[place].patient for place, _ in masses]
        )
    normal = [place for place in places if cases[place].labels.get("lesion") == 0]
    if normal and np.isfinite(repeats[0][normal[0]].lesion):
        false = np.array([[float(row[place].parts) for row in repeats] for place in normal])
        figures["false_findings_per_normal_image"] = bootstrap(
            _mean, false, patients=_owners(cases, normal)
        )
    return figures


def _shape_counts(
    cases: Sequence[Case], found: Sequence[Found], places: Sequence[int]
) -> dict[str, Figure]:
    """What the mean shape of masses would find, drawn once in every frame."""
    counted = [p for p in places if found[p].recalled or cases[p].labels.get("lesion") == 0]
    if any(found[place].shape_recalled is None for place in counted):
        return {}
    drawn = [replace(one, recalled=one.shape_recalled or (), parts=1) for one in found]
    return _counts(cases, [drawn], places)


def _strata(
    cases: Sequence[Case], repeats: Sequence[Sequence[Found]]
) -> tuple[dict[str, dict[str, Figure]], dict[str, dict[str, Figure]]]:
    """Benign and malignant masses apart, and the baseline of each."""
    strata, baseline = {}, {}
    for name, answer in (("benign masses", 0), ("malignant masses", 1)):
        own = [
            place
            for place, case in enumerate(cases)
            if case.labels.get("malignant") == answer and "mass" in repeats[0][place].overlaps
        ]
        if own:
            dices = {"mass_dice": _mean_overlap(cases, repeats, "mass", own)}
            strata[name] = dices | _counts(cases, repeats, own)
            if all("mass" in repeats[0][place].rivals for place in own):
                rival = {"mass_dice": _mean_rival(cases, repeats[0], "mass", own)}
                baseline[name] = rival | _shape_counts(cases, repeats[0], own)
    return strata, baseline


def _examples(cases: Sequence[Case], found: Sequence[Found], options: Options) -> list[Example]:
    """The best and the worst, by the least of their overlaps with mass and liver."""
    scores = {
        place: min(one.overlaps[name] for name in ("liver", "mass") if name in one.overlaps)
        for place, one in enumerate(found)
        if {"liver", "mass"} & set(one.overlaps)
    }
    ranked = sorted(scores, key=lambda place: -scores[place])
    half = min(_EXAMPLES, len(ranked) // 2)
    examples = []
    for place in [*ranked[:half], *ranked[len(ranked) - half :]]:
        case, one = cases[place], found[place]
        true = [*case.masses, *([case.liver] if case.liver else [])]
        caption = ", ".join(
            f"{name} {value:.2f}"
            for name, value in one.overlaps.items()
            if name in ("liver", "mass")
        )
        picture = draw(options.read(case), outlines=true, found=one.outlines)
        examples.append(Example(f"{case.id}: {caption}", picture, place in ranked[:half]))
    return examples
