"""What a backbone makes of a frame, to be handed from who asked first to who asks the same."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Seen:
    """network : digest of backbone and weights; two of one digest say the same of an image. maps :
    (C, h, w) its features. pooled : (C,) their mean over the cells. window : x0, y0, x1, y1 of the
    image that they cover."""

    network: str
    maps: npt.NDArray[np.float32]
    pooled: npt.NDArray[np.float32]
    window: tuple[int, int, int, int]
