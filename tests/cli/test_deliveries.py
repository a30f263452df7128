"""What destinations refuse, and what proves that they keep the rest, as an operator reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.uid import Comprehensive3DSRStorage, SegmentationStorage

from node import settings
from node.association.contexts import STORAGE_COMMITMENT
from node.cli.checks import network, records
from node.tracking import Database, Delivery, confirmations, deliveries, dialects
from tests.cli.conftest import Node
from tests.cli.records import Night

Filled = tuple[Node, Night]


@contextmanager
def database(node: Node) -> Iterator[Database]:
    db = Database(settings.load(node.config).database_url)
    try:
        yield db
    finally:
        db.dispose()


def sent(db: Database) -> tuple[Delivery, ...]:
    """All of a set to the PACS, each to be confirmed."""
    every = [one.id for one in deliveries.list_deliveries(db, destination="pacs")]
    deliveries.retry(db, tuple(every), again=True)
    for one in deliveries.claim_set(db, "pacs", lease_seconds=30):
        deliveries.sent(db, one.id, 0, confirm=True)
    return deliveries.list_deliveries(db, destination="pacs", state="sent")


def test_a_refused_class_is_listed_by_name_and_is_no_fault(filled: Filled) -> None:
    node, _ = filled
    with database(node) as db:
        deliveries.retry(db)
        *_, report = deliveries.claim_set(db, "pacs", lease_seconds=30)
        said = "pacs takes no reports; the heatmap goes instead"
        refused = deliveries.refused(db, report, "pacs takes no reports", ("summary", "heatmap"))
        assert refused == said
        dialects.learn(db, "pacs", SegmentationStorage, False)
        dialects.learn(db, "pacs", Comprehensive3DSRStorage, True)
    text = node("deliveries", "list", "--state", "refused").out
    assert f"{report.id} to pacs: {said}" in text
    (shown,) = node("deliveries", "list", "--state", "refused", "--json").json
    assert shown["last_error"] == said
    assert "pacs does not take Segmentation" in text
    assert "Comprehensive 3D SR, as it said" not in text
    found = list(records.deliveries(settings.load(node.config)))
    assert any("does not take Segmentation" in one.text for one in found)
    refusal = f"pacs refused the report: {said}"
    assert refusal in [one.text for one in found]
    assert not any("failed, last to" in one.text for one in found)


def test_what_was_confirmed_and_how_is_listed(filled: Filled) -> None:
    node, _ = filled
    with database(node) as db:
        first, second, *_ = sent(db)
        confirmations.asking(db, [first.id], "1.2.3", first.sent_at)
        (one,) = confirmations.answered(db, "1.2.3", [first.sop_instance_uid], {})
        assert one.state == "confirmed"
        confirmations.found(db, [second.id])
    lines = node("deliveries", "list").out.splitlines()
    assert "1 confirmed by storage commitment" in lines
    assert "1 confirmed by a query at the destination" in lines
    (shown,) = [d for d in node("deliveries", "list", "--json").json if d["id"] == first.id]
    assert (shown["state"], shown["confirmed_by"]) == ("confirmed", "commitment")


def test_what_the_pacs_cannot_show_is_warned_of_and_can_be_sent_again(filled: Filled) -> None:
    node, _ = filled
    with database(node) as db:
        lost, unprovable, *_ = sent(db)
        confirmations.postponed(db, [lost.id], "a query there does not show it", None)
        confirmations.postponed(db, [unprovable.id], confirmations.NO_PROOF, None)
    (warning,) = [
        one for one in records.deliveries(settings.load(node.config)) if "not confirmed" in one.text
    ]
    assert warning.level == "warning"
    assert "1 object sent to pacs not confirmed: a query there does not show it" in warning.text
    assert "deliveries retry --again" in warning.advice
    assert node("deliveries", "retry", str(lost.id), "--json").json == {"due": 0}
    assert node("deliveries", "retry", "--again", str(lost.id), "--json").json == {"due": 1}
    assert node("deliveries", "retry", "--again", "--all").status == 2


def test_a_pacs_that_may_not_call_cannot_answer_and_the_doctor_says_so(node: Node) -> None:
    callers = '[[receiver.callers]]\nae_title = "US1"\naddress = "10.1.0.0/16"\n'
    known = settings.load(node.config)
    (destination,) = known.destinations
    assert list(network._way_back(known, destination, "to pacs")) == []  # anyone may call
    node.config.write_text(node.config.read_text() + callers)
    known = settings.load(node.config)
    (finding,) = network._way_back(known, destination, "to pacs")
    assert finding.level == "warning"
    assert f"{destination.ae_title} from 127.0.0.1 is no caller" in finding.text


def test_a_service_has_its_name(filled: Filled) -> None:
    node, _ = filled
    with database(node) as db:
        dialects.learn(db, "pacs", STORAGE_COMMITMENT, False)
    assert "pacs does not take Storage Commitment" in node("deliveries", "list").out
