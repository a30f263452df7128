"""A result's bytes are those that pydicom writes, though what is repeated is written once."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.uid import Comprehensive3DSRStorage
from pydicom.valuerep import DSdecimal, DSfloat

from tests.workers.results.studies import LATER, header_of, pixels_of, whole_set
from workers.results import BUILDERS, ResultObject, encode

SOURCES = {
    "a colour loop": "examples_ybr_color.dcm",
    "a grey image": "JPGLosslessP14SV1_1s_1f_8b.dcm",
}
NAMES = {
    "Latin 1": ("ISO_IR 100", "Müller^Zoë"),
    "UTF-8": ("ISO_IR 192", "Παπαδόπουλος^Γιώργος"),
    "Japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
}


def by_pydicom(result: ResultObject) -> bytes:
    """The dataset has the meta information that ``encode`` gave it."""
    file = BytesIO()
    dcmwrite(file, result.dataset, enforce_file_format=True)
    return file.getvalue()


@pytest.mark.parametrize("name", SOURCES.values(), ids=SOURCES.keys())
def test_every_kind_is_written_as_pydicom_writes_it(name: str) -> None:
    results = whole_set(header_of(name), pixels_of(name), context=LATER)
    assert {one.kind for one in results} == set(BUILDERS)
    for one in results:
        assert encode(one) == by_pydicom(one), one.kind


@pytest.mark.parametrize(("terms", "patient"), NAMES.values(), ids=NAMES.keys())
def test_every_character_set_is_written_as_pydicom_writes_it(
    terms: str | list[str], patient: str
) -> None:
    header = header_of("US1_UNCR.dcm")
    header.SpecificCharacterSet, header.PatientName = terms, patient
    for one in whole_set(header, pixels_of("US1_UNCR.dcm")):
        assert encode(one) == by_pydicom(one), one.kind


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (DSfloat("1.5"), DSfloat("1.50")),
        (DSdecimal("1.5"), DSdecimal("1.50")),
        ([DSfloat("1.5"), DSfloat("2")], [DSfloat("1.50"), DSfloat("2")]),
        ("1.5", "2.5"),
    ],
    ids=["number", "decimal", "numbers", "text"],
)
def test_items_that_are_equal_but_written_otherwise_stay_apart(
    value: object, other: object
) -> None:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = Comprehensive3DSRStorage, "2.25.1"
    dataset.ContentSequence = [_measured(value), _measured(other), _measured(value)]
    result = ResultObject("report", Comprehensive3DSRStorage, "2.25.1", "2.25.2", dataset)
    assert encode(result) == by_pydicom(result)


def _measured(value: object) -> Dataset:
    inner, outer = Dataset(), Dataset()
    inner.NumericValue = value
    outer.MeasuredValueSequence = [inner, Dataset()]
    return outer
