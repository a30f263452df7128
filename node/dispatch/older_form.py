"""The report in an older class, for a PACS that does not take Comprehensive 3D SR.

The report has no 3D coordinates and none of the relationships by reference that Enhanced SR
forbids (PS3.3 A.35.2, A.35.3), so that its content goes over as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
)

from node.identity import series_uid, uid

OLDER: Mapping[str, tuple[UID, ...]] = {
    Comprehensive3DSRStorage: (ComprehensiveSRStorage, EnhancedSRStorage),
    ComprehensiveSRStorage: (EnhancedSRStorage,),
}
"""The classes that can stand in for one, best first."""


def form_uid(sop_instance_uid: str, sop_class_uid: str) -> str:
    """SOP Instance UID of a result in another class: another object, always the same one."""
    return uid("form", sop_instance_uid, sop_class_uid)


def older_form(report: Path, sop_class_uid: str) -> tuple[str, bytes]:
    """A report, as it was made, in another class: its new UID, and the DICOM file (PS3.10).

    The predecessors are named in that class too, whatever the destination took of them: the bytes
    follow from the report and the class alone, so that no UID has two contents and no version two
    UIDs. Raises OSError, and what pydicom raises.
    """
    dataset = dcmread(report)
    for series, reference in _predecessors(dataset):
        form = form_uid(reference.ReferencedSOPInstanceUID, sop_class_uid)
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class_uid, form
        series.SeriesInstanceUID = series_uid(form)
    dataset.SOPClassUID = UID(sop_class_uid)
    dataset.SOPInstanceUID = form_uid(dataset.SOPInstanceUID, sop_class_uid)
    dataset.SeriesInstanceUID = series_uid(dataset.SOPInstanceUID)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return dataset.SOPInstanceUID, buffer.getvalue()


def _predecessors(report: Dataset) -> Iterator[tuple[Dataset, Dataset]]:
    """The reports that it names: the item of the series, which holds no other, and of it."""
    for study in report.get("PredecessorDocumentsSequence", ()):
        for series in study.ReferencedSeriesSequence:
            for reference in series.ReferencedSOPSequence:
                yield series, reference
