"""A scene: what scatters, reflects and attenuates, sampled on a fan's polar grid."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.simulation.fan import Fan

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.floating]


@dataclass
class Scene:
    """Tissue maps on a polar grid, painted in order by the anatomy.

    x, z : mm. echo : backscatter in dB relative to normal liver. attenuation : dB/cm/MHz.
    specular : amplitude of smooth interfaces, 1 being the amplitude of normal liver.
    liver : true in parenchyma, its vessels and lesions. kidney : true within its capsule.
    """

    x: Floats
    z: Floats
    echo: Floats
    attenuation: Floats
    specular: Floats
    liver: Mask
    kidney: Mask

    @classmethod
    def empty(cls, fan: Fan, generator: np.random.Generator) -> "Scene":
        """Water-like nothing everywhere, at every second sample of the fan: edges are blurred by
        the beam anyway. The coordinates are warped by a few mm, so that nothing drawn on them is
        ever a perfect arc or line."""
        x, z = fan.scene_points(step=2)
        for scale, amount in ((36.0, 2.6), (9.0, 0.5)):
            x = x + np.float32(amount) * smooth_noise(x.shape, (scale, 0.6 * scale), generator)
            z = z + np.float32(amount) * smooth_noise(x.shape, (scale, 0.6 * scale), generator)
        return cls(
            x=x,
            z=z,
            echo=np.full(x.shape, -40.0, np.float32),
            attenuation=np.full(x.shape, 0.5, np.float32),
            specular=np.zeros(x.shape, np.float32),
            liver=np.zeros(x.shape, bool),
            kidney=np.zeros(x.shape, bool),
        )

    def paint(self, where: Mask, echo: float | Floats, attenuation: float) -> None:
        """Gives a region its backscatter and attenuation."""
        self.echo[where] = echo[where] if isinstance(echo, np.ndarray) else echo
        self.attenuation[where] = attenuation

    def interface(
        self, distance: Floats, amplitude: float | Floats, thickness: float = 0.5
    ) -> None:
        """A smooth reflector where a signed distance (mm) is zero: bright where the beam meets it
        squarely, fading as it turns along the beam."""
        facing = np.abs(np.gradient(distance, axis=0))
        facing = facing / np.maximum(np.hypot(facing, np.gradient(distance, axis=1)), 1e-6)
        profile = np.exp(-0.5 * (distance / thickness) ** 2)
        seen = profile * (0.12 + 0.88 * facing**3)
        self.specular += np.asarray(amplitude * seen, np.float32)


def ellipse(
    x: Floats, z: Floats, centre: tuple[float, float], axes: tuple[float, float], tilt: float = 0.0
) -> Floats:
    """About the signed distance (mm) to an ellipse, negative inside."""
    dx, dz = x - centre[0], z - centre[1]
    along = dx * np.cos(tilt) + dz * np.sin(tilt)
    across = -dx * np.sin(tilt) + dz * np.cos(tilt)
    unit = np.hypot(along / axes[0], across / axes[1])
    return np.asarray((unit - 1.0) * min(axes), np.float32)


def tube(x: Floats, z: Floats, line: Points, radii: npt.NDArray[np.floating]) -> Floats:
    """Signed distance (mm) to a tube along a polyline (n, 2) of x, z; negative inside.

    radii : (n,) mm at the points.
    """
    nearest = np.full(x.shape, np.inf, np.float32)
    for (ax, az), (bx, bz), first, last in zip(
        line[:-1], line[1:], radii[:-1], radii[1:], strict=True
    ):
        ux, uz = bx - ax, bz - az
        length = max(ux * ux + uz * uz, 1e-6)
        share = np.clip(((x - ax) * ux + (z - az) * uz) / length, 0.0, 1.0)
        gap = np.hypot(x - ax - share * ux, z - az - share * uz)
        nearest = np.minimum(nearest, (gap - (first + (last - first) * share)).astype(np.float32))
    return nearest


def bend(
    start: tuple[float, float], end: tuple[float, float], bow: float, points: int = 9
) -> Points:
    """A gently bowed line between two points: a quadratic Bezier of (points, 2)."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    normal = np.array([-(b - a)[1], (b - a)[0]])
    middle = (a + b) / 2 + bow * normal
    t = np.linspace(0.0, 1.0, points)[:, None]
    return np.asarray((1 - t) ** 2 * a + 2 * t * (1 - t) * middle + t**2 * b)


def smooth_noise(
    shape: tuple[int, int], sigma: tuple[float, float], generator: np.random.Generator
) -> Floats:
    """A smooth random map of mean 0 and standard deviation 1; sigma in samples per axis.

    It is drawn on a grid as coarse as the smoothing allows: six times faster.
    """
    steps = [max(1, int(value // 4)) for value in sigma]
    coarse = [-(-size // step) + 1 for size, step in zip(shape, steps, strict=True)]
    field = ndimage.gaussian_filter(
        generator.standard_normal(coarse, dtype=np.float32),
        [value / step for value, step in zip(sigma, steps, strict=True)],
    )
    field = ndimage.zoom(field, steps, order=1, mode="nearest", grid_mode=True)
    field = field[: shape[0], : shape[1]]
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-9), np.float32)
