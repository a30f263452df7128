"""Any order, repetition or loss of deliveries ends in the same set of objects at the PACS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.uid import ComprehensiveSRStorage, EnhancedSRStorage

from node.dispatch import Deliverer
from node.dispatch.older_form import form_uid
from node.settings import Destination, Settings
from node.storage import InstanceStore
from node.tracking import Database, deliveries, results, runs, studies
from node.tracking.schema import deliveries as rows
from tests.dispatch.archive import FAULTS, Archive, Service, entity, service
from tests.dispatch.sets import a_file, claimed_run, result_of
from tests.tracking.arrivals import SC, SR

_NUMBERS = count(1)
CAPTURES = 2


class Died(BaseException):
    """A dispatcher was killed."""


class Mortal:
    """The database of a dispatcher that is killed before its transaction number ``lives``."""

    def __init__(self, db: Database, lives: int) -> None:
        self._db = db
        self._lives = lives

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        if self._lives == 0:
            raise Died
        self._lives -= 1
        with self._db.writing() as connection:
            yield connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class World:
    """A study whose versions go to one destination, and what its peer keeps."""

    def __init__(self, db: Database, data: Path, pacs: Archive, way: str = "well") -> None:
        self.db, self.data, self.pacs, self.way = db, data, pacs, way
        self.name = f"pacs-{next(_NUMBERS)}"
        self.versions: list[list[Path]] = []
        self.forms: dict[int, list[str]] = {}  # UIDs of each result, the original first
        self.once_refused: set[int] = set()
        InstanceStore(data).prepare()
        pacs.begin()
        pacs.calls = {"is overtaken": self._overtaken}
        claim = claimed_run(db)
        self.study = claim.study_instance_uid
        self.finish(claim)

    def finish(self, claim: Any) -> None:
        """The run's results: another version."""
        kinds = [*["heatmap"] * CAPTURES, "report"]
        files = [a_file(self.data, SR if k == "report" else SC, study=self.study) for k in kinds]
        if self.versions:
            _name_predecessor(files[-1], self.versions[-1][-1])
        self.versions.append(files)
        assert results.finish(
            self.db,
            claim,
            result_key=f"any-{next(_NUMBERS)}",
            version=len(self.versions),
            objects=[result_of(*one) for one in zip(files, kinds, strict=True)],
            destinations={self.name: ("heatmap", "report")},
            snapshot={},
            timings={},
        )

    def deliver(self, way: str = "", *, lives: int | None = None) -> float:
        destination = Destination.model_validate(
            {
                "name": self.name,
                "timeout": 5,
                "retry_first": 300,
                "confirm": "none",
                **self.pacs.ways[way or self.way],
            }
        )
        db: Any = self.db if lives is None else Mortal(self.db, lives)
        configured = Settings(data=self.data, destinations=(destination,))
        return Deliverer(configured, destination, db).deliver_due()

    def _overtaken(self) -> None:
        """While the PACS takes its time, the lease runs out and another dispatcher delivers."""
        self.passes(1)
        self.deliver()

    def passes(self, minutes: int) -> None:
        """In one the leases of the dead have run out, in sixty what was postponed is due."""
        with self.db.writing() as connection:
            for row in connection.execute(sa.select(rows).where(rows.c.destination == self.name)):
                connection.execute(
                    sa.update(rows)
                    .where(rows.c.id == row.id)
                    .values(
                        next_attempt_at=row.next_attempt_at - timedelta(minutes=minutes),
                        lease_until=row.lease_until
                        and row.lease_until - timedelta(minutes=minutes),
                    )
                )

    def ids(self, *states: str) -> list[int]:
        found = deliveries.list_deliveries(self.db, destination=self.name)
        return sorted(one.id for one in found if not states or one.state in states)

    def note(self) -> None:
        """What is forgotten later: the forms of each result, and that it was refused."""
        for one in deliveries.list_deliveries(self.db, destination=self.name):
            known = self.forms.setdefault(one.result_id, [])
            if one.sop_instance_uid not in known:
                known.append(one.sop_instance_uid)
            if one.state in ("failed", "refused"):
                self.once_refused.add(one.result_id)

    def end_well(self) -> None:
        self.pacs.faults.clear()
        for _ in range(20):
            self.passes(60)
            deliveries.retry(self.db, tuple(self.ids()))
            while self.deliver() == 0:
                self.note()
            if not self.ids("pending", "failed", "refused"):
                return
        raise AssertionError(deliveries.list_deliveries(self.db, destination=self.name))


def _name_predecessor(report: Path, before: Path) -> None:
    dataset, earlier = dcmread(report), dcmread(before)
    study, series, reference = Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPClassUID = earlier.SOPClassUID
    reference.ReferencedSOPInstanceUID = earlier.SOPInstanceUID
    series.SeriesInstanceUID = earlier.SeriesInstanceUID
    series.ReferencedSOPSequence = [reference]
    study.StudyInstanceUID = earlier.StudyInstanceUID
    study.ReferencedSeriesSequence = [series]
    dataset.PredecessorDocumentsSequence = [study]
    dataset.save_as(report)


@dataclass(frozen=True)
class Deliver:
    """One attempt. faults : of the objects that it sends, in order; lives : transactions until the
    dispatcher is killed."""

    way: str
    faults: tuple[str, ...] = ()
    lives: int | None = None

    def __call__(self, world: World) -> None:
        world.pacs.faults[:] = self.faults
        with suppress(Died):
            world.deliver(self.way, lives=self.lives)


