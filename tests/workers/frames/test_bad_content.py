"""Every bad input is answered by frames or by reasons, never by an exception."""

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from node.settings import Analysis
from tests.bad_input import BAD_INPUTS, real_image, tinted
from workers.findings import Dropped, Frame, Reason
from workers.frames import StoredInstance, read, select

GOOD = 16.0
"""Mean echo level of the real image's region, which every readable form of it must show."""


def answers(path: Path, **settings: int) -> tuple[list[Frame], list[Dropped]]:
    analysis = Analysis(**settings)
    selection = select([StoredInstance(path, "1.2.3")], analysis)
    results = list(read(path, selection.frames, analysis)) if selection.frames else []
    assert len(results) == len(selection.frames)
    return (
        [result for result in results if isinstance(result, Frame)],
        [*selection.dropped, *(result for result in results if isinstance(result, Dropped))],
    )


@pytest.mark.parametrize(
    ("name", "reason", "detail"),
    [
        ("truncated", Reason.UNDECODABLE, "the file ends within its first frame"),
        ("truncated_jpeg", Reason.UNDECODABLE, "Premature end"),
        ("no_pixel_data", Reason.NO_PIXELS, ""),
        ("zero_frames", Reason.UNREADABLE, "Number of Frames"),
        ("unsupported_codec", Reason.UNSUPPORTED_CODEC, "1.2.840.10008.1.2.4.53"),
        ("decompression_bomb", Reason.TOO_LARGE, "3433 MiB"),
        ("bomb_in_the_header", Reason.TOO_LARGE, "65000 x 65000"),
        ("deflate_bomb", Reason.TOO_LARGE, "inflated"),
        ("lying_size", Reason.UNREADABLE, "196608 bytes of pixel data"),
        ("lying_size_jpeg", Reason.UNREADABLE, "512 x 384 x 1 in the codestream"),
        ("no_rows", Reason.UNREADABLE, "Rows"),
        ("non_ultrasound", Reason.NOT_ULTRASOUND, "CT Image Storage"),
        ("only_reports", Reason.NOT_AN_IMAGE, "SR Storage"),
    ],
)
def test_what_cannot_be_analysed_is_said_with_its_reason(
    tmp_path: Path, name: str, reason: Reason, detail: str
) -> None:
    frames, (drop,) = answers(BAD_INPUTS[name](tmp_path), max_decoded_mib=128)
    assert frames == []
    assert drop.reason is reason
    assert detail in drop.detail


@pytest.mark.parametrize(
    "name",
    [
        *("bits_12", "bits_16", "palette", "palette_segmented", "ybr_full", "ybr_full_422"),
        *("ybr_full_422_jpeg", "ybr_partial_422", "ybr_rct", "ybr_ict", "missing_type_2"),
        *("unknown_character_set", "wrong_character_set", "malformed_dates"),
    ],
)
def test_rare_but_readable_images_show_the_same_echo(tmp_path: Path, name: str) -> None:
    (frame,), dropped = answers(BAD_INPUTS[name](tmp_path))
    assert dropped == []
    assert frame.source.shape == (384, 512, 3)
    assert frame.image.shape == (368, 496)
    assert frame.image.mean() == pytest.approx(GOOD, abs=3)
    assert frame.spacing is not None
    assert frame.spacing.row == pytest.approx(0.5)


@pytest.mark.parametrize(
    "name",
    ["ybr_full", "ybr_full_422", "ybr_full_422_jpeg", "ybr_partial_422", "ybr_rct", "ybr_ict"],
)
def test_colour_is_converted_exactly_once(tmp_path: Path, name: str) -> None:
    (frame,), _ = answers(BAD_INPUTS[name](tmp_path))
    wanted = tinted(real_image()).mean(axis=(0, 1))
    assert frame.source.mean(axis=(0, 1)) == pytest.approx(wanted, abs=1.2)


def test_one_bit_images_are_black_and_white(tmp_path: Path) -> None:
    (frame,), _ = answers(BAD_INPUTS["bits_1"](tmp_path))
    assert set(frame.source.ravel()) == {0, 255}


def test_a_header_with_too_many_frames_gives_those_that_are_there(tmp_path: Path) -> None:
    (frame,), (drop,) = answers(BAD_INPUTS["lying_frames"](tmp_path))
    assert frame.ref.number == 1
    assert drop.reason is Reason.UNREADABLE
    assert drop.detail == "the header says 1000000 frames, the file holds 1"


def test_a_cine_of_900_frames_is_read_by_index(tmp_path: Path) -> None:
    frames, (drop,) = answers(BAD_INPUTS["cine_900"](tmp_path))
    assert drop.detail == "884 of 900 frames not sampled"
    assert [frame.ref.number for frame in frames][::5] == [29, 310, 591, 872]
    still = np.asarray(Image.fromarray(real_image()).resize((320, 240))).astype(float)
    for frame in frames:
        moved = np.roll(still, (frame.ref.number - 1) % 300, axis=1)
        assert np.abs(frame.source[..., 0] - moved).mean() < 3


def test_the_limit_is_on_one_frame_not_on_the_loop(tmp_path: Path) -> None:
    loop = BAD_INPUTS["ybr_partial_420"](tmp_path)
    assert len(answers(loop, max_decoded_mib=1)[0]) == 16


def test_damaged_bytes_never_raise(tmp_path: Path) -> None:
    names = ("malformed_dates", "palette_segmented", "ybr_full_422_jpeg", "ybr_rct", "bits_16")
    paths = [BAD_INPUTS[name](tmp_path) for name in names]
    generator = random.Random(20240131)
    damaged = tmp_path / "damaged.dcm"
    for turn in range(200):
        data = bytearray(paths[turn % len(paths)].read_bytes())
        for _ in range(generator.choice((1, 5, 30))):
            data[generator.randrange(132, min(len(data), 2000))] = generator.randrange(256)
        damaged.write_bytes(data[: generator.choice((len(data), len(data) // 2, 900))])
        frames, dropped = answers(damaged, max_decoded_mib=16)
        assert frames or dropped


def test_no_detail_quotes_the_patient(tmp_path: Path) -> None:
    for name in ("wrong_character_set", "malformed_dates", "truncated", "lying_size"):
        frames, dropped = answers(BAD_INPUTS[name](tmp_path))
        said = " ".join([drop.detail for drop in dropped] + [frame.view_note for frame in frames])
        assert "Input" not in said
        assert "BAD-INPUT" not in said
