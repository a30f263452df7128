"""The DICOM upper layer (PS3.8 9) over one blocking socket, for both ends of an association.

pynetdicom encodes and decodes the PDUs of negotiation; data transfer is here. Its own reactor
gives each association two threads that poll every millisecond and copies each fragment four
times: with 12 associations that polling is most of the CPU, and they wait for the GIL. Here a
thread sleeps in recv(2) until a whole PDU has come (MSG_WAITALL, without the GIL), and fragments
leave as views of the one buffer that they came in. As a requestor, pynetdicom queues a whole
object in memory, and waits without end for a peer that stops reading.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from pynetdicom.pdu import (
    A_ABORT_RQ,
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    A_ASSOCIATE_RQ,
    A_RELEASE_RP,
    A_RELEASE_RQ,
)
from pynetdicom.pdu_primitives import A_ASSOCIATE

_LOG = logging.getLogger(__name__)

_PDU = struct.Struct(">BBL")
_PDV = struct.Struct(">LBB")
_TIMEVAL = struct.Struct("@ll")
_LARGEST_NEGOTIATION = 2**20  # bytes; an A-ASSOCIATE-RQ of 128 contexts of 30 syntaxes has 100 KB
LARGEST_VALUE = 2**18  # bytes of a PDU that is sent, to a peer that sets no limit

_ASSOCIATE_RQ, _ASSOCIATE_AC, _ASSOCIATE_RJ = 0x01, 0x02, 0x03
_P_DATA, _RELEASE_RQ, _RELEASE_RP, _ABORT = 0x04, 0x05, 0x06, 0x07

# PS3.8 9.3.8: source, reason of an A-ABORT
SERVICE_USER = (0, 0)
NOT_SPECIFIED = (2, 0)
UNRECOGNIZED_PDU = (2, 1)
UNEXPECTED_PDU = (2, 2)
INVALID_PARAMETER = (2, 6)


class AssociationLost(Exception):
    """The association is over without a release: abort, loss, silence or a broken PDU."""


class UpperLayer:
    """One connection, from the A-ASSOCIATE-RQ to its end; for one thread.

    ``max_pdu``: bytes of the largest P-DATA-TF that is taken. Every step raises AssociationLost
    when the association ends otherwise than by a release.
    """

    def __init__(self, connection: socket.socket, max_pdu: int) -> None:
        self._socket = connection
        self._max_pdu = max_pdu
        self._timeout = 0.0
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def set_timeout(self, seconds: float) -> None:
        """How long to wait for a whole PDU, and for the peer to take one."""
        if seconds != self._timeout:
            value = _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1e6))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
            self._timeout = seconds

    def request(self) -> Any:
        """As the acceptor: the peer's A-ASSOCIATE request."""
        kind, length = self._header()
        if kind != _ASSOCIATE_RQ:
            raise self.abort(UNEXPECTED_PDU, f"PDU type {kind:02X} before an association")
        return self._negotiation(A_ASSOCIATE_RQ(), kind, length)

    def associate(self, request: A_ASSOCIATE) -> Any:
        """As the requestor: the peer's answer to ``request``, which accepts or rejects."""
        self._send(A_ASSOCIATE_RQ(request).encode())
        kind, length = self._header()
        if kind == _ABORT:
            raise AssociationLost("the peer aborted instead of answering")
        if kind not in (_ASSOCIATE_AC, _ASSOCIATE_RJ):
            raise self.abort(UNEXPECTED_PDU, f"PDU type {kind:02X} before an association")
        pdu = A_ASSOCIATE_AC() if kind == _ASSOCIATE_AC else A_ASSOCIATE_RJ()
        return self._negotiation(pdu, kind, length)

    def _negotiation(self, pdu: Any, kind: int, length: int) -> Any:
        if length > _LARGEST_NEGOTIATION:
            raise self.abort(INVALID_PARAMETER, f"PDU type {kind:02X} of {length} bytes")
        body = bytearray(length)
        self._fill(memoryview(body))
        try:
            pdu.decode(_PDU.pack(kind, 0, length) + bytes(body))
            return pdu.to_primitive()
        except Exception as error:  # noqa: BLE001 pynetdicom raises anything on broken bytes
            why = f"PDU type {kind:02X} not understood: {error}"
            raise self.abort(INVALID_PARAMETER, why) from None

    def accept(self, answer: A_ASSOCIATE) -> None:
        self._send(A_ASSOCIATE_AC(answer).encode())

    def reject(self, answer: A_ASSOCIATE) -> None:
        """Send A-ASSOCIATE-RJ; the caller closes the connection."""
        self._send(A_ASSOCIATE_RJ(answer).encode())

    def fragments(self) -> Iterator[tuple[int, int, memoryview]]:
        """Each PDV's context ID, control header and fragment, until the peer releases.

        The fragment is a view into a buffer that the next step overwrites.
        """
        buffer = memoryview(bytearray(self._max_pdu))
        while True:
            kind, length = self._header()
            if kind == _P_DATA:
                if length > self._max_pdu:
                    raise self.abort(INVALID_PARAMETER, f"P-DATA-TF of {length} bytes")
                pdu = buffer[:length]
                self._fill(pdu)
                yield from self._values(pdu)
            elif kind == _RELEASE_RQ:
                self._fill(memoryview(bytearray(4)))  # closing over unread bytes resets the answer
                self._send(A_RELEASE_RP().encode())
                return
            elif kind == _ABORT:
                raise AssociationLost("the peer aborted")
            else:
                reason = UNEXPECTED_PDU if 1 <= kind <= 7 else UNRECOGNIZED_PDU
                raise self.abort(reason, f"PDU type {kind:02X} in an association")

    def _values(self, pdu: memoryview) -> Iterator[tuple[int, int, memoryview]]:
        """The presentation data values in a P-DATA-TF (PS3.8 9.3.5.1)."""
        position = 0
        while position < len(pdu):
            if len(pdu) - position < _PDV.size:
                raise self.abort(INVALID_PARAMETER, "a P-DATA-TF ends inside a PDV")
            length, context_id, control = _PDV.unpack_from(pdu, position)
            end = position + 4 + length
            if length < 2 or end > len(pdu):
                raise self.abort(INVALID_PARAMETER, f"a PDV of {length} bytes does not fit its PDU")
            yield context_id, control, pdu[position + _PDV.size : end]
            position = end

    def send_command(self, context_id: int, command: bytes) -> None:
        """Send a command set whole: it is far smaller than the smallest PDU a peer may ask for."""
        value = _PDV.pack(len(command) + 2, context_id, 0b11) + command
        self._send(_PDU.pack(_P_DATA, 0, len(value)) + value)

    def send_dataset(self, context_id: int, dataset: BinaryIO, largest: int) -> None:
        """Send from where ``dataset`` is to its end; ``largest``: the peer's limit, 0 for none."""
        largest = min(largest or LARGEST_VALUE, LARGEST_VALUE)
        start = _PDU.size + _PDV.size
        pdu = bytearray(_PDU.size + largest)
        room = memoryview(pdu)[start:]
        position, end = dataset.tell(), dataset.seek(0, 2)
        dataset.seek(position)
        left = end - position
        while True:
            size = dataset.readinto(room[:left])  # type: ignore[attr-defined]
            left -= size
            control = 0b00 if left and size else 0b10
            _PDU.pack_into(pdu, 0, _P_DATA, 0, _PDV.size + size)
            _PDV.pack_into(pdu, _PDU.size, size + 2, context_id, control)
            self._send(memoryview(pdu)[: start + size])
            if control:
                return

    def release(self) -> None:
        """As the requestor: end the association in order."""
        self._send(A_RELEASE_RQ().encode())
        kind, length = self._header()
        if kind != _RELEASE_RP:
            raise self.abort(UNEXPECTED_PDU, f"PDU type {kind:02X} instead of a release")
        self._fill(memoryview(bytearray(length)))

    def abort(self, cause: tuple[int, int], why: str) -> AssociationLost:
        """Send an A-ABORT, if the peer still hears; the error to raise."""
        pdu = A_ABORT_RQ()
        pdu.source, pdu.reason_diagnostic = cause
        try:
            self._socket.sendall(pdu.encode(), socket.MSG_DONTWAIT)
        except OSError:
            _LOG.debug("the peer was gone before the A-ABORT")
        return AssociationLost(f"aborted: {why}")

    def _header(self) -> tuple[int, int]:
        header = bytearray(_PDU.size)
        self._fill(memoryview(header))
        kind, _, length = _PDU.unpack(header)
        return kind, length

    def _fill(self, view: memoryview) -> None:
        """Wait until ``view`` is full, for no longer than the timeout."""
        deadline = time.monotonic() + self._timeout
        while view:
            try:
                received = self._socket.recv_into(view, 0, socket.MSG_WAITALL)
            except BlockingIOError:
                received = 0
            except OSError as error:
                raise AssociationLost(f"connection lost: {error.strerror}") from None
            view = view[received:]  # less than asked for: closed, timed out, or a signal
            if view and time.monotonic() >= deadline:
                raise self.abort(NOT_SPECIFIED, f"no PDU in {self._timeout:g} s")
            if not received:
                raise AssociationLost("the connection was closed without a release")

    def _send(self, data: bytes | memoryview) -> None:
        try:
            self._socket.sendall(data)
        except BlockingIOError:
            raise AssociationLost(f"the peer took nothing for {self._timeout:g} s") from None
        except OSError as error:
            raise AssociationLost(f"connection lost: {error.strerror}") from None
