"""Model LBC of paper 2: fitting its logistic regression."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from models.factors import CLINICAL
from models.lesion.clinical import ClinicalModel, Factor

Floats = npt.NDArray[np.floating]

LEAST = 0.5
"""Share of the lesions in which a factor must be known."""


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
