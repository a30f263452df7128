"""Figures of a classifier of several classes: paper 3's accuracy, sensitivity and specificity."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from models.evaluation.metrics import Figure, bootstrap, sensitivity, specificity

Integers = npt.NDArray[np.integer]
Numbers = npt.NDArray[np.integer] | npt.NDArray[np.floating]


def class_figures(
    truth: Integers, called: Integers, classes: Sequence[str], patients: Sequence[str] | None = None
) -> dict[str, Figure]:
    """'accuracy', 'balanced_accuracy', and 'sensitivity_<class>' and 'specificity_<class>' of each
    class that is there, one against the rest (eqs. 1 to 3 of the paper).

    truth, called : (n,) places in ``classes``. patients : (n,), as ``bootstrap`` takes them. The
    balanced accuracy is the mean sensitivity of the classes that are there: a guess is worth one
    over their number, whatever their shares.
    """
    present = [number for number in range(len(classes)) if (truth == number).any()]
    columns = (truth.astype(float), called.astype(float))
    figures = {
        "accuracy": bootstrap(accuracy, *columns, patients=patients),
        "balanced_accuracy": bootstrap(_balanced(present), *columns, patients=patients),
    }
    for number in present:
        name = classes[number].replace(" ", "_")
        one = ((truth == number).astype(float), (called == number).astype(float))
        figures[f"sensitivity_{name}"] = bootstrap(sensitivity, *one, patients=patients)
        if len(present) > 1:
            figures[f"specificity_{name}"] = bootstrap(specificity, *one, patients=patients)
    return figures


def accuracy(truth: Numbers, called: Numbers) -> float:
    """Eq. (1) over all classes: the share of cases that were called right."""
    return float((truth == called).mean())


def confusion(truth: Integers, called: Integers, count: int) -> npt.NDArray[np.int64]:
    """(k, k) cases by true (row) and called (column) class."""
    return np.asarray(confusion_matrix(truth, called, labels=np.arange(count)), dtype=np.int64)


def _balanced(present: Sequence[int]) -> Callable[[Numbers, Numbers], float]:
    """Not a number, and so drawn again, on a resample that a class is missing from."""

    def balanced_accuracy(truth: Numbers, called: Numbers) -> float:
        shares = [
            float((called[truth == number] == number).mean()) if (truth == number).any() else np.nan
            for number in present
        ]
        return float(np.mean(shares))

    return balanced_accuracy
