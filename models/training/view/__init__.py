"""Fitting and judging the classifier of the four liver views: the system ``view``.

Five folds by patient; what is chosen, is chosen on folds inside. Minutes on one core, mostly
features.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.backbones import imagenet_backbone
from models.bundle import Bundle
from models.data import Case
from models.errors import TrainingError
from models.evaluation.folds import patient_folds, possible_folds
from models.evaluation.outcome import Evaluation
from models.frame.view import ViewClassifier
from models.training.card import write_bundle
from models.training.options import Options, fold_count
from models.training.view.card import view_card
from models.training.view.figures import Judged, evaluation_of, judged_by
from models.training.view.fit import fit_head
from models.training.view.samples import ViewSamples, judged_samples, labelled_samples

SYSTEM = "view"
BUNDLE = "view"
BACKBONE = "efficientnet_lite0"
FOLDS = 5

__all__ = ["cross_validate", "evaluate", "train"]


def train(cases: Sequence[Case], options: Options) -> Path:
    """Fits the head on all frames of known view and writes the bundle ``options.out / 'view'``.

    Figures come from ``cross_validate``'s protocol unless ``options.folds`` is 0.
    """
    name = options.backbone or BACKBONE
    folds = fold_count(options, FOLDS)
    samples = labelled_samples(cases, options, name, folds)
    found = _evaluation(samples, folds, options) if folds else None
    fitted = fit_head(samples, range(len(samples.cases)))
    card = view_card(name, samples, fitted, found, options)
    network = imagenet_backbone(name, options.init).state_dict()
    tensors = fitted.head.tensors()
    folder = options.out / BUNDLE
    return write_bundle(folder, {**network, **tensors}, card, full=frozenset(tensors)).folder


def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
    """Every patient held out once in ``options.folds`` parts, with the choices made inside."""
    folds = fold_count(options, FOLDS)
    if not folds:
        raise TrainingError("cross-validation needs folds; give 2 or more, or leave them out")
    samples = labelled_samples(cases, options, options.backbone or BACKBONE, folds)
    return _evaluation(samples, folds, options)


def evaluate(bundle: Bundle, cases: Sequence[Case], options: Options) -> Evaluation:
    """What a bundle says of cases that it has not seen. Those whose view nobody said count for how
    many get a view, and for nothing else."""
    classifier = ViewClassifier.load(bundle, options.device)
    samples = judged_samples(cases, options, classifier)
    places = np.flatnonzero(samples.labelled).tolist()
    patients = [samples.patients[place] for place in places]
    folds = possible_folds(samples.strata(places), patients, FOLDS, options.seed)
    return evaluation_of(
        samples,
        judged_by(classifier.of_features(samples.features), samples.views),
        folds,
        options,
        bundle=bundle,
        protocol="one bundle on unseen frames, under its own limits",
    )


def _evaluation(samples: ViewSamples, folds: int, options: Options) -> Evaluation:
    held_out = patient_folds(
        samples.strata(range(samples.own)), samples.patients[: samples.own], folds, options.seed
    )
    everything = np.arange(len(samples.cases))
    judged = Judged.nothing(samples.own, len(samples.views))
    for number, held in enumerate(held_out):
        options.progress("folds", number, len(held_out))
        head = fit_head(samples, np.setdiff1d(everything, held).tolist()).head
        features = samples.features[held]
        judged.probabilities[held] = head.probabilities(features)
        judged.familiar[held] = head.familiar(features)
        judged.sure[held] = judged.probabilities[held].max(axis=1) >= head.limit
    options.progress("folds", len(held_out), len(held_out))
    return evaluation_of(
        samples,
        judged,
        held_out,
        options,
        bundle=None,
        protocol=f"{folds}-fold by patient; penalty, temperature and both limits from four folds "
        f"inside; {options.backbone or BACKBONE}",
    )
