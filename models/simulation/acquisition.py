"""From a scene to a B-mode image: speckle, attenuation, gain, compression, scan conversion."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from models.simulation.fan import BEAMS, ROWS, Fan
from models.simulation.scene import Scene

Floats = npt.NDArray[np.float32]

_AXIAL_MM = 0.32
"""Standard deviation of the pulse envelope."""


@dataclass(frozen=True)
class Settings:
    """What the operator and the machine set.

    frequency : MHz. focus : mm. width : lateral beam sigma at the focus, mm. tgc : dB/cm/MHz that
    time gain compensates for. gain : dB. dynamic_range : dB shown. gamma : grey map exponent.
    noise : electronic noise, dB below liver at the probe. looks : speckle patterns averaged by
    compounding. shadow : (BEAMS,) dB lost behind ribs or poor contact. clutter : dB below liver
    that side lobes and reverberation put into every echo-free region.
    """

    frequency: float
    focus: float
    width: float
    tgc: float
    gain: float
    dynamic_range: float
    gamma: float
    noise: float
    looks: int
    shadow: Floats
    clutter: float


def acquire(
    scene: Scene, fan: Fan, settings: Settings, generator: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """The B-mode image of a scene, of the fan's shape, uint8."""
    amplitude = _upsample(10.0 ** (scene.echo / 20.0)) + 10.0 ** (-settings.clutter / 20.0)
    specular = _upsample(scene.specular)
    loss = np.cumsum(_upsample(scene.attenuation), axis=0, dtype=np.float32)
    centimetres = np.float32(fan.row_mm / 10.0)
    loss *= 2.0 * settings.frequency * centimetres
    loss += settings.shadow[None, :] * _below_wall(fan)[:, None]
    compensation = 2.0 * settings.frequency * settings.tgc * fan.depths[:, None] / 10.0

    power = np.zeros((ROWS, BEAMS), np.float32)
    for _ in range(settings.looks):
        echo = _blur(amplitude, specular, fan, settings, generator)
        echo *= 10.0 ** (-loss / 20.0)
        echo += 10.0 ** (-settings.noise / 20.0) * _complex_noise(generator)
        power += echo.real**2 + echo.imag**2
    decibel = 10.0 * np.log10(power / settings.looks + 1e-12) + compensation
    image = fan.scan_convert(ndimage.gaussian_filter(decibel, (0.7, 0.5)))
    return _grey(image + _auto_gain(scene, decibel) + settings.gain, fan.mask, settings)


def _blur(
    amplitude: Floats,
    specular: Floats,
    fan: Fan,
    settings: Settings,
    generator: np.random.Generator,
) -> npt.NDArray[np.complex64]:
    """Scatterers convolved with a point spread function that widens away from the focus.

    In polar coordinates the pulse is the same everywhere and the beam depends on depth only: one
    multiplication per row in the frequency domain is the exact depth-dependent convolution.
    """
    axial = _AXIAL_MM / fan.row_mm
    away = np.abs(fan.depths - settings.focus) / settings.focus
    lateral = settings.width * np.sqrt(1.0 + away**2) / (fan.radius + fan.depths)
    lateral = np.maximum(lateral / (2.0 * fan.half_angle / (BEAMS - 1)), 0.6)
    # A Gaussian kernel of this sigma keeps 1 / (2 sqrt(pi) sigma) of white noise's power.
    kept = 1.0 / (4.0 * np.pi * axial * lateral)
    field = amplitude * _complex_noise(generator) / np.sqrt(kept)[:, None].astype(np.float32)
    field += specular
    rows = fft.fftfreq(ROWS).astype(np.float32)[:, None]
    beams = fft.fftfreq(BEAMS).astype(np.float32)[None, :]
    spectrum = fft.fft(field, axis=1)
    spectrum *= np.exp(-2.0 * (np.pi * lateral[:, None] * beams) ** 2)
    spectrum = fft.fft(spectrum, axis=0, overwrite_x=True)
    spectrum *= np.exp(-2.0 * (np.pi * axial * rows) ** 2)
    return np.asarray(fft.ifft2(spectrum, overwrite_x=True), np.complex64)


def _auto_gain(scene: Scene, decibel: Floats) -> float:
    """Operators make up for most of what the body takes from the beam, and for a little of the
    liver's own brightness: a fatty one stays bright."""
    liver = np.kron(scene.liver, np.ones((2, 2), bool))
    if not liver.any():
        return 0.0
    rows = np.flatnonzero(liver.any(axis=1))
    shallow = slice(rows[0], rows[0] + (rows[-1] - rows[0]) // 2)
    seen = float(np.median(decibel[shallow][liver[shallow]]))
    own = float(np.median(scene.echo[scene.liver]))
    return -0.8 * (seen - own) - 0.25 * own


def _grey(
    decibel: Floats, inside: npt.NDArray[np.bool_], settings: Settings
) -> npt.NDArray[np.uint8]:
    """Log compression: 22 dB above liver is white; the dynamic range below that is black."""
    share = np.clip(1.0 + (decibel - 22.0) / settings.dynamic_range, 0.0, 1.0)
    return np.where(inside, np.rint(255.0 * share**settings.gamma), 0).astype(np.uint8)


def _below_wall(fan: Fan) -> Floats:
    """0 at the skin, 1 from 15 mm on: shadows start at ribs, not at the probe."""
    return np.asarray(np.clip((fan.depths - 6.0) / 9.0, 0.0, 1.0), np.float32)


def _complex_noise(generator: np.random.Generator) -> npt.NDArray[np.complex64]:
    pairs = generator.standard_normal((ROWS, BEAMS, 2), dtype=np.float32)
    return pairs.view(np.complex64)[..., 0] * np.float32(np.sqrt(0.5))


def _upsample(field: Floats) -> Floats:
    return np.asarray(ndimage.zoom(field, 2, order=1, mode="nearest", grid_mode=True), np.float32)
