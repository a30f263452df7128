"""Paper 2's protocol: models L, LB and LBC, cross-validated by patient: the system ``dcnn-us``."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.backbones import BACKBONES
from models.bundle import Bundle
from models.data import Case
from models.errors import TrainingError
from models.evaluation.calibration import fit_platt, fit_platt_by_patient
from models.evaluation.folds import possible_folds
from models.evaluation.metrics import youden_threshold
from models.evaluation.nomogram import Nomogram
from models.evaluation.outcome import Evaluation
from models.lesion.clinical import ClinicalModel
from models.lesion.dcnn_us import DcnnUs, Scores, score_crops
from models.lesion.nomogram import nomogram_of
from models.training.card import write_bundle
from models.training.dcnn_us.card import Operating, dcnn_us_card
from models.training.dcnn_us.clinical import (
    clinical_probability,
    fit_clinical,
    usable_factors,
)
from models.training.dcnn_us.figures import (
    CLINICAL_ALONE,
    LESION_BRANCH,
    ROUGH,
    Outcome,
    evaluation_of,
)
from models.training.dcnn_us.fit import (
    RECIPES,
    Recipe,
    average,
    fit_fused,
    fit_lesion,
    lesion_logits,
)
from models.training.dcnn_us.samples import LesionSamples, load_lesions
from models.training.options import Options

BUNDLE = "lesion-dcnn-us"
FOLDS = 5


@dataclass(frozen=True)
class OutOfFold:
    """Mean logits (n,) of each lesion by networks that did not see its patient: of model L, of
    model LB, of LB's lesion branch, and of LB on ``LesionSamples.rough``. types : (n, k).
    attention : of the first image."""

    lesion: npt.NDArray[np.float64]
    fused: npt.NDArray[np.float64]
    branch: npt.NDArray[np.float64]
    rough: npt.NDArray[np.float64]
    types: npt.NDArray[np.float64]
    attention: tuple[npt.NDArray[np.float32], ...]
    folds: list[list[int]]


def train(cases: Sequence[Case], options: Options) -> Path:
    """The bundle's folder: model LB on all lesions, and LBC where there are clinical factors.

    LBC, calibration and cut-off need scores of lesions that the networks did not see, so there are
    none of them where ``options.folds`` is 0.
    """
    recipe = _recipe(options)
    samples = load_lesions(cases, options, options.extra)
    found: Evaluation | None = None
    operating: Operating | None = None
    if options.folds != 0:
        scores = _out_of_fold(samples, recipe, options)
        operating = _operating(samples, scores)
        found = _evaluation(samples, scores, operating)
    network = fit_fused(samples, range(len(samples.lesions)), recipe, options, "final")
    card = dcnn_us_card(samples, recipe, operating, found, options)
    return write_bundle(options.out / BUNDLE, network.state_dict(), card, networks=2).folder


def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
    """Figures of models L, LB and LBC on the folds that they did not see."""
    if options.folds == 0:
        raise TrainingError("0 folds were asked for; cross-validation needs two or more")
    samples = load_lesions(cases, options, options.extra)
    scores = _out_of_fold(samples, _recipe(options), options)
    return _evaluation(samples, scores, _operating(samples, scores))


def evaluate(bundle: Bundle, cases: Sequence[Case], options: Options) -> Evaluation:
    """What a bundle makes of lesions that it has not seen."""
    system = DcnnUs.load(bundle, device=options.device)
    samples = load_lesions(cases, options, fewest=0)
    own = range(samples.own)
    scores = system.read_crops(samples.crops)
    fused = average(samples, own, scores.malignant)
    said = [
        system.probability(float(logit), row.clinical)
        for logit, row in zip(fused, samples.lesions, strict=True)
    ]
    whole, image = (np.array(column) for column in zip(*said, strict=True))
    branch = 1 / (1 + np.exp(-average(samples, own, scores.lesion)))
    rough = average(samples, own, system.read_crops(samples.rough).malignant)
    drawn = np.array([system.probability(float(logit), {})[1] for logit in rough])
    probabilities = {LESION_BRANCH: branch, ROUGH: drawn, "LB": image}
    notes = []
    if "calibration" not in bundle.card:
        notes.append("not calibrated, cut-off 0.5: the bundle was fitted without cross-validation")
    if system.clinical is None:
        notes.append("the bundle has no model LBC")
    else:
        probabilities["LBC"] = whole
        notes.extend(_left_out(samples, system.clinical))
    threshold = bundle.card.get("thresholds", {}).get("malignant", {}).get("probability", 0.5)
    types = replace(samples, types=system.types)
    outcome = Outcome(
        probabilities,
        (list(probabilities.values())[-1] >= threshold).astype(float),
        average(samples, own, scores.types),
        _first(samples, own, scores),
    )
    nomogram = None if system.clinical is None else _drawable(system.clinical)
    return evaluation_of(
        types,
        outcome,
        possible_folds(samples.strata(), samples.patients, FOLDS, options.seed),
        bundle=bundle.title,
        protocol="the bundle on all lesions, images of a lesion averaged",
        nomogram=nomogram,
        notes=notes,
    )


def _out_of_fold(samples: LesionSamples, recipe: Recipe, options: Options) -> OutOfFold:
    if options.repeats != 1:
        raise TrainingError("paper 2 draws its folds once: leave the repeats at 1")
    wanted = FOLDS if options.folds is None else options.folds
    folds = possible_folds(samples.strata(), samples.patients, wanted, options.seed)
    if wanted < 2 or len(folds) < wanted:
        raise TrainingError(
            f"{wanted} folds were asked for; two or more are needed, and the manifest has patients "
            f"for {len(folds)}"
        )
    count = samples.own
    logits = {name: np.zeros(count) for name in ("lesion", "fused", "branch", "rough")}
    types = np.zeros((count, len(samples.types)))
    attention: dict[int, npt.NDArray[np.float32]] = {}
    for number, held in enumerate(folds):
        seen = {samples.lesions[place].patient for place in held}
        rest = [place for place, row in enumerate(samples.lesions) if row.patient not in seen]
        lesion = fit_lesion(samples, rest, recipe, options, f"fold-{number}-L")
        logits["lesion"][held] = lesion_logits(lesion, samples, held, recipe, options.device)
        fused = fit_fused(samples, rest, recipe, options, f"fold-{number}-LB")
        images = [image for place in held for image in samples.lesions[place].images]
        row, device = BACKBONES[recipe.backbone], torch.device(options.device)
        scores = score_crops(fused, [samples.crops[image] for image in images], row, device)
        rough = score_crops(fused, [samples.rough[image] for image in images], row, device)
        logits["fused"][held] = average(samples, held, scores.malignant)
        logits["branch"][held] = average(samples, held, scores.lesion)
        logits["rough"][held] = average(samples, held, rough.malignant)
        types[held] = average(samples, held, scores.types)
        attention |= dict(zip(held, _first(samples, held, scores), strict=True))
    maps = tuple(attention[place] for place in range(count))
    return OutOfFold(**logits, types=types, attention=maps, folds=folds)


def _operating(samples: LesionSamples, scores: OutOfFold) -> Operating:
    """What the bundle works with, fitted on all out-of-fold scores."""
    truth = samples.truth
    clinical = [row.clinical for row in samples.lesions[: samples.own]]
    factors = usable_factors(clinical)
    calibration = fit_platt_by_patient(truth, scores.fused, samples.patients)
    odds = calibration.slope * scores.fused + calibration.intercept
    model = fit_clinical(odds, clinical, truth, factors) if factors else None
    final = (
        calibration(scores.fused) if model is None else clinical_probability(model, odds, clinical)
    )
    return Operating(calibration, model, youden_threshold(truth, final))


def _evaluation(samples: LesionSamples, scores: OutOfFold, operating: Operating) -> Evaluation:
    """Each lesion judged by what the other folds' scores gave: calibration, LBC and cut-off."""
    truth = samples.truth
    clinical = [row.clinical for row in samples.lesions[: samples.own]]
    factors = () if operating.clinical is None else tuple(operating.clinical.factors)
    logits = {
        "L": scores.lesion,
        LESION_BRANCH: scores.branch,
        ROUGH: scores.rough,
        "LB": scores.fused,
    }
    names = [
        *([CLINICAL_ALONE] if factors else []),
        *logits,
        *(["LBC"] if factors else []),
    ]
    probabilities = {name: np.zeros(samples.own) for name in names}
    called = np.zeros(samples.own)
    for held in scores.folds:
        rest = np.setdiff1d(np.arange(samples.own), held)
        fitted: dict[str, npt.NDArray[np.float64]] = {}
        for name, values in logits.items():
            fitted[name] = np.asarray(fit_platt(truth[rest], values[rest])(values))
        if factors:
            scaling = fit_platt(truth[rest], scores.fused[rest])
            odds = scaling.slope * scores.fused + scaling.intercept
            for name, image in ((CLINICAL_ALONE, np.zeros_like(odds)), ("LBC", odds)):
                known = [clinical[place] for place in rest]
                model = fit_clinical(image[rest], known, truth[rest], factors)
                fitted[name] = clinical_probability(model, image, clinical)
        for name in names:
            probabilities[name][held] = fitted[name][held]
        final = fitted[names[-1]]
        called[held] = final[held] >= youden_threshold(truth[rest], final[rest])
    return evaluation_of(
        samples,
        Outcome(probabilities, called, scores.types, scores.attention),
        scores.folds,
        bundle=None,
        protocol=f"{len(scores.folds)}-fold cross-validation by patient; calibration, model LBC "
        "and cut-off (Youden) from the other folds; images of a lesion averaged",
        nomogram=None if operating.clinical is None else _drawable(operating.clinical),
        notes=_left_out(samples, operating.clinical)
        if operating.clinical
        else ["no clinical factor is known in half of the lesions: there is no model LBC"],
    )


def _first(
    samples: LesionSamples, chosen: Sequence[int], scores: Scores
) -> list[npt.NDArray[np.float32]]:
    """The attention of each chosen lesion's first image."""
    counts = [len(samples.lesions[number].images) for number in chosen]
    starts = np.cumsum([0, *counts[:-1]])
    return [scores.attention[start] for start in starts]


def _left_out(samples: LesionSamples, model: ClinicalModel) -> list[str]:
    missing = Counter(
        name for row in samples.lesions[: samples.own] for name in model.left_out(row.clinical)
    )
    return [
        f"{name} is not known of {count} of {samples.own} lesions and left out there"
        for name, count in missing.items()
    ]


def _drawable(model: ClinicalModel) -> Nomogram | None:
    try:
        return nomogram_of(model)
    except ValueError:
        return None


def _recipe(options: Options) -> Recipe:
    name = options.recipe or "small"
    if name not in RECIPES:
        raise TrainingError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    if options.backbone is not None:
        recipe = replace(recipe, backbone=options.backbone)
    return recipe if options.epochs is None else replace(recipe, epochs=options.epochs)
