"""Heatmaps: the right frame, the right words, readable tissue, nobody's name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from node.errors import ResultError
from tests.workers.results.studies import (
    CONTEXT,
    LATER,
    attention,
    blank_header,
    by_uid,
    findings_of,
    found_of,
    frame_of,
    header_of,
    paired_of,
    pixels_of,
    prompted_of,
    results_of_file,
)
from workers.findings import StudyFindings
from workers.results import ResultContext, ResultObject, build

SOURCE = "US1_UNCR.dcm"
WINDOW = (40, 100, 600, 400)


def heatmaps(
    findings: StudyFindings,
    headers: dict,
    pixels: NDArray[np.uint8],
    context: ResultContext = CONTEXT,
) -> list[ResultObject]:
    results = build(context, findings, headers, lambda _: pixels)
    return [result for result in results if result.kind == "heatmap"]


def of_source(findings: StudyFindings | None = None) -> list[ResultObject]:
    header = header_of(SOURCE)
    findings = findings or findings_of([frame_of(header)], WINDOW)
    return heatmaps(findings, by_uid(header), pixels_of(SOURCE))


def only_map(findings: StudyFindings, index: int = 0, **changes: object) -> StudyFindings:
    return replace(findings, heatmaps=(replace(findings.heatmaps[index], **changes),))


def test_a_heatmap_names_its_source_frame() -> None:
    dataset = results_of_file("examples_ybr_color.dcm", number=12)[0].dataset
    (source,) = dataset.SourceImageSequence
    header = header_of("examples_ybr_color.dcm")
    assert source.ReferencedSOPInstanceUID == header.SOPInstanceUID
    assert source.ReferencedSOPClassUID == header.SOPClassUID
    assert source.ReferencedFrameNumber == 12
    assert dataset.LossyImageCompression == "01"  # as its source
    still = of_source()[0].dataset
    assert "ReferencedFrameNumber" not in still.SourceImageSequence[0]
    assert "LossyImageCompression" not in still


def test_a_heatmap_says_what_it_is() -> None:
    lesion, fat = (result.dataset for result in of_source())
    assert lesion.SeriesDescription == "AI lesion heatmap, not reviewed"
    assert fat.SeriesDescription == "AI liver fat heatmap, not reviewed"
    assert lesion.SeriesInstanceUID != fat.SeriesInstanceUID
    for dataset in (lesion, fat):
        assert dataset.BurnedInAnnotation == "YES"
        assert dataset.BodyPartExamined == "LIVER"
        assert dataset.ImageType == ["DERIVED", "SECONDARY"]
        assert dataset.ImageComments.startswith("AI result, not reviewed; ")
        assert "PixelSpacing" not in dataset
    assert "cross-validated on public data" in lesion.DerivationDescription
    header = header_of(SOURCE)
    later = heatmaps(
        findings_of([frame_of(header)], WINDOW), by_uid(header), pixels_of(SOURCE), LATER
    )
    assert later[0].dataset.SeriesDescription == "AI lesion heatmap, not reviewed (version 2)"


def test_key_frames_of_one_kind_share_a_series() -> None:
    header = header_of(SOURCE)
    findings = findings_of([frame_of(header)], WINDOW)
    findings = replace(findings, heatmaps=(findings.heatmaps[0],) * 3)
    results = of_source(findings)
    assert len({result.series_instance_uid for result in results}) == 1
    assert len({result.sop_instance_uid for result in results}) == 3
    assert [result.dataset.InstanceNumber for result in results] == [1, 2, 3]


def test_the_pixels_are_the_preview() -> None:
    for result in of_source():
        dataset = result.dataset
        shape = (dataset.Rows, dataset.Columns, 3)
        size = int(np.prod(shape))
        pixels = np.frombuffer(dataset.PixelData[:size], np.uint8).reshape(shape)
        assert np.array_equal(pixels, result.preview)


@pytest.mark.parametrize("shape", [(60, 80), (240, 320), (768, 1024), (900, 300), (1080, 1920)])
def test_every_frame_gives_a_page_of_sensible_size(shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 60, np.uint8)
    header = blank_header()
    findings = findings_of([frame_of(header)], (0, 0, shape[1], shape[0]))
    for result in heatmaps(findings, by_uid(header), pixels):
        assert result.preview is not None
        rows, columns, _ = result.preview.shape
        assert 512 <= columns <= 1600
        assert 512 <= rows <= 1600


def test_no_patient_data_reaches_the_pixels() -> None:
    """Neither from the header nor from what the device wrote beside the B-mode region."""
    pictures = []
    for name, number, banner in (("Zweistein^Albert", "77", 0), ("Noether^Emmy", "78", 255)):
        header = blank_header(PatientName=name, PatientID=number, PatientBirthDate="19000101")
        pixels = pixels_of(SOURCE).copy()
        pixels[: WINDOW[1]] = banner
        pixels[WINDOW[3] :] = banner
        findings = findings_of([frame_of(header)], WINDOW)
        pictures.append([r.preview for r in heatmaps(findings, by_uid(header), pixels)])
    for one, other in zip(*pictures, strict=True):
        assert np.array_equal(one, other)


def test_a_map_that_says_nothing_leaves_the_tissue_alone() -> None:
    findings = findings_of([frame_of(header_of(SOURCE))], WINDOW)
    x0, y0, x1, y1 = WINDOW
    tissue = Image.fromarray(np.ascontiguousarray(pixels_of(SOURCE)[y0:y1, x0:x1]))
    enlarged = np.asarray(tissue.resize((960, 514), Image.Resampling.LANCZOS))
    for index in (0, 1):
        nothing = only_map(findings, index, values=np.zeros((8, 8), np.float32), outline=())
        (result,) = of_source(nothing)
        assert result.preview is not None
        assert np.array_equal(result.preview[48 : 48 + 514, :960], enlarged)


def test_tissue_stays_readable_under_the_strongest_colour() -> None:
    noise = np.random.default_rng(0).normal(90, 20, (480, 640)).clip(0, 255).astype(np.uint8)
    pixels = np.repeat(noise[..., None], 3, axis=-1)
    header = blank_header()
    base = findings_of([frame_of(header)], (0, 0, 640, 480))

    def contrast(level: float) -> float:
        values = np.full((8, 8), level, np.float32)
        findings = only_map(base, values=values, outline=())
        (result,) = heatmaps(findings, by_uid(header), pixels)
        assert result.preview is not None
        return float(result.preview[100:600, 100:600].max(axis=-1).std())

    assert contrast(1.0) > 0.6 * contrast(0.0)


def test_the_strongest_colour_lies_where_the_map_is_highest() -> None:
    pixels = np.full((480, 640, 3), 70, np.uint8)
    header = blank_header()
    findings = findings_of([frame_of(header)], (0, 0, 640, 480))
    findings = only_map(findings, values=attention((12, 16), (12, 3), 1.5), outline=())
    (result,) = heatmaps(findings, by_uid(header), pixels)
    assert result.preview is not None
    image = result.preview[48 : 48 + 720, :960].astype(int)
    change = np.abs(image - 70).sum(axis=-1)
    y, x = (float((change * axis).sum() / change.sum()) for axis in np.indices(change.shape))
    assert x == pytest.approx(960 * 12.5 / 16, abs=25)
    assert y == pytest.approx(720 * 3.5 / 12, abs=25)


def test_an_attention_outline_is_dashed_and_a_border_is_not() -> None:
    header = blank_header()
    pixels = np.zeros((480, 640, 3), np.uint8)
    white = []
    for kind in ("attention", "segmentation"):
        findings = findings_of([frame_of(header)], (0, 0, 640, 480), outline_kind=kind)
        findings = only_map(findings, values=np.zeros((4, 4), np.float32))
        (result,) = heatmaps(findings, by_uid(header), pixels)
        assert result.preview is not None
        white.append(int((result.preview[48 : 48 + 720, :960] == 255).all(axis=-1).sum()))
    assert 0.4 * white[1] < white[0] < 0.75 * white[1]


def test_no_number_in_a_map_is_drawn_as_nothing() -> None:
    findings = findings_of([frame_of(header_of(SOURCE))], WINDOW)
    for index in (0, 1):
        broken = np.full((8, 8), np.nan, np.float32)
        (result,) = of_source(only_map(findings, index, values=broken, outline=()))
        zeros = np.zeros((8, 8), np.float32)
        (expected,) = of_source(only_map(findings, index, values=zeros, outline=()))
        assert np.array_equal(result.preview, expected.preview)


def test_a_window_outside_the_frame_is_refused() -> None:
    findings = findings_of([frame_of(header_of(SOURCE))], WINDOW)
    with pytest.raises(ResultError, match="640 x 480"):
        of_source(only_map(findings, window=(0, 0, 641, 480)))


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
    for kind, amber in (("box", 416), ("point", 320)):
        preview = at_prompt(kind).preview
        assert preview is not None
        image = preview[48 : 48 + 720, :960].astype(int)
        assert (image[380:400, 595:605].min(axis=-1) > 200).any(), "white, within black"
        near = image[330:390, round(1.5 * amber) - 9 : round(1.5 * amber) + 9]
        assert ((near[..., 0] > 200) & (near[..., 2] < 60)).any(), "amber"
        assert ((image[..., 2] > 200) & (image[..., 0] < 120)).any(), "cyan"
        untouched = (image == 70).all(axis=-1).mean()
        assert untouched > 0.95


def test_a_capture_of_a_pair_frames_both_regions_and_names_them() -> None:
    """200 x 160 pixels are drawn 4.8 times as large; the liver's square is 50 to 70, 70 to 90."""
    header = blank_header(SeriesNumber=2, InstanceNumber=9)
    pixels = np.full((480, 640, 3), 70, np.uint8)
    (result,) = heatmaps(paired_of(frame_of(header)), by_uid(header), pixels)
    dataset = result.dataset
    assert dataset.SeriesDescription == "Hepatorenal index at operator's places, not reviewed"
    assert dataset.ImageComments == "AI result, not reviewed; Prompt 5: index 1.25"
    assert "by fat-hepatorenal 1.0.0 (cross-validated on public data)" in (
        dataset.DerivationDescription
    )
    assert "DerivationCodeSequence" not in dataset, "nothing was segmented, and no map is drawn"
    assert result.preview is not None
    image = result.preview[48 : 48 + 768, :960].astype(int)
    amber = (image[..., 0] > 200) & (image[..., 1] > 150) & (image[..., 2] < 60)
    for left, top, name in ((50, 70, -26), (90, 80, 102)):
        x0, y0, x1, y1 = (round(4.8 * edge) for edge in (left, top, left + 20, top + 20))
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
    assert first.preview is not None
    image = first.preview[48 : 48 + 720, :960].astype(int)
    on_border = image[358:362, 333:340]
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
