"""The vocabulary between models and results: plain frozen dataclasses.

Coordinates are pixels (x to the right, y down) of the whole source frame, as SCOORD wants them
(PS3.3 C.18.6.1.2); lengths are millimetres only where a calibration was found to be sane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.frame.seen import Seen
from workers.messages import say
from workers.prompt import Point as Point
from workers.prompt import Prompt as Prompt
from workers.reasons import EXPLANATION as EXPLANATION
from workers.reasons import Reason as Reason
from workers.reasons import explained as explained


@dataclass(frozen=True)
class FrameRef:
    """One frame of one stored instance; ``number`` counts from 1 as DICOM does."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    number: int
    number_of_frames: int


@dataclass(frozen=True)
class Dropped:
    """A frame, or with ``number`` None a whole instance, that was not analysed, and why."""

    sop_instance_uid: str
    number: int | None
    reason: Reason
    detail: str = ""


@dataclass(frozen=True)
class Spacing:
    """Millimetres per pixel of the source frame (PS3.3 C.8.5.5.1.15 to .17)."""

    row: float
    column: float


@dataclass(frozen=True)
class Frame:
    """A decoded B-mode frame.

    image : (H, W) uint8, echo level of the B-mode region only
    source : (rows, columns, 3) uint8 RGB, the whole frame as a viewer shows it
    window : x0, y0, x1, y1 of ``image`` in ``source``
    spacing : of the region that holds the window; None: not calibrated, ``spacing_note`` says why
    view : one of ``models.fat`` views, None where it is not known
    view_by_model : whether a model named the view, for DICOM is silent
    seen : what the gate's network makes of the image, for who asks the same of it
    """

    ref: FrameRef
    image: NDArray[np.uint8]
    source: NDArray[np.uint8]
    window: tuple[int, int, int, int]
    spacing: Spacing | None
    spacing_note: str = ""
    view: str | None = None
    view_note: str = ""
    view_by_model: bool = False
    seen: Seen | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class ModelIdentity:
    """Which model spoke: what TID 4019 and Contributing Equipment carry.

    ``digest`` is the SHA-256 of its weights, ``validation_status`` a sentence of its card.
    """

    name: str
    version: str
    digest: str
    validation_status: str
    figures: str = ""


@dataclass(frozen=True)
class Diameters:
    """Longest diameter and the one perpendicular to it, as pixel end points; mm or None."""

    long_axis: tuple[Point, Point]
    short_axis: tuple[Point, Point]
    long_mm: float | None = None
    short_mm: float | None = None

    @property
    def words(self) -> str:
        """Both, in mm where the frame is calibrated, else in pixels."""
        if self.long_mm is not None and self.short_mm is not None:
            return say("{long:.0f} x {short:.0f} mm", long=self.long_mm, short=self.short_mm)
        long, short = math.dist(*self.long_axis), math.dist(*self.short_axis)
        return say("{long:.0f} x {short:.0f} pixels", long=long, short=short)


@dataclass(frozen=True)
class Ruler:
    """One line of a nomogram. name : with what is known of the patient. ticks : places along it,
    0..1, and what is written there. place : where the patient stands; None where that is not known.
    """

    name: str
    ticks: tuple[tuple[float, str], ...]
    place: float | None = None


@dataclass(frozen=True)
class RegionReading:
    """What a model that reads regions of interest says of one outlined lesion.

    probabilities : label to 0..1, only labels that the model was trained on
    conditions : by label, what its probability takes for granted
    bounds : by label, its probability with the 95 % interval of its calibration, where one is known
    nomogram : how the image and clinical factors add up to it, where such are known; else empty
    """

    model: ModelIdentity
    probabilities: dict[str, float]
    conditions: dict[str, str]
    bounds: dict[str, Bounded] = field(default_factory=dict)
    nomogram: tuple[Ruler, ...] = ()


@dataclass(frozen=True)
class LesionFinding:
    """One suspected lesion in one frame.

    outline : closed polygon; of ``outline_kind`` 'attention' (where the model looked: no contour
        of the lesion and not to be measured) or 'segmentation'
    probabilities : label to 0..1, only labels that the model was trained on
    readings : what further models say of the outlined region, each for itself
    bounds : by label, its probability with the 95 % interval of its calibration, where one is known
    """

    tracking_id: str
    frame: FrameRef
    outline: tuple[Point, ...]
    outline_kind: str
    probabilities: dict[str, float]
    model: ModelIdentity
    diameters: Diameters | None = None
    readings: tuple[RegionReading, ...] = ()
    bounds: dict[str, Bounded] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OutlinedLesion(LesionFinding):
    """A lesion with a border: what is measured, and what a segmentation is made of.

    mask : (rows, columns) bool of the whole frame; area : its pixels, and mm2 where calibrated
    outlined_by : the model that drew it
    conditions : by label, what its probability takes for granted
    """

    mask: NDArray[np.bool_] = field(repr=False, compare=False)
    area_pixels: int
    area_mm2: float | None
    outlined_by: ModelIdentity
    conditions: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class PromptedLesion(OutlinedLesion):
    """What the joint system outlines where an operator pointed.

    No model found it, and none judges whether it is a lesion.
    """

    prompt: Prompt


