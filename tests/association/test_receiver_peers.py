"""Peers that are silent, slow, broken or many cost the others nothing; spoken to on raw sockets."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.association.commands import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    COMMAND_FIELD,
    DATASET_TYPE,
    MESSAGE_ID,
    MESSAGE_ID_RESPONDED_TO,
    NO_DATASET,
    STATUS,
    Command,
    encode,
    encode_number,
    encode_text,
)
from node.association.echo import echo
from node.association.requestor import Context, Requestor, Timeouts
from node.errors import AssociationError
from tests.association.receiving import Node, image, wait_until, write
from tests.association.test_receiver_refuses import EXPLICIT, US, encoded

VERIFICATION = Context("1.2.840.10008.1.1", "1.2.840.10008.1.2")


@contextmanager
def connected(node: Node) -> Iterator[socket.socket]:
    with socket.create_connection((node.peer.host, node.peer.port), 10) as connection:
        yield connection


@contextmanager
def associated(node: Node) -> Iterator[socket.socket]:
    """The bare connection of an association that accepted US images (1) and verification (3)."""
    requestor = Requestor(node.peer, [Context(US, EXPLICIT), VERIFICATION], "RAW", Timeouts.all(10))
    try:
        yield requestor._socket
    finally:
        requestor.close()


def pdu(*values: tuple[int, int, bytes]) -> bytes:
    """A P-DATA-TF of PDVs: context ID, control header, fragment."""
    body = b"".join(struct.pack(">LBB", len(v) + 2, cx, control) + v for cx, control, v in values)
    return struct.pack(">BBL", 4, 0, len(body)) + body


def request(field: int, uid: str = "", *, dataset: bool = False, sop_class: str = US) -> bytes:
    elements = {
        AFFECTED_SOP_CLASS_UID: encode_text(sop_class, b"\0"),
        COMMAND_FIELD: encode_number(field),
        MESSAGE_ID: encode_number(7),
        DATASET_TYPE: encode_number(1 if dataset else NO_DATASET),
    }
    if uid:
        elements[AFFECTED_SOP_INSTANCE_UID] = encode_text(uid, b"\0")
    return encode(elements)


def read_pdu(connection: socket.socket) -> tuple[int, bytes]:
    """Type and body of the next PDU; type 0 when the peer closed."""
    header = connection.recv(6, socket.MSG_WAITALL)
    if len(header) < 6:
        return 0, b""
    kind, _, length = struct.unpack(">BBL", header)
    return kind, connection.recv(length, socket.MSG_WAITALL) if length else b""


def status(connection: socket.socket) -> int:
    kind, body = read_pdu(connection)
    assert kind == 4, f"PDU type {kind} instead of a response"
    response = Command.decode(body[6:])
    assert response.number(MESSAGE_ID_RESPONDED_TO) == 7
    return response.number(STATUS)


def ends(connection: socket.socket) -> float:
    """The seconds until the node has ended the connection, by an abort or without."""
    start = time.monotonic()
    connection.settimeout(20)
    try:
        kind, _ = read_pdu(connection)
        while kind not in (0, 7):
            kind, _ = read_pdu(connection)
    except ConnectionResetError:
        pass
    return time.monotonic() - start


def test_silent_peers_are_dropped_and_cost_the_others_nothing(node: Node) -> None:
    silent = [socket.create_connection((node.peer.host, node.peer.port), 10) for _ in range(100)]
    try:
        half = silent[0]
        half.sendall(b"\x01\x00\x00\x00\x10\x00half an A-ASSOCIATE-RQ")
        assert all(echo(node.peer, timeout=5) < 1 for _ in range(10))
        assert ends(silent[-1]) < 4  # acse_timeout is 2 s
        assert ends(half) < 4
    finally:
        for connection in silent:
            connection.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # a TLS client hello
        b"\x01\x00\xff\xff\xff\xff" + bytes(64),  # 4 GB of A-ASSOCIATE-RQ
        b"\x01\x00\x00\x00\x00\x50" + bytes(80),
        b"\x04\x00\x00\x00\x00\x06\x00\x00\x00\x02\x01\x03",  # data without an association
    ],
)
def test_what_is_no_association_request_is_ended_at_once(node: Node, garbage: bytes) -> None:
    with connected(node) as connection:
        connection.sendall(garbage)
        assert ends(connection) < 1.5
    echo(node.peer, timeout=5)


def test_command_and_data_in_any_fragments_are_one_object(node: Node, tmp_path: Path) -> None:
    dataset = image()
    uid = str(dataset.SOPInstanceUID)
    data = encoded(dataset, tmp_path)
    command = request(1, uid, dataset=True)
    with associated(node) as connection:
        connection.sendall(pdu((1, 1, command[:9])) + pdu((1, 1, b"")))
        # the command's end and the data's start share a PDU, which comes in two pieces
        both = pdu((1, 3, command[9:]), (1, 0, data[:100]), (1, 0, data[100:101]))
        connection.sendall(both[:50])
        time.sleep(0.05)
        connection.sendall(both[50:] + pdu((1, 0, data[101:])) + pdu((1, 2, b"")))
        assert status(connection) == 0
    assert node.stored(uid).read_bytes().endswith(data)


def test_two_requests_in_one_segment_get_two_answers(node: Node) -> None:
    one = pdu((3, 3, request(0x30, sop_class=VERIFICATION.abstract_syntax)))
    with associated(node) as connection:
        connection.sendall(one + one)
        assert [status(connection), status(connection)] == [0, 0]
        connection.sendall(b"\x05\x00\x00\x00\x00\x04" + bytes(4))
        assert read_pdu(connection)[0] == 6
        assert read_pdu(connection)[0] == 0


def test_cancel_is_ignored_and_unknown_services_are_refused_politely(node: Node) -> None:
    cancel = encode(
        {
            COMMAND_FIELD: encode_number(0x0FFF),
            MESSAGE_ID_RESPONDED_TO: encode_number(7),
            DATASET_TYPE: encode_number(NO_DATASET),
        }
    )
    with associated(node) as connection:
        find = pdu((1, 3, request(0x20, dataset=True)), (1, 2, b"an identifier"))
        connection.sendall(pdu((1, 3, cancel)) + find)
        assert status(connection) == 0x0211
        connection.sendall(pdu((3, 3, request(0x30))))
        assert status(connection) == 0


@pytest.mark.parametrize(
    "broken",
    [
        b"\x09\x00\x00\x00\x00\x00",  # no such PDU
        b"\x01\x00\x00\x00\x00\x04" + bytes(4),  # an association inside an association
        b"\x04\x00\x7f\xff\xff\xff",  # a PDU over the limit
        b"\x04\x00\x00\x00\x00\x06" + struct.pack(">LBB", 90, 1, 3),  # a PDV over its PDU
        b"\x04\x00\x00\x00\x00\x04" + struct.pack(">L", 0),
        pdu((1, 2, b"data without a command")),
        pdu((1, 3, b"no command set at all")),
        pdu((99, 3, request(0x30))),  # a context that nobody accepted
        pdu((1, 3, request(1, "1.2.3", dataset=True)), (3, 0, b"data of another context")),
        pdu((1, 3, request(1, "1.2.3", dataset=True)), (1, 3, request(0x30))),
        pdu((1, 3, request(0x8030))),  # an answer that nobody asked for
        pdu((1, 3, encode({}))),
    ],
)
def test_broken_message_aborts_its_association_only(node: Node, broken: bytes) -> None:
    with associated(node) as good, associated(node) as bad:
        bad.sendall(broken)
        assert ends(bad) < 1.5
        good.sendall(pdu((3, 3, request(0x30))))
        assert status(good) == 0
    wait_until(lambda: not list((node.data / "incoming").iterdir()))


@pytest.mark.parametrize("how", ["abort", "close", "silence"])
def test_object_that_never_ends_leaves_nothing(node: Node, tmp_path: Path, how: str) -> None:
    uid = "1.2.3.4.5.6"
    data = encoded(image(SOPInstanceUID=uid), tmp_path)
    with associated(node) as connection:
        connection.sendall(pdu((1, 3, request(1, uid, dataset=True)), (1, 0, data)))
        wait_until(lambda: list((node.data / "incoming").iterdir()))
        if how == "abort":
            connection.sendall(b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00")
        elif how == "close":
            connection.close()
        wait_until(lambda: not list((node.data / "incoming").iterdir()), seconds=5)
    assert not node.rows(f"SELECT 1 FROM instances WHERE sop_instance_uid = '{uid}'")


def test_slow_sender_holds_nobody_up(node: Node, tmp_path: Path) -> None:
    dataset = image()
    uid = str(dataset.SOPInstanceUID)
    data = encoded(dataset, tmp_path)
    others = [write(image(), tmp_path / f"{n}.dcm") for n in range(20)]
    with associated(node) as slow:
        slow.sendall(pdu((1, 3, request(1, uid, dataset=True))))
        start = time.monotonic()
        for part in range(4):
            slow.sendall(pdu((1, 0, data[part * 512 : (part + 1) * 512])))
            time.sleep(0.05)
        assert [sent.status for sent in node.send(*others)] == [0] * 20
        assert time.monotonic() - start < 5
        slow.sendall(pdu((1, 2, data[2048:])))
        assert status(slow) == 0


def test_associations_over_the_limit_of_all_processes_are_rejected_for_now(node: Node) -> None:
    open_ones: list[Requestor] = []
    rejected: list[str] = []
    try:
        for _ in range(70):
            try:
                open_ones.append(Requestor(node.peer, [VERIFICATION], "MANY", Timeouts.all(5)))
            except AssociationError as error:
                rejected.append(str(error))
        assert len(open_ones) == 64
        assert all("for now: its limit of associations" in error for error in rejected)
        open_ones.pop().release()
        wait_until(lambda: _echoes(node))
    finally:
        for requestor in open_ones:
            requestor.close()
    wait_until(lambda: _echoes(node))


def _echoes(node: Node) -> bool:
    try:
        return echo(node.peer, timeout=5) > 0
    except AssociationError:
        return False


def test_idle_association_is_ended_after_the_network_timeout(node: Node) -> None:
    with associated(node) as connection:
        assert 2 < ends(connection) < 5  # network_timeout is 3 s


def test_echo_leaves_no_row_and_stored_associations_are_closed(node: Node, tmp_path: Path) -> None:
    [(before,)] = node.rows("SELECT count(*) FROM associations")
    echo(node.peer)
    [(after,)] = node.rows("SELECT count(*) FROM associations")
    assert after == before
    node.send(write(image(), tmp_path / "a.dcm"))
    wait_until(lambda: not node.rows("SELECT 1 FROM associations WHERE closed_at IS NULL"))
