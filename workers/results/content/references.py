"""References to the source's instances and frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from highdicom.sr import SourceImageForMeasurementGroup, SourceImageForRegion
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
    """What ``make`` makes of the reference to the frame that a region is selected from.

    highdicom refuses classes it does not know, as the retired ultrasound ones and private ones,
    so the reference is made with one it knows and then told the truth.
    """
    source = SourceImageForRegion(
        UltrasoundImageStorage, frame.sop_instance_uid, frame_numbers(frame)
    )
    region = make(source)
    source.ReferencedSOPSequence[0].ReferencedSOPClassUID = frame.sop_class_uid
    return region


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
