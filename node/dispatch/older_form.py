"""The report in an older class, for a PACS that does not take Comprehensive 3D SR.

The report has no 3D coordinates and none of the relationships by reference that Enhanced SR
forbids (PS3.3 A.35.2, A.35.3), so that its content goes over as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from pydicom import dcmread, dcmwrite
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

Forms = Mapping[str, tuple[str, str]]
"""(SOP Class UID, SOP Instance UID) of the form that a destination has, by the SOP Instance UID
that the result was made under."""


def form_uid(sop_instance_uid: str, sop_class_uid: str, *predecessors: str) -> str:
    """SOP Instance UID of a result in another class: another object, always the same one.

    predecessors : those that it names by an older form of theirs; it has other bytes then.
    """
    return uid("form", sop_instance_uid, sop_class_uid, *predecessors)


def older_form(report: Path, sop_class_uid: str, before: Forms) -> tuple[str, bytes]:
    """A result's report as a DICOM file (PS3.10) of another class, after the UID of its own.

    ``before``: what the destination has of the predecessors; one that is not in it stays named
    as it is. The same arguments, and the same UID, give the same bytes. Raises OSError, and what
    pydicom raises.
    """
    dataset = dcmread(report)
    predecessors = []
    for study in dataset.get("PredecessorDocumentsSequence", ()):
        for series in study.ReferencedSeriesSequence:
            for reference in series.ReferencedSOPSequence:
                form = before.get(reference.ReferencedSOPInstanceUID)
                if form is not None:
                    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = form
                    series.SeriesInstanceUID = series_uid(form[1])
                    predecessors.append(form[1])
    dataset.SOPClassUID = UID(sop_class_uid)
    dataset.SOPInstanceUID = form_uid(dataset.SOPInstanceUID, sop_class_uid, *predecessors)
    dataset.SeriesInstanceUID = series_uid(dataset.SOPInstanceUID)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return dataset.SOPInstanceUID, buffer.getvalue()
