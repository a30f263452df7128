"""The compose file: the program's own commands and settings, and sane relations between parts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest

from node.association.receiver import STOP_SECONDS
from node.tracking import Database
from tests.deploy.files import (
    DEPLOY,
    ROOT,
    assert_hepanode_command,
    compose,
    hepanode_in_shell,
    load,
    stages,
)

SERVICES: dict[str, dict[str, Any]] = compose()["services"]
OWN = sorted(name for name, one in SERVICES.items() if one["image"].startswith("hepanode/"))


def seconds(text: str) -> int:
    amount, unit = re.fullmatch(r"(\d+)([sm])", text).groups()  # type: ignore[union-attr]
    return int(amount) * {"s": 1, "m": 60}[unit]


def test_the_scaled_form_is_complete() -> None:
    commands = {SERVICES[name]["command"][1] for name in OWN}
    assert commands == {"db", "receiver", "dispatcher", "worker"}
    assert {"postgres", "redis", "orthanc"} <= set(SERVICES)


@pytest.mark.parametrize("name", OWN)
def test_service_runs_a_command_of_the_program(name: str) -> None:
    assert_hepanode_command(SERVICES[name]["command"])
    match SERVICES[name].get("healthcheck", {}).get("test"):
        case ["CMD-SHELL", line]:
            assert_hepanode_command(hepanode_in_shell(line))
        case other:
            assert other is None


@pytest.mark.parametrize("name", OWN)
def test_service_environment_is_a_configuration(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, DEPLOY / "hepanode.toml", SERVICES[name]["environment"])
    db = Database(settings.database_url)
    assert db.url.host in SERVICES
    assert db.url.username == SERVICES["postgres"]["environment"]["POSTGRES_USER"]
    assert db.url.database == SERVICES["postgres"]["environment"]["POSTGRES_DB"]
    assert settings.broker.url.startswith("redis://redis:")
    assert {one.host for one in settings.destinations} <= set(SERVICES)
    if name != "db-upgrade":
        assert settings.receiver.host in {"0.0.0.0", "receiver"}


@pytest.mark.parametrize("name", OWN)
def test_service_is_built_from_a_stage_of_the_dockerfile(name: str) -> None:
    build = SERVICES[name]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    assert build["target"] in stages()
    assert SERVICES[name]["image"].startswith(f"hepanode/{build['target']}:")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_mounts_and_dependencies_exist(name: str) -> None:
    service = SERVICES[name]
    for volume in service.get("volumes", ()):
        source = volume.partition(":")[0]
        exists = (DEPLOY / source).is_file() if source[0] == "." else source in compose()["volumes"]
        assert exists, volume
    for other, wanted in service.get("depends_on", {}).items():
        healthy = wanted["condition"] == "service_healthy"
        assert not healthy or "test" in SERVICES[other]["healthcheck"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_service_comes_back_after_a_restart_of_the_machine(name: str) -> None:
    oneshot = name == "db-upgrade"
    assert SERVICES[name]["restart"] == ("on-failure" if oneshot else "unless-stopped")


def test_work_in_progress_is_let_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = load(monkeypatch, DEPLOY / "hepanode.toml", {}).analysis.time_limit
    for name in OWN:
        match SERVICES[name]["command"][1]:
            case "worker":
                assert seconds(SERVICES[name]["stop_grace_period"]) > limit
            case "receiver":
                assert seconds(SERVICES[name]["stop_grace_period"]) > STOP_SECONDS + 5


def test_gpu_worker_has_one_gpu_for_itself() -> None:
    (device,) = SERVICES["worker-0"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["device_ids"] == ["0"]
    assert device["capabilities"] == ["gpu"]


def test_only_the_receiver_is_reachable_from_other_machines() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert name == "receiver" or port.startswith("127.0.0.1:"), port


def test_the_pacs_is_the_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    (destination,) = load(monkeypatch, DEPLOY / "hepanode.toml", {}).destinations
    pacs = json.loads((DEPLOY / "orthanc.json").read_text())
    assert (destination.ae_title, destination.port) == (pacs["DicomAet"], pacs["DicomPort"])


def test_example_environment_names_every_variable_of_the_compose_file() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+)", text)) - {"HEPANODE_VERSION"}
    lines = (DEPLOY / "environment.example").read_text().splitlines()
    given = {line.partition("=")[0] for line in lines if line and line[0] != "#"}
    assert given == asked | {"COMPOSE_PROFILES"}
    profiles = {profile for one in SERVICES.values() for profile in one.get("profiles", ())}
    assert profiles == {"gpu", "cpu"}


def test_docker_compose_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True).returncode
    ):
        pytest.skip("docker compose is not here")
    given = {**os.environ, "POSTGRES_PASSWORD": "given", "ORTHANC_PASSWORD": "given"}
    done = subprocess.run(
        [docker, "compose", "--profile", "gpu", "--profile", "cpu", "config", "--quiet"],
        cwd=DEPLOY,
        env=given,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
