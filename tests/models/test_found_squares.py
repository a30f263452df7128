"""Where the squares of a hepatorenal index are proposed."""

import numpy as np
import numpy.typing as npt

from models.fat.found_squares import FAR, NEAR, Mask, find_squares
from models.fat.squares import SIDE
from models.simulation import simulate_participant

HEIGHT, WIDTH = 434, 636


def organs() -> tuple[npt.NDArray[np.uint8], Mask, Mask]:
    """A liver of level 120 over a kidney of level 80."""
    liver, kidney = np.zeros((2, HEIGHT, WIDTH), bool)
    liver[60:230, 100:500] = True
    kidney[230:330, 200:400] = True
    image = np.where(liver, 120, np.where(kidney, 80, 40)).astype(np.uint8)
    return image, liver, kidney


def test_the_squares_lie_beside_each_other_in_their_organs() -> None:
    image, liver, kidney = organs()
    found = find_squares(image, liver, kidney)
    assert found is not None
    assert found.reading.index == 1.5
    assert (found.low, found.high) == (1.5, 1.5)
    apart = np.hypot(found.liver[0] - found.kidney[0], found.liver[1] - found.kidney[1])
    assert NEAR * SIDE <= apart <= FAR * SIDE
    for mask, (x0, y0, x1, y1) in (
        (liver, found.reading.liver),
        (kidney, found.reading.kidney),
    ):
        assert mask[y0:y1, x0:x1].mean() > 0.9


def test_a_vessel_and_the_sinus_are_kept_out() -> None:
    image, liver, kidney = organs()
    image[190:202, 100:300] = 20  # a vessel on the left
    image[270:330, 200:400] = 200  # the sinus
    found = find_squares(image, liver, kidney)
    assert found is not None
    assert found.reading.index == 1.5


def test_without_room_there_is_no_pair() -> None:
    image, liver, kidney = organs()
    assert find_squares(image, liver, np.zeros_like(kidney)) is None
    assert find_squares(image, np.zeros_like(liver), kidney) is None
    far = np.zeros_like(liver)
    far[60:120, 100:500] = True
    assert find_squares(image, far, kidney) is None
    thin = kidney.copy()
    thin[240:] = False
    assert find_squares(image, liver, thin) is None


def test_fatter_livers_have_a_higher_index() -> None:
    means = []
    for fat in (2.0, 30.0):
        indices = []
        for seed in range(3):
            frame = simulate_participant(fat, 40 + seed)["liver/kidney"]
            assert frame.kidney is not None
            found = find_squares(frame.image, frame.liver, frame.kidney)
            assert found is not None
            assert found.reading.index is not None
            indices.append(found.reading.index)
        means.append(np.mean(indices))
    assert means[0] < means[1]
