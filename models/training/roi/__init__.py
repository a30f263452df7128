"""Paper 3's protocol: regions of balanced classes, SGDM, five folds by patient: system ``roi``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.backbones import BACKBONES, imagenet_backbone
from models.bundle import Bundle
from models.data import Case
from models.errors import TrainingError
from models.evaluation.folds import patient_folds, possible_folds
from models.evaluation.outcome import Evaluation
from models.evaluation.temperature import (
    Temperature,
    cross_tempered,
    fit_temperature_by_patient,
    tempered,
)
from models.images import imagenet_tensor
from models.lesion.roi import CropReadings, RoiClassifier, classify_crops, temperature_of
from models.lesion.roi_network import RoiNetwork
from models.training.card import write_bundle
from models.training.loop import Schedule, fit
from models.training.options import Options
from models.training.roi.augmentation import augment_rois
from models.training.roi.card import roi_card
from models.training.roi.figures import Calibration, evaluation_of
from models.training.roi.samples import Balanced, RoiSamples, choose_classes, load_rois

NAME = "roi"
BUNDLE = "lesion-roi"
FOLDS = 5


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is fitted. copies : passages of each region in an
    epoch, after the classes were balanced. course : of the rates."""

    backbone: str = "efficientnet_lite0"
    epochs: int = 12
    batch: int = 32
    rate: float = 1e-2
    head_rate: float = 2e-2
    momentum: float = 0.9
    decay: float = 1e-4
    copies: int = 1
    course: str = "cosine"


RECIPES: Mapping[str, Recipe] = {
    "small": Recipe(),
    "paper": Recipe(
        "resnet50", 30, batch=128, rate=1e-4, head_rate=1e-3, copies=4, course="constant"
    ),
}
"""'small' is for two cores, and takes the larger steps that fewer of them need. 'paper' has the
numbers of its section 3.1; it names neither momentum nor decay, which are MATLAB's defaults, where
its network was fitted, nor the rate of the new layers, ten times the others' as in transfer
learning there."""


def train(cases: Sequence[Case], options: Options) -> Path:
    """The bundle's folder; figures by cross-validation where ``options.folds`` is not 0."""
    recipe = _recipe(options)
    folds = FOLDS if options.folds is None else options.folds
    samples = load_rois(cases, choose_classes(cases, folds), options, options.extra)
    found, temperature = None, None
    if folds:
        found, temperature = _cross_validated(samples, folds, recipe, options)
    network = _fitted(samples, range(len(samples)), recipe, options, "final")
    folder = options.out / BUNDLE
    card = roi_card(samples, recipe, folds, found, temperature, options)
    write_bundle(folder, network.state_dict(), card)
    return folder


def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
    """Figures of networks on the folds that they did not see. TrainingError for folds 0 or 1."""
    folds = FOLDS if options.folds is None else options.folds
    samples = load_rois(cases, choose_classes(cases, folds), options, options.extra)
    return _cross_validated(samples, folds, _recipe(options), options)[0]


def evaluate(bundle: Bundle, cases: Sequence[Case], options: Options) -> Evaluation:
    """What a bundle makes of regions that it has not seen, in its own classes."""
    classifier = RoiClassifier.load(bundle, device=options.device)
    samples = load_rois(cases, classifier.classes, options)
    readings, temperature = classifier.read_crops(samples.crops), temperature_of(bundle)
    said = readings.probabilities
    return evaluation_of(
        samples,
        readings,
        classifier.read_crops(samples.rough),
        Calibration(said, None if temperature == 1.0 else tempered(said, 1.0 / temperature)),
        possible_folds(samples.strata(), samples.patients[: samples.own], FOLDS),
        system=NAME,
        bundle=bundle.title,
        protocol="the bundle on all regions",
    )


def _cross_validated(
    samples: RoiSamples, folds: int, recipe: Recipe, options: Options
) -> tuple[Evaluation, Temperature]:
    """The evaluation, and the temperature that all held-out regions together give."""
    if folds < 2:
        raise TrainingError(f"{folds} folds were asked for; cross-validation needs two or more")
    if options.repeats != 1:
        raise TrainingError("paper 3 draws its folds once: leave the repeats at 1")
    held_out = patient_folds(
        samples.strata(), samples.patients[: samples.own], folds, seed=options.seed
    )
    parts: dict[str, list[CropReadings]] = {"crops": [], "rough": []}
    for number, held in enumerate(held_out):
        seen = {samples.patients[index] for index in held}
        rest = [index for index, name in enumerate(samples.patients) if name not in seen]
        network = _fitted(samples, rest, recipe, options, f"fold-{number}")
        device = torch.device(options.device)
        row = BACKBONES[recipe.backbone]
        for name, found in parts.items():
            found.append(classify_crops(network, getattr(samples, name)[held], row, device))
    order = np.argsort(np.concatenate(held_out))
    crops, rough = (
        CropReadings(*(np.concatenate(column)[order] for column in zip(*found, strict=True)))
        for found in parts.values()
    )
    truth, said = samples.targets[: samples.own], crops.probabilities
    evaluation = evaluation_of(
        samples,
        crops,
        rough,
        Calibration(cross_tempered(truth, said, held_out), said),
        held_out,
        system=NAME,
        bundle=None,
        protocol=f"{folds}-fold cross-validation by patient, out-of-fold calls pooled",
    )
    patients = samples.patients[: samples.own]
    return evaluation, fit_temperature_by_patient(truth, said, patients)


def _fitted(
    samples: RoiSamples, indices: Sequence[int], recipe: Recipe, options: Options, name: str
) -> RoiNetwork:
    torch.manual_seed(options.seed)
    features = imagenet_backbone(recipe.backbone, options.init)
    network = RoiNetwork(recipe.backbone, samples.classes, features)
    heads = [*network.hidden.parameters(), *network.output.parameters()]
    optimiser = torch.optim.SGD(
        [
            {"params": list(network.backbone.parameters()), "lr": recipe.rate},
            {"params": heads, "lr": recipe.head_rate},
        ],
        momentum=recipe.momentum,
        weight_decay=recipe.decay,
    )
    row = BACKBONES[recipe.backbone]

    def loss(network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        images = imagenet_tensor(augment_rois(batch[0]), row.mean, row.std)
        logits = network(images.contiguous(memory_format=torch.channels_last))
        return functional.cross_entropy(logits, batch[1])

    states = options.out / "states"
    states.mkdir(parents=True, exist_ok=True)
    schedule = Schedule(recipe.epochs, recipe.batch, options.seed, recipe.course)
    data = Balanced(samples, indices, recipe.copies)
    state = states / f"{name}.pt"
    fit(network, optimiser, data, loss, schedule, state, options, recipe=recipe)
    return network


def _recipe(options: Options) -> Recipe:
    name = options.recipe or "small"
    if name not in RECIPES:
        raise TrainingError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    if options.backbone is not None:
        recipe = replace(recipe, backbone=options.backbone)
    return recipe if options.epochs is None else replace(recipe, epochs=options.epochs)
