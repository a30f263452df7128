"""The hepatorenal index: what the study comes to, and each pair of regions behind it."""

from __future__ import annotations

from functools import partial

import numpy as np
from highdicom.sr import (
    ContentSequence,
    CoordinatesForMeasurement,
    FindingSite,
    GraphicTypeValues,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    TrackingIdentifier,
)
from pydicom.sr.coding import Code

from workers.findings import Bounded, FrameRef, HepatorenalFinding, Point, RegionPair
from workers.messages import marked, say
from workers.results import codes
from workers.results.content.items import (
    PROPERTY,
    code,
    extend,
    measurement,
    percent,
    text,
    uncertainty,
)
from workers.results.content.provenance import algorithm, statements
from workers.results.content.references import in_frame, source_images
from workers.results.identity import tracking_uid
from workers.results.objects import ResultContext

_OF_FAT = marked("four of five patients with this index lie in it")
_OF_PROBABILITY = marked("95 % interval over resampled patients")
_EQUAL = marked("calibrated as if both answers were equally frequent")


def hepatorenal_groups(
    context: ResultContext, finding: HepatorenalFinding
) -> list[ContentSequence]:
    """TID 1501 for the study, then one for each pair."""
    return [_study(context, finding), *(_pair(context, finding, one) for one in finding.pairs)]


def _study(context: ResultContext, finding: HepatorenalFinding) -> ContentSequence:
    """The index, what fat goes with it, and how sure that is; its sources are the frames used."""
    several = len(finding.pairs) > 1
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=tracking_uid(context.result_key, "hepatorenal index"),
            identifier="Hepatorenal index",
        ),
        finding_type=codes.DIFFUSE_FAT,
        finding_sites=[FindingSite(anatomic_location=codes.LIVER)],
        algorithm_id=algorithm(finding.model),
        measurements=[
            *measurement(
                codes.HEPATORENAL_INDEX,
                round(finding.index, 3),
                codes.NO_UNITS,
                codes.MEDIAN if several else None,
            ),
            *measurement(codes.PAIRS_MEASURED, len(finding.pairs), codes.PAIRS),
            *_fat(finding.fat),
            *_probability(codes.CELLS_FROM_5, finding.p_5),
            *_probability(codes.CELLS_FROM_10, finding.p_10),
        ],
        source_images=source_images(pair.frame for pair in finding.pairs),
    )
    extend(group, code(codes.PLACE_BY, codes.PLACE_BY_PAIR), *statements(finding.model))
    return group


def _pair(context: ResultContext, finding: HepatorenalFinding, pair: RegionPair) -> ContentSequence:
    """The index of one pair, inferred from the echo levels of two regions of the frame."""
    identifier = f"prompt {pair.prompt.id}"
    gap = pair.depth_gap, codes.PIXELS
    if pair.depth_gap_mm is not None:
        gap = pair.depth_gap_mm, codes.MILLIMETER
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=tracking_uid(context.result_key, identifier), identifier=identifier
        ),
        finding_type=codes.REGION_PAIR,
        algorithm_id=algorithm(finding.model),
        measurements=[
            *measurement(codes.HEPATORENAL_INDEX, round(pair.index, 3), codes.NO_UNITS),
            _level(pair.frame, codes.LIVER, pair.liver, pair.liver_level),
            _level(pair.frame, codes.RENAL_CORTEX, pair.kidney, pair.kidney_level),
            *measurement(codes.DEPTH_GAP, round(gap[0], 1), gap[1]),
        ],
        source_images=source_images([pair.frame]),
    )
    extend(
        group,
        code(codes.PLACE_BY, codes.PLACE_BY_PAIR),
        text(codes.PLACE, str(pair.prompt)),
        *statements(finding.model),
    )
    return group


def _level(frame: FrameRef, site: Code, corners: tuple[Point, Point], level: float) -> Measurement:
    """TID 300 with the region that it is the mean of (TID 320)."""
    (x0, y0), (x1, y1) = corners
    ring = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
    region = partial(CoordinatesForMeasurement, GraphicTypeValues.POLYLINE, ring)
    return Measurement(
        name=codes.ECHO_LEVEL,
        value=round(level, 2),
        unit=codes.NO_UNITS,
        derivation=codes.MEAN,
        finding_sites=[FindingSite(anatomic_location=site)],
        referenced_coordinates=[in_frame(frame, region)],
    )


def _fat(fat: Bounded | None) -> list[Measurement]:
    if fat is None:
        return []
    found = measurement(codes.LIVER_CELLS_WITH_FAT, round(fat.value, 1), codes.PERCENT)
    for one in found:
        extend(one, *uncertainty(fat, 1.0, say(_OF_FAT)))
    return found


def _probability(name: Code, p: Bounded | None) -> list[Measurement]:
    if p is None:
        return []
    found = measurement(name, percent(p.value), codes.PERCENT)
    for one in found:
        extend(one, text(codes.CONDITION, say(_EQUAL), PROPERTY))
        extend(one, *uncertainty(p, 100.0, say(_OF_PROBABILITY)))
    return found
