"""The PACS that a demonstration delivers to: a plain storage SCP, or Orthanc."""

from __future__ import annotations

import json
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from node.association.peer import Peer
from node.cli.supervisor import start_child
from node.errors import AssociationError

_AE_TITLE = "DEMOPACS"
_PATIENCE = 30.0  # seconds until Orthanc must listen


class Pacs(Protocol):
    """What a demonstration asks of a PACS."""

    peer: Peer

    def fetch(self, sop_instance_uid: str) -> Path | None:
        """The object as the PACS has it, as a file; None when it never arrived."""


class StorageScp:
    """Keeps what it gets in a folder, one file per SOP Instance UID."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        self.peer = peer
        self._folder = folder

    def fetch(self, sop_instance_uid: str) -> Path | None:
        path = self._folder / f"{sop_instance_uid}.dcm"
        return path if path.is_file() else None

    def keep(self, event: Any) -> int:
        """Handle a C-STORE request: write the object, answer success."""
        target = self._folder / f"{event.request.AffectedSOPInstanceUID}.dcm"
        part = target.with_suffix(".part")
        part.write_bytes(event.encoded_dataset())
        part.replace(target)
        return 0x0000


@contextmanager
def storage_scp(folder: Path) -> Iterator[Pacs]:
    """A plain storage SCP of pynetdicom on a free port."""
    from pynetdicom import AE, AllStoragePresentationContexts, evt

    from node.association.contexts import VERIFICATION

    pacs = StorageScp(Peer(_AE_TITLE, "127.0.0.1", free_port()), folder)
    ae = AE(ae_title=_AE_TITLE)
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context(VERIFICATION)
    ae.start_server(
        ("127.0.0.1", pacs.peer.port), block=False, evt_handlers=[(evt.EVT_C_STORE, pacs.keep)]
    )
    try:
        yield pacs
    finally:
        ae.shutdown()


class Orthanc:
    """An Orthanc that is asked over its REST interface for what it has."""

    def __init__(self, peer: Peer, url: str, folder: Path) -> None:
        self.peer = peer
        self._url = url
        self._folder = folder

    def fetch(self, sop_instance_uid: str) -> Path | None:
        found = json.loads(self._ask("/tools/lookup", sop_instance_uid.encode()))
        instances = [entry["ID"] for entry in found if entry["Type"] == "Instance"]
        if not instances:
            return None
        path = self._folder / f"{sop_instance_uid}.dcm"
        path.write_bytes(self._ask(f"/instances/{instances[0]}/file"))
        return path

    def is_up(self) -> bool:
        try:
            return bool(self._ask("/system"))
        except (urllib.error.URLError, OSError):
            return False

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        with urllib.request.urlopen(self._url + path, data=body, timeout=30) as answer:
            return bytes(answer.read())


@contextmanager
def orthanc(folder: Path) -> Iterator[Pacs]:
    """An Orthanc of its own on free ports; raises AssociationError when there is none here."""
    program = shutil.which("Orthanc")
    if program is None:
        raise AssociationError("Orthanc is not installed: use --pacs plain, or install orthanc")
    dicom, http = free_port(), free_port()
    configuration = {
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "DicomAet": _AE_TITLE,
        "DicomPort": dicom,
        "DicomAlwaysAllowStore": True,
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(configuration))
    with (folder / "orthanc.log").open("wb") as log:
        process = start_child([program, str(path)], output=log.fileno())
    try:
        pacs = Orthanc(Peer(_AE_TITLE, "127.0.0.1", dicom), f"http://127.0.0.1:{http}", folder)
        deadline = time.monotonic() + _PATIENCE
        while not pacs.is_up():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssociationError(f"Orthanc does not start: see {folder}/orthanc.log")
            time.sleep(0.1)
        yield pacs
    finally:
        process.terminate()
        process.wait()


KINDS: dict[str, Callable[[Path], AbstractContextManager[Pacs]]] = {
    "plain": storage_scp,
    "orthanc": orthanc,
}


def free_port() -> int:
    """A TCP port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
