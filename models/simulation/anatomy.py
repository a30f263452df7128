"""The four liver views of Byra et al. 2021, drawn as tissue maps.

A view is a row of ``VIEWS``: a function that paints a participant's anatomy into an empty scene.
Positions are shares of the fan's depth with a random offset, as no two acquisitions are alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import ModelError
from models.simulation.fan import Fan
from models.simulation.participant import Participant
from models.simulation.scene import Points, Scene, bend, ellipse, smooth_noise, tube

Floats = npt.NDArray[np.float32]

LUMEN = -34.0
"""Backscatter of blood, dB; side lobes fill it, the acquisition adds them."""


@dataclass(frozen=True)
class Canvas:
    """What every painter of anatomy needs at hand."""

    scene: Scene
    fan: Fan
    who: Participant
    generator: np.random.Generator

    def at(self, x: float, z: float, spread: float = 5.0) -> tuple[float, float]:
        """A point given in shares of the depth, moved by chance (mm)."""
        dx, dz = self.generator.normal(0.0, spread, 2)
        return (x * self.fan.depth + float(dx), z * self.fan.depth + float(dz))


def paint_anatomy(view: str, fan: Fan, who: Participant, generator: np.random.Generator) -> Scene:
    """The scene of one view; ModelError names the views there are."""
    if view not in VIEWS:
        raise ModelError(f"there is no simulated view {view!r}; there are {', '.join(VIEWS)}")
    canvas = Canvas(Scene.empty(fan, generator), fan, who, generator)
    _parenchyma(canvas)
    VIEWS[view](canvas)
    _abdominal_wall(canvas)
    return canvas.scene


def _parenchyma(canvas: Canvas) -> None:
    scene, who = canvas.scene, canvas.who
    slow = smooth_noise(scene.x.shape, (14.0, 7.0), canvas.generator)
    fine = smooth_noise(scene.x.shape, (3.0, 1.5), canvas.generator)
    triads = np.maximum(smooth_noise(scene.x.shape, (1.3, 1.1), canvas.generator) - 2.0, 0.0)
    echo = who.liver_echo + who.coarseness * (slow + fine) + 7.0 * triads
    scene.liver[:] = True
    scene.paint(scene.liver, echo.astype(np.float32), who.liver_attenuation)
    for _ in range(int(canvas.generator.integers(6, 13))):
        start = canvas.at(canvas.generator.uniform(-0.45, 0.45), canvas.generator.uniform(0.2, 0.8))
        angle, length = canvas.generator.uniform(0, np.pi), canvas.generator.uniform(2.0, 16.0)
        end = (start[0] + length * np.cos(angle), start[1] + 0.5 * length * np.sin(angle))
        radius = canvas.generator.uniform(0.6, 1.5)
        line = bend(start, end, canvas.generator.normal(0, 0.1), 4)
        wall = bool(canvas.generator.random() < 0.5)
        _vessel(canvas, line, radius, 0.6 * radius, wall=wall, branch=False)


def _vessel(
    canvas: Canvas,
    line: Points,
    start_radius: float,
    end_radius: float,
    *,
    wall: bool,
    branch: bool = True,
) -> None:
    """A vessel with dark lumen; portal veins have bright walls. Fat veils lumen and walls.

    branch : starts in another vessel; otherwise it narrows there, as if it left the plane.
    """
    scene, who = canvas.scene, canvas.who
    radii = np.linspace(start_radius, end_radius, len(line))
    radii[[0, -1]] *= (1.0 if branch else 0.35, 0.35)
    distance = tube(scene.x, scene.z, line, radii)
    if wall:
        bright = max(0.0, 8.0 - 0.25 * who.fat_percent)
        sleeve = np.exp(-0.5 * ((distance - 0.7) / 0.8) ** 2).astype(np.float32)
        scene.echo += np.where(scene.liver, np.float32(bright) * sleeve, 0.0).astype(np.float32)
        scene.interface(distance - 0.4, 2.5 * np.exp(-who.fat_percent / 20.0))
    else:
        scene.interface(distance, 1.2 * np.exp(-who.fat_percent / 15.0))
    # Where the plane only grazes the vessel, parenchyma beside it fills part of the lumen.
    grazed = smooth_noise(scene.x.shape, (16.0, 8.0), canvas.generator)
    lumen = LUMEN + 0.3 * who.fat_percent + 12.0 * np.clip(grazed - 0.2, 0.0, 2.2)
    scene.paint(distance < 0, lumen.astype(np.float32), 0.18)
    scene.specular[distance < -0.6] *= 0.1


def _diaphragm(canvas: Canvas, centre: tuple[float, float], axes: tuple[float, float]) -> None:
    """The bright arc behind the liver, and the lung's mirror image that fades behind it."""
    scene = canvas.scene
    distance = ellipse(scene.x, scene.z, centre, axes)
    distance += 2.0 * smooth_noise(scene.x.shape, (30.0, 12.0), canvas.generator)
    beyond = distance > 0
    haze = canvas.generator.uniform(-15.0, -2.0) + 4.0 * smooth_noise(
        scene.x.shape, (10.0, 8.0), canvas.generator
    )
    scene.paint(beyond, haze.astype(np.float32), 1.3)
    scene.specular[beyond] *= 0.1
    scene.liver[beyond] = False
    seen = 0.75 + 0.55 * smooth_noise(scene.x.shape, (40.0, 14.0), canvas.generator)
    bright = canvas.generator.uniform(4.0, 11.0) * np.clip(seen, 0.05, 1.6)
    scene.interface(distance - 0.8, bright.astype(np.float32), 0.9)