@dataclass(frozen=True, kw_only=True)
class FoundLesion(OutlinedLesion):
    """What the joint system outlines where the detector suspects a lesion and a map of masses says
    where: nobody pointed.

    Its ``probabilities`` are the detector's, of the whole frame; the joint system's own is among
    the ``readings``. box : two corners, around the part of the map; mass : mean of the map in it,
    0..1. located_by : the model that made the map. seen_in : the frames of the image in which it
    was outlined; ``frame`` is the one that shows it best. liver : (rows, columns) bool of that
    whole frame, by the model that made the map; None where it knows no liver there.
    """

    box: tuple[Point, Point]
    mass: float
    located_by: ModelIdentity
    seen_in: tuple[FrameRef, ...]
    liver: NDArray[np.bool_] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class FatFinding:
    """The study's liver fat estimate: percent, and the probabilities of >= 5 and >= 10 %.

    frames : those that it rests on, of which ``frames_of_unknown_view`` are of no known view, and
        of ``frames_of_named_view`` a model named the view
    frames_not_counted : read, but of unknown view beside frames of a known one
    """

    fat_percent: float
    p_5: float
    p_10: float
    views: tuple[str, ...]
    frames: tuple[FrameRef, ...]
    frames_of_unknown_view: int
    model: ModelIdentity
    frames_not_counted: int = 0
    frames_of_named_view: int = 0


class Bounded(NamedTuple):
    """A value with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RegionPair:
    """What one pair of squares, in liver and kidney where an operator pointed, says.

    liver, kidney : upper left and lower right corner; whole numbers are corners of pixels, as
    SCOORD has them. liver_level, kidney_level : mean echo level 0..255. index : liver over kidney
    depth_gap : how much deeper the kidney's square lies, in pixels, and in mm where calibrated
    """

    prompt: Prompt
    frame: FrameRef
    liver: tuple[Point, Point]
    kidney: tuple[Point, Point]
    liver_level: float
    kidney_level: float
    index: float
    depth_gap: float
    depth_gap_mm: float | None


@dataclass(frozen=True)
class HepatorenalFinding:
    """The study's hepatorenal index, the median of its pairs, and the fat that goes with it.

    fat : per cent, on the scale of the bundle's reference, with the interval that holds four of
    five patients. p_5, p_10 : probability of >= 5 and >= 10 % on that scale, with 95 % intervals.
    All are None where the index lies beyond those fitted on.
    """

    index: float
    fat: Bounded | None
    p_5: Bounded | None
    p_10: Bounded | None
    pairs: tuple[RegionPair, ...]
    model: ModelIdentity


@dataclass(frozen=True)
class HeatmapFinding:
    """A map over one frame: what is drawn on a key frame.

    values : (h, w) float32; 0..1, or signed about 0 when ``signed``; None: only lines are drawn
    window : x0, y0, x1, y1 of the map in the source frame, pixels
    caption : lines of text to burn in (the numbers), without patient data
    """

    frame: FrameRef
    kind: str
    values: NDArray[np.float32] | None
    window: tuple[int, int, int, int]
    signed: bool
    caption: tuple[str, ...]
    model: ModelIdentity
    outline: tuple[Point, ...] = ()
    outlined: OutlinedLesion | None = None
    pair: RegionPair | None = None


@dataclass(frozen=True)
class Abstention:
    """Something the node did not answer: ``subject`` is 'lesion', 'fat', 'size', 'study', …"""

    subject: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True)
class FrameReading:
    """What the detector said of one frame, findings or not. ``bounds`` : as a lesion has them.
    ``familiar`` : whether the frame is like those that it learned from; None: nobody knows."""

    frame: FrameRef
    probabilities: dict[str, float]
    bounds: dict[str, Bounded] = field(default_factory=dict)
    familiar: bool | None = None


@dataclass(frozen=True)
class StudyFindings:
    """All that one run found, ready for the results room.

    thresholds : by label, the probability at and above which the lesion model says yes
    conditions : by label, what its probability takes for granted
    prompted : what operators pointed at, apart from the ``lesions`` that the lesion model found
    notes : sentences that the report prints as they are
    """

    lesion_model: ModelIdentity | None
    fat_model: ModelIdentity | None
    frames: tuple[FrameRef, ...]
    dropped: tuple[Dropped, ...]
    readings: tuple[FrameReading, ...] = ()
    lesions: tuple[LesionFinding, ...] = ()
    fat: FatFinding | None = None
    abstentions: tuple[Abstention, ...] = ()
    heatmaps: tuple[HeatmapFinding, ...] = field(default=(), repr=False)
    thresholds: dict[str, float] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    joint_model: ModelIdentity | None = None
    gate_model: ModelIdentity | None = None
    view_model: ModelIdentity | None = None
    prompted: tuple[PromptedLesion, ...] = ()
    hepatorenal_model: ModelIdentity | None = None
    hepatorenal: HepatorenalFinding | None = None
    fan_liver_model: ModelIdentity | None = None

    @property
    def outlined(self) -> tuple[OutlinedLesion, ...]:
        """Every lesion with a border: first what operators pointed at, then what was found."""
        found = [one for one in self.lesions if isinstance(one, OutlinedLesion)]
        return (*self.prompted, *found)

    @property
    def models(self) -> tuple[ModelIdentity, ...]:
        """Every model that spoke, each once."""
        named = (
            *(self.lesion_model, self.hepatorenal_model, self.fat_model),
            *(self.fan_liver_model, self.joint_model, self.gate_model, self.view_model),
            *self.region_models,
        )
        return tuple(dict.fromkeys(model for model in named if model is not None))

    @property
    def region_models(self) -> tuple[ModelIdentity, ...]:
        """Those that read what was outlined, each once, beside the one that outlined it."""
        models = [one.model for lesion in self.outlined for one in lesion.readings]
        return tuple(one for one in dict.fromkeys(models) if one != self.joint_model)
