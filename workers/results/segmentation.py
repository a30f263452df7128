"""Segmentations: the outlined lesions of an image and the liver around those that were found, one
binary object with a segment for each (PS3.3 A.51), in the pixels of the frame that it was outlined
in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage, UltrasoundImageStorage

from node.identity import MANUFACTURER, MODEL_NAME, uid
from workers.findings import FoundLesion, FrameRef, ModelIdentity, OutlinedLesion, PromptedLesion
from workers.messages import marked, say
from workers.results import codes, header
from workers.results.content.references import by_instance, sop_reference
from workers.results.envelope import (
    contributing_equipment,
    device,
    ending,
    envelope,
    not_reviewed,
    set_series,
)
from workers.results.header import TYPE_2
from workers.results.identity import object_uid, series_uid, tracking_uid
from workers.results.objects import ResultContext, ResultInputs, ResultObject
from workers.results.values import plain

KIND = "segmentation"


@dataclass(frozen=True)
class Segment:
    """The object in which a lesion's mask is, and under which number there."""

    sop_instance_uid: str
    series_instance_uid: str
    number: int


@dataclass(frozen=True)
class _Origin:
    """What a segmentation says of who gave the place. offset : of its series."""

    name: str
    offset: int
    description: str
    algorithm: SegmentAlgorithmTypeValues


@dataclass(frozen=True)
class _Part:
    """A segment, of which one frame is known."""

    mask: NDArray[np.bool_]
    frame: FrameRef
    described: SegmentDescription


_PROMPTED = _Origin(
    "prompted",
    8,
    marked("AI segmentation at operator's prompt"),
    SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
)
_FOUND = _Origin(
    "found",
    7,
    marked("AI segmentation of a suspected lesion"),
    SegmentAlgorithmTypeValues.AUTOMATIC,
)


def build(context: ResultContext, inputs: ResultInputs) -> Iterator[ResultObject]:
    """One object per image with outlined lesions, in their order; one series for those at prompts,
    another for those found."""
    for number, lesions in enumerate(_by_image(inputs.findings.outlined), start=1):
        origin = _origin(lesions[0])
        made = object_uid(context.result_key, KIND, number)
        dataset = envelope(context, inputs.source)
        set_series(
            dataset,
            context,
            uid=_series(context, origin),
            offset=origin.offset,
            modality="SEG",
            description=say(origin.description),
        )
        dataset.InstanceNumber = number
        dataset.PatientOrientation = None
        dataset.ContributingEquipmentSequence = contributing_equipment(_makers(lesions))
        parts = _parts(context, lesions)
        for element in _masks(context, origin, parts, made, number):
            if element.tag not in dataset:  # patient, study and maker are the envelope's
                dataset[element.tag] = element
        _point_at_the_source(dataset, [part.frame for part in parts])
        source = inputs.headers.get(lesions[0].frame.sop_instance_uid)
        if source is not None and header.read(source, "LossyImageCompression") == "01":
            dataset.LossyImageCompression = "01"  # once lossy, always lossy (PS3.3 C.7.6.1.1.5)
            if ratio := header.read(source, "LossyImageCompressionRatio"):
                dataset.LossyImageCompressionRatio = ratio
            if method := header.read(source, "LossyImageCompressionMethod"):
                dataset.LossyImageCompressionMethod = method
        yield ResultObject(KIND, SegmentationStorage, made, dataset.SeriesInstanceUID, dataset)


def segments(context: ResultContext, outlined: Sequence[OutlinedLesion]) -> dict[str, Segment]:
    """By tracking ID, where the mask of each lesion is."""
    return {
        lesion.tracking_id: Segment(
            sop_instance_uid=object_uid(context.result_key, KIND, object_number),
            series_instance_uid=_series(context, _origin(lesion)),
            number=number,
        )
        for object_number, lesions in enumerate(_by_image(outlined), start=1)
        for number, lesion in enumerate(lesions, start=1)
    }


def _by_image(outlined: Sequence[OutlinedLesion]) -> list[list[OutlinedLesion]]:
    """Those of one image and one origin together, for all frames of a segmentation have one size
    and, as ultrasound has no frame of reference, one source."""
    images: dict[tuple[str, str], list[OutlinedLesion]] = {}
    for lesion in outlined:
        key = (_origin(lesion).name, lesion.frame.sop_instance_uid)
        images.setdefault(key, []).append(lesion)
    return list(images.values())


def _series(context: ResultContext, origin: _Origin) -> str:
    return series_uid(object_uid(context.result_key, f"{KIND}.{origin.name}", 1))


def _origin(lesion: OutlinedLesion) -> _Origin:
    return _PROMPTED if isinstance(lesion, PromptedLesion) else _FOUND


def _makers(lesions: Sequence[OutlinedLesion]) -> list[ModelIdentity]:
    """The models behind the masks, each once: those that drew them, and those that said where."""
    located = [lesion.located_by for lesion in lesions if isinstance(lesion, FoundLesion)]
    return list(dict.fromkeys([*(lesion.outlined_by for lesion in lesions), *located]))


