"""Proof that a destination keeps what it was sent: by storage commitment, else by a query.

A destination that has neither is remembered, and its deliveries stay ``sent``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from pydicom.uid import generate_uid

from node.association.commitment import FIND, ServiceRefused, Stored, find, request
from node.association.commitment_service import record
from node.association.contexts import STORAGE_COMMITMENT
from node.association.peer import Peer
from node.dispatch import dicomweb
from node.dispatch.dialect import Dialect
from node.errors import AssociationError, NothingAccepted
from node.settings import Destination
from node.tracking import Database, Delivery, confirmations, utcnow

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0
_BUSY_SECONDS = 30.0  # longer, while there is something to send
MAX_TRIES = 12
"""Of asking, and of queries that do not show an object."""

NOT_SHOWN = "a query there does not show it"
SILENT = (
    "storage commitment was asked for and never answered: it must know this node's AE title, host "
    "and port"
)


class Confirmer:
    """Confirms for one destination; called by the thread that sends there."""

    def __init__(
        self, destination: Destination, peer: Peer, calling_ae: str, db: Database, dialect: Dialect
    ) -> None:
        self._destination = destination
        self._peer = peer
        self._calling_ae = calling_ae
        self._db = db
        self._dialect = dialect
        self._next = 0.0
        self._outages = 0

    @property
    def wanted(self) -> bool:
        return self._destination.confirm != "none"

    def confirm_due(self, *, busy: bool = False) -> None:
        """Ask for what is due, in one transaction; every few seconds, more rarely when ``busy``."""
        wait = _BUSY_SECONDS if busy else 0.0
        if not self.wanted or time.monotonic() < self._next + wait:
            return
        self._next = time.monotonic() + _PAUSE_SECONDS
        lease = 60 + 3 * self._destination.timeout
        due = confirmations.claim(self._db, self._destination.name, lease_seconds=lease)
        may_ask, may_query = self._may(STORAGE_COMMITMENT), self._may(FIND)
        asked, queried = [], []
        for one in due:
            silent = one.transaction_uid is not None  # asked before, and the answer did not come
            if one.confirm_tries >= MAX_TRIES:
                confirmations.postponed(self._db, [one.id], one.last_error or SILENT, None)
            elif may_ask and not (silent and may_query):
                asked.append(one)
            else:
                queried.append(one)
        if asked and not self._ask(asked):
            queried += asked
        if queried:
            self._query(queried)

    def _may(self, sop_class_uid: str) -> bool:
        if self._destination.url and sop_class_uid == STORAGE_COMMITMENT:
            return False
        allowed = {"commitment": (STORAGE_COMMITMENT,), "query": (FIND,)}.get(
            self._destination.confirm, (STORAGE_COMMITMENT, FIND)
        )
        return sop_class_uid in allowed and not self._dialect.refuses(sop_class_uid)

    def _ask(self, due: Sequence[Delivery]) -> bool:
        """Ask for storage commitment; False when a query is to say it."""
        ids, transaction = [one.id for one in due], str(generate_uid())
        wait = timedelta(seconds=self._destination.confirm_wait)
        confirmations.asking(self._db, ids, transaction, utcnow() + wait)
        try:
            request(
                self._peer,
                [_stored(one) for one in due],
                transaction,
                partial(record, self._db),
                calling_ae=self._calling_ae,
                timeout=self._destination.timeout,
            )
        except NothingAccepted:
            self._dialect.learn(STORAGE_COMMITMENT, taken=False)
            return False
        except AssociationError as error:
            if isinstance(error, ServiceRefused) and self._may(FIND):
                return False  # as where it does not know this node
            self._failed(due, error)
        else:
            self._outages = 0
            self._dialect.learn(STORAGE_COMMITMENT, taken=True)
        return True

    def _query(self, due: Sequence[Delivery]) -> None:
        if not self._may(FIND):
            confirmations.postponed(self._db, [one.id for one in due], confirmations.NO_PROOF, None)
            return
        try:
            shown = self._shown([_stored(one) for one in due])
        except NothingAccepted:
            self._dialect.learn(FIND, taken=False)
            confirmations.postponed(self._db, [one.id for one in due], confirmations.NO_PROOF, None)
            return
        except AssociationError as error:
            self._failed(due, error)
            return
        self._outages = 0
        self._dialect.learn(FIND, taken=True)
        there = [one for one in due if one.sop_instance_uid in shown]
        confirmations.found(self._db, [one.id for one in there])
        if missing := [one for one in due if one.sop_instance_uid not in shown]:
            self._postpone(missing, NOT_SHOWN)

    def _shown(self, objects: Sequence[Stored]) -> frozenset[str]:
        """By C-FIND, or by QIDO-RS."""
        timeout = self._destination.timeout
        if self._destination.url:
            service = dicomweb.Service.of(self._destination)
            return dicomweb.find(service, objects, timeout=timeout)
        return find(self._peer, objects, calling_ae=self._calling_ae, timeout=timeout)

    def _failed(self, due: Sequence[Delivery], error: AssociationError) -> None:
        """An outage says nothing of the objects: it is waited for, however long."""
        if isinstance(error, ServiceRefused):
            self._postpone(due, str(error))
            return
        self._outages += 1
        again = self._later(self._outages - 1)
        confirmations.waiting(self._db, [one.id for one in due], str(error), again)
        log.warning("%d objects are not confirmed yet: %s", len(due), error)

    def _postpone(self, due: Sequence[Delivery], why: str) -> None:
        """Ask again, the more rarely the more often it came to nothing."""
        for one in due:
            confirmations.postponed(self._db, [one.id], why, self._later(one.confirm_tries))
        log.warning(
            "%d objects at %s are not confirmed yet: %s", len(due), self._destination.name, why
        )

    def _later(self, tries: int) -> datetime:
        delay = self._destination.retry_first * 2 ** min(tries, 30)
        return utcnow() + timedelta(seconds=min(delay, self._destination.retry_cap))


def _stored(delivery: Delivery) -> Stored:
    return Stored(
        delivery.study_instance_uid,
        delivery.series_instance_uid,
        delivery.sop_class_uid,
        delivery.sop_instance_uid,
    )
