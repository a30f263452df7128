"""Pictures without any echo: noise, gradients, blank screens and screens of text."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from models.errors import ModelError

Picture = npt.NDArray[np.uint8]
_ALPHABET = "ABCDEFGHIJKLMNOPRSTUVWXYZ 0123456789:./-"


def draw_pattern(kind: str, seed: int = 0, shape: tuple[int, int] = (480, 640)) -> Picture:
    """(H, W) uint8 grey levels of one of ``PATTERNS``; the same arguments give the same pixels.

    Raises ModelError for an unknown kind.
    """
    if kind not in PATTERNS:
        raise ModelError(f"nothing draws {kind!r}; there are {', '.join(PATTERNS)}")
    return PATTERNS[kind](np.random.default_rng(seed), shape)


def _noise(generator: np.random.Generator, shape: tuple[int, int]) -> Picture:
    """Noise whose power falls with frequency to the 0th (white) to 3rd power."""
    slope, spread = generator.uniform(0.0, 3.0), generator.uniform(25.0, 70.0)
    down, across = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    frequency = np.maximum(np.hypot(down, across), 1.0 / max(shape))
    spectrum = np.fft.rfft2(generator.standard_normal(shape)) * frequency ** (-slope / 2)
    field = np.fft.irfft2(spectrum, shape)
    field = (field - field.mean()) / field.std()
    return _grey(generator.uniform(60.0, 160.0) + spread * field)


def _gradient(generator: np.random.Generator, shape: tuple[int, int]) -> Picture:
    """One level, or a ramp in any direction, straight or rippled."""
    down, across = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape)
    angle, period = generator.uniform(0, 2 * np.pi), generator.uniform(0.05, 1.0)
    along = down * np.sin(angle) + across * np.cos(angle)
    wave = along if generator.random() < 0.5 else np.sin(2 * np.pi * along / period)
    return _grey(generator.uniform(60, 200) + generator.choice([0.0, 40.0, 120.0]) * wave)


def _screen(generator: np.random.Generator, shape: tuple[int, int]) -> Picture:
    """Lines of text with boxes and a curve, light on dark or the other way round."""
    picture = Image.new("L", (shape[1], shape[0]), 0)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(int(generator.integers(12, 40)))
    row = 10
    while row < shape[0]:
        text = "".join(generator.choice(list(_ALPHABET), int(generator.integers(5, 60))))
        left = int(generator.integers(5, shape[1] // 2))
        draw.text((left, row), text, int(generator.integers(120, 256)), font)
        row += int(generator.integers(20, 60))
    for _ in range(int(generator.integers(0, 6))):
        x0, y0 = (
            int(generator.integers(0, shape[1] - 90)),
            int(generator.integers(0, shape[0] - 70)),
        )
        edges = (x0, y0, x0 + int(generator.integers(20, 90)), y0 + int(generator.integers(9, 70)))
        level = int(generator.integers(40, 256))
        draw.rectangle(edges, outline=level, fill=level if generator.random() < 0.5 else None)
    curve = shape[0] * (0.5 + 0.2 * np.cumsum(generator.normal(0, 0.1, shape[1])))
    draw.line(list(enumerate(curve.tolist())), fill=200, width=2)
    levels = np.asarray(picture)
    return np.asarray(255 - levels if generator.random() < 0.4 else levels, np.uint8)


PATTERNS: Mapping[str, Callable[[np.random.Generator, tuple[int, int]], Picture]] = {
    "noise": _noise,
    "gradient": _gradient,
    "screen": _screen,
}


def _grey(levels: npt.NDArray[np.floating]) -> Picture:
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)
