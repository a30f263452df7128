"""What is known of a study's patient and lesion beside the images: the factors of paper 2.

Age and sex are read from the stored objects; the rest somebody enters with `hepanode studies
clinical`. Only those that the node's model LBC reads are part of a run's ``key``: one that changed
for the others would send a new version in which nothing is new.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.tag import Tag

from models import factors
from workers import values

_STUDY_DATE, _BIRTH_DATE = Tag("StudyDate"), Tag("PatientBirthDate")
_SEX, _AGE = Tag("PatientSex"), Tag("PatientAge")
_PER_YEAR = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}


@dataclass(frozen=True)
class ClinicalFactors:
    """age : years at the study. sex : 'F' or 'M'. entered : one of the answers of
    ``models.factors.ENTERED`` by its name. notes : a sentence without values for each reason why
    age or sex is not known. What is not known is None or absent, never a zero.
    """

    age: float | None = None
    sex: str | None = None
    entered: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def numbers(self) -> dict[str, float]:
        """What ``models.lesion.clinical.ClinicalModel`` takes. ValueError names what was entered
        under a factor, or as an answer, that there is not."""
        return factors.numbers(self.age, self.sex, self.entered)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The factors of the paper that are not known."""
        known = {"age": self.age, "sex": self.sex, **self.entered}
        return tuple(name for name in factors.CLINICAL if known.get(name) is None)


def read_factors(paths: Iterable[Path], entered: Mapping[str, str]) -> ClinicalFactors:
    """The factors of one patient's study.

    paths : its objects of any class, without this node's results. Age is Patient's Age
    (0010,1010); where no object has one, the years completed from Patient's Birth Date (0010,0030)
    to Study Date (0008,0020). Values are cleaned; those on which objects disagree are not known.
    Never raises for what an object holds: one that cannot be read is counted in the notes.
    """
    ages: set[float] = set()
    computed: set[float] = set()
    sexes: set[str] = set()
    unread = 0
    for path in paths:
        try:
            header = _header(path)
        except Exception:  # noqa: BLE001 pydicom raises anything on broken bytes
            unread += 1
            continue
        ages |= _known(_stated_age(header))
        computed |= _known(_computed_age(header))
        sexes |= {values.SEX.get(_value(header, _SEX, "CS"), "")} & set(factors.SEXES)
    notes = [f"{unread} of its objects cannot be read for age and sex"] if unread else []
    ages = ages or computed
    for name, found in (("age", ages), ("sex", sexes)):
        if len(found) > 1:
            notes.append(f"its objects disagree on the patient's {name}")
    return ClinicalFactors(
        age=ages.pop() if len(ages) == 1 else None,
        sex=sexes.pop() if len(sexes) == 1 else None,
        entered=dict(entered),
        notes=tuple(notes),
    )


def _header(path: Path) -> Dataset:
    """The four elements; what follows them in a file is not read."""
    tags = [_STUDY_DATE, _BIRTH_DATE, _SEX, _AGE]
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")
        return read_partial(
            file, lambda tag, vr, length: tag > _AGE, force=True, specific_tags=list(tags)
        )


def _value(header: Dataset, tag: int, vr: str) -> str:
    """The first value as clean text; '' where there is none."""
    element = header.get_item(tag)
    raw = b"" if element is None else element.value or b""
    text = raw.decode("ascii", "replace") if isinstance(raw, bytes) else str(raw)
    return values.clean(vr, text)[0]


def _stated_age(header: Dataset) -> float | None:
    """Years of an age string, as 030Y or 006M (PS3.5 6.2, VR AS)."""
    match = re.fullmatch(r"(\d{3})([DWMY])", _value(header, _AGE, "AS"))
    if match is None or not int(match[1]):
        return None  # 000Y is what some devices write when there is no birth date
    return _plausible(int(match[1]) / _PER_YEAR[match[2]])


def _computed_age(header: Dataset) -> float | None:
    """Years completed, of which less than 0 are not plausible; None without both dates."""
    birth, study = (_date(_value(header, tag, "DA")) for tag in (_BIRTH_DATE, _STUDY_DATE))
    if birth is None or study is None:
        return None
    before_birthday = (study.month, study.day) < (birth.month, birth.day)
    return _plausible(float(study.year - birth.year - before_birthday))


def _date(cleaned: str) -> date | None:
    return date.fromisoformat(cleaned) if cleaned else None


def _plausible(years: float) -> float | None:
    low, high = factors.AGES
    return years if low <= years <= high else None


def _known(years: float | None) -> set[float]:
    return set() if years is None else {years}
