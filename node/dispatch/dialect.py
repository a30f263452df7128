"""What a destination takes: learned from its own answers, and remembered."""

from __future__ import annotations

from datetime import timedelta

from node.association.contexts import is_storage
from node.tracking import Database, dialects, utcnow

REMEMBERED = timedelta(days=1)
"""After so long a refused class is offered again: a PACS may have been updated."""

INSTEAD: dict[str, tuple[str, ...]] = {
    "report": ("summary", "document"),
    "summary": ("document", "report"),
    "document": ("summary",),
    "heatmap": ("summary", "document"),
    "segmentation": ("heatmap",),
    "presentation": ("heatmap",),
}
"""Kinds of result that tell the same where a destination takes no object of a kind, best first."""


class Dialect:
    """What one destination takes, as far as it has said; for one thread."""

    def __init__(self, db: Database, destination: str) -> None:
        self._db = db
        self._destination = destination
        self._taken: set[str] = set()  # what is on record as taken, as far as this thread knows

    def refuses(self, sop_class_uid: str) -> bool:
        """Whether it has said so, and not too long ago."""
        return sop_class_uid in self.refused()

    def refused(self) -> frozenset[str]:
        """The SOP Class UIDs that it does not take."""
        since = utcnow() - REMEMBERED
        return frozenset(
            one.sop_class_uid
            for one in dialects.known(self._db, self._destination)
            if not one.taken and one.learned_at > since
        )

    def storage_taken(self) -> tuple[str, ...]:
        """The SOP Class UIDs of objects that it has taken, however long ago."""
        known = dialects.known(self._db, self._destination)
        return tuple(
            one.sop_class_uid for one in known if one.taken and is_storage(one.sop_class_uid)
        )

    def learn(self, sop_class_uid: str, *, taken: bool) -> None:
        """It has just taken, or refused, an object or a service of this class."""
        if taken and sop_class_uid in self._taken:
            return
        dialects.learn(self._db, self._destination, sop_class_uid, taken)
        (self._taken.add if taken else self._taken.discard)(sop_class_uid)
