"""Training and evaluation of joint segmentation and classification (paper 4): the system
``joint``."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.data import Case
from models.data.lesion import Lesion, load_lesions
from models.errors import TrainingError
from models.evaluation.calibration import cross_calibrated, fit_platt_by_patient
from models.evaluation.folds import case_folds, left_out
from models.evaluation.joint import Assessed, assess, evaluate_lesions, relative_radius
from models.evaluation.outcome import Evaluation
from models.lesion.joint import JointSegmenter
from models.platt import Platt
from models.training.card import write_bundle
from models.training.joint.card import joint_card
from models.training.joint.fit import fit_joint
from models.training.joint.recipes import Recipe, recipe
from models.training.joint.samples import trainable_labels
from models.training.options import Options, fold_count

log = logging.getLogger(__name__)

FOLDS = 3
"""The paper kept 400 of 4309 images for its test; a set of hundreds is better used in folds."""


@dataclass(frozen=True)
class _OutOfFold:
    """Of each repeat. assessed : of each lesion, by a network that did not see its patient. folds :
    held-out indices."""

    assessed: list[list[Assessed]]
    folds: list[list[list[int]]]


def train(cases: Sequence[Case], options: Options) -> Path:
    """Cross-validates unless ``options.folds`` is 0, fits on all cases, writes the bundle."""
    folds = fold_count(options, FOLDS)
    chosen, lesions, extra, labels, missing = _prepared(cases, options, folds)
    evaluation: Evaluation | None = None
    calibration: dict[str, Platt] = {}
    if folds:
        found = _out_of_fold(cases, lesions, extra, labels, chosen, options)
        evaluation = _evaluation(lesions, labels, found, chosen, options)
        for label in labels:
            pairs = [_answers(lesions, assessed, label)[1:] for assessed in found.assessed]
            truth, logits = (np.concatenate(column) for column in zip(*pairs, strict=True))
            known = [row.patient for row in lesions if label in row.labels]
            owners = known * len(found.assessed)
            calibration[label] = fit_platt_by_patient(truth, logits, owners)
    everything = [*lesions, *extra]
    network = fit_joint(everything, labels, chosen, _state(options, "final"), options)
    card = joint_card(
        chosen, labels, everything, _radius(everything), evaluation, calibration, options
    )
    if missing:
        card["data"]["left_out"] = " ".join(missing)
    return write_bundle(options.out / "lesion-joint", network.state_dict(), card).folder


def evaluate(bundle: Bundle, cases: Sequence[Case], options: Options) -> Evaluation:
    """What a bundle says of cases that it has not seen."""
    segmenter = JointSegmenter.load(bundle, options.device)
    lesions = load_lesions(cases, options)
    if not lesions:
        raise TrainingError(NO_LESIONS)
    radius = float(bundle.card["baseline"]["relative_radius"])
    assessed = _assess_all(segmenter, lesions, radius, "lesions", options)
    probabilities = {
        label: np.asarray([segmenter.calibrated(label, row.logits[label]) for row in assessed])
        for label in segmenter.labels
    }
    protocol = "the bundle on the given cases"
    return evaluate_lesions(lesions, [assessed], probabilities, bundle.title, protocol)


def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
    """Cross-validation by patient of the recipe that the options name."""
    folds = fold_count(options, FOLDS, fewest=2)
    chosen, lesions, extra, labels, missing = _prepared(cases, options, folds)
    found = _out_of_fold(cases, lesions, extra, labels, chosen, options)
    evaluation = _evaluation(lesions, labels, found, chosen, options)
    return replace(evaluation, notes=(*evaluation.notes, *missing))


NO_LESIONS = (
    "no case has an outlined mass or a box: the joint system needs the column mass, for a "
    "classification-only recipe mass or box"
)


def _prepared(
    cases: Sequence[Case], options: Options, folds: int
) -> tuple[Recipe, list[Lesion], list[Lesion], tuple[str, ...], list[str]]:
    """The recipe, lesions that count, lesions only learned from, the labels with a head, and a
    sentence on each that too few patients have."""
    chosen = recipe(options.recipe)
    chosen = replace(
        chosen,
        backbone=options.backbone or chosen.backbone,
        epochs=options.epochs or chosen.epochs,
    )
    lesions = _usable(load_lesions(cases, options), chosen)
    extra = _usable(load_lesions(options.extra, options), chosen)
    if not lesions:
        raise TrainingError(NO_LESIONS)
    labels = trainable_labels(lesions, folds) if chosen.classifies else ()
    if not labels and not chosen.shape.segments:
        raise TrainingError(
            f"no label has both answers in these cases from {max(1, folds)} patients or more each: "
            "classification needs benign and malignant lesions, or several types"
        )
    known = trainable_labels(lesions) if chosen.classifies else ()
    missing = left_out(known, labels, folds)
    for sentence in missing:
        log.warning(sentence)
    return chosen, lesions, extra, labels, missing


def _usable(lesions: Sequence[Lesion], chosen: Recipe) -> list[Lesion]:
    return [row for row in lesions if row.mask is not None or not chosen.shape.segments]


def fold_segmenters(cases: Sequence[Case], options: Options) -> Iterator[JointSegmenter]:
    """A segmenter for each fold of all cases, in the order of ``case_folds``, that learned from no
    lesion of it; those that lie in ``options.out`` are not fitted again.

    ``options.repeats`` is not heeded: the seed draws the folds.
    """
    count = fold_count(options, FOLDS, fewest=2)
    chosen, lesions, extra, labels, _ = _prepared(cases, options, count)
    for number, held in enumerate(_held_out(cases, lesions, count, options.seed)):
        learned = [*_others(lesions, held), *extra]
        yield _fold_segmenter(learned, labels, chosen, f"repeat-0-fold-{number}", options)


def _out_of_fold(
    cases: Sequence[Case],
    lesions: Sequence[Lesion],
    extra: Sequence[Lesion],
    labels: Sequence[str],
    chosen: Recipe,
    options: Options,
) -> _OutOfFold:
    count = options.folds or FOLDS
    owners = {lesion.patient for lesion in lesions}
    if len(owners) < count:
        raise TrainingError(f"{len(owners)} patients cannot be divided into {count} folds")
    repeats: list[list[Assessed]] = []
    divided: list[list[list[int]]] = []
    for repeat in range(options.repeats):
        own = replace(options, seed=options.seed + repeat)
        folds = _held_out(cases, lesions, count, own.seed)
        divided.append(folds)
        assessed = [Assessed()] * len(lesions)
        for number, held in enumerate(folds):
            learned = [*_others(lesions, held), *extra]
            name = f"repeat-{repeat}-fold-{number}"
            segmenter = _fold_segmenter(learned, labels, chosen, name, own)
            tested = [lesions[place] for place in held]
            rows = _assess_all(segmenter, tested, _radius(learned), name, options)
            for place, row in zip(held, rows, strict=True):
                assessed[place] = row
        repeats.append(assessed)
    return _OutOfFold(repeats, divided)


def _fold_segmenter(
    learned: Sequence[Lesion], labels: Sequence[str], chosen: Recipe, name: str, options: Options
) -> JointSegmenter:
    return JointSegmenter(
        fit_joint(learned, labels, chosen, _state(options, name), options),
        chosen.backbone,
        chosen.framing,
        mirrored=chosen.mirrored,
        device=options.device,
    )


def _others(lesions: Sequence[Lesion], held: Sequence[int]) -> list[Lesion]:
    out = set(held)
    return [row for place, row in enumerate(lesions) if place not in out]


def _held_out(
    cases: Sequence[Case], lesions: Sequence[Lesion], count: int, seed: int
) -> list[list[int]]:
    """The lesions of each fold of all cases, those without a lesion too: so a detector's folds of
    the same cases are the same."""
    folds = [{cases[place].id for place in held} for held in case_folds(cases, count, seed)]
    return [[place for place, row in enumerate(lesions) if row.case in names] for names in folds]


def _assess_all(
    segmenter: JointSegmenter,
    lesions: Sequence[Lesion],
    radius: float,
    name: str,
    options: Options,
) -> list[Assessed]:
    found = []
    for number, lesion in enumerate(lesions):
        options.progress(f"{name} read", number, len(lesions))
        found.append(assess(segmenter, lesion, radius))
    options.progress(f"{name} read", len(lesions), len(lesions))
    return found


def _evaluation(
    lesions: Sequence[Lesion],
    labels: Sequence[str],
    found: _OutOfFold,
    chosen: Recipe,
    options: Options,
) -> Evaluation:
    probabilities = {}
    for label in labels:
        known, truth, logits = _answers(lesions, found.assessed[0], label)
        place = {index: row for row, index in enumerate(known)}
        folds = [[place[index] for index in held if index in place] for held in found.folds[0]]
        probability = np.full(len(lesions), np.nan)
        probability[known] = cross_calibrated(truth, logits, folds)
        probabilities[label] = probability
    protocol = (
        f"{chosen.title}; {options.repeats} x {options.folds or FOLDS}-fold cross-validation by "
        "patient, out-of-fold predictions pooled"
    )
    return evaluate_lesions(lesions, found.assessed, probabilities, None, protocol)


def _answers(
    lesions: Sequence[Lesion], assessed: Sequence[Assessed], label: str
) -> tuple[list[int], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of the lesions whose label is known: their places, the answers, and the logits."""
    known = [place for place, lesion in enumerate(lesions) if label in lesion.labels]
    truth = np.asarray([lesions[place].labels[label] for place in known], dtype=np.float64)
    return known, truth, np.asarray([assessed[place].logits[label] for place in known])


def _radius(lesions: Sequence[Lesion]) -> float:
    """The mean relative radius of those with an outline."""
    found = [relative_radius(lesion) for lesion in lesions if lesion.mask is not None]
    return float(np.mean(found)) if found else 0.0


def _state(options: Options, name: str) -> Path:
    states = options.out / "states"
    states.mkdir(parents=True, exist_ok=True)
    return states / f"{name}.pt"
