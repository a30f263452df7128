"""Deliveries to a service by STOW-RS, and to Orthanc's, on both databases."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import requests
from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage, EnhancedSRStorage

from node.dispatch import Deliverer
from node.dispatch.delivery import MAX_FAILURES
from node.dispatch.dicomweb import Service
from node.settings import Destination, Settings
from node.tracking import Database, Delivery, deliveries
from tests.dicomweb import CLOSES, Answer, failed, stored, stow
from tests.dispatch.sets import waiting_set
from tests.orthanc import Orthanc, dicomweb, orthanc

TIMEOUT = 5


def deliverer(db: Database, data: Path, url: str, **more: object) -> Deliverer:
    destination = Destination.model_validate(
        {"name": "pacs", "url": url, "timeout": TIMEOUT, "retry_first": 1, "retry_cap": 5, **more}
    )
    return Deliverer(Settings(data=data, destinations=(destination,)), destination, db)


def deliver_all(sender: Deliverer) -> None:
    while sender.deliver_due() == 0:
        pass


def of(db: Database, uids: Sequence[str]) -> list[Delivery]:
    by_uid = {one.sop_instance_uid: one for one in deliveries.list_deliveries(db)}
    return [by_uid[uid] for uid in uids]


def states(db: Database, uids: Sequence[str]) -> list[str]:
    return [one.state for one in of(db, uids)]


@pytest.mark.parametrize(
    ("service", "header"),
    [
        ({"username": "nöde", "password": "pæss:wörd"}, "Basic bsO2ZGU6cMOmc3M6d8O2cmQ="),
        ({"token": "abc.def-123"}, "Bearer abc.def-123"),
        ({}, ""),
    ],
)
def test_the_node_signs_in_and_never_says_how(
    db: Database,
    tmp_path: Path,
    service: dict[str, str],
    header: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    uids = waiting_set(db, tmp_path, captures=1)
    with stow(lambda uid: Answer(401)) as pacs:
        sender = deliverer(db, tmp_path, pacs.url, **service)
        sender.deliver_due()
        pacs.answer = stored
        deliveries.retry(db)
        sender.deliver_due()
        assert set(pacs.signed_in) == {header}
    assert states(db, uids) == ["sent", "sent"]
    for secret in filter(None, (service.get("password"), service.get("token"), header)):
        assert secret not in caplog.text
        assert secret not in repr(Service("http://pacs", **service))


@pytest.mark.parametrize("taken", [ComprehensiveSRStorage, EnhancedSRStorage])
def test_a_service_of_old_gets_the_report_in_the_class_that_it_takes(
    db: Database, tmp_path: Path, taken: str
) -> None:
    uids = waiting_set(db, tmp_path)

    def answer(uid: str) -> Answer:
        (one,) = [d for d in deliveries.list_deliveries(db) if d.sop_instance_uid == uid]
        return stored(uid) if one.kind == "heatmap" or one.sop_class_uid == taken else refused(uid)

    def refused(uid: str) -> Answer:
        return failed(uid, 0x0122)

    with stow(answer) as pacs:
        deliver_all(deliverer(db, tmp_path, pacs.url))
        *captures, report = pacs.stored()
    assert captures == uids[:2]
    (sent,) = [one for one in deliveries.list_deliveries(db) if one.kind == "report"]
    assert (sent.state, sent.sop_class_uid, sent.sop_instance_uid) == ("sent", taken, report)


def test_a_class_that_is_taken_in_no_form_is_recorded(db: Database, tmp_path: Path) -> None:
    waiting_set(db, tmp_path, captures=0)
    with stow(lambda uid: failed(uid, 0x0122)) as pacs:
        deliver_all(deliverer(db, tmp_path, pacs.url))
        assert len(pacs.asked) == 3
    (refused,) = deliveries.list_deliveries(db, state="refused")
    assert "Enhanced SR Storage" in refused.last_error


def test_a_wrong_password_costs_no_result_however_long_it_takes_to_mend(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path)
    with stow(lambda uid: Answer(401)) as pacs:
        sender = deliverer(db, tmp_path, pacs.url)
        delays = []
        for _ in range(MAX_FAILURES + 1):
            delays.append(sender.deliver_due())
            deliveries.retry(db)
        assert delays[:4] == [1, 2, 4, 5]
        assert states(db, uids) == ["pending"] * 3
        assert all("check username" in one.last_error for one in of(db, uids))
        pacs.answer = stored
        deliver_all(sender)
        assert pacs.stored() == uids


def test_one_that_is_too_large_fails_alone_and_the_report_goes(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path)
    with stow(lambda uid: Answer(413) if uid == uids[0] else stored(uid)) as pacs:
        deliver_all(deliverer(db, tmp_path, pacs.url))
        assert pacs.stored() == uids[1:]
    assert states(db, uids) == ["failed", "sent", "sent"]


def test_one_that_breaks_the_service_is_given_up_and_the_report_goes(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path, captures=1)
    with stow(lambda uid: CLOSES if uid == uids[0] else stored(uid)) as pacs:
        sender = deliverer(db, tmp_path, pacs.url)
        for _ in range(MAX_FAILURES):
            assert pacs.stored() == []
            assert sender.deliver_due() == 0
            deliveries.retry(db, tuple(one.id for one in of(db, uids) if one.state == "pending"))
        sender.deliver_due()
        assert pacs.stored() == uids[1:]
    assert states(db, uids) == ["failed", "sent"]


@pytest.fixture
def pacs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pacs")


def test_orthanc_takes_a_result_set_and_gives_it_back_identical(
    db: Database, tmp_path: Path, pacs_folder: Path
) -> None:
    from tests.workers.results.studies import results_of_file
    from workers.results import encode

    made = {one.sop_instance_uid: encode(one) for one in results_of_file("examples_rgb_color.dcm")}
    assert max(map(len, made.values())) > 1_000_000  # it goes in chunks
    files = [tmp_path / f"{uid}.dcm" for uid in made]
    for file in files:
        file.write_bytes(made[file.stem])
    uids = waiting_set(db, tmp_path, files=files)
    with orthanc(pacs_folder, **dicomweb()) as pacs:
        deliver_all(deliverer(db, tmp_path, pacs.dicomweb))
        assert states(db, uids) == ["sent"] * len(uids)
        assert pacs.stored() == sorted(uids)
        assert {uid: pacs.file(uid) for uid in uids} == made
        with requests.Session() as session:  # and as a viewer reads it, by WADO-RS
            web = DICOMwebClient(pacs.dicomweb, session)
            back = web.retrieve_study(dcmread(files[0]).StudyInstanceUID)
    assert {one.SOPInstanceUID: one for one in back} == {f.stem: dcmread(f) for f in files}


def test_what_a_killed_orthanc_did_not_confirm_goes_when_it_is_back(
    db: Database, tmp_path: Path, pacs_folder: Path
) -> None:
    uids = waiting_set(db, tmp_path, captures=40)
    pacs = Orthanc(pacs_folder, **dicomweb())
    pacs.start()
    stop = threading.Event()
    sender = deliverer(db, tmp_path, pacs.dicomweb, retry_first=0.2, retry_cap=0.5)
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    try:
        until(lambda: "sent" in states(db, uids))
        pacs.kill()
        assert "pending" in states(db, uids)
        until(lambda: any("cannot be reached" in one.last_error for one in of(db, uids)))
        pacs.start()
        until(lambda: states(db, uids) == ["sent"] * len(uids))
        assert pacs.stored() == sorted(uids)
    finally:
        stop.set()
        thread.join()
        pacs.kill()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def confirmed(db: Database, data: Path, url: str) -> None:
    confirmer = deliverer(db, data, url, retry_first=0.001, retry_cap=0.001)._confirmer
    confirmer.confirm_due()


def test_orthanc_proves_by_a_search_what_it_keeps(
    db: Database, tmp_path: Path, pacs_folder: Path
) -> None:
    uids = waiting_set(db, tmp_path)
    with orthanc(pacs_folder, **dicomweb()) as pacs:
        deliver_all(deliverer(db, tmp_path, pacs.dicomweb))
        pacs.forget(uids[1])
        confirmed(db, tmp_path, pacs.dicomweb)
    assert states(db, uids) == ["confirmed", "sent", "confirmed"]
    assert of(db, uids)[1].last_error == "a query there does not show it"
    assert {one.confirmed_by for one in of(db, uids)} == {"query", ""}


@pytest.mark.parametrize(
    ("search", "said", "for_good"),
    [
        (Answer(405), "neither storage commitment nor a query", True),
        (Answer(404), "does not show it", False),
        (Answer(204), "does not show it", False),
        (Answer(500), "500 Internal Server Error", False),
        (Answer(200, b"<html>"), "without DICOM JSON", False),
        (Answer(200, b'[{"00080018": {"vr": "UI", "Value": ["1.2"]}}]'), "does not show it", False),
    ],
)
def test_a_search_that_shows_nothing_proves_nothing(
    db: Database, tmp_path: Path, search: Answer, said: str, for_good: bool
) -> None:
    uids = waiting_set(db, tmp_path, captures=1)
    with stow(search=search) as pacs:
        deliver_all(deliverer(db, tmp_path, pacs.url))
        confirmed(db, tmp_path, pacs.url)
    for one in of(db, uids):
        assert one.state == "sent"
        assert said in one.last_error
        assert (one.confirm_at is None) == for_good
