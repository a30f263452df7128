"""One simulated frame, and the four frames of one simulated participant."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.simulation.acquisition import Settings, acquire
from models.simulation.anatomy import VIEWS, paint_anatomy
from models.simulation.fan import BEAMS, Fan
from models.simulation.lesions import Lesion, paint_lesion
from models.simulation.participant import Participant, draw_participant
from models.simulation.scene import smooth_noise


@dataclass(frozen=True)
class SimulatedFrame:
    """image : (H, W) uint8. fan, liver : (H, W) bool. kidney, lesion_mask : (H, W) bool, or None
    without one. spacing : mm per pixel (row, column). participant, settings : what it was made of.
    """

    image: npt.NDArray[np.uint8]
    fan: npt.NDArray[np.bool_]
    liver: npt.NDArray[np.bool_]
    kidney: npt.NDArray[np.bool_] | None
    lesion_mask: npt.NDArray[np.bool_] | None
    spacing: tuple[float, float]
    view: str
    lesion: Lesion | None
    participant: Participant
    settings: Settings

    @property
    def fat_percent(self) -> float:
        return self.participant.fat_percent


def simulate_frame(
    view: str,
    fat_percent: float,
    lesion: Lesion | None = None,
    seed: int = 0,
    shape: tuple[int, int] = (480, 640),
) -> SimulatedFrame:
    """A B-mode frame of a person drawn from the seed; the same arguments give the same pixels.

    view : one of ``VIEWS``. fat_percent : 0 to 60. Raises ModelError for an unknown view or
    lesion kind.
    """
    generator = np.random.default_rng(seed)
    return _frame(view, draw_participant(fat_percent, generator), lesion, generator, shape)


def simulate_participant(
    fat_percent: float,
    seed: int = 0,
    lesion: Lesion | None = None,
    lesion_views: tuple[str, ...] = (),
    shape: tuple[int, int] = (480, 640),
) -> dict[str, SimulatedFrame]:
    """The four views of one person, each with settings of its own, by view.

    lesion : shown in ``lesion_views`` only.
    """
    traits, *acquisitions = np.random.default_rng(seed).spawn(1 + len(VIEWS))
    participant = draw_participant(fat_percent, traits)
    return {
        view: _frame(view, participant, lesion if view in lesion_views else None, own, shape)
        for view, own in zip(VIEWS, acquisitions, strict=True)
    }


def _frame(
    view: str,
    participant: Participant,
    lesion: Lesion | None,
    generator: np.random.Generator,
    shape: tuple[int, int],
) -> SimulatedFrame:
    fan = _draw_fan(participant, generator, shape)
    scene = paint_anatomy(view, fan, participant, generator)
    lesion_mask = None
    if lesion is not None:
        distance = paint_lesion(scene, lesion, participant, generator)
        lesion_mask = _converted(fan, distance < 0)
    settings = _draw_settings(participant, fan, generator)
    image = acquire(scene, fan, settings, generator)
    return SimulatedFrame(
        image=image,
        fan=fan.mask,
        liver=_converted(fan, scene.liver),
        kidney=_converted(fan, scene.kidney) if scene.kidney.any() else None,
        lesion_mask=lesion_mask,
        spacing=(fan.spacing, fan.spacing),
        view=view,
        lesion=lesion,
        participant=participant,
        settings=settings,
    )


def _draw_fan(
    participant: Participant, generator: np.random.Generator, shape: tuple[int, int]
) -> Fan:
    # One in six is a sector probe with a small footprint, as cardiac presets of older studies.
    sector = generator.random() < 1 / 6
    radius = generator.uniform(4.0, 12.0) if sector else generator.uniform(40.0, 62.0)
    degrees = generator.uniform(38.0, 45.0) if sector else generator.uniform(27.0, 37.0)
    return Fan(
        radius=float(radius),
        half_angle=float(np.deg2rad(degrees)),
        depth=float(generator.uniform(125.0, 165.0) + 0.8 * (participant.wall - 22.0)),
        shape=shape,
    )


def _draw_settings(participant: Participant, fan: Fan, generator: np.random.Generator) -> Settings:
    lanes = smooth_noise((1, BEAMS), (0.0, 14.0), generator)[0]
    shadow = 5.0 * np.maximum(lanes - 1.3, 0.0)
    side = np.linspace(-1.0, 1.0, BEAMS, dtype=np.float32)
    if generator.random() < 0.35:
        edge, steep = generator.uniform(0.55, 0.85), generator.uniform(8.0, 22.0)
        direction = generator.choice([-1.0, 1.0])
        shadow = shadow + steep / (1.0 + np.exp(-(direction * side - edge) / 0.04))
    return Settings(
        frequency=float(generator.uniform(2.6, 3.6)),
        focus=float(generator.uniform(55.0, 95.0)),
        width=float(generator.uniform(0.55, 0.85)),
        tgc=float(0.4 + 0.35 * participant.liver_attenuation + generator.normal(0.0, 0.04)),
        gain=float(generator.normal(-5.0, 2.5)),
        dynamic_range=float(generator.uniform(55.0, 72.0)),
        gamma=float(generator.uniform(1.3, 1.9)),
        noise=float(generator.uniform(74.0, 88.0)),
        looks=int(generator.integers(1, 4)),
        shadow=np.asarray(shadow, np.float32),
        clutter=float(generator.uniform(24.0, 34.0) - 0.35 * (participant.wall - 22.0)),
    )


def _converted(fan: Fan, where: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """A mask of the scene's grid as a mask of the image."""
    return fan.scan_convert(np.kron(where, np.ones((2, 2), bool))) > 0.5