def _hepatic_veins(canvas: Canvas) -> None:
    """Transverse, subcostal: three hepatic veins that meet in the inferior vena cava."""
    generator = canvas.generator
    cava = canvas.at(0.06, 0.66)
    ends = [canvas.at(-0.42, 0.40, 8.0), canvas.at(-0.06, 0.30, 8.0), canvas.at(0.38, 0.36, 8.0)]
    for end in ends:
        if generator.random() < 0.88:
            line = bend(cava, end, generator.normal(0.0, 0.12))
            _vessel(canvas, line, generator.uniform(3.5, 5.5), 1.0, wall=False)
            fork = (line[5][0] + generator.normal(0, 12.0), line[5][1] - generator.uniform(10, 25))
            _vessel(canvas, bend(tuple(line[5]), fork, 0.05, 5), 2.0, 0.8, wall=False)
    arc = canvas.at(0.02, 0.18)
    _diaphragm(canvas, arc, (0.62 * canvas.fan.depth, (cava[1] - arc[1]) * 1.22))
    scene = canvas.scene
    distance = ellipse(scene.x, scene.z, cava, (generator.uniform(9, 13), generator.uniform(6, 9)))
    scene.paint(distance < 0, LUMEN, 0.18)
    scene.specular[distance < 0] *= 0.1
    scene.interface(distance, 1.5)


def _right_portal_vein(canvas: Canvas) -> None:
    """Transverse: the right portal vein dividing, the cava behind, sometimes the gallbladder."""
    generator, scene = canvas.generator, canvas.scene
    hilum, fork = canvas.at(0.26, 0.60), canvas.at(-0.06, 0.50)
    _diaphragm(canvas, canvas.at(-0.02, 0.24), (0.60 * canvas.fan.depth, 0.62 * canvas.fan.depth))
    _vessel(canvas, bend(fork, canvas.at(-0.24, 0.28, 7.0), 0.1), 4.0, 1.5, wall=True)
    _vessel(canvas, bend(fork, canvas.at(-0.38, 0.60, 7.0), -0.12), 4.2, 1.5, wall=True)
    trunk = bend(fork, hilum, generator.normal(-0.05, 0.06))
    _vessel(canvas, trunk, 4.8, 6.0, wall=True)
    cava = ellipse(scene.x, scene.z, (hilum[0] - 12.0, hilum[1] + 22.0), (10.0, 7.0))
    scene.paint(cava < 0, LUMEN, 0.18)
    scene.interface(cava, 1.5)
    if generator.random() < 0.4:
        bladder = ellipse(
            scene.x, scene.z, canvas.at(0.36, 0.36), (generator.uniform(14, 22), 9.0), 0.9
        )
        scene.paint(bladder < 0, -45.0, 0.05)
        scene.liver[bladder < 2.0] = False
        scene.interface(bladder, 6.0, 0.8)


def _right_posterior_portal_vein(canvas: Canvas) -> None:
    """Transverse: the posterior branch running away from the probe, the diaphragm beside it."""
    generator = canvas.generator
    start, end = canvas.at(0.22, 0.42), canvas.at(-0.30, 0.66, 7.0)
    _diaphragm(canvas, canvas.at(0.10, 0.20), (0.62 * canvas.fan.depth, 0.68 * canvas.fan.depth))
    line = bend(start, end, generator.normal(-0.08, 0.08))
    _vessel(canvas, line, generator.uniform(4.0, 5.5), 1.6, wall=True, branch=False)
    _vessel(canvas, bend(tuple(line[4]), canvas.at(-0.30, 0.44, 7.0), 0.1), 2.8, 1.0, wall=True)
    vein = bend(canvas.at(0.32, 0.66), canvas.at(0.02, 0.30), 0.1)
    _vessel(canvas, vein, 3.5, 1.2, wall=False, branch=False)


