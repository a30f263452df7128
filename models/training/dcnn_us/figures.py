"""What the models of DCNN-US are worth, against each other, in strata, and beside geometry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from models.evaluation.calibration import brier_score, calibration_error, cross_calibrated
from models.evaluation.classes import accuracy
from models.evaluation.delong import DeLong, delong_test, delong_test_unpaired
from models.evaluation.folds import possible_folds
from models.evaluation.geometry import geometry_calls, geometry_scores
from models.evaluation.metrics import (
    Figure,
    area_under_curve,
    bootstrap,
    cross_called,
    sensitivity,
    specificity,
)
from models.evaluation.nomogram import Nomogram
from models.evaluation.outcome import Chart, Evaluation, Example, Scores
from models.evaluation.picture import draw
from models.training.dcnn_us.samples import LesionSamples

Floats = npt.NDArray[np.floating]
Patients = npt.NDArray[np.str_]

SIZES = ((1.0, 2.0, "1.1-2.0 cm"), (2.0, 5.0, "2.1-5.0 cm"), (5.0, np.inf, "over 5.0 cm"))
"""Paper 2's strata; its lesions are larger than 1.0 cm."""

CLINICAL_ALONE = "clinical factors alone"
LESION_BRANCH = "LB lesion branch"
"""What models LBC and LB are made of, as models of their own."""

ROUGH = "LB in a rough box"
"""Model LB as a node reads: the box as a user draws it, and no liver outlined beside it."""

MODELS = ("LBC", "LB", "L")
COMPARED = (("LB", "L"), ("LBC", "LB"), ("LBC", CLINICAL_ALONE))

_EXAMPLES = 4
_FOLDS = 3
_LEAST = 1e-6
"""The nearest to certainty that the baseline may be, so that its odds are finite."""


@dataclass(frozen=True)
class Outcome:
    """Of the lesions that count. probabilities : (n,) by model, the one that speaks last. called :
    (n,) 1 where it calls the lesion malignant. types : (n, k) probability by background type.
    attention : of each lesion's first image."""

    probabilities: Mapping[str, npt.NDArray[np.float64]]
    called: npt.NDArray[np.float64]
    types: npt.NDArray[np.float64]
    attention: Sequence[npt.NDArray[np.float32]]

    @property
    def final(self) -> npt.NDArray[np.float64]:
        return list(self.probabilities.values())[-1]


def evaluation_of(
    samples: LesionSamples,
    outcome: Outcome,
    folds: Sequence[Sequence[int]],
    *,
    bundle: str | None,
    protocol: str,
    nomogram: Nomogram | None = None,
    notes: Sequence[str] = (),
) -> Evaluation:
    """Figures, charts and examples of the first ``samples.own`` lesions.

    folds : held-out places; the baseline is fitted on the others. Without folds there is none.
    """
    truth = samples.truth
    names = list(outcome.probabilities)
    patients = np.array(samples.patients)
    figures = _figures(truth, outcome.final, outcome.called, patients)
    if 0 < truth.mean() < 1:
        figures |= _calibrated(truth, outcome.final, patients)
        for name, probability in outcome.probabilities.items():
            key = f"malignancy_auc_{name.replace(' ', '_')}"
            figures[key] = bootstrap(area_under_curve, truth, probability, patients=patients)
    background = _known_background(samples, outcome.types)
    if background is not None:
        called = outcome.types[background.places].argmax(axis=1)
        figures["background_accuracy"] = background.accuracy_of(called)
    groups = _groups(samples)
    baseline: dict[str, Figure] = {}
    strata_baseline: dict[str, dict[str, Figure]] = {}
    geometry = None
    if folds:
        geometry = geometry_scores(samples.geometry[: samples.own], truth, folds)
        guessed = cross_called(truth, geometry, folds)
        baseline = _figures(truth, geometry, guessed, patients)
        strata_baseline = {
            name: _figures(truth[rows], geometry[rows], guessed[rows], patients[rows])
            for name, rows in groups.items()
        }
        odds = logit(np.clip(geometry, _LEAST, 1 - _LEAST))
        baseline |= _calibrated(truth, cross_calibrated(truth, odds, folds), patients)
        same = baseline["malignancy_auc"]  # the images are the same, whichever model reads them
        baseline |= {name: same for name in figures if name.startswith("malignancy_auc_")}
    if background is not None and (other := background.by_geometry(samples)) is not None:
        baseline["background_accuracy"] = background.accuracy_of(other)
    return Evaluation(
        system="dcnn-us",
        bundle=bundle,
        protocol=protocol,
        n=samples.own,
        figures=figures,
        baseline=baseline,
        strata={
            name: _figures(truth[rows], outcome.final[rows], outcome.called[rows], patients[rows])
            for name, rows in groups.items()
        },
        strata_baseline=strata_baseline,
        charts=_charts(samples, outcome, geometry, nomogram),
        examples=_examples(samples, outcome),
        notes=(
            *samples.notes,
            *notes,
            f"figures without a model's name are of model {names[-1]}",
            "baseline: logistic regression on image size and fan crop"
            if folds
            else "too few patients of one class for a geometry-only baseline",
            *_compared(truth, outcome, groups),
        ),
    )


def _figures(
    truth: Floats, probability: Floats, called: Floats, patients: Patients
) -> dict[str, Figure]:
    """Those that the classes at hand define."""
    wanted: dict[str, tuple[Callable[..., float], Floats, bool]] = {
        "malignancy_auc": (area_under_curve, probability, bool(0 < truth.mean() < 1)),
        "accuracy": (accuracy, called, True),
        "sensitivity": (sensitivity, called, bool(truth.any())),
        "specificity": (specificity, called, not truth.all()),
    }
    return {
        name: bootstrap(statistic, truth, column, patients=patients)
        for name, (statistic, column, defined) in wanted.items()
        if defined
    }


