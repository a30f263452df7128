"""What readings of the attention detector are worth on cases whose answers are known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.data import Case
from models.evaluation.folds import patient_folds
from models.evaluation.geometry import geometry_features, geometry_scores
from models.evaluation.metrics import Figure, area_under_curve, bootstrap
from models.evaluation.outcome import Chart, Evaluation, Example, Scores
from models.evaluation.picture import draw
from models.images import Window
from models.training.options import Options

NAMES: Mapping[str, str] = {"lesion": "detection_auc", "malignant": "malignancy_auc"}
"""The figure of a label; a lesion type's is its own name with _auc."""

EXAMPLES = 4
_FEWEST = 5  # cases of either answer, below which a baseline or a stratum would be noise
_BASELINE_FOLDS = 3


@dataclass(frozen=True)
class Readings:
    """Of n cases. logits : (r, n, L), r repeats of the protocol. probability : (n, L) calibrated.
    attention : (h, w) each. windows : what it covers. sizes : whole image (width, height)."""

    labels: tuple[str, ...]
    logits: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]
    attention: Sequence[npt.NDArray[np.float32]]
    windows: Sequence[Window]
    sizes: Sequence[tuple[int, int]]


def evaluate_readings(
    cases: Sequence[Case], readings: Readings, bundle: str | None, protocol: str, options: Options
) -> Evaluation:
    """Areas under the curve by label, the place of the attention, and the score of eq. (4)."""
    figures: dict[str, Figure] = {}
    baseline: dict[str, Figure] = {}
    charts: list[Chart] = []
    undecided: list[str] = []
    geometry = geometry_features(readings.sizes, readings.windows)
    for column, label in enumerate(readings.labels):
        known = [place for place, case in enumerate(cases) if label in case.labels]
        truth = np.asarray([cases[place].labels[label] for place in known], dtype=np.float64)
        if len(set(truth)) < 2:
            undecided.append(label)
            continue
        name = NAMES.get(label, f"{label.replace(' ', '_')}_auc")
        figures[name] = bootstrap(_mean_area, truth, *readings.logits[:, known, column])
        other = _geometry(geometry[known], truth, [cases[place].patient for place in known])
        if other is not None:
            baseline[name] = bootstrap(area_under_curve, truth, other)
        charts.append(Scores(label.capitalize(), truth, readings.probability[known, column], other))
    hits = [
        peak_in_box(cells, window, case)
        for cells, window, case in zip(readings.attention, readings.windows, cases, strict=True)
        if case.boxes
    ]
    if hits:
        figures["attention_peak_in_box"] = bootstrap(
            lambda values: float(values.mean()), np.asarray(hits, dtype=np.float64)
        )
    notes = ["Intervals are percentile bootstraps over cases, 95 %."]
    if undecided:
        notes.append(
            f"No area under the curve of {', '.join(undecided)}: these cases hold one answer only."
        )
    score = challenge_score(figures)
    if score is not None:
        notes.append(f"Score of eq. (4), with the mean over lesion types: {score:.3f}.")
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
        strata=dict(_by_size(cases, readings)),
        charts=tuple(charts),
        examples=tuple(_examples(cases, readings, options)),
        notes=tuple(notes),
    )


def challenge_score(figures: Mapping[str, Figure]) -> float | None:
    """Eq. (4): 0.5 lesion + 0.3 malignant + 0.2 types; None unless all three are known.

    The paper writes a sum over types with weight 0.2, which would exceed 1; its figures are those
    of the mean.
    """
    types = [
        figure.value
        for name, figure in figures.items()
        if name.endswith("_auc") and name not in NAMES.values()
    ]
    if not types or not all(name in figures for name in NAMES.values()):
        return None
    lesion, malignant = (figures[name].value for name in NAMES.values())
    return 0.5 * lesion + 0.3 * malignant + 0.2 * float(np.mean(types))


def peak_in_box(cells: npt.NDArray[np.floating], window: Window, case: Case) -> bool:
    """Whether the cell of strongest attention touches a mass's box."""
    height, width = cells.shape
    row, column = divmod(int(cells.argmax()), width)
    x0, y0, x1, y1 = window
    left, right = (x0 + (x1 - x0) * (column + side) / width for side in (0, 1))
    top, bottom = (y0 + (y1 - y0) * (row + side) / height for side in (0, 1))
    return any(a < right and c > left and b < bottom and d > top for a, b, c, d in case.boxes)


def _mean_area(truth: npt.NDArray[np.floating], *repeats: npt.NDArray[np.floating]) -> float:
    return float(np.mean([area_under_curve(truth, logits) for logits in repeats]))


def _geometry(
    features: npt.NDArray[np.float64], truth: npt.NDArray[np.float64], patients: Sequence[str]
) -> npt.NDArray[np.float64] | None:
    if min(truth.sum(), (1 - truth).sum()) < _FEWEST:
        return None
    folds = patient_folds([str(value) for value in truth], patients, _BASELINE_FOLDS)
    return geometry_scores(features, truth, folds)


def _by_size(cases: Sequence[Case], readings: Readings) -> Iterator[tuple[str, dict[str, Figure]]]:
    """The same areas within each image size: where a confound by scanner would show."""
    for size in sorted(set(readings.sizes)):
        inside = [place for place, own in enumerate(readings.sizes) if own == size]
        figures = {}
        for column, label in enumerate(readings.labels):
            known = [place for place in inside if label in cases[place].labels]
            truth = np.asarray([cases[place].labels[label] for place in known], dtype=np.float64)
            if known and min(truth.sum(), (1 - truth).sum()) >= _FEWEST:
                name = NAMES.get(label, f"{label.replace(' ', '_')}_auc")
                figures[name] = bootstrap(_mean_area, truth, *readings.logits[:, known, column])
        if figures:
            yield f"{size[0]}x{size[1]} pixels", figures


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
                heat=readings.attention[place],
                window=readings.windows[place],
                outlines=case.masses,
            ),
            good=place in best,
        )
