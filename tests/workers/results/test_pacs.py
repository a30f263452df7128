"""A real PACS takes what we write and gives it back unchanged."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

from tests.orthanc import AE_TITLE, orthanc
from tests.peers import free_port, require
from tests.workers.results.studies import header_of, pixels_of, whole_set
from workers.results import BUILDERS, ResultObject, encode


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


@pytest.mark.parametrize("name", ["examples_rgb_color.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm"])
def test_orthanc_stores_every_kind_and_gives_it_back(name: str, tmp_path: Path) -> None:
    results = whole_set(header_of(name), pixels_of(name))
    assert {one.kind for one in results} == set(BUILDERS)
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


def test_c_move_brings_every_object_as_it_was_made(tmp_path: Path) -> None:
    require("dcmtk")
    results = whole_set(header_of("examples_rgb_color.dcm"), pixels_of("examples_rgb_color.dcm"))
    made = {one.sop_instance_uid: dcmread(BytesIO(encode(one))) for one in results}
    port = free_port()
    mover = {"AET": "MOVER", "Host": "127.0.0.1", "Port": port}
    with orthanc(
        tmp_path / "pacs",
        DicomAlwaysAllowStore=True,
        DicomAlwaysAllowMove=True,
        DicomModalities={"mover": mover},
    ) as pacs:
        _send(results, pacs.port)
        moved = tmp_path / "moved"
        moved.mkdir()
        study = f"StudyInstanceUID={results[0].dataset.StudyInstanceUID}"
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", study)
        names = ("-aet", "MOVER", "-aec", AE_TITLE, "--port", str(port))
        command = ("movescu", "-S", *names, "+xe", "-od", moved, *keys)
        subprocess.run((*command, "127.0.0.1", str(pacs.port)), check=True, timeout=120)
    back = {one.SOPInstanceUID: one for one in map(dcmread, moved.iterdir())}
    assert back == made
