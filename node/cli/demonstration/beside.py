"""A node of its own beside the demonstration: ``hepanode up`` with settings of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from node.association.echo import echo
from node.association.peer import Peer
from node.cli.demonstration.pacs import free_port
from node.cli.supervisor import start_child
from node.errors import AssociationError, HepanodeError
from node.settings import ResultKind

QUIET_SECONDS = 1.0
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Beside:
    """A running node; ``data`` is its data folder, ``log`` what it says, None when shown."""

    process: subprocess.Popen[bytes]
    peer: Peer
    data: Path
    database_url: str
    log: Path | None

    def check(self) -> None:
        """Raises HepanodeError when the node has ended."""
        if (status := self.process.poll()) is not None:
            raise HepanodeError(f"the node ended with status {status}{self.hint}")

    @property
    def hint(self) -> str:
        return f": see {self.log}" if self.log else ""


@contextmanager
def node_beside(folder: Path, pacs: Peer, *, verbose: bool) -> Iterator[Beside]:
    """Start a node that delivers to ``pacs``, wait until it listens, and stop it at the end.

    Raises HepanodeError when it does not come up.
    """
    peer = Peer("HEPANODE", "127.0.0.1", free_port())
    data, config = folder / "node", folder / "hepanode.toml"
    config.write_text(_settings(data, peer, pacs), encoding="utf-8")
    log = None if verbose else folder / "node.log"
    output = sys.stderr.fileno() if log is None else os.open(log, os.O_WRONLY | os.O_CREAT, 0o640)
    command = [sys.executable, "-P", "-m", "node.cli", "up", "--config", str(config)]
    process = start_child(command, environment=_environment(), output=output)
    if log is not None:
        os.close(output)
    beside = Beside(process, peer, data, f"sqlite:///{data / 'hepanode.sqlite'}", log)
    try:
        _wait_until_it_listens(beside)
        yield beside
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_listens(beside: Beside) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        beside.check()
        try:
            echo(beside.peer, timeout=5)
            return
        except AssociationError as error:
            if time.monotonic() > deadline:
                raise HepanodeError(f"the node does not listen: {error}{beside.hint}") from None
            time.sleep(0.1)


def _environment() -> dict[str, str]:
    """This environment without the settings of another node; those of the analysis count."""
    return {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith("HEPANODE_") and "__" in name)
        or name.startswith("HEPANODE_ANALYSIS__")
    }


def _settings(data: Path, own: Peer, pacs: Peer) -> str:
    return f"""\
data = '{data}'

[receiver]
ae_title = "{own.ae_title}"
port = {own.port}

[storage]
min_free_mib = 64

[dispatch]
quiet_seconds = {QUIET_SECONDS}
tick_seconds = 0.1

[[destinations]]
name = "demo"
ae_title = "{pacs.ae_title}"
host = "{pacs.host}"
port = {pacs.port}
kinds = {list(get_args(ResultKind))}
retry_first = 1
retry_cap = 5
"""
