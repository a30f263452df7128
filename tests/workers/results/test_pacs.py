"""A real PACS takes what we write and gives it back unchanged."""

from __future__ import annotations

from pathlib import Path

from pydicom.uid import (
    Comprehensive3DSRStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE

from tests.orthanc import AE_TITLE, orthanc
from tests.workers.results.studies import results_of_file
from workers.results import ResultObject, encode


def _send(results: list[ResultObject], port: int) -> list[int]:
    entity = AE("HEPANODE")
    for sop_class in (SecondaryCaptureImageStorage, Comprehensive3DSRStorage):
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title=AE_TITLE)
    assert association.is_established
    for result in results:
        encode(result)  # gives the data set its file meta
    statuses = [int(association.send_c_store(result.dataset).Status) for result in results]
    association.release()
    return statuses


def test_orthanc_stores_every_picture_and_the_report_and_gives_them_back(tmp_path: Path) -> None:
    results = results_of_file("examples_rgb_color.dcm")
    with orthanc(tmp_path, DicomAlwaysAllowStore=True) as pacs:
        assert _send(results, pacs.port) == [0] * 4
        assert pacs.stored() == sorted(result.sop_instance_uid for result in results)
        for result in results:
            back, body = pacs.file(result.sop_instance_uid), encode(result)
            charset = b"\x08\x00\x05\x00"
            assert back.endswith(
                body[body.index(charset if charset in body else b"\x08\x00\x12") :]
            )
        (study,) = pacs.get("/studies?expand")
        assert len(study["Series"]) == 4
