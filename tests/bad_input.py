"""Files that a node must survive: each is made from a real image and is a study of its own.

``BAD_INPUTS[name](folder)`` writes one file and returns its path. The file meta and all UIDs are
valid, so that every file can be sent; what is bad is said by the name.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import openjpeg
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread, dcmwrite, uid
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.sequence import Sequence

Grey = NDArray[np.uint8]

JPEG_SPECTRAL_SELECTION = "1.2.840.10008.1.2.4.53"
"""Retired, and nobody decodes it."""

MARGIN = 8


@cache
def real_image() -> Grey:
    """(384, 512) uint8: the EPIQ 7C echocardiogram of pydicom-data at half its size."""
    path = get_testdata_file("JPGLosslessP14SV1_1s_1f_8b.dcm", download=False)
    return np.asarray(Image.fromarray(pixel_array(path)).reduce(2))


def study(image: Grey | None = None) -> Dataset:
    """A good single-frame grey image with one calibrated region: a new study each time."""
    image = real_image() if image is None else image
    rows, columns = image.shape[:2]
    region = Dataset()
    region.RegionSpatialFormat = 1
    region.RegionDataType = 1
    region.RegionFlags = 2
    region.RegionLocationMinX0 = MARGIN
    region.RegionLocationMinY0 = MARGIN
    region.RegionLocationMaxX1 = columns - MARGIN - 1
    region.RegionLocationMaxY1 = rows - MARGIN - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.05
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.SOPClassUID = uid.UltrasoundImageStorage
    dataset.SOPInstanceUID = uid.generate_uid()
    dataset.StudyInstanceUID = uid.generate_uid()
    dataset.SeriesInstanceUID = uid.generate_uid()
    dataset.Modality = "US"
    dataset.Manufacturer = "hepanode tests"
    dataset.PatientName = "Bad^Input"
    dataset.PatientID = "BAD-INPUT"
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyDate, dataset.StudyTime = "20240131", "120000"
    dataset.StudyID = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.PatientOrientation = ""
    dataset.SequenceOfUltrasoundRegions = Sequence([region])
    put_pixels(dataset, image)
    return dataset


def put_pixels(dataset: Dataset, values: NDArray[np.generic], photometric: str = "") -> None:
    """Native pixels of 8 or 16 bits, (rows, columns) or (rows, columns, samples)."""
    samples = 1 if values.ndim == 2 else values.shape[2]
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel = samples
    dataset.PhotometricInterpretation = photometric or ("MONOCHROME2" if samples == 1 else "RGB")
    if samples > 1:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * values.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    _put_bytes(dataset, values.tobytes())


def write(
    dataset: Dataset, folder: Path, name: str, syntax: str = uid.ExplicitVRLittleEndian
) -> Path:
    """The data set as ``folder/name.dcm`` in this transfer syntax, as it is."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = uid.UID(syntax)
    dataset.file_meta = meta
    path = folder / f"{name}.dcm"
    if uid.UID(syntax).is_encapsulated:
        dataset["PixelData"].is_undefined_length = True
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def encapsulated(dataset: Dataset, codestreams: list[bytes], *, table: bool = True) -> None:
    """Put codestreams, one a frame, with or without a Basic Offset Table."""
    _put_bytes(dataset, encapsulate(codestreams, has_bot=table))
    if len(codestreams) > 1:
        multi_frame(dataset, len(codestreams))


def multi_frame(dataset: Dataset, frames: int) -> None:
    dataset.SOPClassUID = uid.UltrasoundMultiFrameImageStorage
    dataset.NumberOfFrames = frames
    dataset.FrameTime = "33.3"
    dataset.FrameIncrementPointer = 0x00181063


def tinted(image: Grey) -> Grey:
    """Sepia: grey B-mode in another colour."""
    return (image[..., None] * np.array([1.0, 0.86, 0.62])).astype(np.uint8)


def jpeg(image: Grey, quality: int = 90) -> bytes:
    """JPEG baseline of (rows, columns) grey, or of RGB as 4:2:2 YCbCr."""
    if image.ndim == 2:
        image = image[..., None]
        return simplejpeg.encode_jpeg(image, quality, "GRAY", "Gray")
    return simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "RGB", "422")


