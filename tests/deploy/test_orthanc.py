"""The PACS of the compose file, as a real Orthanc reads its configuration."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.association.echo import echo
from node.association.peer import Peer
from tests.deploy.files import DEPLOY
from tests.peers import free_port, require

CONFIGURATION = json.loads((DEPLOY / "orthanc.json").read_text())


@dataclass(frozen=True)
class Running:
    dicom_port: int
    http_port: int

    def status(self, password: str | None = None) -> int:
        """HTTP status of the page, with or without signing in as admin."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}/system")
        if password is not None:
            token = base64.b64encode(f"admin:{password}".encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Running]:
    own = {
        "DicomPort": free_port(),
        "HttpPort": free_port(),
        "StorageDirectory": str(tmp_path / "storage"),
        "IndexDirectory": str(tmp_path / "storage"),
    }
    file = tmp_path / "orthanc.json"
    file.write_text(json.dumps({**CONFIGURATION, **own}))
    pacs = Running(own["DicomPort"], own["HttpPort"])
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [require("orthanc"), str(file)],
            env={**os.environ, "ORTHANC_PASSWORD": "given"},
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(300):
            try:
                pacs.status()
                break
            except urllib.error.URLError:
                assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
                time.sleep(0.1)
        yield pacs
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_the_pacs_answers_the_node_and_asks_people_for_a_password(orthanc: Running) -> None:
    peer = Peer(CONFIGURATION["DicomAet"], "127.0.0.1", orthanc.dicom_port)
    assert echo(peer, calling_ae="HEPANODE") > 0
    assert orthanc.status() == 401
    assert orthanc.status("another") == 401
    assert orthanc.status("given") == 200
