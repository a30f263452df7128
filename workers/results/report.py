"""The report: a Comprehensive 3D SR after TID 1500, written for every run.

The content tree is made of highdicom's templates. The document around it is ours: highdicom's
builders refuse sources of retired or private classes and copy the source's faults.
"""

from __future__ import annotations

from collections.abc import Iterator

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    LanguageOfContentItemAndDescendants,
    RelationshipTypeValues,
)
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, SegmentationStorage

from node.errors import ResultError
from workers.findings import FrameRef, LesionFinding
from workers.messages import say, spoken
from workers.results import codes, header
from workers.results.content.diffuse import fat_group
from workers.results.content.hepatorenal import hepatorenal_groups
from workers.results.content.items import CONTAINS
from workers.results.content.lesions import lesion_group, lesion_search
from workers.results.content.library import image_library
from workers.results.content.provenance import observer
from workers.results.content.qualitative import evaluations
from workers.results.content.references import located, study_references
from workers.results.envelope import contributing_equipment, envelope, set_series
from workers.results.identity import object_uid, series_uid
from workers.results.objects import ResultContext, ResultInputs, ResultObject
from workers.results.segmentation import segments

KIND = "report"


def build(context: ResultContext, inputs: ResultInputs) -> Iterator[ResultObject]:
    """One report; also when nothing could be analysed, for then it says so."""
    findings = inputs.findings
    uid = object_uid(context.result_key, KIND, 0)
    series = series_uid(uid)
    document = envelope(context, inputs.source)
    document.SOPClassUID = Comprehensive3DSRStorage
    document.SOPInstanceUID = uid
    set_series(
        document,
        context,
        uid=series,
        offset=9,
        modality="SR",
        description=say("AI liver ultrasound report"),
    )
    document.InstanceNumber = 1
    document.ReferencedPerformedProcedureStepSequence = []
    document.PerformedProcedureCodeSequence = []
    document.CompletionFlag = "COMPLETE"
    document.VerificationFlag = "UNVERIFIED"
    document.PreliminaryFlag = "PRELIMINARY"
    document.CurrentRequestedProcedureEvidenceSequence = _evidence(context, inputs)
    if context.predecessors:
        document.PredecessorDocumentsSequence = study_references(
            inputs.source.study_instance_uid,
            ((series_uid(instance), cls, instance) for cls, instance in context.predecessors),
        )
    if findings.models:
        document.ContributingEquipmentSequence = contributing_equipment(findings.models)
    document.CodingSchemeIdentificationSequence = [codes.coding_scheme()]
    for element in _content(context, inputs):
        document[element.tag] = element
    yield ResultObject(KIND, Comprehensive3DSRStorage, uid, series, document)


def _content(context: ResultContext, inputs: ResultInputs) -> ContainerContentItem:
    findings = inputs.findings
    language = CodedConcept(spoken().tag, "RFC5646", spoken().name)
    root = ContainerContentItem(name=codes.REPORT_TITLE, template_id="1500")
    root.ContentSequence = ContentSequence(
        [
            *LanguageOfContentItemAndDescendants(language),
            *observer(context),
            CodeContentItem(
                name=codes.PROCEDURE_REPORTED,
                value=codes.LIVER_ULTRASOUND,
                relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
            ),
        ]
    )
    if library := image_library(findings.frames, inputs.headers):
        root.ContentSequence.append(library)
    if groups := _measurement_groups(context, inputs):
        container = ContainerContentItem(
            name=codes.IMAGING_MEASUREMENTS, relationship_type=CONTAINS
        )
        container.ContentSequence = ContentSequence([item for group in groups for item in group])
        root.ContentSequence.append(container)
    root.ContentSequence.append(evaluations(context, findings, inputs.source.notes))
    return root


def _measurement_groups(context: ResultContext, inputs: ResultInputs) -> list[ContentSequence]:
    findings = inputs.findings

    def header_of(lesion: LesionFinding) -> Dataset | None:
        return inputs.headers.get(lesion.frame.sop_instance_uid)

    segment_of = segments(context, findings.outlined)
    groups = [
        lesion_group(
            context, findings, lesion, header_of(lesion), segment_of.get(lesion.tracking_id)
        )
        for lesion in (*findings.prompted, *findings.lesions)
    ]
    if search := lesion_search(context, findings):
        groups.append(search)
    if findings.hepatorenal is not None:  # fitted on biopsies: before what only simulations taught
        groups += hepatorenal_groups(context, findings.hepatorenal)
    if findings.fat is not None:
        groups.append(fat_group(context, findings.fat))
    return [located(group, inputs.headers) for group in groups]


def _evidence(context: ResultContext, inputs: ResultInputs) -> list[Dataset]:
    """Every instance of the study that the node knows of, and its own segmentations (PS3.3
    C.17.2)."""
    instances = [
        (
            header.read(instance, "SeriesInstanceUID"),
            header.read(instance, "SOPClassUID"),
            header.read(instance, "SOPInstanceUID") or uid,
        )
        for uid, instance in sorted(inputs.headers.items())
    ]
    frames = _referenced_frames(inputs)
    used = [(f.series_instance_uid, f.sop_class_uid, f.sop_instance_uid) for f in frames]
    complete = [names for names in (*used, *instances) if all(names)]
    complete += [
        (segment.series_instance_uid, SegmentationStorage, segment.sop_instance_uid)
        for segment in segments(context, inputs.findings.outlined).values()
    ]
    if not complete:
        raise ResultError(
            f"study {inputs.source.study_instance_uid}: no instance names its class and series"
        )
    return study_references(inputs.source.study_instance_uid, complete)


def _referenced_frames(inputs: ResultInputs) -> list[FrameRef]:
    findings = inputs.findings
    return [
        *findings.frames,
        *(lesion.frame for lesion in (*findings.lesions, *findings.prompted)),
        *(pair.frame for pair in (findings.hepatorenal.pairs if findings.hepatorenal else ())),
        *(findings.fat.frames if findings.fat else ()),
    ]
