"""Segmentations: the mask of each prompted lesion, one binary single-frame object each (PS3.3
A.51), in the pixels of the frame that was pointed at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage, UltrasoundImageStorage

from node.identity import MANUFACTURER, MODEL_NAME, uid
from workers.findings import PromptedLesion
from workers.results import codes, header
from workers.results.content.references import frame_numbers, sop_reference
from workers.results.envelope import contributing_equipment, envelope, set_series
from workers.results.header import TYPE_2
from workers.results.identity import object_uid, series_uid, tracking_uid
from workers.results.objects import ResultContext, ResultInputs, ResultObject
from workers.results.values import plain

KIND = "segmentation"
DESCRIPTION = "AI segmentation at operator's prompt, not reviewed"


def build(context: ResultContext, inputs: ResultInputs) -> Iterator[ResultObject]:
    """One object per prompted lesion, in their order, in one series."""
    for number, lesion in enumerate(inputs.findings.prompted, start=1):
        made = segmentation_uid(context, number)
        dataset = envelope(context, inputs.source)
        set_series(
            dataset,
            context,
            uid=segmentation_series(context),
            offset=8,
            modality="SEG",
            description=DESCRIPTION,
        )
        dataset.InstanceNumber = number
        dataset.PatientOrientation = None
        dataset.ContributingEquipmentSequence = contributing_equipment([lesion.model])
        for element in _mask(context, lesion, made, number):
            if element.tag not in dataset:  # patient, study and maker are the envelope's
                dataset[element.tag] = element
        _point_at_the_source(dataset, lesion)
        source = inputs.headers.get(lesion.frame.sop_instance_uid)
        if source is not None and header.read(source, "LossyImageCompression") == "01":
            dataset.LossyImageCompression = "01"  # once lossy, always lossy (PS3.3 C.7.6.1.1.5)
            if ratio := header.read(source, "LossyImageCompressionRatio"):
                dataset.LossyImageCompressionRatio = ratio
            if method := header.read(source, "LossyImageCompressionMethod"):
                dataset.LossyImageCompressionMethod = method
        yield ResultObject(KIND, SegmentationStorage, made, dataset.SeriesInstanceUID, dataset)


def segmentation_uid(context: ResultContext, number: int) -> str:
    """SOP Instance UID of the segmentation of prompted lesion ``number``, counted from 1."""
    return object_uid(context.result_key, KIND, number)


def segmentation_series(context: ResultContext) -> str:
    """The Series Instance UID of all of them."""
    return series_uid(segmentation_uid(context, 1))


def _mask(context: ResultContext, lesion: PromptedLesion, made: str, number: int) -> Segmentation:
    """highdicom's object over a stand-in for the source.

    highdicom refuses multi-frame ultrasound, which has no frame of reference, retired classes and
    malformed headers; the stand-in is a single frame of the same size, and the caller puts the
    references right.
    """
    described = SegmentDescription(
        segment_number=1,
        segment_label=plain(lesion.tracking_id, 64),
        segmented_property_category=codes.ABNORMAL_STRUCTURE,
        segmented_property_type=codes.LESION,
        algorithm_type=SegmentAlgorithmTypeValues.SEMIAUTOMATIC,  # an operator gave the place
        algorithm_identification=AlgorithmIdentificationSequence(
            name=plain(lesion.model.name, 64),
            family=codes.ARTIFICIAL_INTELLIGENCE,
            version=plain(lesion.model.version, 64),
            source=MANUFACTURER,
        ),
        tracking_uid=tracking_uid(context.result_key, lesion.tracking_id),
        tracking_id=plain(lesion.tracking_id),
        anatomic_regions=[codes.LIVER],
    )
    made_by_highdicom = Segmentation(
        source_images=[_stand_in(lesion)],
        pixel_array=lesion.mask[None].astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[described],
        series_instance_uid=segmentation_series(context),
        series_number=1,
        sop_instance_uid=made,
        instance_number=number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=context.software_version,
        device_serial_number=context.node_serial,
        content_label="LESION",
        content_description=DESCRIPTION,
        omit_empty_frames=False,
    )
    dimensions = uid("dimensions", made)  # highdicom draws one by chance
    made_by_highdicom.DimensionOrganizationSequence[0].DimensionOrganizationUID = dimensions
    for index in made_by_highdicom.DimensionIndexSequence:
        index.DimensionOrganizationUID = dimensions
    return made_by_highdicom


def _stand_in(lesion: PromptedLesion) -> Dataset:
    source = Dataset()
    for keyword in TYPE_2:
        setattr(source, keyword, "")
    source.SOPClassUID = UltrasoundImageStorage
    source.SOPInstanceUID = source.SeriesInstanceUID = source.StudyInstanceUID = uid("stand-in")
    source.Modality = "US"
    source.Rows, source.Columns = lesion.mask.shape
    return source


def _point_at_the_source(dataset: Dataset, lesion: PromptedLesion) -> None:
    """Common Instance Reference, and Derivation Image of the one frame (PS3.3 C.12.2, C.7.6.16)."""
    frame = lesion.frame
    (series,) = dataset.ReferencedSeriesSequence
    series.SeriesInstanceUID = frame.series_instance_uid
    series.ReferencedInstanceSequence = [sop_reference(frame.sop_class_uid, frame.sop_instance_uid)]
    (per_frame,) = dataset.PerFrameFunctionalGroupsSequence
    (derivation,) = per_frame.DerivationImageSequence
    for image in (*dataset.get("SourceImageSequence", ()), *derivation.SourceImageSequence):
        image.ReferencedSOPClassUID = frame.sop_class_uid
        image.ReferencedSOPInstanceUID = frame.sop_instance_uid
        if numbers := frame_numbers(frame):
            image.ReferencedFrameNumber = numbers
