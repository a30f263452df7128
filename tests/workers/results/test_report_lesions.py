"""What the report says of lesions: suspected, found or pointed at, and of the search for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.workers.results.pieces import JOINT_MODEL
from tests.workers.results.studies import (
    blank_header,
    by_uid,
    findings_of,
    found_of,
    frame_of,
    prompted_of,
    report_of,
)
from tests.workers.results.tools import (
    dciodvfy,
    groups_of,
    items,
    lines_of,
    name_of,
    said,
    value_of,
    write,
)
from workers.findings import Bounded, Diameters, FrameReading, StudyFindings
from workers.results import ResultObject, codes
from workers.results.identity import weights_uid

HEADER = blank_header(Rows=480, Columns=640)
FRAME = frame_of(HEADER)
WINDOW = (0, 0, 640, 480)
WHOLE = [0, 0, 640, 0, 640, 480, 0, 480, 0, 0]
DIAMETERS = Diameters(((10.0, 10.0), (40.0, 50.0)), ((20.0, 20.0), (44.0, 27.0)))


def report(findings: StudyFindings) -> ResultObject:
    return report_of(findings, by_uid(HEADER))


def test_a_calibrated_lesion_is_measured_in_millimetres() -> None:
    diameters = replace(DIAMETERS, long_mm=23.45, short_mm=11.0)
    lines = said(report(findings_of([FRAME], WINDOW, diameters=diameters)))
    assert ("Long axis", "23.4 mm") in lines
    assert ("Short axis", "11 mm") in lines
    assert not any(unit.endswith("{pixels}") for name, unit in lines if "axis" in name)


def test_an_uncalibrated_lesion_is_measured_in_pixels_and_the_report_says_so() -> None:
    lines = said(report(findings_of([FRAME], WINDOW, diameters=DIAMETERS)))
    assert ("Long axis", "50 {pixels}") in lines
    assert ("Short axis", "25 {pixels}") in lines
    assert ("Length unit", "Pixels: the image has no usable calibration") in lines
    assert not any(value.endswith(" mm") for _, value in lines)


def test_a_lesion_without_diameters_has_no_length() -> None:
    lines = said(report(findings_of([FRAME], WINDOW)))
    assert not any("axis" in name or value.endswith(" mm") for name, value in lines)
    assert ("Lesion size not answered", "No model on this node outlines the lesion") in lines


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        ("attention", "Region the model attended to, not the border of the lesion"),
        ("segmentation", "Border of the lesion as segmented by the model"),
    ],
)
def test_the_report_says_what_the_outline_means(kind: str, meaning: str) -> None:
    lines = said(report(findings_of([FRAME], WINDOW, outline_kind=kind)))
    assert ("Meaning of the outline", meaning) in lines


def test_a_lesion_without_outline_still_has_its_group(tmp_path: Path) -> None:
    findings = findings_of([FRAME], WINDOW)
    lesion = replace(findings.lesions[0], outline=((1.0, 1.0), (2.0, 2.0)))
    result = report(replace(findings, lesions=(lesion,)))
    assert ("Tracking Identifier", "Lesion 1") in said(result)
    group, *_ = (item for item in items(result.dataset) if name_of(item) == "Measurement Group")
    (region,) = (item for item in items(group) if item.ValueType == "SCOORD")
    assert list(region.GraphicData) == WHOLE
    assert dciodvfy(write(result, tmp_path)) == []


def test_an_outline_stays_inside_its_image() -> None:
    findings = findings_of([FRAME], WINDOW)
    lesion = replace(findings.lesions[0], outline=((-5.0, 20.0), (700.0, 20.0), (300.0, 500.0)))
    result = report(replace(findings, lesions=(lesion,)))
    region, *others = (item for item in items(result.dataset) if item.ValueType == "SCOORD")
    assert list(region.GraphicData) == [0, 20, 640, 20, 300, 480, 0, 20]
    assert {tuple(other.GraphicData) for other in others} == {tuple(WHOLE)}


def test_every_group_has_coordinates_and_one_without_an_outline_all_of_its_frames() -> None:
    """OHIF 3.13 shows nothing of a report in which one group has none."""
    loop = blank_header(instance=2, Rows=480, Columns=640, NumberOfFrames=9)
    frames = [frame_of(loop, 3), frame_of(loop, 9), FRAME]
    result = report_of(found_of(*frames, shape=(480, 640)), by_uid(HEADER, loop))
    groups = [item for item in items(result.dataset) if name_of(item) == "Measurement Group"]
    assert all(any(one.ValueType == "SCOORD" for one in items(group)) for group in groups)
    (fat,) = (group for group in groups if ("Tracking Identifier", "Liver fat") in lines_of(group))
    regions = [one for one in items(fat) if one.ValueType == "SCOORD"]
    assert all(list(region.GraphicData) == WHOLE for region in regions)
    named = [region.ContentSequence[0].ReferencedSOPSequence[0] for region in regions]
    assert [(one.ReferencedSOPInstanceUID, one.get("ReferencedFrameNumber")) for one in named] == [
        (loop.SOPInstanceUID, 3),
        (loop.SOPInstanceUID, 9),
        (HEADER.SOPInstanceUID, None),
    ]


def test_a_frame_of_unknown_size_gives_no_coordinates(tmp_path: Path) -> None:
    header = blank_header()
    result = report_of(findings_of([frame_of(header)], WINDOW), by_uid(header))
    groups = [item for item in items(result.dataset) if name_of(item) == "Measurement Group"]
    bare = [g for g in groups if not any(one.ValueType == "SCOORD" for one in items(g))]
    assert len(bare) == len(groups) - 1  # the lesion has its outline
    assert dciodvfy(write(result, tmp_path)) == []


def unsuspected(findings: StudyFindings) -> StudyFindings:
    """The same, where the detector suspects nothing."""
    readings = (FrameReading(FRAME, {"lesion": 0.2}),)
    return replace(findings, lesions=(), readings=readings)


def test_no_lesion_is_a_finding_of_its_own() -> None:
    lines = said(report(unsuspected(findings_of([FRAME], WINDOW))))
    assert ("Result of the lesion search", "No lesion at or above the decision threshold") in lines
    assert ("Certainty of Finding", "20 %") in lines
    assert ("Threshold Value", "50 %") in lines
    assert ("Finding", "Lesion") not in lines


def test_a_probability_says_its_condition_and_its_threshold() -> None:
    result = report(findings_of([FRAME], WINDOW))
    group = next(i for i in items(result.dataset) if name_of(i) == "Measurement Group")
    told = {
        name_of(one): [(name_of(i), value_of(i)) for i in items(one)]
        for one in group.ContentSequence
        if one.ValueType == "NUM"
    }
    assert told["Certainty of Finding"] == [("Threshold Value", "50 %")]
    assert told["Probability of cancer"] == [
        ("Condition of the probability", "if it is a lesion"),
        ("Threshold Value", "51.9 %"),
    ]


def test_a_probability_says_the_interval_of_its_calibration() -> None:
    findings = findings_of([FRAME], WINDOW)
    bounds = {"malignant": Bounded(0.7125, 0.6205, 0.79)}
    lesion = replace(findings.lesions[0], bounds=bounds)
    result = report(replace(findings, lesions=(lesion,)))
    group = next(i for i in items(result.dataset) if name_of(i) == "Measurement Group")
    told = {
        name_of(one): [(name_of(i), value_of(i)) for i in items(one)]
        for one in group.ContentSequence
        if one.ValueType == "NUM"
    }
    assert told["Certainty of Finding"] == [("Threshold Value", "50 %")]
    above, below, meaning = told["Probability of cancer"][2:]
    assert above == ("+, range of upper measurement uncertainty", "7.8 %")
    assert below == ("-, range of lower measurement uncertainty", "9.2 %")
    assert meaning[0] == "Meaning of the interval"
    assert meaning[1].startswith("95 % interval of the calibration")


def test_no_rounding_contradicts_the_result_of_the_search() -> None:
    findings = replace(
        findings_of([FRAME], WINDOW),
        lesions=(),
        readings=(FrameReading(FRAME, {"lesion": 0.55876}),),
        thresholds={"lesion": 0.5588},
    )
    lines = said(report(findings))
    assert ("Result of the lesion search", "No lesion at or above the decision threshold") in lines
    at = lines.index(("Certainty of Finding", "55.876 %"))
    assert ("Threshold Value", "55.88 %") in lines[at:]


def test_a_class_without_a_code_keeps_the_models_word() -> None:
    findings = findings_of([FRAME], WINDOW)
    lesion = replace(findings.lesions[0], probabilities={"lesion": 0.9, "echinococcus": 0.25})
    lines = said(report(replace(findings, lesions=(lesion,))))
    at = lines.index(("Probability of a class of the model", "25 %"))
    assert lines[at + 1] == ("Name of the class", "echinococcus")


def test_a_prompted_lesion_has_a_group_that_says_who_gave_the_place() -> None:
    result = report(prompted_of(FRAME, (480, 640)))
    groups = [i for i in items(result.dataset) if name_of(i) == "Measurement Group"]
    lines = [(name_of(i), value_of(i)) for i in items(groups[0])]
    for line in (
        ("Tracking Identifier", "prompt 5"),
        ("Algorithm Name", "lesion-joint"),
        ("Algorithm Version", "1.0.0"),
        ("Algorithm Parameters", f"Device UID {weights_uid(JOINT_MODEL.digest)}"),
        ("Long axis", "42.2 mm"),
        ("Short axis", "31 mm"),
        ("Area", "1030 mm2"),
        ("Probability of cancer", "81.2 %"),
        ("Condition of the probability", "if it is a lesion"),
        ("Meaning of the outline", "Border of the lesion as segmented by the model"),
        ("Who gave the place", "An operator drew a box; no model judges if it is a lesion"),
        (
            "What the operator gave, in pixels of the source frame",
            "box from 224, 168 to 416, 312",
        ),
        ("Review status", "AI result, not reviewed by a physician"),
        ("Validation status of the model", "cross-validated on public data"),
    ):
        assert line in lines
    assert "Threshold Value" not in dict(lines), "it is the detector's, not this model's"
    names = [item.ManufacturerModelName for item in result.dataset.ContributingEquipmentSequence]
    assert names == [
        *("lesion-attention", "fat-multiview", "lesion-joint"),
        *("lesion-dcnn-us", "lesion-roi"),
    ]


def test_what_each_further_model_says_of_a_region_stands_under_its_own_name() -> None:
    groups = [
        item
        for item in items(report(prompted_of(FRAME, (480, 640))).dataset)
        if name_of(item) == "Measurement Group"
    ]
    numbers = [item for item in groups[0].ContentSequence if item.ValueType == "NUM"]
    told = [
        (name_of(item), value_of(item), {name_of(one): value_of(one) for one in items(item)})
        for item in numbers
        if "Probability" in name_of(item)
    ]
    joint, dcnn_us, benign, malignant, none = told
    assert joint[:2] == ("Probability of cancer", "81.2 %")
    assert "Algorithm Name" not in joint[2], "the group's"
    assert dcnn_us[:2] == ("Probability of cancer", "70.3 %")
    assert dcnn_us[2]["Algorithm Name"] == "lesion-dcnn-us"
    assert dcnn_us[2]["Condition of the probability"].startswith("if it is a lesion; read in")
    assert dcnn_us[2]["Validation status of the model"] == "cross-validated on public data"
    assert (benign[0], malignant[0]) == ("Probability of benign lesion", "Probability of cancer")
    assert {benign[2]["Algorithm Name"], malignant[2]["Algorithm Name"]} == {"lesion-roi"}
    assert malignant[2]["Validation figures of the model"] == "accuracy 0.75"
    assert none[:2] == ("Probability of a class of the model", "6.2 %")
    assert none[2]["Name of the class"] == "none"
    assert none[2]["Model that gives this probability"] == "lesion-roi 2.1.0"


def test_a_found_lesion_has_a_group_with_its_size_and_who_measured_it() -> None:
    loop = blank_header(instance=2, Rows=480, Columns=640, NumberOfFrames=20)
    frames = [frame_of(loop, number) for number in (4, 6, 9)]
    result = report_of(found_of(*frames, shape=(480, 640)), by_uid(loop))
    group = groups_of(result)["lesion 1"]
    for line in (
        ("Algorithm Name", "lesion-attention"),
        ("Certainty of Finding", "93.4 %"),
        ("Long axis", "42.2 mm"),
        ("Short axis", "31 mm"),
        ("Area", "1030 mm2"),
        ("Meaning of the outline", "Border of the lesion as segmented by the model"),
        ("Model that drew the outline", "lesion-joint 1.0.0"),
        ("Who gave the place", "A model's map of masses gave the box; no operator pointed"),
        (
            "Box that the model gave, in pixels of the source frame",
            "box from 96, 180 to 224, 300 by fan-liver 1.0.0, mean probability of a mass in it 62%",
        ),
        ("Frames in which the lesion was outlined", "4, 6, 9 of 20"),
    ):
        assert line in group
    assert ("Frames in which the lesion was outlined", "4 of 20") in groups_of(result)["lesion 2"]
    assert not any("An operator drew" in value or "clicked" in value for _, value in group)
    measured = [i for i in items(result.dataset) if name_of(i) in ("Long axis", "Area")]
    for one in measured:
        assert ("Algorithm Name", "lesion-joint") in [(name_of(i), value_of(i)) for i in items(one)]
    names = [item.ManufacturerModelName for item in result.dataset.ContributingEquipmentSequence]
    assert names == [
        *("lesion-attention", "fat-multiview", "fan-liver", "lesion-joint"),
        *("lesion-dcnn-us", "lesion-roi"),
    ]


def test_each_model_says_for_itself_how_likely_a_found_lesion_is_malignant() -> None:
    result = report(found_of(FRAME, shape=(480, 640)))
    group = next(i for i in items(result.dataset) if name_of(i) == "Measurement Group")
    told = [
        (value_of(item), {name_of(one): value_of(one) for one in items(item)})
        for item in group.ContentSequence
        if name_of(item) == "Probability of cancer"
    ]
    assert [value for value, _ in told] == ["71.2 %", "81.2 %", "70.3 %", "68.8 %"]
    detector, joint, *_ = (under for _, under in told)
    assert "Algorithm Name" not in detector, "the group's"
    assert detector["Threshold Value"] == "51.9 %"
    assert joint["Algorithm Name"] == "lesion-joint"
    assert "Threshold Value" not in joint, "it is the detector's"
    assert joint["Validation status of the model"] == JOINT_MODEL.validation_status


def test_a_prompted_lesion_is_no_result_of_the_lesion_search() -> None:
    lines = said(report(unsuspected(prompted_of(FRAME, (480, 640)))))
    assert ("Result of the lesion search", "No lesion at or above the decision threshold") in lines
    assert ("Tracking Identifier", "prompt 5") in lines


def test_a_prompted_lesion_without_calibration_is_measured_in_pixels() -> None:
    lines = said(report(prompted_of(FRAME, (480, 640), kind="point", calibrated=False)))
    assert ("Long axis", "160 {pixels}") in lines
    assert ("Short axis", "120 {pixels}") in lines
    assert ("Length unit", "Pixels: the image has no usable calibration") in lines
    assert any(name == "Area" and unit.endswith("{pixels}") for name, unit in lines)
    assert ("Who gave the place", codes.PLACE_BY_CLICKS.meaning) in lines
    assert (
        "What the operator gave, in pixels of the source frame",
        "click at 320, 240",
    ) in lines
