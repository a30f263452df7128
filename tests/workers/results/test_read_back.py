"""highdicom reads from a report, value by value, the findings that it was made from."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from highdicom.sr import Comprehensive3DSR, Measurement, MeasurementReport
from pydicom import dcmread
from pydicom.sr.codedict import codes as standard
from pydicom.sr.coding import Code

from tests.workers.results.held import TERMS, Group, Number, images_of, lesion_of, others_of
from tests.workers.results.studies import (
    CONTEXT,
    blank_header,
    by_uid,
    found_of,
    frame_of,
    paired_of,
    report_of,
    whole_of,
)
from workers.findings import (
    Abstention,
    Bounded,
    Reason,
    StudyFindings,
)
from workers.results import codes, encode
from workers.results.identity import tracking_uid

SHAPE = (480, 640)
STILL = blank_header(Rows=480, Columns=640)
LOOP = blank_header(instance=2, Rows=480, Columns=640, NumberOfFrames=20)
FRAMES = (frame_of(LOOP, 4), frame_of(LOOP, 9), frame_of(STILL))
ALGORITHM = standard.DCM


def bounded(findings: StudyFindings) -> StudyFindings:
    """The same, where each probability of cancer has an interval, and with two abstentions."""

    def around(p: float) -> dict[str, Bounded]:
        return {"malignant": Bounded(p, p - 0.1234, p + 0.0567)}

    def told(lesion: Any) -> Any:
        readings = tuple(
            replace(one, bounds=around(one.probabilities["malignant"])) for one in lesion.readings
        )
        return replace(lesion, bounds=around(lesion.probabilities["malignant"]), readings=readings)

    return replace(
        findings,
        lesions=tuple(map(told, findings.lesions)),
        prompted=tuple(map(told, findings.prompted)),
        abstentions=(
            Abstention("lesion size", Reason.NOT_MEASURED),
            Abstention("fat from the hepatorenal index", Reason.BEYOND_FITTED, "index 2.1"),
        ),
    )


CASES = {
    "all": bounded(whole_of(*FRAMES, shape=SHAPE)),
    "found, no calibration": found_of(*FRAMES, shape=SHAPE, calibrated=False),
    "pairs": paired_of(*FRAMES),
    "a pair, no calibration and no fat": paired_of(FRAMES[0], calibrated=False, known=False),
}


@pytest.fixture(params=CASES)
def findings(request: pytest.FixtureRequest) -> StudyFindings:
    return CASES[request.param]


@pytest.fixture
def content(findings: StudyFindings) -> MeasurementReport:
    report = report_of(findings, by_uid(STILL, LOOP))
    read = Comprehensive3DSR.from_dataset(dcmread(BytesIO(encode(report)))).content
    assert isinstance(read, MeasurementReport)
    return read


def test_every_group_is_read_back(findings: StudyFindings, content: MeasurementReport) -> None:
    lesions, others = (
        [group_of(one) for one in found]
        for found in (
            content.get_planar_roi_measurement_groups(),
            content.get_image_measurement_groups(),
        )
    )
    assert lesions == [lesion_of(findings, one) for one in (*findings.prompted, *findings.lesions)]
    assert others == list(others_of(findings))


def test_a_group_has_the_uid_of_its_tracking_identifier(content: MeasurementReport) -> None:
    groups = [
        *content.get_planar_roi_measurement_groups(),
        *content.get_image_measurement_groups(),
    ]
    for group in groups:
        name = str(group.tracking_identifier)
        uids = {tracking_uid(CONTEXT.result_key, one) for one in (name, name.lower())}
        assert group.tracking_uid in uids


def test_the_image_library_is_read_back(
    findings: StudyFindings, content: MeasurementReport
) -> None:
    (library,) = content[0].ContentSequence.find(codes.IMAGE_LIBRARY)
    (group,) = library.ContentSequence.find(codes.IMAGE_LIBRARY_GROUP)
    entries = group.ContentSequence.find(codes.SOURCE)
    assert [image_of(entry) for entry in entries] == images_of(*findings.frames)
    for entry in entries:
        size = [under(entry, name) for name in (codes.PIXEL_ROWS, codes.PIXEL_COLUMNS)]
        assert size == [[rows] for rows in SHAPE]


def test_what_was_not_answered_and_not_analysed_is_read_back(
    findings: StudyFindings, content: MeasurementReport
) -> None:
    (told,) = content[0].ContentSequence.find(codes.QUALITATIVE_EVALUATIONS)
    assert [
        (one.name, one.value, under(one, codes.DETAIL))
        for one in told.ContentSequence
        if one.name in codes.SUBJECT.values()
    ] == [
        (codes.SUBJECT[one.subject], codes.REASON[one.reason], [one.detail] if one.detail else [])
        for one in findings.abstentions
    ]
    left = {
        one.value: (under(one, codes.INSTANCES_NOT_ANALYSED), under(one, codes.FRAMES_NOT_ANALYSED))
        for one in told.ContentSequence.find(codes.NOT_ANALYSED)
    }
    assert left == {
        codes.REASON[Reason.DOPPLER]: ([1], [2]),
        codes.REASON[Reason.NOT_AN_IMAGE]: ([1], []),
    }


def under(item: Any, name: Code) -> list[Any]:
    """The values of the children that have a name."""
    return [one.value for one in item.get("ContentSequence", ()) if one.name == name]


def image_of(item: Any) -> tuple[str, list[int]]:
    _, uid = item.value
    return str(uid), [int(one) for one in item.referenced_frame_numbers or ()]


def group_of(group: Any) -> Group:
    (item,) = group
    region = getattr(group, "roi", None)
    selected = item if region is None else region
    return Group(
        group.tracking_identifier,
        group.finding_type.meaning,
        algorithm_of(item),
        [image_of(one) for one in selected.ContentSequence if one.ValueType == "IMAGE"],
        [number_of(one) for one in group.get_measurements()],
        () if region is None else corners_of(region),
    )


def algorithm_of(item: Any) -> tuple[str, ...]:
    """Name, version and Device UID (TID 4019); of a further model's class, its name alone."""
    uids = [text for text in under(item, ALGORITHM.AlgorithmParameters) if "UID" in text]
    names = under(item, ALGORITHM.AlgorithmName), under(item, ALGORITHM.AlgorithmVersion)
    return (*names[0], *names[1], *uids)


def number_of(measurement: Measurement) -> Number:
    (item,) = measurement
    (named,) = under(item, codes.MODEL_NAME) or [" ".join(algorithm_of(item)[:2])]
    regions = measurement.referenced_coordinates if measurement.finding_sites else []
    (name,) = under(item, codes.CLASS_NAME) or [measurement.name.meaning]
    return Number(
        name,
        measurement.value,
        measurement.unit.value,
        named,
        measurement.derivation.meaning if measurement.derivation else "",
        "".join(one.value.meaning for one in measurement.finding_sites),
        tuple(corner for one in regions for corner in corners_of(one)),
        {term.meaning: value for term in TERMS for value in under(item, term)},
    )


def corners_of(region: Any) -> tuple[tuple[float, float], ...]:
    """Of a closed polyline, each once."""
    assert tuple(region.value[0]) == tuple(region.value[-1])
    return tuple((float(x), float(y)) for x, y in region.value[:-1])