def _parts(context: ResultContext, lesions: Sequence[OutlinedLesion]) -> list[_Part]:
    """The lesions in their order, then the liver, once for each frame in which it is known."""
    parts = [
        _Part(lesion.mask, lesion.frame, _described(context, lesion, number))
        for number, lesion in enumerate(lesions, start=1)
    ]
    livers = {one.frame: one for one in lesions if isinstance(one, FoundLesion)}
    for frame, lesion in livers.items():
        if lesion.liver is not None:
            described = _liver(context, lesion, len(parts) + 1)
            parts.append(_Part(lesion.liver, frame, described))
    return parts


def _masks(
    context: ResultContext, origin: _Origin, parts: Sequence[_Part], made: str, number: int
) -> Segmentation:
    """highdicom's object over a stand-in for the source: a segment and a frame of each part.

    highdicom refuses multi-frame ultrasound, which has no frame of reference, retired classes and
    malformed headers; the stand-in is a single frame of the same size, and the caller puts the
    references right.
    """
    made_by_highdicom = Segmentation(
        source_images=[_stand_in(parts[0].mask)],
        pixel_array=np.stack([part.mask for part in parts], -1)[None].astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[part.described for part in parts],
        series_instance_uid=_series(context, origin),
        series_number=1,
        sop_instance_uid=made,
        instance_number=number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=context.software_version,
        device_serial_number=context.node_serial,
        content_label="LESION",
        content_description=ending(say(origin.description), not_reviewed()),
        omit_empty_frames=False,
    )
    dimensions = uid("dimensions", made)  # highdicom draws one by chance
    made_by_highdicom.DimensionOrganizationSequence[0].DimensionOrganizationUID = dimensions
    for index in made_by_highdicom.DimensionIndexSequence:
        index.DimensionOrganizationUID = dimensions
    return made_by_highdicom


def _described(context: ResultContext, lesion: OutlinedLesion, number: int) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=plain(lesion.tracking_id, 64),
        segmented_property_category=codes.ABNORMAL_STRUCTURE,
        segmented_property_type=codes.LESION,
        algorithm_type=_origin(lesion).algorithm,
        algorithm_identification=_algorithm(lesion.outlined_by),
        tracking_uid=tracking_uid(context.result_key, lesion.tracking_id),
        tracking_id=plain(lesion.tracking_id),
        anatomic_regions=[codes.LIVER],
    )


def _liver(context: ResultContext, lesion: FoundLesion, number: int) -> SegmentDescription:
    frame = lesion.frame
    label = marked("liver, frame {number}") if frame.number_of_frames > 1 else marked("liver")
    name = label.format(number=frame.number)
    return SegmentDescription(
        segment_number=number,
        segment_label=plain(say(label, number=frame.number), 64),
        segmented_property_category=codes.ANATOMICAL_STRUCTURE,
        segmented_property_type=codes.LIVER,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=_algorithm(lesion.located_by),
        tracking_uid=tracking_uid(context.result_key, f"{name} of {frame.sop_instance_uid}"),
        tracking_id=name,
    )


def _algorithm(model: ModelIdentity) -> AlgorithmIdentificationSequence:
    named = device(model)
    return AlgorithmIdentificationSequence(
        name=named.name,
        family=codes.ARTIFICIAL_INTELLIGENCE,
        version=named.version,
        source=named.manufacturer,
    )


def _stand_in(mask: NDArray[np.bool_]) -> Dataset:
    source = Dataset()
    for keyword in TYPE_2:
        setattr(source, keyword, "")
    source.SOPClassUID = UltrasoundImageStorage
    source.SOPInstanceUID = source.SeriesInstanceUID = source.StudyInstanceUID = uid("stand-in")
    source.Modality = "US"
    source.Rows, source.Columns = mask.shape
    return source


def _point_at_the_source(dataset: Dataset, frames: Sequence[FrameRef]) -> None:
    """Common Instance Reference, and Derivation Image of each frame (PS3.3 C.12.2, C.7.6.16)."""
    (series,) = dataset.ReferencedSeriesSequence
    series.SeriesInstanceUID = frames[0].series_instance_uid
    series.ReferencedInstanceSequence = [
        sop_reference(frames[0].sop_class_uid, frames[0].sop_instance_uid)
    ]
    for image in dataset.get("SourceImageSequence", ()):
        _name_frames(image, frames)
    for per_frame, frame in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        (derivation,) = deepcopy(per_frame.DerivationImageSequence)  # the frames share one
        per_frame.DerivationImageSequence = [derivation]
        for image in derivation.SourceImageSequence:
            _name_frames(image, [frame])


def _name_frames(image: Dataset, frames: Sequence[FrameRef]) -> None:
    """frames : of one instance."""
    ((first, numbers),) = by_instance(frames).items()
    image.ReferencedSOPClassUID = first.sop_class_uid
    image.ReferencedSOPInstanceUID = first.sop_instance_uid
    if first.number_of_frames > 1:
        image.ReferencedFrameNumber = numbers
