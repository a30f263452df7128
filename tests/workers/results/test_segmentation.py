"""Segmentations: valid for others, the same mask when read back, and named by the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from highdicom.seg import Segmentation, segread
from highdicom.sr import Comprehensive3DSR
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UltrasoundImageStorage, UltrasoundMultiFrameImageStorage
from pynetdicom import AE

from node.identity import is_own
from tests.orthanc import AE_TITLE, orthanc
from tests.workers.results.studies import (
    CONTEXT,
    LATER,
    blank_header,
    by_uid,
    found_of,
    frame_of,
    header_of,
    pixels_of,
    prompted_of,
)
from tests.workers.results.tools import dciodvfy, items, name_of, read_back, write
from workers.findings import FoundLesion, StudyFindings
from workers.results import ResultContext, ResultObject, build, encode
from workers.results.identity import weights_uid

SINGLE, LOOP = "US1_UNCR.dcm", "examples_ybr_color.dcm"


def made(
    header: Dataset, pixels: NDArray[np.uint8], number: int = 1, context: ResultContext = CONTEXT
) -> tuple[StudyFindings, ResultObject, ResultObject]:
    """Findings, segmentation and report of a prompt in one frame."""
    findings = prompted_of(frame_of(header, number), (pixels.shape[0], pixels.shape[1]))
    results = list(build(context, findings, by_uid(header), lambda _: pixels))
    (segmentation,) = segmentations_of(results)
    (report,) = (one for one in results if one.kind == "report")
    return findings, segmentation, report


def of_file(
    name: str, number: int = 1, context: ResultContext = CONTEXT
) -> tuple[StudyFindings, ResultObject, ResultObject]:
    return made(header_of(name), pixels_of(name, number), number, context)


@pytest.mark.parametrize(("name", "number"), [(SINGLE, 1), (LOOP, 12)])
def test_dicom3tools_finds_no_error_in_a_segmentation(
    name: str, number: int, tmp_path: Path
) -> None:
    _, segmentation, report = of_file(name, number, LATER)
    assert dciodvfy(write(segmentation, tmp_path)) == []
    assert dciodvfy(write(report, tmp_path)) == []


@pytest.mark.parametrize("shape", [(480, 640), (333, 517)])
@pytest.mark.parametrize("frames", [1, 30])
def test_highdicom_reads_the_mask_back(frames: int, shape: tuple[int, int], tmp_path: Path) -> None:
    """Of an odd size too: the bits of a row do not end with a byte."""
    header = blank_header(NumberOfFrames=frames)
    number = min(frames, 7)
    findings, segmentation, _ = made(header, np.zeros((*shape, 3), np.uint8), number)
    again = segread(write(segmentation, tmp_path))
    assert isinstance(again, Segmentation)
    read = (
        again.get_pixels_by_source_frame(header.SOPInstanceUID, [number], segment_numbers=[1])
        if frames > 1
        else again.get_pixels_by_source_instance([header.SOPInstanceUID], segment_numbers=[1])
    )
    assert np.array_equal(read[0, ..., 0].astype(bool), findings.prompted[0].mask)
    (described,) = again.SegmentSequence
    assert described.SegmentLabel == "prompt 5"
    assert described.SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert described.SegmentAlgorithmName == "lesion-joint"


def test_a_segmentation_names_its_frame_and_its_maker(tmp_path: Path) -> None:
    findings, segmentation, _ = of_file(LOOP, 12)
    dataset, header = read_back(segmentation, tmp_path), header_of(LOOP)
    (per_frame,) = dataset.PerFrameFunctionalGroupsSequence
    (image,) = per_frame.DerivationImageSequence[0].SourceImageSequence
    for reference in (image, *dataset.SourceImageSequence):
        assert reference.ReferencedSOPInstanceUID == header.SOPInstanceUID
        assert reference.ReferencedSOPClassUID == header.SOPClassUID
        assert reference.ReferencedFrameNumber == 12
    (series,) = dataset.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == header.SeriesInstanceUID
    assert dataset.StudyInstanceUID == header.StudyInstanceUID
    assert dataset.PatientID == header.PatientID
    assert dataset.SeriesDescription == "AI segmentation at operator's prompt, not reviewed"
    assert dataset.LossyImageCompression == "01"  # as its source
    (equipment,) = dataset.ContributingEquipmentSequence
    assert equipment.DeviceUID == weights_uid(findings.prompted[0].model.digest)
    assert is_own(dataset)


def test_the_same_key_gives_the_same_bytes_and_another_key_other_objects() -> None:
    first, again, other = (of_file(SINGLE, context=one)[1] for one in (CONTEXT, CONTEXT, LATER))
    assert encode(first) == encode(again)
    assert first.sop_instance_uid != other.sop_instance_uid
    assert first.series_instance_uid != other.series_instance_uid


def test_the_report_references_the_segment_and_highdicom_still_reads_its_group(
    tmp_path: Path,
) -> None:
    findings, segmentation, report = of_file(SINGLE)
    (item,) = (
        one for one in items(report.dataset) if name_of(one) == "Segmentation of this region"
    )
    (reference,) = item.ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == segmentation.sop_instance_uid
    assert reference.ReferencedSOPClassUID == segmentation.sop_class_uid
    assert reference.ReferencedSegmentNumber == 1
    evidence = {
        (series.SeriesInstanceUID, one.ReferencedSOPInstanceUID)
        for series in report.dataset.CurrentRequestedProcedureEvidenceSequence[
            0
        ].ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert (segmentation.series_instance_uid, segmentation.sop_instance_uid) in evidence
    content = Comprehensive3DSR.from_dataset(read_back(report, tmp_path)).content
    group = next(
        one
        for one in content.get_planar_roi_measurement_groups()
        if one.tracking_identifier == "prompt 5"
    )
    assert group.tracking_uid == segmentation.dataset.SegmentSequence[0].TrackingUID
    outline = np.asarray(findings.prompted[0].outline)
    assert np.allclose(group.roi.value[:-1], outline, atol=0.01)


def test_a_bad_source_header_does_not_stop_a_segmentation(tmp_path: Path) -> None:
    header = blank_header(
        SOPClassUID="1.2.840.113543.6.6.1.3.10002", SpecificCharacterSet="ISO_IR 999"
    )
    _, segmentation, _ = made(header, np.zeros((120, 160, 3), np.uint8))
    assert dciodvfy(write(segmentation, tmp_path)) == []


def test_orthanc_stores_a_segmentation(tmp_path: Path) -> None:
    _, segmentation, _ = of_file(LOOP, 12)
    encode(segmentation)  # gives the data set its file meta
    entity = AE("HEPANODE")
    entity.add_requested_context(
        segmentation.sop_class_uid, segmentation.dataset.file_meta.TransferSyntaxUID
    )
    with orthanc(tmp_path, DicomAlwaysAllowStore=True) as pacs:
        association = entity.associate("127.0.0.1", pacs.port, ae_title=AE_TITLE)
        assert association.is_established
        assert association.send_c_store(segmentation.dataset).Status == 0
        association.release()
        assert pacs.stored() == [segmentation.sop_instance_uid]


def of_found(frames: int = 1) -> tuple[Dataset, StudyFindings, list[ResultObject]]:
    """Header, findings and results of two lesions found in a frame, one of them in all frames."""
    kind = UltrasoundMultiFrameImageStorage if frames > 1 else UltrasoundImageStorage
    header = blank_header(NumberOfFrames=frames, SOPClassUID=kind)
    refs = [frame_of(header, number) for number in range(1, frames + 1)]
    findings = found_of(*refs, shape=(480, 640))
    pixels = np.zeros((480, 640, 3), np.uint8)
    return header, findings, list(build(CONTEXT, findings, by_uid(header), lambda _: pixels))


def segmentations_of(results: list[ResultObject]) -> list[ResultObject]:
    return [one for one in results if one.kind == "segmentation"]


def test_each_found_lesion_of_an_image_is_a_segment_that_highdicom_reads_back(
    tmp_path: Path,
) -> None:
    header, findings, _ = of_found(3)
    first, second = findings.lesions
    assert isinstance(first, FoundLesion)
    assert isinstance(second, FoundLesion)
    second = replace(second, frame=frame_of(header, 3))  # of another frame of the loop
    findings = replace(findings, lesions=(first, second))
    pixels = np.zeros((480, 640, 3), np.uint8)
    made = segmentations_of(list(build(CONTEXT, findings, by_uid(header), lambda _: pixels)))
    (segmentation,) = made
    assert dciodvfy(write(segmentation, tmp_path)) == []
    again = segread(write(segmentation, tmp_path))
    read = again.get_pixels_by_source_frame(header.SOPInstanceUID, [1, 3], segment_numbers=[1, 2])
    assert np.array_equal(read[0, ..., 0].astype(bool), first.mask)
    assert np.array_equal(read[1, ..., 1].astype(bool), second.mask)
    assert not read[0, ..., 1].any()
    assert not read[1, ..., 0].any()
    assert [one.SegmentLabel for one in again.SegmentSequence] == ["lesion 1", "lesion 2"]
    for described in again.SegmentSequence:
        assert described.SegmentAlgorithmType == "AUTOMATIC"
        assert described.SegmentAlgorithmName == "lesion-joint"
    names = [item.ManufacturerModelName for item in again.ContributingEquipmentSequence]
    assert names == ["lesion-joint", "fan-liver"]
    assert again.SeriesDescription == "AI segmentation of a suspected lesion, not reviewed"


def test_the_liver_around_found_lesions_is_a_segment_of_each_frame_where_it_is_known(
    tmp_path: Path,
) -> None:
    header, findings, _ = of_found(3)
    first, second = findings.lesions
    assert isinstance(first, FoundLesion)
    assert isinstance(second, FoundLesion)
    livers = [np.zeros((480, 640), bool) for _ in range(2)]
    livers[0][100:400, 50:600] = livers[1][120:380, 70:500] = True
    third = replace(first, tracking_id="lesion 3", frame=frame_of(header, 2))  # no liver there
    lesions = (
        replace(first, liver=livers[0]),
        replace(second, frame=frame_of(header, 3), liver=livers[1]),
        third,
    )
    pixels = np.zeros((480, 640, 3), np.uint8)
    results = list(
        build(CONTEXT, replace(findings, lesions=lesions), by_uid(header), lambda _: pixels)
    )
    (segmentation,) = segmentations_of(results)
    assert dciodvfy(write(segmentation, tmp_path)) == []
    again = segread(write(segmentation, tmp_path))
    labels = [one.SegmentLabel for one in again.SegmentSequence]
    assert labels == ["lesion 1", "lesion 2", "lesion 3", "liver, frame 1", "liver, frame 3"]
    read = again.get_pixels_by_source_frame(
        header.SOPInstanceUID, [1, 2, 3], segment_numbers=[1, 2, 3, 4, 5]
    ).astype(bool)
    wanted = np.zeros_like(read)
    wanted[0, ..., 0], wanted[2, ..., 1], wanted[1, ..., 2] = (one.mask for one in lesions)
    wanted[0, ..., 3], wanted[2, ..., 4] = livers
    assert np.array_equal(read, wanted)
    liver = again.SegmentSequence[3]
    assert liver.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Liver"
    assert liver.SegmentAlgorithmName == "fan-liver"
    named = [
        one.ReferencedSegmentNumber
        for item in items(results[-1].dataset)
        if name_of(item) == "Segmentation of this region"
        for one in item.ReferencedSOPSequence
    ]
    assert named == [1, 2, 3]


def test_lesions_of_images_of_other_sizes_are_in_objects_of_their_own(tmp_path: Path) -> None:
    shapes = [(480, 640), (300, 400)]
    headers = [blank_header(instance=number) for number in (1, 2)]
    large, small = (
        found_of(frame_of(header), shape=shape)
        for header, shape in zip(headers, shapes, strict=True)
    )
    other = replace(small.lesions[0], tracking_id="lesion 3")
    both = replace(large, frames=large.frames + small.frames, lesions=(*large.lesions, other))
    pixels = np.zeros((480, 640, 3), np.uint8)
    results = list(build(CONTEXT, both, by_uid(*headers), lambda _: pixels))
    made = segmentations_of(results)
    assert [one.dataset.Rows for one in made] == [480, 300]
    assert [len(one.dataset.SegmentSequence) for one in made] == [2, 1]
    assert len({one.sop_instance_uid for one in made}) == 2
    assert len({one.series_instance_uid for one in made}) == 1
    named = [
        (one.ReferencedSOPInstanceUID, one.ReferencedSegmentNumber)
        for item in items(results[-1].dataset)
        if name_of(item) == "Segmentation of this region"
        for one in item.ReferencedSOPSequence
    ]
    first, second = (one.sop_instance_uid for one in made)
    assert named == [(first, 1), (first, 2), (second, 1)]
    assert [dciodvfy(write(one, tmp_path)) for one in (*made, results[-1])] == [[], [], []]


def test_the_report_names_the_segment_of_each_found_lesion_and_highdicom_reads_its_group(
    tmp_path: Path,
) -> None:
    _, findings, results = of_found()
    *_, report = results
    assert dciodvfy(write(report, tmp_path)) == []
    (segmentation,) = segmentations_of(results)
    number_of = {one.TrackingUID: one.SegmentNumber for one in segmentation.dataset.SegmentSequence}
    content = Comprehensive3DSR.from_dataset(read_back(report, tmp_path)).content
    groups = content.get_planar_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["lesion 1", "lesion 2"]
    for group, lesion in zip(groups, findings.outlined, strict=True):
        assert np.allclose(group.roi.value[:-1], np.asarray(lesion.outline), atol=0.01)
        assert group.tracking_uid in number_of
    named = [
        (one.ReferencedSOPInstanceUID, one.ReferencedSegmentNumber)
        for item in items(report.dataset)
        if name_of(item) == "Segmentation of this region"
        for one in item.ReferencedSOPSequence
    ]
    uid = segmentation.sop_instance_uid
    assert named == [(uid, number_of[group.tracking_uid]) for group in groups]


def test_what_was_found_and_what_was_pointed_at_are_series_of_their_own() -> None:
    header = blank_header()
    pointed = prompted_of(frame_of(header), (480, 640))
    both = replace(found_of(frame_of(header), shape=(480, 640)), prompted=pointed.prompted)
    pixels = np.zeros((480, 640, 3), np.uint8)
    results = list(build(CONTEXT, both, by_uid(header), lambda _: pixels))
    made = [one.dataset for one in segmentations_of(results)]
    assert [[segment.SegmentLabel for segment in one.SegmentSequence] for one in made] == [
        ["prompt 5"],
        ["lesion 1", "lesion 2"],
    ]
    assert len({one.SeriesInstanceUID for one in made}) == 2
    assert len({one.SeriesNumber for one in made}) == 2
    assert len({one.SOPInstanceUID for one in made}) == 2
