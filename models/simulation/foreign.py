"""Ultrasound that shows no liver: heart, vessel, thyroid and test phantom, by the same physics.

Sketches, not anatomy: they teach a gate that speckle in a fan is not yet a liver. What a gate does
with them says little of real hearts and necks.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from models.errors import ModelError
from models.simulation.acquisition import Settings, acquire
from models.simulation.fan import BEAMS, Fan
from models.simulation.scene import Floats, Scene, bend, ellipse, smooth_noise, tube

_STRAIGHT = 2000.0
"""mm: a curvilinear probe of this radius is a linear one."""


def simulate_foreign(
    kind: str, seed: int = 0, shape: tuple[int, int] = (480, 640)
) -> npt.NDArray[np.uint8]:
    """(H, W) uint8 echo levels of one of ``FOREIGN``; the same arguments give the same pixels.

    Raises ModelError for an unknown kind.
    """
    if kind not in FOREIGN:
        raise ModelError(f"nothing simulates {kind!r}; there are {', '.join(FOREIGN)}")
    generator = np.random.default_rng(seed)
    fan, scene = FOREIGN[kind](generator, shape)
    return acquire(scene, fan, _settings(fan, generator), generator)


def _heart(generator: np.random.Generator, shape: tuple[int, int]) -> tuple[Fan, Scene]:
    """An apical view: two or four chambers, each in its wall, and a bright pericardium."""
    fan = Fan(
        radius=float(generator.uniform(4.0, 12.0)),
        half_angle=float(np.deg2rad(generator.uniform(36.0, 46.0))),
        depth=float(generator.uniform(120.0, 180.0)),
        shape=shape,
    )
    scene = Scene.empty(fan, generator)
    size = fan.depth / 150.0
    lean = generator.uniform(-0.3, 0.3)
    middle = (generator.uniform(-10, 10) * size, generator.uniform(70, 90) * size)
    whole = ellipse(scene.x, scene.z, middle, (46.0 * size, 70.0 * size), lean)
    _tissue(scene, whole > 0, generator.uniform(-16, -9), 0.6, generator)
    _tissue(scene, whole <= 0, generator.uniform(-8, -3), 0.6, generator)
    scene.interface(whole, generator.uniform(10, 30), 1.2)
    for across in (-1, 1):
        for down, axes in ((-26.0, (17.0, 30.0)), (34.0, (17.0, 20.0))):
            if down > 0 and generator.random() < 0.3:
                continue
            wide, high = (edge * size * generator.uniform(0.8, 1.15) for edge in axes)
            centre = (middle[0] + across * 21.0 * size, middle[1] + down * size)
            chamber = ellipse(scene.x, scene.z, centre, (wide, high), lean)
            scene.paint(chamber < 0, -40.0, 0.1)
            scene.interface(chamber, generator.uniform(2, 9))
    return fan, scene


def _vessel(generator: np.random.Generator, shape: tuple[int, int]) -> tuple[Fan, Scene]:
    """A vessel along or across a linear probe, under layers of skin, fat and muscle."""
    fan = _linear(generator, shape)
    scene = Scene.empty(fan, generator)
    _layers(scene, fan, generator)
    depth, radius = fan.depth * generator.uniform(0.35, 0.6), generator.uniform(2.5, 5.0)
    if generator.random() < 0.5:
        ends = (depth + generator.uniform(-4, 4), depth + generator.uniform(-4, 4))
        line = bend((-60.0, ends[0]), (60.0, ends[1]), generator.uniform(-0.05, 0.05))
        wall = tube(scene.x, scene.z, line, np.full(len(line), radius))
    else:
        wall = ellipse(scene.x, scene.z, (generator.uniform(-6, 6), depth), (radius, radius))
    scene.paint(wall < 0, -40.0, 0.1)
    scene.interface(wall, generator.uniform(8, 25), 0.3)
    return fan, scene


def _thyroid(generator: np.random.Generator, shape: tuple[int, int]) -> tuple[Fan, Scene]:
    """Two bright lobes beside the trachea and its shadow, with a carotid on either side."""
    fan = _linear(generator, shape)
    scene = Scene.empty(fan, generator)
    _layers(scene, fan, generator)
    depth = fan.depth * generator.uniform(0.35, 0.5)
    level = generator.uniform(-1, 5)
    for side in (-1.0, 1.0):
        axes = (generator.uniform(6, 9), generator.uniform(6, 9))
        lobe = ellipse(scene.x, scene.z, (side * generator.uniform(10, 13), depth), axes)
        _tissue(scene, lobe < 0, level, 0.5, generator, 1.0)
        scene.interface(lobe, generator.uniform(3, 9), 0.3)
        carotid = ellipse(scene.x, scene.z, (side * 22.0, depth + 3.0), (3.2, 3.2))
        scene.paint(carotid < 0, -40.0, 0.1)
        scene.interface(carotid, 10.0, 0.3)
    trachea = ellipse(scene.x, scene.z, (0.0, depth + 6.0), (8.0, 8.0))
    scene.interface(trachea, generator.uniform(15, 40), 0.5)
    scene.paint(trachea < 0, -30.0, 6.0)
    return fan, scene


def _phantom(generator: np.random.Generator, shape: tuple[int, int]) -> tuple[Fan, Scene]:
    """Even speckle with a column of point targets, rows of cysts and a grey-scale target."""
    straight = generator.random() < 0.4
    fan = Fan(
        radius=_STRAIGHT if straight else float(generator.uniform(40.0, 62.0)),
        half_angle=float(40.0 / _STRAIGHT if straight else np.deg2rad(generator.uniform(27, 37))),
        depth=float(generator.uniform(80.0, 160.0)),
        shape=shape,
    )
    scene = Scene.empty(fan, generator)
    x, z = fan.scene_points(step=2)  # a phantom is made to measure: nothing is warped
    scene.paint(np.ones(x.shape, bool), generator.uniform(-4, 4), 0.5)
    step = generator.choice([10.0, 20.0])
    for depth in np.arange(step, fan.depth, step):
        scene.specular += np.asarray(
            60.0 * (ellipse(x, z, (0.0, depth), (0.5, 0.5)) < 0), np.float32
        )
        for side, radius, echo in ((-22.0, 4.0, -40.0), (22.0, 3.0, 9.0)):
            scene.paint(ellipse(x, z, (side, depth), (radius, radius)) < 0, echo, 0.5)
    return fan, scene


FOREIGN: Mapping[str, Callable[[np.random.Generator, tuple[int, int]], tuple[Fan, Scene]]] = {
    "heart": _heart,
    "vessel": _vessel,
    "thyroid": _thyroid,
    "phantom": _phantom,
}


def _linear(generator: np.random.Generator, shape: tuple[int, int]) -> Fan:
    width, depth = generator.uniform(36.0, 52.0), generator.uniform(30.0, 45.0)
    return Fan(_STRAIGHT, float(width / 2 / _STRAIGHT), float(depth), shape)


def _layers(scene: Scene, fan: Fan, generator: np.random.Generator) -> None:
    """Skin, fat, and muscle with its bright sheets, each as deep as the generator says."""
    _tissue(scene, scene.z < 2.0, 6.0, 0.5, generator)
    _tissue(scene, scene.z >= 2.0, generator.uniform(-14, -6), 0.5, generator)
    _tissue(scene, scene.z > 0.3 * fan.depth, generator.uniform(-10, -3), 0.5, generator)
    for share in generator.uniform(0.05, 0.95, 7):
        scene.interface(scene.z - np.float32(share * fan.depth), generator.uniform(1, 8), 0.25)


def _tissue(
    scene: Scene,
    where: npt.NDArray[np.bool_],
    echo: float,
    attenuation: float,
    generator: np.random.Generator,
    rough: float = 3.0,
) -> None:
    """Paints a region with a level that varies by ``rough`` dB from place to place."""
    texture: Floats = smooth_noise(scene.x.shape, (9.0, 7.0), generator)
    scene.paint(where, np.asarray(echo + rough * texture, np.float32), attenuation)


def _settings(fan: Fan, generator: np.random.Generator) -> Settings:
    near = fan.depth < 60.0
    return Settings(
        frequency=float(generator.uniform(6.0, 9.0) if near else generator.uniform(2.4, 3.6)),
        focus=float(fan.depth * generator.uniform(0.4, 0.7)),
        width=float(generator.uniform(0.25, 0.4) if near else generator.uniform(0.55, 0.9)),
        tgc=float(generator.normal(0.5, 0.05)),
        gain=float(generator.normal(-3.0, 3.0)),
        dynamic_range=float(generator.uniform(52.0, 72.0)),
        gamma=float(generator.uniform(1.1, 1.9)),
        noise=float(generator.uniform(60.0, 88.0)),
        looks=int(generator.integers(1, 4)),
        shadow=np.zeros(BEAMS, np.float32),
        clutter=float(generator.uniform(22.0, 34.0)),
    )
