"""Heatmaps of places: what was pointed at and what was outlined is marked, and the tissue stays."""

from __future__ import annotations

import numpy as np

from tests.workers.results.pages import heatmaps, pictures
from tests.workers.results.studies import (
    blank_header,
    by_uid,
    found_of,
    frame_of,
    paired_of,
    prompted_of,
)
from workers.results import ResultObject


def at_prompt(kind: str = "box", number: int = 1) -> ResultObject:
    header = blank_header(NumberOfFrames=30, SeriesNumber=2, InstanceNumber=9)
    pixels = np.full((480, 640, 3), 70, np.uint8)
    findings = prompted_of(frame_of(header, number), (480, 640), kind=kind)
    (result,) = heatmaps(findings, by_uid(header), pixels)
    return result


def test_a_capture_at_a_prompt_names_frame_model_and_who_pointed() -> None:
    dataset = at_prompt(number=12).dataset
    assert dataset.SeriesDescription == "AI outline at an operator's prompt, not reviewed"
    assert dataset.SourceImageSequence[0].ReferencedFrameNumber == 12
    assert dataset.DerivationCodeSequence[0].CodeMeaning == "Segmentation"
    assert dataset.ImageComments.startswith("AI result, not reviewed; Prompt 5: 42 x 31 mm")
    assert "of frame 12 by lesion-joint 1.0.0 (cross-validated on public data)" in (
        dataset.DerivationDescription
    )
    assert [one.ManufacturerModelName for one in dataset.ContributingEquipmentSequence] == [
        *("lesion-joint", "lesion-dcnn-us", "lesion-roi")
    ]


def test_a_capture_at_a_prompt_shows_border_box_and_calipers_and_leaves_the_tissue_alone() -> None:
    """In a frame of 480 x 640 the border runs through (400, 240), the box through (416, 240)."""
    header = blank_header(NumberOfFrames=30, SeriesNumber=2, InstanceNumber=9)
    pixels = np.full((480, 640, 3), 70, np.uint8)
    for kind, amber in (("box", 416), ("point", 320)):
        findings = prompted_of(frame_of(header), (480, 640), kind=kind)
        original, image = pictures(findings, header, pixels)
        assert (original == 70).all()
        factor = image.shape[1] / 640
        x, y = round(400 * factor), round(240 * factor)
        border = image[y + 15 : y + 30, x - 5 : x + 5]
        assert (border.min(axis=-1) > 200).any(), "white, within black"
        near = image[y - 30 : y + 30, round(amber * factor) - 9 : round(amber * factor) + 9]
        assert ((near[..., 0] > 200) & (near[..., 2] < 60)).any(), "amber"
        assert ((image[..., 2] > 200) & (image[..., 0] < 120)).any(), "cyan"
        untouched = (image == 70).all(axis=-1).mean()
        assert untouched > 0.95


def test_a_capture_of_a_pair_frames_both_regions_and_names_them() -> None:
    """Of 200 x 160 pixels the liver's square is 50 to 70, 70 to 90."""
    header = blank_header(SeriesNumber=2, InstanceNumber=9)
    pixels = np.full((480, 640, 3), 70, np.uint8)
    findings = paired_of(frame_of(header))
    (result,) = heatmaps(findings, by_uid(header), pixels)
    dataset = result.dataset
    assert dataset.SeriesDescription == "Hepatorenal index at operator's places, not reviewed"
    assert dataset.ImageComments == "AI result, not reviewed; Prompt 5: index 1.25"
    assert "by fat-hepatorenal 1.0.0 (cross-validated on public data)" in (
        dataset.DerivationDescription
    )
    assert "DerivationCodeSequence" not in dataset, "nothing was segmented, and no map is drawn"
    original, image = pictures(findings, header, pixels)
    assert (original == 70).all()
    factor = image.shape[1] / 200
    amber = (image[..., 0] > 200) & (image[..., 1] > 150) & (image[..., 2] < 60)
    for left, top, name in ((50, 70, -30), (90, 80, 85)):
        x0, y0, x1, y1 = (round(factor * edge) for edge in (left, top, left + 20, top + 20))
        for side in (
            amber[y0 - 4 : y0 + 1, x0 + 10 : x1 - 10].any(axis=0),
            amber[y1 - 1 : y1 + 4, x0 + 10 : x1 - 10].any(axis=0),
            amber[y0 + 10 : y1 - 10, x0 - 4 : x0 + 1].any(axis=1),
            amber[y0 + 10 : y1 - 10, x1 - 1 : x1 + 4].any(axis=1),
        ):
            assert side.all()
        assert (image[y0:y1, x0:x1] == 70).all(), "what is measured stays"
        assert amber[y0 + name : y0 + name + 20, x0:x1].any(), "the organ's name"


def test_a_capture_of_a_found_lesion_shows_border_and_calipers_over_the_heatmap() -> None:
    """In a frame of 480 x 640 the first lesion's border runs through (224, 240)."""
    header = blank_header(NumberOfFrames=30)
    frames = [frame_of(header, number) for number in (3, 4)]
    findings = found_of(*frames, shape=(480, 640))
    pixels = np.full((480, 640, 3), 70, np.uint8)
    captures = heatmaps(findings, by_uid(header), pixels)
    assert len(captures) == 2
    first = captures[0]
    original, image = pictures(findings, header, pixels)
    assert (original == 70).all()
    factor = image.shape[1] / 640
    x, y = round(224 * factor), round(240 * factor)
    on_border = image[y + 15 : y + 30, x - 5 : x + 5]
    assert (on_border.min(axis=-1) > 200).any(), "white, within black"
    cyan = (image[..., 2] > 200) & (image[..., 0] < 120)
    assert cyan.any(), "calipers"
    assert not ((image[..., 0] > 240) & (image[..., 2] < 20)).any(), "nobody gave a box"
    warm = (image[..., 0] > image[..., 2] + 30).mean()
    assert warm > 0.01, "the heatmap is below them"
    assert first.dataset.SeriesDescription == "AI lesion heatmap, not reviewed"
    meanings = [one.CodeMeaning for one in first.dataset.DerivationCodeSequence]
    assert meanings == ["Class activation", "Segmentation"]
    assert [one.ManufacturerModelName for one in first.dataset.ContributingEquipmentSequence] == [
        *("lesion-attention", "fan-liver", "lesion-joint", "lesion-dcnn-us", "lesion-roi")
    ]
