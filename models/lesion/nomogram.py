"""Model LBC of paper 2 as a nomogram."""

import math
from collections.abc import Mapping

from models.evaluation.nomogram import Nomogram, Scale
from models.lesion.clinical import ClinicalModel

_NO_YES = ((0.0, "no"), (1.0, "yes"))
_SCALES: Mapping[str, tuple[str, float, float, tuple[tuple[float, str], ...]]] = {
    "age": ("age (years)", 20.0, 90.0, tuple((float(n), str(n)) for n in range(20, 91, 10))),
    "sex": ("sex", 0.0, 1.0, ((0.0, "female"), (1.0, "male"))),
    "hepatitis": ("history of hepatitis", 0.0, 1.0, _NO_YES),
    "extrahepatic_tumour": ("extrahepatic tumour", 0.0, 1.0, _NO_YES),
    "halo": ("hypoechoic halo", 0.0, 1.0, _NO_YES),
    "vascularity": ("intratumoural vascularity", 0.0, 1.0, _NO_YES),
}
_PROBABILITIES = (0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99)


def nomogram_of(model: ClinicalModel) -> Nomogram:
    """Model LBC as a nomogram. ValueError where nothing in it moves the outcome."""
    scales = [
        Scale(
            "image score (model LB)",
            model.image,
            _log_odds(_PROBABILITIES[0]),
            _log_odds(_PROBABILITIES[-1]),
            tuple((_log_odds(value), f"{value:g}") for value in _PROBABILITIES),
        )
    ]
    for name, factor in model.factors.items():
        title, low, high, ticks = _SCALES[name]
        scales.append(Scale(title, factor.coefficient, low, high, ticks))
    centred = sum(factor.coefficient * factor.mean for factor in model.factors.values())
    return Nomogram(
        "malignancy",
        model.intercept - centred,
        tuple(scales),
        "Probabilities are for equal shares of benign and malignant lesions. A factor that is not "
        "known counts as its mean. Investigational: not for diagnosis.",
    )


def _log_odds(probability: float) -> float:
    return math.log(probability / (1.0 - probability))
