"""What cannot be kept is refused with the status that tells the sender why."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from node.association.commands import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_STORE_RQ,
    COMMAND_FIELD,
    DATASET_TYPE,
    encode,
    encode_number,
    encode_text,
)
from node.association.peer import Peer
from node.association.requestor import Context, Requestor, Timeouts
from node.association.sender import send
from node.association.upper_layer import AssociationLost
from node.errors import AssociationError
from tests.association.receiving import Node, image, receiver, write
from tests.conftest import postgres_database
from tests.peers import POSTGRES

US = "1.2.840.10008.5.1.4.1.1.6.1"
EXPLICIT = "1.2.840.10008.1.2.1"


def store_bytes(node: Node, encoded: bytes, uid: str = "1.2.3.4.5") -> tuple[int, str]:
    """Announce a US image of this UID and send any bytes as its data set."""
    from io import BytesIO

    context = Context(US, EXPLICIT)
    requestor = Requestor(node.peer, [context], "RAW", Timeouts.all(5))
    try:
        reply = requestor.store(context, uid, BytesIO(encoded))
        requestor.release()
    finally:
        requestor.close()
    return reply.status, reply.comment


def encoded(dataset: Dataset, folder: Path) -> bytes:
    from pynetdicom.dsutils import split_dataset

    path = write(dataset, folder / "encoded.dcm")
    return path.read_bytes()[split_dataset(path)[1] :]


@pytest.mark.parametrize(
    ("attributes", "status", "word"),
    [
        ({"SOPInstanceUID": "1.2.3.4.6"}, 0xA900, "SOP Instance UID"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, 0xA900, "SOP Class UID"),
        ({"StudyInstanceUID": None}, 0xC000, "Study Instance UID is missing"),
        ({"StudyInstanceUID": "1..3"}, 0xC000, "Study Instance UID is not a UID"),
        ({"StudyInstanceUID": "../../../etc"}, 0xC000, "Study Instance UID is not a UID"),
        ({"SeriesInstanceUID": None}, 0xC000, "Series Instance UID is missing"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_unusable_object_is_refused_with_a_comment(
    node: Node, tmp_path: Path, attributes: dict[str, object], status: int, word: str
) -> None:
    dataset = image(**({"SOPInstanceUID": "1.2.3.4.5"} | attributes))
    found, comment = store_bytes(node, encoded(dataset, tmp_path))
    assert found == status
    assert word in comment
    assert len(comment) <= 64
    assert not node.rows("SELECT 1 FROM instances WHERE sop_instance_uid = '1.2.3.4.5'")
    assert not list((node.data / "incoming").iterdir())


def test_announced_uid_that_is_none_is_refused(node: Node, tmp_path: Path) -> None:
    status, comment = store_bytes(node, encoded(image(), tmp_path), uid="1.2/../3")
    assert (status, comment) == (0xC000, "Affected SOP Instance UID is not a UID (PS3.5 9.1)")


def test_header_that_ends_early_or_lies_is_refused(node: Node, tmp_path: Path) -> None:
    whole = encoded(image(SOPInstanceUID="1.2.3.4.5"), tmp_path)
    study_at = whole.index(b"\x20\x00\x0d\x00UI")
    lying = bytearray(whole)
    lying[study_at + 6 : study_at + 8] = b"\xfe\xff"
    for broken in (b"", b"\0", whole[: study_at + 20], bytes(lying), b"no DICOM at all" * 9):
        status, comment = store_bytes(node, broken)
        assert status in (0xA900, 0xC000)
        assert comment


def test_object_cut_in_its_pixels_is_kept_as_it_came(node: Node, tmp_path: Path) -> None:
    dataset = image()
    uid = str(dataset.SOPInstanceUID)
    cut = encoded(dataset, tmp_path)[:-1000]
    assert store_bytes(node, cut, uid)[0] == 0
    assert node.stored(uid).read_bytes().endswith(cut)


def test_classes_that_store_nothing_are_refused(node: Node) -> None:
    contexts = [
        Context("1.2.840.10008.5.1.4.31", EXPLICIT),  # worklist
        Context("1.2.840.10008.5.1.4.1.2.2.1", EXPLICIT),  # query
        Context(US, EXPLICIT),
    ]
    requestor = Requestor(node.peer, contexts, "RAW", Timeouts.all(5))
    try:
        assert [requestor.accepts(context) for context in contexts] == [False, False, True]
        requestor.release()
    finally:
        requestor.close()


def test_wrong_called_ae_title_is_rejected(node: Node) -> None:
    wrong = Peer("ANYSCP", node.peer.host, node.peer.port)
    with pytest.raises(AssociationError, match="called AE title"):
        Requestor(wrong, [Context(US, EXPLICIT)], "RAW", Timeouts.all(5))


def test_only_listed_callers_come_in_and_one_is_urgent(tmp_path: Path) -> None:
    callers = """
