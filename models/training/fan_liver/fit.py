"""Fitting the network that finds fan, liver and masses."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from models.backbones import Backbone, backbone
from models.frame.fan_liver_network import FanLiverNetwork
from models.stages import Stages, imagenet_stages
from models.training.augmentation import random_views, varied_echoes
from models.training.fan_liver.samples import Batch, Rows, Samples
from models.training.loop import Schedule, fit
from models.training.options import Options


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is fitted; taken over from the joint system, nothing
    was tried beside it. AdamW."""

    backbone: str = "efficientnet_lite0"
    epochs: int = 16
    batch: int = 8
    rate: float = 7e-4
    decay: float = 1e-2


class OnKeptEncoder(FanLiverNetwork):
    """A network of which only the decoder learns: the encoder's averages stay too."""

    def train(self, mode: bool = True) -> "OnKeptEncoder":
        super().train(mode)
        self.encoder.eval().requires_grad_(False)
        return self


def fit_network(
    samples: Samples,
    indices: Sequence[int],
    recipe: Recipe,
    state: Path,
    options: Options,
    kept: Stages | None = None,
) -> FanLiverNetwork:
    """A network fitted on some of the samples, in evaluation mode. kept : an encoder that is taken
    as it is; without one it learns too, from ImageNet's weights on."""
    torch.manual_seed(options.seed)
    if kept is None:
        stages = imagenet_stages(recipe.backbone, options.init, inputs=1)
        network = FanLiverNetwork(recipe.backbone, samples.structures, stages)
    else:
        network = OnKeptEncoder(recipe.backbone, samples.structures, kept).train()
    learned = [one for one in network.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=recipe.rate, weight_decay=recipe.decay)
    row = backbone(recipe.backbone)
    fit(
        network,
        optimiser,
        Rows(samples, indices),
        lambda network, batch: _loss(network, batch, samples.structures, row),
        Schedule(recipe.epochs, recipe.batch, options.seed),
        state,
        options,
        recipe=recipe,
    )
    return network


def _loss(
    network: nn.Module, batch: Batch, structures: Sequence[str], row: Backbone
) -> torch.Tensor:
    images = varied_echoes(batch.images)
    moved = random_views(torch.cat([images[:, None], batch.masks], dim=1))
    mean, std = sum(row.mean) / 3, sum(row.std) / 3
    seen = (moved[:, :1] / 255 - mean) / std
    logits = network(seen.contiguous(memory_format=torch.channels_last))
    size = (logits.shape[2], logits.shape[3])
    masks = functional.adaptive_avg_pool2d(moved[:, 1:], size)
    return structure_loss(logits, masks, batch.known, structures)


def structure_loss(
    logits: torch.Tensor, masks: torch.Tensor, known: torch.Tensor, structures: Sequence[str]
) -> torch.Tensor:
    """The sum over structures of binary cross entropy and soft Dice loss, over frames that know it.

    logits, masks : (B, S, h, w), a cell's mask is its share inside. known : (B, S). Dice is of each
    frame for itself, so that a small mass counts as much as a large one; of the whole batch it left
    most benign masses unfound. 'malignant' counts cells of masses only, by cross entropy alone.
    """
    total = logits.new_zeros(())
    for place, structure in enumerate(structures):
        said, true, frames = logits[:, place], masks[:, place], known[:, place]
        weight = frames.view(-1, 1, 1).expand_as(true)
        if structure == "malignant":
            weight = weight * masks[:, list(structures).index("mass")]
        entropy = functional.binary_cross_entropy_with_logits(said, true, reduction="none")
        total = total + (entropy * weight).sum() / weight.sum().clamp_min(1.0)
        if structure != "malignant":
            inside = torch.sigmoid(said)
            shared, both = (inside * true).sum(dim=(1, 2)), (inside + true).sum(dim=(1, 2))
            overlap = (2 * shared + 1) / (both + 1)
            total = total + ((1 - overlap) * frames).sum() / frames.sum().clamp_min(1.0)
    return total
