"""Batch-hard triplet loss (Hermans, Beyer and Leibe 2017), which paper 2 adds to its networks."""

import torch
from torch.nn import functional


def batch_hard_triplet(
    embeddings: torch.Tensor, labels: torch.Tensor, margin: float | None = None
) -> torch.Tensor:
    """Eq. (5): for each anchor its farthest positive and its nearest negative of the batch.

    embeddings : (N, D). labels : (N,), equal for one class. Distances are Euclidean. margin : of
    the hinge max(0, margin + positive - negative); None takes the soft margin
    ln(1 + exp(positive - negative)) (section 3 there), which has nothing to choose. The mean over
    the anchors that have both; zero where none has.
    """
    distance = pairwise_distance(embeddings)
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = distance.masked_fill(~same | itself, float("-inf")).amax(dim=1)
    negative = distance.masked_fill(same, float("inf")).amin(dim=1)
    complete = (same & ~itself).any(dim=1) & (~same).any(dim=1)
    if not complete.any():
        return embeddings.sum() * 0.0
    gap = positive[complete] - negative[complete]
    losses = functional.softplus(gap) if margin is None else torch.relu(gap + margin)
    return losses.mean()


def pairwise_distance(embeddings: torch.Tensor) -> torch.Tensor:
    """(N, N) Euclidean distances in full precision.

    The gradient of a square root is infinite at zero, where equal images and the diagonal are.
    """
    rows = embeddings.float()
    squared = (rows[:, None] - rows[None, :]).square().sum(dim=2)
    return squared.clamp_min(1e-12).sqrt()
