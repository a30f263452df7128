"""A whole node as its users run it: real commands as processes, a configuration, a PACS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from node import settings
from node.association.echo import echo
from node.association.peer import Peer
from node.errors import AssociationError
from node.settings import Settings
from node.tracking import Database, Delivery, Run, deliveries, runs
from tests.orthanc import AE_TITLE, Orthanc
from tests.peers import free_port, require

T = TypeVar("T")
ENDED = ("done", "failed", "quarantined")


class Node:
    """``hepanode`` processes on one configuration; ``parts`` are the commands to run."""

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str = "",
        broker_url: str = "",
        pacs: Sequence[Orthanc] = (),
        extra: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.config = folder / "hepanode.toml"
        self.config.write_text(
            f"""
data = "{folder / "data"}"
[database]
url = "{database_url}"
[broker]
url = "{broker_url}"
queue = "hepanode-{folder.name}-{self.port}"
[receiver]
port = {self.port}
[storage]
min_free_mib = 10
[dispatch]
quiet_seconds = 1
tick_seconds = 0.1
lease_seconds = 3
republish_seconds = 2
{extra}
"""
            + "".join(
                f"""
[[destinations]]
name = "pacs{number}"
ae_title = "{AE_TITLE}"
host = "127.0.0.1"
port = {peer.port}
timeout = 5
retry_first = 0.5
retry_cap = 2
"""
                for number, peer in enumerate(pacs, start=1)
            )
        )
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self.cli("db", "upgrade")

    @property
    def settings(self) -> Settings:
        return settings.load(self.config)

    @contextmanager
    def database(self) -> Iterator[Database]:
        db = Database(self.settings.database_url)
        try:
            yield db
        finally:
            db.dispose()

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of ``hepanode`` on this node's configuration."""
        return subprocess.run(
            [*_COMMAND, *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *parts: str) -> None:
        for part in parts:
            with (self.folder / f"{part}.log").open("ab") as log:
                self.parts[part] = subprocess.Popen(
                    [*_COMMAND, part],
                    env=self._environment(),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        if {"up", "receiver"} & set(parts):
            self.until(self.listens)

    def listens(self) -> bool:
        try:
            return echo(Peer("HEPANODE", "127.0.0.1", self.port)) > 0
        except AssociationError:
            return False

    def kill(self, part: str) -> None:
        """``kill -9`` of a part and all its children."""
        process = self.parts.pop(part)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in self.parts.values():
            process.terminate()
        for process in self.parts.values():
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.parts.clear()

    def send(self, *files: Path) -> None:
        """Send as a modality does: DCMTK's storescu, the files in their own transfer syntax."""
        require("dcmtk")
        by_syntax: dict[str, list[str]] = {}
        for file in files:
            option = _PROPOSE.get(read_file_meta_info(file).TransferSyntaxUID, "-x=")
            by_syntax.setdefault(option, []).append(str(file))
        for option, batch in by_syntax.items():
            done = subprocess.run(
                ["storescu", "-R", option, "-aec", "HEPANODE", "127.0.0.1", str(self.port), *batch],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr

    def until(self, condition: Callable[[], T], seconds: float = 60) -> T:
        """The first true value of ``condition``; fails with the logs when it stays false."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.1)
        raise AssertionError(f"waited {seconds} s in vain\n{self.logs()}")

    def runs_ended(self, number: int) -> Callable[[], tuple[Run, ...]]:
        """A condition: ``number`` runs have ended and none is open."""

        def condition() -> tuple[Run, ...]:
            with self.database() as db:
                known = runs.list_runs(db, limit=1000)
            ended = [run for run in known if run.state in ENDED]
            waiting = [run for run in known if run.state in ("queued", "running")]
            return tuple(ended) if len(ended) >= number and not waiting else ()

        return condition

    def deliveries(self) -> tuple[Delivery, ...]:
        with self.database() as db:
            return deliveries.list_deliveries(db, limit=1000)

    def all_sent(self) -> bool:
        found = self.deliveries()
        return bool(found) and all(one.state == "sent" for one in found)

    def logs(self) -> str:
        return "\n".join(
            f"--- {log.name}\n{log.read_text()[-3000:]}"
            for log in sorted(self.folder.glob("*.log"))
        )

    def _environment(self) -> dict[str, str]:
        return os.environ | {"HEPANODE_CONFIG": str(self.config)}


_PROPOSE = {  # storescu's words for transfer syntaxes
    JPEGBaseline8Bit: "-xy",
    JPEGLosslessSV1: "-xs",
    JPEG2000Lossless: "-xv",
    JPEG2000: "-xw",
    RLELossless: "-xr",
}
_COMMAND = [sys.executable, "-P", "-m", "node.cli"]


@contextmanager
def running(node: Node, *parts: str) -> Iterator[Node]:
    """A node whose parts run while the block lasts."""
    node.start(*parts)
    try:
        yield node
    finally:
        node.stop()
