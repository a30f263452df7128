"""Age and sex out of a study's objects, and what model LBC gets of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import ComprehensiveSRStorage, DeflatedExplicitVRLittleEndian

from models.lesion.clinical import ClinicalModel, Factor
from tests import bad_input
from workers.clinical import ClinicalFactors, read_factors


def put(path: Path, report: bool = False, syntax: str = "", **elements: str) -> Path:
    """An object whose elements hold what devices write, valid or not."""
    dataset = bad_input.study()
    if report:
        dataset.SOPClassUID, dataset.Modality = ComprehensiveSRStorage, "SR"
        del dataset.PixelData
    for keyword in ("PatientAge", "PatientSex", "PatientBirthDate", "StudyDate"):
        if keyword in dataset:
            del dataset[keyword]
        if keyword in elements:
            raw(dataset, keyword, elements[keyword])
    return bad_input.write(
        dataset, path.parent, path.stem, **({"syntax": syntax} if syntax else {})
    )


def raw(dataset: Dataset, keyword: str, text: str) -> None:
    value = text.encode() + b" " * (len(text) % 2)
    tag = Tag(tag_for_keyword(keyword))
    dataset[tag] = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)


@pytest.mark.parametrize(
    ("written", "years"),
    [
        ("030Y", 30.0),
        ("000Y", None),
        ("006M", 0.5),
        ("026W", pytest.approx(0.498, abs=0.001)),
        ("010D", pytest.approx(0.0274, abs=0.0001)),
        ("45Y", 45.0),
        ("45", 45.0),
        ("131Y", None),
        ("old", None),
        ("-30Y", None),
        ("03OY", None),
        ("", None),
    ],
)
def test_an_age_is_years_or_not_known(tmp_path: Path, written: str, years: float | None) -> None:
    assert read_factors([put(tmp_path / "a.dcm", PatientAge=written)], {}).age == years


@pytest.mark.parametrize(
    ("birth", "study", "years"),
    [
        ("19600301", "20240229", 63.0),
        ("19600301", "20240301", 64.0),
        ("1960.3.1", "20240301", 64.0),
        ("20000229", "20230228", 22.0),
        ("20240301", "20240301", 0.0),
        ("20240302", "20240301", None),
        ("18900101", "20240301", None),
        ("1960", "20240301", None),
        ("19600230", "20240301", None),
        ("19600301", "", None),
        ("", "20240301", None),
    ],
)
def test_without_an_age_it_is_the_years_completed_since_birth(
    tmp_path: Path, birth: str, study: str, years: float | None
) -> None:
    path = put(tmp_path / "a.dcm", PatientBirthDate=birth, StudyDate=study)
    assert read_factors([path], {}).age == years
    garbage = put(tmp_path / "b.dcm", PatientAge="?", PatientBirthDate=birth, StudyDate=study)
    assert read_factors([garbage], {}).age == years


def test_the_age_as_stated_is_believed_before_the_dates(tmp_path: Path) -> None:
    dates = {"PatientBirthDate": "19600101", "StudyDate": "20240301"}
    paths = [put(tmp_path / "a.dcm", **dates), put(tmp_path / "b.dcm", PatientAge="063Y", **dates)]
    assert read_factors(paths, {}).age == 63.0


@pytest.mark.parametrize(
    ("written", "sex"),
    [("M", "M"), ("F", "F"), ("f", "F"), ("male", "M"), ("O", None), ("X", None), ("", None)],
)
def test_a_sex_is_female_male_or_not_known(tmp_path: Path, written: str, sex: str | None) -> None:
    assert read_factors([put(tmp_path / "a.dcm", PatientSex=written)], {}).sex == sex


def test_what_some_objects_lack_the_others_say_and_reports_do_too(tmp_path: Path) -> None:
    paths = [
        put(tmp_path / "a.dcm"),
        put(tmp_path / "b.dcm", report=True, PatientAge="050Y"),
        put(tmp_path / "c.dcm", PatientSex="F", syntax=DeflatedExplicitVRLittleEndian),
    ]
    assert read_factors(paths, {}) == ClinicalFactors(50.0, "F")


def test_what_objects_disagree_on_is_not_known(tmp_path: Path) -> None:
    paths = [
        put(tmp_path / "a.dcm", PatientAge="050Y", PatientSex="F"),
        put(tmp_path / "b.dcm", PatientAge="051Y", PatientSex="M"),
    ]
    found = read_factors(paths, {"halo": "yes"})
    assert (found.age, found.sex, found.numbers) == (None, None, {"halo": 1.0})
    assert found.notes == (
        "its objects disagree on the patient's age",
        "its objects disagree on the patient's sex",
    )


def test_objects_that_are_gone_or_broken_are_counted_and_the_others_read(tmp_path: Path) -> None:
    good = put(tmp_path / "a.dcm", PatientAge="050Y")
    broken = put(tmp_path / "b.dcm", PatientAge="051Y", syntax=DeflatedExplicitVRLittleEndian)
    broken.write_bytes(broken.read_bytes()[:-40])
    found = read_factors([tmp_path / "gone.dcm", good, broken], {})
    assert found.age == 50.0
    assert found.notes == ("2 of its objects cannot be read for age and sex",)


def test_a_study_of_no_objects_has_only_what_was_entered() -> None:
    assert read_factors([], {"hepatitis": "B"}).numbers == {"hepatitis": 1.0}


def test_model_lbc_takes_the_factors_as_they_are(tmp_path: Path) -> None:
    path = put(tmp_path / "a.dcm", PatientAge="063Y", PatientSex="M")
    known = read_factors([path], {"hepatitis": "B+C", "halo": "no"})
    assert known.numbers == {"age": 63.0, "sex": 1.0, "hepatitis": 1.0, "halo": 0.0}
    assert known.left_out == ("extrahepatic_tumour", "vascularity")
    model = ClinicalModel(
        0.25,
        1.5,
        {"age": Factor(0.1, 60.0), "halo": Factor(-2.0, 0.5), "vascularity": Factor(1, 0)},
    )
    assert model.logit(1.0, known.numbers) == pytest.approx(0.25 + 1.5 + 0.1 * 3 - 2.0 * -0.5)
    assert model.left_out(known.numbers) == ("vascularity",)
