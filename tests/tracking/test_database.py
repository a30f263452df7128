"""What the connections are made of, on both databases."""

from __future__ import annotations

import socket

import sqlalchemy as sa

from node.tracking import Database, studies
from tests.tracking.arrivals import STUDY, arrive, at


def test_a_commit_survives_a_power_cut_and_a_dead_server_is_noticed(db: Database) -> None:
    with db.reading() as connection:
        if db.is_sqlite:
            assert connection.scalar(sa.text("PRAGMA synchronous")) == 2  # FULL
            assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
            return
        assert connection.scalar(sa.text("SHOW synchronous_commit")) == "on"
        driver = connection.connection.driver_connection
        assert driver is not None
        with socket.socket(fileno=socket.dup(driver.fileno())) as wire:
            assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


def test_reprocess_waits_for_whoever_changes_the_study(db: Database) -> None:
    arrive(db)
    studies.close_quiet(db, 10, at(11))
    statements: list[str] = []
    sa.event.listen(
        db.engine, "before_cursor_execute", lambda *a: statements.append(a[2]), named=False
    )
    studies.reprocess(db, STUDY, at(20))
    assert db.is_sqlite or "FOR NO KEY UPDATE" in statements[0]
