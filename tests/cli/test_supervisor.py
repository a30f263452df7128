"""Children are kept alive, end softly together, and never outlive their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

_PARENT = """
import sys, logging
from node.cli.supervisor import Supervisor
logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
Supervisor({"sleeper": ["sleep", "600"], "writer": [sys.executable, "-c", sys.argv[1]]}).run()
print("ended softly")
"""
_SOFT = """
import pathlib, signal, time
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path("told").touch(), exit(0)))
signal.signal(signal.SIGINT, lambda *_: pathlib.Path("interrupted").touch())
pathlib.Path("ready").touch()
while True: time.sleep(0.05)
"""
_STUBBORN = """
import pathlib, signal, time
signal.signal(signal.SIGTERM, lambda *_: pathlib.Path("told").touch())
pathlib.Path("ready").touch()
while True: time.sleep(0.05)
"""


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    started = []

    def _start(script: str) -> subprocess.Popen[str]:
        with (tmp_path / "log").open("w") as log:
            parent = subprocess.Popen(
                [sys.executable, "-c", _PARENT, script],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        started.append(parent)
        until((tmp_path / "ready").exists)
        return parent

    yield _start
    for parent in started:
        parent.kill()
        parent.wait()
        assert parent.stdout is not None
        parent.stdout.close()


def child(parent: subprocess.Popen[str], word: str) -> psutil.Process | None:
    """The living child that has this word on its command line."""
    for process in psutil.Process(parent.pid).children():
        with contextlib.suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if word in process.cmdline():
                return process
    return None


def test_a_killed_child_is_started_again(
    start: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    parent = start(_SOFT)
    first = child(parent, "sleep")
    assert first is not None
    first.kill()
    until(lambda: (now := child(parent, "sleep")) is not None and now.pid != first.pid)
    assert (
        "sleeper ended (signal SIGKILL) and is started again in 1 s"
        in (tmp_path / "log").read_text()
    )


def test_the_delay_grows_with_each_death(
    start: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    start("import pathlib; pathlib.Path('ready').touch(); exit(3)")
    log = tmp_path / "log"
    until(lambda: "writer ended (status 3) and is started again in 2 s" in log.read_text())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_forwarded_softly_and_waited_for(
    start: Callable[[str], subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    parent = start(_SOFT)
    parent.send_signal(number)
    out, _ = parent.communicate(timeout=20)
    assert out == "ended softly\n"
    assert (tmp_path / "told").exists()
    assert not (tmp_path / "interrupted").exists()


def test_a_second_signal_ends_a_child_that_does_not_listen(
    start: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    parent = start(_STUBBORN)
    parent.terminate()
    until((tmp_path / "told").exists)
    assert parent.poll() is None
    parent.terminate()
    assert parent.communicate(timeout=20)[0] == "ended softly\n"


def test_children_go_when_their_parent_is_killed(
    start: Callable[[str], subprocess.Popen[str]],
) -> None:
    parent = start(_SOFT)
    children = psutil.Process(parent.pid).children()
    assert len(children) == 2
    parent.kill()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
