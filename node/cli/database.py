"""``hepanode db``: the schema of the tracking database."""

from __future__ import annotations

from node.cli.output import say
from node.cli.session import Session, command, noun

app = noun("db", "The tracking database.")


@command(app)
def upgrade(session: Session) -> None:
    """Make the tables, or bring them to the form that this version needs. Safe to repeat."""
    from node.tracking import Database
    from node.tracking.migrate import upgrade as migrate

    db = Database(session.settings.database_url)
    try:
        before, after = migrate(db)
        where = db.url.render_as_string()
    finally:
        db.dispose()
    if before == after:
        say(f"{where}: already at schema {after}")
    else:
        say(f"{where}: schema {before or 'empty'} -> {after}")
