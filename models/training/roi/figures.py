"""What the region classifier's calls are worth, beside what geometry alone would call."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.evaluation.classes import accuracy, class_figures, confusion
from models.evaluation.geometry import geometry_calls, geometry_scores
from models.evaluation.metrics import Figure, area_under_curve, bootstrap
from models.evaluation.outcome import Chart, Confusion, Evaluation, Example, Scores
from models.evaluation.picture import draw
from models.evaluation.temperature import confidence_error, log_loss
from models.lesion.roi import CropReadings
from models.training.roi.samples import MALIGNANCY, RoiSamples

Floats = npt.NDArray[np.floating]

_EXAMPLES = 4
_ROUGH = "_in_a_rough_box"


@dataclass(frozen=True)
class Calibration:
    """Probabilities (n, k) of the readings in experts' boxes. after : calibrated. before : as the
    network gave them; None where nothing was calibrated, and ``after`` is that."""

    after: Floats
    before: Floats | None


def evaluation_of(
    samples: RoiSamples,
    readings: CropReadings,
    rough: CropReadings,
    calibration: Calibration,
    folds: Sequence[Sequence[int]],
    *,
    system: str,
    bundle: str | None,
    protocol: str,
) -> Evaluation:
    """Figures, charts and examples of the first ``samples.own`` regions.

    readings, rough : of those, in order, and of the same in rough boxes. folds : held-out places;
    the baseline is fitted on the others. Without folds there is no baseline.
    """
    truth = samples.targets[: samples.own]
    called = readings.probabilities.argmax(axis=1)
    patients = samples.patients[: samples.own]
    figures = class_figures(truth, called, samples.classes, patients)
    baseline: dict[str, Figure] = {}
    notes = [*samples.notes, _majority(truth, samples.classes)]
    if folds:
        geometry = samples.geometry[: samples.own]
        rivals = [
            class_figures(
                truth,
                geometry_calls(geometry, truth, folds, balanced=balanced),
                samples.classes,
                patients,
            )
            for balanced in (True, False)
        ]
        baseline = rivals[0] | {"accuracy": rivals[1]["accuracy"]}
        notes.append(
            "baseline: multinomial logistic regression on image size and fan crop, of balanced "
            "classes for all but the accuracy; for malignancy one of lesions alone"
        )
    else:
        notes.append("too few patients of some class for a geometry-only baseline")
    if folds and bundle is None:
        each = [accuracy(truth[list(held)], called[list(held)]) for held in folds]
        mean, deviation = 100 * np.mean(each), 100 * np.std(each, ddof=1)
        notes.append(f"accuracy over the folds {mean:.1f} ± {deviation:.1f} % (mean ± SD)")
    charts: list[Chart] = [
        Confusion("Regions", samples.classes, confusion(truth, called, len(samples.classes)))
    ]
    malignancy = _malignancy(samples, readings.probabilities)
    calibrated = _malignancy(samples, calibration.after)
    if malignancy is not None and calibrated is not None:
        figures["malignancy_auc"] = _area(malignancy, malignancy.probability)
        malignancy = replace(calibrated, baseline=_malignancy_geometry(samples, folds))
        if malignancy.baseline is not None:
            baseline["malignancy_auc"] = _area(malignancy, malignancy.baseline)
        charts.append(malignancy)
    drawn = _rough_figures(samples, rough)
    figures |= {f"{name}{_ROUGH}": figure for name, figure in drawn.items()}
    # The geometry is that of the image, however the box was drawn.
    baseline |= {f"{name}{_ROUGH}": baseline[name] for name in drawn if name in baseline}
    figures |= _calibration_figures(truth, calibration, patients)
    return Evaluation(
        system=system,
        bundle=bundle,
        protocol=protocol,
        n=samples.own,
        figures=figures,
        baseline=baseline,
        charts=tuple(charts),
        examples=_examples(samples, readings),
        notes=tuple(notes),
    )


def _calibration_figures(
    truth: npt.NDArray[np.int64], calibration: Calibration, patients: Sequence[str]
) -> dict[str, Figure]:
    """How far the probabilities can be believed, and how far they could before."""
    found = {"": calibration.after, "_before_calibration": calibration.before}
    scores = {"log_loss": log_loss, "calibration_error": confidence_error}
    return {
        f"{name}{when}": bootstrap(score, truth, said, patients=patients)
        for when, said in found.items()
        if said is not None
        for name, score in scores.items()
    }


def _rough_figures(samples: RoiSamples, rough: CropReadings) -> dict[str, Figure]:
    """The main figures, of regions as users draw them."""
    truth = samples.targets[: samples.own]
    called = rough.probabilities.argmax(axis=1)
    found = class_figures(truth, called, samples.classes, samples.patients[: samples.own])
    wanted = {name: found[name] for name in ("accuracy", "balanced_accuracy")}
    malignancy = _malignancy(samples, rough.probabilities)
    if malignancy is not None:
        wanted["malignancy_auc"] = _area(malignancy, malignancy.probability)
    return wanted


def _majority(truth: npt.NDArray[np.integer], classes: Sequence[str]) -> str:
    counts = np.bincount(truth, minlength=len(classes))
    most = int(counts.argmax())
    share = 100 * counts[most] / counts.sum()
    return f"to call every region {classes[most]!r} would be right in {share:.1f} %"


def _malignancy(samples: RoiSamples, probabilities: npt.NDArray[np.floating]) -> Scores | None:
    """Lesions only: the malignant classes' share of the probability that lesions have."""
    lesion, malignant = _kinds(samples)
    truth = samples.targets[: samples.own]
    rows = lesion[truth]
    if len(set(malignant[truth[rows]].tolist())) < 2:
        return None
    among = probabilities[rows][:, lesion].sum(axis=1)
    score = probabilities[rows][:, malignant].sum(axis=1) / np.maximum(among, 1e-12)
    return Scores(
        "Malignant among lesions",
        malignant[truth[rows]].astype(float),
        score,
        patients=[samples.patients[place] for place in np.flatnonzero(rows)],
    )