def _calibrated(truth: Floats, probability: Floats, patients: Patients) -> dict[str, Figure]:
    scores = {"brier": brier_score, "calibration_error": calibration_error}
    return {
        name: bootstrap(_of_both(score), truth, probability, patients=patients)
        for name, score in scores.items()
    }


def _of_both(score: Callable[[Floats, Floats], float]) -> Callable[[Floats, Floats], float]:
    def statistic(truth: Floats, probability: Floats) -> float:
        return score(truth, probability) if 0 < truth.mean() < 1 else float("nan")

    return statistic


@dataclass(frozen=True)
class _Background:
    """Lesions of which the liver around is known. places : among all. truth : (n,) its type.
    patients : (n,)."""

    places: list[int]
    truth: npt.NDArray[np.int64]
    patients: list[str]

    def accuracy_of(self, called: npt.NDArray[np.int64]) -> Figure:
        return bootstrap(accuracy, self.truth, called, patients=self.patients)

    def by_geometry(self, samples: LesionSamples) -> npt.NDArray[np.int64] | None:
        """Called from image size and fan geometry alone; None of too few patients."""
        strata = [str(value) for value in self.truth]
        if not (folds := possible_folds(strata, self.patients, _FOLDS)):
            return None
        geometry = samples.geometry[: samples.own][self.places]
        return geometry_calls(geometry, self.truth, folds, balanced=False)


def _known_background(samples: LesionSamples, types: Floats) -> _Background | None:
    labels = [row.background for row in samples.lesions[: samples.own]]
    known = [n for n, label in enumerate(labels) if label in samples.types]
    if not types.shape[1] or not known:
        return None
    wanted = np.array([list(samples.types).index(str(labels[n])) for n in known])
    return _Background(known, wanted, [samples.patients[n] for n in known])


def _groups(samples: LesionSamples) -> dict[str, npt.NDArray[np.intp]]:
    """Places by stratum, those that hold a lesion."""
    own = samples.lesions[: samples.own]
    sizes = np.array([np.nan if row.size is None else row.size for row in own])
    found = {name: np.flatnonzero((sizes > low) & (sizes <= high)) for low, high, name in SIZES}
    for label in sorted({row.background for row in own if row.background is not None}):
        found[f"background {label}"] = np.array(
            [n for n, row in enumerate(own) if row.background == label]
        )
    return {name: rows for name, rows in found.items() if len(rows)}


def _compared(
    truth: Floats, outcome: Outcome, groups: Mapping[str, npt.NDArray[np.intp]]
) -> list[str]:
    """DeLong's test of each model against the simpler one, and between strata."""
    notes = []
    if min(truth.sum(), (1 - truth).sum()) >= 2:
        for after, before in COMPARED:
            if {after, before} <= set(outcome.probabilities):
                columns = outcome.probabilities[after], outcome.probabilities[before]
                notes.append(_said(f"{after} against {before}", delong_test(truth, *columns)))
    for first, second in combinations(groups, 2):
        rows = groups[first], groups[second]
        alike = first.startswith("background") == second.startswith("background")
        if alike and all(min(truth[r].sum(), (1 - truth[r]).sum()) >= 2 for r in rows):
            of_first, of_second = ((truth[r], outcome.final[r]) for r in rows)
            result = delong_test_unpaired(*of_first, *of_second)
            notes.append(_said(f"{first} against {second}", result))
    return notes


def _said(what: str, result: DeLong) -> str:
    return f"{what}: AUC {result.difference:+.3f}, p = {result.p:.4f} (DeLong)"


def _charts(
    samples: LesionSamples, outcome: Outcome, geometry: Floats | None, nomogram: Nomogram | None
) -> tuple[Chart, ...]:
    truth, patients = samples.truth, samples.patients
    last = list(outcome.probabilities)[-1]
    charts: list[Chart] = [
        Scores(
            f"Malignancy, model {name}",
            truth,
            outcome.probabilities[name],
            geometry,
            patients=patients,
            called=outcome.called if name == last else None,
        )
        for name in MODELS
        if name in outcome.probabilities and 0 < truth.mean() < 1
    ]
    return (*charts, nomogram) if nomogram is not None else tuple(charts)


def _examples(samples: LesionSamples, outcome: Outcome) -> tuple[Example, ...]:
    """The lesions judged best and worst, each with its Grad-CAM and its background."""
    truth = samples.truth
    error = np.abs(truth - outcome.final)
    order = np.argsort(error, kind="stable").tolist()
    best = [number for number in order if error[number] < 0.5][:_EXAMPLES]
    worst = [number for number in reversed(order) if error[number] >= 0.5][:_EXAMPLES]
    return tuple(
        Example(
            f"{samples.lesions[number].id}: {'malignant' if truth[number] else 'benign'}, "
            f"probability of malignancy {outcome.final[number]:.2f}",
            _picture(samples, number, outcome.attention[number]),
            good=number in best,
        )
        for number in [*best, *worst]
    )


def _picture(
    samples: LesionSamples, number: int, attention: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    first = samples.crops[samples.lesions[number].images[0]]
    parts = [draw(first.lesion), draw(first.lesion, heat=attention), draw(first.background)]
    return np.concatenate(parts, axis=1)
