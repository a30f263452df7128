"""``hepanode receiver | dispatcher | worker``: the parts of the node on their own."""

from __future__ import annotations

import typer

from node.cli.session import Session, command


def register(app: typer.Typer) -> None:
    command(app)(receiver)
    command(app)(dispatcher)
    command(app)(worker)


def receiver(session: Session) -> None:
    """Receive DICOM objects: C-STORE and C-ECHO, in `receiver.processes` processes."""
    from node.association.receiver import run

    _prepare(session)
    raise typer.Exit(run(session.settings))


def dispatcher(session: Session) -> None:
    """Decide what is due: complete studies, runs for the broker, deliveries."""
    from node.dispatch import run

    _prepare(session)
    raise typer.Exit(run(session.settings))


def worker(session: Session) -> None:
    """Analyse studies; without a broker, dispatch them too."""
    from workers.app import run

    _prepare(session)
    raise typer.Exit(run(session.settings))


def _prepare(session: Session) -> None:
    """Log, and refuse a database of another schema before anything starts."""
    session.log()
    with session.database():
        pass
