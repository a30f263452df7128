"""Fitting one network of the attention detector, and reading with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from models.backbones import backbone, imagenet_backbone
from models.errors import TrainingError
from models.evaluation.folds import patient_folds
from models.evaluation.metrics import area_under_curve
from models.images import imagenet_tensor
from models.lesion.attention import forward_flipped
from models.lesion.network import AttentionNetwork, AttentionOutput
from models.lesion.preprocessing import LARGE, SIZE
from models.training.attention.augmentation import Batch, augment, mixup
from models.training.attention.samples import TYPES, Rows, Samples
from models.training.loop import Schedule, fit
from models.training.options import Options
from models.training.whole import written_whole


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is fitted; chosen before any figure was seen.

    Measured beside it out of fold on the 600 images of Xu et al. 2023, and not kept: dropout of
    0.4 before the heads, random gain, gamma, speckle and blur, a moving average of the weights and
    80 simulated frames, 8 epochs: detection AUC 0.941 instead of 0.958, malignancy 0.786 instead
    of 0.794.

    best_per_task : a fifth of the patients is kept aside, and each task ends with the weights of
    the epoch that was best on them (paper 1); otherwise the network ends as its schedule does.
    varied : share of the passages in which gain, gamma and offset are changed. unmasked : share in
    which tissue stands in the fan's black corners. Both are not the paper's: they teach what other
    scanners do to a frame. speaks : the labels that the network is asked for, though it learns
    all; empty: all.
    """

    backbone: str = "efficientnet_lite0"
    size: tuple[int, int] = SIZE
    focus: tuple[float, ...] = (1.0,)
    epochs: int = 12
    batch: int = 16
    rate: float = 0.01
    head_rate: float = 0.02
    momentum: float = 0.9
    decay: float = 1e-4
    mixup: float = 0.2
    best_per_task: bool = False
    varied: float = 0.0
    unmasked: float = 0.0
    speaks: tuple[str, ...] = ()


_PAPER = Recipe("resnet50", epochs=30, best_per_task=True)

RECIPES: dict[str, tuple[Recipe, ...]] = {
    "small": (
        Recipe(speaks=("lesion",)),
        Recipe(varied=0.5, unmasked=0.25, speaks=("malignant", *TYPES)),
    ),
    "paper": (
        _PAPER,
        replace(_PAPER, size=LARGE),
        replace(_PAPER, backbone="densenet121", focus=(0.25, 1.0)),
    ),
}
"""'small' is two networks that two cores can fit and read with. Measured out of fold on the same
folds of Xu et al. 2023: varied frames teach malignancy (AUC 0.820 instead of 0.801, and less far
moved by gain and a missing fan mask) and cost presence (0.947 instead of 0.962, sensitivity 0.89
instead of 0.93). 'paper' is the three-model average
of Table 2; the paper does not state rates, batch or epochs, those are ours."""


@dataclass(frozen=True)
class Fitted:
    """A network and the labels that it speaks for."""

    network: AttentionNetwork
    labels: tuple[str, ...]
    recipe: Recipe


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


def fit_network(
    samples: Samples,
    indices: Sequence[int],
    patients: Sequence[str],
    recipe: Recipe,
    state: Path,
    options: Options,
) -> list[Fitted]:
    """A network fitted on some of the samples: one, or one per task with its own best weights.

    patients : of each sample, so that those kept aside share none with the others.
    """
    torch.manual_seed(options.seed)
    network = AttentionNetwork(
        recipe.backbone,
        samples.labels,
        recipe.focus,
        features=imagenet_backbone(recipe.backbone, options.init),
    )
    _seed_heads(network, options.seed)
    optimiser = torch.optim.SGD(
        [
            {"params": list(network.backbone.parameters()), "lr": recipe.rate},
            {
                "params": [*network.local.parameters(), *network.heads.parameters()],
                "lr": recipe.head_rate,
            },
        ],
        momentum=recipe.momentum,
        weight_decay=recipe.decay,
        nesterov=True,
    )
    cells = _cells(network, samples.grey.shape[1:])
    schedule = Schedule(recipe.epochs, recipe.batch, options.seed)
    aside = _aside(samples, indices, patients, options.seed) if recipe.best_per_task else []
    best = _BestWeights(samples, aside, recipe, state) if aside else None
    fit(
        network,
        optimiser,
        Rows(samples, sorted(set(indices) - set(aside)), recipe.unmasked),
        lambda network, batch: _loss(network, batch, recipe, cells),
        schedule,
        state,
        options,
        recipe=recipe,
        after_epoch=best,
    )
    if best is None:
        spoken = tuple(label for label in samples.labels if label in recipe.speaks)
        if not spoken:
            return [Fitted(network, samples.labels, recipe)]
        return [Fitted(only(network, samples.labels, spoken), spoken, recipe)]
    return best.fitted(network)


