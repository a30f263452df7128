"""Backbones cut into stages: the feature maps at each halving of the resolution.

A backbone of ``models.backbones`` ends in one coarse map. Segmentation needs the finer ones on the
way as well, so ``SLICES`` says, per backbone, where its layers are to be cut. The layers are the
backbone's own: its ImageNet weights fit as they stand.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from models.backbones import build_backbone, imagenet_backbone
from models.errors import TrainingError

_Layers = Sequence[nn.Module]


class Stages(nn.Module):
    """(N, C, H, W) to a list of feature maps, from the finest to the coarsest.

    channels : of each feature map. strides : pixels of the input per cell of each. Both are found
    by a look at a small black image.
    """

    def __init__(self, slices: Sequence[_Layers], inputs: int = 3) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.Sequential(*layers) for layers in slices)
        if inputs != 3:
            _widen(self.stages, inputs)
        self.channels, self.strides = self._shapes(inputs)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        found = []
        for stage in self.stages:
            images = stage(images)
            found.append(images)
        return found

    @torch.no_grad()
    def _shapes(self, inputs: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        training, size = self.training, 64
        maps = self.eval()(torch.zeros(1, inputs, size, size))
        self.train(training)
        return tuple(each.shape[1] for each in maps), tuple(size // each.shape[2] for each in maps)


def build_stages(name: str, inputs: int = 3) -> Stages:
    """The named backbone in stages, with random weights.

    inputs : channels of its input. TrainingError where the backbone has no row in ``SLICES``.
    """
    return Stages(_slice(name, build_backbone(name)), inputs)


def imagenet_stages(name: str, file: Path | None = None, inputs: int = 3) -> Stages:
    """The named backbone in stages, with its ImageNet weights.

    inputs : where it is not 3, the first channel gets the sum of the colour filters, for it is
    the grey image, and the others start at zero.
    """
    return Stages(_slice(name, imagenet_backbone(name, file)), inputs)


def _slice(name: str, network: nn.Module) -> Sequence[_Layers]:
    if name not in SLICES:
        raise TrainingError(
            f"the backbone {name!r} was not cut into stages; there are {', '.join(SLICES)}"
        )
    return SLICES[name](network)


def _widen(stages: nn.Module, inputs: int) -> None:
    """Gives the first convolution another number of input channels, in place."""
    first = next(module for module in stages.modules() if isinstance(module, nn.Conv2d))
    colour = first.weight.detach()
    weight = colour.new_zeros(colour.shape[0], inputs, *colour.shape[2:])
    weight[:, 0] = colour.sum(dim=1)
    first.weight = nn.Parameter(weight)
    first.in_channels = inputs


def _residual(network: nn.Module) -> Sequence[_Layers]:
    layers = list(network.children())  # conv, norm, ReLU, pool, and four groups of blocks
    return [layers[:3], layers[3:5], layers[5:6], layers[6:7], layers[7:8]]


def _vgg16_bn(network: nn.Module) -> Sequence[_Layers]:
    layers = list(cast(nn.Sequential, next(network.children())))
    ends = [at for at, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    # Each stage ends before a pooling, as in Maninis et al. 2016; the last pooling is left out.
    return [layers[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _densenet121(network: nn.Module) -> Sequence[_Layers]:
    layers = list(cast(nn.Sequential, next(network.children())))
    # A pooling, alone or in a transition, comes before each of the four blocks.
    return [layers[:3], layers[3:5], layers[5:7], layers[7:9], layers[9:]]


def _lite0(network: Any) -> Sequence[_Layers]:
    blocks = list(network.blocks)
    return [[network.conv_stem, network.bn1, blocks[0]], *([row] for row in blocks[1:3]),
            blocks[3:5], blocks[5:7]]  # fmt: skip


SLICES: Mapping[str, Callable[[nn.Module], Sequence[_Layers]]] = {
    "resnet50": _residual,
    "resnet18": _residual,
    "densenet121": _densenet121,
    "vgg16_bn": _vgg16_bn,
    "efficientnet_lite0": _lite0,
}
