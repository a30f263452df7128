"""The model card of the multi-view fat estimator."""

from collections.abc import Mapping
from typing import Any

from models.backbones import backbone
from models.fat.multiview import ESTIMATORS, FAT_RANGE, QUANTITIES
from models.fat.preprocessing import SIZE

VERSION = "1.0.0"

LIMITS = """\
Fitted on simulated frames only. Figures are those of held-out simulated participants: they show \
that the method works on its own simulator and say nothing of patients. Real frames differ in \
anatomy, artefacts and machine; see figures.real_frames for what it makes of a few. Trained \
between 1 and 35 % fat. Not for diagnosis, not for follow-up."""


def fat_card(
    name: str,
    train: int,
    test: int,
    seed: int,
    figures: Mapping[str, Any],
    strengths: Mapping[str, list[float]],
) -> dict[str, Any]:
    """Everything a card says but the digest."""
    return {
        "system": "fat.multiview",
        "title": "Multi-view liver fat estimator (Byra et al. 2021), fitted on simulated views",
        "version": VERSION,
        "backbone": name,
        "labels": list(QUANTITIES),
        "lacks": ["fibrosis", "inflammation", "fat measured against MRI or biopsy in patients"],
        "validation_status": "simulated data only",
        "limits": LIMITS,
        "estimators": list(ESTIMATORS),
        "preprocessing": {
            "crop": "bounding box of the echo content (models.images.content_window)",
            "size": list(SIZE),
            "interpolation": "bicubic",
            "fat_range_percent": list(FAT_RANGE),
        },
        "thresholds": {
            "p_5": {"probability": 0.5, "rule": "balanced class weights"},
            "p_10": {"probability": 0.5, "rule": "balanced class weights"},
        },
        "data": {
            "name": "simulated participants, four views each (models.simulation)",
            "source": "models.simulation of this version; no patient data",
            "licence": "MIT",
            "participants_fitted": train,
            "participants_held_out": test,
            "fat_percent": "30 % in 1-5, 25 % in 5-10, 25 % in 10-20, 20 % in 20-35",
            "seed": seed,
        },
        "initial_weights": {"source": backbone(name).origin},
        "protocol": {
            "features": "frozen ImageNet backbone, global average pooling",
            "augmentation": "mirror image; crop shifted laterally by up to 20 pixels",
            "heads": "Lasso and L1 logistic regression per view, inverse-frequency weights, "
            "stratified four-fold grid search by participant, logits calibrated on the held-out "
            "folds at equal prior; mean over views",
            "evaluation": "held-out participants; percentile bootstrap over participants",
            "geometry_only": "linear and logistic regression on frame size and fan crop",
            "strength": dict(strengths),
        },
        "figures": dict(figures),
    }
