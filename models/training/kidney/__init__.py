"""Fitting and judging what finds a kidney in a frame: the system ``kidney``.

A decoder alone is fitted, on the encoder of a ``fan-liver`` bundle, which has learned from real
frames what no simulated one shows.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from models.bundle import Bundle
from models.data import Case
from models.errors import ModelError, TrainingError
from models.evaluation.folds import case_folds
from models.evaluation.outcome import Evaluation
from models.frame.fan_liver import FanLiver, load_network
from models.frame.fan_liver_network import FanLiverNetwork
from models.frame.kidney import STRUCTURE, Kidney
from models.registry import load_bundle, read_bundle
from models.training.card import write_bundle
from models.training.fan_liver.assessment import mean_shapes
from models.training.fan_liver.fit import Recipe, fit_network
from models.training.fan_liver.samples import Samples, load_samples, outlined
from models.training.kidney.card import kidney_card
from models.training.kidney.figures import Found, evaluation_of, find
from models.training.options import Options, fold_count

BUNDLE = "kidney"
ENCODER = "fan-liver"
FOLDS = 3
EPOCHS, RATE = 3, 1e-3
"""Longer, it learns the simulator: after ten epochs it found the kidney where a person had set a
square in three of seven frames of ``byra-ten``, after three epochs in five."""

__all__ = ["cross_validate", "evaluate", "train"]


def train(cases: Sequence[Case], options: Options) -> Path:
    """Cross-validates unless ``options.folds`` is 0, fits on all cases, writes the bundle.

    ``options.init`` is the folder of a bundle of the system fan-liver; the shipped one by default.
    """
    folds, encoder = fold_count(options, FOLDS), _encoder(options)
    cases = _known(cases, folds)
    samples = load_samples(cases, (STRUCTURE,), options)
    evaluation = _out_of_fold(cases, samples, encoder, options) if folds else None
    network = _fitted(samples, range(len(samples.images)), encoder, "final", options)
    card = kidney_card(_recipe(encoder, options), cases, encoder, evaluation, options)
    return write_bundle(options.out / BUNDLE, network.state_dict(), card).folder


def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
    """Out of fold by patient."""
    cases = _known(cases, fold_count(options, FOLDS, fewest=2))
    samples = load_samples(cases, (STRUCTURE,), options)
    return _out_of_fold(cases, samples, _encoder(options), options)


def evaluate(bundle: Bundle, cases: Sequence[Case], options: Options) -> Evaluation:
    """What a bundle finds in cases that it has not seen."""
    cases, reader = _known(cases, 0), Kidney.load(bundle, options.device)
    folds = min(FOLDS, len({case.patient for case in cases}))
    if folds < 2:
        found = find(reader, cases, None, options)
    else:
        samples = load_samples(cases, (STRUCTURE,), replace(options, extra=()))
        found = _held_out(cases, samples, folds, lambda number, rest: reader, options)
    return evaluation_of(cases, found, bundle.title, "the bundle on the given cases", options)


def _known(cases: Sequence[Case], folds: int) -> list[Case]:
    """Those of which it is known whether they show a kidney. TrainingError for too few that do."""
    known = [case for case in cases if outlined(case, STRUCTURE) is not None]
    least = max(1, folds)
    if len({case.patient for case in known if case.kidney is not None}) < least:
        raise TrainingError(
            f"no kidney is outlined in {least} patients or more: the manifest needs the column "
            "kidney, and the view of images that show none"
        )
    return known


def _encoder(options: Options) -> Bundle:
    """The bundle whose encoder is kept. TrainingError where it is none of the system fan-liver."""
    try:
        bundle = load_bundle(ENCODER, ()) if options.init is None else read_bundle(options.init)
    except ModelError as error:
        raise TrainingError(f"the encoder cannot be had: {error}") from error
    if bundle.system != "frame.fan_liver":
        raise TrainingError(
            f"{bundle.folder} is of the system {bundle.system!r}: name with --init the folder of a "
            "bundle of 'frame.fan_liver', whose encoder is kept"
        )
    return bundle


def _recipe(encoder: Bundle, options: Options) -> Recipe:
    return Recipe(encoder.backbone, epochs=options.epochs or EPOCHS, rate=RATE)


def _fitted(
    samples: Samples, indices: Sequence[int], encoder: Bundle, name: str, options: Options
) -> FanLiverNetwork:
    states = options.out / "states"
    states.mkdir(parents=True, exist_ok=True)
    kept, recipe = load_network(encoder).encoder, _recipe(encoder, options)
    return fit_network(
        samples, _balanced(samples, indices), recipe, states / f"{name}.pt", options, kept
    )


def _balanced(samples: Samples, indices: Sequence[int]) -> list[int]:
    """The frames with a kidney as often as it takes to be about as many as those without."""
    shown = [place for place in indices if samples.masks[place].any()]
    others = len(indices) - len(shown)
    return [*indices, *shown * max(0, round(others / max(1, len(shown))) - 1)]


def _out_of_fold(
    cases: Sequence[Case], samples: Samples, encoder: Bundle, options: Options
) -> Evaluation:
    extra = range(len(cases), len(samples.images))
    folds = options.folds or FOLDS

    def reader(number: int, rest: Sequence[int]) -> Kidney:
        network = _fitted(samples, [*rest, *extra], encoder, f"fold-{number}", options)
        return Kidney(FanLiver(network, encoder.backbone, device=options.device))

    protocol = f"{folds}-fold cross-validation by patient"
    found = _held_out(cases, samples, folds, reader, options)
    return evaluation_of(cases, found, None, protocol, options)


def _held_out(
    cases: Sequence[Case],
    samples: Samples,
    folds: int,
    reader: Callable[[int, Sequence[int]], Kidney],
    options: Options,
) -> list[Found]:
    """What is found in each case. reader : of a fold's number and the places that are not held."""
    found: dict[int, Found] = {}
    for number, held in enumerate(case_folds(cases, folds, options.seed)):
        rest = sorted(set(range(len(cases))) - set(held))
        shape = mean_shapes(samples, rest).get(STRUCTURE)
        rows = find(reader(number, rest), [cases[place] for place in held], shape, options)
        found |= dict(zip(held, rows, strict=True))
    return [found[place] for place in range(len(cases))]
