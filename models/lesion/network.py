"""The supervised-attention network of Schmauch et al. 2019 (paper 1)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from models.backbones import backbone, build_backbone


class AttentionOutput(NamedTuple):
    """labels : (N, L) logits in the order of the network's labels; local : (N, h, w) logits of
    the local prediction, before any focus factor."""

    labels: torch.Tensor
    local: torch.Tensor


def attention_pool(features: torch.Tensor, local: torch.Tensor, focus: float = 1.0) -> torch.Tensor:
    """Eq. (3): the mean of the features over space, weighted with p = sigmoid(focus * local).

    features : (N, C, h, w). local : (N, h, w) logits. focus : the paper's lambda; 0 gives the
    plain spatial mean of eq. (2), larger values narrow the attention. Returns (N, C).
    """
    weight = torch.sigmoid(focus * local).unsqueeze(1)
    total = weight.sum(dim=(2, 3)).clamp_min(1e-6)
    return (features * weight).sum(dim=(2, 3)) / total


class AttentionNetwork(nn.Module):
    """Backbone, 1x1 convolution for the local prediction, attention pooling and dense heads.

    name : a backbone of ``models.backbones``. labels : one logit each, no more: a label that the
    training data lacks has no head. focus : one lambda or several scales, whose pooled features
    are concatenated before the heads.
    """

    def __init__(
        self,
        name: str,
        labels: Sequence[str],
        focus: Sequence[float] = (1.0,),
        features: nn.Module | None = None,
    ) -> None:
        super().__init__()
        channels = backbone(name).channels
        self.labels = tuple(labels)
        self.focus = tuple(focus)
        self.backbone = build_backbone(name) if features is None else features
        self.local = nn.Conv2d(channels, 1, kernel_size=1)
        self.heads = nn.Linear(channels * len(self.focus), len(self.labels))

    def forward(self, images: torch.Tensor) -> AttentionOutput:
        """images : (N, 3, H, W), standardised as the backbone expects."""
        features = self.backbone(images)
        local = self.local(features).squeeze(1)
        pooled = [attention_pool(features, local, scale) for scale in self.focus]
        return AttentionOutput(self.heads(torch.cat(pooled, dim=1)), local)
