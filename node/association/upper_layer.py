"""The DICOM upper layer of an association acceptor (PS3.8 9.2) over one blocking socket.

pynetdicom encodes and decodes the PDUs of negotiation; data transfer is here. Its own acceptor
gives each association two threads that poll every millisecond and copies each fragment four
times: with 12 associations that polling is most of the CPU, and they wait for the GIL. Here a
thread sleeps in recv(2) until a whole PDU has come (MSG_WAITALL, without the GIL), and fragments
leave as views of the one buffer that they came in.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ, A_RELEASE_RP
from pynetdicom.pdu_primitives import A_ASSOCIATE

_LOG = logging.getLogger(__name__)

_PDU = struct.Struct(">BBL")
_PDV = struct.Struct(">LBB")
_TIMEVAL = struct.Struct("@ll")
_LARGEST_REQUEST = 2**20  # bytes of an A-ASSOCIATE-RQ; 128 contexts of 30 syntaxes are 100 KB

_ASSOCIATE_RQ, _P_DATA, _RELEASE_RQ, _ABORT = 0x01, 0x04, 0x05, 0x07

# PS3.8 9.3.8: source, reason of an A-ABORT
SERVICE_USER = (0, 0)
NOT_SPECIFIED = (2, 0)
UNRECOGNIZED_PDU = (2, 1)
UNEXPECTED_PDU = (2, 2)
INVALID_PARAMETER = (2, 6)


class AssociationLost(Exception):
    """The association is over without a release: abort, loss, silence or a broken PDU."""


class UpperLayer:
    """One accepted connection, from the A-ASSOCIATE-RQ to its end; for one thread."""

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
        """The peer's A-ASSOCIATE primitive; raises AssociationLost."""
        kind, length = self._header()
        if kind != _ASSOCIATE_RQ:
            raise self.abort(UNEXPECTED_PDU, f"PDU type {kind:02X} before an association")
        if length > _LARGEST_REQUEST:
            raise self.abort(INVALID_PARAMETER, f"A-ASSOCIATE-RQ of {length} bytes")
        body = bytearray(length)
        self._fill(memoryview(body))
        pdu = A_ASSOCIATE_RQ()
        try:
            pdu.decode(_PDU.pack(kind, 0, length) + bytes(body))
            return pdu.to_primitive()
        except Exception as error:  # noqa: BLE001 pynetdicom raises anything on broken bytes
            raise self.abort(INVALID_PARAMETER, f"A-ASSOCIATE-RQ not understood: {error}") from None

    def accept(self, answer: A_ASSOCIATE) -> None:
        self._send(A_ASSOCIATE_AC(answer).encode())

    def reject(self, answer: A_ASSOCIATE) -> None:
        """Send A-ASSOCIATE-RJ; the caller closes the connection."""
        self._send(A_ASSOCIATE_RJ(answer).encode())

    def fragments(self) -> Iterator[tuple[int, int, memoryview]]:
        """Each PDV's context ID, control header and fragment, until the peer releases.

        The fragment is a view into a buffer that the next step overwrites. Raises
        AssociationLost when the association ends in any other way.
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

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except BlockingIOError:
            raise AssociationLost(f"the peer took nothing for {self._timeout:g} s") from None
        except OSError as error:
            raise AssociationLost(f"connection lost: {error.strerror}") from None
