"""The systemd units: accepted by systemd, hardened, with the program's commands and settings."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from node.association.receiver import STOP_SECONDS
from tests.deploy.files import DEPLOY, assert_hepanode_command, load, unit_values, units

COMMON = DEPLOY / "systemd" / "hepanode-.service.d" / "common.conf"
UNITS = sorted(units(), key=lambda path: path.name)
_MOST_EXPOSED = 25  # of 100, as `systemd-analyze security` counts; an ordinary service has 96


def systemd_analyze() -> str:
    return shutil.which("systemd-analyze") or pytest.skip("systemd-analyze is not here")


def version(program: str) -> int:
    text = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    return int(text.split()[1].partition(".")[0])


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A unit folder whose units run the program of this environment."""
    folder = tmp_path / "units"
    shutil.copytree(DEPLOY / "systemd", folder)
    program = Path(sys.executable).with_name("hepanode")
    for unit in folder.glob("*.service"):
        unit.write_text(unit.read_text().replace("/opt/hepanode/bin/hepanode", str(program)))
    return folder


def names(folder: Path) -> list[str]:
    """Every unit, the template as its first instance."""
    return [
        str(folder / path.name.replace("@.", "@0."))
        for path in (*UNITS, DEPLOY / "systemd" / "hepanode.target")
    ]


def test_systemd_accepts_the_units(installed: Path) -> None:
    program = systemd_analyze()
    done = subprocess.run(
        [program, "verify", "--man=no", *names(installed)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{installed}:"},
        capture_output=True,
        text=True,
    )
    said = [line for line in done.stderr.splitlines() if "hepanode" in line]
    if version(program) < 254:
        said = [line for line in said if not re.search("RestartSteps|RestartMaxDelaySec", line)]
    assert said == []
    assert done.returncode == 0, done.stderr


def test_services_are_hardened(installed: Path) -> None:
    program = systemd_analyze()
    if version(program) < 250:
        pytest.skip("systemd-analyze security reads no files before version 250")
    for unit in names(installed)[:-1]:
        done = subprocess.run(
            [program, "security", "--offline=yes", f"--threshold={_MOST_EXPOSED}", unit],
            env={**os.environ, "SYSTEMD_UNIT_PATH": f"{installed}:", "SYSTEMD_PAGER": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-400:] + done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_service_runs_a_command_of_the_program(unit: Path) -> None:
    (command,) = unit_values(unit, "ExecStart")
    assert_hepanode_command(shlex.split(command))
    assert not unit_values(unit, "User"), "common.conf says who"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_service_environment_is_a_configuration(
    unit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assignments = unit_values(COMMON, "Environment") + unit_values(unit, "Environment")
    given = dict(one.replace("%i", "1").split("=", 1) for one in assignments)
    assert given["HEPANODE_CONFIG"] == "/etc/hepanode/hepanode.toml"
    settings = load(monkeypatch, DEPLOY / "systemd" / "hepanode.toml", given)
    (folder,) = unit_values(COMMON, "StateDirectory")
    assert settings.data == Path("/var/lib") / folder
    if "worker" in unit.name:
        assert settings.analysis.device == "cuda:1"


def test_work_in_progress_is_let_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, DEPLOY / "systemd" / "hepanode.toml", {})
    needed = {"worker@": settings.analysis.time_limit, "receiver": STOP_SECONDS + 5}
    for name, seconds in needed.items():
        unit = DEPLOY / "systemd" / f"hepanode-{name}.service"
        assert float(unit_values(unit, "TimeoutStopSec")[0]) > seconds
        assert unit_values(unit, "KillSignal") == ["SIGTERM"]


def test_services_that_run_are_always_started_again() -> None:
    for unit in UNITS:
        oneshot = unit_values(unit, "Type") == ["oneshot"]
        assert unit_values(unit, "Restart") == ["on-failure" if oneshot else "always"]
        assert unit_values(unit, "StartLimitIntervalSec") == ["0"], "or systemd gives up"


def test_the_worker_can_see_its_gpu() -> None:
    """PrivateDevices= hides it, and so does ProtectClock=, which implies a DeviceAllow=."""
    worker = DEPLOY / "systemd" / "hepanode-worker@.service"
    for key in ("PrivateDevices", "ProtectClock", "DevicePolicy", "DeviceAllow"):
        assert unit_values(worker, key) == unit_values(COMMON, key) == []
