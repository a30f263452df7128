"""The model card of DCNN-US."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from models.data.manifest import BACKGROUNDS
from models.evaluation.outcome import Evaluation
from models.factors import CLINICAL
from models.images.roi import RIM, ROI_SIZE
from models.lesion.clinical import ClinicalModel
from models.platt import Platt
from models.training.card import CALIBRATION, beside_geometry, initial_weights
from models.training.course import COURSES
from models.training.dcnn_us.samples import LesionSamples
from models.training.options import Options

if TYPE_CHECKING:
    from models.training.dcnn_us.fit import Recipe

VERSION = "1.1.0"

LIMITS = """\
Judges lesions that somebody or another model has outlined: it does not find them, and it was \
fitted on lesions only. The lesion's region is its box with a rim, not the paper's manual outline; \
the background is a square of the same image. Investigational: not for diagnosis."""
UNSUPERVISED = """\
The background branch was not supervised: fewer than two background types (normal, steatosis, \
fibrosis) are labelled, so it learned through the fusion alone."""
NO_FACTORS = """\
There is no model LBC: no clinical factor is known in half of the lesions."""
NOT_CALIBRATED = """\
Fitted without cross-validation: not calibrated, no cut-off, no model LBC."""
ONE_IMAGE = "Most lesions have one image; the paper averages four."


@dataclass(frozen=True)
class Operating:
    """What turns a mean logit into a call. calibration : of model LB, at equal prior. clinical :
    model LBC, None without factors. threshold : of the final probability."""

    calibration: Platt
    clinical: ClinicalModel | None
    threshold: float


def dcnn_us_card(
    samples: LesionSamples,
    recipe: "Recipe",
    operating: Operating | None,
    found: Evaluation | None,
    options: Options,
) -> dict[str, Any]:
    """Everything a card says but the digest. operating, found : None without cross-validation."""
    own = samples.lesions[: samples.own]
    model = None if operating is None else operating.clinical
    factors = () if model is None else tuple(model.factors)
    lacks = [
        *(f"background {name}" for name in BACKGROUNDS if name not in samples.types),
        *(f"clinical factor {name}" for name in CLINICAL if name not in factors),
    ]
    card: dict[str, Any] = {
        "system": "lesion.dcnn_us",
        "title": "Malignancy from lesion, liver background and clinical factors (DCNN-US, "
        "Yang et al. 2020)",
        "version": VERSION,
        "backbone": recipe.backbone,
        "labels": ["malignant", *(f"background {name}" for name in samples.types)],
        "lacks": lacks,
        "background_types": list(samples.types),
        "validation_status": options.about.status(validated=found is not None),
        "limits": " ".join(_limits(samples, operating, options)),
        "preprocessing": {
            "lesion": "square around the lesion's box",
            "rim": RIM,
            "background": "largest square of the outlined liver, or beside the lesion, that "
            "touches no lesion",
            "size": list(ROI_SIZE),
            "lesion_average": "mean of the logits of a lesion's images",
        },
        "data": {
            **options.about.as_card(),
            "lesions": len(own),
            "patients": len(set(samples.patients)),
            "images": sum(len(row.images) for row in own),
            "benign": sum(not row.malignant for row in own),
            "malignant": sum(row.malignant for row in own),
            "lesions_only_learned_from": len(samples.lesions) - len(own),
            "backgrounds": dict(Counter(row.background or "not known" for row in own)),
        },
        "initial_weights": initial_weights([recipe.backbone], options),
        "protocol": {
            "evaluation": "none"
            if found is None
            else f"{found.protocol}; intervals are percentile bootstraps over patients",
            "calibration": "none" if found is None else CALIBRATION,
            "weights": "model LB on all lesions, same recipe; no epoch was selected",
            "geometry_only": "logistic regression on image size and fan crop, same folds",
            "loss": "binary cross entropy and batch-hard triplet loss (soft margin) of the lesion "
            "branch, binary cross entropy of the fused output and of each background type",
            "augmentation": "shifts, rescaling, horizontal flips; half the time the box as a user "
            "draws it and the background beside it, as a node crops them",
            "optimiser": "SGD, Nesterov",
            "schedule": COURSES["cosine"].words,
            "seed": options.seed,
            **asdict(recipe),
        },
    }
    if operating is not None and found is not None:
        card["calibration"] = {"malignant": operating.calibration.as_card()}
        card["thresholds"] = {
            "malignant": {
                "probability": round(operating.threshold, 4),
                "rule": "largest Youden index",
            }
        }
        if model is not None:
            card["clinical"] = model.as_card()
        card["notes"] = list(found.notes)
        card["figures"] = beside_geometry(found.figures, found.baseline)
        card["strata"] = {
            group: beside_geometry(figures, found.strata_baseline.get(group, {}))
            for group, figures in found.strata.items()
        }
    return card


def _limits(samples: LesionSamples, operating: Operating | None, options: Options) -> list[str]:
    own = samples.lesions[: samples.own]
    said = [options.about.limits] if options.about.limits else []
    said.append(LIMITS)
    if not samples.types:
        said.append(UNSUPERVISED)
    if operating is None:
        said.append(NOT_CALIBRATED)
    elif operating.clinical is None:
        said.append(NO_FACTORS)
    if sum(len(row.images) == 1 for row in own) > len(own) / 2:
        said.append(ONE_IMAGE)
    return said
