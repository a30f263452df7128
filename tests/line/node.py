"""A whole node as its users run it: real commands as processes, a configuration, a PACS."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar, get_args

import psutil
from kombu import Connection
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
from node.settings import ResultKind, Settings
from node.tracking import Database, Delivery, Result, Run, deliveries, results, runs
from tests.orthanc import AE_TITLE
from tests.peers import dcmtk, free_port

T = TypeVar("T")
COMMAND = (sys.executable, "-P", "-m", "node.cli")
ENDED = ("done", "failed", "quarantined")


class Pacs(Protocol):
    """A receiving peer on this machine."""

    port: int


class Node:
    """``hepanode`` processes on one configuration.

    ``pacs`` become the destinations pacs1, pacs2 and so on, which get every kind of result;
    ``dispatch`` and ``extra`` are more TOML, in the section of that name and at the end. ``parts``
    are the running commands by name; a second one of its kind has a name of its own, as
    ``dispatcher-2``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str = "",
        broker_url: str = "",
        pacs: Sequence[Pacs] = (),
        dispatch: str = "",
        extra: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.config = folder / "hepanode.toml"
        self._broker_url = broker_url
        self.queue = f"hepanode-{folder.name}-{self.port}"
        self.config.write_text(
            f"""
data = "{folder / "data"}"
[database]
url = "{database_url}"
[broker]
url = "{broker_url}"
queue = "{self.queue}"
[receiver]
port = {self.port}
[storage]
min_free_mib = 10
[dispatch]
quiet_seconds = 1
tick_seconds = 0.1
lease_seconds = 5
republish_seconds = 2
{dispatch}
{extra}
"""
            + "".join(
                f"""
[[destinations]]
name = "pacs{number}"
ae_title = "{AE_TITLE}"
host = "127.0.0.1"
port = {peer.port}
kinds = {list(get_args(ResultKind))}
timeout = 3
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
            [*COMMAND, *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *parts: str, command: Sequence[str] = COMMAND) -> None:
        """Start parts and wait until they listen; ``command`` stands for ``hepanode``."""
        for part in parts:
            with (self.folder / f"{part}.log").open("ab") as log:
                self.parts[part] = subprocess.Popen(
                    [*command, part.partition("-")[0]],
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
        """``kill -9`` of a part and all its children, none of which can say goodbye."""
        process = self.parts.pop(part)
        _kill_tree(process.pid)
        process.wait()

    def stop(self) -> list[int]:
        """Ask all parts to end, as a service manager does; their exit statuses."""
        for process in self.parts.values():
            process.terminate()
        ended = [process.wait(timeout=60) for process in self.parts.values()]
        self.parts.clear()
        return ended

    def lose_messages(self) -> None:
        """Remove the broker's queue with all that waits in it."""
        if self._broker_url:
            with Connection(self._broker_url, connect_timeout=5) as connection:
                channel = connection.channel()
                channel.queue_delete(self.queue)
                channel.exchange_delete(self.queue)

    def send(self, *files: Path) -> None:
        """Send as a modality does: DCMTK's storescu, the files in their own transfer syntax."""
        sender = [dcmtk("storescu"), "-R", "-aec", "HEPANODE"]
        by_syntax: dict[str, list[str]] = {}
        for file in files:
            option = _PROPOSE.get(read_file_meta_info(file).TransferSyntaxUID, "-x=")
            by_syntax.setdefault(option, []).append(str(file))
        for option, batch in by_syntax.items():
            done = subprocess.run(
                [*sender, option, "127.0.0.1", str(self.port), *batch],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr

    def until(self, condition: Callable[[], T], seconds: float = 150) -> T:
        """The first true value of ``condition``; fails with the logs when it stays false."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            ended = [name for name, part in self.parts.items() if part.poll() is not None]
            assert not ended, f"{' and '.join(ended)} ended by itself\n{self.logs(3000)}"
            time.sleep(0.1)
        raise AssertionError(f"waited {seconds} s in vain\n{self.logs(3000)}")

    def runs_ended(self, number: int) -> Callable[[], tuple[Run, ...]]:
        """A condition: ``number`` runs have ended and none is open."""

        def condition() -> tuple[Run, ...]:
            known = self.runs()
            ended = [run for run in known if run.state in ENDED]
            waiting = [run for run in known if run.state in ("queued", "running")]
            return tuple(ended) if len(ended) >= number and not waiting else ()

        return condition

    def runs(self) -> tuple[Run, ...]:
        """All runs, oldest first."""
        with self.database() as db:
            return runs.list_runs(db, limit=1000)[::-1]

    def results(self, study_instance_uid: str) -> tuple[Result, ...]:
        """A study's result objects, oldest version first, in the order of delivery."""
        with self.database() as db:
            return results.of_study(db, study_instance_uid)

    def deliveries(self) -> tuple[Delivery, ...]:
        with self.database() as db:
            return deliveries.list_deliveries(db, limit=1000)

    def all_sent(self) -> bool:
        """Whether there are deliveries, and every one was sent."""
        found = self.deliveries()
        return bool(found) and all(one.state in ("sent", "confirmed") for one in found)

    def logs(self, last: int | None = None) -> str:
        """All that the parts logged, or only the ``last`` characters of each."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text()[-last if last else None :]}"
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


def _kill_tree(pid: int) -> None:
    """The parent first: it must not start its children again."""
    try:
        parent = psutil.Process(pid)
        processes = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:  # it ended by itself
        return
    for process in processes:
        process.kill()
    psutil.wait_procs(processes[1:], timeout=10)


@contextmanager
def running(node: Node, *parts: str) -> Iterator[Node]:
    """A node whose parts run while the block lasts; they are killed at its end.

    Its queue at the broker goes with it.
    """
    try:
        node.start(*parts)
        yield node
    finally:
        for part in list(node.parts):
            node.kill(part)
        node.lose_messages()
