"""What the report says, and what it must not say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset

from node.errors import ResultError
from tests.languages import quoted, write_table
from tests.workers.results.pieces import FAT_MODEL, JOINT_MODEL, LESION_MODEL
from tests.workers.results.studies import (
    CONTEXT,
    LATER,
    NOTHING,
    blank_header,
    by_uid,
    findings_of,
    frame_of,
    report_of,
)
from tests.workers.results.tools import dciodvfy, items, name_of, said, value_of, write
from workers.findings import Abstention, Diameters, Dropped, Reason, StudyFindings
from workers.messages import speaking
from workers.messages.table import read_language
from workers.results import ResultObject, codes
from workers.results.envelope import contributing_equipment
from workers.results.identity import weights_uid

HEADER = blank_header(Rows=480, Columns=640)
FRAME = frame_of(HEADER)
WINDOW = (0, 0, 640, 480)
DIAMETERS = Diameters(((10.0, 10.0), (40.0, 50.0)), ((20.0, 20.0), (44.0, 27.0)))


def report(findings: StudyFindings) -> ResultObject:
    return report_of(findings, by_uid(HEADER))


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


def test_reports_one_after_the_other_are_each_in_their_language(tmp_path: Path) -> None:
    found = findings_of([FRAME], WINDOW)
    before = said_values(report(found))
    with speaking(read_language(write_table(tmp_path / "de.po", quoted))):
        others = said_values(report(found))
    assert said_values(report(found)) == before
    standing = LESION_MODEL.validation_status
    assert standing in before
    assert standing not in others
    assert quoted(standing) in others


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
