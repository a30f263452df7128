"""Model LBC of paper 2: fitting its logistic regression, and drawing it as a nomogram."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from models.evaluation.nomogram import Nomogram, Scale
from models.factors import CLINICAL
from models.lesion.clinical import ClinicalModel, Factor

Floats = npt.NDArray[np.floating]

LEAST = 0.5
"""Share of the lesions in which a factor must be known."""

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


def usable_factors(clinical: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """The factors of the paper that a cohort supports: known in half of it or more, and of more
    than one value. A factor that it does not support does not exist in the model."""
    found = []
    for name in CLINICAL:
        values = [row[name] for row in clinical if name in row]
        if len(values) >= LEAST * len(clinical) and len(set(values)) > 1:
            found.append(name)
    return tuple(found)


def fit_clinical(
    image: Floats,
    clinical: Sequence[Mapping[str, float]],
    malignant: Floats,
    factors: Sequence[str],
) -> ClinicalModel:
    """The logistic regression of model LBC, both classes weighted alike.

    image : (n,) calibrated log odds of model LB, from networks that did not see the lesion: those
    of networks that did would be trusted too much. Columns are centred and scaled, so that a value
    that is not known is zero and the ridge (C = 1) treats all alike.
    """
    columns = [np.asarray(image, float)]
    means = []
    for name in factors:
        known = [row[name] for row in clinical if name in row]
        means.append(float(np.mean(known)) if known else 0.0)
        columns.append(np.array([row.get(name, means[-1]) - means[-1] for row in clinical]))
    table = np.stack(columns, axis=1)
    scale = np.where(table.std(axis=0) > 0, table.std(axis=0), 1.0)
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    model.fit(table / scale, malignant)
    coefficients = (model.coef_[0] / scale).tolist()
    return ClinicalModel(
        float(model.intercept_[0]),
        coefficients[0],
        {
            name: Factor(coefficient, mean)
            for name, coefficient, mean in zip(factors, coefficients[1:], means, strict=True)
        },
    )


def clinical_probability(
    model: ClinicalModel, image: Floats, clinical: Sequence[Mapping[str, float]]
) -> npt.NDArray[np.float64]:
    """(n,) of malignancy, from calibrated log odds of model LB and what is known."""
    logits = [model.logit(float(odds), row) for odds, row in zip(image, clinical, strict=True)]
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(logits))))


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
