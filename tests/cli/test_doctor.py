"""The doctor sees what is wrong, says what to do, and calls a sound node sound."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from node import settings
from node.cli.checks import Finding, analysis, machine, network, records
from node.cli.demonstration.pacs import storage_scp
from node.settings import Settings
from tests import peers
from tests.cli.conftest import Node
from tests.cli.records import Night
from tests.dicomweb import CLOSES, Answer, stow
from tests.orthanc import dicomweb, orthanc


def test_the_records_of_a_bad_night_are_warned_of(filled: tuple[Node, Night]) -> None:
    node, night = filled
    known = settings.load(node.config)
    (run,) = records.runs(known)
    assert run.level == "warning"
    assert f"hepanode runs show {night.failed_run}" in run.advice
    (held,) = records.held(known)
    assert "1 study is held" in held.text
    failed, unknown = records.deliveries(known)
    assert "no presentation context" in failed.text
    assert "2 wait for archive, which is not configured any more" in unknown.text
    assert [f.level for f in (*records.database(known), *records.queue(known))] == ["ok", "ok"]


def test_a_run_that_nobody_takes_is_wrong(
    filled: tuple[Node, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, _ = filled
    node("studies", "reprocess", "1111")
    monkeypatch.setattr(records, "_IMPATIENT", 0.0)
    (queue,) = records.queue(settings.load(node.config))
    assert queue.level == "wrong"
    assert "1 run waits, 0 in progress" in queue.text


def test_a_sound_database_has_nothing_to_warn_of(node: Node) -> None:
    node("db", "upgrade")
    known = settings.load(node.config)
    found = [f for check in (records.runs, records.held, records.deliveries) for f in check(known)]
    assert {finding.level for finding in found} == {"ok"}


def test_a_missing_database_says_how_to_make_one(node: Node) -> None:
    (finding,) = records.database(settings.load(node.config))
    assert finding.level == "wrong"
    assert "hepanode db upgrade" in finding.advice


def test_the_data_folder_must_be_there(node: Node) -> None:
    known = settings.load(node.config)
    (missing,) = machine.data_folder(known)
    assert (missing.level, missing.advice) == ("wrong", "`hepanode up` makes it")
    known.data.mkdir()
    (there,) = machine.data_folder(known)
    assert there.level == "ok"


@pytest.mark.parametrize(("floor", "level"), [(1, "ok"), (10**9, "wrong")])
def test_free_space_is_held_against_the_floor(
    node: Node, monkeypatch: pytest.MonkeyPatch, floor: int, level: str
) -> None:
    monkeypatch.setenv("HEPANODE_STORAGE__MIN_FREE_MIB", str(floor))
    (finding,) = machine.disk(settings.load(node.config))
    assert finding.level == level


def test_peers_that_answer_are_timed_and_silent_ones_named(node: Node, tmp_path: Path) -> None:
    (silent,) = network.destinations(settings.load(node.config))
    assert silent.level == "wrong"
    assert silent.check == "to pacs"
    with storage_scp(tmp_path) as pacs:
        known = _with_destination(node, pacs.peer.port)
        (there,) = network.destinations(known)
    assert there.level == "ok"
    assert str(pacs.peer) in there.text


def _with_destination(node: Node, port: int) -> Settings:
    node.config.write_text(
        f"data = '{node.config.parent}'\n[[destinations]]\nname = 'pacs'\n"
        f"ae_title = 'DEMOPACS'\nhost = '127.0.0.1'\nport = {port}\n"
    )
    return settings.load(node.config)


@pytest.mark.parametrize(
    ("search", "level", "said"),
    [
        (Answer(body=b"[]"), "ok", "answers DICOMweb in"),
        (Answer(204), "ok", "answers DICOMweb in"),
        (Answer(405), "ok", "answers DICOMweb in"),
        (Answer(401), "wrong", "401 Unauthorized: check username and password, or token"),
        (Answer(404, b"<html>", {}), "wrong", "404 Not Found: check url"),
        (Answer(302, headers={"Location": "/login"}), "wrong", "it has moved"),
        (Answer(503), "wrong", "503 Service Unavailable"),
        (Answer(200, b"<html>", {"Content-Type": "text/html"}), "wrong", "is no DICOMweb service"),
        (CLOSES, "wrong", "gives no whole answer"),
    ],
)
def test_a_service_is_asked_over_dicomweb(
    node: Node, search: Answer, level: str, said: str
) -> None:
    with stow(search=search) as pacs:
        (found,) = network.destinations(_with_service(node, pacs.url))
        assert (pacs.signed_in, pacs.asked) == (["Bearer secret"], [])
    assert found.level == level
    assert found.text.startswith(pacs.url)
    assert said in found.text
    assert "secret" not in found.text + found.advice


def test_a_silent_service_is_named(node: Node) -> None:
    (found,) = network.destinations(_with_service(node, f"http://127.0.0.1:{peers.free_port()}"))
    assert found.level == "wrong"
    assert "cannot be reached" in found.text
    assert "results wait" in found.advice


def test_a_password_that_everybody_on_the_way_can_read_is_warned_of(node: Node) -> None:
    *_, warned = network.destinations(_with_service(node, "http://no..host"))
    assert (warned.level, warned.advice) == ("warning", "use a url that begins with https://")


def test_orthanc_answers_over_dicomweb(node: Node, tmp_path: Path) -> None:
    with orthanc(tmp_path / "pacs", **dicomweb()) as pacs:
        (found,) = network.destinations(_with_service(node, pacs.dicomweb))
        (lost,) = network.destinations(_with_service(node, f"{pacs.dicomweb}/elsewhere"))
    assert found.level == "ok"
    assert lost.level == "wrong"


def _with_service(node: Node, url: str) -> Settings:
    node.config.write_text(
        f"data = '{node.config.parent}'\n[[destinations]]\nname = 'pacs'\n"
        f"url = '{url}'\ntoken = 'secret'\ntimeout = 5\n"
    )
    return settings.load(node.config)


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_a_broker_is_reached(node: Node, monkeypatch: pytest.MonkeyPatch, broker: str) -> None:
    monkeypatch.setenv("HEPANODE_BROKER__URL", peers.require(broker))
    (finding,) = network.broker(settings.load(node.config))
    assert finding.level == "ok", finding.text


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_is_away_is_named_without_its_password(
    node: Node, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    url = f"{scheme}://user:secret@127.0.0.1:{peers.free_port()}"
    monkeypatch.setenv("HEPANODE_BROKER__URL", url)
    (finding,) = network.broker(settings.load(node.config))
    assert finding.level == "wrong"
    assert "secret" not in finding.text


def test_a_damaged_model_is_named(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.registry import SHIPPED

    damaged = tmp_path / "bundles" / "lesion-attention"
    damaged.mkdir(parents=True)
    (damaged / "card.toml").write_bytes((SHIPPED / damaged.name / "card.toml").read_bytes())
    (damaged / "model.safetensors").write_bytes(b"not the weights")
    monkeypatch.setenv("HEPANODE_ANALYSIS__BUNDLE_FOLDERS", json.dumps([str(damaged.parent)]))
    lesion, *others = analysis.models(settings.load(node.config))
    assert lesion.level == "wrong"
    assert "damaged or exchanged" in lesion.text
    assert len(others) == 6
    assert {other.level for other in others} == {"ok"}


def test_a_stopped_node_is_called_wrong_with_what_to_do(node: Node) -> None:
    node("db", "upgrade")
    command = [sys.executable, "-m", "node.cli", "doctor", "--config", str(node.config)]
    asked = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=90)
    assert asked.returncode == 1
    found = [Finding(**finding) for finding in json.loads(asked.stdout)]
    wrong = {finding.check: finding.advice for finding in found if finding.level == "wrong"}
    assert set(wrong) == {"receiver", "to pacs"}
    assert "hepanode up" in wrong["receiver"]
    checks = {finding.check for finding in found}
    assert checks >= {"database", "broker", "disk", "data folder", "device", "model", "queue"}
