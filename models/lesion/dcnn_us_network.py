"""The networks of DCNN-US (Yang et al. 2020, paper 2, section 2.5): models L and LB."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from models.backbones import backbone, build_backbone

DROPOUT = 0.5
"""The paper names no share; this is that of the paper it cites (Hinton et al. 2012)."""


class Branch(nn.Module):
    """Model L: a backbone whose classifier is replaced by dropout, batch normalisation and one
    fully connected layer.

    outputs : logits of the last layer; with none there is no such layer, and the branch gives its
    features only.
    """

    def __init__(self, name: str, outputs: int, features: nn.Module | None = None) -> None:
        super().__init__()
        channels = backbone(name).channels
        self.backbone = build_backbone(name) if features is None else features
        self.dropout = nn.Dropout(DROPOUT)
        self.norm = nn.BatchNorm1d(channels)
        self.head = nn.Linear(channels, outputs) if outputs else None

    def forward(self, images: torch.Tensor) -> "BranchOutput":
        """images : (N, 3, 224, 224), standardised."""
        return self.classify(self.backbone(images))

    def classify(self, features: torch.Tensor) -> "BranchOutput":
        """From feature maps (N, C, h, w) on."""
        pooled = features.mean(dim=(2, 3))
        normed = self.norm(self.dropout(pooled))
        logits = pooled.new_zeros(len(pooled), 0) if self.head is None else self.head(normed)
        return BranchOutput(pooled, normed, logits)


class BranchOutput(NamedTuple):
    """pooled : (N, C), what the triplet loss measures distances in: before dropout, whose noise
    would be part of every distance. normed : (N, C), what the layers after it see. logits :
    (N, outputs)."""

    pooled: torch.Tensor
    normed: torch.Tensor
    logits: torch.Tensor


class LesionBackgroundNetwork(nn.Module):
    """Model LB: two branches of one architecture with weights of their own, and one fully
    connected layer from both their features (1024 to 1 with ResNet-18).

    types : background types that the background branch is supervised with; with none it has no
    head and learns through the fusion alone.
    """

    def __init__(
        self,
        name: str,
        types: Sequence[str] = (),
        features: tuple[nn.Module, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.types = tuple(types)
        lesion, background = features or (None, None)
        self.lesion = Branch(name, 1, lesion)
        self.background = Branch(name, len(self.types), background)
        self.fusion = nn.Linear(2 * backbone(name).channels, 1)

    def forward(
        self, lesion: torch.Tensor, background: torch.Tensor, present: torch.Tensor
    ) -> "FusedOutput":
        """lesion, background : (N, 3, 224, 224), standardised. present : (N,) 0 where no background
        could be cropped; its features then count as average, which normalisation made zero."""
        around = self.background(background)
        return self.fuse(self.lesion.backbone(lesion), around, present)

    def fuse(
        self, features: torch.Tensor, around: BranchOutput, present: torch.Tensor
    ) -> "FusedOutput":
        """From the lesion branch's feature maps (N, C, h, w) on."""
        lesion = self.lesion.classify(features)
        both = torch.cat([lesion.normed, around.normed * present[:, None]], dim=1)
        return FusedOutput(self.fusion(both).squeeze(1), lesion, around)


class FusedOutput(NamedTuple):
    """malignant : (N,) logits of model LB. lesion, background : what the branches gave."""

    malignant: torch.Tensor
    lesion: BranchOutput
    background: BranchOutput
