"""From attention to lesion: in the frames that the detector suspects, a map of masses says where to
look, and the joint system draws and measures what lies there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.errors import BundleError
from models.images import Window
from models.lesion import clicks
from models.lesion.proposals import (
    Proposal,
    Proposals,
    is_same,
    over_image,
    propose,
)
from models.lesion.region import Box, Region
from workers.analysis.loaded import card_figures, identity
from workers.analysis.outlining import Outline, Outliner
from workers.analysis.pathway import in_frame
from workers.analysis.regions import RegionReader
from workers.findings import (
    Abstention,
    Bounded,
    FoundLesion,
    Frame,
    ModelIdentity,
    Reason,
    RegionReading,
)
from workers.messages import marked, say
from workers.rounding import beside_threshold
from workers.stages import Stages

SIZE = "lesion size"
MALIGNANCY = "found malignancy"
STAGE = "outline"
_SYSTEM = "frame.fan_liver"
_THRESHOLD = 0.5  # where the card has none
_FIGURES = (
    ("mass_dice", marked("masses without any click: Dice"), marked("of their mean shape")),
    ("lesion_recall", marked("masses found"), ""),
    ("false_findings_per_normal_image", marked("false findings per normal image"), ""),
)


def check_maps_masses(bundle: Bundle) -> None:
    """Raises BundleError for a bundle that has no map of masses."""
    if bundle.system != _SYSTEM or "mass" not in bundle.labels:
        raise BundleError(
            f"bundle {bundle.name!r} of the system {bundle.system!r} finds no masses: name one of "
            f"{_SYSTEM!r} with the label 'mass' in analysis.fan_liver_bundle, or none"
        )


@dataclass(frozen=True)
class Suspected:
    """A frame that reaches the detector's threshold.

    probabilities, conditions, model, bounds : of the detector. attention : (h, w) 0..1, one value
    per cell of ``window``, in pixels of the frame's image.
    """

    frame: Frame
    probabilities: dict[str, float]
    conditions: dict[str, str]
    model: ModelIdentity
    attention: NDArray[np.float32]
    window: Window
    bounds: dict[str, Bounded] = field(default_factory=dict)


@dataclass(frozen=True)
class Sighting:
    """A lesion outlined in one frame. ``lesion`` has no name yet.

    region : of it in the frame's image, where a reader of regions wants it. box : of the outline,
    in pixels of that image
    rank : the frame's lesion probability times the mean of the map of masses: what decides in which
    frame a lesion is shown best
    further : the regions of the same lesion in other frames, the best shown first
    """

    lesion: FoundLesion
    rank: float
    box: Box
    region: Region | None = None
    further: tuple[Region, ...] = ()


@dataclass(frozen=True)
class Look:
    """What one suspected frame shows, the most attended first; ``reason`` and ``detail`` say why
    nothing. small, further : parts of the map that were not followed, for their size or rank."""

    sightings: tuple[Sighting, ...]
    reason: Reason | None = None
    detail: str = ""
    small: int = 0
    further: int = 0


class MassMap:
    """Where in a frame a mass may lie; a bundle without such a map is a BundleError."""

    def __init__(self, system: Any, bundle: Bundle) -> None:
        check_maps_masses(bundle)
        self.model = replace(identity(bundle), figures=card_figures(bundle, _FIGURES))
        self._system = system
        row = bundle.card.get("thresholds", {}).get("mass", {})
        self.threshold = float(row.get("probability", _THRESHOLD))

    def propose(
        self, suspected: Sequence[Suspected]
    ) -> Iterator[tuple[Proposals, NDArray[np.bool_] | None]]:
        """Of each frame the parts of the map within fan and liver, and the liver, (H, W) of the
        frame's image, where these are known."""
        anatomies = self._system.read([one.frame.image for one in suspected])
        for one, anatomy in zip(suspected, anatomies, strict=True):
            shape = (one.frame.image.shape[0], one.frame.image.shape[1])
            attention = over_image(one.attention, one.window, shape)
            tissue = anatomy.tissue(shape)
            yield propose(anatomy.mass, tissue, attention, self.threshold), anatomy.liver


