"""Content items in the few forms that the report uses."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContentItem,
    ContentSequence,
    Measurement,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.sequence import Sequence
from pydicom.sr.coding import Code

from workers.findings import Bounded
from workers.results import codes
from workers.results.values import plain

CONTAINS = RelationshipTypeValues.CONTAINS
MODIFIER = RelationshipTypeValues.HAS_CONCEPT_MOD
PROPERTY = RelationshipTypeValues.HAS_PROPERTIES
ACQUISITION = RelationshipTypeValues.HAS_ACQ_CONTEXT


def concept(code: Code) -> CodedConcept:
    """``code`` as items hold it, the same object wherever it is named: nobody may change it."""
    return _concept(*code)


@cache
def _concept(*code: str) -> CodedConcept:
    """To make one takes as long as the rest of an item. Codes themselves are no key: those that
    differ in their meaning only are equal."""
    return CodedConcept(*code)


def text(name: Code, value: str, relation: RelationshipTypeValues = CONTAINS) -> TextContentItem:
    """A TEXT item of what was said; TEXT must not be empty, so an empty value becomes a dash."""
    said = plain(value) or "-"
    return TextContentItem(name=concept(name), value=said, relationship_type=relation)


def code(name: Code, value: Code, relation: RelationshipTypeValues = CONTAINS) -> CodeContentItem:
    return CodeContentItem(name=concept(name), value=concept(value), relationship_type=relation)


def number(
    name: Code, value: float, unit: Code, relation: RelationshipTypeValues = CONTAINS
) -> NumContentItem:
    return NumContentItem(
        name=concept(name), value=value, unit=concept(unit), relationship_type=relation
    )


def percent(fraction: float, digits: int = 1) -> float:
    """0..1 as per cent, by default to the tenth."""
    return round(100 * fraction, digits)


def measurement(
    name: Code,
    value: float,
    unit: Code,
    derivation: Code | None = None,
    below: Iterable[ContentItem] = (),
) -> list[Measurement]:
    """TID 300 in a list; an empty one when ``value`` is no number: nothing is invented.

    below : further children.
    """
    if not math.isfinite(value):
        return []
    found = Measurement(concept(name), value, concept(unit), derivation=derivation)
    extend(found, *below)
    return [found]


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
        item.ContentSequence = Sequence(properties)
    return item


def extend(template: ContentSequence, *items: ContentItem) -> None:
    """Append ``items`` to the children of the item that a highdicom template holds."""
    held = template[0]
    if items:  # highdicom's own extend looks up the name of each twice
        held.ContentSequence = [*held.get("ContentSequence", ()), *items]
