"""The losses of the joint system (Ryu et al. 2021, paper 4, after Lin et al. 2017)."""

import torch
from torchvision.ops import sigmoid_focal_loss

GAMMA = 2.0


def pixel_focal_loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Mean over pixels of -(1 - p_t)^2 log p_t. logits, masks : (N, H, W), masks 0..1."""
    loss: torch.Tensor = sigmoid_focal_loss(logits, masks, alpha=-1, gamma=GAMMA, reduction="mean")
    return loss


def dice_loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """1 - soft Dice, the mean over images. logits, masks : (N, H, W)."""
    inside = torch.sigmoid(logits).flatten(1)
    masks = masks.flatten(1)
    shared = (inside * masks).sum(dim=1)
    return (1 - (2 * shared + 1) / (inside.sum(dim=1) + masks.sum(dim=1) + 1)).mean()


def balanced_focal_loss(
    logits: torch.Tensor, targets: torch.Tensor, known: torch.Tensor, alpha: torch.Tensor
) -> torch.Tensor:
    """The sum over labels of the mean of -alpha_t (1 - p_t)^2 log p_t over images that know it.

    logits, targets, known : (N, L), known 0 or 1. alpha : (L,) the weight of positive images,
    1 - alpha that of negative ones.
    """
    focal: torch.Tensor = sigmoid_focal_loss(logits, targets, alpha=-1, gamma=GAMMA)
    weight = known * (targets * alpha + (1 - targets) * (1 - alpha))
    return ((focal * weight).sum(dim=0) / known.sum(dim=0).clamp_min(1)).sum()
