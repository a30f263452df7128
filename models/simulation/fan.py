"""The polar grid of a curvilinear probe and its scan conversion."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]

ROWS = 640
BEAMS = 256
_FILLED = 0.94


@dataclass(frozen=True)
class Fan:
    """A curvilinear probe's field of view on an image.

    radius : of the probe's face, mm. half_angle : rad. depth : mm below the face. shape : image
    (height, width) in pixels. In the scene x runs to the right and z down from the middle of the
    probe's face, in mm.
    """

    radius: float
    half_angle: float
    depth: float
    shape: tuple[int, int] = (480, 640)

    @cached_property
    def depths(self) -> Floats:
        """(ROWS,) mm below the probe's face."""
        return np.linspace(0.0, self.depth, ROWS, dtype=np.float32)

    @cached_property
    def angles(self) -> Floats:
        """(BEAMS,) rad from the middle beam."""
        return np.linspace(-self.half_angle, self.half_angle, BEAMS, dtype=np.float32)

    @property
    def row_mm(self) -> float:
        """Distance between samples of one beam."""
        return self.depth / (ROWS - 1)

    def scene_points(self, step: int = 1) -> tuple[Floats, Floats]:
        """x and z in mm of every ``step``-th sample: (ROWS / step, BEAMS / step) each."""
        reach = self.radius + self.depths[::step, None]
        angles = self.angles[None, ::step]
        return reach * np.sin(angles), reach * np.cos(angles) - np.float32(self.radius)

    @cached_property
    def spacing(self) -> float:
        """mm per pixel, the same on both axes."""
        height, width = self.shape
        across = 2.0 * (self.radius + self.depth) * np.sin(self.half_angle)
        down = self.depth + self._sagitta
        return float(max(across / (width * _FILLED), down / (height * _FILLED)))

    @property
    def _sagitta(self) -> float:
        return float(self.radius * (1.0 - np.cos(self.half_angle)))

    @cached_property
    def _coordinates(self) -> tuple[Floats, npt.NDArray[np.bool_]]:
        height, width = self.shape
        top = (height - (self.depth + self._sagitta) / self.spacing) / 2.0
        x = (np.arange(width, dtype=np.float32) - (width - 1) / 2.0) * self.spacing
        z = (np.arange(height, dtype=np.float32) - top) * self.spacing - self._sagitta
        down = z[:, None] + self.radius
        reach = np.hypot(x[None, :], down)
        angle = np.arctan2(x[None, :], down)
        row = (reach - self.radius) / self.depth * (ROWS - 1)
        beam = (angle + self.half_angle) / (2 * self.half_angle) * (BEAMS - 1)
        inside = (row >= 0) & (row <= ROWS - 1) & (beam >= 0) & (beam <= BEAMS - 1)
        return np.stack([row, beam]).astype(np.float32), inside

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """(height, width), true inside the fan."""
        return self._coordinates[1]

    def scan_convert(self, polar: npt.NDArray[np.generic]) -> Floats:
        """A polar map (ROWS, BEAMS) as an image of ``shape``, 0 outside the fan."""
        coordinates, inside = self._coordinates
        result = np.zeros(self.shape, np.float32)
        result[inside] = ndimage.map_coordinates(
            np.asarray(polar, np.float32), coordinates[:, inside], order=1, mode="nearest"
        )
        return result
