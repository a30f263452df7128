"""The tables in the code and those that the migrations make are the same."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from node.errors import TrackingError
from node.tracking import Database, migrate
from node.tracking.database import BUSY_SECONDS
from node.tracking.schema import REVISION, metadata


def test_migrations_lead_to_the_tables_of_the_code(db: Database) -> None:
    assert db.revision() == REVISION
    with db.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_two_upgrades_at_once_are_harmless(database_url: str) -> None:
    def upgrade(_: int) -> None:
        database = Database(database_url)
        migrate.upgrade(database)
        database.dispose()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, range(4)))


def test_processes_that_make_a_new_database_together_wait_for_each_other(tmp_path: Path) -> None:
    def connect(number: int) -> None:
        database = Database(f"sqlite:///{tmp_path}/{number // 8}.sqlite")
        assert database.revision() is None
        database.dispose()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(connect, range(8 * 100)))


def test_a_database_that_is_none_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "tracking.sqlite").mkdir()
    database = Database(f"sqlite:///{tmp_path}/tracking.sqlite")
    began = time.monotonic()
    with pytest.raises(TrackingError, match="unable to open"):
        database.revision()
    assert time.monotonic() - began < BUSY_SECONDS
    database.dispose()


def test_an_old_schema_is_refused_with_the_command_that_mends_it(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(TrackingError, match="hepanode db upgrade"):
        database.check_revision()
    database.dispose()


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    database = Database("postgresql://u:secret@127.0.0.1:1/x")
    with pytest.raises(TrackingError, match=r"127\.0\.0\.1") as caught:
        database.check_revision()
    assert "secret" not in str(caught.value)
    database.dispose()
