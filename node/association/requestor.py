"""An association that this node requests, as the SCU, over the upper layer of this package."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.uid import UID
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

from node.association.commands import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_ECHO_RQ,
    C_STORE_RQ,
    COMMAND_FIELD,
    DATASET_TYPE,
    ERROR_COMMENT,
    MESSAGE_ID,
    NO_DATASET,
    PRIORITY,
    STATUS,
    Command,
    CommandError,
    Reply,
    encode,
    encode_number,
    encode_text,
)
from node.association.contexts import APPLICATION_CONTEXT, VERIFICATION
from node.association.peer import Peer
from node.association.upper_layer import INVALID_PARAMETER, AssociationLost, UpperLayer
from node.errors import AssociationError, NothingAccepted
from node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

OWN_MAX_PDU = 16384  # only responses come back
_MEDIUM = 0

# PS3.8 Table 9-21
_REASONS = {
    (1, 1): "no reason given",
    (1, 2): "application context not supported",
    (1, 3): "it does not know the calling AE title",
    (1, 7): "it does not know the called AE title",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "its limit of associations is reached",
}


@dataclass(frozen=True)
class Timeouts:
    """Seconds until a step is given up: nothing here waits without end."""

    connect: float = 10
    acse: float = 30  # for the answer to the association request, and to the release
    dimse: float = 60  # for a response
    network: float = 60  # for the peer to take the next part of an object

    @classmethod
    def all(cls, seconds: float) -> Timeouts:
        return cls(seconds, seconds, seconds, seconds)


@dataclass(frozen=True)
class Context:
    """What is proposed: one SOP class in one transfer syntax."""

    abstract_syntax: str
    transfer_syntax: str


class Requestor:
    """An established association; close it with ``release`` or ``close``. Not for two threads."""

    def __init__(
        self, peer: Peer, contexts: Sequence[Context], calling_ae: str, timeouts: Timeouts
    ) -> None:
        """Associate, proposing at most 128 contexts; raises AssociationError saying why not."""
        self.peer = peer
        self._timeouts = timeouts
        self._message_id = 0
        try:
            self._socket = socket.create_connection((peer.host, peer.port), timeouts.connect)
        except (OSError, ValueError) as error:  # ValueError: what can be no host name
            raise AssociationError(f"{peer} cannot be reached: {error}") from None
        try:
            self._upper = UpperLayer(self._socket, OWN_MAX_PDU)
            self._upper.set_timeout(timeouts.acse)
            answer = self._upper.associate(_request(peer, contexts, calling_ae))
            if answer.result:
                reason = _REASONS.get((answer.result_source, answer.diagnostic), "reason unknown")
                kind = "for now" if answer.result == 2 else "permanently"
                unexplained = (answer.result, answer.result_source, answer.diagnostic) == (1, 1, 1)
                failure = NothingAccepted if unexplained else AssociationError
                raise failure(f"{peer} rejects the association {kind}: {reason}")
        except AssociationLost as lost:
            self.close()
            raise AssociationError(f"{peer}: {lost}") from None
        except BaseException:
            self.close()
            raise
        self._fragments = self._upper.fragments()
        self._largest = answer.maximum_length_received or 0
        proposed = {2 * index + 1: context for index, context in enumerate(contexts)}
        self._accepted = {
            proposed[result.context_id]: int(result.context_id)
            for result in answer.presentation_context_definition_results_list
            if result.result == 0 and result.context_id in proposed
        }

    def accepts(self, context: Context) -> bool:
        return context in self._accepted

    def echo(self) -> None:
        """C-ECHO; raises AssociationError when there is no success."""
        context = self._accepted.get(_ECHO)
        if context is None:
            raise AssociationError(f"{self.peer} accepts no verification")
        try:
            reply = self._exchange(context, C_ECHO_RQ, {AFFECTED_SOP_CLASS_UID: str(VERIFICATION)})
        except AssociationLost as lost:
            raise AssociationError(f"{self.peer}: {lost}") from None
        if reply.status:
            raise AssociationError(f"{self.peer} answers C-ECHO with status {reply.status:04X}")

    def store(self, context: Context, sop_instance_uid: str, dataset: BinaryIO) -> Reply:
        """C-STORE of the encoded data set that ``dataset`` holds from its position to its end.

        Raises AssociationError when the association is lost, OSError when the file cannot be
        read; after either it is of no more use.
        """
        uids = {
            AFFECTED_SOP_CLASS_UID: context.abstract_syntax,
            AFFECTED_SOP_INSTANCE_UID: sop_instance_uid,
        }
        try:
            return self._exchange(self._accepted[context], C_STORE_RQ, uids, dataset)
        except AssociationLost as lost:
            raise AssociationError(f"{self.peer}: {lost}") from None

    def release(self) -> None:
        """End in order; a peer that does not answer is left."""
        try:
            self._upper.set_timeout(self._timeouts.acse)
            self._upper.release()
        except AssociationLost:
            pass  # all that was to be said was answered
        finally:
            self.close()

    def close(self) -> None:
        self._socket.close()

    def _exchange(
        self, context_id: int, field: int, uids: dict[int, str], dataset: BinaryIO | None = None
    ) -> Reply:
        self._message_id = self._message_id % 65535 + 1
        elements = {element: encode_text(uid, b"\0") for element, uid in uids.items()}
        elements[COMMAND_FIELD] = encode_number(field)
        elements[MESSAGE_ID] = encode_number(self._message_id)
        elements[DATASET_TYPE] = encode_number(NO_DATASET if dataset is None else 1)
        if dataset is not None:
            elements[PRIORITY] = encode_number(_MEDIUM)
        self._upper.set_timeout(self._timeouts.network)
        self._upper.send_command(context_id, encode(elements))
        if dataset is not None:
            self._upper.send_dataset(context_id, dataset, self._largest)
        self._upper.set_timeout(self._timeouts.dimse)
        return self._response()

    def _response(self) -> Reply:
        encoded = bytearray()
        for _, control, fragment in self._fragments:
            encoded += fragment
            if control & 0b10:
                try:
                    response = Command.decode(bytes(encoded))
                    return Reply(response.number(STATUS), response.text(ERROR_COMMENT))
                except CommandError as error:
                    raise self._upper.abort(INVALID_PARAMETER, str(error)) from None
        raise AssociationLost("the peer released instead of responding")


_ECHO = Context(str(VERIFICATION), "1.2.840.10008.1.2")


def verification() -> Context:
    """The context that a C-ECHO needs."""
    return _ECHO


def _request(peer: Peer, contexts: Sequence[Context], calling_ae: str) -> A_ASSOCIATE:
    request = A_ASSOCIATE()
    request.application_context_name = APPLICATION_CONTEXT
    request.calling_ae_title = calling_ae
    request.called_ae_title = peer.ae_title
    proposed = []
    for index, context in enumerate(contexts):
        item = build_context(context.abstract_syntax, context.transfer_syntax)
        item.context_id = 2 * index + 1
        proposed.append(item)
    request.presentation_context_definition_list = proposed
    length = MaximumLengthNotification()
    length.maximum_length_received = OWN_MAX_PDU
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    request.user_information = [length, implementation, version]
    return request
