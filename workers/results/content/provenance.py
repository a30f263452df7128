"""Which model spoke, how good it is known to be, and that no physician has looked yet."""

from __future__ import annotations

from highdicom.sr import AlgorithmIdentification, ContentItem, RelationshipTypeValues

from node.identity import MANUFACTURER
from workers.findings import ModelIdentity
from workers.results import codes
from workers.results.content.items import CONTAINS, code, text
from workers.results.identity import weights_uid
from workers.results.values import plain


def algorithm(model: ModelIdentity) -> AlgorithmIdentification:
    """TID 4019, with the values of the model's Contributing Equipment item."""
    return AlgorithmIdentification(
        name=plain(model.name) or "-",
        version=plain(model.version) or "-",
        manufacturer=MANUFACTURER,
        parameters=[
            f"Device UID {weights_uid(model.digest)}",
            f"SHA-256 of the weights {plain(model.digest)}",
        ],
    )


def statements(
    model: ModelIdentity, relation: RelationshipTypeValues = CONTAINS
) -> list[ContentItem]:
    """What stands beside every result of a model."""
    items: list[ContentItem] = [
        code(codes.REVIEW_STATUS, codes.NOT_REVIEWED, relation),
        text(codes.VALIDATION_STATUS, model.validation_status or "not stated", relation),
    ]
    if model.figures:
        items.append(text(codes.VALIDATION_FIGURES, model.figures, relation))
    return items
