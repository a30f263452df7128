"""What the report says, and what it must not say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset

from node.errors import ResultError
from tests.workers.results.studies import (
    CONTEXT,
    FAT_MODEL,
    JOINT_MODEL,
    LATER,
    LESION_MODEL,
    NOTHING,
    blank_header,
    by_uid,
    findings_of,
    found_of,
    frame_of,
    paired_of,
    prompted_of,
    report_of,
)
from tests.workers.results.tools import dciodvfy, items, name_of, said, value_of, write
from workers.findings import (
    Abstention,
    Bounded,
    Diameters,
    Dropped,
    FrameReading,
    Reason,
    StudyFindings,
)
from workers.results import ResultObject, codes
from workers.results.envelope import contributing_equipment
from workers.results.identity import weights_uid

HEADER = blank_header(Rows=480, Columns=640)
FRAME = frame_of(HEADER)
WINDOW = (0, 0, 640, 480)
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
    assert not any(item.ValueType == "SCOORD" for item in items(result.dataset))
    assert dciodvfy(write(result, tmp_path)) == []


def test_an_outline_stays_inside_its_image() -> None:
    findings = findings_of([FRAME], WINDOW)
    lesion = replace(findings.lesions[0], outline=((-5.0, 20.0), (700.0, 20.0), (300.0, 500.0)))
    result = report(replace(findings, lesions=(lesion,)))
    (region,) = (item for item in items(result.dataset) if item.ValueType == "SCOORD")
    assert list(region.GraphicData) == [0, 20, 640, 20, 300, 480, 0, 20]


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


def test_a_value_that_is_no_number_is_left_out() -> None:
    findings = findings_of([FRAME], WINDOW)
    assert findings.fat is not None
    fat = replace(findings.fat, fat_percent=float("nan"))
    lines = said(report(replace(findings, fat=fat)))
    assert "Fat fraction" not in dict(lines)
    assert "Probability of liver fat fraction of 5 % or more" in dict(lines)


def test_frames_that_did_not_count_are_counted() -> None:
    findings = findings_of([FRAME], WINDOW)
    assert findings.fat is not None
    fat = replace(findings.fat, frames_not_counted=3)
    lines = said(report(replace(findings, fat=fat)))
    assert ("Frames of unknown view that did not count", "3 {frames}") in lines


def test_views_that_a_model_named_are_counted_and_only_there() -> None:
    findings = findings_of([FRAME], WINDOW)
    assert findings.fat is not None
    fat = replace(findings.fat, frames_of_named_view=2)
    lines = said(report(replace(findings, fat=fat, view_model=JOINT_MODEL)))
    assert ("Frames whose view a model named", "2 {frames}") in lines
    views = "hepatorenal, subcostal; a model named that of 2 of the frames"
    assert ("Image View", views) in lines
    assert "Frames whose view a model named" not in dict(said(report(findings)))


def test_the_model_that_names_views_is_among_the_equipment() -> None:
    findings = replace(findings_of([FRAME], WINDOW), view_model=JOINT_MODEL)
    devices = [one.DeviceUID for one in report(findings).dataset.ContributingEquipmentSequence]
    assert weights_uid(JOINT_MODEL.digest) in devices


def test_every_model_result_carries_its_standing() -> None:
    result = report(findings_of([FRAME], WINDOW))
    groups = [i for i in items(result.dataset) if name_of(i) == "Measurement Group"]
    assert len(groups) == 3
    for group, model in zip(groups, (LESION_MODEL, LESION_MODEL, FAT_MODEL), strict=True):
        lines = [(name_of(i), value_of(i)) for i in items(group)]
        assert ("Review status", "AI result, not reviewed by a physician") in lines
        assert ("Validation status of the model", model.validation_status) in lines
        assert ("Algorithm Name", model.name) in lines
        assert ("Algorithm Version", model.version) in lines
        assert ("Algorithm Parameters", f"Device UID {weights_uid(model.digest)}") in lines
    assert ("Validation figures of the model", LESION_MODEL.figures) in said(result)
    assert result.dataset.CompletionFlag == "COMPLETE"
    assert result.dataset.VerificationFlag == "UNVERIFIED"
    assert result.dataset.PreliminaryFlag == "PRELIMINARY"


def test_contributing_equipment_names_each_model_by_its_weights() -> None:
    equipment = report(findings_of([FRAME], WINDOW)).dataset.ContributingEquipmentSequence
    assert [item.ManufacturerModelName for item in equipment] == [LESION_MODEL.name, FAT_MODEL.name]
    assert equipment[0].DeviceUID == weights_uid(LESION_MODEL.digest)
    purpose = equipment[0].PurposeOfReferenceCodeSequence[0]
    assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("109102", "DCM")
    other = replace(LESION_MODEL, digest="ef" * 32)
    assert contributing_equipment([other])[0].DeviceUID != equipment[0].DeviceUID


def test_what_was_not_analysed_is_counted_by_reason() -> None:
    dropped = [
        *(Dropped("1.2.3.1.7", n, Reason.NOT_SAMPLED, f"detail {n}") for n in range(1, 41)),
        Dropped("1.2.3.1.8", 3, Reason.DOPPLER),
        Dropped("1.2.3.1.9", 1, Reason.DOPPLER),
        Dropped("1.2.3.1.10", None, Reason.UNREADABLE, "lies about its size"),
    ]
    lines = said(report(replace(NOTHING, dropped=tuple(dropped))))
    at = lines.index(("Not analysed", "Other frames of the same loop stand for it"))
    assert lines[at + 1] == ("Number of instances not analysed", "1 {instances}")
    assert lines[at + 2] == ("Number of frames not analysed", "40 {frames}")
    assert lines[at + 8] == ("Detail", "and 35 more")
    at = lines.index(("Not analysed", "Colour or spectral Doppler"))
    assert lines[at + 1] == ("Number of instances not analysed", "2 {instances}")
    assert ("Detail", "lies about its size") in lines


def test_abstentions_say_what_and_why() -> None:
    findings = replace(
        NOTHING,
        abstentions=(
            Abstention("study", Reason.NO_FRAMES, "2 instances, all Doppler"),
            Abstention("fat", Reason.MODEL_UNAVAILABLE),
            Abstention("fibrosis", Reason.MODEL_UNAVAILABLE),
        ),
    )
    lines = said(report(findings))
    at = lines.index(("Study not answered", "No frame of the study could be analysed"))
    assert lines[at + 1] == ("Detail", "2 instances, all Doppler")
    assert ("Liver fat not answered", "The model is not available on this node") in lines
    at = lines.index(("Question not answered", "The model is not available on this node"))
    assert lines[at + 1] == ("Detail", "fibrosis")


def test_a_study_of_only_reports_references_them(tmp_path: Path) -> None:
    sr = "1.2.840.10008.5.1.4.1.1.88.33"
    headers = by_uid(*(blank_header(2, n, SOPClassUID=sr) for n in (1, 2)))
    dropped = tuple(Dropped(uid, None, Reason.NOT_AN_IMAGE) for uid in headers)
    result = report_of(replace(NOTHING, dropped=dropped), headers)
    assert evidence_of(result) == set(headers)
    assert "Image Library" not in dict(said(result))
    assert dciodvfy(write(result, tmp_path)) == []


def test_own_results_are_no_evidence() -> None:
    own = report(findings_of([FRAME], WINDOW)).dataset
    result = report_of(NOTHING, by_uid(HEADER, own))
    assert evidence_of(result) == {HEADER.SOPInstanceUID}
    only_own = report_of(NOTHING, by_uid(own))
    assert evidence_of(only_own) == {own.SOPInstanceUID}


def evidence_of(result: ResultObject) -> set[str]:
    (study,) = result.dataset.CurrentRequestedProcedureEvidenceSequence
    return {
        reference.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    }


def test_a_truncated_header_does_not_speak_for_the_study() -> None:
    truncated = Dataset()
    truncated.SOPInstanceUID = "1.2.3.0.1"
    result = report_of(NOTHING, by_uid(truncated, HEADER))
    assert result.dataset.StudyInstanceUID == HEADER.StudyInstanceUID
    assert evidence_of(result) == {HEADER.SOPInstanceUID}


def test_sentences_of_the_analysis_are_printed() -> None:
    lines = said(report(replace(NOTHING, notes=("Two frames carry body markers.",))))
    assert ("Comment", "Two frames carry body markers.") in lines


def test_the_image_library_names_each_instance_with_its_frames() -> None:
    loop = blank_header(1, 2, NumberOfFrames=30, Rows=480, Columns=640)
    frames = [FRAME, frame_of(loop, 3), frame_of(loop, 17)]
    result = report_of(findings_of(frames, WINDOW), by_uid(HEADER, loop))
    (library,) = (i for i in result.dataset.ContentSequence if name_of(i) == "Image Library")
    still, cine = (i for i in items(library) if i.ValueType == "IMAGE")
    assert "ReferencedFrameNumber" not in still.ReferencedSOPSequence[0]
    assert list(cine.ReferencedSOPSequence[0].ReferencedFrameNumber) == [3, 17]


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


def groups_of(result: ResultObject) -> dict[str, list[tuple[str, str]]]:
    """By tracking identifier what each measurement group says."""
    groups = [i for i in items(result.dataset) if name_of(i) == "Measurement Group"]
    lines = [[(name_of(i), value_of(i)) for i in items(group)] for group in groups]
    return {dict(group)["Tracking Identifier"]: group for group in lines}


def test_a_hepatorenal_index_stands_before_the_simulated_estimate_with_its_own_validation() -> None:
    result = report(paired_of(FRAME, FRAME))
    groups = groups_of(result)
    assert list(groups)[-4:] == ["Hepatorenal index", "prompt 5", "prompt 6", "Liver fat"]
    for line in (
        ("Algorithm Name", "fat-hepatorenal"),
        ("Hepatorenal index", "1.312 1"),
        ("Derivation", "Median"),
        ("Number of pairs measured", "2 {pairs}"),
        ("Share of liver cells with fat, on the scale of biopsies", "16.2 %"),
        ("+, range of upper measurement uncertainty", "23.8 %"),
        ("-, range of lower measurement uncertainty", "13.1 %"),
        ("Probability of fat in 5 % of liver cells or more", "71 %"),
        ("Probability of fat in 10 % of liver cells or more", "55 %"),
        ("Who gave the place", "An operator pointed at both; no model judges what they show"),
        ("Validation status of the model", "cross-validated on public data"),
        (
            "Validation figures of the model",
            "fat against biopsy: Spearman correlation 0.74 (0.54 to 0.85)",
        ),
    ):
        assert line in groups["Hepatorenal index"]
    assert "Fat fraction" not in dict(groups["Hepatorenal index"]), "a biopsy counts cells"
    assert ("Fat fraction", "12.3 %") in groups["Liver fat"]
    assert ("Validation status of the model", "simulated data only") in groups["Liver fat"]
    names = [item.ManufacturerModelName for item in result.dataset.ContributingEquipmentSequence]
    assert names == ["lesion-attention", "fat-hepatorenal", "fat-multiview"]


def test_each_pair_has_a_group_with_both_regions_in_the_frame() -> None:
    loop = blank_header(instance=2, Rows=480, Columns=640, NumberOfFrames=20)
    result = report_of(paired_of(FRAME, frame_of(loop, 7)), by_uid(HEADER, loop))
    group = groups_of(result)["prompt 6"]
    for line in (
        ("Hepatorenal index", "1.375 1"),
        ("Mean echo level, 0 to 255", "110 1"),
        ("Mean echo level, 0 to 255", "80 1"),
        ("Finding Site", "Liver"),
        ("Finding Site", "Cortex of kidney"),
        ("Difference in depth, kidney below liver", "5 mm"),
        (
            "What the operator gave, in pixels of the source frame",
            "liver at 60, 80; kidney at 100, 90",
        ),
    ):
        assert line in group
    *_, liver, kidney = (i for i in items(result.dataset) if i.ValueType == "SCOORD")
    for region, corners in (
        (liver, [50, 70, 70, 70, 70, 90, 50, 90, 50, 70]),
        (kidney, [90, 80, 110, 80, 110, 100, 90, 100, 90, 80]),
    ):
        assert list(region.GraphicData) == corners
        reference = region.ContentSequence[0].ReferencedSOPSequence[0]
        assert reference.ReferencedSOPInstanceUID == loop.SOPInstanceUID
        assert reference.ReferencedFrameNumber == 7


def test_one_pair_is_no_median_and_without_calibration_its_depth_is_in_pixels() -> None:
    groups = groups_of(report(paired_of(FRAME, calibrated=False)))
    assert "Derivation" not in dict(groups["Hepatorenal index"])
    assert ("Difference in depth, kidney below liver", "10 {pixels}") in groups["prompt 5"]


def test_an_index_beyond_those_fitted_on_is_measured_without_any_fat() -> None:
    lines = dict(groups_of(report(paired_of(FRAME, known=False)))["Hepatorenal index"])
    assert lines["Hepatorenal index"] == "1.25 1"
    assert not any("fat" in name for name in lines if name != "Finding")


def test_a_prompt_that_was_not_answered_says_why() -> None:
    abstentions = (
        Abstention("prompted lesion", Reason.OUTSIDE_REGION, "prompt 5, frame 1 of 1.2.3"),
        Abstention("malignancy", Reason.BOX_NEEDED, "prompt 6, frame 1 of 1.2.3"),
    )
    lines = said(report(replace(NOTHING, abstentions=abstentions)))
    at = lines.index(
        ("Prompted lesion not answered", "The prompt lies outside of the B-mode region")
    )
    assert lines[at + 1] == ("Detail", "prompt 5, frame 1 of 1.2.3")
    assert (
        "Malignancy of a prompted lesion not answered",
        "Validated with boxes only, and clicks were given",
    ) in lines


def test_a_new_version_names_the_report_before_it() -> None:
    before = report_of(NOTHING, by_uid(HEADER), CONTEXT)
    context = replace(LATER, predecessors=((before.sop_class_uid, before.sop_instance_uid),))
    after = report_of(NOTHING, by_uid(HEADER), context)
    (study,) = after.dataset.PredecessorDocumentsSequence
    assert study.StudyInstanceUID == HEADER.StudyInstanceUID
    (series,) = study.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == before.series_instance_uid
    (reference,) = series.ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == before.sop_instance_uid
    assert reference.ReferencedSOPClassUID == before.sop_class_uid
    assert "PredecessorDocumentsSequence" not in before.dataset
    assert after.dataset.SeriesDescription.endswith("not reviewed (version 2)")


def test_texts_of_ours_fit_every_character_set() -> None:
    model = replace(LESION_MODEL, figures="AUC 0.95 ± 0.02 — n ≥ 600, Zürich")
    findings = replace(findings_of([FRAME], WINDOW), lesion_model=model)
    lines = dict(said(report(findings)))
    assert "AUC 0.95 +/- 0.02 - n >= 600, Zurich" in said_values(report(findings))
    assert all(value.isascii() for value in lines.values())


def said_values(result: ResultObject) -> list[str]:
    return [value for _, value in said(result)]


def test_nothing_is_reported_about_no_study() -> None:
    with pytest.raises(ResultError, match="Study Instance UID"):
        report_of(NOTHING, {})
    with pytest.raises(ResultError, match="Study Instance UID"):
        report_of(NOTHING, by_uid(blank_header(StudyInstanceUID="")))


def test_every_reason_has_a_code_and_every_private_code_is_in_the_table() -> None:
    assert set(codes.REASON) == set(Reason)
    assert all(len(meaning) <= 64 for meaning in codes.PRIVATE.values())
    assert len(set(codes.PRIVATE.values())) == len(codes.PRIVATE)
    result = report(findings_of([FRAME], WINDOW, diameters=DIAMETERS))
    used = {
        (c.CodeValue, c.CodeMeaning)
        for item in items(result.dataset)
        for c in (*item.ConceptNameCodeSequence, *item.get("ConceptCodeSequence", ()))
        if c.CodingSchemeDesignator == codes.SCHEME
    }
    assert used
    assert used <= set(codes.PRIVATE.items())
    (scheme,) = result.dataset.CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == codes.SCHEME
