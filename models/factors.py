"""The clinical and ultrasonic factors of paper 2, section 3.2: names, answers, numbers.

Manifests, cards, `hepanode studies clinical` and model LBC all take them from here. Nothing is
imported for it, so that the command line need not wait for numpy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

AGES = (0.0, 130.0)
"""Years; what lies outside is no age."""

SEXES: Mapping[str, float] = {"F": 0.0, "M": 1.0}
"""Patient's Sex (0010,0040) and its number."""

NEITHER = "O"
"""Patient's Sex (0010,0040) that has no number: the paper knows two."""


@dataclass(frozen=True)
class EnteredFactor:
    """One factor that somebody must say. answers : each that is allowed, and its number."""

    meaning: str
    answers: Mapping[str, float]


_NO_YES = {"no": 0.0, "yes": 1.0}

ENTERED: Mapping[str, EnteredFactor] = {
    # Figure 3 tells four apart, tables 1 and S5 two; as a number, 3 for both would be thrice B.
    "hepatitis": EnteredFactor(
        "history of hepatitis", {"none": 0.0, "B": 1.0, "C": 1.0, "B+C": 1.0}
    ),
    "extrahepatic_tumour": EnteredFactor("history of a tumour outside the liver", _NO_YES),
    "halo": EnteredFactor("hypoechoic halo", _NO_YES),
    "vascularity": EnteredFactor("vessels inside the tumour", _NO_YES),
}

CLINICAL = ("age", "sex", *ENTERED)
"""Every factor; age and sex are in a study's DICOM."""


def numbers(age: float | None, sex: str | None, entered: Mapping[str, str]) -> dict[str, float]:
    """What ``models.lesion.clinical.ClinicalModel`` takes: only what is known, in ``CLINICAL``'s
    order.

    age : years. sex : 'F' or 'M'. entered : one of the answers by name of the factor. ValueError
    names a factor or an answer that there is not.
    """
    if unknown := sorted(set(entered) - set(ENTERED)):
        raise ValueError(f"there is no factor {', '.join(unknown)}; there are {', '.join(ENTERED)}")
    known = {} if age is None else {"age": float(age)}
    if sex is not None:
        known["sex"] = _number("sex", sex, SEXES)
    for name, factor in ENTERED.items():
        if name in entered:
            known[name] = _number(name, entered[name], factor.answers)
    return known


def _number(name: str, answer: str, answers: Mapping[str, float]) -> float:
    if answer not in answers:
        raise ValueError(f"{name} {answer!r} is not one of {', '.join(answers)}")
    return answers[answer]