def predict(
    fitted: Fitted, samples: Samples, indices: Sequence[int], *, flip: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (n, L) and attention (n, h, w) of some samples, as the detector computes them."""
    row = backbone(fitted.recipe.backbone)
    device = next(fitted.network.parameters()).device
    parts = [
        forward_flipped(
            fitted.network.eval(),
            imagenet_tensor(samples.grey[chunk], row.mean, row.std).to(
                device, memory_format=torch.channels_last
            ),
            flip=flip,
        )
        for chunk in torch.split(torch.tensor(list(indices)), 16)
    ]
    return (
        torch.cat([labels for labels, _ in parts]).cpu(),
        torch.cat([maps for _, maps in parts]).cpu(),
    )


def _cells(network: AttentionNetwork, size: Sequence[int]) -> tuple[int, int]:
    """(h, w) of the local prediction: not every backbone rounds up where 32 does not divide."""
    with torch.inference_mode():
        height, width = network.eval()(torch.zeros(1, 3, *size)).local.shape[1:]
    return height, width


def _loss(network: nn.Module, batch: Batch, recipe: Recipe, cells: tuple[int, int]) -> torch.Tensor:
    batch = augment(batch, recipe.varied)
    batch = mixup(batch._replace(masks=mask_targets(batch.masks, cells)), recipe.mixup)
    row = backbone(recipe.backbone)
    images = imagenet_tensor(batch.images, row.mean, row.std)
    return loss(network(images.contiguous(memory_format=torch.channels_last)), batch)


def _aside(
    samples: Samples, indices: Sequence[int], patients: Sequence[str], seed: int
) -> list[int]:
    strata = [str(samples.targets[index].tolist()) for index in indices]
    if len({patients[index] for index in indices}) < _PARTS:
        raise TrainingError(
            f"the best weights are chosen on one of {_PARTS} patients: fewer are there"
        )
    held = patient_folds(strata, [patients[index] for index in indices], _PARTS, seed)[0]
    return [indices[place] for place in held]


_PARTS = 5
"""Of the patients; one is kept aside, as paper 1 has it of its training set."""


class _BestWeights:
    """Keeps, per task, the weights of the epoch with the best AUC on the samples kept aside; the
    last ones where these have one answer only."""

    def __init__(self, samples: Samples, aside: Sequence[int], recipe: Recipe, state: Path) -> None:
        self._samples, self._aside, self._recipe, self._state = samples, aside, recipe, state

    def __call__(self, network: nn.Module, epoch: int) -> None:
        assert isinstance(network, AttentionNetwork)
        logits, _ = predict(Fitted(network, (), self._recipe), self._samples, self._aside)
        for task, labels in self._tasks().items():
            score = self._score(logits, labels)
            file = self._file(task)
            saved = torch.load(file, weights_only=True) if file.exists() else {"score": -1.0}
            if not score <= saved["score"]:  # of no score the last weights are as good as any
                best = {"score": score, "epoch": epoch, "network": network.state_dict()}
                with written_whole(file) as fresh:
                    torch.save(best, fresh)

    def fitted(self, network: AttentionNetwork) -> list[Fitted]:
        result = []
        for task, labels in self._tasks().items():
            own = AttentionNetwork(self._recipe.backbone, self._samples.labels, self._recipe.focus)
            own.load_state_dict(torch.load(self._file(task), weights_only=True)["network"])
            own.to(next(network.parameters()).device)
            result.append(
                Fitted(only(own.eval(), self._samples.labels, labels), labels, self._recipe)
            )
        return result

    def _tasks(self) -> dict[str, tuple[str, ...]]:
        labels = self._samples.labels
        tasks = {
            "lesion": tuple(label for label in labels if label == "lesion"),
            "malignant": tuple(label for label in labels if label == "malignant"),
            "type": tuple(label for label in labels if label not in ("lesion", "malignant")),
        }
        return {task: own for task, own in tasks.items() if own}

    def _file(self, task: str) -> Path:
        return self._state.with_name(f"{self._state.stem}-best-{task}.pt")

    def _score(self, logits: torch.Tensor, labels: Sequence[str]) -> float:
        areas = []
        for label in labels:
            column = self._samples.labels.index(label)
            known = self._samples.known[self._aside, column] > 0
            truth = self._samples.targets[self._aside, column][known]
            areas.append(area_under_curve(truth.numpy(), logits[known, column].numpy()))
        return float(torch.tensor(areas).nanmean())


def only(network: AttentionNetwork, labels: Sequence[str], kept: Sequence[str]) -> AttentionNetwork:
    """The network with the heads of some of its labels only."""
    places = [list(labels).index(label) for label in kept]
    heads = nn.Linear(network.heads.in_features, len(places))
    heads.load_state_dict(
        {"weight": network.heads.weight[places], "bias": network.heads.bias[places]}
    )
    network.heads = heads.to(network.heads.weight.device)
    network.labels = tuple(kept)
    return network


def _seed_heads(network: AttentionNetwork, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for layer in (network.local, network.heads):
        for name, values in layer.named_parameters():
            values.data.normal_(std=0.01 if name == "weight" else 0.0, generator=generator)


def as_card(recipe: Recipe, labels: Sequence[str]) -> dict[str, Any]:
    """A row of the card's ``members``."""
    return {
        "backbone": recipe.backbone,
        "size": list(recipe.size),
        "focus": list(recipe.focus),
        "labels": list(labels),
    }