@dataclass(frozen=True)
class TwoAtOnce:
    def __call__(self, world: World) -> None:
        pair = [threading.Thread(target=world.deliver) for _ in range(2)]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join()


@dataclass(frozen=True)
class Passes:
    minutes: int

    def __call__(self, world: World) -> None:
        world.passes(self.minutes)


@dataclass(frozen=True)
class Retry:
    """An operator's word, on the deliveries of these numbers or, without any, on all."""

    which: tuple[int, ...]

    def __call__(self, world: World) -> None:
        ids = world.ids()
        chosen = {ids[number % len(ids)] for number in self.which} or ids
        deliveries.retry(world.db, tuple(chosen))


@dataclass(frozen=True)
class Reprocess:
    def __call__(self, world: World) -> None:
        run_id = studies.reprocess(world.db, world.study)
        assert run_id in runs.publishable(world.db, window=1000, republish_seconds=600)
        claim = runs.claim(world.db, run_id, worker="w/1", lease_seconds=600)
        assert claim is not None
        world.finish(claim)


def actions(faults: tuple[str, ...], ways: tuple[str, ...]) -> st.SearchStrategy[list[Any]]:
    met = st.lists(st.sampled_from(("", "is overtaken", *faults)), max_size=3).map(tuple)
    one = st.one_of(
        st.builds(
            Deliver,
            st.sampled_from(ways),
            met,
            st.none() | st.integers(0, 8),
        ),
        st.builds(Passes, st.sampled_from((1, 60))),
        st.builds(Retry, st.lists(st.integers(0, 8), max_size=2).map(tuple)),
        st.just(TwoAtOnce()),
        st.just(Reprocess()),
    )
    return st.lists(one, min_size=2, max_size=8)


COURSE = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def aet() -> Iterator[Archive]:
    with entity() as pacs:
        yield pacs


@pytest.fixture(scope="module")
def web() -> Iterator[Archive]:
    with service() as pacs:
        yield pacs


REPORT, NEXT_REPORT = CAPTURES, 2 * CAPTURES + 1
A_REPORT_IS_RETRIED_ALONE = [Deliver("away"), Retry((REPORT,)), Deliver("well")]
KILLED_WHILE_IT_POSTPONES = [Deliver("well", ("is full",), 2), Passes(1), Deliver("well")]
THE_PREDECESSOR_COMES_LATER = [
    *(Deliver("old"), Deliver("old", ("refuses",)), Reprocess()),
    *(Deliver("old"), Deliver("old", ("keeps and breaks off",)), Passes(60)),
    *(Deliver("old", ("refuses",)), Retry((REPORT,)), Deliver("old"), Deliver("old")),
    *(Retry((NEXT_REPORT,)), Deliver("old"), Deliver("old")),
]


@COURSE
@example(course=A_REPORT_IS_RETRIED_ALONE)
@example(course=KILLED_WHILE_IT_POSTPONES)
@example(course=THE_PREDECESSOR_COMES_LATER)
@given(course=actions(FAULTS, ("well", "well", "old", "away")))
def test_by_c_store(db: Database, tmp_path: Path, aet: Archive, course: list[Any]) -> None:
    take_course(World(db, tmp_path, aet), course)


@settings(COURSE, max_examples=10)
@example(course=THE_PREDECESSOR_COMES_LATER)
@given(course=actions(FAULTS, ("old", "old", "away")))
def test_by_c_store_to_one_of_old(
    db: Database, tmp_path: Path, aet: Archive, course: list[Any]
) -> None:
    world = World(db, tmp_path, aet, "old")
    take_course(world, course)
    kept: set[str] = set()
    for *pictures, report in world.versions:
        kept |= {one.stem for one in pictures}
        kept.add(form_uid(report.stem, ComprehensiveSRStorage))
    assert set(world.pacs.kept) == kept


@COURSE
@example(course=A_REPORT_IS_RETRIED_ALONE)
@example(course=KILLED_WHILE_IT_POSTPONES)
@given(course=actions(Service.faults_known, ("well", "well", "away")))
def test_by_stow(db: Database, tmp_path: Path, web: Archive, course: list[Any]) -> None:
    take_course(World(db, tmp_path, web), course)


def take_course(world: World, course: list[Any]) -> None:
    world.note()
    for action in course:
        action(world)
        world.note()
    world.end_well()
    found = deliveries.list_deliveries(world.db, destination=world.name)
    assert {one.state for one in found} == {"sent"}
    kept = world.pacs.kept
    assert set(kept) <= {uid for uids in world.forms.values() for uid in uids}
    for made, *forms in world.forms.values():
        assert set(forms) <= {
            form_uid(made, one) for one in (ComprehensiveSRStorage, EnhancedSRStorage)
        }
    if world.way == "well" and not refuses_classes(course):
        assert set(kept) == {uid for uid, *_ in world.forms.values()}
    for one in found:
        assert one.sop_instance_uid in kept
        digest = world.pacs.digest(world.data / one.path)
        assert world.pacs.digests(one.sop_instance_uid) == {digest}
    results = sorted(world.forms)
    for first in range(0, len(results), CAPTURES + 1):
        *pictures, report = results[first : first + CAPTURES + 1]
        last = max(at for at, uid in enumerate(kept) if uid in world.forms[report])
        for picture in pictures:
            if picture not in world.once_refused:
                assert kept.index(world.forms[picture][0]) < last, "the report came first"


def refuses_classes(course: list[Any]) -> bool:
    return any(
        one.way == "old" or "refuses the class" in one.faults
        for one in course
        if isinstance(one, Deliver)
    )
