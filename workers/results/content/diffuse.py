"""Diffuse liver disease: the fat estimate, its probabilities, and the views behind it."""

from __future__ import annotations

from highdicom.sr import (
    ContentSequence,
    FindingSite,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    TrackingIdentifier,
)

from workers.findings import FatFinding
from workers.messages import say
from workers.results import codes
from workers.results.content.items import extend, measurement, percent, text
from workers.results.content.provenance import algorithm, statements
from workers.results.content.references import source_images
from workers.results.identity import tracking_uid
from workers.results.objects import ResultContext


def fat_group(context: ResultContext, fat: FatFinding) -> ContentSequence:
    """TID 1501 for the study as a whole; its source images are the frames used."""
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=tracking_uid(context.result_key, "liver fat"), identifier="Liver fat"
        ),
        finding_type=codes.DIFFUSE_FAT,
        finding_sites=[FindingSite(anatomic_location=codes.LIVER)],
        algorithm_id=algorithm(fat.model),
        measurements=[
            *measurement(codes.FAT_FRACTION, round(fat.fat_percent, 1), codes.PERCENT),
            *measurement(codes.FAT_FROM_5, percent(fat.p_5), codes.PERCENT),
            *measurement(codes.FAT_FROM_10, percent(fat.p_10), codes.PERCENT),
            *measurement(codes.FRAMES_EXAMINED, len(fat.frames), codes.FRAMES),
            *measurement(codes.FRAMES_OF_UNKNOWN_VIEW, fat.frames_of_unknown_view, codes.FRAMES),
            *measurement(codes.FRAMES_NOT_COUNTED, fat.frames_not_counted, codes.FRAMES),
            *_named(fat),
        ],
        source_images=source_images(fat.frames),
    )
    extend(group, text(codes.IMAGE_VIEW, _views(fat)), *statements(fat.model))
    return group


def _views(fat: FatFinding) -> str:
    views = ", ".join(map(say, fat.views)) or say("none could be told from the images' headers")
    if not fat.frames_of_named_view:
        return views
    return say(
        "{views}; a model named that of {number} of the frames",
        views=views,
        number=fat.frames_of_named_view,
    )


def _named(fat: FatFinding) -> list[Measurement]:
    """Only where a model named any: a report in which DICOM speaks is as it always was."""
    named = fat.frames_of_named_view
    return measurement(codes.FRAMES_OF_NAMED_VIEW, named, codes.FRAMES) if named else []
