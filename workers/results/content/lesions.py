"""Suspected lesions and what operators pointed at, one group each, and what the search came to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from highdicom.sr import (
    ContentItem,
    ContentSequence,
    FindingSite,
    GraphicTypeValues,
    ImageContentItem,
    ImageRegion,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import SegmentationStorage

from workers.answer import study_answer
from workers.findings import (
    Bounded,
    FoundLesion,
    FrameRef,
    LesionFinding,
    ModelIdentity,
    OutlinedLesion,
    Point,
    Prompt,
    PromptedLesion,
    RegionReading,
    StudyFindings,
)
from workers.messages import marked, say
from workers.results import codes
from workers.results.content.items import (
    CONTAINS,
    MODIFIER,
    PROPERTY,
    code,
    extend,
    measurement,
    number,
    percent,
    text,
    uncertainty,
    with_properties,
)
from workers.results.content.outline import closed
from workers.results.content.provenance import algorithm, statements
from workers.results.content.references import in_frame, source_images
from workers.results.identity import tracking_uid
from workers.results.objects import ResultContext
from workers.results.segmentation import Segment
from workers.results.values import plain
from workers.rounding import decimals

_OF_CALIBRATION = marked(
    "95 % interval of the calibration over resampled patients; how well the model read this image "
    "is no part of it"
)


def lesion_group(
    context: ResultContext,
    findings: StudyFindings,
    lesion: LesionFinding,
    header: Dataset | None,
    segment: Segment | None = None,
) -> ContentSequence:
    """TID 1410 with the outline; TID 1501 when there is no outline to draw.

    segment : of the lesion; it goes beside the outline under a name of ours, for TID 1410 has
    either an outline or a segment.
    """
    terms = _terms_of(findings, lesion)
    known = {label: p for label, p in lesion.probabilities.items() if label in codes.PROBABILITY}
    arguments = {
        "tracking_identifier": TrackingIdentifier(
            uid=tracking_uid(context.result_key, lesion.tracking_id),
            identifier=plain(lesion.tracking_id) or "-",
        ),
        "finding_type": codes.LESION,
        "finding_sites": [FindingSite(anatomic_location=codes.LIVER)],
        "algorithm_id": algorithm(lesion.model),
    }
    outline = closed(lesion.outline, header)
    items: list[ContentItem] = []
    if outline is None:
        images = source_images([lesion.frame])
        group: ContentSequence = MeasurementsAndQualitativeEvaluations(
            source_images=images, **arguments
        )
    else:
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            referenced_region=_region(outline, lesion.frame), **arguments
        )
        attention = lesion.outline_kind == "attention"
        meaning = codes.OUTLINE_ATTENTION if attention else codes.OUTLINE_BORDER
        items += [code(codes.OUTLINE_MEANING, meaning), *_outlined_by(lesion)]
    # The template takes them too, but looks through each for coordinates: an eighth of the whole
    # set's time.
    measurements = [
        *_size(lesion),
        *(m for label, p in known.items() for m in _probability(terms, label, p)),
        *(m for reading in lesion.readings for m in _read(reading)),
    ]
    items += [item for one in measurements for item in one]
    if lesion.diameters is not None and lesion.diameters.long_mm is None:
        items.append(code(codes.LENGTH_UNIT, codes.UNCALIBRATED))
    for label, p in lesion.probabilities.items():
        if label not in known:
            items += _class_probability(terms, label, p)
    for reading in lesion.readings:
        items += _unnamed(reading)
    if isinstance(lesion, PromptedLesion):
        items += _place(lesion.prompt)
    if isinstance(lesion, FoundLesion):
        items += _found_at(lesion)
    if segment is not None:
        items.append(
            ImageContentItem(
                name=codes.REGION_SEGMENTATION,
                referenced_sop_class_uid=SegmentationStorage,
                referenced_sop_instance_uid=segment.sop_instance_uid,
                referenced_segment_numbers=segment.number,
                relationship_type=CONTAINS,
            )
        )
    extend(group, *items, *statements(lesion.model))
    return group


def lesion_search(context: ResultContext, findings: StudyFindings) -> ContentSequence | None:
    """TID 1501: how many frames and images were searched, how many of them suspect a lesion, the
    highest probability of one and its threshold, and what the study's answer is.

    Also, and above all, when no lesion was found. None when no frame was searched.
    """
    model, answer = findings.lesion_model, study_answer(findings)
    if model is None or answer is None:
        return None
    terms = _Terms(findings.thresholds, findings.conditions, answer.bounds)
    counts = (
        (codes.FRAMES_EXAMINED, answer.frames, codes.FRAMES),
        (codes.FRAMES_SUSPECTING, answer.suspecting_frames, codes.FRAMES),
        (codes.IMAGES_EXAMINED, answer.images, codes.IMAGES),
        (codes.IMAGES_SUSPECTING, answer.suspecting_images, codes.IMAGES),
    )
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=tracking_uid(context.result_key, "lesion search"), identifier="Lesion search"
        ),
        finding_type=codes.LESION_SEARCH,
        finding_sites=[FindingSite(anatomic_location=codes.LIVER)],
        algorithm_id=algorithm(model),
        measurements=[
            *_probability(terms, "lesion", answer.highest, codes.MAXIMUM),
            *(one for count in counts for one in measurement(*count)),
        ],
        source_images=source_images([answer.frame]),
    )
    outcome = codes.SUSPECTED_LESION if answer.suspected else codes.NO_LESION
    extend(
        group,
        code(codes.SEARCH_RESULT, outcome),
        *(text(codes.STUDY_ANSWER, sentence) for sentence in answer.sentences),
        *statements(model),
    )
    return group


@dataclass(frozen=True)
class _Terms:
    """By label, the threshold of a model's probability, what that takes for granted, and itself
    with the interval of its calibration."""

    thresholds: Mapping[str, float]
    conditions: Mapping[str, str]
    bounds: Mapping[str, Bounded] = field(default_factory=dict)

    def items(self, label: str, digits: int) -> list[ContentItem]:
        terms: list[ContentItem] = []
        if condition := self.conditions.get(label):
            terms.append(text(codes.CONDITION, condition, PROPERTY))
        if label in self.thresholds:
            threshold = percent(self.thresholds[label], digits)
            terms.append(number(codes.THRESHOLD, threshold, codes.PERCENT, PROPERTY))
        if label in self.bounds:
            terms += uncertainty(self.bounds[label], 100.0, say(_OF_CALIBRATION))
        return terms


def _terms_of(findings: StudyFindings, lesion: LesionFinding) -> _Terms:
    """The lesion model's terms are not those of the joint model, which has no threshold."""
    if isinstance(lesion, PromptedLesion):
        return _Terms({}, lesion.conditions, lesion.bounds)
    if isinstance(lesion, FoundLesion):
        return _Terms(findings.thresholds, lesion.conditions, lesion.bounds)
    return _Terms(findings.thresholds, findings.conditions, lesion.bounds)


