"""The patient and study that a result belongs to, as its source says them, but valid.

Modalities send dates such as 1960.1.1, character sets that do not exist and names of 200
characters. None of that may stop a report: each value is cleaned, what cannot be mended is left
empty, and every change is noted. A missing value stays missing: no Patient ID is invented. A
malformed identifier stays as it is: the result belongs where the PACS has filed its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom import config
from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from node.errors import ResultError
from workers import values
from workers.messages import say, spoken
from workers.results.charset import UTF_8, of_terms

TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
"""Present in every object, empty where the source has no value (PS3.3 C.7.1.1, C.7.2.1)."""

OPTIONAL = (
    "IssuerOfPatientID",
    "PatientBirthTime",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "EthnicGroup",
    "PatientComments",
    "StudyDescription",
    "AdditionalPatientHistory",
    "InstitutionName",
)

IDENTIFIERS = frozenset({"PatientID", "IssuerOfPatientID", "StudyID", "AccessionNumber"})
"""Written as received, be they too long or in several values; the report says so."""

_TEXT_VRS = frozenset({"PN", "SH", "LO", "ST", "LT", "UT"})


@dataclass(frozen=True)
class SourceHeader:
    """attributes : valid patient and study attributes, with character set and time zone.

    notes : a sentence for each value that had to be changed, without the value.
    """

    attributes: Dataset
    study_instance_uid: str
    notes: tuple[str, ...]


def read(header: Dataset, keyword: str) -> str:
    """The first value of ``keyword`` as clean text, '' where there is none: never raises."""
    return _Reader(header).value(keyword)


def clean(header: Dataset) -> SourceHeader:
    """The attributes that results share with the instance ``header`` belongs to.

    Raises ResultError when the header has no Study Instance UID: nobody could file the result.
    """
    reader = _Reader(header)
    study = reader.value("StudyInstanceUID")
    if not study:
        raise ResultError("an instance has no valid Study Instance UID: no result can be filed")
    cleaned = {keyword: reader.value(keyword) for keyword in (*TYPE_2, *OPTIONAL)}
    if cleaned["PatientSex"] not in ("", *values.SEX):
        reader.note("PatientSex", say("was neither M, F nor O; it was left empty"))
    cleaned["PatientSex"] = values.SEX.get(cleaned["PatientSex"], "")

    attributes = Dataset()
    if terms := reader.character_set_for(cleaned):
        attributes.SpecificCharacterSet = list(terms) if len(terms) > 1 else terms[0]
    offset = reader.value("TimezoneOffsetFromUTC")
    if values.is_utc_offset(offset):
        attributes.TimezoneOffsetFromUTC = offset
    elif offset:
        reader.note("TimezoneOffsetFromUTC", say("was no offset; it was left out"))
    attributes.StudyInstanceUID = study
    for keyword, value in cleaned.items():
        if value or keyword in TYPE_2:
            attributes[keyword] = DataElement(
                keyword, dictionary_VR(keyword), value, validation_mode=config.IGNORE
            )
    return SourceHeader(attributes, study, tuple(dict.fromkeys(reader.notes)))


class _Reader:
    """Reads one header's raw elements, so that pydicom need not accept their values."""

    def __init__(self, header: Dataset) -> None:
        self.header = header
        self.notes: list[str] = []
        terms = self._raw("SpecificCharacterSet").split("\\")
        self.charset, valid = of_terms(terms)
        if not valid:
            problem = say("named no known character set; it was put right")
            self.note("SpecificCharacterSet", problem)

    def note(self, keyword: str, problem: str) -> None:
        name = dictionary_description(keyword)
        self.notes.append(say("{name} of the source {problem}.", name=name, problem=problem))

    def value(self, keyword: str) -> str:
        read = values.as_received if keyword in IDENTIFIERS else values.clean
        result, problem = read(dictionary_VR(keyword), self._raw(keyword))
        if problem:
            self.note(keyword, problem)
        return result

    def character_set_for(self, cleaned: dict[str, str]) -> tuple[str, ...]:
        """The source's own terms, or UTF-8 when they cannot hold the texts, or ours."""
        if not spoken().ascii:
            return (UTF_8,)
        texts = (v for k, v in cleaned.items() if dictionary_VR(k) in _TEXT_VRS)
        if all(self.charset.can_write(text) for text in texts):
            return self.charset.terms
        self.note("SpecificCharacterSet", say("does not hold its own texts; UTF-8 was used"))
        return (UTF_8,)

    def _raw(self, keyword: str) -> str:
        tag = tag_for_keyword(keyword)
        element = None if tag is None else self.header.get_item(tag)
        if element is None or element.value is None:
            return ""
        if not isinstance(element.value, bytes):
            return "\\".join(str(part) for part in _parts(element.value))
        vr = dictionary_VR(keyword)
        if vr not in _TEXT_VRS:
            return element.value.decode("ascii", "replace")
        text, true = self.charset.decode(element.value, person_name=vr == "PN")
        if not true:
            self.note(keyword, say("is not in the character set that the source names"))
        return text


def _parts(value: object) -> Iterator[object]:
    """The values of an element; text and person names are iterable, but each is one value."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        yield from value
    else:
        yield value
