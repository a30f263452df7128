"""Bring a database to the schema of this program. The only module that imports Alembic."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from node.tracking.database import Database

_LOCK = 0x68657061  # any number, the same in every process


def upgrade(db: Database) -> tuple[str | None, str | None]:
    """Upgrade to the newest revision; the revisions before and after. Safe to run twice at once."""
    before = db.revision()
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with db.writing() as connection:  # SQLite: BEGIN IMMEDIATE keeps a second one out
        if not db.is_sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, db.revision()
