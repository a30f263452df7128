"""The region classifier's network (Tangruangkiat et al. 2023, paper 3, section 2.7)."""

from collections.abc import Sequence

import torch
from torch import nn

from models.backbones import backbone, build_backbone


class RoiNetwork(nn.Module):
    """Backbone, global average pooling, and two fully connected layers of one unit per class.

    name : a backbone of ``models.backbones``. classes : in the order of the logits. The paper names
    no function between the two layers, so there is none; the softmax is the loss's.
    """

    def __init__(self, name: str, classes: Sequence[str], features: nn.Module | None = None):
        super().__init__()
        self.classes = tuple(classes)
        self.backbone = build_backbone(name) if features is None else features
        self.hidden = nn.Linear(backbone(name).channels, len(self.classes))
        self.output = nn.Linear(len(self.classes), len(self.classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images : (N, 3, 224, 224), standardised. Returns (N, k) logits."""
        return self.classify(self.backbone(images))

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) feature maps to (N, k) logits."""
        logits: torch.Tensor = self.output(self.hidden(features.mean(dim=(2, 3))))
        return logits
