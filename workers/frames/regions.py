"""Sequence of Ultrasound Regions (0018,6011), PS3.3 C.8.5.5: which part of a frame is B-mode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from pydicom.dataset import Dataset

from node.errors import FrameError
from workers.findings import Reason
from workers.frames.header import integer, number, value
from workers.messages import say

Window = tuple[int, int, int, int]


class SpatialFormat(IntEnum):
    """Region Spatial Format (0018,6012)."""

    NONE = 0
    TWO_D = 1
    M_MODE = 2
    SPECTRAL = 3
    WAVE_FORM = 4
    GRAPHICS = 5


class DataType(IntEnum):
    """Region Data Type (0018,6014), as far as it matters here."""

    NONE = 0
    TISSUE = 1
    COLOUR_FLOW = 2
    PW_SPECTRAL = 3
    CW_SPECTRAL = 4


CENTIMETRE = 3
"""Physical Units X and Y Direction (0018,6024), (0018,6026)."""


@dataclass(frozen=True)
class Region:
    """One item; ``window`` is half open, lengths are as the item gives them."""

    window: Window
    spatial_format: int
    data_type: int
    units: tuple[int, int]
    delta_x: float
    delta_y: float

    @property
    def area(self) -> int:
        x0, y0, x1, y1 = self.window
        return (x1 - x0) * (y1 - y0)

    @property
    def is_tissue(self) -> bool:
        return (self.spatial_format, self.data_type) == (SpatialFormat.TWO_D, DataType.TISSUE)

    @property
    def is_colour_flow(self) -> bool:
        return (self.spatial_format, self.data_type) == (SpatialFormat.TWO_D, DataType.COLOUR_FLOW)


@dataclass(frozen=True)
class Candidate:
    """A part of the frame that may be grey B-mode; ``region`` None: the whole frame."""

    window: Window
    region: Region | None
    note: str = ""


def candidates(dataset: Dataset, rows: int, columns: int) -> tuple[Candidate, ...]:
    """The parts of a frame that are B-mode by the header, the largest first.

    Regions that reach out of the image are stale (a captured or rescaled image keeps those of its
    original) and ignored; where no region is left, the whole frame is the candidate.

    Raises FrameError DOPPLER, M_MODE or NOT_B_MODE when there are regions, but none for B-mode.
    """
    listed = regions(dataset)
    inside = [
        replace(region, window=_clipped(region.window, rows, columns))
        for region in listed
        if _is_inside(region.window, rows, columns)
    ]
    if not inside:
        note = (
            "its ultrasound region lies outside the image: stale"
            if listed
            else "the image has no ultrasound region"
        )
        return (Candidate((0, 0, columns, rows), None, note),)
    flow = [region.window for region in inside if region.is_colour_flow]
    tissue = [region for region in inside if region.is_tissue]
    grey = [region for region in tissue if not any(_overlap(region.window, box) for box in flow)]
    if not grey:
        raise FrameError(*_why_not_grey(inside, bool(tissue)))
    grey.sort(key=lambda region: (-region.area, region.window))
    return tuple(Candidate(region.window, region) for region in grey)


def regions(dataset: Dataset) -> list[Region]:
    """The items that name a location, whatever it is."""
    found = []
    for item in value(dataset, "SequenceOfUltrasoundRegions") or ():
        box = [
            integer(item, f"RegionLocation{corner}")
            for corner in ("MinX0", "MinY0", "MaxX1", "MaxY1")
        ]
        if None in box:
            continue
        x0, y0, x1, y1 = (corner or 0 for corner in box)
        found.append(
            Region(
                window=(x0, y0, x1 + 1, y1 + 1),
                spatial_format=integer(item, "RegionSpatialFormat") or 0,
                data_type=integer(item, "RegionDataType") or 0,
                units=(
                    integer(item, "PhysicalUnitsXDirection") or 0,
                    integer(item, "PhysicalUnitsYDirection") or 0,
                ),
                delta_x=number(item, "PhysicalDeltaX") or 0.0,
                delta_y=number(item, "PhysicalDeltaY") or 0.0,
            )
        )
    return found


def _is_inside(window: Window, rows: int, columns: int) -> bool:
    x0, y0, x1, y1 = window
    # Philips writes the first column beyond the region as its last one: one pixel is forgiven.
    return 0 <= x0 < x1 - 1 <= columns and 0 <= y0 < y1 - 1 <= rows


def _clipped(window: Window, rows: int, columns: int) -> Window:
    x0, y0, x1, y1 = window
    return (x0, y0, min(x1, columns), min(y1, rows))


def _overlap(one: Window, other: Window) -> bool:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    # Neighbours of a dual image may share a border line.
    return width > 2 and height > 2


def _why_not_grey(inside: list[Region], has_tissue: bool) -> tuple[str, Reason]:
    formats = {region.spatial_format for region in inside}
    types = {region.data_type for region in inside}
    if has_tissue or DataType.COLOUR_FLOW in types:
        return say("colour flow region"), Reason.DOPPLER
    if SpatialFormat.SPECTRAL in formats or types & {DataType.PW_SPECTRAL, DataType.CW_SPECTRAL}:
        return say("spectral Doppler region"), Reason.DOPPLER
    if SpatialFormat.M_MODE in formats:
        return say("M-mode region"), Reason.M_MODE
    return say("no ultrasound region is 2D tissue"), Reason.NOT_B_MODE
