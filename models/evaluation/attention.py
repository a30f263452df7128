"""What readings of the attention detector are worth on cases whose answers are known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.data import Case
from models.evaluation.folds import folds_among, possible_folds
from models.evaluation.geometry import geometry_features, geometry_scores
from models.evaluation.lesion import areas_of_folds
from models.evaluation.metrics import (
    Figure,
    area_under_curve,
    bootstrap,
    cross_called,
    over_repeats,
)
from models.evaluation.outcome import Chart, Evaluation, Example, Scores
from models.evaluation.picture import draw
from models.evaluation.robustness import Shift, shifts
from models.evaluation.sizes import FEWEST, OTHERS, areas_by_size
from models.images import Window
from models.training.options import Options

NAMES: Mapping[str, str] = {"lesion": "detection_auc", "malignant": "malignancy_auc"}
"""The figure of a label; a lesion type's is its own name with _auc."""

EXAMPLES = 4
_BASELINE_FOLDS = 3


@dataclass(frozen=True)
class Readings:
    """Of n cases. logits : (r, n, L), r repeats of the protocol. probability : (n, L) calibrated,
    of the first repeat. attention : (h, w) of each case in each repeat. windows : what it covers.
    sizes : whole image (width, height). folds : held-out indices of each repeat; none where a
    bundle read them all. thresholds : by label, the probability from which the bundle calls it; of
    folds those of the others decide. changed : the logits of the same images as
    ``models.evaluation.changes`` changes them, by change."""

    labels: tuple[str, ...]
    logits: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]
    attention: Sequence[Sequence[npt.NDArray[np.float32]]]
    windows: Sequence[Window]
    sizes: Sequence[tuple[int, int]]
    folds: Sequence[Sequence[Sequence[int]]] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    changed: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)


