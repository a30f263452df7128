"""What the view classifier is worth, beside what image size and fan geometry alone would say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.evaluation.calibration import confidence_error
from models.evaluation.classes import class_figures, confusion
from models.evaluation.geometry import geometry_calls
from models.evaluation.metrics import Figure, bootstrap
from models.evaluation.outcome import Chart, Confusion, Evaluation, Example, Scores
from models.evaluation.picture import draw
from models.frame.view import ViewReading
from models.training.options import Options
from models.training.view.fat import worth_to_fat
from models.training.view.samples import ViewSamples

SYSTEM = "view"
EXAMPLES = 4
NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Judged:
    """probabilities : (own, V). familiar : (own,) whether a frame is like those fitted on. sure :
    (own,) whether the largest probability suffices."""

    probabilities: npt.NDArray[np.float64]
    familiar: npt.NDArray[np.bool_]
    sure: npt.NDArray[np.bool_]

    @classmethod
    def nothing(cls, count: int, views: int) -> Self:
        """To be filled in, fold by fold."""
        return cls(np.full((count, views), np.nan), np.zeros(count, bool), np.zeros(count, bool))

    @property
    def called(self) -> npt.NDArray[np.int64]:
        """(own,) the place of the likeliest view, known or not."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def named(self) -> npt.NDArray[np.bool_]:
        """(own,) whether the node takes the likeliest view."""
        return self.familiar & self.sure


def judged_by(readings: Sequence[ViewReading], views: Sequence[str]) -> Judged:
    """What a bundle said, with the views in this order."""
    rows = np.array([[reading.probabilities[view] for view in views] for reading in readings])
    limits = np.array([reading.limit for reading in readings])
    familiar = np.array([reading.familiar for reading in readings])
    return Judged(rows, familiar, rows.max(axis=1) >= limits)


def evaluation_of(
    samples: ViewSamples,
    judged: Judged,
    folds: Sequence[Sequence[int]],
    options: Options,
    *,
    bundle: Bundle | None,
    protocol: str,
) -> Evaluation:
    """Figures per frame with intervals over patients, charts and examples.

    folds : of the frames of known view, held-out places among these; the baseline's too.
    """
    rows = np.flatnonzero(samples.labelled)
    truth, called, named = samples.targets[rows], judged.called[rows], judged.named[rows]
    patients = [samples.patients[row] for row in rows]
    right = (truth == called).astype(np.float64)
    surest = judged.probabilities.max(axis=1)
    figures: dict[str, Figure] = {}
    baseline: dict[str, Figure] = {}
    charts: list[Chart] = []
    notes = [*_notes(samples, judged)]
    if len(rows):
        figures = class_figures(truth, called, samples.views, patients)
        figures["calibration_error"] = bootstrap(
            confidence_error, right, surest[rows], patients=patients
        )
        figures["named"] = bootstrap(_mean, named.astype(np.float64), patients=patients)
        if named.any():
            owners = [patient for patient, one in zip(patients, named, strict=True) if one]
            figures["accuracy_where_named"] = bootstrap(_mean, right[named], patients=owners)
        count = len(samples.views)
        charts = [
            Confusion("The likeliest view", samples.views, confusion(truth, called, count)),
            Scores(
                "The likeliest view is the right one",
                right,
                surest[rows],
                prior=None,
                patients=patients,
            ),
        ]
        worth, words = worth_to_fat(samples, judged.called, judged.named, options)
        figures |= worth
        notes += words
    if folds:
        geometry = samples.geometry[rows]
        calls = geometry_calls(geometry, truth, folds, balanced=False)
        baseline = class_figures(truth, calls, samples.views, patients)
        notes.append(
            "baseline: multinomial logistic regression on image size and fan crop, same folds"
        )
    elif len(rows):
        notes.append("too few patients of some view for a geometry-only baseline")
    if len(rows) < samples.own:
        unsaid = ~samples.labelled
        owners = [samples.patients[row] for row in np.flatnonzero(unsaid)]
        figures["named_of_unsaid_view"] = bootstrap(
            _mean, judged.named[unsaid].astype(np.float64), patients=owners
        )
    charts.insert(0, _taken(samples, judged))
    return Evaluation(
        system=SYSTEM,
        bundle=bundle.title if bundle else None,
        protocol=protocol,
        n=samples.own,
        figures=figures,
        baseline=baseline,
        charts=tuple(charts),
        examples=_examples(samples, judged, options),
        notes=tuple(notes),
    )


def _taken(samples: ViewSamples, judged: Judged) -> Confusion:
    """What the node takes a frame for; the last row are frames whose view nobody said."""
    last = len(samples.views)
    truth = np.where(samples.labelled, samples.targets[: samples.own], last)
    taken = np.where(judged.named, judged.called, last)
    classes = (*samples.views, NOT_KNOWN)
    return Confusion("What a node takes it for", classes, confusion(truth, taken, last + 1))


def _notes(samples: ViewSamples, judged: Judged) -> list[str]:
    said = int(samples.labelled.sum())
    counts = np.bincount(judged.called, minlength=len(samples.views)).tolist()
    likeliest = ", ".join(
        f"{view} {count}" for view, count in zip(samples.views, counts, strict=True)
    )
    taken = np.bincount(judged.called[judged.named], minlength=len(samples.views)).tolist()
    names = ", ".join(f"{view} {count}" for view, count in zip(samples.views, taken, strict=True))
    return [
        f"{samples.own} frames of {len(set(samples.patients[: samples.own]))} patients, the view "
        f"of {said} is known; figures are per frame, intervals are bootstraps over patients",
        f"likeliest view, forced: {likeliest}",
        f"not known: {int((~judged.named).sum())} of {samples.own} frames, "
        f"{int((~judged.familiar).sum())} of them unlike those fitted on; named: {names}",
    ]


def _examples(samples: ViewSamples, judged: Judged, options: Options) -> tuple[Example, ...]:
    """The surest calls that are right, and the surest that are wrong or of nobody's saying."""
    surest = judged.probabilities.max(axis=1)
    order = np.argsort(-surest, kind="stable").tolist()
    right = samples.targets[: samples.own] == judged.called
    chosen = [place for place in order if right[place]][:EXAMPLES]
    chosen += [place for place in order if not right[place]][:EXAMPLES]
    return tuple(
        Example(
            f"{samples.cases[place].id}, {samples.cases[place].view or 'view not said'}: likeliest "
            f"{samples.views[judged.called[place]]} ({surest[place]:.2f}), "
            f"{'taken' if judged.named[place] else NOT_KNOWN}",
            draw(options.read(samples.cases[place])),
            bool(right[place]),
        )
        for place in chosen
    )


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(values.mean())
