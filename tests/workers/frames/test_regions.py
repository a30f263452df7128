"""Which part of a frame is grey B-mode, and how large its pixels are."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from node.settings import Analysis
from tests.bad_input import MARGIN, real_image, study, tinted, write
from tests.peers import shared
from workers.findings import Dropped, Frame, Reason
from workers.frames import StoredInstance, read, select
from workers.frames.colour import luminance
from workers.frames.content import colour_overlay, lit_share

Box = tuple[int, int, int, int]
TISSUE, COLOUR_FLOW, PW_SPECTRAL = 1, 2, 3
TWO_D, M_MODE, SPECTRAL, GRAPHICS = 1, 2, 3, 5


def region(box: Box, spatial_format: int, data_type: int) -> Dataset:
    found = Dataset()
    (
        found.RegionLocationMinX0,
        found.RegionLocationMinY0,
        found.RegionLocationMaxX1,
        found.RegionLocationMaxY1,
    ) = box
    found.RegionSpatialFormat, found.RegionDataType, found.RegionFlags = (
        spatial_format,
        data_type,
        2,
    )
    found.PhysicalUnitsXDirection = found.PhysicalUnitsYDirection = 3
    found.PhysicalDeltaX, found.PhysicalDeltaY = 0.03, -0.03
    return found


def only_result(dataset: Dataset, folder: Path) -> Frame | Dropped:
    path = write(dataset, folder, "image")
    selection = select([StoredInstance(path, "1.2.3")], Analysis())
    if not selection.frames:
        return selection.dropped[0]
    (result,) = read(path, selection.frames, Analysis())
    return result


def with_regions(folder: Path, *listed: Dataset) -> Frame | Dropped:
    dataset = study()
    dataset.SequenceOfUltrasoundRegions = list(listed)
    return only_result(dataset, folder)


WHOLE: Box = (0, 0, 511, 383)
LEFT: Box = (0, 0, 255, 383)
RIGHT: Box = (256, 0, 511, 383)


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ([(WHOLE, M_MODE, TISSUE)], Reason.M_MODE),
        ([(WHOLE, SPECTRAL, PW_SPECTRAL)], Reason.DOPPLER),
        ([(WHOLE, TWO_D, COLOUR_FLOW)], Reason.DOPPLER),
        ([(WHOLE, TWO_D, TISSUE), ((100, 100, 300, 300), TWO_D, COLOUR_FLOW)], Reason.DOPPLER),
        ([(WHOLE, GRAPHICS, 0)], Reason.NOT_B_MODE),
        ([((0, 0, 60, 383), TWO_D, TISSUE)], Reason.TOO_SMALL),
    ],
)
def test_a_frame_without_grey_b_mode_is_dropped_with_its_reason(
    tmp_path: Path, listed: list[tuple[Box, int, int]], reason: Reason
) -> None:
    result = with_regions(tmp_path, *(region(*item) for item in listed))
    assert isinstance(result, Dropped)
    assert result.reason is reason


def test_b_mode_beside_m_mode_is_cropped(tmp_path: Path) -> None:
    result = with_regions(tmp_path, region(RIGHT, TWO_D, TISSUE), region(LEFT, M_MODE, TISSUE))
    assert isinstance(result, Frame)
    assert result.window == (256, 0, 512, 384)
    assert np.array_equal(result.image, real_image()[:, 256:])


def test_of_a_dual_image_the_half_beside_colour_flow_is_taken(tmp_path: Path) -> None:
    result = with_regions(
        tmp_path,
        region(LEFT, TWO_D, TISSUE),
        region(RIGHT, TWO_D, TISSUE),
        region((20, 100, 200, 300), TWO_D, COLOUR_FLOW),
    )
    assert isinstance(result, Frame)
    assert result.window == (256, 0, 512, 384)


def test_of_a_dual_image_the_half_with_most_echo_is_taken_and_told(tmp_path: Path) -> None:
    image = real_image().copy()
    image[:, :256] = 0
    dataset = study(image)
    dataset.SequenceOfUltrasoundRegions = [
        region(LEFT, TWO_D, TISSUE),
        region(RIGHT, TWO_D, TISSUE),
    ]
    result = only_result(dataset, tmp_path)
    assert isinstance(result, Frame)
    assert result.window == (256, 0, 512, 384)
    assert "2 B-mode regions" in result.view_note


def test_of_a_dual_image_the_grey_half_is_taken_though_no_region_names_colour(
    tmp_path: Path,
) -> None:
    dataset = study(doppler(np.repeat(real_image()[..., None], 3, axis=2)))
    dataset.SequenceOfUltrasoundRegions = [
        region(LEFT, TWO_D, TISSUE),
        region((256, 0, 420, 383), TWO_D, TISSUE),
    ]
    result = only_result(dataset, tmp_path)
    assert isinstance(result, Frame)
    assert result.window == (256, 0, 421, 384)


def test_a_negative_delta_is_a_direction_not_a_size(tmp_path: Path) -> None:
    result = with_regions(tmp_path, region(WHOLE, TWO_D, TISSUE))
    assert isinstance(result, Frame)
    assert result.spacing is not None
    assert (result.spacing.row, result.spacing.column) == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"PhysicalUnitsXDirection": 4}, "not centimetres"),
        ({"PhysicalDeltaX": 0.05}, "disagree"),
        ({"PhysicalDeltaX": 0.0, "PhysicalDeltaY": 0.0}, "not plausible"),
        ({"PhysicalDeltaX": 5.0, "PhysicalDeltaY": 5.0}, "not plausible"),
        ({"RegionLocationMaxX1": 700}, "stale"),
        ({"RegionLocationMinX0": 511, "RegionLocationMaxX1": 0}, "stale"),
    ],
)
def test_a_calibration_that_cannot_be_believed_gives_none(
    tmp_path: Path, changes: dict[str, float], note: str
) -> None:
    item = region(WHOLE, TWO_D, TISSUE)
    for keyword, value in changes.items():
        setattr(item, keyword, value)
    result = with_regions(tmp_path, item)
    assert isinstance(result, Frame)
    assert result.spacing is None
    assert note in result.spacing_note


def test_pixel_spacing_is_no_calibration(tmp_path: Path) -> None:
    dataset = study()
    del dataset.SequenceOfUltrasoundRegions
    dataset.PixelSpacing = ["0.3", "0.3"]
    result = only_result(dataset, tmp_path)
    assert isinstance(result, Frame)
    assert result.spacing is None
    assert result.window == (0, 0, 512, 384)


def doppler(rgb: np.ndarray) -> np.ndarray:
    """Red and blue flow in a vessel of 20 x 60 pixels."""
    flow = rgb.copy()
    flow[150:170, 60:90] = (200, 30, 20)
    flow[150:170, 90:120] = (20, 40, 210)
    return flow


def test_colour_flow_is_seen_in_grey_and_in_tinted_b_mode(tmp_path: Path) -> None:
    level = real_image()[..., None] / 255
    curved = (255 * level ** np.array([0.7, 1.0, 1.8])).astype(np.uint8)
    for rgb in (np.repeat(real_image()[..., None], 3, axis=2), tinted(real_image()), curved):
        assert colour_overlay(rgb) < 0.002
        result = only_result(study(doppler(rgb)), tmp_path)
        assert isinstance(result, Dropped)
        assert result.reason is Reason.DOPPLER


def test_coloured_calipers_and_traces_leave_b_mode_grey(tmp_path: Path) -> None:
    rgb = np.repeat(real_image()[..., None], 3, axis=2)
    rgb[200, 100:300] = (255, 255, 0)
    rgb[195:206, 100] = rgb[195:206, 300] = (255, 255, 0)
    rgb[340:342, MARGIN:-MARGIN] = (0, 255, 0)
    rgb[20:32, 20:24] = (0, 255, 255)
    assert isinstance(only_result(study(rgb), tmp_path), Frame)


def test_no_liver_image_with_coloured_graphics_is_taken_for_doppler() -> None:
    from PIL import Image

    images = shared() / "data" / "aul" / "images"
    for name in ("benign-058", "malignant-007", "malignant-095", "benign-168", "normal-026"):
        rgb = np.asarray(Image.open(images / f"{name}.jpg").convert("RGB"))
        assert colour_overlay(rgb) < 0.005
        assert lit_share(luminance(rgb)) > 0.05