class Finder:
    """Finds, outlines and reads the lesions of suspected frames."""

    def __init__(
        self,
        masses: MassMap,
        outliner: Outliner,
        readers: Sequence[RegionReader],
        stages: Stages,
    ) -> None:
        self._masses = masses
        self._outliner = outliner
        self._readers = readers
        self._stages = stages

    @property
    def models(self) -> tuple[ModelIdentity, ModelIdentity]:
        """Of the map of masses and of the outlines."""
        return self._masses.model, self._outliner.model

    def look(self, suspected: Sequence[Suspected]) -> list[Look]:
        """One per frame, in order."""
        with self._stages.stage(STAGE):
            proposed = self._masses.propose(suspected)
            return [self._look(one, *found) for one, found in zip(suspected, proposed, strict=True)]

    def read(self, sighting: Sighting) -> tuple[FoundLesion, list[Abstention]]:
        """The lesion with what every further model says of it, and which of them said nothing."""
        lesion, silent = sighting.lesion, []
        found = list(lesion.readings)
        if not found and self._outliner.speaks_of_malignancy:
            silent.append(self._outliner.model)
        if sighting.region is not None:
            regions = [sighting.region, *sighting.further]
            with self._stages.stage(STAGE):
                for reader in self._readers:
                    if (reading := reader.read(regions)) is None:
                        silent.append(reader.model)
                    else:
                        found.append(reading)
        return replace(lesion, readings=tuple(found)), [
            Abstention(MALIGNANCY, Reason.NO_NUMBER, in_frame(lesion.frame, model.name))
            for model in silent
        ]

    def _look(
        self, suspected: Suspected, proposals: Proposals, liver: NDArray[np.bool_] | None
    ) -> Look:
        nothing = Look((), small=proposals.small, further=proposals.further)
        if not proposals.kept:
            detail = beside_threshold(proposals.highest, self._masses.threshold)
            if proposals.small:
                detail = say("those that do are too small: {parts}", parts=proposals.small)
            return replace(nothing, reason=Reason.NOT_OUTLINED, detail=detail)
        outlined: list[tuple[Proposal, Outline]] = []
        places = [clicks.Prompt(box=proposal.box) for proposal in proposals.kept]
        drawn = self._outliner.outline(suspected.frame, places)
        for proposal, outline in zip(proposals.kept, drawn, strict=True):
            if outline is not None and not any(
                is_same(outline.mask, one.mask) for _, one in outlined
            ):
                outlined.append((proposal, outline))
        if not outlined:
            detail = say("in a box that was proposed")
            return replace(nothing, reason=Reason.NOTHING_OUTLINED, detail=detail)
        whole = None if liver is None else _in_source(suspected.frame, liver)
        sightings = [self._sighting(suspected, *one, whole) for one in outlined]
        if self._readers:
            boxes = [one.box for one in sightings]
            sightings = [
                replace(one, region=Region(suspected.frame.image, one.box, others=others))
                for place, one in enumerate(sightings)
                for others in [tuple(boxes[:place] + boxes[place + 1 :])]
            ]
        return replace(nothing, sightings=tuple(sightings))

    def _sighting(
        self,
        suspected: Suspected,
        proposal: Proposal,
        outline: Outline,
        liver: NDArray[np.bool_] | None,
    ) -> Sighting:
        frame = suspected.frame
        left, top = frame.window[:2]
        x0, y0, x1, y1 = (round(value, 1) for value in proposal.box)
        of_frame = say("of the frame as a whole, not of the outline")
        lesion = FoundLesion(
            tracking_id="",
            frame=frame.ref,
            outline=outline.border,
            outline_kind="segmentation",
            probabilities=suspected.probabilities,
            bounds=suspected.bounds,
            model=suspected.model,
            diameters=outline.diameters,
            readings=self._malignancy(outline),
            mask=outline.mask,
            area_pixels=outline.area_pixels,
            area_mm2=outline.area_mm2,
            outlined_by=self._outliner.model,
            conditions={
                label: "; ".join(filter(None, (of_frame, said)))
                for label, said in suspected.conditions.items()
            },
            box=((x0 + left, y0 + top), (x1 + left, y1 + top)),
            mass=proposal.mass,
            located_by=self._masses.model,
            seen_in=(frame.ref,),
            liver=liver,
        )
        rank = suspected.probabilities["lesion"] * proposal.mass
        return Sighting(lesion, rank, outline.box)

    def _malignancy(self, outline: Outline) -> tuple[RegionReading, ...]:
        """The joint system's own, beside the detector's and never mixed with it."""
        if not outline.probabilities or not outline.are_numbers:
            return ()
        place = say("in a box that {model} gave, not an operator", model=self._masses.model.name)
        conditions = {
            label: f"{self._outliner.condition(label)}; {place}" for label in outline.probabilities
        }
        said = outline.probabilities, conditions, outline.bounds
        return (RegionReading(self._outliner.model, *said),)


def _in_source(frame: Frame, mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """``mask`` of the frame's image in the whole frame; None where nothing is in it."""
    left, top, right, bottom = frame.window
    whole = np.zeros(frame.source.shape[:2], bool)
    whole[top:bottom, left:right] = mask
    return whole if whole.any() else None
