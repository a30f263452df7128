"""A configured node with a filled database, on each kind of database, and a way to call it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from node.cli import main
from node.tracking import Database
from tests import peers
from tests.cli.records import Night, fill
from tests.cli.versions import Versions, two_versions


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Node:
    """One configuration file, and its command line."""

    config: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Answer:
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--config", str(self.config)])
        code = ended.value.code
        captured = self.capture.readouterr()
        return Answer(code if isinstance(code, int) else 1, captured.out, captured.err)


@pytest.fixture
def node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Node:
    """A node with an empty data folder and one destination that nobody answers for."""
    config = tmp_path / "hepanode.toml"
    monkeypatch.setenv("HEPANODE_CONFIG", str(config))  # the command line sets it: undone here
    config.write_text(
        f"""
        data = "{tmp_path / "data"}"
        [receiver]
        port = {peers.free_port()}
        [dispatch]
        quiet_seconds = 0.5
        [storage]
        min_free_mib = 1
        [[destinations]]
        name = "pacs"
        ae_title = "PACS"
        host = "127.0.0.1"
        port = {peers.free_port()}
        """
    )
    return Node(config, capsys)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A new PostgreSQL database, dropped at the end."""
    server = peers.require("postgres")
    name = f"hepanode_cli_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield f"{server}/{name}"
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", "postgres"])
def emptied(
    request: pytest.FixtureRequest, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Node, Database]]:
    """The node and its database, which holds nothing, not even tables."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'n.sqlite'}" if is_sqlite else request.getfixturevalue("postgres")
    monkeypatch.setenv("HEPANODE_DATABASE__URL", url)
    db = Database(url)
    if not is_sqlite:
        with db.writing() as connection:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
    yield node, db
    db.dispose()


@pytest.fixture
def filled(emptied: tuple[Node, Database]) -> tuple[Node, Night]:
    """The node after a busy night (tests.cli.records)."""
    node, db = emptied
    return node, fill(db)


@pytest.fixture
def versioned(emptied: tuple[Node, Database], tmp_path: Path) -> tuple[Node, Versions]:
    """The node with two versions of one study, and a study without results (tests.cli.versions)."""
    node, db = emptied
    return node, two_versions(db, tmp_path / "data")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders ``one`` and ``two``, each with two bundles."""
    from tests.bundles import write_bundles  # torch takes seconds to import

    folder = tmp_path_factory.mktemp("runs")
    write_bundles(folder / "one", seed=11, version="1.1.0")
    write_bundles(folder / "two", seed=12, version="1.2.0")
    return folder
