"""The image library (TID 1600): the frames that the models saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from highdicom.sr import ContainerContentItem, ContentItem, ContentSequence, ImageContentItem
from pydicom.dataset import Dataset

from workers.findings import FrameRef
from workers.results import codes
from workers.results.content.items import ACQUISITION, CONTAINS, code, number, with_properties
from workers.results.content.references import by_instance


def image_library(
    frames: Iterable[FrameRef], headers: Mapping[str, Dataset]
) -> ContainerContentItem | None:
    """One entry per instance, naming the frames used; None when none was.

    highdicom's own ImageLibrary names whole images only and wants attributes that vendors omit.
    """
    entries = [
        _entry(frame, numbers, headers.get(frame.sop_instance_uid))
        for frame, numbers in by_instance(frames).items()
    ]
    if not entries:
        return None
    library = ContainerContentItem(
        name=codes.IMAGE_LIBRARY, template_id="1600", relationship_type=CONTAINS
    )
    group = ContainerContentItem(name=codes.IMAGE_LIBRARY_GROUP, relationship_type=CONTAINS)
    group.ContentSequence = ContentSequence(
        [code(codes.MODALITY, codes.ULTRASOUND, ACQUISITION), *entries]
    )
    library.ContentSequence = ContentSequence([group])
    return library


def _entry(frame: FrameRef, numbers: list[int], header: Dataset | None) -> ContentItem:
    entry = ImageContentItem(
        name=codes.SOURCE,
        referenced_sop_class_uid=frame.sop_class_uid,
        referenced_sop_instance_uid=frame.sop_instance_uid,
        referenced_frame_numbers=numbers if frame.number_of_frames > 1 else None,
        relationship_type=CONTAINS,
    )
    sizes = (
        (name, header.get(keyword) if header is not None else None)
        for name, keyword in ((codes.PIXEL_ROWS, "Rows"), (codes.PIXEL_COLUMNS, "Columns"))
    )
    return with_properties(
        entry,
        *(
            number(name, size, codes.PIXELS, ACQUISITION)
            for name, size in sizes
            if isinstance(size, int)
        ),
    )
