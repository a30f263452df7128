"""What the node accepts and answers, what it proposes, and the settings of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

from node import identity
from node.association.acceptance import REJECTIONS
from node.association.commands import MEANING
from node.association.commitment import FIND, HOLD_SECONDS
from node.association.contexts import (
    ABSTRACT_SYNTAX_NOT_SUPPORTED,
    APPLICATION_CONTEXT,
    STORAGE_COMMITMENT,
    VERIFICATION,
    is_storage,
)
from node.association.process import MOST_PENDING
from node.association.requestor import OWN_MAX_PDU
from node.association.sender import ANSWERS, MOST_CONTEXTS, carriers
from node.association.store_service import OBSTACLES
from node.association.upper_layer import LARGEST_VALUE
from node.cli.statement.markdown import code
from node.dispatch.confirmation import MAX_TRIES
from node.dispatch.delivery import MAX_FAILURES, NOTE_IS_THERE, NOTE_REFUSED
from node.dispatch.dialect import REMEMBERED
from node.settings import Caller, Destination, Receiver

Row = Sequence[object]

LIMITS = {
    "application_context": APPLICATION_CONTEXT,
    "verification": VERIFICATION,
    "commitment": STORAGE_COMMITMENT,
    "find": FIND,
    "hold": HOLD_SECONDS,
    "tries": MAX_TRIES,
    "remembered": REMEMBERED // timedelta(hours=1),
    "not_supported": ABSTRACT_SYNTAX_NOT_SUPPORTED,
    "pending": MOST_PENDING,
    "own_max_pdu": OWN_MAX_PDU,
    "largest_sent_pdu": LARGEST_VALUE,
    "contexts": MOST_CONTEXTS,
    "failures": MAX_FAILURES,
    "class_uid": identity.IMPLEMENTATION_CLASS_UID,
    "version_name": identity.IMPLEMENTATION_VERSION_NAME,
    "device_uid": identity.DEVICE_UID,
    "manufacturer": identity.MANUFACTURER,
    "model_name": identity.MODEL_NAME,
    "receiver": Receiver(),
    "destination": {name: one.default for name, one in Destination.model_fields.items()},
}


def storage_classes() -> Iterator[Row]:
    """Name and UID of every class of PS3.6 that objects are taken of."""
    for uid, (name, kind, _, retired, _) in UID_dictionary.items():
        if kind == "SOP Class" and is_storage(uid):
            yield f"{name}{' (retired)' if retired else ''}", code(uid)


def refused_classes() -> Iterator[str]:
    """Classes with Storage in their name that hold no objects, and are no service of the node."""
    for uid, (name, kind, *_) in UID_dictionary.items():
        if uid == STORAGE_COMMITMENT or kind != "SOP Class":
            continue
        if "Storage" in name and not is_storage(uid):
            yield name


def rejections() -> Iterator[Row]:
    for one in REJECTIONS:
        yield one.result, one.source, one.reason, one.why


def statuses() -> Iterator[Row]:
    """Every status that the node answers with, when, and the Error Comments that go with it."""
    for status, meaning in MEANING.items():
        comments = {one.comment: None for one in OBSTACLES.values() if one.status == status}
        yield code(f"{status:04X}"), meaning, "; ".join(comments)


def answers() -> Iterator[Row]:
    """What a peer's C-STORE status leads to."""
    for one in ANSWERS:
        named = _named(one.statuses)
        if one.accepted:
            then = "delivered"
        elif one.retryable:
            then = "tried again"
        else:
            then = "not tried again"
        if one.refused_class:
            then = "the next class that can hold it is sent; without one, not tried again"
        yield named, one.meaning, then
    yield _named((NOTE_IS_THERE,)), "of a rejection note: it is there already", "delivered"
    yield _named(NOTE_REFUSED), "of a rejection note: not acted on", "not tried again"
    yield "any other", "refused", "not tried again"


def _named(statuses: Sequence[int]) -> str:
    named = [code(f"{status:04X}") for status in statuses]
    return f"{named[0]} to {named[-1]}" if isinstance(statuses, range) else ", ".join(named)


def syntaxes(stored: str) -> str:
    """The transfer syntaxes that an object in ``stored`` goes over in, best first."""
    return ", else ".join(UID(one).name for one in carriers(stored))


def settings() -> Iterator[Row]:
    """Every setting of the network, its default and what it means."""
    for section, model in (
        ("receiver", Receiver),
        ("receiver.callers[]", Caller),
        ("destinations[]", Destination),
    ):
        for name, field in model.model_fields.items():
            if name != "callers":
                default = "required" if field.is_required() else _plain(field.default)
                yield code(f"{section}.{name}"), default, field.description or ""


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
