"""Fan crop, echo normalisation (paper 1, eq. 1) and resizing."""

import numpy as np
import pytest
from scipy import ndimage

from models.errors import ImageError
from models.images import content_window, echo_scale, imagenet_tensor, normalise_echo, resize
from models.images.contours import mask_outline
from models.images.outlines import filled
from models.simulation import simulate_frame


def fan_frame() -> np.ndarray:
    image = np.zeros((600, 800), np.uint8)
    image[80:500, 200:640] = 90
    return image


def test_fan_crop_is_the_box_of_the_echo_content() -> None:
    window = content_window(fan_frame())
    assert np.abs(np.subtract(window, (200, 80, 640, 500))).max() <= 6


def test_burned_in_marks_do_not_move_the_fan_crop() -> None:
    image = fan_frame()
    expected = content_window(image)
    image[560:562, 20:780] = 255  # an ECG trace
    image[300:302, 600:790] = 255  # a caliper line that leaves the fan
    image[100:480:20, 760:768] = 255  # a depth scale
    image[530:545, 60:64] = 200  # a stroke of text
    assert content_window(image) == expected


def test_both_parts_of_a_fan_cut_by_shadow_are_kept() -> None:
    image = fan_frame()
    image[:, 400:440] = 0
    window = content_window(image)
    assert window[0] <= 205
    assert window[2] >= 635


def test_an_all_black_frame_is_kept_whole() -> None:
    assert content_window(np.zeros((48, 64), np.uint8)) == (0, 0, 64, 48)


def test_fan_crop_of_a_simulated_frame_covers_its_fan() -> None:
    frame = simulate_frame("hepatic veins", 6.0, seed=3)
    rows, columns = np.nonzero(frame.fan & (frame.image > 20))
    x0, y0, x1, y1 = content_window(frame.image)
    inside = (columns >= x0) & (columns < x1) & (rows >= y0) & (rows < y1)
    assert inside.mean() > 0.995


@pytest.mark.parametrize("bad", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), np.zeros((0, 4))])
def test_anything_but_grey_uint8_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ImageError, match="expected"):
        content_window(bad)


def test_equation_1_moves_the_median_of_the_top_fifth_to_70() -> None:
    image = np.full((10, 4), 200, np.uint8)
    image[:2] = [[0, 20, 40, 60], [0, 0, 40, 30]]  # visible: 20 30 40 40 60, median 40
    assert echo_scale(image) == pytest.approx(70 / 40)
    normalised = normalise_echo(image)
    assert normalised[0].tolist() == pytest.approx([0, 35, 70, 105])
    assert normalised[9].tolist() == [255] * 4  # 350 is clipped


def test_a_black_top_takes_the_median_of_the_whole_image() -> None:
    image = np.zeros((10, 4), np.uint8)
    image[5:] = 35
    assert echo_scale(image) == pytest.approx(2.0)


def test_an_all_black_image_stays_as_it_is() -> None:
    image = np.zeros((10, 4), np.uint8)
    assert echo_scale(image) == 1.0
    assert not normalise_echo(image).any()


def test_shrinking_averages_speckle() -> None:
    speckle = np.random.default_rng(0).integers(0, 256, (480, 640), dtype=np.uint8)
    assert resize(speckle, (60, 80)).std() < 0.3 * speckle.std()


def test_grey_is_copied_to_three_standardised_channels() -> None:
    tensor = imagenet_tensor([np.full((2, 3), 255.0, np.float32)], (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert tensor.shape == (1, 3, 2, 3)
    assert bool((tensor == 1.0).all())


@pytest.mark.parametrize("seed", range(20))
def test_holes_are_filled_as_scipy_fills_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal((60, 80)), rng.uniform(0.5, 5))
    mask = smooth > np.quantile(smooth, rng.uniform(0.02, 0.98))
    mask[: 3 * seed] = False
    assert np.array_equal(filled(mask), ndimage.binary_fill_holes(mask))


def test_an_outline_moves_with_its_mask_and_ends_at_the_edge_of_the_image() -> None:
    rows, columns = np.indices((200, 300))
    mask = np.hypot(rows - 60, 0.7 * (columns - 100)) < 30
    here, there = mask_outline(mask), mask_outline(np.roll(mask, (40, 110), axis=(0, 1)))
    assert here is not None
    assert there == tuple((x + 110, y + 40) for x, y in here)
    cut = mask_outline(mask[60:, 100:])
    assert cut is not None
    assert np.min(cut, axis=0).tolist() == [0.0, 0.0]
