"""Fixtures that every room shares."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from node.tracking import Database, migrate
from node.tracking.schema import metadata
from tests.peers import POSTGRES, require


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new, empty database; the test runs once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'tracking.sqlite'}"
        return
    with postgres_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def db(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """An empty database with the tables of today, made by the migrations once a session."""
    if request.param == "sqlite":
        file = tmp_path / "tracking.sqlite"
        shutil.copy(_migrated_sqlite(tmp_path_factory.getbasetemp()), file)
        url = f"sqlite:///{file}"
    else:
        url = request.getfixturevalue("migrated_postgres")
    database = Database(url)
    if not database.is_sqlite:
        with database.writing() as connection:
            names = ", ".join(metadata.tables)
            connection.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY"))
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles with random weights that stand for the shipped ones."""
    from tests.bundles import write_bundles  # torch takes seconds to import

    return write_bundles(tmp_path_factory.mktemp("bundles"), seed=1)


@pytest.fixture(scope="session")
def region_bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the systems that read regions of interest; DCNN-US has a model LBC."""
    from tests.bundles import write_region_bundles

    return write_region_bundles(tmp_path_factory.mktemp("region_bundles"), seed=0)


@pytest.fixture(scope="session")
def fan_liver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map of masses that marks all of a frame: the joint system is asked for the whole of it."""
    from tests.bundles import write_fan_liver

    return write_fan_liver(tmp_path_factory.mktemp("fan_liver"))


def _migrated_sqlite(folder: Path) -> Path:
    file = folder / "migrated.sqlite"
    if not file.exists():
        _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_postgres() -> Iterator[str]:
    """The URL of one PostgreSQL database for all tests that take ``db``."""
    with postgres_database() as url:
        _migrate(url)
        yield url


def _migrate(url: str) -> None:
    database = Database(url)
    migrate.upgrade(database)
    database.dispose()  # the last connection to close folds SQLite's log into the file


@contextmanager
def postgres_database() -> Iterator[str]:
    """The URL of a PostgreSQL database of its own, dropped at the end."""
    require("postgres")
    name = f"hepanode_test_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(f"{POSTGRES}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield f"{POSTGRES}/{name}"
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
