"""The B-mode simulator looks as textbooks say."""

import numpy as np
import pytest
from scipy import ndimage

from models.errors import ModelError
from models.simulation import LESION_KINDS, SIMULATED_VIEWS, Lesion, simulate_frame
from models.simulation import simulate_participant as participant

PLACE = (-12.0, 47.0)
VIEW = "right posterior portal vein"  # liver and little else at that place


def echo(frame, where: np.ndarray) -> float:  # type: ignore[no-untyped-def]
    """Mean share of the dynamic range inside a mask: linear in dB, unlike the grey map."""
    return float(((frame.image[where] / 255.0) ** (1 / frame.settings.gamma)).mean())


def around(frame) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Liver beside a lesion, at its own depth."""
    wide = ndimage.binary_dilation(frame.lesion_mask, np.ones((1, 41), bool))
    return wide & ~ndimage.binary_dilation(frame.lesion_mask, iterations=4) & frame.liver


@pytest.mark.parametrize("view", SIMULATED_VIEWS)
def test_the_same_seed_gives_the_same_pixels(view: str) -> None:
    first, again, other = (simulate_frame(view, 12.0, seed=seed) for seed in (5, 5, 6))
    assert first.image.shape == (480, 640)
    assert first.image.dtype == np.uint8
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)


def test_nothing_is_drawn_outside_the_fan() -> None:
    frame = simulate_frame("hepatic veins", 8.0, seed=1)
    assert not frame.image[~frame.fan].any()
    assert (frame.image[frame.fan] > 0).mean() > 0.8


def test_spacing_gives_the_depth_of_the_fan_in_millimetres() -> None:
    frame = simulate_frame("liver/kidney", 8.0, seed=2)
    rows = np.flatnonzero(frame.fan[:, frame.fan.shape[1] // 2])
    assert 110 < np.ptp(rows) * frame.spacing[0] < 200


def test_fat_raises_the_liver_over_the_kidney() -> None:
    def ratio(fat: float) -> float:
        values = []
        for seed in range(4):
            frame = simulate_frame("liver/kidney", fat, seed=seed)
            depth = np.arange(480)[:, None] + np.zeros((1, 640))
            # What is neither liver nor near the edges in the middle of this view is kidney.
            kidney = ~frame.liver & frame.fan & (depth > 220) & (depth < 300)
            kidney &= np.abs(np.arange(640) - 380)[None, :] < 60
            liver = frame.liver & (depth > 150) & (depth < 230)
            values.append(echo(frame, liver) - echo(frame, kidney))
        return float(np.mean(values))

    assert ratio(25.0) > ratio(2.0) + 0.03


def test_fat_darkens_the_depth_of_the_liver() -> None:
    def fall(fat: float) -> float:
        values = []
        for seed in range(4):
            frame = simulate_frame("hepatic veins", fat, seed=seed)
            rows = np.flatnonzero(frame.liver.any(axis=1))
            third = len(rows) // 3
            near, far = np.zeros_like(frame.liver), np.zeros_like(frame.liver)
            near[rows[:third]] = True
            far[rows[-third:]] = True
            values.append(echo(frame, near & frame.liver) - echo(frame, far & frame.liver))
        return float(np.mean(values))

    assert fall(30.0) > fall(2.0) + 0.04


@pytest.mark.parametrize(
    ("kind", "sign"),
    [("cyst", -1), ("haemangioma", 1), ("hepatocellular carcinoma", -1), ("metastasis", -1)],
)
def test_a_lesion_differs_from_the_liver_beside_it_as_its_kind_does(kind: str, sign: int) -> None:
    differences = []
    for seed in range(3):
        frame = simulate_frame(VIEW, 3.0, Lesion(kind, 13.0, PLACE), seed=seed)
        differences.append(echo(frame, frame.lesion_mask) - echo(frame, around(frame)))
    assert sign * np.mean(differences) > 0.03


def test_the_liver_behind_a_cyst_is_enhanced() -> None:
    place = Lesion("cyst", 14.0, (-20.0, 55.0))
    with_cyst = simulate_frame("right posterior portal vein", 3.0, place, seed=4)
    rows, columns = np.nonzero(with_cyst.lesion_mask)
    middle = int(columns.mean())
    behind = np.zeros_like(with_cyst.liver)
    behind[rows.max() + 10 : rows.max() + 50, middle - 12 : middle + 4] = True
    beside = np.roll(behind, 90, axis=1)
    assert echo(with_cyst, behind) > echo(with_cyst, beside) + 0.05


def test_sparing_is_seen_in_a_fatty_liver_only() -> None:
    def contrast(fat: float) -> float:
        values = []
        for seed in range(4):
            lesion = Lesion("focal fatty sparing", 13.0, PLACE)
            frame = simulate_frame(VIEW, fat, lesion, seed=seed)
            values.append(echo(frame, around(frame)) - echo(frame, frame.lesion_mask))
        return float(np.mean(values))

    assert contrast(25.0) > contrast(2.0) + 0.03


@pytest.mark.parametrize("kind", LESION_KINDS)
def test_a_lesion_is_placed_in_the_liver(kind: str) -> None:
    frame = simulate_frame("hepatic veins", 8.0, Lesion(kind, 12.0), seed=7)
    assert (frame.liver & frame.lesion_mask).sum() > 0.8 * frame.lesion_mask.sum()
    assert 0.5 < frame.lesion_mask.sum() * frame.spacing[0] ** 2 / (np.pi * 12.0**2) < 1.6


def test_a_participant_shows_the_lesion_in_the_named_views_only() -> None:
    frames = participant(9.0, seed=1, lesion=Lesion("cyst"), lesion_views=("hepatic veins",))
    assert tuple(frames) == SIMULATED_VIEWS
    with_lesion = [view for view, frame in frames.items() if frame.lesion_mask is not None]
    assert with_lesion == ["hepatic veins"]
    assert len({frame.participant for frame in frames.values()}) == 1


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(ModelError, match="liver/kidney"):
        simulate_frame("spleen", 5.0)
    with pytest.raises(ModelError, match="haemangioma"):
        simulate_frame("hepatic veins", 5.0, Lesion("wart"))
