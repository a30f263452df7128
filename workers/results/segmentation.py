"""Segmentations: the mask of each outlined lesion, one binary single-frame object each (PS3.3
A.51), in the pixels of the frame that it was outlined in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
from workers.findings import FoundLesion, ModelIdentity, OutlinedLesion, PromptedLesion
from workers.results import codes, header
from workers.results.content.references import frame_numbers, sop_reference
from workers.results.envelope import contributing_equipment, envelope, set_series
from workers.results.header import TYPE_2
from workers.results.identity import object_uid, series_uid, tracking_uid
from workers.results.objects import ResultContext, ResultInputs, ResultObject
from workers.results.values import plain

KIND = "segmentation"


@dataclass(frozen=True)
class _Origin:
    """What a segmentation says of who gave the place. offset : of its series."""

    name: str
    offset: int
    description: str
    algorithm: SegmentAlgorithmTypeValues


_PROMPTED = _Origin(
    "prompted",
    8,
    "AI segmentation at operator's prompt, not reviewed",
    SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
)
_FOUND = _Origin(
    "found",
    7,
    "AI segmentation of a suspected lesion, not reviewed",
    SegmentAlgorithmTypeValues.AUTOMATIC,
)


def build(context: ResultContext, inputs: ResultInputs) -> Iterator[ResultObject]:
    """One object per outlined lesion, in their order; one series for those at prompts, another for
    those found."""
    for number, lesion in enumerate(inputs.findings.outlined, start=1):
        origin = _origin(lesion)
        made = segmentation_uid(context, number)
        dataset = envelope(context, inputs.source)
        set_series(
            dataset,
            context,
            uid=segmentation_series(context, lesion),
            offset=origin.offset,
            modality="SEG",
            description=origin.description,
        )
        dataset.InstanceNumber = number
        dataset.PatientOrientation = None
        dataset.ContributingEquipmentSequence = contributing_equipment(_makers(lesion))
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
    """SOP Instance UID of the segmentation of outlined lesion ``number``, counted from 1."""
    return object_uid(context.result_key, KIND, number)


def segmentation_series(context: ResultContext, lesion: OutlinedLesion) -> str:
    """The Series Instance UID of those of the lesion's origin."""
    return series_uid(object_uid(context.result_key, f"{KIND}.{_origin(lesion).name}", 1))


def _origin(lesion: OutlinedLesion) -> _Origin:
    return _PROMPTED if isinstance(lesion, PromptedLesion) else _FOUND


def _makers(lesion: OutlinedLesion) -> list[ModelIdentity]:
    """The models behind a mask: the one that drew it, and the one that said where."""
    located = [lesion.located_by] if isinstance(lesion, FoundLesion) else []
    return [lesion.outlined_by, *located]


def _mask(context: ResultContext, lesion: OutlinedLesion, made: str, number: int) -> Segmentation:
    """highdicom's object over a stand-in for the source.

    highdicom refuses multi-frame ultrasound, which has no frame of reference, retired classes and
    malformed headers; the stand-in is a single frame of the same size, and the caller puts the
    references right.
    """
    origin = _origin(lesion)
    described = SegmentDescription(
        segment_number=1,
        segment_label=plain(lesion.tracking_id, 64),
        segmented_property_category=codes.ABNORMAL_STRUCTURE,
        segmented_property_type=codes.LESION,
        algorithm_type=origin.algorithm,
        algorithm_identification=AlgorithmIdentificationSequence(
            name=plain(lesion.outlined_by.name, 64),
            family=codes.ARTIFICIAL_INTELLIGENCE,
            version=plain(lesion.outlined_by.version, 64),
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
        series_instance_uid=segmentation_series(context, lesion),
        series_number=1,
        sop_instance_uid=made,
        instance_number=number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=context.software_version,
        device_serial_number=context.node_serial,
        content_label="LESION",
        content_description=origin.description,
        omit_empty_frames=False,
    )
    dimensions = uid("dimensions", made)  # highdicom draws one by chance
    made_by_highdicom.DimensionOrganizationSequence[0].DimensionOrganizationUID = dimensions
    for index in made_by_highdicom.DimensionIndexSequence:
        index.DimensionOrganizationUID = dimensions
    return made_by_highdicom


def _stand_in(lesion: OutlinedLesion) -> Dataset:
    source = Dataset()
    for keyword in TYPE_2:
        setattr(source, keyword, "")
    source.SOPClassUID = UltrasoundImageStorage
    source.SOPInstanceUID = source.SeriesInstanceUID = source.StudyInstanceUID = uid("stand-in")
    source.Modality = "US"
    source.Rows, source.Columns = lesion.mask.shape
    return source


def _point_at_the_source(dataset: Dataset, lesion: OutlinedLesion) -> None:
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
