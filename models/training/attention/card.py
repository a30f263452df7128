"""The model card of the attention detector."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.data import Case
from models.evaluation.changes import DYNAMIC_RANGE
from models.evaluation.lesion import LabelEvaluation
from models.evaluation.metrics import Figure
from models.evaluation.robustness import moved
from models.training.attention.fit import Recipe
from models.training.attention.samples import LABELS
from models.training.card import CALIBRATION, initial_weights
from models.training.course import COURSES
from models.training.options import Options

VERSION = "1.4.0"

LIMITS = """\
'malignant' and lesion types are conditional on a lesion being present: they were trained on \
images with a mass only. Probabilities are calibrated for equal prior of both answers. Fluid, gas, \
gallbladder and vessels may be taken for lesions. Investigational: not for diagnosis."""


def attention_card(
    recipes: Sequence[Recipe],
    labels: Sequence[str],
    cases: Sequence[Case],
    evaluations: Mapping[str, LabelEvaluation],
    localisation: tuple[Figure, Figure] | None,
    options: Options,
    protocol: str,
) -> dict[str, Any]:
    """Everything a card says but members and digest; figures come from the out-of-fold predictions.

    Without evaluations there are no figures, no calibration, and thresholds of one half.
    """
    backbones = list(dict.fromkeys(recipe.backbone for recipe in recipes))
    return {
        "system": "lesion.attention",
        "title": "Supervised-attention focal liver lesion detector (Schmauch et al. 2019)",
        "version": VERSION,
        "backbone": ", ".join(backbones),
        "labels": list(labels),
        "lacks": [label for label in LABELS if label not in labels],
        "validation_status": options.about.status(validated=bool(evaluations)),
        "limits": " ".join(
            filter(
                None,
                [
                    options.about.limits,
                    LIMITS,
                    *_unproven(evaluations),
                    *_unsteady(evaluations),
                ],
            )
        ),
        "preprocessing": {
            "crop": "bounding box of the echo content (models.images.content_window)",
            "echo": "median of the visible pixels of the top fifth to 70 (paper 1, eq. 1)",
            "flip_average": False,
        },
        "calibration": {label: row.calibration.as_card() for label, row in evaluations.items()},
        "thresholds": {
            label: {
                "probability": round(evaluations[label].threshold, 4),
                "rule": "largest Youden index",
            }
            if label in evaluations
            else {"probability": 0.5, "rule": "not fitted"}
            for label in labels
        },
        "data": {**options.about.as_card(), **_counts(cases), **_extra(options)},
        "initial_weights": initial_weights(backbones, options),
        "protocol": {
            "evaluation": f"{protocol}; intervals are percentile bootstraps over patients; "
            "calibration and threshold behind sensitivity, specificity, brier and "
            "calibration_error come from the other folds"
            if evaluations
            else "none",
            "calibration": CALIBRATION if evaluations else "none",
            "weights": "fitted on all cases by the same recipe",
            "geometry_only": "logistic regression on image size and fan crop, same folds",
            "robustness": "held-out images changed whole and prepared anew, read by the networks "
            "of their fold: see models.evaluation.changes; gain of 6 dB is "
            f"{255 * 6 / DYNAMIC_RANGE:g} of 255 levels, as of a dynamic range of "
            f"{DYNAMIC_RANGE:g} dB",
            "loss": "binary cross entropy of box masks and of each head; malignancy and types "
            "only where a mass is present",
            "optimiser": "SGD, Nesterov",
            "schedule": COURSES["cosine"].words,
            "seed": options.seed,
            "recipe": [_recipe(recipe) for recipe in recipes],
        },
        "figures": {
            **{label: row.as_card() for label, row in evaluations.items()},
            **(
                {}
                if localisation is None
                else {
                    "localisation": {
                        "attention_peak_in_box": localisation[0].as_card(),
                        "cell_by_chance_in_box": localisation[1].as_card(),
                    }
                }
            ),
        },
    }


def _recipe(recipe: Recipe) -> dict[str, Any]:
    return {
        "backbone": recipe.backbone,
        "size": list(recipe.size),
        "focus": list(recipe.focus),
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "rate": recipe.rate,
        "head_rate": recipe.head_rate,
        "momentum": recipe.momentum,
        "weight_decay": recipe.decay,
        "mixup": recipe.mixup,
        "varied_echoes": recipe.varied,
        "without_fan_mask": recipe.unmasked,
        "speaks_for": list(recipe.speaks) or "all",
        "best_weights_per_task": recipe.best_per_task,
    }


def _counts(cases: Sequence[Case]) -> dict[str, int]:
    return {
        "images": len(cases),
        "patients": len({case.patient for case in cases}),
        "without_lesion": sum(case.labels.get("lesion") == 0 for case in cases),
        "benign": sum(case.labels.get("malignant") == 0 for case in cases),
        "malignant": sum(case.labels.get("malignant") == 1 for case in cases),
    }


def _extra(options: Options) -> dict[str, Any]:
    if not options.extra:
        return {}
    return {
        "also_learned_from": f"{len(options.extra)} further images, for presence and place of a "
        "lesion only; none counts in a figure"
    }


def _unproven(evaluations: Mapping[str, LabelEvaluation]) -> list[str]:
    """A sentence for each label whose lead over the confound baseline may be chance."""
    return [
        f"An advantage of {label!r} over geometry alone was not shown: its 95 % interval "
        "includes none."
        for label, row in evaluations.items()
        if row.figures["auc_lead_over_geometry"]["interval_95"][0] <= 0
    ]


def _unsteady(evaluations: Mapping[str, LabelEvaluation]) -> list[str]:
    """A sentence for each label whose area a change of the images moves too far."""
    return [
        sentence for label, row in evaluations.items() for sentence in moved(label, row.robustness)
    ]
