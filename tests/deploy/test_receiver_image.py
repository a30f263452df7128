"""The receiver's image without a Docker engine: an environment of only the packages it gets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.deploy.files import DEPLOY, ROOT, stages
from tests.deploy.test_container import copied, lock, names
from tests.peers import free_port


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the image's packages and the installed program."""
    folder = tmp_path_factory.mktemp("image")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    for name in lock() - names("not-in-images.txt") - names("not-in-receiver.txt"):
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            continue  # for another version of Python
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            place = Path(str(distribution(name).locate_file(top)))
            if not (packages / top).exists():
                (packages / top).symlink_to(place)
    source = folder / "source"
    source.mkdir()
    for one in copied() & {"node", "models", "workers"}:
        copytree(ROOT / one, source / one, ignore=ignore_patterns("__pycache__"))
    for one in copied() & {"pyproject.toml", "README.md", "LICENSE"}:
        (source / one).write_bytes((ROOT / one).read_bytes())
    # --python, for --prefix would take the program out of the environment that runs the tests
    pip = [sys.executable, "-m", "pip", "--python", folder / "venv" / "bin" / "python", "install"]
    subprocess.run(
        [*pip, "--quiet", "--no-deps", "--no-build-isolation", source],
        check=True,
    )
    return folder / "venv" / "bin"


@pytest.fixture
def environment(image: Path, tmp_path: Path) -> dict[str, str]:
    """The container's environment, with folders and a port of the test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEPANODE_")}
    return {
        **kept,
        "PATH": f"{image}:{os.environ['PATH']}",
        "HEPANODE_CONFIG": str(DEPLOY / "hepanode.toml"),
        "HEPANODE_DATA": str(tmp_path / "data"),
        "HEPANODE_RECEIVER__HOST": "0.0.0.0",
        "HEPANODE_RECEIVER__PORT": str(free_port()),
        "HEPANODE_BROKER__URL": f"redis://127.0.0.1:{free_port()}/0",
    }


def hepanode(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["hepanode", *words],
        env=environment,
        cwd=environment["HEPANODE_DATA"].removesuffix("data"),
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextmanager
def running(environment: dict[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(["hepanode", *words], env=environment, stderr=-1, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said


def handles_sigterm(pid: int) -> bool:
    """Whether a process is up so far that SIGTERM ends it in good order (see proc(5), SigCgt)."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_package_carries_its_data_files(image: Path) -> None:
    (packages,) = image.parent.glob("lib/python*/site-packages")
    for room in ("node", "models", "workers"):
        wanted = {
            path.relative_to(ROOT)
            for suffix in ("toml", "mako", "safetensors", "jinja", "txt")
            for path in (ROOT / room).rglob(f"*.{suffix}")
        }
        assert {path for path in wanted if not (packages / path).is_file()} == set()


def test_receiver_and_health_check_run_in_the_image(environment: dict[str, str]) -> None:
    instructions = dict(stages()["receiver"])
    made = hepanode(environment, "db", "upgrade")
    assert made.returncode == 0, made.stderr
    check = ["sh", "-c", instructions["HEALTHCHECK"].partition("CMD ")[2]]
    with running(environment, *json.loads(instructions["CMD"])[1:]) as receiver:
        deadline = time.monotonic() + 60
        while (answer := subprocess.run(check, env=environment, capture_output=True)).returncode:
            assert receiver.poll() is None, "the receiver ended"
            assert time.monotonic() < deadline, answer.stderr
            time.sleep(0.2)
    assert subprocess.run(check, env=environment, capture_output=True).returncode != 0


def test_dispatcher_and_listings_run_in_the_image(environment: dict[str, str]) -> None:
    assert hepanode(environment, "runs", "list", "--json").returncode != 0
    assert hepanode(environment, "db", "upgrade").returncode == 0
    assert hepanode(environment, "runs", "list", "--json").stdout.strip() == "[]"
    with running(environment, "dispatcher") as dispatcher:
        deadline = time.monotonic() + 60
        while not handles_sigterm(dispatcher.pid):
            assert dispatcher.poll() is None, "the dispatcher ended"
            assert time.monotonic() < deadline
            time.sleep(0.1)
