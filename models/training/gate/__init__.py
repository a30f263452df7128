"""Fitting and judging the gate that refuses what is no liver: the system ``gate``.

It must refuse kinds that it never saw, so every kind is held out once, together with a share of the
livers. Minutes on one core, nearly all of them features.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.backbones import imagenet_backbone
from models.bundle import Bundle
from models.data import Case
from models.errors import TrainingError
from models.evaluation.outcome import Evaluation
from models.frame.gate import Gate
from models.training.card import write_bundle
from models.training.gate.card import gate_card
from models.training.gate.figures import Judged, evaluation_of
from models.training.gate.fit import fit_head, limit_of, out_of_fold, refusals
from models.training.gate.samples import GateSamples, gate_samples
from models.training.options import Options

SYSTEM = "gate"
BUNDLE = "gate"
BACKBONE = "efficientnet_lite0"
FOLDS = 5

__all__ = ["cross_validate", "evaluate", "train"]


def train(cases: Sequence[Case], options: Options) -> Path:
    """Fits the head on all cases and writes the bundle ``options.out / 'gate'``.

    The limit comes from livers out of fold. ``options.folds`` of 0 writes a card without figures.
    """
    name = options.backbone or BACKBONE
    samples = gate_samples(cases, options, name)
    scores = out_of_fold(samples, samples.kind_folds(options.seed))
    found = None if options.folds == 0 else _evaluation(samples, scores, cases, options)
    limit = limit_of(scores[~samples.foreign[: samples.own]])
    head = fit_head(samples, range(len(samples.ids)), limit)
    card = gate_card(name, samples, limit, found, options)
    network = imagenet_backbone(name, options.init).state_dict()
    fitted = head.tensors()
    folder = options.out / BUNDLE
    return write_bundle(folder, {**network, **fitted}, card, full=frozenset(fitted)).folder


def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
    """Every kind held out once with a share of the livers; beside it, new subjects of known kinds
    in ``options.folds`` parts."""
    if options.folds == 0:
        raise TrainingError("cross-validation needs folds; give 2 or more, or leave them out")
    samples = gate_samples(cases, options, options.backbone or BACKBONE)
    scores = out_of_fold(samples, samples.kind_folds(options.seed))
    return _evaluation(samples, scores, cases, options)


def evaluate(bundle: Bundle, cases: Sequence[Case], options: Options) -> Evaluation:
    """What a bundle says of cases that it has not seen, under its own limit."""
    gate = Gate.load(bundle, options.device)
    samples = gate_samples(cases, options, bundle.backbone, gate)
    verdicts = gate.of_features(samples.features[: samples.own])
    judged = Judged(
        scores=np.array([verdict.score for verdict in verdicts]),
        refused=np.array([not verdict.is_liver for verdict in verdicts]),
        limit=verdicts[0].limit,
    )
    return evaluation_of(
        samples,
        judged,
        samples.kind_folds(options.seed),
        cases,
        options,
        bundle=bundle.title,
        protocol="one bundle on unseen images, under its own limit",
    )


def _evaluation(
    samples: GateSamples,
    scores: npt.NDArray[np.float64],
    cases: Sequence[Case],
    options: Options,
) -> Evaluation:
    folds = samples.kind_folds(options.seed)
    foreign = samples.foreign[: samples.own]
    judged = Judged(scores, refusals(scores, foreign, folds), limit_of(scores[~foreign]))
    return evaluation_of(
        samples,
        judged,
        folds,
        cases,
        options,
        bundle=None,
        protocol="every kind held out once with a share of the livers, by patient; the limit from "
        f"the livers of the other folds; {options.backbone or BACKBONE}",
        known=_known_kinds(samples, options),
    )


def _known_kinds(samples: GateSamples, options: Options) -> tuple[Judged, Sequence[Sequence[int]]]:
    folds = samples.subject_folds(options.folds or FOLDS, options.seed)
    scores = out_of_fold(samples, folds)
    foreign = samples.foreign[: samples.own]
    judged = Judged(scores, refusals(scores, foreign, folds), limit_of(scores[~foreign]))
    return judged, folds