def to_ybr(rgb: Grey) -> Grey:
    """YBR_FULL, full range as in PS3.3 C.7.6.3.1.2."""
    return np.asarray(Image.fromarray(rgb).convert("YCbCr"))


def _put_bytes(dataset: Dataset, data: bytes) -> None:
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"


def truncated(folder: Path) -> Path:
    path = write(study(), folder, "truncated")
    path.write_bytes(path.read_bytes()[:100_000])
    return path


def truncated_jpeg(folder: Path) -> Path:
    dataset = study()
    encapsulated(dataset, [jpeg(real_image())[:-4000]])
    return write(dataset, folder, "truncated_jpeg", uid.JPEGBaseline8Bit)


def no_pixel_data(folder: Path) -> Path:
    dataset = study()
    del dataset.PixelData
    return write(dataset, folder, "no_pixel_data")


def zero_frames(folder: Path) -> Path:
    dataset = study()
    multi_frame(dataset, 0)
    return write(dataset, folder, "zero_frames")


def bits_1(folder: Path) -> Path:
    dataset = study()
    _put_bytes(dataset, np.packbits(real_image() > 64, bitorder="little").tobytes())
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    return write(dataset, folder, "bits_1")


def bits_12(folder: Path) -> Path:
    dataset = study()
    put_pixels(dataset, real_image().astype(np.uint16) << 4)
    dataset.BitsStored, dataset.HighBit = 12, 11
    return write(dataset, folder, "bits_12")


def bits_16(folder: Path) -> Path:
    dataset = study()
    put_pixels(dataset, 65535 - real_image().astype(np.uint16) * 257, "MONOCHROME1")
    dataset.WindowCenter, dataset.WindowWidth = "32768", "65536"
    return write(dataset, folder, "bits_16")


def palette(folder: Path) -> Path:
    return write(_palette(b""), folder, "palette")


def palette_segmented(folder: Path) -> Path:
    # One linear segment from 0 to its end (PS3.3 C.7.9.2).
    return write(_palette(b"segmented"), folder, "palette_segmented")


def _palette(kind: bytes) -> Dataset:
    dataset = study()
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for channel, top in (("Red", 65535), ("Green", 60000), ("Blue", 50000)):
        setattr(dataset, f"{channel}PaletteColorLookupTableDescriptor", [256, 0, 16])
        if kind:
            segments = np.array([0, 1, 0, 1, 255, top], "<u2").tobytes()
            setattr(dataset, f"Segmented{channel}PaletteColorLookupTableData", segments)
        else:
            table = np.linspace(0, top, 256).astype("<u2").tobytes()
            setattr(dataset, f"{channel}PaletteColorLookupTableData", table)
    return dataset


def ybr_full(folder: Path) -> Path:
    dataset = study()
    put_pixels(dataset, to_ybr(tinted(real_image())), "YBR_FULL")
    return write(dataset, folder, "ybr_full")


def ybr_full_422(folder: Path) -> Path:
    dataset = study()
    put_pixels(dataset, to_ybr(tinted(real_image())), "YBR_FULL_422")
    _put_bytes(dataset, _halved(to_ybr(tinted(real_image()))))
    return write(dataset, folder, "ybr_full_422")


def ybr_full_422_jpeg(folder: Path) -> Path:
    dataset = study()
    put_pixels(dataset, tinted(real_image()), "YBR_FULL_422")
    encapsulated(dataset, [jpeg(tinted(real_image()))])
    return write(dataset, folder, "ybr_full_422_jpeg", uid.JPEGBaseline8Bit)


def ybr_partial_422(folder: Path) -> Path:
    dataset = study()
    full = to_ybr(tinted(real_image()))
    put_pixels(dataset, full, "YBR_PARTIAL_422")
    scale, low = np.array([219, 224, 224]) / 255, np.array([0, 128, 128])
    partial = np.round((full - low) * scale + np.array([16, 128, 128])).astype(np.uint8)
    _put_bytes(dataset, _halved(partial))
    return write(dataset, folder, "ybr_partial_422")


def _halved(ybr: Grey) -> bytes:
    """Y1 Y2 CB CR for each pair of pixels (PS3.3 C.7.6.3.1.2)."""
    left, right = ybr[:, ::2], ybr[:, 1::2]
    pairs = np.stack([left[..., 0], right[..., 0], left[..., 1], left[..., 2]], axis=-1)
    return pairs.astype(np.uint8).tobytes()


