"""Which presentation contexts the node accepts: verification, storage of anything, and the answers
to its own requests for storage commitment.

pynetdicom's default storage contexts refuse real ultrasound: a modality whose JPEG or private
context is refused sends only its report. Objects are kept as they come, so there is no syntax
that the node could not take.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.uid import UID, ExplicitVRBigEndian
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

APPLICATION_CONTEXT = UID("1.2.840.10008.3.1.1.1")  # PS3.7 A.2.1
VERIFICATION = UID("1.2.840.10008.1.1")
STORAGE_COMMITMENT = UID("1.2.840.10008.1.20.1")
_NOT_OBJECTS = ("Commitment", "Directory", "Management")  # "Storage" in the name of services

# PS3.8 9.3.3.2, result/reason
ACCEPTANCE = 0
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


def is_storage(sop_class_uid: str) -> bool:
    """Whether objects of this class are stored: every storage class, and every unknown one.

    A class that the dictionary of PS3.6 does not know is a vendor's, or newer than the dictionary.
    """
    name = UID(sop_class_uid).name
    if name == sop_class_uid:
        return True
    return "Storage" in name and not any(word in name for word in _NOT_OBJECTS)


def negotiate(
    proposed: Iterable[PresentationContext], answering: bool = False
) -> list[PresentationContext]:
    """The answer to each proposed context, in order, with its ``result`` and one syntax.

    answering : the requestor is the SCP of storage commitment, and comes to answer for it. Of
    several syntaxes the first is taken, which peers put the object's own in; big endian, long
    retired, only when there is no other.
    """
    return [_answer(context, answering) for context in proposed]


def _answer(context: PresentationContext, answering: bool) -> PresentationContext:
    answer = PresentationContext()
    answer.context_id = context.context_id
    answer.abstract_syntax = context.abstract_syntax
    syntaxes = sorted(context.transfer_syntax, key=lambda uid: uid == ExplicitVRBigEndian)
    answer.transfer_syntax = [*syntaxes[:1]]
    abstract_syntax = str(context.abstract_syntax)
    services = {VERIFICATION, STORAGE_COMMITMENT} if answering else {VERIFICATION}
    if abstract_syntax not in services and not is_storage(abstract_syntax):
        answer.result = ABSTRACT_SYNTAX_NOT_SUPPORTED
    else:
        answer.result = ACCEPTANCE if syntaxes else TRANSFER_SYNTAXES_NOT_SUPPORTED
    return answer


def roles(
    proposed: Iterable[SCP_SCU_RoleSelectionNegotiation],
) -> list[SCP_SCU_RoleSelectionNegotiation]:
    """The answer to proposed roles (PS3.7 D.3.3.4): the requestor is the SCU, the node the SCP; of
    storage commitment the other way round.

    Proposals without that role get no answer, which leaves the default roles in force.
    """
    answers = []
    for role in proposed:
        turned = role.sop_class_uid == STORAGE_COMMITMENT
        if role.scp_role if turned else role.scu_role:
            answer = SCP_SCU_RoleSelectionNegotiation()
            answer.sop_class_uid = role.sop_class_uid
            answer.scu_role, answer.scp_role = not turned, turned
            answers.append(answer)
    return answers


def answers_commitment(proposed: Iterable[SCP_SCU_RoleSelectionNegotiation]) -> bool:
    """Whether the requestor would be the SCP of storage commitment."""
    return any(one.sop_class_uid == STORAGE_COMMITMENT and one.scp_role for one in proposed)
