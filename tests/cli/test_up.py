"""``hepanode up``: one node on a data folder, which listens, mends itself and leaves no trace."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from node.association.echo import echo
from node.association.peer import Peer
from node.errors import AssociationError
from tests import peers
from tests.cli.conftest import Node
from tests.cli.test_supervisor import child, until


@pytest.fixture
def port(node: Node) -> int:
    number = peers.free_port()
    node.config.write_text(
        f"data = '{node.config.parent / 'data'}'\n[receiver]\nport = {number}\nprocesses = 1\n"
    )
    return number


@contextlib.contextmanager
def up(config: Path) -> Iterator[subprocess.Popen[str]]:
    log = config.parent / "up.log"
    with log.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "node.cli", "up", "--config", str(config)],
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


def answers(port: int) -> bool:
    try:
        echo(Peer("HEPANODE", "127.0.0.1", port), timeout=5)
    except AssociationError:
        return False
    return True


@pytest.mark.timeout(120)
def test_up_listens_mends_its_receiver_and_refuses_a_second(node: Node, port: int) -> None:
    with up(node.config) as first:
        until(lambda: answers(port), 60)
        command = [sys.executable, "-m", "node.cli", "up", "--config", str(node.config)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert second.returncode == 1
        assert f"in use by `hepanode up`, process {first.pid}" in second.stderr
        receiver = child(first, "receiver")
        assert receiver is not None
        receiver.kill()
        until(lambda: (p := child(first, "receiver")) is not None and p.pid != receiver.pid, 60)
        until(lambda: answers(port), 60)
        worker = child(first, "worker")
        assert worker is not None
        first.terminate()
        out, _ = first.communicate(timeout=60)
        assert first.returncode == 0
    assert f"HEPANODE on 127.0.0.1:{port}" in out
    assert "nobody: no [[destinations]]" in out
    assert not worker.is_running()


@pytest.mark.timeout(120)
def test_a_killed_up_leaves_nothing_that_holds_port_or_folder(node: Node, port: int) -> None:
    with up(node.config) as first:
        until(lambda: answers(port), 60)
        left = psutil.Process(first.pid).children(recursive=True)
        first.kill()
        first.wait()
        began = time.monotonic()
        _, alive = psutil.wait_procs(left, timeout=45)
        assert not alive, f"alive after {time.monotonic() - began:.0f} s"
    with up(node.config):
        until(lambda: answers(port), 60)
