"""A real PACS takes what we write and gives it back unchanged."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import pytest
import requests
from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

from node.dispatch import stow
from node.dispatch.dicomweb import Service
from tests.orthanc import AE_TITLE, dicomweb, orthanc
from tests.peers import dcmtk, free_port
from tests.workers.results.studies import header_of, pixels_of, whole_set
from tests.workers.results.tools import write
from workers.results import BUILDERS, ResultObject, encode

SOURCES = {
    "colour": ("examples_rgb_color.dcm", 1),
    "colour loop": ("examples_ybr_color.dcm", 12),
    "grey": ("JPGLosslessP14SV1_1s_1f_8b.dcm", 1),
}


@pytest.fixture(scope="module", params=SOURCES)
def results(request: pytest.FixtureRequest) -> list[ResultObject]:
    """Objects of every kind over one image."""
    name, number = SOURCES[request.param]
    made = whole_set(header_of(name), pixels_of(name, number), number)
    assert {one.kind for one in made} == set(BUILDERS)
    return made


def _send(results: list[ResultObject], port: int) -> list[int]:
    entity = AE("HEPANODE")
    for sop_class in {result.sop_class_uid for result in results}:
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title=AE_TITLE)
    assert association.is_established
    for result in results:
        encode(result)  # gives the data set its file meta
    statuses = [int(association.send_c_store(result.dataset).Status) for result in results]
    association.release()
    return statuses


def test_orthanc_stores_every_kind_and_gives_it_back(
    results: list[ResultObject], tmp_path: Path
) -> None:
    with orthanc(tmp_path, DicomAlwaysAllowStore=True) as pacs:
        assert _send(results, pacs.port) == [0] * len(results)
        assert pacs.stored() == sorted(result.sop_instance_uid for result in results)
        for result in results:
            back, body = pacs.file(result.sop_instance_uid), encode(result)
            charset = b"\x08\x00\x05\x00"
            assert back.endswith(
                body[body.index(charset if charset in body else b"\x08\x00\x12") :]
            )
        (study,) = pacs.get("/studies?expand")
        assert len(study["Series"]) == len({one.series_instance_uid for one in results})


def test_dicomweb_brings_every_object_as_it_was_made(
    results: list[ResultObject], tmp_path: Path
) -> None:
    paths = [write(one, tmp_path) for one in results]
    with orthanc(tmp_path / "pacs", **dicomweb()) as pacs:
        outcomes = list(stow.send(paths, Service(pacs.dicomweb), timeout=60))
        assert [one.accepted for one in outcomes] == [True] * len(paths)
        assert {path.stem: pacs.file(path.stem) for path in paths} == {
            path.stem: path.read_bytes() for path in paths
        }
        with requests.Session() as session:
            web = DICOMwebClient(pacs.dicomweb, session)
            back = web.retrieve_study(results[0].dataset.StudyInstanceUID)
    assert {one.SOPInstanceUID: one for one in back} == {one.stem: dcmread(one) for one in paths}


def test_c_move_brings_every_object_as_it_was_made(
    results: list[ResultObject], tmp_path: Path
) -> None:
    made = {one.sop_instance_uid: dcmread(BytesIO(encode(one))) for one in results}
    port = free_port()
    mover = {"AET": "MOVER", "Host": "127.0.0.1", "Port": port}
    with orthanc(
        tmp_path / "pacs",
        DicomAlwaysAllowStore=True,
        DicomAlwaysAllowMove=True,
        DicomScuTimeout=60,  # a busy machine's movescu may be slow to listen
        DicomModalities={"mover": mover},
    ) as pacs:
        _send(results, pacs.port)
        moved = tmp_path / "moved"
        moved.mkdir()
        study = f"StudyInstanceUID={results[0].dataset.StudyInstanceUID}"
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", study)
        names = ("-aet", "MOVER", "-aec", AE_TITLE, "--port", str(port))
        command = (dcmtk("movescu"), "-S", *names, "+xe", "-od", moved, *keys)
        done = subprocess.run(
            (*command, "127.0.0.1", str(pacs.port)), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
    back = {one.SOPInstanceUID: one for one in map(dcmread, moved.iterdir())}
    assert back == made
