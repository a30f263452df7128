"""The model card of the region classifier."""

from typing import TYPE_CHECKING, Any

from models.data.manifest import MALIGNANT_TYPES
from models.evaluation.outcome import Evaluation
from models.evaluation.temperature import Temperature
from models.images.roi import RIM, ROI_SIZE
from models.training.card import beside_geometry, initial_weights
from models.training.course import COURSES
from models.training.options import Options
from models.training.roi.samples import LARGEST, RoiSamples

if TYPE_CHECKING:
    from models.training.roi import Recipe

VERSION = "1.1.0"

LIMITS = """\
Reads a region that somebody or another model has chosen and always calls one of its classes: \
what it never saw is called as well. Probabilities are those of a network fitted on balanced \
classes, as if all were equally common; {calibration}. Investigational: not for diagnosis."""

CALIBRATED = "calibrated by one temperature on held-out regions in the boxes of experts"
NOT_CALIBRATED = "they were not calibrated"


def roi_card(
    samples: RoiSamples,
    recipe: "Recipe",
    folds: int,
    found: Evaluation | None,
    temperature: Temperature | None,
    options: Options,
) -> dict[str, Any]:
    """Everything a card says but the digest. found : the cross-validation, None where there was
    none; then the card has no figures, and there is no temperature."""
    limits = LIMITS.format(calibration=NOT_CALIBRATED if temperature is None else CALIBRATED)
    types = [name for name in MALIGNANT_TYPES if name not in samples.classes]
    card: dict[str, Any] = {
        "system": "lesion.roi",
        "title": "Region-of-interest classifier of focal liver lesions (Tangruangkiat et al. 2023)",
        "version": VERSION,
        "backbone": recipe.backbone,
        "labels": list(samples.classes),
        "lacks": types,
        "validation_status": options.about.status(validated=found is not None),
        "limits": " ".join(part for part in (options.about.limits, limits) if part),
        "preprocessing": {
            "region": "square around the lesion's box, in grey; without a lesion the largest "
            "square of liver",
            "rim": RIM,
            "largest_without_lesion": LARGEST,
            "size": list(ROI_SIZE),
        },
        "data": {
            **options.about.as_card(),
            "regions": samples.own,
            "patients": len(set(samples.patients[: samples.own])),
            "regions_only_learned_from": len(samples) - samples.own,
            "by_class": samples.counts(),
        },
        "initial_weights": initial_weights([recipe.backbone], options),
        "protocol": {
            "evaluation": "none"
            if found is None
            else f"{found.protocol}; intervals are percentile bootstraps over patients",
            "calibration": "none"
            if temperature is None
            else "temperature scaling of the out-of-fold logits in experts' boxes, all classes "
            "weighted alike; log_loss and calibration_error are by the temperature that the other "
            "folds gave",
            "weights": "one network on all regions, same recipe; no epoch was selected",
            "geometry_only": "multinomial logistic regression on image size and fan crop, same "
            "folds; with all classes weighted alike for the balanced accuracy",
            "loss": "cross entropy of balanced classes",
            "augmentation": "shifts, rescaling, horizontal flips, anew for each passage",
            "optimiser": "SGD with momentum",
            "schedule": COURSES[recipe.course].words,
            "epochs": recipe.epochs,
            "batch": recipe.batch,
            "rate": recipe.rate,
            "head_rate": recipe.head_rate,
            "momentum": recipe.momentum,
            "weight_decay": recipe.decay,
            "copies": recipe.copies,
            "folds": folds,
            "seed": options.seed,
        },
    }
    if temperature is not None:
        value, *interval = (round(one, 4) for one in temperature)
        card["calibration"] = {"temperature": value, "interval_95": interval}
    if found is not None:
        card["notes"] = list(found.notes)
        card["figures"] = beside_geometry(found.figures, found.baseline)
    return card
