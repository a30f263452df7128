"""Ingest beside Orthanc and DCMTK storescp: ``python -m tests.benchmarks.ingest``.

300 RGB images of 0.92 MB from DCMTK ``storescu -pdu 131072``, over 4 and 12 parallel
associations, to each receiver in turn, all in one run on the same cores: only the ratios mean
something. hepanode answers after fsync and commit; Orthanc keeps its SQLite index; storescp
neither syncs nor records anything.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

from tests.peers import dcmtk, free_port, require

SYNTAX = str(ExplicitVRLittleEndian)


@dataclass(frozen=True)
class Measured:
    """One receiver at one number of associations."""

    receiver: str
    associations: int
    objects_per_second: float
    cpu_ms_per_object: float
    rss_mb: float  # the largest process of the receiver


def write_images(folder: Path, count: int) -> list[Path]:
    """``count`` RGB ultrasound images of 640x480, 0.92 MB each, of one study per 25."""
    rng = np.random.default_rng(0)
    study = series = ""
    paths = []
    for index in range(count):
        if index % 25 == 0:
            study, series = generate_uid(), generate_uid()
        dataset = Dataset()
        dataset.SOPClassUID = UltrasoundImageStorage
        dataset.SOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.PatientID, dataset.PatientName = "BENCH", "Bench^Ingest"
        dataset.StudyDate, dataset.StudyTime = "20240101", "120000"
        dataset.Modality, dataset.InstanceNumber = "US", str(index)
        dataset.StudyID, dataset.SeriesNumber, dataset.AccessionNumber = "1", "1", ""
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
        dataset.PlanarConfiguration = 0
        dataset.Rows, dataset.Columns = 480, 640
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        dataset.PixelData = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8).tobytes()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{index:04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


@contextmanager
def hepanode(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    from node import tracking
    from node.tracking import migrate

    url = f"sqlite:///{folder / 'hepanode.sqlite'}"
    db = tracking.Database(url)
    migrate.upgrade(db)
    db.dispose()
    settings = {
        "HEPANODE_DATA": str(folder),
        "HEPANODE_RECEIVER__AE_TITLE": "BENCH",
        "HEPANODE_RECEIVER__PORT": str(port),
    }
    code = "from node.settings import load; from node.association.receiver import run; run(load())"
    with _running([sys.executable, "-c", code], port, settings) as process:
        yield process


@contextmanager
def orthanc(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    config = folder / "orthanc.json"
    config.write_text(
        json.dumps(
            {
                "StorageDirectory": str(folder),
                "IndexDirectory": str(folder),
                "DicomPort": port,
                "DicomAet": "BENCH",
                "DicomAlwaysAllowStore": True,
                "HttpServerEnabled": False,
                "MaximumPduLength": 131072,
                "Plugins": [],
            }
        )
    )
    with _running(["Orthanc", str(config)], port) as process:
        yield process


@contextmanager
def storescp(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [dcmtk("storescp"), "--fork", "-pdu", "131072", "-aet", "BENCH", "-od", str(folder)]
    with _running([*command, str(port)], port) as process:
        yield process


RECEIVERS: dict[str, Callable[..., object]] = {
    "hepanode": hepanode,
    "Orthanc": orthanc,
    "storescp --fork": storescp,
}


REQUIRED = {
    ("Orthanc", 4): "at least 2.00 x objects/s, at most 1.00 x CPU",
    ("storescp --fork", 4): "above 1.00 x objects/s",
    ("Orthanc", 12): "at least 1.00 x objects/s, at most 1.00 x CPU",
    ("storescp --fork", 12): "nothing",
}
"""Of hepanode against a peer, by peer and number of associations."""


@contextmanager
def _running(
    command: list[str], port: int, settings: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        env=os.environ | (settings or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while subprocess.run(
            [dcmtk("echoscu"), "-aec", "BENCH", "127.0.0.1", str(port)], stderr=subprocess.DEVNULL
        ).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} does not answer")
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _cpu_seconds(root: psutil.Process) -> float:
    """User and system time of a process, its dead children and its living ones."""
    times = root.cpu_times()
    seconds = times.user + times.system + times.children_user + times.children_system
    for child in root.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue  # a fork that ended just now
        seconds += times.user + times.system
    return float(seconds)


def measure(name: str, images: list[Path], associations: int) -> Measured:
    """Send all images, spread over parallel senders; raises SystemExit when one is refused."""
    with tempfile.TemporaryDirectory(prefix="ingest-") as folder:
        port = free_port()
        with RECEIVERS[name](Path(folder), port) as process:  # type: ignore[attr-defined]
            time.sleep(0.3)  # the fork that answered the C-ECHO ends
            root = psutil.Process(process.pid)
            cpu, start = _cpu_seconds(root), time.perf_counter()
            senders = [
                subprocess.Popen(
                    [dcmtk("storescu"), "-pdu", "131072", "-aec", "BENCH", "127.0.0.1", str(port)]
                    + [str(path) for path in images[part::associations]],
                    stdout=subprocess.DEVNULL,
                )
                for part in range(associations)
            ]
            statuses = [sender.wait() for sender in senders]
            if any(statuses):
                raise SystemExit(f"{name} refused an object")
            seconds = time.perf_counter() - start
            cpu = _cpu_seconds(root) - cpu
            rss = max(p.memory_info().rss for p in [root, *root.children()])
    return Measured(name, associations, len(images) / seconds, cpu / len(images) * 1e3, rss / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    peers = list(RECEIVERS)[1:]
    parser.add_argument("--peers", nargs="*", choices=peers, default=peers)
    arguments = parser.parse_args()
    receivers = ["hepanode", *arguments.peers]
    require("dcmtk")
    with tempfile.TemporaryDirectory(prefix="images-") as folder:
        images = write_images(Path(folder), arguments.images)
        print(
            f"{'receiver':18}{'associations':>14}{'objects/s':>11}{'CPU ms/obj':>12}{'RSS MB':>9}"
        )
        for associations in (4, 12):
            best: dict[str, Measured] = {}
            runs = [
                measure(name, images, associations)
                for _ in range(arguments.rounds)
                for name in receivers
            ]
            for name in receivers:
                own = [run for run in runs if run.receiver == name]
                best[name] = Measured(
                    name,
                    associations,
                    statistics.median(run.objects_per_second for run in own),
                    statistics.median(run.cpu_ms_per_object for run in own),
                    max(run.rss_mb for run in own),
                )
                row = best[name]
                print(
                    f"{row.receiver:18}{associations:14}{row.objects_per_second:11.1f}"
                    f"{row.cpu_ms_per_object:12.2f}{row.rss_mb:9.1f}"
                )
            for name in arguments.peers:
                ours, theirs = best["hepanode"], best[name]
                print(
                    f"  {ours.receiver} / {name}: "
                    f"{ours.objects_per_second / theirs.objects_per_second:.2f} x objects/s, "
                    f"{ours.cpu_ms_per_object / theirs.cpu_ms_per_object:.2f} x CPU "
                    f"(required: {REQUIRED[name, associations]})"
                )


if __name__ == "__main__":
    main()
