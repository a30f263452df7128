"""The network that finds fan, liver and masses: an encoder's stages, and a decoder back up."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from models.stages import Stages, build_stages

WIDTHS = (48, 64, 96)
"""Channels of the decoder, from the finest stage that it reaches to the coarsest but one."""


class FanLiverNetwork(nn.Module):
    """One map of logits per structure, a cell for four pixels each way.

    name : a backbone of ``models.stages``. structures : one map each, no more: a structure that
    nobody outlined has no map. From the coarsest stage up, each map is enlarged, laid beside the
    next finer one and convolved with it (Ronneberger et al. 2015, with one convolution a stage).
    It stops before the finest stage, which would cost as much as all the others.
    """

    def __init__(self, name: str, structures: Sequence[str], stages: Stages | None = None) -> None:
        super().__init__()
        self.structures = tuple(structures)
        self.encoder = build_stages(name, inputs=1) if stages is None else stages
        _, *finer, coarsest = self.encoder.channels
        below = [*WIDTHS[1:], coarsest]
        self.decoder = nn.ModuleList(
            _convolution(own + other, width)
            for own, other, width in zip(finer, below, WIDTHS, strict=True)
        )
        self.maps = nn.Conv2d(WIDTHS[0], len(self.structures), 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, S, h, w) logits of images (N, 1, H, W), standardised as the backbone expects."""
        _, *finer, up = self.encoder(images)
        for join, own in zip(reversed(self.decoder), reversed(finer), strict=True):
            size = own.shape[2:]
            up = functional.interpolate(up, size=size, mode="bilinear", align_corners=False)
            up = join(torch.cat([up, own], dim=1))
        logits: torch.Tensor = self.maps(up)
        return logits


def _convolution(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
    )
