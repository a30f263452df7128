"""Deliveries: one thread per destination sends what is due, heatmaps first, then the report.

They run beside the dispatcher and not as Celery tasks: a slow PACS must not occupy a worker
with a GPU, nor may one destination hold up another.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pydicom.uid import UID

from node.association.peer import Peer
from node.association.requestor import Timeouts
from node.association.sender import Sent, send
from node.dispatch import dicomweb, stow
from node.dispatch.confirmation import Confirmer
from node.dispatch.dialect import INSTEAD, Dialect
from node.dispatch.older_form import OLDER, older_form
from node.errors import StorageError, TrackingError
from node.identity import series_uid
from node.settings import Destination, Settings
from node.storage import InstanceStore
from node.tracking import REJECTION_NOTE, Database, Delivery, deliveries

log = logging.getLogger(__name__)

_IDLE_SECONDS = 0.25
_LEASE_SECONDS = 10.0  # beyond the time-outs of one object: connect, send, answer
MAX_FAILURES = 24
"""Of one object. By the default delays that is nearly three hours: a PACS that takes calls and then
hangs looks the same, and an hour of that must lose nothing."""

_PROCESSING_FAILURE = 0x0110  # PS3.7 C.5.11: also what some PACS answer to what they never take

NOTE_IS_THERE = 0xA770
NOTE_REFUSED = range(0xA771, 0xA780)
"""What dcm4chee-arc (its StoreService) answers to a rejection note that it has, or does not act on,
as where it lacks one of the objects named; by PS3.4 Table B.2-1 it would be out of resources."""


class Deliverer:
    """Sends to one destination until stopped.

    A destination that cannot be reached is left alone for a growing delay, so that an outage
    costs one attempt at a time, and all that waits goes as soon as it is back. Trouble with one
    object, as an association that breaks whenever it is sent, holds up no more than its study.
    """

    def __init__(self, settings: Settings, destination: Destination, db: Database) -> None:
        self._data = settings.data
        self._store = InstanceStore(settings.data, settings.storage.min_free_mib)
        self._calling_ae = destination.calling_ae_title or settings.receiver.ae_title
        self._destination = destination
        self._peer = Peer(destination.ae_title, destination.host, destination.port)
        self._db = db
        self._dialect = Dialect(db, destination.name)
        self._confirmer = Confirmer(destination, self._peer, self._calling_ae, db, self._dialect)
        self._outages = 0

    def run(self, stop: threading.Event) -> None:
        """Deliver until ``stop`` is set; a database that is away is waited for."""
        pause = _IDLE_SECONDS
        while not stop.wait(pause):
            try:
                pause = self.deliver_due()
                if not self._outages:
                    self._confirmer.confirm_due(busy=pause == 0)
            except TrackingError as error:
                log.error("deliveries to %s wait: %s", self._destination.name, error)
                pause = 5

    def deliver_due(self) -> float:
        """Send one due result set; the seconds to wait before the next call."""
        lease = _LEASE_SECONDS + 3 * self._destination.timeout
        due = deliveries.claim_set(self._db, self._destination.name, lease_seconds=lease)
        if not due:
            return _IDLE_SECONDS
        for index, sent in enumerate(self._outcomes(due)):
            if not sent.out_of_reach:
                self._outages = 0
            if due[index].kind == REJECTION_NOTE:
                sent = _of_a_note(sent)
            outcome = self._fall_back(due[index], sent) if sent.refused_classes else sent
            if outcome is None:
                continue  # the older form is due by itself
            if not self._record(due[index], outcome):
                return self._postpone_from(due[index:], outcome)
            if not outcome.accepted and outcome.retryable and outcome.status is None:
                self._postpone(due[index + 1 :], outcome, 0)  # it took the association with it
                return 0
            deliveries.renew(self._db, [d.id for d in due[index + 1 :]], lease)
        return 0

    def _outcomes(self, due: Sequence[Delivery]) -> Iterator[Sent]:
        """Of each delivery in order; what the destination is known to refuse is not offered."""
        refused = self._dialect.refused()
        offered = [one for one in due if one.sop_class_uid not in refused]
        sending = self._send([self._data / one.path for one in offered])
        for one in due:
            if one in offered:
                sent = next(sending)
                if sent.accepted:
                    self._dialect.learn(one.sop_class_uid, taken=True)
                for sop_class in sent.refused_classes:
                    self._dialect.learn(sop_class, taken=False)
            else:
                sent = self._known_refusal(one, refused)
            yield sent

    def _known_refusal(self, delivery: Delivery, refused: Collection[str]) -> Sent:
        older = OLDER.get(delivery.sop_class_uid, ())
        name, where = UID(delivery.sop_class_uid).name, self._destination.address
        return Sent(
            self._data / delivery.path,
            delivery.sop_instance_uid,
            None,
            False,
            f"{where} does not take {name}, as it said before",
            refused_classes=(delivery.sop_class_uid,),
            instead=next((one for one in older if one not in refused), ""),
        )

    def _send(self, paths: Sequence[Path]) -> Iterator[Sent]:
        timeout = self._destination.timeout
        if self._destination.url:
            service = dicomweb.Service.of(self._destination)
            return stow.send(paths, service, timeout=timeout, alternatives=OLDER)
        return send(
            paths,
            self._peer,
            calling_ae=self._calling_ae,
            timeouts=Timeouts.all(timeout),
            alternatives=OLDER,
            taken=self._dialect.storage_taken(),
        )

    def _record(self, delivery: Delivery, outcome: Sent) -> bool:
        """Record an answer that is final; False when the object must be tried again."""
        if outcome.accepted and outcome.status is not None:
            confirm = self._confirmer.wanted
            deliveries.sent(self._db, delivery.id, outcome.status, confirm=confirm)
            log.info(
                "%s of study %s delivered to %s",
                delivery.kind,
                delivery.study_instance_uid,
                delivery.destination,
            )
            return True
        if _may_succeed_later(outcome, delivery.failures + 1):
            return False
        if outcome.refused_classes:
            self._refused(delivery, outcome)
            return True
        deliveries.failed(self._db, delivery.id, outcome.error, outcome.status)
        log.error(
            "%s of study %s was refused by %s: %s",
            delivery.kind,
            delivery.study_instance_uid,
            delivery.destination,
            outcome.error,
        )
        return True

    def _refused(self, delivery: Delivery, outcome: Sent) -> None:
        """The destination never takes such an object: what tells the same goes instead."""
        others = INSTEAD.get(delivery.kind, ())
        said = deliveries.refused(self._db, delivery, outcome.error, others)
        if said:
            log.warning("%s of study %s: %s", delivery.kind, delivery.study_instance_uid, said)

    def _fall_back(self, delivery: Delivery, outcome: Sent) -> Sent | None:
        """Make the older form that a destination takes of an object whose class it refuses.

        None when that is due now, or later where this machine's disk is in the way; else the
        outcome, which is final.
        """
        if not outcome.instead:
            return outcome
        study, older = delivery.study_instance_uid, UID(outcome.instead)
        made = self._data / deliveries.made_path(self._db, delivery)
        try:
            uid, content = older_form(made, older)
            path = self._store.write_result(study, uid, content)
        except (OSError, StorageError) as error:
            waiting = replace(outcome, error=f"{older.name} cannot be made: {error}")
            self._postpone([delivery], waiting, self._destination.retry_cap)
            log.error("%s of study %s: %s", delivery.kind, study, waiting.error)
            return None
        except Exception as error:  # noqa: BLE001 pydicom raises anything on broken bytes
            why = f"{older.name} cannot be made: {type(error).__name__}"
            return replace(outcome, error=why, refused_classes=())
        deliveries.replaced(self._db, delivery, older, series_uid(uid), uid, path)
        log.warning(
            "%s of study %s: %s; %s is next", delivery.kind, study, outcome.error, older.name
        )
        return None

    def _postpone_from(self, rest: Sequence[Delivery], outcome: Sent) -> float:
        """Postpone an object and those behind it: the report must stay last."""
        self._outages += outcome.out_of_reach
        tries = self._outages if outcome.out_of_reach else rest[0].failures + 1
        delay = min(
            self._destination.retry_first * 2 ** min(tries - 1, 30), self._destination.retry_cap
        )
        self._postpone(rest, outcome, delay, own_failure=not outcome.out_of_reach)
        log.warning(
            "%d objects of study %s for %s wait %.0f s: %s",
            len(rest),
            rest[0].study_instance_uid,
            self._destination.name,
            delay,
            outcome.error,
        )
        return delay if outcome.out_of_reach else 0

    def _postpone(
        self, rest: Sequence[Delivery], outcome: Sent, delay: float, *, own_failure: bool = False
    ) -> None:
        """``own_failure``: of the first; the others only stand behind it."""
        for index, delivery in enumerate(rest):
            deliveries.postponed(
                self._db,
                delivery.id,
                outcome.error,
                delay,
                outcome.status,
                own_failure=own_failure and index == 0,
            )


def _of_a_note(sent: Sent) -> Sent:
    """The outcome of a rejection note, for which some statuses mean another thing."""
    if sent.status == NOTE_IS_THERE:
        return replace(sent, accepted=True, error="", retryable=False)
    if sent.status in NOTE_REFUSED:
        why = f"{sent.error}; the earlier versions stay in sight there: put them away by hand"
        return replace(sent, error=why, retryable=False)
    return sent


def _may_succeed_later(outcome: Sent, failures: int) -> bool:
    """``failures``: of this object, with this one. One that is out of resources says so itself
    and is believed; what breaks the association or fails in processing each time is given up."""
    counts = outcome.status in (None, _PROCESSING_FAILURE) and not outcome.out_of_reach
    return outcome.retryable and not (counts and failures >= MAX_FAILURES)
