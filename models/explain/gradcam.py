"""Grad-CAM (Selvaraju et al. 2017), which paper 2 draws its attention maps with.

Every network of this house hands out its last feature map, so no hook into a network is needed,
which is most of what the libraries for it (captum, grad-cam) are made of.
"""

from collections.abc import Callable

import torch


def grad_cam(features: torch.Tensor, score: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """(N, h, w) 0..1: how much each cell speaks for the score.

    features : (N, C, h, w), the last feature map. score : from features to (N,) scores before
    their sigmoid; each must depend on its own image only, so networks are in evaluation mode.
    Eq. (1): the weight of a channel is the mean gradient of the score over its cells; eq. (2):
    the rectified weighted sum of channels. Scaled by the image's own largest value; zero where
    nothing speaks for the score.
    """
    # A tensor made in inference mode cannot be differentiated; its copy made outside of it can.
    with torch.inference_mode(False), torch.enable_grad():
        leaf = features.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(score(leaf).sum(), leaf)
        weight = gradient.mean(dim=(2, 3), keepdim=True)
        cells = torch.relu((weight * leaf).sum(dim=1)).detach()
    largest = cells.amax(dim=(1, 2), keepdim=True)
    return torch.where(largest > 0, cells / largest.clamp_min(1e-12), cells)
