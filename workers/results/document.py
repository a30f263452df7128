"""The document: the summary's page as an Encapsulated PDF, for whoever prints or files it (PS3.3
A.45.1)."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.uid import EncapsulatedPDFStorage

from workers.messages import say
from workers.results import codes
from workers.results.capture import WARNING
from workers.results.content.references import by_instance, sop_reference
from workers.results.envelope import contributing_equipment, envelope, set_series
from workers.results.identity import object_uid, series_uid
from workers.results.objects import ResultContext, ResultInputs, ResultObject
from workers.results.picture import write_document
from workers.results.summary import TITLE, blocks
from workers.results.values import plain

KIND = "document"


def build(context: ResultContext, inputs: ResultInputs) -> Iterator[ResultObject]:
    """One document, with the words and pictures of the summary; its text can be selected."""
    uid = object_uid(context.result_key, KIND, 1)
    dataset = envelope(context, inputs.source)
    dataset.SOPClassUID = EncapsulatedPDFStorage
    dataset.SOPInstanceUID = uid
    set_series(
        dataset,
        context,
        uid=series_uid(uid),
        offset=11,
        modality="DOC",
        description=say("AI liver ultrasound summary, PDF"),
    )
    dataset.InstanceNumber = 1
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = None
    dataset.BurnedInAnnotation = "YES"  # what the pictures in it hold, nobody has looked at
    title = say(TITLE)
    dataset.DocumentTitle = plain(title, 1024)
    dataset.ConceptNameCodeSequence = [codes.coded(codes.LIVER_ULTRASOUND)]
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.SourceInstanceSequence = [
        sop_reference(frame.sop_class_uid, frame.sop_instance_uid)
        for frame in by_instance(inputs.findings.frames)
    ]
    if not dataset.SourceInstanceSequence:
        del dataset.SourceInstanceSequence
    if inputs.findings.models:
        dataset.ContributingEquipmentSequence = contributing_equipment(inputs.findings.models)
    content = write_document(blocks(context, inputs), f"{say(WARNING)}. {title}")
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(content)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    yield ResultObject(KIND, EncapsulatedPDFStorage, uid, dataset.SeriesInstanceUID, dataset)
