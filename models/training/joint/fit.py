"""Fitting the joint system by a recipe."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from models.data.lesion import Lesion
from models.lesion.joint_network import JointNetwork
from models.stages import imagenet_stages
from models.training.joint.losses import balanced_focal_loss, dice_loss, pixel_focal_loss
from models.training.joint.recipes import Recipe
from models.training.joint.samples import JointBatch, JointSamples
from models.training.loop import Schedule, fit
from models.training.options import Options


def fit_joint(
    lesions: Sequence[Lesion],
    labels: Sequence[str],
    recipe: Recipe,
    state: Path,
    options: Options,
) -> JointNetwork:
    """A network fitted on lesions, in evaluation mode. labels : its heads."""
    name = options.backbone or recipe.backbone
    torch.manual_seed(options.seed)
    network = JointNetwork(
        name, labels, recipe.shape, imagenet_stages(name, options.init, recipe.shape.inputs)
    )
    alpha = label_weights(lesions, labels).to(options.device)

    def loss(network: nn.Module, batch: JointBatch) -> torch.Tensor:
        output = network(batch.images)
        total = balanced_focal_loss(output.labels, batch.targets, batch.known, alpha)
        if output.mask is not None:
            total = total + pixel_focal_loss(output.mask, batch.masks)
            if recipe.overlap:
                total = total + dice_loss(output.mask, batch.masks)
        return total

    fit(
        network,
        _optimiser(network, recipe),
        JointSamples(lesions, labels, recipe, name),
        loss,
        Schedule(options.epochs or recipe.epochs, recipe.batch, options.seed, recipe.course),
        state,
        options,
        recipe=recipe,
    )
    return network


def label_weights(lesions: Sequence[Lesion], labels: Sequence[str]) -> torch.Tensor:
    """The alpha of each label: the share of lesions known not to have it, so that both classes
    weigh alike."""
    weights = []
    for label in labels:
        values = [lesion.labels[label] for lesion in lesions if label in lesion.labels]
        weights.append(1 - sum(values) / len(values))
    return torch.tensor(weights)


def _optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.adaptive:
        return torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    return torch.optim.SGD(
        network.parameters(), lr=recipe.rate, momentum=0.9, weight_decay=recipe.decay
    )
