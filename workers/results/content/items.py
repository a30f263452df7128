"""Content items in the few forms that the report uses."""

from __future__ import annotations

import math

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    ContentItem,
    ContentSequence,
    Measurement,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.sr.coding import Code

from workers.findings import Bounded
from workers.results import codes
from workers.results.values import plain

CONTAINS = RelationshipTypeValues.CONTAINS
MODIFIER = RelationshipTypeValues.HAS_CONCEPT_MOD
PROPERTY = RelationshipTypeValues.HAS_PROPERTIES
ACQUISITION = RelationshipTypeValues.HAS_ACQ_CONTEXT


def text(name: Code, value: str, relation: RelationshipTypeValues = CONTAINS) -> TextContentItem:
    """A TEXT item of what was said; TEXT must not be empty, so an empty value becomes a dash."""
    return TextContentItem(name=name, value=plain(value) or "-", relationship_type=relation)


def code(name: Code, value: Code, relation: RelationshipTypeValues = CONTAINS) -> CodeContentItem:
    return CodeContentItem(name=name, value=value, relationship_type=relation)


def number(
    name: Code, value: float, unit: Code, relation: RelationshipTypeValues = CONTAINS
) -> NumContentItem:
    return NumContentItem(name=name, value=value, unit=unit, relationship_type=relation)


def percent(fraction: float, digits: int = 1) -> float:
    """0..1 as per cent, by default to the tenth."""
    return round(100 * fraction, digits)


def measurement(
    name: Code,
    value: float,
    unit: Code,
    derivation: Code | None = None,
    model: AlgorithmIdentification | None = None,
) -> list[Measurement]:
    """TID 300 in a list; an empty one when ``value`` is no number: nothing is invented."""
    if not math.isfinite(value):
        return []
    return [
        Measurement(name=name, value=value, unit=unit, derivation=derivation, algorithm_id=model)
    ]


def uncertainty(value: Bounded, scale: float, meaning: str) -> list[ContentItem]:
    """TID 310's uncertainty, in per cent as the value; highdicom writes it without a unit."""
    above, below = value.high - value.value, value.value - value.low
    return [
        number(codes.UPPER_UNCERTAINTY, round(scale * above, 1), codes.PERCENT, PROPERTY),
        number(codes.LOWER_UNCERTAINTY, round(scale * below, 1), codes.PERCENT, PROPERTY),
        text(codes.INTERVAL, meaning, PROPERTY),
    ]


def with_properties(item: ContentItem, *properties: ContentItem) -> ContentItem:
    """``item`` with ``properties`` as its children."""
    if properties:
        item.ContentSequence = ContentSequence([*properties])
    return item


def extend(template: ContentSequence, *items: ContentItem) -> None:
    """Append ``items`` to the children of the item that a highdicom template holds."""
    held = template[0]
    if "ContentSequence" in held:
        held.ContentSequence.extend(items)
    else:
        held.ContentSequence = ContentSequence([*items])
