"""Fitting and judging what finds fan, liver and masses in a frame: the system ``fan-liver``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.bundle import Bundle
from models.data import Case
from models.errors import TrainingError
from models.evaluation.folds import case_folds
from models.evaluation.outcome import Evaluation
from models.frame.fan_liver import FanLiver, Mask
from models.training.card import write_bundle
from models.training.fan_liver.assessment import Found, best_level, find, mean_shapes, nearest
from models.training.fan_liver.card import fan_liver_card
from models.training.fan_liver.figures import evaluation_of
from models.training.fan_liver.fit import Recipe, fit_network
from models.training.fan_liver.samples import Samples, load_samples, structures_of
from models.training.options import Options, fold_count

FOLDS = 3
UNTRIED = 0.5
"""The level of masses where no fold chose one."""

BUNDLE = "fan-liver"

__all__ = ["Fold", "cross_validate", "evaluate", "fold_readers", "train"]


def train(cases: Sequence[Case], options: Options) -> Path:
    """Cross-validates unless ``options.folds`` is 0, fits on all cases, writes the bundle."""
    recipe = _recipe(options)
    folds = fold_count(options, FOLDS)
    samples = _samples(cases, folds, options)
    evaluation, level = None, UNTRIED
    if folds:
        evaluation, level = _out_of_fold(cases, samples, recipe, options)
    every = range(len(samples.images))
    network = fit_network(samples, every, recipe, _state(options, "final"), options)
    card = fan_liver_card(recipe, samples, cases, evaluation, level, options)
    return write_bundle(options.out / BUNDLE, network.state_dict(), card).folder


def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
    """Out of fold by patient, ``options.repeats`` times."""
    samples = _samples(cases, fold_count(options, FOLDS, fewest=2), options)
    return _out_of_fold(cases, samples, _recipe(options), options)[0]


def evaluate(bundle: Bundle, cases: Sequence[Case], options: Options) -> Evaluation:
    """What a bundle says of cases that it has not seen."""
    reader = FanLiver.load(bundle, options.device)
    level = float(bundle.card.get("thresholds", {}).get("mass", {}).get("probability", UNTRIED))
    found: dict[int, Found] = {}
    for held, shapes in _rival_shapes(cases, options):
        rows = find(reader, cases, held, shapes, options)
        found |= {place: row[nearest(level)] for place, row in zip(held, rows, strict=True)}
    ordered = [found[place] for place in range(len(cases))]
    protocol = "the bundle on the given cases"
    return evaluation_of(cases, [ordered], bundle.title, protocol, options)


def _rival_shapes(
    cases: Sequence[Case], options: Options
) -> Iterator[tuple[list[int], Mapping[str, Mask]]]:
    """Parts of the cases, each with the mean shapes of all others."""
    every = list(range(len(cases)))
    folds = min(FOLDS, len({case.patient for case in cases}))
    structures = structures_of(cases)
    if folds < 2 or not structures:
        yield every, {}
        return
    samples = load_samples(cases, structures, replace(options, extra=()))
    for held in case_folds(cases, folds, options.seed):
        yield held, mean_shapes(samples, sorted(set(every) - set(held)))


def _recipe(options: Options) -> Recipe:
    usual = Recipe()
    return replace(
        usual,
        backbone=options.backbone or usual.backbone,
        epochs=options.epochs or usual.epochs,
    )


def _samples(cases: Sequence[Case], folds: int, options: Options) -> Samples:
    structures = structures_of(cases, folds)
    if not structures:
        raise TrainingError(
            f"no structure is outlined in {max(1, folds)} patients or more: the manifest needs the "
            "columns outline (the fan), liver or mass"
        )
    return load_samples(cases, structures, options)


@dataclass(frozen=True)
class Fold:
    """held : the places of cases that its reader did not learn from. shapes : of the rival that
    learned from the same cases."""

    held: list[int]
    reader: FanLiver
    shapes: Mapping[str, Mask]


def fold_readers(cases: Sequence[Case], options: Options) -> Iterator[Fold]:
    """A reader for each fold of the cases; those that lie in ``options.out`` are not fitted again.

    ``options.repeats`` is not heeded: the seed draws the folds.
    """
    count = fold_count(options, FOLDS, fewest=2)
    return _readers(cases, _samples(cases, count, options), _recipe(options), 0, options)


def _readers(
    cases: Sequence[Case], samples: Samples, recipe: Recipe, repeat: int, options: Options
) -> Iterator[Fold]:
    extra = range(len(cases), len(samples.images))
    for number, held in enumerate(case_folds(cases, options.folds or FOLDS, options.seed)):
        rest = sorted(set(range(len(cases))) - set(held))
        state = _state(options, f"repeat-{repeat}-fold-{number}")
        network = fit_network(samples, [*rest, *extra], recipe, state, options)
        reader = FanLiver(network, recipe.backbone, device=options.device)
        yield Fold(held, reader, mean_shapes(samples, rest))


def _out_of_fold(
    cases: Sequence[Case], samples: Samples, recipe: Recipe, options: Options
) -> tuple[Evaluation, float]:
    """And the level from which pixels are mass, by all that was out of fold."""
    every: list[dict[float, Found]] = []
    repeats: list[list[Found]] = []
    for repeat in range(options.repeats):
        own = replace(options, seed=options.seed + repeat)
        folds: list[list[int]] = []
        found: dict[int, dict[float, Found]] = {}
        for fold in _readers(cases, samples, recipe, repeat, own):
            rows = find(fold.reader, cases, fold.held, fold.shapes, options)
            found |= dict(zip(fold.held, rows, strict=True))
            folds.append(fold.held)
        every += found.values()
        chosen: dict[int, Found] = {}
        for held in folds:
            level = best_level([row for place, row in found.items() if place not in set(held)])
            chosen |= {place: found[place][level] for place in held}
        repeats.append([chosen[place] for place in range(len(cases))])
    protocol = (
        f"{options.repeats} x {options.folds or FOLDS}-fold cross-validation by patient, "
        "out-of-fold predictions pooled"
    )
    return evaluation_of(cases, repeats, None, protocol, options), best_level(every)


def _state(options: Options, name: str) -> Path:
    states = options.out / "states"
    states.mkdir(parents=True, exist_ok=True)
    return states / f"{name}.pt"
