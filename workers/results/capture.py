"""Secondary Captures: what every picture that we draw says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from workers.findings import FrameRef
from workers.messages import marked, say
from workers.results import codes, header
from workers.results.content.references import by_instance, sop_reference

WARNING = marked("AI result, not reviewed")
INVESTIGATIONAL = marked("Investigational software, not for diagnosis on its own.")
_PLACES = (
    (marked("series {number}"), marked("Series {number}")),
    (marked("image {number}"), marked("Image {number}")),
    (marked("frame {number} of {all}"), marked("Frame {number} of {all}")),
)
"""Within a sentence, and where one begins."""


def describe_capture(dataset: Dataset, picture: NDArray[np.uint8]) -> None:
    """SC Equipment, General Image and Image Pixel: uncompressed RGB, colour by pixel (PS3.3
    C.8.6.1, C.7.6.1, C.7.6.3). picture : (rows, columns, 3) uint8."""
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.BodyPartExamined = "LIVER"
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = None
    dataset.BurnedInAnnotation = "YES"
    dataset.DateOfSecondaryCapture = dataset.ContentDate
    dataset.TimeOfSecondaryCapture = dataset.ContentTime
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = picture.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    pixels = picture.tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)


def point_at(dataset: Dataset, frames: Iterable[FrameRef], headers: Mapping[str, Dataset]) -> None:
    """General Reference: the frames that a picture is made from (PS3.3 C.12.4). What was once lossy
    stays so (C.7.6.1.1.5)."""
    references = []
    for frame, numbers in by_instance(frames).items():
        reference = sop_reference(frame.sop_class_uid, frame.sop_instance_uid)
        if frame.number_of_frames > 1:
            reference.ReferencedFrameNumber = numbers
        reference.PurposeOfReferenceCodeSequence = [codes.coded(codes.PROCESSED_IMAGE)]
        reference.SpatialLocationsPreserved = "NO"
        references.append(reference)
        source = headers.get(frame.sop_instance_uid)
        if source is not None and header.read(source, "LossyImageCompression") == "01":
            dataset.LossyImageCompression = "01"
            if ratio := header.read(source, "LossyImageCompressionRatio"):
                dataset.LossyImageCompressionRatio = ratio
    if references:
        dataset.SourceImageSequence = references


def numbers_of(frame: FrameRef, headers: Mapping[str, Dataset]) -> tuple[str, str]:
    """Series and Instance Number of a frame's source, empty where it has none."""
    source = headers.get(frame.sop_instance_uid)
    if source is None:
        return "", ""
    return header.read(source, "SeriesNumber"), header.read(source, "InstanceNumber")


def place_of(frame: FrameRef, headers: Mapping[str, Dataset], *, begins: bool = False) -> str:
    """Where to find a frame: the numbers that a viewer shows beside it. begins : a sentence."""
    numbers = [*numbers_of(frame, headers), ""]
    if frame.number_of_frames > 1 or not any(numbers):
        numbers[-1] = str(frame.number)
    shown = [(words, number) for words, number in zip(_PLACES, numbers, strict=True) if number]
    return ", ".join(
        say(words[begins and not place], number=number, all=frame.number_of_frames)
        for place, (words, number) in enumerate(shown)
    )
