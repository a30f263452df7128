"""References to the source's instances and frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

import numpy as np
from highdicom.sr import (
    ContentSequence,
    CoordinatesForMeasurement,
    GraphicTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
)
from pydicom.dataset import Dataset
from pydicom.uid import UltrasoundImageStorage

from workers.findings import FrameRef

Region = TypeVar("Region")


def frame_numbers(frame: FrameRef) -> list[int] | None:
    """Referenced Frame Number, which only a multi-frame image has (PS3.3 Table 10-3)."""
    return [frame.number] if frame.number_of_frames > 1 else None


def by_instance(frames: Iterable[FrameRef]) -> dict[FrameRef, list[int]]:
    """The first frame named of each instance, with every frame number named, ascending."""
    numbers: dict[str, set[int]] = {}
    first: dict[str, FrameRef] = {}
    for frame in frames:
        first.setdefault(frame.sop_instance_uid, frame)
        numbers.setdefault(frame.sop_instance_uid, set()).add(frame.number)
    return {frame: sorted(numbers[uid]) for uid, frame in first.items()}


def source_images(frames: Iterable[FrameRef]) -> list[SourceImageForMeasurementGroup]:
    """One IMAGE item per instance, as TID 1501 takes them."""
    return [
        SourceImageForMeasurementGroup(
            frame.sop_class_uid,
            frame.sop_instance_uid,
            numbers if frame.number_of_frames > 1 else None,
        )
        for frame, numbers in by_instance(frames).items()
    ]


def in_frame(frame: FrameRef, make: Callable[[SourceImageForRegion], Region]) -> Region:
    """What ``make`` makes of the reference to the frame that a region is selected from."""
    reference = sop_reference(frame.sop_class_uid, frame.sop_instance_uid)
    return _selected_from(reference, frame_numbers(frame), make)


def _selected_from(
    image: Dataset, numbers: list[int] | None, make: Callable[[SourceImageForRegion], Region]
) -> Region:
    """highdicom refuses classes it does not know, as the retired ultrasound ones and private ones,
    so the reference is made with one it knows and then told the truth."""
    source = SourceImageForRegion(UltrasoundImageStorage, image.ReferencedSOPInstanceUID, numbers)
    region = make(source)
    source.ReferencedSOPSequence[0].ReferencedSOPClassUID = image.ReferencedSOPClassUID
    return region


def located(group: ContentSequence, headers: Mapping[str, Dataset]) -> ContentSequence:
    """A measurement group with coordinates: where it has none, the whole of each source frame, as
    the region that its first number comes from (TID 320).

    OHIF 3.13 shows nothing of a report in which one group has no coordinates.
    """
    items = group[0].ContentSequence
    numbers = [one for one in items if one.ValueType == "NUM"]
    if not numbers or any(_has_coordinates(one) for one in (*items, *numbers)):
        return group
    regions = [
        region
        for image in items
        if image.ValueType == "IMAGE"
        for region in _borders(image.ReferencedSOPSequence[0], headers)
    ]
    if regions:
        below = [*numbers[0].get("ContentSequence", ()), *regions]
        numbers[0].ContentSequence = ContentSequence(below)
    return group


def _has_coordinates(item: Dataset) -> bool:
    every = (item, *item.get("ContentSequence", ()))
    return any(one.ValueType == "SCOORD" for one in every)


def _borders(image: Dataset, headers: Mapping[str, Dataset]) -> Iterator[CoordinatesForMeasurement]:
    """Of each frame that a reference names; nothing where the image's size is not known."""
    header = headers.get(image.ReferencedSOPInstanceUID, Dataset())
    rows, columns = header.get("Rows"), header.get("Columns")
    if not isinstance(rows, int) or not isinstance(columns, int):
        return
    ring = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows), (0, 0)], float)
    region = partial(CoordinatesForMeasurement, GraphicTypeValues.POLYLINE, ring)
    named = image.get("ReferencedFrameNumber")
    frames = [None] if named is None else [[int(one)] for one in np.atleast_1d(named)]
    for numbers in frames:
        yield _selected_from(image, numbers, region)


def sop_reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    """An item of a Referenced SOP Sequence (PS3.3 Table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


def study_references(study_uid: str, instances: Iterable[tuple[str, str, str]]) -> list[Dataset]:
    """PS3.3 Table C.17-3: (series, class, instance) UIDs of one study, each instance once."""
    series: dict[str, dict[str, Dataset]] = {}
    for series_uid, class_uid, instance_uid in instances:
        series.setdefault(series_uid, {})[instance_uid] = sop_reference(class_uid, instance_uid)
    if not series:
        return []
    study = Dataset()
    study.StudyInstanceUID = study_uid
    study.ReferencedSeriesSequence = []
    for uid, items in series.items():
        item = Dataset()
        item.SeriesInstanceUID = uid
        item.ReferencedSOPSequence = list(items.values())
        study.ReferencedSeriesSequence.append(item)
    return [study]
