"""Heatmaps: the right frame, the right words, readable tissue, nobody's name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from node.errors import ResultError
from tests.workers.results.pages import heatmaps, pictures, words
from tests.workers.results.pieces import attention
from tests.workers.results.studies import (
    LATER,
    blank_header,
    by_uid,
    findings_of,
    frame_of,
    header_of,
    paired_of,
    pixels_of,
    results_of_file,
    whole_of,
)
from workers.findings import StudyFindings
from workers.results import ResultObject
from workers.results.picture import Labels, arranged, draw
from workers.results.picture.page import SIZE

SOURCE = "US1_UNCR.dcm"
WINDOW = (40, 100, 600, 400)


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


SHAPE = (480, 640)
SHAPES = [(60, 80), (240, 320), (300, 300), (768, 1024), (900, 300), (1080, 1920), (200, 1600)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_page_is_of_sensible_size_and_can_be_read_at_512_pixels(
    shape: tuple[int, int],
) -> None:
    pixels, header = np.full((*shape, 3), 60, np.uint8), blank_header()
    findings = whole_of(frame_of(header), shape=shape)
    for index, result in enumerate(heatmaps(findings, by_uid(header), pixels)):
        assert result.preview is not None
        rows, columns, _ = result.preview.shape
        assert 512 <= columns <= 1600
        assert 512 <= rows <= 1600
        scaled = findings.heatmaps[index].values is not None
        lines = arranged(shape[::-1], words(findings, header, index), scaled=scaled).lines
        smallest = min(SIZE, *(line.face.size for line in lines))
        assert smallest * 512 / max(rows, columns) >= 11


def test_pictures_of_any_shape_are_as_large_as_their_page_allows() -> None:
    header = blank_header()
    for shape, least in (
        ((300, 400), 700),
        ((300, 300), 500),
        ((900, 300), 700),
        ((200, 1600), 1500),
    ):
        pixels = np.full((*shape, 3), 60, np.uint8)
        findings = findings_of([frame_of(header)], (0, 0, shape[1], shape[0]))
        for index in (0, 1):
            for picture in pictures(findings, header, pixels, index):
                assert max(picture.shape) >= least


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


@pytest.mark.parametrize("index", [0, 1])
def test_the_original_stands_beside_the_map_and_no_map_leaves_the_tissue_alone(index: int) -> None:
    header, pixels = header_of(SOURCE), pixels_of(SOURCE)
    findings = findings_of([frame_of(header)], WINDOW)
    x0, y0, x1, y1 = WINDOW
    tissue = Image.fromarray(np.ascontiguousarray(pixels[y0:y1, x0:x1]))
    original, drawn = pictures(findings, header, pixels, index)
    shown = tissue.resize(original.shape[1::-1], Image.Resampling.LANCZOS)
    assert np.array_equal(original, shown)
    assert not np.array_equal(drawn, shown)
    nothing = only_map(findings, index, values=np.zeros((8, 8), np.float32), outline=())
    original, drawn = pictures(nothing, header, pixels)
    assert np.array_equal(original, drawn)


def test_tissue_stays_readable_under_the_strongest_colour() -> None:
    noise = np.random.default_rng(0).normal(90, 20, (480, 640)).clip(0, 255).astype(np.uint8)
    pixels = np.repeat(noise[..., None], 3, axis=-1)
    header = blank_header()
    base = findings_of([frame_of(header)], (0, 0, 640, 480))

    def contrast(level: float) -> float:
        values = np.full((8, 8), level, np.float32)
        findings = only_map(base, values=values, outline=())
        _, drawn = pictures(findings, header, pixels)
        return float(drawn[50:-50, 50:-50].max(axis=-1).std())

    assert contrast(1.0) > 0.6 * contrast(0.0)


@pytest.mark.parametrize("echo", [20, 70, 160])
@pytest.mark.parametrize("signed", [False, True])
def test_what_is_stronger_differs_more_from_the_bare_tissue(echo: int, signed: bool) -> None:
    steps = np.linspace(-1 if signed else 0, 1, 17 if signed else 9)
    values = np.repeat(steps, 8)[None].astype(np.float32)
    tissue, labels = np.full((300, 400, 3), echo, np.uint8), Labels("", "", (), ())
    page = draw(tissue, values, signed=signed, outline=(), dashed=False, labels=labels)
    layout = arranged((400, 300), labels, scaled=True)
    width, (x, y) = layout.size[0], layout.drawn
    places = x + ((np.arange(len(steps)) + 0.5) / len(steps) * width).astype(int)
    change = np.linalg.norm(lab(page[y + 100, places]) - lab(tissue[0, 0]), axis=-1)
    for side in (change[-9:], change[8::-1]) if signed else (change,):
        assert side[0] == 0
        assert (np.diff(side) > 0.5).all()
        assert side[-1] > 20


def lab(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """CIELAB of sRGB, white D65."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = linear @ np.array(to_xyz).T / (0.9505, 1, 1.089)
    x, y, z = np.moveaxis(np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


KINDS = ("lesion attention", "fat activation", "prompted lesion", "hepatorenal index")


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_every_kind_says_frame_numbers_models_and_that_nobody_reviewed_it(
    kind: str,
) -> None:
    header = blank_header(NumberOfFrames=30, SeriesNumber=2, InstanceNumber=9)
    frame = frame_of(header, 12)
    captures = (*whole_of(frame, shape=SHAPE).heatmaps, *paired_of(frame).heatmaps)
    finding = next(one for one in captures if one.kind == kind)
    findings = replace(whole_of(frame, shape=SHAPE), heatmaps=(finding,))
    labels = words(findings, header)
    assert labels.warning == "AI RESULT, NOT REVIEWED"
    assert labels.numbers == finding.caption
    assert labels.numbers
    assert "Source: series 2, image 9, frame 12 of 30." in labels.remarks
    model = finding.model
    standing = f"Model {model.name} {model.version}: {model.validation_status}."
    assert standing in labels.remarks
    assert labels.original == "Original"
    assert labels.drawn.startswith("AI")
    if finding.outlined:
        for reading in finding.outlined.readings:
            assert any(f"Model {reading.model.name} " in line for line in labels.remarks)


def test_the_strongest_colour_lies_where_the_map_is_highest() -> None:
    pixels = np.full((480, 640, 3), 70, np.uint8)
    header = blank_header()
    findings = findings_of([frame_of(header)], (0, 0, 640, 480))
    findings = only_map(findings, values=attention((12, 16), (12, 3), 1.5), outline=())
    _, drawn = pictures(findings, header, pixels)
    change = np.abs(drawn - 70).sum(axis=-1)
    y, x = (float((change * axis).sum() / change.sum()) for axis in np.indices(change.shape))
    rows, columns = change.shape
    assert x / columns == pytest.approx(12.5 / 16, abs=0.03)
    assert y / rows == pytest.approx(3.5 / 12, abs=0.03)


def test_an_attention_outline_is_dashed_and_a_border_is_not() -> None:
    header = blank_header()
    pixels = np.zeros((480, 640, 3), np.uint8)
    white = []
    for kind in ("attention", "segmentation"):
        findings = findings_of([frame_of(header)], (0, 0, 640, 480), outline_kind=kind)
        findings = only_map(findings, values=np.zeros((4, 4), np.float32))
        _, drawn = pictures(findings, header, pixels)
        white.append(int((drawn == 255).all(axis=-1).sum()))
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
