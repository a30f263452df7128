"""The model card of the multi-view fat estimator."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.data import Case
from models.evaluation.fat import card_figures
from models.evaluation.outcome import Evaluation
from models.evaluation.participants import fat_of_participants
from models.fat.multiview import FAT_RANGE, QUANTITIES
from models.fat.preprocessing import SIZE
from models.training.card import initial_weights
from models.training.multiview.model import FatHeads
from models.training.options import Options

VERSION = "2.0.0"

SIMULATED = """\
Fitted on simulated frames only. Figures are those of simulated participants: they show that the \
method works on its own simulator and say nothing of patients. Real frames differ in anatomy, \
artefacts and machine."""


def multiview_card(
    name: str,
    cases: Sequence[Case],
    heads: FatHeads,
    evaluation: Evaluation | None,
    options: Options,
) -> dict[str, Any]:
    """Everything a card says but the digest; figures come from the out-of-fold estimates."""
    participants, fat, _ = fat_of_participants(cases)
    simulated = options.about.kind == "simulated"
    return {
        "system": "fat.multiview",
        "title": "Multi-view liver fat estimator (Byra et al. 2021)"
        + (", fitted on simulated views" if simulated else ""),
        "version": VERSION,
        "backbone": name,
        "labels": list(QUANTITIES),
        "lacks": ["fibrosis", "inflammation"]
        + (["fat measured against MRI or biopsy in patients"] if simulated else []),
        "validation_status": options.about.status(validated=evaluation is not None),
        "limits": _limits(fat, simulated, options),
        "estimators": list(heads.single),
        "preprocessing": {
            "crop": "bounding box of the echo content (models.images.content_window)",
            "size": list(SIZE),
            "interpolation": "bicubic",
            "fat_range_percent": list(FAT_RANGE),
        },
        "thresholds": {
            key: {"probability": 0.5, "rule": "balanced class weights"} for key in QUANTITIES[1:]
        },
        "data": {
            **options.about.as_card(),
            "participants": len(participants),
            "frames": len(cases),
            "participants_from_5_percent": int((fat >= 5).sum()),
            "participants_from_10_percent": int((fat >= 10).sum()),
            "lowest_fat_percent": float(fat.min()),
            "highest_fat_percent": float(fat.max()),
            "frames_only_learned_from": len(options.extra),
            "seed": options.seed,
        },
        "initial_weights": initial_weights([name], options),
        "protocol": {
            "features": "frozen ImageNet backbone, global average pooling",
            "augmentation": "mirror image; crop shifted laterally by up to 20 pixels",
            "heads": "Lasso and L1 logistic regression per view, inverse-frequency weights, "
            "stratified four-fold grid search by participant, logits calibrated on the held-out "
            "folds at equal prior; mean over views",
            "evaluation": "none" if evaluation is None else evaluation.protocol,
            "figures": "per participant; percentile bootstrap over participants",
            "geometry_only": "ridge and logistic regression on frame size and fan crop, same folds",
            "strength": _strengths(heads),
        },
        "figures": {} if evaluation is None else _figures(evaluation),
    }


def _limits(fat: Any, simulated: bool, options: Options) -> str:
    sentences = [
        SIMULATED if simulated else options.about.limits,
        f"Fitted between {np.min(fat):g} and {np.max(fat):g} % fat.",
        "A frame unlike the fitted ones is not judged. Not for diagnosis, not for follow-up.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    main = card_figures(evaluation.figures, evaluation.baseline, "geometry_only")
    beside = evaluation.strata_baseline
    strata = {
        name: card_figures(row, beside.get(name, {}), "geometry_only")
        for name, row in evaluation.strata.items()
    }
    return {"multiview": main, **strata}


def _strengths(heads: FatHeads) -> dict[str, list[float]]:
    rows = dict(heads.single)
    if heads.composite is not None:
        rows["composite"] = heads.composite
    return {name: [head.strength for head in row] for name, row in rows.items()}
