"""A JPEG or PNG picture as an Ultrasound Image (PS3.3 A.6.3), for trying things."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    UltrasoundImageStorage,
    generate_uid,
)

from node.errors import StorageError
from node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

PICTURES = (".jpg", ".jpeg", ".png")

_TISSUE, _TWO_D, _CENTIMETRE = 1, 1, 3  # PS3.3 C.8.5.5.1


@dataclass
class Study:
    """One study that pictures are wrapped into; UIDs are new for each Study.

    Make one per call of a command: ``wrap`` numbers the images in the order they come.
    """

    patient_id: str = ""
    patient_name: str = ""
    study_uid: str = field(default_factory=lambda: str(generate_uid()))
    series_uid: str = field(default_factory=lambda: str(generate_uid()))
    made_at: datetime = field(default_factory=datetime.now)
    images: int = 0

    def wrap(
        self,
        picture: Path,
        target: Path,
        *,
        mm_per_pixel: float | None = None,
        view: str = "",
    ) -> str:
        """Write ``picture`` to ``target`` as a DICOM file; its SOP Instance UID.

        A baseline JPEG is encapsulated as it is; anything else is stored uncompressed, 8 bit.
        ``mm_per_pixel`` makes one calibrated B-mode region of the whole image; ``view`` goes into
        Image Comments. Raises StorageError when the picture cannot be read.
        """
        try:
            encoded = picture.read_bytes()
            with Image.open(BytesIO(encoded)) as image:
                image.load()
                dataset = self._header(image.width, image.height)
                if image.format == "JPEG" and _is_baseline(encoded) and image.mode in ("L", "RGB"):
                    syntax: UID = JPEGBaseline8Bit
                    _put_jpeg(dataset, encoded, image)
                else:
                    syntax = ExplicitVRLittleEndian
                    _put_pixels(dataset, image)
        except (OSError, UnidentifiedImageError, ValueError) as error:
            raise StorageError(f"{picture} cannot be read as a picture: {error}") from None
        if mm_per_pixel is not None:
            dataset.SequenceOfUltrasoundRegions = [_region(dataset, mm_per_pixel)]
        if view:
            dataset.ImageComments = view
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
        dataset.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
        dataset.save_as(target, enforce_file_format=True)
        return str(dataset.SOPInstanceUID)

    def _header(self, width: int, height: int) -> Dataset:
        """Everything but the pixels: type 2 attributes are there, empty when unknown."""
        self.images += 1
        date, time = self.made_at.strftime("%Y%m%d"), self.made_at.strftime("%H%M%S")
        dataset = Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.ImageType = ["ORIGINAL", "PRIMARY"]
        dataset.SOPClassUID = UltrasoundImageStorage
        dataset.SOPInstanceUID = generate_uid()
        dataset.StudyDate = dataset.ContentDate = date
        dataset.StudyTime = dataset.ContentTime = time
        dataset.AccessionNumber = dataset.ReferringPhysicianName = dataset.Manufacturer = ""
        dataset.Modality = "US"
        dataset.PatientName, dataset.PatientID = self.patient_name, self.patient_id
        dataset.PatientBirthDate = dataset.PatientSex = ""
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = self.study_uid, self.series_uid
        dataset.StudyID, dataset.SeriesNumber = "1", 1
        dataset.InstanceNumber = self.images
        dataset.PatientOrientation = dataset.Laterality = ""
        dataset.Rows, dataset.Columns = height, width
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        return dataset


def _put_jpeg(dataset: Dataset, encoded: bytes, image: Image.Image) -> None:
    grey = image.mode == "L"
    dataset.SamplesPerPixel = 1 if grey else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if grey else _colour_space(image)
    if not grey:
        dataset.PlanarConfiguration = 0
    dataset.LossyImageCompression = "01"
    raw = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel
    dataset.LossyImageCompressionRatio = f"{raw / len(encoded):.4g}"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    dataset.PixelData = encapsulate([encoded])
    dataset["PixelData"].VR = "OB"


def _put_pixels(dataset: Dataset, image: Image.Image) -> None:
    grey = image.mode in ("1", "L", "LA") or image.mode.startswith(("I", "F"))
    pixels = image.convert("L" if grey else "RGB").tobytes()
    dataset.SamplesPerPixel = 1 if grey else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if grey else "RGB"
    if not grey:
        dataset.PlanarConfiguration = 0
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB"


def _colour_space(image: Image.Image) -> str:
    """PS3.5 8.2.1; Adobe's marker with transform 0 says that the components are RGB."""
    if image.info.get("adobe_transform") == 0:
        return "RGB"
    return "YBR_FULL_422"


def _is_baseline(jpeg: bytes) -> bool:
    """Whether the frame header is SOF0: 8 bit, sequential, Huffman (ISO 10918-1 B.2.2)."""
    position = 2
    while position + 4 <= len(jpeg) and jpeg[position] == 0xFF:
        marker = jpeg[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker == 0xC0
        position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
    return False


def _region(dataset: Dataset, mm_per_pixel: float) -> Dataset:
    """The whole image as one B-mode region with square pixels (PS3.3 C.8.5.5)."""
    region = Dataset()
    region.RegionSpatialFormat = _TWO_D
    region.RegionDataType = _TISSUE
    region.RegionFlags = 0
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1 = dataset.Columns - 1
    region.RegionLocationMaxY1 = dataset.Rows - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = _CENTIMETRE
    region.PhysicalDeltaX = region.PhysicalDeltaY = mm_per_pixel / 10
    return region
