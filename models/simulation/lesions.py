"""Focal lesions of six kinds with the look that textbooks give them.

A kind is a row of ``KINDS``: a function that paints it into a scene. Echo levels are in dB
relative to the liver around, which fat has already made brighter.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.errors import ModelError
from models.simulation.participant import Participant, fat_backscatter
from models.simulation.scene import Scene, smooth_noise

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Lesion:
    """kind : one of ``LESION_KINDS``. radius : mm, of the mean outline. centre : x, z in mm from
    the middle of the probe's face; where none is given, a place in the liver is drawn."""

    kind: str
    radius: float = 15.0
    centre: tuple[float, float] | None = None


@dataclass(frozen=True)
class Outline:
    """distance : mm to the lesion's edge, negative inside. unit : 0 at its centre, 1 at its edge.
    angle : rad around its centre."""

    distance: Floats
    unit: Floats
    angle: Floats


Painter = Callable[[Scene, Outline, Participant, np.random.Generator], None]


def paint_lesion(
    scene: Scene, lesion: Lesion, participant: Participant, generator: np.random.Generator
) -> Floats:
    """Paints a lesion and returns its signed distance (mm), negative inside.

    Raises ModelError for an unknown kind, or when the liver has no room for the lesion.
    """
    if lesion.kind not in KINDS:
        raise ModelError(
            f"there is no lesion kind {lesion.kind!r}; there are {', '.join(LESION_KINDS)}"
        )
    painter, roughness = KINDS[lesion.kind]
    centre = lesion.centre or _place(scene, lesion.radius, generator)
    outline = _outline(scene, centre, lesion.radius, roughness, generator)
    painter(scene, outline, participant, generator)
    scene.specular[outline.distance < -0.8] *= 0.2
    return outline.distance


def _cyst(scene: Scene, at: Outline, who: Participant, generator: np.random.Generator) -> None:
    """Echo-free, thin sharp wall, and so little attenuation that all behind it is enhanced."""
    scene.paint(at.distance < 0, -45.0, 0.05)
    scene.interface(at.distance, 5.0, 0.5)


def _haemangioma(
    scene: Scene, at: Outline, who: Participant, generator: np.random.Generator
) -> None:
    """Homogeneous, bright and sharply bounded; in a very fatty liver it may look dark."""
    bright = who.liver_echo + generator.uniform(6.0, 9.0) - 0.6 * fat_backscatter(who.fat_percent)
    texture = smooth_noise(scene.x.shape, (2.0, 1.0), generator)
    scene.paint(at.distance < 0, bright + 0.7 * texture, 0.45)


def _nodular_hyperplasia(
    scene: Scene, at: Outline, who: Participant, generator: np.random.Generator
) -> None:
    """Nearly as bright as the liver, with a dark star-shaped scar and faint spokes."""
    echo = np.full(scene.x.shape, who.liver_echo - generator.uniform(1.5, 3.5), np.float32)
    arms = np.abs(np.cos(2.5 * at.angle + generator.uniform(0, np.pi))) ** 6
    scar = np.exp(-0.5 * (at.unit / (0.16 + 0.42 * arms)) ** 4)
    scene.paint(at.distance < 0, (echo - 9.0 * scar).astype(np.float32), 0.6)
    scene.interface(at.distance, 0.8, 0.7)


def _hepatocellular(
    scene: Scene, at: Outline, who: Participant, generator: np.random.Generator
) -> None:
    """Darker than the liver, a thin dark capsule, a mosaic of nodules when it is large."""
    nodules = smooth_noise(scene.x.shape, (9.0, 4.5), generator)
    spread = 2.5 + 2.5 * float(np.clip((-at.distance.min() - 10.0) / 20.0, 0.0, 1.0))
    echo = who.liver_echo - generator.uniform(4.5, 7.5) + spread * nodules
    capsule = np.exp(-0.5 * ((at.distance + 1.8) / 1.0) ** 2)
    scene.paint(at.distance < 0, (echo - 6.0 * capsule).astype(np.float32), 0.7)


def _metastasis(
    scene: Scene, at: Outline, who: Participant, generator: np.random.Generator
) -> None:
    """A target: thick dark halo around a brighter centre."""
    centre = who.liver_echo + generator.uniform(-1.5, 4.0)
    halo = 1.0 / (1.0 + np.exp(-(at.unit - generator.uniform(0.58, 0.72)) / 0.05))
    texture = smooth_noise(scene.x.shape, (4.0, 2.0), generator)
    echo = centre + 1.2 * texture - generator.uniform(9.0, 12.0) * halo
    scene.paint(at.distance < 0, echo.astype(np.float32), 0.75)


def _fatty_sparing(
    scene: Scene, at: Outline, who: Participant, generator: np.random.Generator
) -> None:
    """Liver without the fat: a geographic darker field that pushes nothing aside; in a lean liver
    it cannot be seen, as in life."""
    lean = who.liver_echo - fat_backscatter(who.fat_percent) + fat_backscatter(2.0)
    inside = at.distance < 0
    texture = 0.8 * smooth_noise(scene.x.shape, (8.0, 4.0), generator)
    vessels = inside & (scene.echo < who.liver_echo - 12.0)
    kept = scene.echo[vessels]
    scene.paint(inside, (lean + texture).astype(np.float32), 0.56)
    scene.echo[vessels] = kept


KINDS: dict[str, tuple[Painter, float]] = {
    "cyst": (_cyst, 0.03),
    "haemangioma": (_haemangioma, 0.06),
    "focal nodular hyperplasia": (_nodular_hyperplasia, 0.07),
    "hepatocellular carcinoma": (_hepatocellular, 0.09),
    "metastasis": (_metastasis, 0.06),
    "focal fatty sparing": (_fatty_sparing, 0.28),
}
"""Painter and roughness of the outline (share of the radius)."""

LESION_KINDS = tuple(KINDS)


def _outline(
    scene: Scene,
    centre: tuple[float, float],
    radius: float,
    roughness: float,
    generator: np.random.Generator,
) -> Outline:
    dx, dz = scene.x - np.float32(centre[0]), scene.z - np.float32(centre[1])
    stretch = generator.uniform(0.88, 1.14)
    angle = np.arctan2(dz * stretch, dx / stretch)
    edge = np.full(angle.shape, radius, np.float32)
    for wave in range(2, 6):
        size = roughness * radius * generator.normal(0.0, 0.7) / (wave - 1)
        edge += np.float32(size) * np.cos(wave * angle + generator.uniform(0, 2 * np.pi))
    edge = np.maximum(edge, 0.35 * radius)
    reach = np.hypot(dx / stretch, dz * stretch)
    return Outline((reach - edge).astype(np.float32), reach / edge, angle)


def _place(scene: Scene, radius: float, generator: np.random.Generator) -> tuple[float, float]:
    """A place in the liver at which the lesion fits, or the roomiest there is."""
    step_z = float(np.abs(np.diff(scene.z[:, scene.z.shape[1] // 2])).mean())
    step_x = float(np.abs(np.diff(scene.x, axis=1)).mean())
    framed = np.pad(scene.liver, 1)
    room = ndimage.distance_transform_edt(framed, sampling=(step_z, step_x))[1:-1, 1:-1]
    if room.max() < 0.5 * radius:
        raise ModelError(f"the simulated liver has no room for a lesion of radius {radius:.0f} mm")
    rows, columns = np.nonzero(room >= min(1.1 * radius, 0.95 * room.max()))
    picked = int(generator.integers(len(rows)))
    return (
        float(scene.x[rows[picked], columns[picked]]),
        float(scene.z[rows[picked], columns[picked]]),
    )
