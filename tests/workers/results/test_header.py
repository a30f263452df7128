"""Sources are cleaned, not believed: nothing is invented, nothing malformed is passed on."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from tests.workers.results.studies import NOTHING, blank_header, by_uid, header_of, report_of
from tests.workers.results.tools import dciodvfy, said, write
from workers import values
from workers.results import encode, header

KEYWORDS = (*header.TYPE_2, *header.OPTIONAL, "SpecificCharacterSet", "TimezoneOffsetFromUTC")


def with_raw(**attributes: bytes) -> Dataset:
    """A header as it comes from a file: bytes that nobody has looked at."""
    dataset = blank_header()
    for keyword, value in attributes.items():
        tag = Tag(tag_for_keyword(keyword))
        vr = dictionary_VR(tag)
        dataset[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    return dataset


def test_missing_attributes_are_empty_and_nothing_is_invented() -> None:
    source = header.clean(blank_header())
    for keyword in header.TYPE_2:
        assert keyword in source.attributes
        assert not source.attributes[keyword].value
    assert set(header.OPTIONAL).isdisjoint(source.attributes.dir())
    assert "SpecificCharacterSet" not in source.attributes
    assert "TimezoneOffsetFromUTC" not in source.attributes
    assert source.notes == ()


@pytest.mark.parametrize(
    ("vr", "raw", "expected"),
    [
        ("DA", "19600101", "19600101"),
        ("DA", "1960.1.1", "19600101"),
        ("DA", "1997-04-24", "19970424"),
        ("DA", "1960123", ""),
        ("DA", "19601332", ""),
        ("DA", "yesterday", ""),
        ("TM", "101112.123", "101112.123"),
        ("TM", "10:11:12", "101112"),
        ("TM", "10", "10"),
        ("TM", "251112", ""),
        ("AS", "45Y", "045Y"),
        ("AS", "45", "045Y"),
        ("AS", "old", ""),
        ("DS", "1.70", "1.70"),
        ("DS", "1,70", "1.7"),
        ("DS", "nan", ""),
        ("DS", "12 kg", ""),
        ("SH", "A" * 40, "A" * 16),
        ("LO", "one\\two", "one"),
        ("LO", "bell\x07", "bell"),
        ("PN", "A" * 70 + "^B", "A" * 64),
        ("PN", "Doe^Jane^^^^^^", "Doe^Jane^^^"),
        ("CS", "f", "F"),
        ("CS", "not-a-code", ""),
        ("UI", "1.2.3", "1.2.3"),
        ("UI", "1..2", ""),
        ("LT", "back\\slash", "back\\slash"),
    ],
)
def test_values_are_made_valid_or_left_empty(vr: str, raw: str, expected: str) -> None:
    result, problem = values.clean(vr, raw)
    assert result == expected
    assert bool(problem) == (raw != expected)


@pytest.mark.parametrize(
    ("raw", "sex"), [("F", "F"), ("male", "M"), ("O", "O"), ("W", ""), ("U", ""), ("", "")]
)
def test_a_sex_that_dicom_does_not_know_is_left_empty(raw: str, sex: str) -> None:
    source = header.clean(with_raw(PatientSex=raw.encode()))
    assert source.attributes.PatientSex == sex
    assert bool(source.notes) == (raw != sex)


@pytest.mark.parametrize(
    ("terms", "name", "expected", "written_as"),
    [
        (b"ISO_IR 100", "Müller".encode("latin-1"), "Müller", "ISO_IR 100"),
        (b"ISO-IR 100", "Müller".encode("latin-1"), "Müller", "ISO_IR 100"),
        (b"ISO_IR 192", "Müller".encode("latin-1"), "Müller", "ISO_IR 192"),
        (b"", "Müller".encode("latin-1"), "Müller", "ISO_IR 192"),
        (b"", "Müller".encode(), "Müller", "ISO_IR 192"),
        (b"ISO_IR 126", "Mÿller".encode("latin-1"), "Mÿller", "ISO_IR 192"),
        (b"KLINGON", "Müller".encode(), "Müller", "ISO_IR 192"),
        (b"ISO_IR 192\\ISO_IR 100", "Müller".encode(), "Müller", "ISO_IR 192"),
        (b"", b"Miller", "Miller", None),
    ],
)
def test_character_sets_are_put_right(
    terms: bytes, name: bytes, expected: str, written_as: str | None
) -> None:
    raw = with_raw(SpecificCharacterSet=terms, PatientName=name)
    source = header.clean(raw)
    assert str(source.attributes.PatientName) == expected
    assert source.attributes.get("SpecificCharacterSet") == written_as
    untouched = terms == b"ISO_IR 100" or written_as is None
    assert bool(source.notes) == (not untouched)
    again = dcmread_bytes(encode(report_of(NOTHING, by_uid(raw))))
    assert str(again.PatientName) == expected


def dcmread_bytes(data: bytes) -> Dataset:
    return dcmread(BytesIO(data))


def test_changes_are_noted_in_the_report_without_the_value() -> None:
    header_ = with_raw(PatientBirthDate=b"1960.1.1", PatientName=b"A" * 70)
    text = str(said(report_of(NOTHING, by_uid(header_))))
    assert "Patient's Birth Date of the source was not written as YYYYMMDD" in text
    assert "Patient's Name of the source was no valid person name; it was cut" in text
    assert "1960.1.1" not in text


def test_the_time_zone_of_the_source_is_kept_and_used() -> None:
    report = report_of(NOTHING, by_uid(with_raw(TimezoneOffsetFromUTC=b"+0530"))).dataset
    assert report.TimezoneOffsetFromUTC == "+0530"
    assert (report.ContentDate, report.ContentTime) == ("20260304", "103607")
    wrong = header.clean(with_raw(TimezoneOffsetFromUTC=b"CET"))
    assert "TimezoneOffsetFromUTC" not in wrong.attributes
    assert wrong.notes


@pytest.fixture
def eastern(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in New York, five hours behind UTC in March before the 8th."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("eastern")
def test_without_a_time_zone_of_the_source_times_are_local() -> None:
    report = report_of(NOTHING, by_uid(blank_header())).dataset
    assert "TimezoneOffsetFromUTC" not in report
    for name in ("InstanceCreation", "Series", "Content"):
        told = (report[f"{name}Date"].value, report[f"{name}Time"].value)
        assert told == ("20260304", "000607")


@pytest.mark.parametrize(
    ("keyword", "raw"),
    [
        ("PatientID", b"HOSP\\00012345"),
        ("PatientID", b"A" * 70),
        ("PatientID", b"12\x0134"),
        ("IssuerOfPatientID", b"B" * 65),
        ("AccessionNumber", b"US-2024-000123456789"),
        ("StudyID", b"12345678901234567890"),
    ],
)
def test_an_identifier_is_never_made_into_another_one(keyword: str, raw: bytes) -> None:
    """Of a malformed Patient ID the first half, or a part, may be somebody else's."""
    report = report_of(NOTHING, by_uid(with_raw(**{keyword: raw + b" " * (len(raw) % 2)})))
    tag = Tag(tag_for_keyword(keyword))
    assert dcmread_bytes(encode(report)).get_item(tag).value.rstrip() == raw
    (change,) = (
        value for name, value in said(report) if name == "Change made to the source header"
    )
    assert change.endswith("it was kept as received.")
    assert raw.decode()[:6] not in change


