"""Training and evaluation of the attention detector (paper 1): the system ``attention``."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.bundle import Bundle
from models.data import Case, Grey
from models.errors import TrainingError
from models.evaluation.attention import Readings, evaluate_readings, localisation
from models.evaluation.calibration import cross_calibrated
from models.evaluation.changes import CHANGES, TITLES
from models.evaluation.folds import case_folds, folds_among, left_out
from models.evaluation.geometry import geometry_features
from models.evaluation.lesion import LabelEvaluation, evaluate_label
from models.evaluation.metrics import Figure
from models.evaluation.outcome import Evaluation
from models.evaluation.robustness import shifts
from models.evaluation.sizes import areas_by_size
from models.images import Window
from models.lesion.attention import AttentionDetector, AttentionReading, mean_attention
from models.lesion.familiar import CARD as FAMILIAR
from models.training.attention.card import attention_card
from models.training.attention.fit import (
    RECIPES,
    Fitted,
    Recipe,
    as_card,
    fit_network,
    predict,
)
from models.training.attention.samples import Samples, labels_of, load_samples
from models.training.card import write_bundle
from models.training.familiar import fit_familiar
from models.training.options import Options, fold_count

log = logging.getLogger(__name__)

FOLDS = 3
"""Of paper 1, which draws them three times."""


@dataclass(frozen=True)
class OutOfFold:
    """Of every case by networks that did not see its patient, in each of r repeats. logits :
    (r, n, L). attention : (r, n, h, w). folds : held-out indices. changed : logits of the changed
    images, by change."""

    logits: npt.NDArray[np.float64]
    attention: npt.NDArray[np.float32]
    folds: list[list[list[int]]]
    changed: Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class HeldOut:
    """Of n cases by networks that did not see their patient. logits : (n, L). attention : (h, w)
    0..1 of each, over its window in pixels of the whole image."""

    labels: tuple[str, ...]
    logits: npt.NDArray[np.float64]
    attention: Sequence[npt.NDArray[np.float32]]
    windows: Sequence[Window]


def train(cases: Sequence[Case], options: Options) -> Path:
    """Cross-validates unless ``options.folds`` is 0, fits on all cases, writes the bundle."""
    recipes = _recipes(options)
    folds = fold_count(options, FOLDS)
    labels, missing = _labels(cases, folds)
    samples = _samples(cases, labels, recipes, options)
    evaluations: Mapping[str, LabelEvaluation] = {}
    place: tuple[Figure, Figure] | None = None
    if folds:
        found = _out_of_fold(cases, samples, recipes, options)
        evaluations = _label_evaluations(cases, samples[0], found)
        windows = samples[0].windows[: len(cases)]
        place = localisation(cases, windows, [list(repeat) for repeat in found.attention])
    fitted = _fit(range(len(cases)), cases, samples, recipes, "final", options)
    card = attention_card(recipes, labels, cases, evaluations, place, options, _protocol(options))
    if missing:
        card["data"]["left_out"] = " ".join(missing)
    card["members"] = [as_card(member.recipe, member.labels) for member in fitted]
    tensors = {
        f"{number}.{key}": value
        for number, member in enumerate(fitted)
        for key, value in member.network.state_dict().items()
    }
    familiar, card[FAMILIAR] = fit_familiar(cases, recipes[0].backbone, folds, options)
    scope = familiar.scope.tensors()
    folder = options.out / "lesion-attention"
    whole = frozenset(scope)
    return write_bundle(folder, tensors | scope, card, full=whole, networks=len(fitted)).folder


def evaluate(bundle: Bundle, cases: Sequence[Case], options: Options) -> Evaluation:
    """What a bundle says of cases that it has not seen."""
    detector = AttentionDetector.load(bundle, options.device)
    readings, sizes = [], []
    changed: dict[str, list[AttentionReading]] = {name: [] for name in CHANGES}
    for number, case in enumerate(cases):
        options.progress("images", number, len(cases))
        grey = options.read(case)
        sizes.append((grey.shape[1], grey.shape[0]))
        readings.extend(detector.read([grey]))
        for name, change in CHANGES.items():
            changed[name].extend(detector.read([change(grey)]))
    options.progress("images", len(cases), len(cases))

    def logits(rows: Sequence[AttentionReading]) -> npt.NDArray[np.float64]:
        return np.asarray([[[row.logits[label] for label in bundle.labels] for row in rows]])

    every = Readings(
        labels=bundle.labels,
        logits=logits(readings),
        probability=np.asarray(
            [[row.probabilities[label] for label in bundle.labels] for row in readings]
        ),
        attention=[[row.attention for row in readings]],
        windows=[row.window for row in readings],
        sizes=sizes,
        thresholds={
            label: float(row["probability"])
            for label, row in bundle.card.get("thresholds", {}).items()
        },
        changed={name: logits(rows) for name, rows in changed.items()},
    )
    return evaluate_readings(cases, every, bundle.title, "the bundle on the given cases", options)


def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
    """The paper's cross-validation by patient, ``options.repeats`` times (the paper: three)."""
    recipes = _recipes(options)
    labels, missing = _labels(cases, fold_count(options, FOLDS, fewest=2))
    samples = _samples(cases, labels, recipes, options)
    found = _out_of_fold(cases, samples, recipes, options)
    first = samples[0]
    probability = np.full(found.logits.shape[1:], np.nan)
    for column in range(len(first.labels)):
        known, folds = _known(cases, first, column, found.folds)
        truth = first.targets[known, column].numpy()
        logits = found.logits[0, known, column]
        probability[known, column] = cross_calibrated(truth, logits, folds[0])
    readings = Readings(
        labels=first.labels,
        logits=found.logits,
        probability=probability,
        attention=[list(repeat) for repeat in found.attention],
        windows=first.windows[: len(cases)],
        sizes=first.sizes[: len(cases)],
        folds=found.folds,
        changed=found.changed,
    )
    evaluation = evaluate_readings(cases, readings, None, _protocol(options), options)
    return replace(evaluation, notes=(*evaluation.notes, *missing))