def evaluate_readings(
    cases: Sequence[Case], readings: Readings, bundle: str | None, protocol: str, options: Options
) -> Evaluation:
    """Areas under the curve by label, the place of the attention, and the score of eq. (4): means
    over the repeats. Charts and examples are of the first."""
    figures: dict[str, Figure] = {}
    baseline: dict[str, Figure] = {}
    strata: dict[str, dict[str, Figure]] = {}
    strata_baseline: dict[str, dict[str, Figure]] = {}
    robustness: dict[str, dict[str, Shift]] = {}
    charts: list[Chart] = []
    notes = ["Intervals are percentile bootstraps over patients, 95 %."]
    undecided: list[str] = []
    geometry = geometry_features(readings.sizes, readings.windows)
    others = np.full(readings.logits.shape[1:], np.nan)
    for column, label in enumerate(readings.labels):
        known = [place for place, case in enumerate(cases) if label in case.labels]
        truth = np.asarray([cases[place].labels[label] for place in known], dtype=np.float64)
        own = [cases[place].patient for place in known]
        if len(set(truth)) < 2:
            undecided.append(label)
            continue
        name = NAMES.get(label, f"{label.replace(' ', '_')}_auc")
        logits = readings.logits[:, known, column]
        figures[name] = bootstrap(_mean_area, truth, *logits, patients=own)
        notes.extend(_over_folds(name, label, cases, readings))
        sizes = [readings.sizes[place] for place in known]
        for group, area in areas_by_size(truth, logits, sizes, own).items():
            strata.setdefault(group, {})[name] = area
        changed = {key: rows[:, known, column] for key, rows in readings.changed.items()}
        for change, shift in shifts(truth, logits, changed, own).items():
            robustness.setdefault(change, {})[name] = shift
        other = _geometry(geometry[known], truth, own)
        if other is None:
            notes.append(f"{name}: too few cases or patients for a geometry-only baseline.")
        else:
            others[known, column] = other
            baseline[name] = bootstrap(area_under_curve, truth, other, patients=own)
            for group, area in areas_by_size(truth, other[None], sizes, own).items():
                strata_baseline.setdefault(group, {})[name] = area
        probability = readings.probability[known, column]
        if readings.folds:
            called = cross_called(truth, logits[0], folds_among(known, readings.folds[0]))
        else:
            called = (probability >= readings.thresholds.get(label, 0.5)).astype(np.float64)
        title = label.capitalize()
        charts.append(Scores(title, truth, probability, other, patients=own, called=called))
    place = localisation(cases, readings.windows, readings.attention)
    if place is not None:
        figures["attention_peak_in_box"], baseline["attention_peak_in_box"] = place
        notes.append("The baseline of attention_peak_in_box is a cell taken by chance.")
    areas = {name: figure.value for name, figure in figures.items() if name.endswith("_auc")}
    if challenge_score(areas) is not None:
        score = "challenge_score"
        figures[score] = _challenge(cases, readings.labels, readings.logits)
        if set(areas) <= set(baseline):
            baseline[score] = _challenge(cases, readings.labels, others[None])
        notes.append("The challenge score is eq. (4), with the mean over lesion types.")
    if len(readings.logits) > 1:
        notes.append(
            f"Figures are means over {len(readings.logits)} repeats, of which each fitted its own "
            "networks; charts, examples and probabilities are of the first."
        )
    if undecided:
        notes.append(
            f"No area under the curve of {', '.join(undecided)}: these cases hold one answer only."
        )
    if OTHERS in strata:
        notes.append(
            f"In the stratum {OTHERS!r} images of several sizes stand together, so that size still "
            "tells something there."
        )
    if baseline:
        notes.append(
            "The baseline is a logistic regression on image size and fan geometry alone, fitted "
            f"and tested on these cases ({_BASELINE_FOLDS} folds by patient): what it reaches, the "
            "images' origin gives away."
        )
    return Evaluation(
        system="attention",
        bundle=bundle,
        protocol=protocol,
        n=len(cases),
        figures=figures,
        baseline=baseline,
        strata=strata,
        strata_baseline=strata_baseline,
        robustness=robustness,
        charts=tuple(charts),
        examples=tuple(_examples(cases, readings, options)),
        notes=tuple(notes),
    )


def challenge_score(areas: Mapping[str, float]) -> float | None:
    """Eq. (4): 0.5 lesion + 0.3 malignant + 0.2 types; None unless all three are known.

    areas : under the curve, by figure. The paper writes a sum over types with weight 0.2, which
    would exceed 1; its figures are those of the mean.
    """
    types = [area for name, area in areas.items() if name not in NAMES.values()]
    if not types or not all(name in areas for name in NAMES.values()):
        return None
    lesion, malignant = (areas[name] for name in NAMES.values())
    return 0.5 * lesion + 0.3 * malignant + 0.2 * float(np.mean(types))


def _challenge(
    cases: Sequence[Case], labels: Sequence[str], scores: npt.NDArray[np.float64]
) -> Figure:
    """Eq. (4) of the labels of which both answers are known, from scores (r, n, L)."""
    names, columns, rows = [], [], []
    for column, label in enumerate(labels):
        truth = _truth(cases, label)
        if {0.0, 1.0} <= set(truth):
            names.append(NAMES.get(label, label))
            columns.append(column)
            rows.append(truth)

    def score(truth: npt.NDArray[np.floating], *repeats: npt.NDArray[np.floating]) -> float:
        areas = {}
        for place, name in enumerate(names):
            known = np.isfinite(truth[:, place])
            own = (repeat[known, place] for repeat in repeats)
            areas[name] = _mean_area(truth[known, place], *own)
        found = challenge_score(areas)
        return float("nan") if found is None else found

    patients = [case.patient for case in cases]
    return bootstrap(score, np.stack(rows, axis=1), *scores[:, :, columns], patients=patients)