def test_padding_is_no_part_of_an_identifier() -> None:
    source = header.clean(with_raw(PatientID=b" 4711\0", AccessionNumber=b"US1 "))
    assert (source.attributes.PatientID, source.attributes.AccessionNumber) == ("4711", "US1")
    assert source.notes == ()


def test_the_source_is_not_changed() -> None:
    source = header_of("ExplVR_BigEnd.dcm")
    headers = by_uid(source)
    before = {tag: source.get_item(tag) for tag in source.keys()}  # noqa: SIM118
    report_of(NOTHING, headers)
    assert {tag: source.get_item(tag) for tag in source.keys()} == before  # noqa: SIM118


def odd_text(longest: int) -> st.SearchStrategy[bytes]:
    return st.one_of(
        st.text(max_size=longest).map(lambda text: text.encode("utf-8", "ignore")),
        st.binary(max_size=longest),
        st.sampled_from([b"", b"\\", b"^", b"===", b"\x1b$B", b"\x1b)I\xb1", b"0.0.0", b"-0000"]),
    )


def odd_headers(
    longest: int, keywords: Iterable[str] = KEYWORDS
) -> st.SearchStrategy[dict[str, bytes]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keywords, odd_text(longest)))


odd_terms = st.lists(
    st.sampled_from(
        b"|ISO_IR 100|ISO 2022 IR 87|ISO 2022 IR 149|ISO_IR 13|ISO_IR 192|GB18030|ISO 2022 58|"
        b"iso_ir_6|ISO 2022 IR 159|nonsense|\xff".split(b"|")
    ),
    max_size=3,
).map(b"\\".join)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(attributes=odd_headers(90), terms=odd_terms)
def test_no_header_stops_the_report(attributes: dict[str, bytes], terms: bytes) -> None:
    """The suite turns warnings into errors: neither writing nor reading back may warn.

    But for one: pydicom counts bytes where PS3.5 6.2 counts characters.
    """
    source = with_raw(**{"SpecificCharacterSet": terms, **attributes})
    again = dcmread_bytes(encode(report_of(NOTHING, by_uid(source))))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The value length")
        cleaned = {keyword: str(again[keyword].value or "") for keyword in header.TYPE_2}
    kept = {keyword: cleaned.pop(keyword) for keyword in header.IDENTIFIERS & set(cleaned)}
    for keyword, value in cleaned.items():
        assert values.clean(dictionary_VR(keyword), value) == (value, "")
    for keyword, value in kept.items():
        assert value == str(header.clean(source).attributes[keyword].value or "")


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    attributes=odd_headers(4, (word for word in KEYWORDS if word not in header.IDENTIFIERS)),
    terms=odd_terms,
)
def test_odd_headers_still_make_valid_reports(
    tmp_path_factory: pytest.TempPathFactory, attributes: dict[str, bytes], terms: bytes
) -> None:
    """Of short texts, for dciodvfy counts bytes too; but for identifiers, which stay odd."""
    source = with_raw(**{"SpecificCharacterSet": terms, **attributes})
    folder = tmp_path_factory.mktemp("odd")
    assert dciodvfy(write(report_of(NOTHING, by_uid(source)), folder)) == []
