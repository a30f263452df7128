"""The joint segmentation and classification network (Ryu et al. 2021, paper 4, Fig. 2c)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from models.stages import Stages, build_stages


class JointOutput(NamedTuple):
    """mask : (N, H, W) logits of the lesion, None without a segmentation branch. labels : (N, L)
    logits in the order of the network's labels, L may be 0."""

    mask: torch.Tensor | None
    labels: torch.Tensor


@dataclass(frozen=True)
class Shape:
    """segments : with side outputs. prompted : the input holds both distance maps beside the grey
    image. side : channels of each side output. fusion : channels of the convolution that joins
    them; 0 joins them pixel by pixel, as Maninis et al. 2016 do. hidden : units of the
    classification branch's first layer."""

    segments: bool = True
    prompted: bool = True
    side: int = 16
    fusion: int = 24
    hidden: int = 128

    @property
    def inputs(self) -> int:
        return 3 if self.prompted else 1


class JointNetwork(nn.Module):
    """A shared encoder, side outputs for the mask, fully connected layers for the labels.

    name : a backbone of ``models.stages``. labels : one logit each; none leaves the classification
    branch out. Side outputs (a convolution per stage) are brought to the finest stage's resolution
    by bilinear up-sampling, without learned weights, and joined.
    """

    def __init__(
        self, name: str, labels: Sequence[str], shape: Shape, stages: Stages | None = None
    ) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.encoder = build_stages(name, shape.inputs) if stages is None else stages
        channels = self.encoder.channels
        self.sides = (
            nn.ModuleList(_convolution(count, shape.side) for count in channels)
            if shape.segments
            else None
        )
        joined = shape.side * len(channels)
        self.joint: nn.Module = nn.Identity()
        if shape.segments and shape.fusion:
            self.joint = nn.Sequential(
                _convolution(joined, shape.fusion), nn.Conv2d(shape.fusion, 1, 1)
            )
        elif shape.segments:
            self.joint = nn.Conv2d(joined, 1, 1)
        self.classifier = (
            nn.Sequential(
                nn.Linear(channels[-1], shape.hidden),
                nn.ReLU(),
                nn.Dropout(0.5),
                nn.Linear(shape.hidden, len(self.labels)),
            )
            if labels
            else None
        )

    def forward(self, images: torch.Tensor) -> JointOutput:
        """images : (N, 3, H, W), the standardised grey image and two distance maps 0..1; or
        (N, 1, H, W), the grey image alone."""
        maps = self.encoder(images)
        labels = images.new_zeros(len(images), 0)
        if self.classifier is not None:
            labels = self.classifier(maps[-1].mean(dim=(2, 3)))
        return JointOutput(self._mask(maps, images.shape[2:]), labels)

    def _mask(self, maps: Sequence[torch.Tensor], size: torch.Size) -> torch.Tensor | None:
        if self.sides is None:
            return None
        finest = maps[0].shape[2:]
        sides = [_enlarge(side(each), finest) for side, each in zip(self.sides, maps, strict=True)]
        return _enlarge(self.joint(torch.cat(sides, dim=1)), size).squeeze(1)


def _enlarge(maps: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def _convolution(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
    )