def _liver_kidney(canvas: Canvas) -> None:
    """Sagittal: the right kidney below the liver, the diaphragm towards the head (left)."""
    generator, scene, who = canvas.generator, canvas.scene, canvas.who
    portal = bend(canvas.at(-0.30, 0.44), canvas.at(-0.02, 0.34), 0.1)
    _vessel(canvas, portal, 2.8, 1.2, wall=True, branch=False)
    _diaphragm(canvas, canvas.at(0.16, 0.16), (0.72 * canvas.fan.depth, 0.70 * canvas.fan.depth))
    centre, tilt = canvas.at(0.20, 0.55), generator.normal(0.28, 0.08)
    axes = (generator.uniform(46.0, 56.0), generator.uniform(20.0, 26.0))
    kidney = ellipse(scene.x, scene.z, centre, axes, tilt)
    edge = centre[1] + 6.0 + (scene.x - centre[0]) * np.tan(tilt + 0.05)
    edge += 0.02 * np.maximum(centre[0] - 0.3 * axes[0] - scene.x, 0.0) ** 2
    under = scene.z > edge + 2.5 * smooth_noise(scene.x.shape, (20.0, 8.0), generator)
    behind = 0.5 + 2.5 * smooth_noise(scene.x.shape, (4.0, 6.0), generator)
    scene.paint(under, behind.astype(np.float32), 0.8)
    scene.specular[under] *= 0.1
    scene.liver[under | (kidney < 2.0)] = False
    scene.kidney[kidney < 0] = True
    scene.paint((kidney < 2.5) & (kidney > 0), 3.0, 0.6)
    cortex = who.kidney_echo + 0.8 * smooth_noise(scene.x.shape, (4.0, 2.0), generator)
    scene.paint(kidney < 0, cortex.astype(np.float32), 0.55)
    scene.specular[kidney < 0] *= 0.1
    _kidney_inside(canvas, centre, axes, float(tilt))
    scene.interface(kidney - 0.6, 3.5, 0.8)


def _kidney_inside(
    canvas: Canvas, centre: tuple[float, float], axes: tuple[float, float], tilt: float
) -> None:
    """Dark pyramids around the bright central sinus."""
    generator, scene = canvas.generator, canvas.scene
    for turn in np.linspace(0.0, 2 * np.pi, 9)[:-1] + generator.uniform(0, 0.7):
        along, across = 0.62 * axes[0] * np.cos(turn), 0.58 * axes[1] * np.sin(turn)
        place = (
            centre[0] + along * np.cos(tilt) - across * np.sin(tilt),
            centre[1] + along * np.sin(tilt) + across * np.cos(tilt),
        )
        pyramid = ellipse(scene.x, scene.z, place, (5.0, 3.6), float(turn + tilt))
        scene.paint(pyramid < 0, canvas.who.kidney_echo - generator.uniform(3.0, 6.0), 0.5)
    sinus = ellipse(scene.x, scene.z, centre, (0.52 * axes[0], 0.34 * axes[1]), tilt)
    sinus += 2.0 * smooth_noise(scene.x.shape, (7.0, 4.0), generator)
    bright = 7.0 + 3.0 * smooth_noise(scene.x.shape, (4.0, 3.0), generator)
    scene.paint(sinus < 0, bright.astype(np.float32), 0.7)


def _abdominal_wall(canvas: Canvas) -> None:
    """Skin, fat with septa, fascia and striated muscle, all parallel to the probe."""
    scene, who, generator = canvas.scene, canvas.who, canvas.generator
    depth = np.hypot(scene.x, scene.z + canvas.fan.radius) - canvas.fan.radius
    depth = depth + 1.3 * smooth_noise(scene.x.shape, (20.0, 18.0), generator)
    layers = smooth_noise(scene.x.shape, (2.2, 16.0), generator)
    fat = -7.0 + 5.0 * np.maximum(layers, 0.0) ** 1.5 - 1.5 * np.maximum(-layers, 0.0)
    striae = smooth_noise(scene.x.shape, (1.6, 22.0), generator)
    wall = depth < who.wall
    scene.paint(wall, (-6.0 + 3.5 * striae).astype(np.float32), 0.75)
    scene.paint(depth < who.subcutaneous, fat.astype(np.float32), 0.6)
    scene.paint(depth < 2.2, 3.0, 0.8)
    scene.specular[wall] *= 0.0
    scene.liver[wall] = False
    scene.kidney[wall] = False
    for place, amplitude in ((who.subcutaneous, 2.5), (who.wall - 1.5, 2.0), (who.wall, 2.5)):
        scene.interface((depth - place).astype(np.float32), amplitude, 0.6)


VIEWS: dict[str, Callable[[Canvas], None]] = {
    "hepatic veins": _hepatic_veins,
    "right portal vein": _right_portal_vein,
    "right posterior portal vein": _right_posterior_portal_vein,
    "liver/kidney": _liver_kidney,
}
