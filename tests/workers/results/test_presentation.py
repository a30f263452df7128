"""Presentation states: a lesion's outline and name, where the viewer shows the image itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import (
    ColorSoftcopyPresentationStateStorage,
    GrayscaleSoftcopyPresentationStateStorage,
)

from tests.workers.results.studies import (
    CONTEXT,
    LATER,
    blank_header,
    by_uid,
    findings_of,
    found_of,
    frame_of,
    header_of,
    pixels_of,
    prompted_of,
)
from tests.workers.results.tools import dciodvfy, dcmpschk, read_back, write
from workers.findings import StudyFindings
from workers.results import ResultContext, ResultObject, build, encode
from workers.results.identity import tracking_uid

GREY = {"PhotometricInterpretation": "MONOCHROME2", "Rows": 480, "Columns": 640}
BLACK = np.zeros((480, 640, 3), np.uint8)


def states_of(
    findings: StudyFindings,
    *headers: Dataset,
    pixels: NDArray[np.uint8] = BLACK,
    context: ResultContext = CONTEXT,
) -> list[ResultObject]:
    results = build(context, findings, by_uid(*headers), lambda _: pixels)
    return [result for result in results if result.kind == "presentation"]


@pytest.mark.parametrize(
    ("name", "sop_class"),
    [
        ("JPGLosslessP14SV1_1s_1f_8b.dcm", GrayscaleSoftcopyPresentationStateStorage),
        ("US1_UNCR.dcm", ColorSoftcopyPresentationStateStorage),
        ("examples_ybr_color.dcm", ColorSoftcopyPresentationStateStorage),
        ("OBXXXX1A.dcm", ColorSoftcopyPresentationStateStorage),
    ],
    ids=["grey", "colour", "loop", "palette"],
)
def test_the_class_is_that_of_the_image_and_others_accept_it(
    name: str, sop_class: str, tmp_path: Path
) -> None:
    header, pixels = header_of(name), pixels_of(name)
    frame, shape = frame_of(header), pixels.shape[:2]
    for findings in (
        findings_of([frame], (0, 0, shape[1], shape[0])),
        prompted_of(frame, shape),
        found_of(frame, shape=shape),
    ):
        (state,) = states_of(findings, header, pixels=pixels, context=LATER)
        path = write(state, tmp_path)
        assert dciodvfy(path) == []
        assert dcmpschk(path) == ""
        assert state.sop_class_uid == state.dataset.SOPClassUID == sop_class
        coloured = sop_class == ColorSoftcopyPresentationStateStorage
        assert ("ICCProfile" in state.dataset) == coloured
        assert state.dataset.get("ICCProfile", bytes(16))[12:16] == (
            b"spac" if coloured else b"\0" * 4
        )


def test_each_lesion_stands_on_its_frame_with_its_outline_and_its_name(tmp_path: Path) -> None:
    header = blank_header(NumberOfFrames=9, **GREY)
    findings = found_of(*(frame_of(header, number) for number in (3, 4)), shape=(480, 640))
    (state,) = states_of(findings, header)
    dataset = read_back(state, tmp_path)
    (series,) = dataset.ReferencedSeriesSequence
    (image,) = series.ReferencedImageSequence
    assert series.SeriesInstanceUID == header.SeriesInstanceUID
    assert image.ReferencedSOPInstanceUID == header.SOPInstanceUID
    assert "ReferencedFrameNumber" not in image, "the other frames must stay in sight"
    assert len(dataset.GraphicAnnotationSequence) == 2
    for lesion, shown in zip(findings.lesions, dataset.GraphicAnnotationSequence, strict=True):
        (named,) = shown.ReferencedImageSequence
        assert (named.ReferencedSOPInstanceUID, named.ReferencedFrameNumber) == (
            header.SOPInstanceUID,
            3,
        )
        (outline,), (text,) = shown.GraphicObjectSequence, shown.TextObjectSequence
        points = np.reshape(outline.GraphicData, (-1, 2))
        assert (points[0] == points[-1]).all()
        assert np.allclose(points[:-1], lesion.outline, atol=0.01)
        assert outline.GraphicAnnotationUnits == text.AnchorPointAnnotationUnits == "PIXEL"
        assert outline.LineStyleSequence[0].LineDashingStyle == "SOLID"
        said = f"{lesion.tracking_id}: 42 x 31 mm. AI result, not reviewed"
        assert said == text.UnformattedTextValue
        assert outline.TrackingUID == tracking_uid(CONTEXT.result_key, lesion.tracking_id)
    assert dataset.ContentLabel == "AI LESIONS"
    assert dataset.SeriesDescription == "AI outlines of liver lesions, not reviewed"
    names = [one.ManufacturerModelName for one in dataset.ContributingEquipmentSequence]
    assert names == ["lesion-attention", "lesion-joint"]


def test_where_the_model_only_looked_is_dashed_and_said_to_be_no_border() -> None:
    header = blank_header(**GREY)
    (state,) = states_of(findings_of([frame_of(header)], (0, 0, 640, 480)), header)
    (shown,) = state.dataset.GraphicAnnotationSequence
    assert shown.GraphicObjectSequence[0].LineStyleSequence[0].LineDashingStyle == "DASHED"
    assert "not the border" in shown.TextObjectSequence[0].UnformattedTextValue


def test_an_image_without_lesions_gets_none_and_each_other_one_its_own() -> None:
    headers = [blank_header(instance=number, **GREY) for number in (1, 2, 3)]
    first, second = (found_of(frame_of(one), shape=(480, 640)).lesions for one in headers[:2])
    everything = replace(found_of(frame_of(headers[2]), shape=(480, 640)), lesions=first + second)
    states = states_of(everything, *headers)
    shown = [
        one.dataset.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID
        for one in states
    ]
    assert shown == [one.SOPInstanceUID for one in headers[:2]]
    assert len({one.sop_instance_uid for one in states}) == 2
    assert len({one.series_instance_uid for one in states}) == 1
    assert not states_of(replace(everything, lesions=()), *headers)
    bare = tuple(replace(one, outline=()) for one in first)
    assert not states_of(replace(everything, lesions=bare), *headers)


def test_a_grey_image_is_shown_as_it_says_of_itself(tmp_path: Path) -> None:
    header = blank_header(
        RescaleIntercept=-10,
        RescaleSlope=2,
        WindowCenter=100,
        WindowWidth=180,
        PixelAspectRatio=[2, 3],
        **{**GREY, "PhotometricInterpretation": "MONOCHROME1"},
    )
    (state,) = states_of(found_of(frame_of(header), shape=(480, 640)), header)
    assert dciodvfy(write(state, tmp_path)) == []
    dataset = read_back(state, tmp_path)
    assert (dataset.RescaleIntercept, dataset.RescaleSlope) == (-10, 2)
    (window,) = dataset.SoftcopyVOILUTSequence
    assert (window.WindowCenter, window.WindowWidth) == (100, 180)
    assert dataset.PresentationLUTShape == "INVERSE"
    (area,) = dataset.DisplayedAreaSelectionSequence
    assert list(area.DisplayedAreaBottomRightHandCorner) == [640, 480]
    assert list(area.PresentationPixelAspectRatio) == [2, 3]


def test_an_image_with_a_lookup_table_of_its_own_gets_none() -> None:
    header = blank_header(VOILUTSequence=[Dataset()], **GREY)
    assert not states_of(found_of(frame_of(header), shape=(480, 640)), header)


@pytest.mark.parametrize("ratio", [[0, 1], [1], "1"])
def test_a_source_that_says_little_of_itself_still_gets_a_valid_state(
    ratio: object, tmp_path: Path
) -> None:
    header = blank_header(PixelAspectRatio=ratio, SpecificCharacterSet="ISO_IR 999")
    (state,) = states_of(found_of(frame_of(header), shape=(480, 640)), header)
    assert dciodvfy(write(state, tmp_path)) == []
    (area,) = state.dataset.DisplayedAreaSelectionSequence
    assert list(area.DisplayedAreaBottomRightHandCorner) == [640, 480]
    assert list(area.PresentationPixelAspectRatio) == [1, 1]


def test_the_same_key_gives_the_same_bytes() -> None:
    header = blank_header(**GREY)
    findings = found_of(frame_of(header), shape=(480, 640))
    first, again, other = (
        encode(states_of(findings, header, context=one)[0]) for one in (CONTEXT, CONTEXT, LATER)
    )
    assert first == again != other
