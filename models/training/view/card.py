"""The model card of the view classifier."""

from collections import Counter
from typing import Any

from models.evaluation.outcome import Evaluation
from models.fat.multiview import VIEWS
from models.fat.preprocessing import SIZE
from models.training.card import beside_geometry, initial_weights
from models.training.options import Options
from models.training.view.fit import FAMILIAR, GRID, RIGHT, Fitted
from models.training.view.samples import ViewSamples

VERSION = "1.0.0"

LIMITS = """\
It knows the views of its labels only: any other is called one of them or, where it is unlike the \
fitted frames, not known. A frame of which it is not known is given no view."""

SIMULATED = """\
Fitted on simulated frames only: the figures show that it tells the views of its own simulator \
apart and say nothing of patients. Real frames are mostly not known to it, and should be."""


def view_card(
    name: str,
    samples: ViewSamples,
    fitted: Fitted,
    found: Evaluation | None,
    options: Options,
) -> dict[str, Any]:
    """Everything a card says but the digest. found : the cross-validation, None where there was
    none; then the card has no figures."""
    simulated = options.about.kind == "simulated"
    limits = (options.about.limits or (SIMULATED if simulated else ""), LIMITS)
    counts = Counter(samples.targets[: samples.own].tolist())
    card: dict[str, Any] = {
        "system": "frame.view",
        "title": "Which of the four liver views" + (", fitted on simulated" * simulated),
        "version": VERSION,
        "backbone": name,
        "labels": list(samples.views),
        "lacks": [
            *(view for view in VIEWS if view not in samples.views),
            "views other than these",
            *(["views of real frames"] if simulated else []),
        ],
        "validation_status": options.about.status(validated=found is not None),
        "limits": " ".join(part for part in limits if part),
        "preprocessing": {
            "crop": "bounding box of the echo content (models.images.content_window)",
            "size": list(SIZE),
            "interpolation": "bicubic",
        },
        "thresholds": {
            "view": {
                "probability": round(fitted.head.limit, 4),
                "rule": f"{RIGHT:.0%} of the held-out calls at or above it are right; at least 0.5",
            },
            "distance": {
                "score": round(fitted.head.scope.limit, 4),
                "rule": f"{FAMILIAR:g} % of held-out frames lie within it (models.fat.scope)",
            },
        },
        "data": {
            **options.about.as_card(),
            "patients": len(set(samples.patients[: samples.own])),
            "frames": {view: counts[number] for number, view in enumerate(samples.views)},
            "frames_only_learned_from": len(samples.cases) - samples.own,
            "seed": options.seed,
        },
        "initial_weights": initial_weights([name], options),
        "protocol": {
            "features": "frozen ImageNet backbone, global average pooling, square roots",
            "head": "multinomial logistic regression; penalty chosen by the log loss of four inner "
            "folds by patient, temperature and both limits from the same",
            "grid": list(GRID),
            "strength": fitted.strength,
            "temperature": round(fitted.temperature, 4),
            "evaluation": "none" if found is None else found.protocol,
            "figures": "per frame; percentile bootstrap over patients",
            "geometry_only": "multinomial logistic regression on image size and fan crop, same "
            "folds",
        },
        "figures": {},
    }
    if found is not None:
        card["notes"] = list(found.notes)
        card["figures"] = beside_geometry(found.figures, found.baseline)
    return card
