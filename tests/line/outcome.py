"""What must hold of a PACS and a node when the dust has settled."""

from __future__ import annotations

from io import BytesIO
from itertools import groupby
from typing import Protocol, get_args

from pydicom import Dataset, dcmread

from node.settings import ResultKind
from node.tracking import Result
from tests.line.node import Node
from tests.orthanc import Orthanc


class Stores(Protocol):
    """A PACS that can be asked what it holds."""

    def stored(self) -> list[str]: ...


def assert_pacs_agrees(node: Node, pacs: Stores) -> None:
    """The PACS holds the node's results, no object more or less, each set once and whole.

    Every run ended in a set that has one report, after which only a rejection note is delivered.
    """
    recorded = all_results(node)
    assert sorted(result.sop_instance_uid for result in recorded) == sorted(pacs.stored())
    for _, versions in groupby(recorded, key=lambda result: result.study_instance_uid):
        for number, (_, group) in enumerate(groupby(versions, key=lambda r: r.version), start=1):
            made = list(group)
            assert {result.version for result in made} == {number}
            assert len({result.result_key for result in made}) == 1
            kinds = [result.kind for result in made]
            assert kinds == sorted(kinds, key=get_args(ResultKind).index)
            assert kinds.count("report") == 1
    assert_report_sent_last(node)


def assert_report_sent_last(node: Node) -> None:
    sent = [delivery for delivery in node.deliveries() if delivery.sent_at is not None]
    for report in [delivery for delivery in sent if delivery.kind == "report"]:
        assert report.sent_at is not None
        for other in sent:
            if (other.run_id, other.destination) == (report.run_id, report.destination):
                assert other.sent_at is not None
                if other.kind == "rejection":
                    assert other.sent_at > report.sent_at
                else:
                    assert other.sent_at <= report.sent_at


def all_results(node: Node) -> list[Result]:
    """The results of all studies, study by study, oldest version first."""
    studies = sorted({run.study_instance_uid for run in node.runs()})
    return [result for study in studies for result in node.results(study)]


def reports(node: Node, study: str) -> list[Result]:
    """A study's reports, oldest version first."""
    return [result for result in node.results(study) if result.kind == "report"]


def at_pacs(pacs: Orthanc, result: Result) -> Dataset:
    """A result as the PACS would show it."""
    return dcmread(BytesIO(pacs.file(result.sop_instance_uid)))
