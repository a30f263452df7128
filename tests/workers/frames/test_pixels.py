"""Real files and every codec: what a viewer shows is what is read."""

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import openjpeg
import pytest
from pydicom import Dataset, dcmread, uid
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import compress, pixel_array

from node.settings import Analysis
from tests import bad_input
from tests.bad_input import encapsulated, jpeg, put_pixels, real_image, study, tinted, write
from workers.findings import Dropped, Frame, FrameRef, Reason
from workers.frames import StoredInstance, codecs, encapsulation, read, select
from workers.frames.header import opened
from workers.frames.layout import layout

SETTINGS = Analysis(frames_per_cine=2)


def real(name: str) -> Path:
    return Path(get_testdata_file(name, download=False))


def results(path: Path) -> list[Frame | Dropped]:
    selection = select([StoredInstance(path, "1.2.3")], SETTINGS)
    return list(read(path, selection.frames, SETTINGS))


def frame(path: Path) -> Frame:
    result = results(path)[0]
    assert isinstance(result, Frame), result
    return result


@pytest.mark.parametrize(
    ("name", "window", "millimetres"),
    [
        ("JPGLosslessP14SV1_1s_1f_8b.dcm", (14, 38, 1011, 759), 0.2548),
        ("OBXXXX1A.dcm", (120, 60, 800, 519), 0.2623),
        ("OBXXXX1A_expb_2frame.dcm", (120, 60, 800, 519), 0.2623),
        ("OBXXXX1A_rle_2frame.dcm", (120, 60, 800, 519), 0.2623),
        ("color3d_jpeg_baseline.dcm", (84, 31, 596, 415), 0.5105),
        ("gdcm-US-ALOKA-16_big.dcm", (32, 24, 336, 416), 0.3827),
    ],
)
def test_the_region_of_a_real_image_is_cropped_and_calibrated(
    name: str, window: tuple[int, int, int, int], millimetres: float
) -> None:
    found = frame(real(name))
    x0, y0, x1, y1 = found.window
    assert found.window == window
    assert found.image.shape == (y1 - y0, x1 - x0)
    assert found.spacing is not None
    assert found.spacing.row == found.spacing.column == pytest.approx(millimetres, abs=1e-4)


@pytest.mark.parametrize("name", ["examples_ybr_color.dcm", "examples_palette.dcm"])
def test_a_region_outside_the_image_is_stale_and_gives_no_millimetres(name: str) -> None:
    found = frame(real(name))
    assert found.spacing is None
    assert "stale" in found.spacing_note
    assert found.image.shape == found.source.shape[:2]


@pytest.mark.parametrize("name", ["US1_UNCR.dcm", "US1_J2KI.dcm", "US1_J2KR.dcm", "color-pl.dcm"])
def test_colour_doppler_of_a_real_image_is_recognised_by_its_pixels(name: str) -> None:
    (drop,) = results(real(name))
    assert isinstance(drop, Dropped)
    assert drop.reason is Reason.DOPPLER


def test_a_tiny_image_is_not_judged() -> None:
    (drop,) = results(real("ExplVR_BigEnd.dcm"))
    assert isinstance(drop, Dropped)
    assert drop.reason is Reason.TOO_SMALL


def test_big_and_little_endian_files_of_one_image_are_equal() -> None:
    little, big = frame(real("gdcm-US-ALOKA-16.dcm")), frame(real("gdcm-US-ALOKA-16_big.dcm"))
    assert np.array_equal(little.source, big.source)


def lossless(syntax: str) -> Dataset:
    dataset = study(tinted(real_image()))
    if syntax in (uid.RLELossless, uid.JPEGLSLossless):
        dataset.file_meta = Dataset()
        dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        compress(dataset, syntax, generate_instance_uid=False)
    elif syntax in (uid.JPEG2000Lossless, uid.HTJ2KLossless):
        codestream = openjpeg.encode(
            tinted(real_image()), photometric_interpretation=1, use_mct=False
        )
        encapsulated(dataset, [bytes(codestream)])
    elif syntax == uid.ExplicitVRBigEndian:
        dataset["PixelData"].VR = "OB"
    return dataset


@pytest.mark.parametrize(
    "syntax",
    [
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
        uid.RLELossless,
        uid.JPEGLSLossless,
        uid.JPEG2000Lossless,
        uid.HTJ2KLossless,
    ],
)
def test_a_lossless_syntax_gives_every_pixel_back(tmp_path: Path, syntax: uid.UID) -> None:
    found = frame(write(lossless(syntax), tmp_path, "lossless", syntax))
    assert np.array_equal(found.source, tinted(real_image()))


def test_colour_by_plane_is_the_same_image(tmp_path: Path) -> None:
    dataset = study(tinted(real_image()))
    dataset.PlanarConfiguration = 1
    dataset.PixelData = np.moveaxis(tinted(real_image()), 2, 0).tobytes()
    assert np.array_equal(frame(write(dataset, tmp_path, "a")).source, tinted(real_image()))


