"""Fitting and reading the networks of DCNN-US: models L and LB of paper 2."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from models.backbones import BACKBONES, Backbone, imagenet_backbone
from models.images import imagenet_tensor
from models.lesion.dcnn_us_network import (
    Branch,
    BranchOutput,
    FusedOutput,
    LesionBackgroundNetwork,
)
from models.training.dcnn_us.samples import Images, LesionSamples
from models.training.dcnn_us.triplet import batch_hard_triplet
from models.training.loop import Schedule, fit
from models.training.options import Options
from models.training.roi.augmentation import augment_rois

_BATCH = 16


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is fitted; chosen before any figure was seen."""

    backbone: str = "efficientnet_lite0"
    epochs: int = 12
    batch: int = 32
    rate: float = 0.01
    head_rate: float = 0.02
    momentum: float = 0.9
    decay: float = 1e-4


RECIPES: Mapping[str, Recipe] = {"small": Recipe(), "paper": Recipe("resnet18", epochs=30)}
"""'small' is for two cores. 'paper' has the paper's backbone; epochs, batch and rates stand in an
appendix of it that we do not have, and are ours."""


def lesion_loss(output: BranchOutput, malignant: torch.Tensor) -> torch.Tensor:
    """Model L: binary cross entropy and batch-hard triplet loss, with equal weight.

    malignant : (N,) 0 or 1.
    """
    entropy = functional.binary_cross_entropy_with_logits(output.logits[:, 0], malignant)
    return entropy + batch_hard_triplet(output.pooled, malignant)


def fused_loss(
    output: FusedOutput, malignant: torch.Tensor, types: torch.Tensor, present: torch.Tensor
) -> torch.Tensor:
    """Model LB: the lesion branch as model L, and binary cross entropy of the final output and of
    each background type.

    types : (N,) place of the background type, -1 where it is not known. present : (N,) 0 without
    a background. Images without either teach the background branch no type.
    """
    final = functional.binary_cross_entropy_with_logits(output.malignant, malignant)
    return final + lesion_loss(output.lesion, malignant) + type_loss(output, types, present)


def type_loss(output: FusedOutput, types: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy of the background branch, a mean over known images and all types."""
    logits = output.background.logits
    known = ((types >= 0) & (present > 0)).to(logits.dtype)
    if not logits.shape[1]:
        return logits.sum()
    wanted = functional.one_hot(types.clamp_min(0), logits.shape[1]).to(logits.dtype)
    each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (each.mean(dim=1) * known).sum() / known.sum().clamp_min(1.0)


def fit_lesion(
    samples: LesionSamples, chosen: Sequence[int], recipe: Recipe, options: Options, name: str
) -> Branch:
    """Model L, fitted on chosen lesions."""
    torch.manual_seed(options.seed)
    network = Branch(recipe.backbone, 1, imagenet_backbone(recipe.backbone, options.init))
    row = BACKBONES[recipe.backbone]

    def loss(network: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return lesion_loss(network(_augmented(batch[0], row)), batch[3])

    _fit(network, [network.backbone], loss, samples, chosen, recipe, options, name)
    return network


def fit_fused(
    samples: LesionSamples, chosen: Sequence[int], recipe: Recipe, options: Options, name: str
) -> LesionBackgroundNetwork:
    """Model LB, fitted on chosen lesions."""
    torch.manual_seed(options.seed)
    both = tuple(imagenet_backbone(recipe.backbone, options.init) for _ in range(2))
    network = LesionBackgroundNetwork(recipe.backbone, samples.types, (both[0], both[1]))
    row = BACKBONES[recipe.backbone]

    def loss(network: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        lesion, background, present, malignant, types = batch
        output = network(_augmented(lesion, row), _augmented(background, row), present)
        return fused_loss(output, malignant, types, present)

    features = [network.lesion.backbone, network.background.backbone]
    _fit(network, features, loss, samples, chosen, recipe, options, name)
    return network


def lesion_logits(
    network: Branch, samples: LesionSamples, chosen: Sequence[int], recipe: Recipe, device: str
) -> npt.NDArray[np.float64]:
    """(n,) of chosen lesions: the mean of model L's logits over each one's images."""
    images = [image for number in chosen for image in samples.lesions[number].images]
    row = BACKBONES[recipe.backbone]
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            crops = [samples.crops[image].lesion for image in images[start : start + _BATCH]]
            logits = network(imagenet_tensor(crops, row.mean, row.std).to(device)).logits
            parts.append(logits[:, 0].double().cpu().numpy())
    return average(samples, chosen, np.concatenate(parts))


def average(
    samples: LesionSamples, chosen: Sequence[int], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(n, …) of chosen lesions: means of what was found for their images, given in order."""
    counts = [len(samples.lesions[number].images) for number in chosen]
    parts = np.split(values, np.cumsum(counts)[:-1])
    return np.stack([part.mean(axis=0) for part in parts])


def _fit(
    network: nn.Module,
    features: Sequence[nn.Module],
    loss: Callable[[nn.Module, tuple[torch.Tensor, ...]], torch.Tensor],
    samples: LesionSamples,
    chosen: Sequence[int],
    recipe: Recipe,
    options: Options,
    name: str,
) -> None:
    slow = [value for part in features for value in part.parameters()]
    taken = {id(value) for value in slow}
    fast = [value for value in network.parameters() if id(value) not in taken]
    groups: list[dict[str, Any]] = [
        {"params": slow, "lr": recipe.rate},
        {"params": fast, "lr": recipe.head_rate},
    ]
    optimiser = torch.optim.SGD(
        groups, momentum=recipe.momentum, weight_decay=recipe.decay, nesterov=True
    )
    states = options.out / "states"
    states.mkdir(parents=True, exist_ok=True)
    data = Images(samples, chosen, recipe.batch)
    schedule = Schedule(recipe.epochs, recipe.batch, options.seed)
    state = states / f"{name}.pt"
    fit(network, optimiser, data, loss, schedule, state, options, recipe=recipe)


def _augmented(images: torch.Tensor, row: Backbone) -> torch.Tensor:
    prepared = imagenet_tensor(augment_rois(images), row.mean, row.std)
    return prepared.contiguous(memory_format=torch.channels_last)
