"""Building a study's result objects, kind by kind: ``python -m tests.benchmarks.results``.

Still frames of 480x640 as DICOM files, one an image, with lesions that were found in some or all of
them; from the findings to the encoded objects, frames decoded anew, on all cores of this machine.
Beside it, in the same run, the peer: highdicom's own Secondary Capture and Segmentation of the same
pixels, and the file of every other object by pydicom, which has no more to do than to write it:
pictures, pages and content trees are given to them ready made. The median of several rounds, after
one that does not count.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from highdicom.sc import SCImage
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from node.settings import Analysis
from tests.benchmarks.pathway import write_study
from tests.workers.results.studies import LATER, found_of, frame_of, paired_of, whole_of
from workers.findings import Frame, FrameRef, StudyFindings
from workers.frames import StoredInstance, read
from workers.results import BUILDERS, ResultObject, build, encode
from workers.results.codes import ABNORMAL_STRUCTURE, LESION
from workers.results.sources import read_headers

REQUIRED = 1.5
"""Seconds for the whole set of 20 frames on two cores, at most."""

SHAPE = (480, 640)

Figures = dict[str, float]


def findings_of(headers: Sequence[Dataset], lesions: int) -> StudyFindings:
    """A found lesion in each of the first images, a prompt, two pairs of regions, fat over all
    frames; as many heatmaps as a node draws by default."""
    frames = [frame_of(header) for header in headers]
    whole = whole_of(*frames, shape=SHAPE)
    index = paired_of(*frames[:2]).hepatorenal
    found, maps = [], []
    for number, frame in enumerate(frames[:lesions], start=1):
        one = found_of(frame, shape=SHAPE)
        found.append(replace(one.lesions[0], tracking_id=f"lesion {number}"))
        maps += [
            replace(one.heatmaps[0], outlined=found[-1]),
            replace(whole.heatmaps[2], frame=frame),
        ]
    pointed = whole.heatmaps[-1]
    shown = (*maps[: 2 * Analysis().key_frames], pointed)
    return replace(whole, lesions=tuple(found), heatmaps=shown, hepatorenal=index)


def ours(
    instances: Sequence[StoredInstance], lesions: int
) -> tuple[Figures, Counter[str], Figures, list[ResultObject]]:
    """Seconds, objects and bytes by kind, and the objects. 'frames' is the time of decoding, 'cpu'
    that of the processor over all: what an idle machine would take."""
    settings = Analysis(device="cpu")
    paths = {one.sop_instance_uid: one.path for one in instances}
    headers = read_headers(paths)
    seconds: Figures = dict.fromkeys((*BUILDERS, "frames"), 0.0)
    sizes: Figures = dict.fromkeys(BUILDERS, 0.0)
    made: list[ResultObject] = []

    def source_of(ref: FrameRef) -> NDArray[np.uint8]:
        began = time.perf_counter()
        (frame,) = read(paths[ref.sop_instance_uid], [ref], settings)
        assert isinstance(frame, Frame)
        nonlocal decoding
        decoding += time.perf_counter() - began
        return frame.source

    findings = findings_of(list(headers.values()), lesions)
    decoding, began, busy = 0.0, time.perf_counter(), time.process_time()
    for one in build(LATER, findings, headers, source_of):
        sizes[one.kind] += len(encode(one))
        now = time.perf_counter()
        seconds[one.kind] += now - began - decoding
        seconds["frames"] += decoding
        decoding, began = 0.0, now
        made.append(one)
    seconds["cpu"] = time.process_time() - busy
    return seconds, Counter(one.kind for one in made), sizes, made


def theirs(made: Sequence[ResultObject], headers: Sequence[Dataset]) -> Figures:
    """Seconds of the peer for the pixels, pages and content of ``made``, by kind."""
    source = headers[0]
    makers: dict[str, Callable[[ResultObject], Dataset]] = {
        "heatmap": lambda one: _capture(one, source),
        "summary": lambda one: _capture(one, source),
        "segmentation": lambda one: _segmentation(one, source),
    }
    seconds: Figures = dict.fromkeys(BUILDERS, 0.0)
    for one in made:
        began = time.perf_counter()
        dataset = makers[one.kind](one) if one.kind in makers else one.dataset
        dataset.save_as(BytesIO(), enforce_file_format=True)
        seconds[one.kind] += time.perf_counter() - began
    return seconds


def _capture(one: ResultObject, source: Dataset) -> Dataset:
    return SCImage.from_ref_dataset(
        source,
        pixel_array=one.preview,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        series_instance_uid=one.series_instance_uid,
        series_number=1,
        sop_instance_uid=one.sop_instance_uid,
        instance_number=1,
        manufacturer="highdicom",
        patient_orientation=("L", "P"),
    )


def _segmentation(one: ResultObject, source: Dataset) -> Dataset:
    bits = np.unpackbits(np.frombuffer(one.dataset.PixelData, np.uint8), bitorder="little")
    segments = len(one.dataset.SegmentSequence)
    masks = bits[: segments * SHAPE[0] * SHAPE[1]].reshape(segments, *SHAPE)
    return Segmentation(
        source_images=[source],
        pixel_array=np.moveaxis(masks, 0, -1)[None],
        segmentation_type="BINARY",
        segment_descriptions=[
            SegmentDescription(number, str(number), ABNORMAL_STRUCTURE, LESION, "MANUAL")
            for number in range(1, segments + 1)
        ],
        series_instance_uid=one.series_instance_uid,
        series_number=1,
        sop_instance_uid=one.sop_instance_uid,
        instance_number=1,
        manufacturer="highdicom",
        manufacturer_model_name="highdicom",
        software_versions="1",
        device_serial_number="1",
        omit_empty_frames=False,
    )


def middle(rounds: Sequence[Figures]) -> Figures:
    return {kind: statistics.median(one[kind] for one in rounds) for kind in rounds[0]}


def report(frames: int, lesions: int, instances: Sequence[StoredInstance], count: int) -> None:
    headers = [dcmread(one.path) for one in instances]
    own, other = [], []
    for _ in range(count + 1):
        seconds, objects, sizes, made = ours(instances, lesions)
        own.append(seconds)
        other.append(theirs(made, headers))
    mine, peer = middle(own[1:]), middle(other[1:])
    print(f"\n{frames} frames of 480x640, a lesion in {lesions} of them; {os.cpu_count()} cores")
    print(f"{'':16}{'objects':>8}{'MB':>8}{'ms':>8}{'peer':>8}{'ratio':>8}")
    for kind in BUILDERS:
        size, ratio = sizes[kind] / 1e6, mine[kind] / peer[kind]
        own_ms, peer_ms = 1000 * mine[kind], 1000 * peer[kind]
        print(f"{kind:16}{objects[kind]:8}{size:8.1f}{own_ms:8.0f}{peer_ms:8.0f}{ratio:7.1f}x")
    print(f"{'decoding frames':32}{1000 * mine['frames']:8.0f}")
    whole = statistics.median(sum(one.values()) - one["cpu"] for one in own[1:])
    beside = statistics.median(sum(one.values()) for one in other[1:])
    print(f"{'whole':32}{1000 * whole:8.0f}{1000 * beside:8.0f}{whole / beside:7.1f}x", end=" ")
    print(f"(required: at most {1000 * REQUIRED:.0f} on two cores)")
    print(f"{'of these, of the processor':32}{1000 * mine['cpu']:8.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--lesions", type=int, nargs="+", default=[4, 20])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        instances = write_study(Path(folder), arguments.frames)
        for lesions in arguments.lesions:
            report(arguments.frames, lesions, instances, arguments.rounds)


if __name__ == "__main__":
    main()
