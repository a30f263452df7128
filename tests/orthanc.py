"""A real Orthanc as the receiving PACS: started, stopped and asked over its REST interface."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers import free_port, require

AE_TITLE = "ORTHANC"


class Orthanc:
    """One Orthanc with its data in ``folder``; what it stored is there after a restart."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.program = require("orthanc")
        self.port = free_port()
        self.http_port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        configuration = {
            "Name": "pacs",
            "DicomAet": AE_TITLE,
            "DicomPort": self.port,
            "HttpPort": self.http_port,
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "index"),
            "AuthenticationEnabled": False,
            "RemoteAccessAllowed": False,
            "DicomCheckCalledAet": True,
            "OverwriteInstances": True,
            "Plugins": [],
            **options,
        }
        (folder / "orthanc.json").write_text(json.dumps(configuration))

    def start(self) -> None:
        with (self._folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.program, str(self._folder / "orthanc.json")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.get("/system")
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise AssertionError((self._folder / "orthanc.log").read_text()[-2000:])

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def kill(self) -> None:
        """Stop at once: an orderly end takes Orthanc seconds."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)
            self._process = None

    def get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        """The JSON answer to a GET, or with ``query`` to a POST."""
        body = None if query is None else json.dumps(query).encode()
        with urllib.request.urlopen(self._url(path), body, timeout=10) as reply:
            return json.load(reply)

    def stored(self, **query: str) -> list[str]:
        """The sorted SOP Instance UIDs of all that is stored, or that has these values."""
        return sorted(self._ids(**query))

    def file(self, sop_instance_uid: str) -> bytes:
        """A stored object as a DICOM file."""
        (id,) = self._ids(SOPInstanceUID=sop_instance_uid).values()
        with urllib.request.urlopen(self._url(f"/instances/{id}/file"), timeout=10) as reply:
            return bytes(reply.read())

    def introduce(self, ae_title: str, port: int) -> None:
        """Make an application entity of this machine known."""
        body = json.dumps({"AET": ae_title, "Host": "127.0.0.1", "Port": port}).encode()
        url = self._url(f"/modalities/{ae_title.lower()}")
        request = urllib.request.Request(url, body, method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def forget(self, sop_instance_uid: str) -> None:
        """Delete a stored object, as a person at the PACS may."""
        (id,) = self._ids(SOPInstanceUID=sop_instance_uid).values()
        request = urllib.request.Request(self._url(f"/instances/{id}"), method="DELETE")
        urllib.request.urlopen(request, timeout=10).close()

    def _ids(self, **query: str) -> dict[str, str]:
        found = self.get("/tools/find", {"Level": "Instance", "Expand": True, "Query": query})
        return {one["MainDicomTags"]["SOPInstanceUID"]: one["ID"] for one in found}

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http_port}{path}"

    @property
    def dicomweb(self) -> str:
        """The root of its DICOMweb service, with ``**dicomweb()`` as options."""
        return self._url("/dicom-web")


def dicomweb() -> dict[str, Any]:
    """The options of an Orthanc that serves DICOMweb too."""
    return {"Plugins": [require("orthanc-dicomweb")]}


@contextmanager
def orthanc(folder: Path, **options: Any) -> Iterator[Orthanc]:
    """A running Orthanc, killed at the end."""
    server = Orthanc(folder, **options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