def _probability(
    terms: _Terms,
    label: str,
    p: float,
    derivation: Code | None = None,
    model: ModelIdentity | None = None,
) -> list[Measurement]:
    """TID 300, with what the number takes for granted and its threshold under it.

    model : where it is not the group's; how good it is known to be stands there too.
    """
    digits = decimals(p, terms.thresholds.get(label), 1)
    below = terms.items(label, digits)
    if model is not None:
        below = [*algorithm(model), *below, *statements(model, PROPERTY)]
    name = codes.PROBABILITY[label]
    return measurement(name, percent(p, digits), codes.PERCENT, derivation, below)


def _read(reading: RegionReading) -> list[Measurement]:
    """The probabilities of a further model that have a code, each with the model under it."""
    terms = _Terms({}, reading.conditions, reading.bounds)
    return [
        one
        for label, p in reading.probabilities.items()
        if label in codes.PROBABILITY
        for one in _probability(terms, label, p, model=reading.model)
    ]


def _unnamed(reading: RegionReading) -> list[ContentItem]:
    """The probabilities of a further model's classes that have no code."""
    terms = _Terms({}, reading.conditions, reading.bounds)
    found = [
        item
        for label, p in reading.probabilities.items()
        if label not in codes.PROBABILITY
        for item in _class_probability(terms, label, p)
    ]
    for item in found:
        item.ContentSequence.extend(
            [text(codes.MODEL_NAME, f"{reading.model.name} {reading.model.version}", PROPERTY)]
        )
    return found


