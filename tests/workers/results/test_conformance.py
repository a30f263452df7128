"""Whatever the source, others accept what we write: dicom3tools, DCMTK, highdicom, pydicom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from highdicom.sr import Comprehensive3DSR
from pydicom import Dataset
from pydicom.uid import UltrasoundMultiFrameImageStorage

from node.identity import is_own
from node.settings import Destination, ResultKind
from tests.workers.results.studies import (
    CONTEXT,
    LATER,
    NOTHING,
    blank_header,
    by_uid,
    findings_of,
    found_of,
    frame_of,
    header_of,
    paired_of,
    pixels_of,
    prompted_of,
    report_of,
    results_of_file,
    whole_set,
)
from tests.workers.results.tools import dciodvfy, dsrdump, read_back, said, write
from workers.results import BUILDERS, build, encode
from workers.results.header import TYPE_2

RGB = "examples_rgb_color.dcm"
BLACK = np.zeros((240, 320, 3), np.uint8)
SOURCES = {
    "colour, single frame": "US1_UNCR.dcm",
    "colour, multi-frame, lossy": "examples_ybr_color.dcm",
    "grey": "JPGLosslessP14SV1_1s_1f_8b.dcm",
    "palette": "OBXXXX1A.dcm",
    "palette, 16 bits, big endian": "gdcm-US-ALOKA-16_big.dcm",
}
JAPANESE = "Yamada^Tarou=山田^太郎=やまだ^たろう"
CHARACTER_SETS = {
    "Japanese": (["", "ISO 2022 IR 87"], JAPANESE),
    "UTF-8": ("ISO_IR 192", "Παπαδόπουλος^Γιώργος"),
    "Greek": ("ISO_IR 126", "Παπαδόπουλος^Γιώργος"),
    "Korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    "Chinese": ("GB18030", "Wang^XiaoDong=王^小东"),
}


@pytest.mark.parametrize("name", SOURCES.values(), ids=SOURCES.keys())
def test_dicom3tools_finds_no_error_in_any_kind(name: str, tmp_path: Path) -> None:
    header = header_of(name)
    numbers = (1, 2) if header.get("NumberOfFrames", 1) > 1 else (1,)
    results = whole_set(header, pixels_of(name), *numbers)
    assert list(dict.fromkeys(one.kind for one in results)) == list(BUILDERS)
    for result in results:
        assert dciodvfy(write(result, tmp_path)) == [], result.kind


@pytest.mark.parametrize("name", SOURCES.values(), ids=SOURCES.keys())
def test_dicom3tools_finds_no_error_where_the_detector_only_looked(
    name: str, tmp_path: Path
) -> None:
    for result in results_of_file(name, LATER):
        assert dciodvfy(write(result, tmp_path)) == []


@pytest.mark.parametrize("kind", ["box", "point"])
@pytest.mark.parametrize("name", ["US1_UNCR.dcm", "examples_ybr_color.dcm"])
def test_dicom3tools_finds_no_error_in_what_is_said_at_a_prompt(
    name: str, kind: str, tmp_path: Path
) -> None:
    header, pixels = header_of(name), pixels_of(name)
    for calibrated in (True, False):
        shape = (pixels.shape[0], pixels.shape[1])
        findings = prompted_of(frame_of(header), shape, kind=kind, calibrated=calibrated)
        for result in build(LATER, findings, by_uid(header), lambda _: pixels):
            assert dciodvfy(write(result, tmp_path)) == []


@pytest.mark.parametrize("name", ["US1_UNCR.dcm", "examples_ybr_color.dcm"])
def test_dicom3tools_finds_no_error_in_what_was_found(name: str, tmp_path: Path) -> None:
    header, pixels = header_of(name), pixels_of(name)
    frames = [frame_of(header, number) for number in (1, 2)]
    for calibrated in (True, False):
        shape = (pixels.shape[0], pixels.shape[1])
        findings = found_of(*frames, shape=shape, calibrated=calibrated)
        for result in build(LATER, findings, by_uid(header), lambda _: pixels):
            assert dciodvfy(write(result, tmp_path)) == []


@pytest.mark.parametrize("name", ["US1_UNCR.dcm", "examples_ybr_color.dcm"])
def test_dicom3tools_finds_no_error_in_a_hepatorenal_index(name: str, tmp_path: Path) -> None:
    header, pixels = header_of(name), pixels_of(name)
    frames = [frame_of(header, number) for number in (1, 2)]
    for findings in (
        paired_of(*frames),
        paired_of(frames[0], calibrated=False),
        paired_of(frames[0], known=False),
    ):
        for result in build(LATER, findings, by_uid(header), lambda _: pixels):
            assert dciodvfy(write(result, tmp_path)) == []


@pytest.mark.parametrize("name", ["color-pl.dcm", "ExplVR_BigEnd.dcm"])
def test_an_invalid_source_adds_no_error_of_ours(name: str, tmp_path: Path) -> None:
    """Malformed dates, no Patient ID, UIDs of no registered root; only the UIDs must stay."""
    for result in results_of_file(name):
        errors = dciodvfy(write(result, tmp_path))
        assert [error for error in errors if '"999.999.' not in error] == []


@pytest.mark.parametrize(("terms", "name"), CHARACTER_SETS.values(), ids=CHARACTER_SETS.keys())
def test_names_keep_their_character_set(terms: str | list[str], name: str, tmp_path: Path) -> None:
    header = blank_header(SpecificCharacterSet=terms, PatientName=name, PatientID="7")
    results = whole_set(header, BLACK)
    assert {one.kind for one in results} == set(BUILDERS)
    for result in results:
        assert dciodvfy(write(result, tmp_path)) == [], result.kind
        again = read_back(result, tmp_path)
        assert str(again.PatientName) == name
        assert list(again["SpecificCharacterSet"].value or [""]) == list(terms)
    (report,) = (one for one in results if one.kind == "report")
    assert "Change made to the source header" not in dsrdump(write(report, tmp_path))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {
            "SOPClassUID": UltrasoundMultiFrameImageStorage,
            "PhotometricInterpretation": "MONOCHROME2",
            "NumberOfFrames": 30,
        },
    ],
    ids=["still", "grey loop"],
)
def test_a_source_with_nothing_but_uids_is_enough_for_every_kind(
    attributes: dict[str, object], tmp_path: Path
) -> None:
    results = whole_set(blank_header(**attributes), BLACK)
    assert {one.kind for one in results} == set(BUILDERS)
    for result in results:
        assert dciodvfy(write(result, tmp_path)) == [], result.kind


def test_a_study_without_anything_to_analyse_gets_a_valid_report(tmp_path: Path) -> None:
    report = report_of(NOTHING, by_uid(blank_header()))
    assert dciodvfy(write(report, tmp_path)) == []
    assert "Qualitative Evaluations" in dsrdump(write(report, tmp_path))


@pytest.mark.parametrize(
    "sop_class",
    ["1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.3", "1.2.840.113543.6.6.1.3.10002"],
    ids=["retired", "retired multi-frame", "private"],
)
def test_sources_of_retired_and_private_classes_are_reported_on(
    sop_class: str, tmp_path: Path
) -> None:
    results = whole_set(blank_header(SOPClassUID=sop_class, Rows=240, Columns=320), BLACK)
    assert {one.kind for one in results} == set(BUILDERS)
    for result in results:
        assert dciodvfy(write(result, tmp_path)) == [], result.kind
        assert (sop_class.encode() in encode(result)) == (result.kind != "rejection")


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_uids_with_leading_zeros_are_referenced_as_received(tmp_path: Path) -> None:
    header = blank_header(
        StudyInstanceUID="1.2.03", SeriesInstanceUID="1.2.03.1", SOPInstanceUID="1.2.03.1.01"
    )
    report = report_of(findings_of([frame_of(header)], (0, 0, 320, 240)), by_uid(header))
    again = read_back(report, tmp_path)
    assert again.StudyInstanceUID == "1.2.03"
    (study,) = again.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == "1.2.03.1"
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.03.1.01"
    note = "Study Instance UID of the source has leading zeros; it was kept as received."
    assert ("Change made to the source header", note) in said(report)
    errors = dciodvfy(write(report, tmp_path))
    of_values = "Error - Dicom dataset contains invalid data values for Value Representations"
    assert [error for error in errors if "1.2.03" not in error and error != of_values] == []


def test_every_object_names_its_own_maker() -> None:
    for result in whole_set(header_of(RGB), pixels_of(RGB)):
        assert is_own(result.dataset)
        assert {element.keyword for element in result.dataset} >= set(TYPE_2)


def test_the_same_key_gives_the_same_bytes() -> None:
    header, pixels = header_of(RGB), pixels_of(RGB)
    first = [encode(r) for r in whole_set(header, pixels)]
    assert [encode(r) for r in whole_set(header, pixels)] == first
    newer = replace(LATER, result_key="70" * 32, version=3)
    other = [encode(r) for r in whole_set(header, pixels, context=newer)]
    assert not set(first) & set(other)


def test_kinds_come_in_the_order_of_delivery_each_in_series_of_its_own() -> None:
    results = whole_set(header_of(RGB), pixels_of(RGB))
    kinds = [one.kind for one in results]
    assert kinds == sorted(kinds, key=list(BUILDERS).index)
    assert (kinds[0], kinds[-2:]) == ("heatmap", ["report", "rejection"])
    series = {(one.kind, one.series_instance_uid, one.dataset.SeriesNumber) for one in results}
    for place in (1, 2):
        assert len({one[place] for one in series}) == len(series)
    assert len({one.sop_instance_uid for one in results}) == len(results)
    for one in results:
        said = one.dataset
        assert (said.SOPInstanceUID, said.SOPClassUID, said.SeriesInstanceUID) == (
            one.sop_instance_uid,
            one.sop_class_uid,
            one.series_instance_uid,
        )
        assert said.StudyInstanceUID == header_of(RGB).StudyInstanceUID


def test_a_destination_can_be_given_each_kind_and_the_new_ones_only_on_request() -> None:
    assert get_args(ResultKind) == tuple(BUILDERS)
    given = Destination(name="pacs", ae_title="PACS", host="pacs", port=104).kinds
    assert given == ("heatmap", "segmentation", "summary", "report")


def test_a_first_version_rejects_nothing_and_a_study_without_findings_selects_nothing() -> None:
    first = whole_set(header_of(RGB), pixels_of(RGB), context=CONTEXT)
    assert {one.kind for one in first} == set(BUILDERS) - {"rejection"}
    nothing = build(CONTEXT, NOTHING, by_uid(blank_header()), lambda _: BLACK)
    assert [one.kind for one in nothing] == ["summary", "document", "report"]


def test_no_line_of_the_log_names_the_patient(caplog: pytest.LogCaptureFixture) -> None:
    header = blank_header(PatientName="Zweistein^Albert", PatientID="geheim-77", Rows=9, Columns=9)
    frame = frame_of(header)
    pixels = pixels_of("examples_rgb_color.dcm")
    findings = findings_of([frame], (0, 0, 320, 240))
    with caplog.at_level("DEBUG"):
        for result in build(CONTEXT, findings, by_uid(header), lambda _: pixels):
            encode(result)
    assert "Zweistein" not in caplog.text
    assert "geheim" not in caplog.text


def test_highdicom_reads_the_report_back(tmp_path: Path) -> None:
    header = header_of("examples_ybr_color.dcm")
    findings = findings_of([frame_of(header, 12), frame_of(header, 20)], (10, 20, 310, 220))
    dataset: Dataset = read_back(report_of(findings, by_uid(header)), tmp_path)
    content = Comprehensive3DSR.from_dataset(dataset).content
    (lesion,) = content.get_planar_roi_measurement_groups()
    assert lesion.tracking_identifier == "Lesion 1"
    assert lesion.finding_type.meaning == "Lesion"
    assert [site.value.meaning for site in lesion.finding_sites] == ["Liver"]
    values = {m.name.meaning: (m.value, m.unit.value) for m in lesion.get_measurements()}
    assert values == {"Certainty of Finding": (93.4, "%"), "Probability of cancer": (71.2, "%")}
    outline = lesion.roi.value
    assert (outline[0] == outline[-1]).all()
    assert np.allclose(outline[:-1], findings.lesions[0].outline, atol=0.01)
    image = lesion.roi.ContentSequence[0].ReferencedSOPSequence[0]
    assert image.ReferencedSOPInstanceUID == header.SOPInstanceUID
    assert image.ReferencedFrameNumber == 12
    search, fat = content.get_image_measurement_groups()
    fat_values = {m.name.meaning: m.value for m in fat.get_measurements()}
    assert fat_values["Fat fraction"] == 12.3
    assert fat_values["Probability of liver fat fraction of 5 % or more"] == 91.3
    assert fat_values["Frames of unknown view"] == 1
    search_values = {m.name.meaning: m.value for m in search.get_measurements()}
    assert search_values["Certainty of Finding"] == 93.4
    assert search_values["Number of frames examined"] == 2