def _recipes(options: Options) -> tuple[Recipe, ...]:
    name = options.recipe or "small"
    if name not in RECIPES:
        raise TrainingError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}")
    recipes = RECIPES[name]
    if options.backbone is not None:
        recipes = tuple(replace(recipe, backbone=options.backbone) for recipe in recipes)
    if options.epochs is not None:
        recipes = tuple(replace(recipe, epochs=options.epochs) for recipe in recipes)
    return recipes


def _labels(cases: Sequence[Case], folds: int) -> tuple[tuple[str, ...], list[str]]:
    """Those that can be learned, and a sentence on each that too few patients have."""
    labels = labels_of(cases, folds)
    if not labels:
        raise TrainingError(
            f"no label has both answers in these cases from {max(1, folds)} patients or more each: "
            "the attention detector needs images with and without a lesion, or benign and "
            "malignant ones, and of both as many patients as there are folds"
        )
    missing = left_out(labels_of(cases), labels, folds)
    for sentence in missing:
        log.warning(sentence)
    return labels, missing


def _samples(
    cases: Sequence[Case], labels: Sequence[str], recipes: Sequence[Recipe], options: Options
) -> list[Samples]:
    """Of each recipe, those of one size shared."""
    bare = {recipe.size for recipe in recipes if recipe.unmasked}
    by_size = {
        size: load_samples(cases, labels, size, options, unmasked=size in bare)
        for size in {recipe.size for recipe in recipes}
    }
    return [by_size[recipe.size] for recipe in recipes]


def _fit(
    indices: Sequence[int],
    cases: Sequence[Case],
    samples: Sequence[Samples],
    recipes: Sequence[Recipe],
    name: str,
    options: Options,
) -> list[Fitted]:
    """The ensemble fitted on some of the cases, and on all that are extra."""
    states = options.out / "states"
    states.mkdir(parents=True, exist_ok=True)
    patients = [case.patient for case in (*cases, *options.extra)]
    extra = range(len(cases), len(cases) + len(options.extra))
    return [
        member
        for number, (own, recipe) in enumerate(zip(samples, recipes, strict=True))
        for member in fit_network(
            own, [*indices, *extra], patients, recipe, states / f"{name}-{number}.pt", options
        )
    ]


def held_out_readings(cases: Sequence[Case], options: Options) -> HeldOut:
    """What the detector says of each case that it did not see; folds that lie in ``options.out``
    are not fitted again. ``options.repeats`` is not heeded: the seed draws the folds."""
    recipes = _recipes(options)
    labels, _ = _labels(cases, fold_count(options, FOLDS, fewest=2))
    samples = _samples(cases, labels, recipes, options)
    logits = np.zeros((len(cases), len(labels)))
    attention: dict[int, npt.NDArray[np.float32]] = {}
    for held, fitted in _fold_fits(cases, samples, recipes, 0, options):
        said, maps = _read(fitted, samples, recipes, held, labels)
        logits[held] = said.numpy()
        attention |= dict(zip(held, maps.numpy(), strict=True))
    maps_in_order = [attention[place] for place in range(len(cases))]
    return HeldOut(labels, logits, maps_in_order, samples[0].windows[: len(cases)])


