"""A real PACS takes what we write and gives it back unchanged."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE

from tests.peers import free_port, require
from tests.workers.results.studies import results_of_file
from workers.results import ResultObject, encode


@dataclass(frozen=True)
class Pacs:
    dicom: int
    http: int

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=5) as answer:
            data: bytes = answer.read()
        return data


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    """Orthanc with a folder and ports of its own."""
    program = require("orthanc")
    folder = tmp_path_factory.mktemp("orthanc")
    pacs = Pacs(free_port(), free_port())
    configuration = folder / "orthanc.json"
    configuration.write_text(
        json.dumps(
            {
                "StorageDirectory": str(folder / "storage"),
                "DicomPort": pacs.dicom,
                "HttpPort": pacs.http,
                "AuthenticationEnabled": False,
                "RemoteAccessAllowed": False,
                "Plugins": [],
            }
        )
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, configuration], stdout=log, stderr=log)
    try:
        _wait_for(pacs, folder / "log")
        yield pacs
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for(pacs: Pacs, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            pacs.get("/system")
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"Orthanc did not start: {log.read_text()[-500:]}")


def _send(results: list[ResultObject], port: int) -> list[int]:
    entity = AE("HEPANODE")
    for sop_class in (SecondaryCaptureImageStorage, Comprehensive3DSRStorage):
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title="ORTHANC")
    assert association.is_established
    for result in results:
        encode(result)  # gives the data set its file meta
    statuses = [int(association.send_c_store(result.dataset).Status) for result in results]
    association.release()
    return statuses


def test_orthanc_stores_heatmaps_and_report_and_gives_them_back(pacs: Pacs) -> None:
    results = results_of_file("examples_rgb_color.dcm")
    assert _send(results, pacs.dicom) == [0, 0, 0]
    stored = json.loads(pacs.get("/instances?expand"))
    ids = {entry["MainDicomTags"]["SOPInstanceUID"]: entry["ID"] for entry in stored}
    assert set(ids) == {result.sop_instance_uid for result in results}
    for result in results:
        back = pacs.get(f"/instances/{ids[result.sop_instance_uid]}/file")
        body = encode(result)
        start = body.index(b"\x08\x00\x05\x00" if b"\x08\x00\x05\x00" in body else b"\x08\x00\x12")
        assert back.endswith(body[start:])
    (study,) = json.loads(pacs.get("/studies?expand"))
    assert len(study["Series"]) == 3
