"""A receiver as a process of its own, and small objects to send to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

from node.association.echo import echo
from node.association.peer import Peer
from node.association.sender import Sent, send
from node.errors import AssociationError
from node.tracking import Database, migrate
from tests.peers import free_port

_CODE = "from node import settings, log; s = settings.load(); from node.association import receiver"
_CODE += "; raise SystemExit(receiver.run(s))"


@dataclass(frozen=True)
class Node:
    """A running receiver: where it is, what it wrote."""

    peer: Peer
    data: Path
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def send(self, *paths: Path) -> list[Sent]:
        return list(send(paths, self.peer))

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        import sqlalchemy as sa

        db = Database(self.url)
        try:
            with db.reading() as connection:
                return [tuple(row) for row in connection.execute(sa.text(statement))]
        finally:
            db.dispose()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def stored(self, uid: str) -> Path:
        """The file of an object on record."""
        [(path,)] = self.rows(f"SELECT path FROM instances WHERE sop_instance_uid = '{uid}'")
        return self.data / str(path)


@contextmanager
def receiver(
    folder: Path, url: str = "", toml: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[Node]:
    """A receiver on a free port with an empty data folder, stopped at the end.

    ``toml``: lines of more settings; ``environment``: variables over them.
    """
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    url = url or f"sqlite:///{data / 'hepanode.sqlite'}"
    db = Database(url)
    migrate.upgrade(db)
    db.dispose()
    port = free_port()
    config = folder / "hepanode.toml"
    config.write_text(f'data = "{data}"\n[database]\nurl = "{url}"\n{toml}')
    log = folder / "receiver.log"
    variables = {"HEPANODE_CONFIG": str(config), "HEPANODE_RECEIVER__PORT": str(port)}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "error::ResourceWarning", "-c", _CODE],
            env=os.environ | variables | (environment or {}),
            stdout=output,
            stderr=output,
        )
    node = Node(Peer("HEPANODE", "127.0.0.1", port), data, url, process, log)
    try:
        wait_until(lambda: answers(node.peer) or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield node
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def answers(peer: Peer) -> bool:
    """Whether an application listens there, whatever it thinks of us."""
    try:
        echo(peer, timeout=5)
    except AssociationError as error:
        return "rejects" in str(error)
    return True


def wait_until(done: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def image(study: str = "", *, size: int = 64, **attributes: object) -> Dataset:
    """A square ultrasound image; attributes by keyword, None leaves one out."""
    dataset = Dataset()
    dataset.SOPClassUID = UltrasoundImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = study or generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.PatientID, dataset.PatientName = "TEST", "Test^Receiver"
    dataset.Modality = "US"
    dataset.Rows = dataset.Columns = size
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = bytes(range(256)) * (size * size // 256)
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def write(dataset: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Save with a file meta that names the data set's own UIDs."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "1.2.3")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
    dataset.save_as(path, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return path


def in_parallel(count: int, work: Callable[[int], object]) -> None:
    """Run ``work(0)`` to ``work(count - 1)`` in threads that start together."""
    barrier = threading.Barrier(count)

    def one(index: int) -> None:
        barrier.wait(30)
        work(index)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(one, range(count)))
