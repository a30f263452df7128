"""Fitting the attention network: one resumable run over a fixed number of epochs."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from models.backbones import backbone, imagenet_backbone
from models.images import imagenet_tensor
from models.lesion.attention import forward_flipped
from models.lesion.network import AttentionNetwork, AttentionOutput
from models.training.augmentation import Batch, augment, mixup
from models.training.samples import Samples

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is fitted; chosen before any figure was seen."""

    backbone: str = "efficientnet_lite0"
    focus: tuple[float, ...] = (1.0,)
    epochs: int = 12
    batch: int = 16
    rate: float = 0.01
    head_rate: float = 0.02
    momentum: float = 0.9
    decay: float = 1e-4
    mixup: float = 0.2
    seed: int = 0
    imagenet: Path | None = None


def mask_targets(masks: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Box masks at the resolution of the local prediction (N, h, w).

    The share of each cell that is covered, divided by the image's largest share: a lesion smaller
    than a cell keeps one cell of value 1.
    """
    share = functional.adaptive_avg_pool2d(masks.unsqueeze(1), shape).squeeze(1)
    return share / share.amax(dim=(1, 2), keepdim=True).clamp_min(1e-6)


def loss(output: AttentionOutput, batch: Batch) -> torch.Tensor:
    """Binary cross entropy of the local prediction plus that of each head.

    A head counts only images whose label is known: malignancy only where a mass is present.
    """
    local = functional.binary_cross_entropy_with_logits(output.local, batch.masks)
    heads = functional.binary_cross_entropy_with_logits(
        output.labels, batch.targets, weight=batch.known, reduction="none"
    )
    return local + (heads.sum(dim=0) / batch.known.sum(dim=0).clamp_min(1.0)).sum()


def fit(samples: Samples, indices: list[int], recipe: Recipe, state: Path) -> AttentionNetwork:
    """A network fitted on some of the samples.

    state : after each epoch the whole state is written here, and a later call goes on from it.
    Each epoch draws from its own seed, so an interrupted run ends as an uninterrupted one.
    """
    network = AttentionNetwork(
        recipe.backbone,
        samples.labels,
        recipe.focus,
        features=imagenet_backbone(recipe.backbone, recipe.imagenet),
    )
    _seed_heads(network, recipe.seed)
    network.to(memory_format=torch.channels_last)
    heads = [*network.local.parameters(), *network.heads.parameters()]
    optimiser = torch.optim.SGD(
        [
            {"params": list(network.backbone.parameters()), "lr": recipe.rate},
            {"params": heads, "lr": recipe.head_rate},
        ],
        momentum=recipe.momentum,
        weight_decay=recipe.decay,
        nesterov=True,
    )
    steps = -(-len(indices) // recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, _warm_cosine(warm=steps, total=steps * recipe.epochs)
    )
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "schedule": schedule}
    done = 0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        for key, part in parts.items():
            part.load_state_dict(saved[key])
        done = saved["epochs"]
        log.info("%s: going on after epoch %d", state.stem, done)
    for epoch in range(done, recipe.epochs):
        mean = _epoch(network, optimiser, schedule, samples, indices, recipe, epoch)
        log.info("%s: epoch %d of %d, loss %.4f", state.stem, epoch + 1, recipe.epochs, mean)
        saved = {key: part.state_dict() for key, part in parts.items()}
        fresh = state.with_suffix(".new")
        torch.save({**saved, "epochs": epoch + 1}, fresh)
        fresh.replace(state)
    return network.eval()


def predict(
    network: AttentionNetwork, samples: Samples, indices: list[int], recipe: Recipe, *, flip: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (n, L) and attention (n, h, w) of some samples, as the detector computes them."""
    row = backbone(recipe.backbone)
    parts = [
        forward_flipped(
            network.eval(),
            imagenet_tensor(samples.grey[chunk], row.mean, row.std),
            flip=flip,
        )
        for chunk in torch.split(torch.tensor(indices), 16)
    ]
    return torch.cat([labels for labels, _ in parts]), torch.cat([maps for _, maps in parts])


def _epoch(
    network: AttentionNetwork,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    samples: Samples,
    indices: list[int],
    recipe: Recipe,
    epoch: int,
) -> float:
    torch.manual_seed(recipe.seed * 1000 + epoch)
    row = backbone(recipe.backbone)
    network.train()
    order = torch.tensor(indices)[torch.randperm(len(indices))]
    cells = (-(-samples.grey.shape[1] // 32), -(-samples.grey.shape[2] // 32))
    total = 0.0
    for chunk in torch.split(order, recipe.batch):
        batch = Batch(
            samples.grey[chunk], samples.mask[chunk], samples.targets[chunk], samples.known[chunk]
        )
        batch = augment(batch)
        batch = mixup(batch._replace(masks=mask_targets(batch.masks, cells)), recipe.mixup)
        images = imagenet_tensor(batch.images, row.mean, row.std)
        output = network(images.contiguous(memory_format=torch.channels_last))
        value = loss(output, batch)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        optimiser.step()
        schedule.step()
        total += float(value.detach()) * len(chunk)
    return total / len(order)


def _seed_heads(network: AttentionNetwork, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for layer in (network.local, network.heads):
        for name, values in layer.named_parameters():
            values.data.normal_(std=0.01 if name == "weight" else 0.0, generator=generator)


def _warm_cosine(*, warm: int, total: int) -> Callable[[int], float]:
    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))

    return factor