[[receiver.callers]]
ae_title = "US1"
address = "127.0.0.0/8"
urgent = true
[[receiver.callers]]
ae_title = "US2"
address = "10.0.0.0/8"
"""
    file = write(image(), tmp_path / "a.dcm")
    with receiver(tmp_path, toml=callers) as node:
        assert [_status(node, file, caller) for caller in ("US2", "OTHER")] == [None, None]
        assert _status(node, file, "US1") == 0
        assert [bool(urgent) for (urgent,) in node.rows("SELECT urgent FROM studies")] == [True]


def _status(node: Node, file: Path, caller: str) -> int | None:
    [sent] = send([file], node.peer, calling_ae=caller)
    assert sent.status == 0 or "calling AE title" in sent.error
    return sent.status


def test_disk_at_its_floor_is_out_of_resources_and_retryable(tmp_path: Path) -> None:
    floor = shutil.disk_usage(tmp_path).free // 2**20 + 10_000
    file = write(image(), tmp_path / "a.dcm")
    with receiver(tmp_path, toml=f"[storage]\nmin_free_mib = {floor}") as node:
        [sent] = node.send(file)
        assert (sent.status, sent.retryable) == (0xA700, True)
        assert "no space" in sent.error
        assert not node.rows("SELECT 1 FROM instances")


def test_file_system_that_refuses_is_out_of_resources(node: Node, tmp_path: Path) -> None:
    dataset = image()
    blocked = node.data / "instances" / str(dataset.StudyInstanceUID)
    blocked.write_bytes(b"a file where the study's folder should be")
    [sent] = node.send(write(dataset, tmp_path / "a.dcm"))
    assert (sent.status, sent.retryable) == (0xA700, True)
    blocked.unlink()
    assert node.send(tmp_path / "a.dcm")[0].status == 0


def test_database_that_is_away_is_out_of_resources_until_it_is_back(tmp_path: Path) -> None:
    import sqlalchemy as sa

    file = write(image(), tmp_path / "a.dcm")
    with postgres_database() as url, receiver(tmp_path, url=url) as node:
        name = sa.make_url(url).database
        admin = sa.create_engine(f"{POSTGRES}/postgres", isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            connection.execute(
                sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname=:n"),
                {"n": name},
            )
            [sent] = node.send(file)
            assert (sent.status, sent.retryable) == (0xA700, True), sent
            connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        admin.dispose()
        [sent] = node.send(file)
        assert sent.status == 0
        assert dcmread(node.stored(sent.sop_instance_uid)).SOPInstanceUID == sent.sop_instance_uid


def test_a_request_without_message_id_is_aborted_before_anything_is_stored(node: Node) -> None:
    requestor = Requestor(node.peer, [Context(US, EXPLICIT)], "RAW", Timeouts.all(5))
    request = {
        AFFECTED_SOP_CLASS_UID: encode_text(US, b"\0"),
        COMMAND_FIELD: encode_number(C_STORE_RQ),
        DATASET_TYPE: encode_number(1),
        AFFECTED_SOP_INSTANCE_UID: encode_text("1.2.3.4.5", b"\0"),
    }
    try:
        requestor._upper.send_command(1, encode(request))
        with pytest.raises(AssociationLost, match="the peer aborted"):
            next(requestor._fragments)
    finally:
        requestor.close()
    assert not list((node.data / "incoming").iterdir())