def _area(asked: Scores, probability: Floats) -> Figure:
    return bootstrap(area_under_curve, asked.truth, probability, patients=asked.patients)


def _kinds(samples: RoiSamples) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Of each class, whether it is a lesion, and whether a malignant one."""
    kinds = [MALIGNANCY[name] for name in samples.classes]
    return np.array([kind is not None for kind in kinds]), np.array([kind == 1 for kind in kinds])


def _malignancy_geometry(
    samples: RoiSamples, folds: Sequence[Sequence[int]]
) -> npt.NDArray[np.float64] | None:
    """What geometry alone says of the lesions' malignancy, out of fold; None where a fold leaves
    one kind of lesion only to fit on."""
    lesion, malignant = _kinds(samples)
    truth = samples.targets[: samples.own]
    rows = np.flatnonzero(lesion[truth])
    kind = malignant[truth[rows]].astype(np.float64)
    held = [np.flatnonzero(np.isin(rows, np.asarray(fold, int))) for fold in folds]
    held = [places for places in held if len(places)]
    if not held or any(len(set(np.delete(kind, places).tolist())) < 2 for places in held):
        return None
    return geometry_scores(samples.geometry[rows], kind, [places.tolist() for places in held])


def _examples(samples: RoiSamples, readings: CropReadings) -> tuple[Example, ...]:
    """The surest right calls and the surest wrong ones, with Grad-CAM beside them."""
    truth = samples.targets[: samples.own]
    called = readings.probabilities.argmax(axis=1)
    order = np.argsort(-readings.probabilities.max(axis=1), kind="stable")
    right = [index for index in order if called[index] == truth[index]][:_EXAMPLES]
    wrong = [index for index in order if called[index] != truth[index]][:_EXAMPLES]
    return tuple(
        Example(
            f"{samples.ids[index]}: {samples.classes[truth[index]]}, called "
            f"{samples.classes[called[index]]} ({readings.probabilities[index].max():.2f})",
            _picture(samples.crops[index], readings.attention[index]),
            good=bool(called[index] == truth[index]),
        )
        for index in [*right, *wrong]
    )


def _picture(
    crop: npt.NDArray[np.uint8], attention: npt.NDArray[np.floating]
) -> npt.NDArray[np.uint8]:
    return np.concatenate([draw(crop), draw(crop, heat=attention)], axis=1)