def _class_probability(terms: _Terms, label: str, p: float) -> list[ContentItem]:
    """The probability of a class that has no code: the model's own word goes beside it."""
    if not math.isfinite(p):
        return []
    digits = decimals(p, terms.thresholds.get(label), 1)
    item = number(codes.CLASS_PROBABILITY, percent(p, digits), codes.PERCENT)
    item.ContentSequence = ContentSequence(
        [text(codes.CLASS_NAME, say(label), MODIFIER), *terms.items(label, digits)]
    )
    return [item]


def _place(prompt: Prompt) -> list[ContentItem]:
    """That an operator gave the place, and which."""
    by = codes.PLACE_BY_BOX if prompt.kind == "box" else codes.PLACE_BY_CLICKS
    return [code(codes.PLACE_BY, by), text(codes.PLACE, str(prompt))]


def _found_at(lesion: FoundLesion) -> list[ContentItem]:
    """That a model gave the place, which, and in which frames of the image it was outlined."""
    model, ((x0, y0), (x1, y1)) = lesion.located_by, lesion.box
    place = say(
        "box from {x0:g}, {y0:g} to {x1:g}, {y1:g} by {model} {version}, "
        "mean probability of a mass in it {mass:.0%}",
        x0=x0,
        y0=y0,
        x1=x1,
        y1=y1,
        model=model.name,
        version=model.version,
        mass=lesion.mass,
    )
    items = [
        code(codes.PLACE_BY, codes.PLACE_BY_MODEL),
        with_properties(text(codes.PLACE_OF_MODEL, place), *statements(model, PROPERTY)),
    ]
    if lesion.frame.number_of_frames > 1:
        numbers = ", ".join(str(frame.number) for frame in lesion.seen_in)
        seen = say("{numbers} of {total}", numbers=numbers, total=lesion.frame.number_of_frames)
        items.append(text(codes.SEEN_IN, seen))
    return items


def _outlined_by(lesion: LesionFinding) -> list[ContentItem]:
    """The model that drew the outline, and how good it is known to be, where it is not the
    group's."""
    if not isinstance(lesion, OutlinedLesion) or lesion.outlined_by == lesion.model:
        return []
    model = lesion.outlined_by
    said = text(codes.OUTLINED_BY, f"{model.name} {model.version}")
    return [with_properties(said, *statements(model, PROPERTY))]


def _size(lesion: LesionFinding) -> list[Measurement]:
    """Long and short axis and area: in mm when calibrated, else in pixels."""
    model: list[ContentItem] = []
    if isinstance(lesion, OutlinedLesion) and lesion.outlined_by != lesion.model:
        model = [*algorithm(lesion.outlined_by)]
    return [*_diameters(lesion, model), *_area(lesion, model)]


def _diameters(lesion: LesionFinding, model: Sequence[ContentItem]) -> list[Measurement]:
    diameters = lesion.diameters
    if diameters is None:
        return []
    long, short, unit = diameters.long_mm, diameters.short_mm, codes.MILLIMETER
    if long is None:
        long, short = _length(*diameters.long_axis), _length(*diameters.short_axis)
        unit = codes.PIXELS
    return [
        found
        for name, value in ((codes.LONG_AXIS, long), (codes.SHORT_AXIS, short))
        if value is not None
        for found in measurement(name, round(value, 1), unit, below=model)
    ]


def _area(lesion: LesionFinding, model: Sequence[ContentItem]) -> list[Measurement]:
    if not isinstance(lesion, OutlinedLesion):
        return []
    if lesion.area_mm2 is None:
        return measurement(codes.AREA, lesion.area_pixels, codes.PIXELS, below=model)
    return measurement(codes.AREA, round(lesion.area_mm2), codes.SQUARE_MILLIMETER, below=model)


def _length(start: Point, end: Point) -> float:
    return math.dist(start, end)


def _region(outline: np.ndarray, frame: FrameRef) -> ImageRegion:
    """A closed polyline (PS3.3 C.18.6.1.2)."""
    return in_frame(frame, partial(ImageRegion, GraphicTypeValues.POLYLINE, outline))
