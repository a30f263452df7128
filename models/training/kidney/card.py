"""The model card of what finds a kidney."""

from collections.abc import Sequence
from typing import Any

from models.bundle import Bundle
from models.data import Case
from models.evaluation.outcome import Evaluation
from models.frame.kidney import STRUCTURE
from models.training.course import COURSES
from models.training.fan_liver.fit import Recipe
from models.training.options import Options

VERSION = "1.0.0"

LIMITS = """\
Proposes where the squares of a hepatorenal index may go, which count when a person takes them. \
Its level and its epochs were chosen with ten real frames in view (Byra et al. 2018). \
Investigational: not for diagnosis."""


def kidney_card(
    recipe: Recipe,
    cases: Sequence[Case],
    encoder: Bundle,
    evaluation: Evaluation | None,
    options: Options,
) -> dict[str, Any]:
    """Everything a card says but the digest. Without an evaluation there are no figures."""
    card: dict[str, Any] = {
        "system": "frame.kidney",
        "title": "The kidney beside the liver, for the hepatorenal index",
        "version": VERSION,
        "backbone": recipe.backbone,
        "labels": [STRUCTURE],
        "lacks": [],
        "validation_status": options.about.status(validated=evaluation is not None),
        "limits": " ".join(filter(None, [options.about.limits, LIMITS])),
        "preprocessing": encoder.card["preprocessing"],
        "data": {
            **options.about.as_card(),
            "images": len(cases),
            "patients": len({case.patient for case in cases}),
            "images_with_kidney": sum(case.kidney is not None for case in cases),
            "images_only_learned_from": len(options.extra),
        },
        "initial_weights": {
            "source": f"the encoder of {encoder.title}, kept as it is",
            "sha256": encoder.digest,
            **{
                key: encoder.card["data"][key]
                for key in ("licence", "attribution")
                if key in encoder.card["data"]
            },
        },
        "protocol": {
            "evaluation": "none" if evaluation is None else evaluation.protocol,
            "weights": "one decoder on all images, same recipe",
            "loss": "binary cross entropy and soft Dice loss",
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
    if evaluation is not None:
        card["notes"] = list(evaluation.notes)
        card["figures"] = {
            **{name: figure.as_card() for name, figure in evaluation.figures.items()},
            "baseline": {name: row.as_card() for name, row in evaluation.baseline.items()},
        }
    return card