def ybr_rct(folder: Path) -> Path:
    return _jpeg_2000(folder, "ybr_rct", "YBR_RCT", uid.JPEG2000Lossless, [])


def ybr_ict(folder: Path) -> Path:
    return _jpeg_2000(folder, "ybr_ict", "YBR_ICT", uid.JPEG2000, [8])


def _jpeg_2000(folder: Path, name: str, photometric: str, syntax: str, ratios: list[float]) -> Path:
    dataset = study()
    rgb = tinted(real_image())
    put_pixels(dataset, rgb, photometric)
    codestream = openjpeg.encode(
        rgb, photometric_interpretation=1, use_mct=True, compression_ratios=ratios
    )
    encapsulated(dataset, [bytes(codestream)])
    return write(dataset, folder, name, syntax)


def ybr_partial_420(folder: Path) -> Path:
    """Thirty frames of H.264; the loop moves one pixel a frame to the right."""
    return video(folder, "ybr_partial_420", "libx264", "mp4", uid.MPEG4HP41)


def video(folder: Path, name: str, codec: str, container: str, syntax: str) -> Path:
    """A loop of thirty frames in one video stream."""
    dataset = study()
    rgb = np.repeat(real_image()[..., None], 3, axis=2)
    buffer = BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=Fraction(25))
        stream.height, stream.width, stream.pix_fmt = *rgb.shape[:2], "yuv420p"
        for shift in range(30):
            frame = av.VideoFrame.from_ndarray(np.roll(rgb, shift, axis=1), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    put_pixels(dataset, rgb, "YBR_PARTIAL_420")
    multi_frame(dataset, 30)
    _put_bytes(dataset, encapsulate([buffer.getvalue()], has_bot=False))
    return write(dataset, folder, name, syntax)


def unsupported_codec(folder: Path) -> Path:
    dataset = study()
    encapsulated(dataset, [jpeg(real_image())])
    return write(dataset, folder, "unsupported_codec", JPEG_SPECTRAL_SELECTION)


def decompression_bomb(folder: Path) -> Path:
    """A codestream of 60000 x 60000 pixels under a header that says 384 x 512."""
    dataset = study()
    encapsulated(dataset, [_resized(jpeg(real_image()), 60_000, 60_000)])
    return write(dataset, folder, "decompression_bomb", uid.JPEGBaseline8Bit)


def bomb_in_the_header(folder: Path) -> Path:
    dataset = study()
    encapsulated(dataset, [_resized(jpeg(real_image()), 65_000, 65_000)])
    dataset.Rows = dataset.Columns = 65_000
    return write(dataset, folder, "bomb_in_the_header", uid.JPEGBaseline8Bit)


def deflate_bomb(folder: Path) -> Path:
    """A deflated data set of half a mebibyte that inflates to 512 MiB."""
    path = write(study(), folder, "deflate_bomb", uid.DeflatedExplicitVRLittleEndian)
    data = path.read_bytes()
    head = data[
        : 144 + dcmread(path, stop_before_pixels=True).file_meta.FileMetaInformationGroupLength
    ]
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflater.decompress(data[len(head) :])
    deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = bytes(1 << 22)
    body = [deflater.compress(plain), *(deflater.compress(zeros) for _ in range(128))]
    path.write_bytes(head + b"".join(body) + deflater.flush())
    return path


def _resized(codestream: bytes, rows: int, columns: int) -> bytes:
    """The same JPEG with another size in its start of frame segment."""
    at = codestream.index(b"\xff\xc0")
    size = rows.to_bytes(2, "big") + columns.to_bytes(2, "big")
    return codestream[: at + 5] + size + codestream[at + 9 :]


def cine_900(folder: Path) -> Path:
    """Nine hundred JPEG baseline frames without an offset table; frame n is shifted by n pixels."""
    small = np.asarray(Image.fromarray(real_image()).resize((320, 240)))
    dataset = study(small)
    shifts = [jpeg(np.roll(small, shift, axis=1), 70) for shift in range(300)]
    encapsulated(dataset, shifts * 3, table=False)
    return write(dataset, folder, "cine_900", uid.JPEGBaseline8Bit)


def lying_size(folder: Path) -> Path:
    dataset = study()
    dataset.Rows, dataset.Columns = 2 * dataset.Rows, dataset.Columns // 3
    return write(dataset, folder, "lying_size")


def lying_size_jpeg(folder: Path) -> Path:
    dataset = study()
    encapsulated(dataset, [jpeg(real_image())])
    dataset.Rows, dataset.Columns = dataset.Columns, dataset.Rows
    return write(dataset, folder, "lying_size_jpeg", uid.JPEGBaseline8Bit)


def lying_frames(folder: Path) -> Path:
    dataset = study()
    multi_frame(dataset, 1_000_000)
    return write(dataset, folder, "lying_frames")


def no_rows(folder: Path) -> Path:
    dataset = study()
    dataset.Rows = 0
    return write(dataset, folder, "no_rows")


def missing_type_2(folder: Path) -> Path:
    dataset = study()
    for keyword in (
        *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"),
        *("StudyID", "AccessionNumber", "ReferringPhysicianName", "SeriesNumber"),
        *("InstanceNumber", "Manufacturer", "PatientOrientation", "SpecificCharacterSet"),
    ):
        delattr(dataset, keyword)
    return write(dataset, folder, "missing_type_2")


def unknown_character_set(folder: Path) -> Path:
    dataset = study()
    dataset.SeriesDescription = "Lebervenen"
    path = write(dataset, folder, "unknown_character_set")
    return _with_bytes(path, {b"ISO_IR 192": b"ISO_IR 999"})


def wrong_character_set(folder: Path) -> Path:
    """Latin-1 bytes under a header that says UTF-8."""
    dataset = study()
    dataset.PatientName = "Bxd^Input"
    dataset.SeriesDescription = "veines hxpatiques"
    path = write(dataset, folder, "wrong_character_set")
    return _with_bytes(path, {b"Bxd^": b"B\xe4d^", b"hxpa": b"h\xe9pa"})


def leading_zeros(folder: Path) -> Path:
    """UIDs such as 1.2.03, which PS3.5 9.1 forbids and some devices write."""
    dataset = study()
    path = write(dataset, folder, "leading_zeros")
    instead = {}
    for value in (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID):
        first, last = value.rsplit(".", 1)
        instead[value.encode()] = f"{first}.0{last[1:]}".encode()
    return _with_bytes(path, instead)


def malformed_dates(folder: Path) -> Path:
    dataset = study()
    dataset.PatientBirthDate = "19000101"
    path = write(dataset, folder, "malformed_dates")
    return _with_bytes(
        path, {b"20240131": b"1960.1.1", b"120000": b"25:61:", b"19000101": b"unknown "}
    )


def _with_bytes(path: Path, instead: dict[bytes, bytes]) -> Path:
    """Replace values by others of the same length, past every check of pydicom."""
    data = path.read_bytes()
    for old, new in instead.items():
        assert len(old) == len(new)
        assert old in data
        data = data.replace(old, new)
    path.write_bytes(data)
    return path


def non_ultrasound(folder: Path) -> Path:
    dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, uid.generate_uid())
    return write(dataset, folder, "non_ultrasound")


def only_reports(folder: Path) -> Path:
    dataset = dcmread(get_testdata_file("reportsi.dcm", download=False))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, uid.generate_uid())
    return write(dataset, folder, "only_reports")


BAD_INPUTS: dict[str, Callable[[Path], Path]] = {
    maker.__name__: maker
    for maker in (
        *(truncated, truncated_jpeg, no_pixel_data, zero_frames, bits_1, bits_12, bits_16),
        *(palette, palette_segmented, ybr_full, ybr_full_422, ybr_full_422_jpeg),
        *(ybr_partial_422, ybr_partial_420, ybr_rct, ybr_ict, unsupported_codec),
        *(decompression_bomb, bomb_in_the_header, deflate_bomb, cine_900),
        *(lying_size, lying_size_jpeg, lying_frames, no_rows, missing_type_2),
        *(unknown_character_set, wrong_character_set, malformed_dates, leading_zeros),
        *(non_ultrasound, only_reports),
    )
}
"""Every kind of bad or rare input that the node has to answer for."""
