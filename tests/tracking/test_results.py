"""Result sets: whole, once per key, with versions and predecessors."""

from node.tracking import Database, NewResult, deliveries, results, runs
from tests.tracking.arrivals import KO, SR, STUDY, at, finish, finished_run, reprocessed


def _reprocess(db: Database, key: str, version: int) -> None:
    assert finish(db, reprocessed(db), key, version)


def _named(db: Database, version: int) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (one.series_instance_uid, one.sop_class_uid, one.sop_instance_uid)
        for one in results.of_study(db, STUDY)
        if one.version == version
    )


def test_results_deliveries_and_the_runs_end_appear_together(db: Database) -> None:
    run_id = finished_run(db).run_id
    run = runs.get(db, run_id)
    assert (run.state, run.result_key, run.timings) == ("done", "k1", {"lesion": 1.5})
    assert [one.kind for one in results.of_study(db, STUDY)] == ["heatmap", "report"]
    sent_to = {(one.kind, one.destination) for one in deliveries.list_deliveries(db)}
    assert sent_to == {("heatmap", "pacs"), ("report", "pacs"), ("report", "archive")}


def test_the_same_key_again_makes_nothing_new(db: Database) -> None:
    claimed = finished_run(db)
    lineage = results.lineage(db, claimed.study_id, "k1")
    assert (lineage.exists, lineage.version, lineage.predecessors) == (True, 1, ())
    _reprocess(db, "k1", 1)
    assert len(results.of_study(db, STUDY)) == 2
    assert len(deliveries.list_deliveries(db)) == 3


def test_a_kind_that_is_asked_for_later_goes_with_the_next_run_of_the_same_key(
    db: Database,
) -> None:
    finished_run(db)
    (known,) = deliveries.list_deliveries(db, destination="archive")
    deliveries.sent(db, known.id, 0)
    before = deliveries.list_deliveries(db)
    wanted = {"pacs": ("report",), "archive": ("heatmap", "report"), "new": ("report",)}
    for _ in range(2):
        assert results.finish(
            db,
            reprocessed(db),
            result_key="k1",
            version=1,
            objects=(),
            destinations=wanted,
            snapshot={},
            timings={},
            now=at(40),
        )
    found = deliveries.list_deliveries(db)
    added = [one for one in found if one not in before]
    assert {(one.destination, one.kind, one.state) for one in added} == {
        ("archive", "heatmap", "pending"),
        ("new", "report", "pending"),
    }
    assert len(found) == len(before) + 2


def test_a_new_key_is_the_next_version_and_names_the_report_before(db: Database) -> None:
    claimed = finished_run(db)
    lineage = results.lineage(db, claimed.study_id, "k2")
    assert (lineage.exists, lineage.version) == (False, 2)
    assert lineage.predecessors == ((SR, f"{STUDY}.9.1.2.1"),)
    assert lineage.replaced == _named(db, 1)
    _reprocess(db, "k2", 2)
    assert [one.version for one in results.of_study(db, STUDY)] == [1, 1, 2, 2]


def test_what_was_made_before_another_set_is_made_again_under_a_key_of_its_own(
    db: Database,
) -> None:
    """A setting that is changed and changed back: the newest report in the PACS would be wrong."""
    study_id = finished_run(db).study_id
    _reprocess(db, "k2", 2)
    back = results.lineage(db, study_id, "k1")
    assert (back.exists, back.version) == (False, 3)
    assert len(back.key) == 64
    assert back.replaced == _named(db, 1) + _named(db, 2)
    assert back.predecessors == tuple(
        (one.sop_class_uid, one.sop_instance_uid)
        for one in results.of_study(db, STUDY)
        if one.version == 2 and one.kind == "report"
    )
    _reprocess(db, back.key, 3)
    again = results.lineage(db, study_id, "k1")
    assert (again.key, again.exists, again.version) == (back.key, True, 3)
    assert (again.predecessors, again.replaced) == (back.predecessors, back.replaced)
    forth = results.lineage(db, study_id, "k2")
    assert (forth.exists, forth.version) == (False, 4)
    assert forth.key not in {"k1", "k2", back.key}


def test_a_rejection_note_is_never_rejected(db: Database) -> None:
    """That would take back what it says."""
    study_id = finished_run(db).study_id
    claimed = reprocessed(db)
    note = NewResult("rejection", KO, "1.9", "1.9.1", "results/1.9.1.dcm", 10)
    assert results.finish(
        db,
        claimed,
        result_key="k2",
        version=2,
        objects=[note],
        destinations={},
        snapshot={},
        timings={},
    )
    assert results.lineage(db, study_id, "k3").replaced == _named(db, 1)
