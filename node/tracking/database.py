"""One engine for SQLite and PostgreSQL, and the differences between them.

Make a Database after the fork, one per process. SQLite runs in WAL with synchronous=FULL: a
commit that was answered survives a power cut.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from node.errors import TrackingError
from node.tracking.schema import REVISION

BUSY_SECONDS = 30  # how long a SQLite writer waits for another one
_POSTGRESQL = {  # a server that is gone without a word, as behind a firewall, is noticed in time
    "connect_timeout": 10,
    "tcp_user_timeout": 30_000,  # milliseconds until what was sent is acknowledged
    "keepalives_idle": 15,  # seconds until a silent server is probed, and between probes
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def utcnow() -> datetime:
    return datetime.now(UTC)


class Database:
    """The tracking database.

    Raises TrackingError when the URL cannot be used; the verbs let SQLAlchemy's errors through
    as TrackingError too, so that callers need to know only one.
    """

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        try:
            parsed = make_url(url)
        except (sa.exc.ArgumentError, ValueError) as error:
            raise TrackingError(f"database.url cannot be read: {error}") from None
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if parsed.database and parsed.database != ":memory:":
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(
                parsed,
                connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
                pool_size=pool_size,
                max_overflow=64,
            )
            sa.event.listen(self.engine, "connect", _sqlite_pragmas)
            sa.event.listen(self.engine, "begin", _sqlite_begin)
        else:
            self.engine = sa.create_engine(
                parsed,
                pool_pre_ping=True,
                pool_size=pool_size,
                max_overflow=64,
                connect_args=_POSTGRESQL,
            )

    def dispose(self) -> None:
        self.engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that writes; committed when the block ends, rolled back when it raises."""
        with self._connection(write=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that only reads."""
        with self._connection(write=False) as connection, connection.begin():
            yield connection

    @contextmanager
    def _connection(self, *, write: bool) -> Iterator[sa.Connection]:
        try:
            with self.engine.connect() as connection:
                yield connection.execution_options(hepanode_write=write)
        except sa.exc.SQLAlchemyError as error:
            raise TrackingError(
                f"database {self.url.render_as_string()}: {_first_line(error)}"
            ) from error

    def insert(self, table: sa.Table) -> Any:
        """An INSERT of this database's dialect, which knows ``on_conflict_do_nothing``."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def revision(self) -> str | None:
        """The schema's Alembic revision; None for an empty database."""
        with self.reading() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
            return str(found) if found else None

    def check_revision(self) -> None:
        """Raises TrackingError unless the schema is the one that this program knows."""
        if (found := self.revision()) != REVISION:
            raise TrackingError(
                f"the database schema is {found or 'empty'}, this program needs {REVISION}: "
                "run `hepanode db upgrade`"
            )


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def _sqlite_pragmas(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours: see _sqlite_begin
    _switch_to_wal(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _switch_to_wal(connection: Any) -> None:
    """On a new database SQLite waits for no other connection that is switching it too, whatever the
    timeout: two processes of a node that starts for the first time would be one."""
    given_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # the rest says why
            if not busy or time.monotonic() > given_up:
                raise
            time.sleep(0.01)


def _sqlite_begin(connection: sa.Connection) -> None:
    """A writer takes the lock at once: a read that turns into a write fails with 'locked'."""
    write = connection.get_execution_options().get("hepanode_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
