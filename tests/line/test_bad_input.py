"""Every bad input of ``tests.bad_input`` goes over DICOM into one running node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset

from node.association.peer import Peer
from node.association.sender import Sent, send
from node.tracking import Run, instances
from tests.bad_input import BAD_INPUTS
from tests.line.modality import new_study, study_of
from tests.line.node import Node, running
from tests.line.outcome import assert_pacs_agrees, at_pacs, reports
from tests.orthanc import Orthanc, orthanc
from tests.workers.results.tools import items
from workers.findings import EXPLANATION, Reason
from workers.results import codes

pytestmark = [
    pytest.mark.timeout(500),
    pytest.mark.filterwarnings("ignore:Unknown encoding:UserWarning"),  # as the inputs want it
    pytest.mark.filterwarnings("ignore:Invalid value for VR UI:UserWarning"),
]

NOT_ANALYSED = {
    "truncated": Reason.UNDECODABLE,
    "truncated_jpeg": Reason.UNDECODABLE,
    "no_pixel_data": Reason.NO_PIXELS,
    "zero_frames": Reason.UNREADABLE,
    "unsupported_codec": Reason.UNSUPPORTED_CODEC,
    "decompression_bomb": Reason.TOO_LARGE,
    "bomb_in_the_header": Reason.TOO_LARGE,
    "deflate_bomb": Reason.TOO_LARGE,
    "lying_size": Reason.UNREADABLE,
    "lying_size_jpeg": Reason.UNREADABLE,
    "no_rows": Reason.UNREADABLE,
    "non_ultrasound": Reason.NOT_ULTRASOUND,
    "only_reports": Reason.NOT_AN_IMAGE,
}
PARTLY = {
    "cine_900": Reason.NOT_SAMPLED,
    "ybr_partial_420": Reason.NOT_SAMPLED,
    "lying_frames": Reason.UNREADABLE,
}


@dataclass(frozen=True)
class Site:
    """A node that was sent all bad inputs, and what became of each by its name."""

    node: Node
    pacs: Orthanc
    sent: dict[str, Sent]
    runs: dict[str, Run]
    reports: dict[str, Dataset]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, analysis: str) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("bad")
    files = {name: make(folder) for name, make in BAD_INPUTS.items()}
    with orthanc(folder / "pacs") as pacs:
        node = Node(folder / "node", pacs=[pacs], extra=analysis + "max_decoded_mib = 128\n")
        with running(node, "up"):
            outcomes = send(files.values(), Peer("HEPANODE", "127.0.0.1", node.port))
            sent = dict(zip(files, outcomes, strict=True))
            names = {one.sop_instance_uid: name for name, one in sent.items() if one.accepted}
            ended = node.until(node.runs_ended(len(names)), seconds=240)
            node.until(node.all_sent)
            with node.database() as db:  # as the node sees it: some are a burden to parse
                stored = {
                    run.study_instance_uid: names[one.sop_instance_uid]
                    for run in ended
                    for one in instances.list_of(db, run.study_instance_uid)
                }
            yield Site(
                node,
                pacs,
                sent,
                {stored[run.study_instance_uid]: run for run in ended},
                {
                    name: at_pacs(pacs, report)
                    for study, name in stored.items()
                    for report in reports(node, study)
                },
            )


def test_the_sender_of_every_bad_input_gets_a_clear_status(site: Site) -> None:
    assert {name: sent.status for name, sent in site.sent.items()} == dict.fromkeys(BAD_INPUTS, 0)


def test_the_node_lives_on(site: Site, tmp_path: Path) -> None:
    assert site.node.listens()
    assert "died" not in site.node.logs()
    assert "is started again" not in site.node.logs()


def test_no_patient_is_named_in_a_log(site: Site) -> None:
    logs = site.node.logs()
    assert "is complete: run" in logs
    assert [word for word in ("BAD-INPUT", "Bad^Input", "Bad Input") if word in logs] == []


def test_every_study_that_was_stored_ends_with_a_report_at_the_pacs(site: Site) -> None:
    assert {name: run.state for name, run in site.runs.items()} == dict.fromkeys(
        BAD_INPUTS, "done"
    ), {name: run.error for name, run in site.runs.items() if run.error}
    assert set(site.reports) == set(BAD_INPUTS)
    assert_pacs_agrees(site.node, site.pacs)


@pytest.mark.parametrize("name", NOT_ANALYSED)
def test_what_cannot_be_analysed_is_said_with_its_reason(site: Site, name: str) -> None:
    snapshot = site.runs[name].snapshot
    assert snapshot is not None
    assert snapshot["frames"] == []
    assert {drop["reason"] for drop in snapshot["dropped"]} == {NOT_ANALYSED[name]}
    assert Reason.NO_FRAMES in {one["reason"] for one in snapshot["findings"]["abstentions"]}
    assert names_reason(site.reports[name], NOT_ANALYSED[name])


@pytest.mark.parametrize("name", PARTLY)
def test_what_is_analysed_in_part_says_what_was_left_out(site: Site, name: str) -> None:
    snapshot = site.runs[name].snapshot
    assert snapshot is not None
    assert len(snapshot["frames"]) >= 1
    assert {drop["reason"] for drop in snapshot["dropped"]} == {PARTLY[name]}
    assert names_reason(site.reports[name], PARTLY[name])


@pytest.mark.parametrize("name", sorted({*BAD_INPUTS} - {*NOT_ANALYSED} - {*PARTLY}))
def test_what_is_only_rare_is_analysed(site: Site, name: str) -> None:
    snapshot = site.runs[name].snapshot
    assert snapshot is not None
    assert len(snapshot["frames"]) == 1
    assert snapshot["dropped"] == []


def names_reason(report: Dataset, reason: Reason) -> bool:
    """Whether the report has it among what was not analysed, as a code or in a sentence."""
    code = codes.REASON.get(reason)
    said = {str(found.CodeMeaning) for item in items(report) for found in item.get(_VALUE, ())} | {
        str(item.get("TextValue")) for item in items(report)
    }
    return (code.meaning if code is not None else EXPLANATION[reason]) in said


_VALUE = "ConceptCodeSequence"


def test_a_study_with_two_patients_is_held_and_shown_with_the_reason(
    site: Site, tmp_path: Path
) -> None:
    (first,) = new_study(tmp_path, PatientID="ONE")
    study = study_of(first)
    (second,) = new_study(tmp_path, study_uid=study, PatientID="TWO")
    site.node.send(first, second)
    shown = site.node.until(lambda: held(site.node, study))
    assert "2 different Patient IDs under one Study Instance UID" in shown
    assert not {"ONE", "TWO"} & set(re.findall(r"\w+", site.node.logs()))
    assert study not in {run.study_instance_uid for run in site.node.runs()}
    refused = site.node.cli("studies", "reprocess", study)
    assert refused.returncode != 0
    assert "is held" in refused.stderr


def held(node: Node, study: str) -> str:
    """What ``hepanode studies show`` says once the study is held."""
    done = node.cli("studies", "show", study)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    return said if "held" in said else ""
