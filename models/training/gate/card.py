"""The model card of the gate."""

from collections import Counter
from typing import Any

from models.backbones import backbone
from models.evaluation.outcome import Evaluation
from models.fat.preprocessing import SIZE
from models.training.card import beside_geometry
from models.training.gate.fit import REFUSED, STRENGTH
from models.training.gate.samples import GateSamples
from models.training.options import Options

VERSION = "1.0.0"

LIMITS = """\
What is like none of the kinds that it learned from may pass, above all organs beside the liver. \
A frame that passes is not known to be good or to show the whole liver. Only grey echoes are \
judged."""


def gate_card(
    name: str,
    samples: GateSamples,
    limit: float,
    found: Evaluation | None,
    options: Options,
) -> dict[str, Any]:
    """Everything a card says but the digest. found : the cross-validation, None where there was
    none; then the card has no figures."""
    kinds = Counter(kind or "liver" for kind in samples.kinds[: samples.own])
    card: dict[str, Any] = {
        "system": "frame.gate",
        "title": "Gate: is it a liver at all",
        "version": VERSION,
        "backbone": name,
        "labels": ["foreign"],
        "lacks": ["which organ it is", "image quality", "completeness of the liver"],
        "validation_status": options.about.status(validated=found is not None),
        "limits": " ".join(part for part in (options.about.limits, LIMITS) if part),
        "preprocessing": {
            "crop": "bounding box of the echo content (models.images.content_window)",
            "size": list(SIZE),
            "interpolation": "bicubic",
        },
        "thresholds": {
            "foreign": {
                "score": round(limit, 4),
                "rule": f"at most {REFUSED:.0%} of livers, out of fold, lie above it",
            }
        },
        "data": {
            **options.about.as_card(),
            "images": dict(sorted(kinds.items())),
            "patients": len({p for p, k in _own(samples) if not k}),
            "foreign_subjects": len({p for p, k in _own(samples) if k}),
            "livers_only_learned_from": len(samples.ids) - samples.own,
            "seed": options.seed,
        },
        "initial_weights": {"source": backbone(name).origin},
        "protocol": {
            "features": "frozen ImageNet backbone, global average pooling, square roots",
            "head": "ridge regression, foreign 1 and liver -1, both weighing alike, within the "
            "foreign ones every kind and within a kind every subject",
            "penalty": STRENGTH,
            "distance": "1.5 times the logarithm of the distance from known livers is added",
            "evaluation": "none" if found is None else found.protocol,
            "figures": "per patient and foreign subject, of several images the one judged worst; "
            "percentile bootstrap over them",
            "known_kinds": "as many new subjects, other subjects of their kind being known",
            "geometry_only": "logistic regression on image size and fan crop, same folds",
        },
        "figures": {},
    }
    if found is not None:
        card["notes"] = list(found.notes)
        kinds_apart = {
            kind: beside_geometry(row, found.strata_baseline.get(kind, {}))
            for kind, row in found.strata.items()
        }
        main = beside_geometry(found.figures, found.baseline)
        card["figures"] = {**main, "kinds": kinds_apart}
    return card


def _own(samples: GateSamples) -> list[tuple[str, str]]:
    return list(zip(samples.patients, samples.kinds, strict=True))[: samples.own]