def _over_folds(name: str, label: str, cases: Sequence[Case], readings: Readings) -> Iterator[str]:
    """Paper 1's way of reporting."""
    logits = readings.logits[:, :, readings.labels.index(label)]
    if readings.folds:
        areas = areas_of_folds(_truth(cases, label), logits, readings.folds)
        if len(areas) > 1:
            yield (
                f"{name} over {len(areas)} folds: {areas.mean():.3f} ± {areas.std(ddof=1):.3f} "
                "(mean ± SD, as paper 1 reports it)."
            )


def _truth(cases: Sequence[Case], label: str) -> npt.NDArray[np.float64]:
    """(n,) the answers, not numbers where they are not known."""
    return np.asarray([case.labels.get(label, np.nan) for case in cases], dtype=np.float64)


def localisation(
    cases: Sequence[Case],
    windows: Sequence[Window],
    attention: Sequence[Sequence[npt.NDArray[np.float32]]],
) -> tuple[Figure, Figure] | None:
    """How often the peak lies in a mass's box, the mean over the repeats, and how often a cell
    taken by chance does; None without a box."""
    boxed = [place for place, case in enumerate(cases) if case.boxes]
    if not boxed:
        return None
    hits, chance = [], []
    for place in boxed:
        inside = [cells_in_box(row[place].shape, windows[place], cases[place]) for row in attention]
        peaks = [int(row[place].argmax()) for row in attention]
        hits.append([each.flat[peak] for each, peak in zip(inside, peaks, strict=True)])
        chance.append(inside[0].mean())
    patients = [cases[place].patient for place in boxed]
    own, other = (
        bootstrap(lambda values: float(values.mean()), np.asarray(values, float), patients=patients)
        for values in (hits, chance)
    )
    return own, other


def cells_in_box(shape: tuple[int, ...], window: Window, case: Case) -> npt.NDArray[np.bool_]:
    """(h, w): the cells of a window that touch a mass's box."""
    height, width = shape
    x0, y0, x1, y1 = window
    left, top = (
        np.arange(width) * (x1 - x0) / width + x0,
        np.arange(height) * (y1 - y0) / height + y0,
    )
    right, bottom = left + (x1 - x0) / width, top + (y1 - y0) / height
    touched = np.zeros((height, width), bool)
    for a, b, c, d in case.boxes:
        touched |= np.outer((b < bottom) & (d > top), (a < right) & (c > left))
    return touched


_mean_area = over_repeats(area_under_curve)


def _geometry(
    features: npt.NDArray[np.float64], truth: npt.NDArray[np.float64], patients: Sequence[str]
) -> npt.NDArray[np.float64] | None:
    if min(truth.sum(), (1 - truth).sum()) < FEWEST:
        return None
    folds = possible_folds([str(value) for value in truth], patients, _BASELINE_FOLDS)
    return geometry_scores(features, truth, folds) if folds else None


def _examples(cases: Sequence[Case], readings: Readings, options: Options) -> Iterator[Example]:
    """The cases on which the last answer that they have was best and worst."""
    if "lesion" not in readings.labels:
        return
    column = readings.labels.index("lesion")
    known = [place for place, case in enumerate(cases) if "lesion" in case.labels]
    errors = [
        abs(cases[place].labels["lesion"] - readings.probability[place, column]) for place in known
    ]
    order = [known[place] for place in np.argsort(errors, kind="stable")]
    worst = order[-EXAMPLES:][::-1]
    best = [place for place in order[:EXAMPLES] if place not in worst]
    for place in [*best, *worst]:
        case = cases[place]
        said = ", ".join(
            f"{label} {value:.0%}"
            for label, value in zip(readings.labels, readings.probability[place], strict=True)
        )
        true = ", ".join(f"{label} {value}" for label, value in case.labels.items())
        yield Example(
            caption=f"{case.id}: {said}; true: {true}",
            picture=draw(
                options.read(case),
                heat=readings.attention[0][place],
                window=readings.windows[place],
                outlines=case.masses,
            ),
            good=place in best,
        )