def _fold_fits(
    cases: Sequence[Case],
    samples: Sequence[Samples],
    recipes: Sequence[Recipe],
    repeat: int,
    options: Options,
) -> Iterator[tuple[list[int], list[Fitted]]]:
    """The held-out places of each fold, and the ensemble fitted on the others."""
    for number, held in enumerate(case_folds(cases, options.folds or FOLDS, options.seed)):
        rest = sorted(set(range(len(cases))) - set(held))
        name = f"repeat-{repeat}-fold-{number}"
        yield held, _fit(rest, cases, samples, recipes, name, options)


def _out_of_fold(
    cases: Sequence[Case], samples: Sequence[Samples], recipes: Sequence[Recipe], options: Options
) -> OutOfFold:
    count, labels = len(cases), samples[0].labels
    logits = np.zeros((options.repeats, count, len(labels)))
    changed = {name: np.zeros_like(logits) for name in CHANGES}
    attention: list[torch.Tensor] = []
    divided: list[list[list[int]]] = []
    for repeat in range(options.repeats):
        own = replace(options, seed=options.seed + repeat)
        divided.append([])
        for held, fitted in _fold_fits(cases, samples, recipes, repeat, own):
            name = f"repeat-{repeat}-fold-{len(divided[repeat])}"
            divided[repeat].append(held)
            said, maps = _read(fitted, samples, recipes, held, labels)
            logits[repeat, held] = said.numpy()
            if len(attention) == repeat:
                attention.append(torch.zeros(count, *maps.shape[1:]))
            attention[repeat][held] = maps
            tested = [cases[place] for place in held]
            for change, rows in changed.items():
                unlike = _changed(tested, labels, recipes, change, name, options)
                said, _ = _read(fitted, unlike, recipes, range(len(held)), labels)
                rows[repeat, held] = said.numpy()
    return OutOfFold(logits, torch.stack(attention).numpy(), divided, changed)


def _changed(
    cases: Sequence[Case],
    labels: Sequence[str],
    recipes: Sequence[Recipe],
    change: str,
    name: str,
    options: Options,
) -> list[Samples]:
    """Some cases prepared from their changed whole images; outlines and boxes stay behind."""

    def progress(_: str, done: int, total: int) -> None:
        options.progress(f"{name} read, {TITLES[change]}", done, total)

    def read(case: Case) -> Grey:
        return CHANGES[change](options.read(case))

    plain = [replace(recipe, unmasked=0.0) for recipe in recipes]
    return _samples(cases, labels, plain, replace(options, read=read, progress=progress, extra=()))


def _read(
    fitted: Sequence[Fitted],
    samples: Sequence[Samples],
    recipes: Sequence[Recipe],
    held: Sequence[int],
    labels: Sequence[str],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and attention of the ensemble, as the detector computes them."""
    total = torch.zeros(len(held), len(labels))
    voices = torch.zeros(len(labels))
    maps = []
    for member in fitted:
        own = samples[recipes.index(member.recipe)]
        logits, local = predict(member, own, held)
        places = [labels.index(label) for label in member.labels]
        total[:, places] += logits
        voices[places] += 1
        maps.append(local)
    return total / voices, mean_attention(maps, [member.labels for member in fitted])


def _known(
    cases: Sequence[Case], samples: Samples, column: int, folds: Sequence[Sequence[Sequence[int]]]
) -> tuple[npt.NDArray[np.intp], list[list[list[int]]]]:
    """The cases whose label is known, and each repeat's folds as places among them."""
    known = np.flatnonzero(samples.known[: len(cases), column].numpy())
    return known, [folds_among(known.tolist(), repeat) for repeat in folds]


def _label_evaluations(
    cases: Sequence[Case], samples: Samples, found: OutOfFold
) -> dict[str, LabelEvaluation]:
    count = len(cases)
    geometry = geometry_features(samples.sizes[:count], samples.windows[:count])
    evaluations = {}
    for column, label in enumerate(samples.labels):
        known, folds = _known(cases, samples, column, found.folds)
        truth, logits = samples.targets[known, column].numpy(), found.logits[:, known, column]
        patients = [cases[place].patient for place in known]
        sizes = [samples.sizes[place] for place in known]
        changed = {name: rows[:, known, column] for name, rows in found.changed.items()}
        row = evaluate_label(truth, logits, geometry[known], folds, patients)
        evaluations[label] = replace(
            row,
            sizes=areas_by_size(truth, logits, sizes, patients),
            sizes_baseline=areas_by_size(truth, row.baseline[None], sizes, patients),
            robustness=shifts(truth, logits, changed, patients),
        )
    return evaluations


def _protocol(options: Options) -> str:
    return (
        f"{options.repeats} x {options.folds or FOLDS}-fold cross-validation by patient, "
        "out-of-fold predictions pooled"
    )
