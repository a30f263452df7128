"""Key Object Selection documents (PS3.3 A.35.4, PS3.16 TID 2010), as two kinds of result make."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.sr import (
    CompositeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    ImageContentItem,
)
from pydicom.sr.coding import Code
from pydicom.uid import KeyObjectSelectionDocumentStorage

from workers.results import codes
from workers.results.content.items import CONTAINS, text
from workers.results.content.provenance import observer
from workers.results.content.references import study_references
from workers.results.envelope import envelope, set_series
from workers.results.identity import object_uid, series_uid
from workers.results.objects import ResultContext, ResultInputs, ResultObject

Named = tuple[str, str, str]
"""Series Instance UID, SOP Class UID and SOP Instance UID."""


def select(
    kind: str,
    context: ResultContext,
    inputs: ResultInputs,
    *,
    title: Code,
    offset: int,
    series_description: str,
    description: str,
    references: Sequence[ContentItem],
    evidence: Sequence[Named],
    unreviewed: bool = True,
) -> ResultObject:
    """The document of a result kind. title : of CID 7010. references : IMAGE and COMPOSITE items;
    evidence : what they point at, which is of this study."""
    uid = object_uid(context.result_key, kind, 1)
    dataset = envelope(context, inputs.source)
    dataset.SOPClassUID = KeyObjectSelectionDocumentStorage
    dataset.SOPInstanceUID = uid
    set_series(
        dataset,
        context,
        uid=series_uid(uid),
        offset=offset,
        modality="KO",
        description=series_description,
        unreviewed=unreviewed,
    )
    dataset.InstanceNumber = 1
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.CurrentRequestedProcedureEvidenceSequence = study_references(
        inputs.source.study_instance_uid, evidence
    )
    root = ContainerContentItem(name=title, template_id="2010")
    root.ContentSequence = ContentSequence(
        [*observer(context), text(codes.KEY_OBJECT_DESCRIPTION, description), *references]
    )
    for element in root:
        dataset[element.tag] = element
    return ResultObject(
        kind, KeyObjectSelectionDocumentStorage, uid, dataset.SeriesInstanceUID, dataset
    )


def image(
    sop_class_uid: str, sop_instance_uid: str, frames: Sequence[int] | None = None
) -> ContentItem:
    return ImageContentItem(
        name=codes.SOURCE,
        referenced_sop_class_uid=sop_class_uid,
        referenced_sop_instance_uid=sop_instance_uid,
        referenced_frame_numbers=frames,
        relationship_type=CONTAINS,
    )


def composite(sop_class_uid: str, sop_instance_uid: str) -> ContentItem:
    return CompositeContentItem(
        name=codes.SOURCE,
        referenced_sop_class_uid=sop_class_uid,
        referenced_sop_instance_uid=sop_instance_uid,
        relationship_type=CONTAINS,
    )
