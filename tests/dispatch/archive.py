"""PACS that misbehave on demand, by C-STORE and by STOW-RS: each keeps one archive."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.uid import ComprehensiveSRStorage
from pynetdicom.dsutils import split_dataset

from tests.dicomweb import CLOSES, Answer, failed, stored, stow
from tests.peers import free_port
from tests.scp import ABORT, CAPTURES, REPORTS, Scp, scp

STATUS = {"is full": 0xA700, "fails": 0x0110, "refuses": 0xC000, "refuses the class": 0x0122}
FAULTS = ("breaks off", "keeps and breaks off", *STATUS)


class Archive:
    """What a PACS keeps: ``kept`` are the SOP Instance UIDs in the order of their arrival.

    faults : what happens to the next objects, one each; ``calls`` says what to do at a fault that
    it names, before the object is kept.
    """

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.faults: list[str] = []
        self.calls: dict[str, Callable[[], None]] = {}
        self._lock = threading.Lock()

    def begin(self) -> None:
        self.kept.clear()
        self.faults.clear()

    def meets(self, sop_instance_uid: str) -> str:
        """The fault that an object meets; '' for none. It is kept where that says so."""
        with self._lock:
            fault = self.faults.pop(0) if self.faults else ""
        if call := self.calls.get(fault):
            call()
            fault = ""
        if fault in ("", "keeps and breaks off", "keeps and babbles"):
            with self._lock:
                self.kept.append(sop_instance_uid)
        return fault


class Entity(Archive):
    """By C-STORE: ``well`` takes all, ``old`` no Comprehensive 3D SR, at ``away`` is nobody."""

    faults_known = FAULTS

    def __init__(self, well: Scp, old: Scp) -> None:
        super().__init__()
        self._scps = (well, old)
        ports = {"well": well.port, "old": old.port, "away": free_port()}
        self.ways: dict[str, dict[str, Any]] = {
            name: {"ae_title": "ORTHANC", "host": "127.0.0.1", "port": port}
            for name, port in ports.items()
        }

    def answer(self, sop_instance_uid: str) -> int:
        fault = self.meets(sop_instance_uid)
        return ABORT if fault.endswith("breaks off") else STATUS.get(fault, 0)

    def digests(self, sop_instance_uid: str) -> set[str]:
        return set().union(*(one.digests[sop_instance_uid] for one in self._scps))

    def digest(self, file: Path) -> str:
        """Of what goes over the network: the data set."""
        return hashlib.sha256(file.read_bytes()[split_dataset(file)[1] :]).hexdigest()


class Service(Archive):
    """By STOW-RS: it takes all classes, unless by a fault."""

    faults_known = (*FAULTS, "is away", "signs nobody in", "keeps and babbles")

    def __init__(self) -> None:
        super().__init__()
        self.ways: dict[str, dict[str, Any]] = {}

    def answer(self, sop_instance_uid: str) -> Answer:
        fault = self.meets(sop_instance_uid)
        if fault in STATUS:
            return failed(sop_instance_uid, STATUS[fault])
        if fault.endswith("breaks off"):
            return CLOSES
        said = {
            "is away": Answer(503),
            "signs nobody in": Answer(401),
            "keeps and babbles": Answer(200, b"<html>"),
        }
        return said.get(fault) or stored(sop_instance_uid)

    def digest(self, file: Path) -> str:
        return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def entity() -> Iterator[Entity]:
    def answer(uid: str) -> int:
        return pacs.answer(uid)

    old_classes: Sequence[str] = (*CAPTURES, ComprehensiveSRStorage)
    all_classes = (*old_classes, *REPORTS)
    with scp(all_classes, answer) as well, scp(old_classes, answer) as old:
        pacs = Entity(well, old)
        yield pacs


@contextmanager
def service() -> Iterator[Service]:
    pacs = Service()
    with stow(pacs.answer) as web:
        away = f"http://127.0.0.1:{free_port()}"
        pacs.ways = {"well": {"url": web.url}, "away": {"url": away}}
        pacs.digests = lambda uid: web.digests[uid]  # type: ignore[attr-defined]
        yield pacs
