"""Key object selections: what to look at first, and what is no longer to be looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from highdicom.ko import KeyObjectSelectionDocument
from pydicom.uid import SecondaryCaptureImageStorage, UltrasoundMultiFrameImageStorage

from tests.workers.results.studies import (
    CONTEXT,
    LATER,
    NOTHING,
    blank_header,
    by_uid,
    frame_of,
    header_of,
    pixels_of,
    whole_of,
    whole_set,
)
from tests.workers.results.tools import dciodvfy, dsrdump, read_back, write
from workers.results import ResultObject, build

LOOP = "examples_ybr_color.dcm"
Reference = tuple[str, list[int]]


def of_kind(results: list[ResultObject], kind: str) -> ResultObject:
    (found,) = (result for result in results if result.kind == kind)
    return found


def references(document: KeyObjectSelectionDocument) -> list[Reference]:
    """(SOP Instance UID, frames) as highdicom reads them, each of them in the evidence too."""
    found = []
    for item in document.content.get_references():
        (one,) = item.ReferencedSOPSequence
        uid = str(one.ReferencedSOPInstanceUID)
        study, _, instance = document.resolve_reference(uid)
        assert (study, instance) == (document.StudyInstanceUID, uid)
        frames = one.get("ReferencedFrameNumber")
        found.append((uid, [] if frames is None else np.atleast_1d(frames).tolist()))
    return found


@pytest.mark.parametrize("kind", ["key-objects", "rejection"])
def test_dcmtk_reads_it_and_dicom3tools_finds_no_error(kind: str, tmp_path: Path) -> None:
    path = write(of_kind(whole_set(header_of(LOOP), pixels_of(LOOP), 3, 12), kind), tmp_path)
    assert dciodvfy(path) == []
    assert "Key Object Selection Document" in dsrdump(path)


def test_the_key_frames_and_their_heatmaps_are_selected(tmp_path: Path) -> None:
    header = header_of(LOOP)
    results = whole_set(header, pixels_of(LOOP), 3, 12)
    made = of_kind(results, "key-objects")
    document = KeyObjectSelectionDocument.from_dataset(read_back(made, tmp_path))
    assert document.ConceptNameCodeSequence[0].CodeValue == "113000"
    heatmaps = [(one.sop_instance_uid, []) for one in results if one.kind == "heatmap"]
    assert references(document) == [(header.SOPInstanceUID, [3]), *heatmaps]
    assert document.resolve_reference(header.SOPInstanceUID)[1] == header.SeriesInstanceUID
    for one in results:
        if one.kind == "heatmap":
            assert one.sop_class_uid == SecondaryCaptureImageStorage
            assert document.resolve_reference(one.sop_instance_uid)[1] == one.series_instance_uid
    (observer,) = document.content.get_observer_contexts()
    assert observer.observer_type.meaning == "Device"


def test_every_frame_with_a_finding_is_named_once_whether_it_has_a_heatmap_or_not() -> None:
    still = blank_header(instance=1)
    loop = blank_header(instance=2, NumberOfFrames=9, SOPClassUID=UltrasoundMultiFrameImageStorage)
    findings = whole_of(frame_of(loop, 4), frame_of(loop, 7), shape=(240, 320))
    further = replace(findings.lesions[0], frame=frame_of(still))
    findings = replace(findings, lesions=(*findings.lesions, further), heatmaps=())
    black = np.zeros((240, 320, 3), np.uint8)
    results = list(build(CONTEXT, findings, by_uid(still, loop), lambda _: black))
    document = KeyObjectSelectionDocument.from_dataset(of_kind(results, "key-objects").dataset)
    assert references(document) == [(loop.SOPInstanceUID, [4]), (still.SOPInstanceUID, [])]


def test_without_a_key_frame_nothing_is_selected() -> None:
    black = np.zeros((240, 320, 3), np.uint8)
    results = build(CONTEXT, NOTHING, by_uid(blank_header()), lambda _: black)
    assert "key-objects" not in {one.kind for one in results}


def test_a_later_version_rejects_every_object_of_the_earlier_ones(tmp_path: Path) -> None:
    results = whole_set(header_of(LOOP), pixels_of(LOOP))
    made = of_kind(results, "rejection")
    document = KeyObjectSelectionDocument.from_dataset(read_back(made, tmp_path))
    assert document.ConceptNameCodeSequence[0].CodeValue == "113001"
    assert references(document) == [(uid, []) for _, _, uid in LATER.replaced]
    for series, _, uid in LATER.replaced:
        assert document.resolve_reference(uid)[1] == series
    kinds = [item.ValueType for item in document.content.get_references()]
    assert kinds == ["IMAGE", "IMAGE", "COMPOSITE"]
    assert "Replaced by version 2" in dsrdump(write(made, tmp_path))
    assert document.SeriesDescription == "Rejection of earlier AI results (version 2)"
