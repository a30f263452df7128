"""Liver fat from the hepatorenal index: liver over kidney echo level in one frame.

A fatty liver scatters more than the kidney's cortex beside it; their ratio does without the
operator's gain, to a degree (Webb et al. 2009; Marshall et al. 2012, references 12 and 13 of paper
5). It is no PDFF: a bundle says against which reference it was fitted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.errors import BundleError, ModelError
from models.fat.hepatorenal_curve import Bounded, HepatorenalCurve
from models.images.outlines import outline_mask
from models.weights import read_weights

LEAST = 64
"""Pixels: the mean of a smaller region is that of its speckle."""

DEPTH_GAP = 0.2
"""Share of the frame's height that the centres of two regions may differ in depth where they have
none in common. In the frames of Byra et al. 2018 it is 0.08, at most 0.16; deeper echoes are
weaker, and a larger gap would be read as fat."""

DARK = 8.0
"""Mean kidney level below which the ratio is that of noise."""

SATURATED = 0.1
"""Share of white pixels from which a region's mean says too little."""

Polygon = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Regions:
    """Outlines in pixels x, y of one frame, drawn by a person or found: liver parenchyma, and
    kidney cortex, without its bright sinus; masses are left out of the liver."""

    liver: Polygon
    kidney: Polygon
    masses: Sequence[Polygon] = ()


@dataclass(frozen=True)
class HepatorenalReading:
    """What one frame says.

    index : liver over kidney mean echo level, or None where ``reason`` says why there is none.
    liver, kidney : mean levels 0..255, not numbers where the regions are too small. depth_gap :
    how much deeper the kidney's pixels lie on average, as a share of the frame's height.
    """

    index: float | None
    liver: float
    kidney: float
    depth_gap: float
    reason: str | None = None


@dataclass(frozen=True)
class HepatorenalEstimate:
    """What a patient's frames say.

    index : the median over them. fat_percent : in the unit of the bundle's reference, with the
    interval that holds four of five patients. p_5, p_10 : probability of at least 5 % and 10 %,
    both classes taken as equally common, with 95 % intervals. within : whether the index lies
    among those fitted on; beyond, the curve is a guess. frames : indices that it rests on.
    """

    index: float
    fat_percent: Bounded
    p_5: Bounded
    p_10: Bounded
    within: bool
    frames: tuple[float, ...]


class Hepatorenal:
    """Reads frames with a liver and a kidney region for fat; made by ``load`` from a bundle."""

    def __init__(self, curve: HepatorenalCurve, bundle: Bundle) -> None:
        self.bundle = bundle
        self.curve = curve

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "Hepatorenal":
        """The estimator of a bundle, on any device: it is a handful of numbers. BundleError when
        they are not what it needs."""
        try:
            return cls(HepatorenalCurve.take(read_weights(bundle)), bundle)
        except (KeyError, ValueError) as error:
            raise BundleError(
                f"bundle {bundle.name!r}: its numbers are not those of a hepatorenal curve "
                f"({error}); install it again"
            ) from error

    def read(
        self, images: Sequence[npt.NDArray[np.uint8]], regions: Sequence[Regions]
    ) -> list[HepatorenalReading]:
        """One reading per frame, in order. images : (H, W) uint8 echo level each."""
        if len(images) != len(regions):
            raise ModelError(
                f"{len(images)} frames were given with {len(regions)} pairs of regions"
            )
        return [read_index(image, row) for image, row in zip(images, regions, strict=True)]

    def estimate(self, indices: Sequence[float]) -> HepatorenalEstimate:
        """From the indices of one patient's frames; ModelError without any, or below zero."""
        if not indices or not all(np.isfinite(value) and value > 0 for value in indices):
            raise ModelError("a hepatorenal estimate needs at least one index above zero")
        index = float(np.median(indices))
        low, high = self.curve.known
        return HepatorenalEstimate(
            index=index,
            fat_percent=self.curve.fat(index),
            p_5=self.curve.probability(index, 5),
            p_10=self.curve.probability(index, 10),
            within=low <= index <= high,
            frames=tuple(indices),
        )

    def combine(self, readings: Sequence[HepatorenalReading]) -> HepatorenalEstimate | None:
        """The patient's estimate from the frames that have an index; None where none has."""
        indices = [row.index for row in readings if row.index is not None]
        return self.estimate(indices) if indices else None


def read_index(image: npt.NDArray[np.uint8], regions: Regions) -> HepatorenalReading:
    """The index of one frame. Where liver and kidney have depths in common, only those count.

    image : (H, W) uint8 echo level, log-compressed as the scanner shows it.
    """
    shape = (image.shape[0], image.shape[1])
    kidney = outline_mask([regions.kidney], shape)
    liver = outline_mask([regions.liver], shape) & ~kidney & ~outline_mask(regions.masses, shape)
    rows = np.logical_and(liver.any(axis=1), kidney.any(axis=1))
    if min(liver[rows].sum(), kidney[rows].sum()) >= LEAST:
        liver, kidney = liver & rows[:, None], kidney & rows[:, None]
    nothing = float("nan")
    for name, region in (("liver", liver), ("kidney", kidney)):
        if region.sum() < LEAST:
            small = f"the {name} region has fewer than {LEAST} pixels"
            return HepatorenalReading(None, nothing, nothing, nothing, small)
    levels = [image[region] for region in (liver, kidney)]
    means = [float(level.mean()) for level in levels]
    gap = float(np.nonzero(kidney)[0].mean() - np.nonzero(liver)[0].mean()) / shape[0]
    reason = _reason(levels, means[1], gap)
    index = None if reason else means[0] / means[1]
    return HepatorenalReading(index, means[0], means[1], gap, reason)


def _reason(levels: Sequence[npt.NDArray[np.uint8]], kidney: float, gap: float) -> str | None:
    """Why there is no index, if there is none."""
    if abs(gap) > DEPTH_GAP:
        return "the liver and the kidney region lie at different depths"
    if kidney < DARK:
        return "the kidney region is too dark"
    if max(float((level == 255).mean()) for level in levels) > SATURATED:
        return "a region is saturated"
    return None


SYSTEM = Hepatorenal
