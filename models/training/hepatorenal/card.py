"""The model card of the hepatorenal index."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.fat import card_figures
from models.evaluation.outcome import Evaluation
from models.fat.hepatorenal import DEPTH_GAP, LEAST
from models.fat.hepatorenal_curve import COVERED, HepatorenalCurve
from models.training.options import Options

VERSION = "1.0.1"

LIMITS = """\
The fat fraction is in the unit of the reference it was fitted on: of a biopsy it is the share of \
liver cells with fat, which is larger than its PDFF. The index depends on the scanner's dynamic \
range and grey map, and on where the regions lie; how far the curve transfers to another scanner \
is unknown. Kidney disease changes the kidney's echo level and with it the index. Probabilities \
take both classes as equally common. Not for diagnosis, not for follow-up."""


def hepatorenal_card(
    fat: npt.NDArray[np.floating],
    frames: int,
    curve: HepatorenalCurve,
    evaluation: Evaluation | None,
    options: Options,
) -> dict[str, Any]:
    """Everything a card says but the digest of its weights."""
    return {
        "system": "fat.hepatorenal",
        "title": "Liver fat from the hepatorenal index",
        "version": VERSION,
        "backbone": "none",
        "labels": ["fat_percent", "p_5", "p_10"],
        "lacks": ["PDFF", "fibrosis", "inflammation", "finding the regions"],
        "validation_status": options.about.status(validated=evaluation is not None),
        "limits": " ".join(filter(None, (options.about.limits, LIMITS))),
        "preprocessing": {
            "index": "mean echo level of the liver region over that of the kidney region, at the "
            "depths that both have; without any in common, centres at most "
            f"{DEPTH_GAP:.0%} of the frame's height apart",
            "smallest_region_pixels": LEAST,
            "patient": "median over the frames",
            "lowest_index_fitted": round(curve.known[0], 3),
            "highest_index_fitted": round(curve.known[1], 3),
        },
        "thresholds": {
            key: {"probability": 0.5, "rule": "balanced class weights"} for key in ("p_5", "p_10")
        },
        "data": {
            **options.about.as_card(),
            "patients": len(fat),
            "frames": frames,
            "patients_above_5_percent": int((fat > 5).sum()),
            "patients_from_5_percent": int((fat >= 5).sum()),
            "patients_from_10_percent": int((fat >= 10).sum()),
            "lowest_fat_percent": float(fat.min()),
            "highest_fat_percent": float(fat.max()),
        },
        "initial_weights": {"source": "none"},
        "protocol": {
            "curve": "Theil-Sen line of arcsin(sqrt(fat)) over ln(index), clipped to 0-100 %; "
            f"interval for {COVERED:.0%} of patients from jackknife residuals",
            "probabilities": "logistic regression on ln(index), balanced classes; intervals from "
            "fits to resampled patients",
            "evaluation": "none" if evaluation is None else evaluation.protocol,
            "figures": "per patient; percentile bootstrap over patients",
            "auc": "for p_5 of 5 % or more; auc_above_5 of more than 5 %",
            "brightness_only": "ridge and logistic regression on the mean echo level of the liver "
            "region, same folds",
            "seed": options.seed,
        },
        "figures": {} if evaluation is None else _figures(evaluation),
    }


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    """By label, each beside what brightness alone reaches."""
    rows = card_figures(evaluation.figures, evaluation.baseline, "brightness_only")
    found: dict[str, dict[str, Any]] = {"fat_percent": {}, "p_5": {}, "p_10": {}}
    for key, row in rows.items():
        label = next((f"p_{cut}" for cut in (10, 5) if f"_{cut}" in key), "fat_percent")
        name = key if key.startswith("auc_above") else key.replace(f"_{label[2:]}", "", 1)
        found[label][name if label != "fat_percent" else key] = row
    beside = evaluation.strata_baseline
    strata = {
        name: card_figures(row, beside.get(name, {}), "brightness_only")
        for name, row in evaluation.strata.items()
    }
    return {**found, **strata}
