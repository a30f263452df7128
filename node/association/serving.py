"""One association as the acceptor, from its connection to its end."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pynetdicom.presentation import PresentationContext

from node import tracking
from node.association import acceptance
from node.association.acceptance import Rejection
from node.association.callers import Callers
from node.association.commands import (
    C_CANCEL_RQ,
    MESSAGE_ID,
    PROCESSING_FAILURE,
    RESPONSE,
    Command,
    CommandError,
    Reply,
)
from node.association.places import Places
from node.association.services import Caller, Reception, Request, Service, unrecognized
from node.association.upper_layer import (
    INVALID_PARAMETER,
    SERVICE_USER,
    UNEXPECTED_PDU,
    AssociationLost,
    UpperLayer,
)
from node.errors import TrackingError
from node.settings import Receiver

_LOG = logging.getLogger(__name__)
_LONGEST_COMMAND = 65536  # bytes; a command set is a dozen short elements


@dataclass(frozen=True)
class Acceptor:
    """What all associations of one process share; ``services`` by Command Field, ``titles`` the AE
    titles that the node answers to."""

    settings: Receiver
    callers: Callers
    places: Places
    process: int
    services: Mapping[int, Service]
    titles: frozenset[str]
    db: tracking.Database


@dataclass
class _Message:
    """The message that is coming in on a context; it has a reception when its command is whole."""

    context_id: int
    encoded: bytearray = field(default_factory=bytearray)
    command: Command | None = None
    reception: Reception | None = None


class Association:
    """Serves one peer, in the thread that calls ``serve``.

    ``id``: its row, made when the first object needs it, so that a C-ECHO leaves none.
    """

    def __init__(self, acceptor: Acceptor, connection: socket.socket, address: str) -> None:
        self._acceptor = acceptor
        self._settings = acceptor.settings
        self._socket = connection
        self._address = address
        self._upper = UpperLayer(connection, acceptor.settings.max_pdu)
        self._contexts: dict[int, PresentationContext] = {}
        self._message: _Message | None = None
        self._caller = Caller("", address, False, lambda: None)
        self._stopping = threading.Event()
        self.id: int | None = None
        self.is_established = False

    def serve(self) -> None:
        """Negotiate, answer requests until the peer has done, and leave nothing behind."""
        try:
            self._upper.set_timeout(self._settings.acse_timeout)
            request = self._upper.request()
            permission = self._acceptor.callers.find(request.calling_ae_title, self._address)
            if request.called_ae_title not in self._acceptor.titles:
                self._reject(request, acceptance.CALLED_AE_UNKNOWN)
            elif permission is None:
                self._reject(request, acceptance.CALLING_AE_UNKNOWN)
            elif not self._acceptor.places.take(self._acceptor.process):
                self._reject(request, acceptance.TOO_MANY)
            else:
                self._caller = Caller(
                    request.calling_ae_title, self._address, permission.urgent, self._open_row
                )
                try:
                    self._accept(request)
                finally:
                    self._acceptor.places.leave(self._acceptor.process)
        except AssociationLost as lost:
            _LOG.info("association with %s: %s", self._address, lost)
        finally:
            if self._message is not None and self._message.reception is not None:
                self._message.reception.abandon()
            self._socket.close()
            self._close_row()

    def stop(self) -> None:
        """End the association: now when it is idle, else when the reply in flight is sent."""
        self._stopping.set()
        if self._message is None:
            self.drop()

    def drop(self) -> None:
        """Wake the thread that waits for the peer: it aborts."""
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:
            _LOG.debug("the connection with %s was over before", self._address)

    def _reject(self, request: Any, refusal: Rejection) -> None:
        _LOG.warning(
            "association from %s at %s to %s rejected: %s",
            request.calling_ae_title,
            self._address,
            request.called_ae_title,
            refusal.why,
        )
        self._upper.reject(acceptance.rejection(request, refusal))

    def _accept(self, request: Any) -> None:
        answer, self._contexts = acceptance.accept(request, self._settings.max_pdu)
        self._upper.accept(answer)
        self.is_established = True
        _LOG.info("association from %s at %s", self._caller.ae_title, self._address)
        self._upper.set_timeout(self._settings.network_timeout)
        for context_id, control, fragment in self._upper.fragments():
            if control & 0b01:
                self._take_command(context_id, fragment)
            else:
                self._take_data(context_id, fragment)
            if control & 0b10:
                self._end_part(is_command=bool(control & 0b01))
        _LOG.info("association from %s released", self._caller.ae_title)

    def _take_command(self, context_id: int, fragment: memoryview) -> None:
        message = self._message
        if message is None:
            message = self._message = _Message(context_id)
            self._upper.set_timeout(self._settings.dimse_timeout)
        if message.context_id != context_id or message.command is not None:
            raise self._upper.abort(UNEXPECTED_PDU, "a command inside another message")
        message.encoded += fragment
        if len(message.encoded) > _LONGEST_COMMAND:
            raise self._upper.abort(INVALID_PARAMETER, "a command set without end")

    def _take_data(self, context_id: int, fragment: memoryview) -> None:
        message = self._message
        if message is None or message.reception is None or message.context_id != context_id:
            raise self._upper.abort(UNEXPECTED_PDU, "a data set without its command")
        message.reception.write(fragment)

    def _end_part(self, *, is_command: bool) -> None:
        """The last fragment of a command or of a data set was taken."""
        assert self._message is not None
        if is_command:
            try:
                self._begin(self._message)
            except CommandError as error:
                raise self._upper.abort(INVALID_PARAMETER, str(error)) from None
        else:
            self._reply(self._message)

    def _begin(self, message: _Message) -> None:
        command = message.command = Command.decode(bytes(message.encoded))
        if command.field == C_CANCEL_RQ:  # what it cancels was answered before it was read
            self._end_message()
            return
        context = self._contexts.get(message.context_id)
        if context is None or command.field & RESPONSE:
            raise self._upper.abort(UNEXPECTED_PDU, "a message on no accepted context")
        command.number(MESSAGE_ID)  # it cannot be answered without one: not after it was stored
        service = self._acceptor.services.get(command.field, unrecognized)
        message.reception = service(
            Request(
                command,
                str(context.abstract_syntax),
                str(context.transfer_syntax[0]),
                self._caller,
            )
        )
        if not command.has_dataset:
            self._reply(message)

    def _reply(self, message: _Message) -> None:
        assert message.command is not None
        assert message.reception is not None
        try:
            reply = message.reception.finish()
        except Exception:  # noqa: BLE001 the edge of one message: the sender must hear of it
            _LOG.exception("a request from %s failed", self._caller.ae_title)
            message.reception.abandon()
            reply = Reply(PROCESSING_FAILURE, "unexpected error, see the log of the node")
        self._upper.send_command(message.context_id, message.command.response(reply))
        self._end_message()

    def _end_message(self) -> None:
        self._message = None
        self._upper.set_timeout(self._settings.network_timeout)
        if self._stopping.is_set():
            raise self._upper.abort(SERVICE_USER, "the node stops")

    def _open_row(self) -> int:
        if self.id is None:
            self.id = tracking.associations.opened(
                self._acceptor.db, self._caller.ae_title, self._address
            )
        return self.id

    def _close_row(self) -> None:
        if self.id is not None:
            try:
                tracking.associations.closed(self._acceptor.db, self.id)
            except TrackingError as error:  # it stops being renewed, which closes it as well
                _LOG.warning("the end of association %d is not recorded: %s", self.id, error)
