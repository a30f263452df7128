"""Which model spoke, how good it is known to be, and that no physician has looked yet."""

from __future__ import annotations

from functools import lru_cache

from highdicom.sr import (
    AlgorithmIdentification,
    ContentItem,
    DeviceObserverIdentifyingAttributes,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
)
from pydicom.sr.codedict import codes as standard

from node.identity import MANUFACTURER, MODEL_NAME
from workers.findings import ModelIdentity
from workers.messages import Language, say, spoken
from workers.results import codes
from workers.results.content.items import CONTAINS, code, text
from workers.results.envelope import Device, device
from workers.results.identity import node_uid
from workers.results.objects import ResultContext
from workers.results.values import plain


def algorithm(model: ModelIdentity) -> AlgorithmIdentification:
    """TID 4019, with the values of the model's Contributing Equipment item.

    Programs read the parameters: they are the same in every language.
    """
    return _algorithm(device(model), model.digest)


@lru_cache
def _algorithm(named: Device, digest: str) -> AlgorithmIdentification:
    """Made once: it stands under most numbers of a report, and nobody changes it."""
    return AlgorithmIdentification(
        name=named.name,
        version=named.version,
        manufacturer=named.manufacturer,
        parameters=[f"Device UID {named.uid}", f"SHA-256 of the weights {digest}"],
    )


def statements(
    model: ModelIdentity, relation: RelationshipTypeValues = CONTAINS
) -> list[ContentItem]:
    """What stands beside every result of a model."""
    return [*_statements(model, relation, spoken())]


@lru_cache
def _statements(
    model: ModelIdentity, relation: RelationshipTypeValues, language: Language
) -> tuple[ContentItem, ...]:
    """Made once in a language, as ``_algorithm``."""
    items: list[ContentItem] = [
        code(codes.REVIEW_STATUS, codes.NOT_REVIEWED, relation),
        text(codes.VALIDATION_STATUS, say(model.validation_status) or say("not stated"), relation),
    ]
    if model.figures:
        items.append(text(codes.VALIDATION_FIGURES, say(model.figures), relation))
    return tuple(items)


def observer(context: ResultContext) -> ObservationContext:
    """TID 1001: the node is the observer."""
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=standard.DCM.Device,
            observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
                uid=node_uid(context.node_serial),
                name=plain(context.node_name) or "-",
                manufacturer_name=MANUFACTURER,
                model_name=MODEL_NAME,
                serial_number=plain(context.node_serial) or "-",
            ),
        )
    )
