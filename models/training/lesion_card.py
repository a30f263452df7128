"""The model card of the attention detector."""

from collections.abc import Mapping
from typing import Any

from models.backbones import backbone
from models.evaluation.lesion import LabelEvaluation
from models.lesion.preprocessing import SIZE
from models.training.fitting import Recipe

VERSION = "1.0.0"

LACKS = (
    "haemangioma",
    "hepatocellular carcinoma",
    "focal nodular hyperplasia",
    "cyst",
    "metastasis",
)
"""Heads of paper 1 that the public images have no label for."""

LIMITS = """\
Trained on one public set in which the classes come from different scanners: image size and fan \
geometry alone predict them, see auc_geometry_only. No external test was made. Images hold at \
most one outlined mass; 86 % show one. 'malignant' is conditional on a lesion being present: it \
was trained on images with a mass only. Lesion types, steatosis and size were never labelled. \
Probabilities are calibrated for equal prior of both classes. Fluid, gas, gallbladder and vessels \
may be taken for lesions. Investigational: not for diagnosis."""


def lesion_card(
    recipe: Recipe,
    folds: int,
    flip: bool,
    counts: Mapping[str, int],
    evaluations: Mapping[str, LabelEvaluation],
    localisation: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything a card says but the digest; figures come from the out-of-fold predictions."""
    return {
        "system": "lesion.attention",
        "title": "Supervised-attention focal liver lesion detector (Schmauch et al. 2019)",
        "version": VERSION,
        "backbone": recipe.backbone,
        "labels": list(evaluations),
        "lacks": list(LACKS),
        "validation_status": "cross-validated on public data",
        "limits": " ".join([LIMITS, *_unproven(evaluations)]),
        "preprocessing": {
            "crop": "bounding box of the echo content (models.images.content_window)",
            "echo": "median of the visible pixels of the top fifth to 70 (paper 1, eq. 1)",
            "size": list(SIZE),
            "focus": list(recipe.focus),
            "flip_average": flip,
        },
        "calibration": {
            label: {
                "slope": round(row.calibration.slope, 5),
                "intercept": round(row.calibration.intercept, 5),
            }
            for label, row in evaluations.items()
        },
        "thresholds": {
            label: {"probability": round(row.threshold, 4), "rule": "largest Youden index"}
            for label, row in evaluations.items()
        },
        "data": {
            "name": "Annotated Ultrasound Liver images (Xu et al. 2023), a subset of the 735",
            "source": "https://doi.org/10.5281/zenodo.7272660",
            "licence": "CC BY 4.0; weights derived from it, the images are not redistributed",
            "attribution": "Xu et al. 2023, Annotated Ultrasound Liver images, Zenodo; the authors "
            "are gratefully acknowledged",
            **counts,
        },
        "initial_weights": {"source": backbone(recipe.backbone).origin},
        "protocol": {
            "evaluation": f"{folds}-fold cross-validation by patient; figures pool the "
            "out-of-fold predictions; intervals are percentile bootstraps over patients; "
            "calibration and threshold behind sensitivity, specificity, brier and "
            "calibration_error come from the other folds",
            "weights": "one network on all images, same recipe; no epoch was selected",
            "geometry_only": "logistic regression on image size and fan crop, same folds",
            "loss": "binary cross entropy of box masks and of each head; malignancy only "
            "where a mass is present",
            "optimiser": "SGD, Nesterov",
            "epochs": recipe.epochs,
            "batch": recipe.batch,
            "rate": recipe.rate,
            "head_rate": recipe.head_rate,
            "momentum": recipe.momentum,
            "weight_decay": recipe.decay,
            "mixup": recipe.mixup,
            "seed": recipe.seed,
        },
        "figures": {
            **{label: dict(row.figures) for label, row in evaluations.items()},
            "localisation": dict(localisation),
        },
    }


def _unproven(evaluations: Mapping[str, LabelEvaluation]) -> list[str]:
    """A sentence for each label whose lead over the confound baseline may be chance."""
    return [
        f"An advantage of {label!r} over geometry alone was not shown: its 95 % interval "
        "includes none."
        for label, row in evaluations.items()
        if row.figures["auc_lead_over_geometry"]["interval_95"][0] <= 0
    ]
