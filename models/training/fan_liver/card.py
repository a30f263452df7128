"""The model card of what finds fan, liver and masses."""

from collections.abc import Sequence
from typing import Any

from models.data import Case
from models.evaluation.outcome import Evaluation
from models.frame.fan_liver import MARGIN, SIZE, STRUCTURES
from models.training.card import initial_weights, strata_card
from models.training.course import COURSES
from models.training.fan_liver.fit import Recipe
from models.training.fan_liver.samples import Samples, outlined
from models.training.options import Options

VERSION = "1.1.0"

LIMITS = """\
Proposes where to look; whether there is a lesion, the detector says. Trained on images of which \
one mass at most was outlined. What is no liver gets an outline too: ask the gate first. \
Investigational: not for diagnosis."""


def fan_liver_card(
    recipe: Recipe,
    samples: Samples,
    cases: Sequence[Case],
    evaluation: Evaluation | None,
    level: float,
    options: Options,
) -> dict[str, Any]:
    """Everything a card says but the digest. Without an evaluation there are no figures. level :
    from which on a pixel is mass."""
    has = samples.structures
    card: dict[str, Any] = {
        "system": "frame.fan_liver",
        "title": "Fan, liver and masses in a frame of which nothing is known",
        "version": VERSION,
        "backbone": recipe.backbone,
        "labels": list(has),
        "lacks": [name for name in STRUCTURES if name not in has],
        "validation_status": options.about.status(validated=evaluation is not None),
        "limits": " ".join(filter(None, [options.about.limits, LIMITS])),
        "preprocessing": {
            "crop": f"bounding box of the echo content and {MARGIN:.0%} around it",
            "echo": "median of the visible pixels of the top fifth to 70 (paper 1, eq. 1)",
            "size": list(SIZE),
            "flip_average": True,
        },
        "data": {
            **options.about.as_card(),
            "images": len(cases),
            "patients": len({case.patient for case in cases}),
            "outlined": {name: sum(bool(outlined(case, name)) for case in cases) for name in has},
            "images_only_learned_from": len(options.extra),
        },
        "initial_weights": initial_weights([recipe.backbone], options),
        "protocol": {
            "evaluation": "none" if evaluation is None else evaluation.protocol,
            "weights": "one network on all images, same recipe; no epoch was selected",
            "loss": "binary cross entropy and soft Dice loss of each structure; 'malignant' within "
            "masses, cross entropy alone",
            "optimiser": "AdamW",
            "schedule": COURSES["cosine"].words,
            "rate": recipe.rate,
            "weight_decay": recipe.decay,
            "epochs": recipe.epochs,
            "batch": recipe.batch,
            "seed": options.seed,
        },
        "figures": {},
    }
    if "mass" in has:
        rule = "best mean Dice of masses out of fold" if evaluation else "none was tried"
        card["thresholds"] = {"mass": {"probability": level, "rule": rule}}
    if evaluation is not None:
        card["notes"] = list(evaluation.notes)
        card["figures"] = {
            **{name: figure.as_card() for name, figure in evaluation.figures.items()},
            "baseline": {name: row.as_card() for name, row in evaluation.baseline.items()},
            "strata": strata_card(evaluation.strata),
            "strata_baseline": strata_card(evaluation.strata_baseline),
        }
    return card
