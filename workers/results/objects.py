"""What goes into this room and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from workers.findings import FrameRef, StudyFindings
from workers.results.header import SourceHeader

FrameSource = Callable[[FrameRef], NDArray[np.uint8]]


@dataclass(frozen=True)
class ResultContext:
    """What every object of one result set shares.

    result_key : hex digest of the inputs, weights and settings; the same key gives the same bytes
    version : 1 for a study's first result set, and so on
    predecessors : (SOP Class UID, SOP Instance UID) of earlier reports on the same study
    replaced : (Series Instance UID, SOP Class UID, SOP Instance UID) of every object of the study's
        earlier versions but their rejection notes
    created_at : aware; written in the source's Timezone Offset From UTC, else in local time
    patient_name : whether the summary names the patient
    """

    result_key: str
    version: int
    predecessors: tuple[tuple[str, str], ...]
    created_at: datetime
    run_id: int
    node_name: str
    node_serial: str
    software_version: str
    replaced: tuple[tuple[str, str, str], ...] = ()
    patient_name: bool = False


@dataclass(frozen=True)
class ResultInputs:
    """One study as the builders see it.

    headers : by SOP Instance UID, without pixels, every instance of the study that is not ours
    source : the study's patient and study attributes, cleaned
    source_of : (rows, columns, 3) uint8 RGB of a whole frame
    """

    findings: StudyFindings
    headers: Mapping[str, Dataset]
    source: SourceHeader
    source_of: FrameSource


@dataclass(frozen=True)
class ResultObject:
    """A DICOM object to deliver. preview : (rows, columns, 3) uint8 RGB, where it is an image."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    dataset: Dataset = field(repr=False)
    preview: NDArray[np.uint8] | None = field(default=None, repr=False)
