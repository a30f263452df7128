"""Whether a request for an association is accepted, and the A-ASSOCIATE that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydicom.uid import UID
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext

from node.association import contexts
from node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


@dataclass(frozen=True)
class Rejection:
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 Table 9-21), and words for the log."""

    result: int
    source: int
    reason: int
    why: str


CALLED_AE_UNKNOWN = Rejection(1, 1, 7, "called AE title not recognized")
CALLING_AE_UNKNOWN = Rejection(1, 1, 3, "calling AE title not recognized from this address")
TOO_MANY = Rejection(2, 3, 2, "local limit of associations exceeded")
REJECTIONS = (CALLED_AE_UNKNOWN, CALLING_AE_UNKNOWN, TOO_MANY)


def rejection(request: Any, refusal: Rejection) -> A_ASSOCIATE:
    """The answer that refuses ``request``."""
    answer = _answer(request)
    answer.result = refusal.result
    answer.result_source = refusal.source
    answer.diagnostic = refusal.reason
    return answer


def accept(request: Any, max_pdu: int) -> tuple[A_ASSOCIATE, dict[int, PresentationContext]]:
    """The answer that accepts ``request``, and the accepted contexts by ID."""
    answer = _answer(request)
    answer.result = 0
    answer.result_source = 1
    proposed = [
        item
        for item in request.user_information
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
    ]
    negotiated = contexts.negotiate(
        request.presentation_context_definition_list, contexts.answers_commitment(proposed)
    )
    answer.presentation_context_definition_results_list = negotiated
    length = MaximumLengthNotification()
    length.maximum_length_received = max_pdu
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    answer.user_information = [length, implementation, version, *contexts.roles(proposed)]
    accepted = {int(c.context_id or 0): c for c in negotiated if c.result == contexts.ACCEPTANCE}
    return answer, accepted


def _answer(request: Any) -> A_ASSOCIATE:
    answer = A_ASSOCIATE()
    answer.application_context_name = contexts.APPLICATION_CONTEXT
    answer.calling_ae_title = request.calling_ae_title
    answer.called_ae_title = request.called_ae_title
    return answer