def test_rgb_stored_in_a_jpeg_without_markers_is_not_converted() -> None:
    path = real("SC_jpeg_no_color_transform.dcm")
    with opened(path, 1 << 24) as (header, stream):
        shape = layout(header, 1 << 24)
        (parts,) = encapsulation.frames(stream, header, 1)
        samples = codecs.still(header, encapsulation.read(stream, parts), shape, 1 << 24)
    assert np.array_equal(samples.values, pixel_array(path, decoding_plugin="gdcm"))


@pytest.mark.parametrize(
    ("codec", "container", "syntax"),
    [
        ("mpeg2video", "mpeg", uid.MPEG2MPML),
        ("libx264", "mpegts", uid.MPEG4HP41),
        ("libx265", "mp4", uid.HEVCMP51),
    ],
)
def test_video_frames_are_the_ones_asked_for(
    tmp_path: Path, codec: str, container: str, syntax: uid.UID
) -> None:
    path = bad_input.video(tmp_path, "video", codec, container, syntax)
    for found, shift in zip(results(path), (7, 22), strict=True):
        assert isinstance(found, Frame), found
        assert found.ref.number == shift + 1
        moved = np.roll(real_image(), shift, axis=1).astype(float)
        assert np.abs(found.source[..., 1] - moved).mean() < 4


def test_a_long_video_is_never_whole_in_memory(tmp_path: Path) -> None:
    """In three fragments, and 64 MiB of it are a box that players skip."""
    dataset = dcmread(bad_input.ybr_partial_420(tmp_path))
    (stream,) = generate_frames(dataset.PixelData, number_of_frames=1)
    padding = struct.pack(">L4s", 1 << 26, b"free").ljust(1 << 26, b"\0")
    dataset.PixelData = encapsulate([stream + padding], fragments_per_frame=3, has_bot=False)
    path = write(dataset, tmp_path, "long", uid.MPEG4HP41)
    del dataset, stream, padding
    tracemalloc.start()
    try:
        found = results(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(isinstance(one, Frame) for one in found)
    assert peak < 16 << 20


def test_a_video_shorter_than_its_header_answers_for_every_frame(tmp_path: Path) -> None:
    path = bad_input.ybr_partial_420(tmp_path)
    refs = [FrameRef("1.2.3", uid.UltrasoundMultiFrameImageStorage, "1", n, 60) for n in (5, 55)]
    first, second = read(path, refs, SETTINGS)
    assert isinstance(first, Frame)
    assert isinstance(second, Dropped)
    assert second.reason is Reason.UNDECODABLE


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("pieces", [1, 3])
def test_frames_are_found_with_and_without_an_offset_table(
    tmp_path: Path, table: bool, pieces: int
) -> None:
    shifts = [jpeg(np.roll(real_image(), 40 * n, axis=1)) for n in range(4)]
    dataset = study()
    encapsulated(dataset, shifts)
    dataset.PixelData = encapsulate(shifts, fragments_per_frame=pieces, has_bot=table)
    path = write(dataset, tmp_path, "fragments", uid.JPEGBaseline8Bit)
    refs = [FrameRef("1.2.3", dataset.SOPClassUID, "1", number, 4) for number in (2, 4)]
    for found, shift in zip(read(path, refs, SETTINGS), (40, 120), strict=True):
        assert isinstance(found, Frame), found
        moved = np.roll(real_image(), shift, axis=1).astype(float)
        assert np.abs(found.source[..., 0] - moved).mean() < 2


def test_a_cine_cut_off_in_the_middle_gives_its_whole_frames(tmp_path: Path) -> None:
    dataset = study()
    encapsulated(dataset, [jpeg(real_image())] * 6, table=False)
    path = write(dataset, tmp_path, "cut", uid.JPEGBaseline8Bit)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    selection = select([StoredInstance(path, "1.2.3")], Analysis())
    assert [ref.number for ref in selection.frames] == [1, 2, 3]
    assert selection.dropped[0].detail == "the header says 6 frames, the file holds 3"
    assert all(isinstance(found, Frame) for found in read(path, selection.frames, Analysis()))


def test_twelve_bit_jpeg_is_named_as_unsupported(tmp_path: Path) -> None:
    dataset = dcmread(real("JPGExtended.dcm"))
    dataset.Modality = "US"
    (drop,) = results(write(dataset, tmp_path, "twelve", uid.JPEGExtended12Bit))
    assert isinstance(drop, Dropped)
    assert (drop.reason, drop.detail) == (Reason.UNSUPPORTED_CODEC, "JPEG with 12 bits")


def test_a_black_frame_is_too_dark(tmp_path: Path) -> None:
    dataset = study(np.zeros((300, 300), np.uint8))
    (drop,) = results(write(dataset, tmp_path, "dark"))
    assert isinstance(drop, Dropped)
    assert drop.reason is Reason.TOO_DARK


def test_a_window_is_applied_to_more_than_eight_bits(tmp_path: Path) -> None:
    dataset = study()
    put_pixels(dataset, real_image().astype(np.uint16) * 16 + 1000)
    dataset.BitsStored, dataset.HighBit = 13, 12
    dataset.RescaleSlope, dataset.RescaleIntercept = "1", "-1000"
    dataset.WindowCenter, dataset.WindowWidth = "2048", "4096"
    found = frame(write(dataset, tmp_path, "window"))
    assert np.abs(found.source[..., 0].astype(int) - real_image()).max() <= 1
