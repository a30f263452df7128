"""What was sent is proved to be kept: by storage commitment, by a query, or by nothing."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage, SecondaryCaptureImageStorage
from pynetdicom import AE, build_role, evt

from node.association.contexts import STORAGE_COMMITMENT
from node.dispatch import Deliverer
from node.dispatch.confirmation import FIND, MAX_TRIES, SILENT, Confirmer
from node.settings import Destination, Settings
from node.tracking import Database, Delivery, confirmations, deliveries, dialects, schema
from tests.association.receiving import Node, receiver
from tests.dispatch.sets import waiting_set
from tests.dispatch.test_delivery import of, states
from tests.orthanc import Orthanc, orthanc
from tests.peers import dcmtk, free_port, listens
from tests.scp import scp

NO_SUCH_INSTANCE, RESOURCE_LIMITATION = 0x0112, 0x0213
PROVED = ["confirmed"] * 3


class Site:
    """A sender with its confirmations, whose clock does not make it wait."""

    def __init__(self, db: Database, data: Path, port: int, **options: Any) -> None:
        self.db = db
        destination = Destination(
            **{
                "name": "pacs",
                "ae_title": "ORTHANC",
                "host": "127.0.0.1",
                "port": port,
                "timeout": 10,
                "retry_first": 0.001,
                "retry_cap": 0.001,
                **options,
            }
        )
        self._sender = Deliverer(Settings(data=data, destinations=(destination,)), destination, db)

    def deliver(self) -> None:
        while self._sender.deliver_due() == 0:
            pass

    def confirm(self) -> None:
        confirmer: Confirmer = self._sender._confirmer
        confirmer._next = 0
        confirmer.confirm_due()

    def sent(self) -> list[Delivery]:
        return list(deliveries.list_deliveries(self.db))


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def listening(db: Database, folder: Path) -> Iterator[Node]:
    """A receiver on the same database."""
    with receiver(folder / "receiver", db.url.render_as_string(hide_password=False)) as node:
        yield node


@contextmanager
def orthanc_that_answers(folder: Path, port: int) -> Iterator[Orthanc]:
    """One that sends its answers to a storage commitment to this port."""
    own = {"AET": "HEPANODE", "Host": "127.0.0.1", "Port": port}
    with orthanc(folder / "orthanc", DicomModalities={"hepanode": own}) as pacs:
        yield pacs


def test_a_pacs_whose_answer_never_comes_is_queried(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path)
    with orthanc_that_answers(tmp_path, free_port()) as pacs:  # where nobody listens
        site = Site(db, tmp_path, pacs.port, confirm_wait=0.01)
        site.deliver()
        site.confirm()
        assert states(db, uids) == ["sent"] * 3
        assert all(one.transaction_uid for one in site.sent())
        time.sleep(0.05)
        site.confirm()
    assert states(db, uids) == PROVED
    assert {one.confirmed_by for one in site.sent()} == {"query"}


def test_orthanc_commits_itself_in_an_association_of_its_own(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path)
    with listening(db, tmp_path) as node, orthanc_that_answers(tmp_path, node.peer.port) as pacs:
        site = Site(db, tmp_path, pacs.port)
        site.confirm()  # nothing is sent yet
        site.deliver()
        site.confirm()
        until(lambda: states(db, uids) == PROVED)
    assert {one.confirmed_by for one in site.sent()} == {"commitment"}
    assert all(one.confirmed_at and one.confirm_at is None for one in site.sent())
    (known,) = [d for d in dialects.known(db) if d.sop_class_uid == STORAGE_COMMITMENT]
    assert known.taken


def test_what_orthanc_has_lost_is_sent_again(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path)
    with listening(db, tmp_path) as node, orthanc_that_answers(tmp_path, node.peer.port) as pacs:
        site = Site(db, tmp_path, pacs.port)
        site.deliver()
        pacs.forget(uids[0])
        site.confirm()
        until(lambda: states(db, uids) == ["pending", "confirmed", "confirmed"])
        assert "answers the storage commitment that it has none" in of(db, uids)[0].last_error
        site.deliver()
        site.confirm()
        until(lambda: states(db, uids) == PROVED)
        assert pacs.stored() == sorted(uids)
    assert {one.confirmed_by for one in site.sent()} == {"commitment"}


def test_where_the_pacs_does_not_know_the_way_back_a_query_proves_it(
    db: Database, tmp_path: Path
) -> None:
    """Orthanc refuses a request for storage commitment from an AE title that it does not know."""
    uids = waiting_set(db, tmp_path)
    with orthanc(tmp_path / "orthanc", DicomAlwaysAllowFind=True) as pacs:
        site = Site(db, tmp_path, pacs.port)
        site.deliver()
        pacs.forget(uids[1])
        site.confirm()
        assert states(db, uids) == ["confirmed", "sent", "confirmed"]
        assert of(db, uids)[1].last_error == "a query there does not show it"
        assert {one.confirmed_by for one in site.sent()} == {"query", ""}
        for _ in range(MAX_TRIES):
            time.sleep(0.01)
            site.confirm()
    assert of(db, uids)[1].confirm_at is None  # asked no more
    assert of(db, uids)[1].last_error == "a query there does not show it"
    deliveries.retry(db, (of(db, uids)[1].id,), again=True)
    assert of(db, uids)[1].state == "pending"


def test_dcmtk_has_no_storage_commitment_and_a_query(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path)
    with dcmqrscp(tmp_path) as port:
        site = Site(db, tmp_path, port)
        site.deliver()
        site.confirm()
    assert states(db, uids) == PROVED
    assert {one.confirmed_by for one in site.sent()} == {"query"}
    learned = {one.sop_class_uid: one.taken for one in dialects.known(db)}
    assert (learned[STORAGE_COMMITMENT], learned[FIND]) == (False, True)


@contextmanager
def dcmqrscp(folder: Path) -> Iterator[int]:
    port = free_port()
    (folder / "archive").mkdir()
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nORTHANC {folder / 'archive'} RW (100, 1gb) ANY\nAETable END\n"
    )
    process = subprocess.Popen(
        [dcmtk("dcmqrscp"), "-c", folder / "dcmqrscp.cfg"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: listens(port))
        yield port
    finally:
        process.kill()
        process.wait()


def test_a_destination_with_neither_stays_sent_and_says_so(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path)
    with scp() as pacs:
        site = Site(db, tmp_path, pacs.port)
        site.deliver()
        site.confirm()
    assert states(db, uids) == ["sent"] * 3
    assert {one.last_error for one in site.sent()} == {confirmations.NO_PROOF}
    assert {one.confirm_at for one in site.sent()} == {None}


def test_confirm_none_asks_nobody(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path)
    with scp() as pacs:
        site = Site(db, tmp_path, pacs.port, confirm="none")
        site.deliver()
        site.confirm()
    assert states(db, uids) == ["sent"] * 3
    assert {one.last_error for one in site.sent()} == {""}


def test_a_set_is_not_asked_for_before_it_is_whole(db: Database, tmp_path: Path) -> None:
    first, *_ = waiting_set(db, tmp_path)
    (waiting,) = of(db, [first])
    deliveries.sent(db, waiting.id, 0, confirm=True)
    assert confirmations.claim(db, "pacs", lease_seconds=60) == ()


def test_of_many_dispatchers_one_asks(db: Database, tmp_path: Path) -> None:
    for one in of(db, waiting_set(db, tmp_path)):
        deliveries.sent(db, one.id, 0, confirm=True)
    with ThreadPoolExecutor(8) as pool:
        claims = pool.map(lambda _: confirmations.claim(db, "pacs", lease_seconds=60), range(16))
        assert sorted(map(len, claims)) == [0] * 15 + [3]


@pytest.mark.filterwarnings(  # pynetdicom leaves a socket where nobody listens to the collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_pacs_that_is_away_is_asked_again(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path)
    with scp() as pacs:
        site = Site(db, tmp_path, pacs.port)
        site.deliver()
    for _ in range(MAX_TRIES + 1):  # an outage, however long, is no try
        site.confirm()
        time.sleep(0.005)
    assert states(db, uids) == ["sent"] * 3
    assert all("cannot be reached" in one.last_error and one.confirm_at for one in site.sent())
    assert {(one.confirm_tries, one.transaction_uid) for one in site.sent()} == {(0, None)}


def test_a_pacs_that_never_answers_is_asked_no_more_in_the_end(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path)
    with orthanc_that_answers(tmp_path, free_port()) as pacs:  # where nobody listens
        site = Site(db, tmp_path, pacs.port, confirm="commitment", confirm_wait=0.001)
        site.deliver()
        site.confirm()
        with db.writing() as connection:
            connection.execute(sa.update(schema.deliveries).values(confirm_tries=MAX_TRIES - 1))
        site.confirm()
        assert {one.confirm_tries for one in site.sent()} == {MAX_TRIES}
        site.confirm()
    assert states(db, uids) == ["sent"] * 3
    assert {(one.confirm_at, one.last_error) for one in site.sent()} == {(None, SILENT)}


@pytest.mark.parametrize("way", ["same association", "later one"])
def test_a_pacs_answers_in_the_same_association_or_a_later_one(
    db: Database, tmp_path: Path, way: str
) -> None:
    uids = waiting_set(db, tmp_path)
    with listening(db, tmp_path) as node, committing(node, way == "same association") as pacs:
        site = Site(db, tmp_path, pacs.port)
        site.deliver()
        site.confirm()
        until(lambda: states(db, uids) == PROVED)
        assert pacs.replies == [0]
        pacs.answer(pacs.asked[0])  # the same again changes nothing
        assert pacs.replies == [0, 0]
        unknown = Dataset()
        unknown.update(pacs.asked[0])
        unknown.TransactionUID = "1.2.3"
        pacs.answer(unknown)
        assert pacs.replies[-1] == 0x0115
    assert states(db, uids) == PROVED


def test_a_pacs_that_loses_an_object_each_time_is_told_of_and_sent_no_more(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path)
    failed = {uids[0]: NO_SUCH_INSTANCE, uids[1]: RESOURCE_LIMITATION}
    with listening(db, tmp_path) as node, committing(node, True, failed) as pacs:
        site = Site(db, tmp_path, pacs.port, confirm="commitment", confirm_wait=0.01)
        for _ in range(confirmations.MAX_LOST):
            site.deliver()
            site.confirm()
    assert states(db, uids) == ["failed", "sent", "confirmed"]
    assert "failure reason 0213" in of(db, uids)[1].last_error


def test_a_refused_commitment_is_not_made_up_for_by_a_query(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path)
    with orthanc_that_answers(tmp_path, free_port()) as pacs:  # where nobody listens
        site = Site(db, tmp_path, pacs.port, confirm_wait=0.01)
        site.deliver()
        site.confirm()
        refused, *_ = of(db, uids)
        assert refused.transaction_uid
        reasons = {refused.sop_instance_uid: RESOURCE_LIMITATION}
        confirmations.answered(db, refused.transaction_uid, [], reasons)
        confirmations.found(db, [refused.id])  # of a query that was under way
        time.sleep(0.05)
        site.confirm()
    assert states(db, uids) == ["sent", "confirmed", "confirmed"]
    (stays,) = of(db, uids[:1])
    assert stays.last_error == "no storage commitment: failure reason 0213"
    assert stays.confirm_at is None


class Committing:
    """A PACS that stores anything and answers for it; ``failed``: with these Failure Reasons."""

    def __init__(self, node: Node, at_once: bool, failed: dict[str, int]) -> None:
        self.port = free_port()
        self.asked: list[Dataset] = []
        self.replies: list[int] = []
        self._node = node
        self._at_once = at_once
        self._failed = failed
        self._ae = AE("ORTHANC")
        for sop_class in (
            SecondaryCaptureImageStorage,
            Comprehensive3DSRStorage,
            STORAGE_COMMITMENT,
        ):
            self._ae.add_supported_context(sop_class)
        self._server = self._ae.start_server(
            ("127.0.0.1", self.port),
            block=False,
            evt_handlers=[
                (evt.EVT_C_STORE, lambda event: 0x0000),
                (evt.EVT_N_ACTION, self._action),
                (evt.EVT_DIMSE_SENT, self._replied),
            ],
        )

    def close(self) -> None:
        self._server.shutdown()

    def _action(self, event: evt.Event) -> tuple[int, None]:
        self.asked.append(event.action_information)
        return 0x0000, None

    def _replied(self, event: evt.Event) -> None:
        if type(event.message).__name__ == "N_ACTION_RSP":
            if self._at_once:
                self._report(event.assoc, self.asked[-1])
            else:
                self.answer(self.asked[-1])

    def answer(self, asked: Dataset) -> None:
        """In an association of its own."""
        ae = AE("ORTHANC")
        ae.add_requested_context(STORAGE_COMMITMENT)
        role = build_role(STORAGE_COMMITMENT, scp_role=True)
        peer = self._node.peer
        association = ae.associate(peer.host, peer.port, ae_title=peer.ae_title, ext_neg=[role])
        assert association.is_established
        self._report(association, asked)
        association.release()

    def _report(self, association: Any, asked: Dataset) -> None:
        answer = Dataset()
        answer.TransactionUID = asked.TransactionUID
        answer.ReferencedSOPSequence, answer.FailedSOPSequence = [], []
        for item in asked.ReferencedSOPSequence:
            reason = self._failed.get(item.ReferencedSOPInstanceUID)
            if reason is None:
                answer.ReferencedSOPSequence.append(item)
            else:
                item.FailureReason = reason
                answer.FailedSOPSequence.append(item)
        status, _ = association.send_n_event_report(
            answer, 2 if self._failed else 1, STORAGE_COMMITMENT, "1.2.840.10008.1.20.1.1"
        )
        self.replies.append(status.Status)


@contextmanager
def committing(
    node: Node, at_once: bool, failed: dict[str, int] | None = None
) -> Iterator[Committing]:
    pacs = Committing(node, at_once, failed or {})
    try:
        yield pacs
    finally:
        pacs.close()
