"""The model card of the joint system."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from models.data.lesion import Lesion
from models.data.manifest import MALIGNANT_TYPES
from models.evaluation import joint_prompts as prompts
from models.evaluation.joint import CLICK
from models.evaluation.outcome import Evaluation
from models.lesion.joint import MASK
from models.platt import Platt
from models.training.card import CALIBRATION, initial_weights, strata_card
from models.training.course import COURSES
from models.training.joint.recipes import Recipe
from models.training.options import Options

VERSION = "1.1.0"

LIMITS = """\
Outlines what a user points at, and says nothing of whether it is a lesion: anything in a box gets \
an outline. Trained and measured with simulated users, never with people. A box is far more \
reliable than a click. Labels are conditional on a lesion being there; their probabilities are \
calibrated for equal prior of both answers. Investigational: not for diagnosis."""

_POSSIBLE = ("malignant", *(name for name in MALIGNANT_TYPES if name != "none"))


def joint_card(
    recipe: Recipe,
    labels: Sequence[str],
    lesions: Sequence[Lesion],
    radius: float,
    evaluation: Evaluation | None,
    calibration: Mapping[str, Platt],
    options: Options,
) -> dict[str, Any]:
    """Everything a card says but the digest. radius : relative, of the click's rival disc.

    Without an evaluation there are no figures and no calibration.
    """
    has = ([MASK] if recipe.shape.segments else []) + list(labels)
    return {
        "system": "lesion.joint",
        "title": "Joint segmentation and classification from a click or box (Ryu et al. 2021)",
        "version": VERSION,
        "backbone": recipe.backbone,
        "labels": has,
        "lacks": [label for label in (MASK, *_POSSIBLE) if label not in has],
        "validation_status": options.about.status(validated=evaluation is not None),
        "limits": " ".join(filter(None, [options.about.limits, LIMITS, _unproven(evaluation)])),
        "preprocessing": {
            "view": "fan crop"
            if recipe.framing.whole
            else "the box enlarged, each side by its own scale; for clicks first a square around "
            "them, then the box of what was found",
            "prompt": "Euclidean distance maps of foreground and background clicks, at most 255; "
            "a box is one click at its centre and four at its corners",
            "flip_average": recipe.mirrored,
            "framing": asdict(recipe.framing),
            "network": asdict(recipe.shape),
        },
        "calibration": {label: row.as_card() for label, row in calibration.items()},
        "baseline": {"relative_radius": round(radius, 5)},
        "data": {
            **options.about.as_card(),
            "images": len({lesion.case for lesion in lesions}),
            "patients": len({lesion.patient for lesion in lesions}),
            "lesions": len(lesions),
            **{label: sum(row.labels.get(label) == 1 for row in lesions) for label in labels},
        },
        "initial_weights": initial_weights([recipe.backbone], options),
        "protocol": {
            "evaluation": "none"
            if evaluation is None
            else f"{evaluation.protocol}; intervals are percentile bootstraps over patients",
            "calibration": CALIBRATION if calibration else "none",
            "weights": "one network on all lesions, same recipe; no epoch was selected",
            "recipe": recipe.title,
            "users": f"boxes: corners off by up to {prompts.JITTER:.0%} of the side, then "
            f"{prompts.ENLARGED:.2f} times as large, five an image; clicks: one pixel anywhere in "
            "the lesion, five an image",
            "training_prompts": "drawn anew each epoch: boxes, 1 to 5 foreground and 0 to 10 "
            "background clicks",
            "loss": _loss(recipe, labels),
            "optimiser": "AdamW" if recipe.adaptive else "SGD, momentum 0.9",
            "schedule": COURSES[recipe.course].words,
            "rate": recipe.rate,
            "weight_decay": recipe.decay,
            "epochs": recipe.epochs,
            "batch": recipe.batch,
            "seed": options.seed,
        },
        "figures": {} if evaluation is None else _figures(evaluation),
    }


def _loss(recipe: Recipe, labels: Sequence[str]) -> str:
    parts = ["pixelwise focal loss"] if recipe.shape.segments else []
    if recipe.shape.segments and recipe.overlap:
        parts.append("Dice loss")
    if labels:
        parts.append("alpha-balanced focal loss of each label")
    return " + ".join(parts)


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    return {
        **{name: figure.as_card() for name, figure in evaluation.figures.items()},
        "baseline": {name: figure.as_card() for name, figure in evaluation.baseline.items()},
        "strata": strata_card(evaluation.strata),
        "strata_baseline": strata_card(evaluation.strata_baseline),
    }


def _unproven(evaluation: Evaluation | None) -> str:
    """A sentence on each figure whose lead over its plain rival was not shown."""
    if evaluation is None:
        return ""
    return " ".join(
        f"{name} is {evaluation.figures[name].value:.2f} against {other.value:.2f} of "
        f"{_rival(name)}: that it is better was not shown."
        for name, other in evaluation.baseline.items()
        if f"{name}_lead" in evaluation.figures and evaluation.figures[f"{name}_lead"].low <= 0
    )


def _rival(name: str) -> str:
    if name.endswith("_auc"):
        return "image size and fan geometry alone"
    return "a disc at the click" if name == CLICK else "an ellipse in the same box"
