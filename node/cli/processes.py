"""``hepanode receiver | dispatcher | worker``: the parts of the node on their own."""

from __future__ import annotations

import typer

from node.cli.session import Session, command, refuse_missing_file


def register(app: typer.Typer) -> None:
    command(app)(receiver)
    command(app)(dispatcher)
    command(app)(worker)


def receiver(session: Session) -> None:
    """Receive DICOM objects: C-STORE and C-ECHO, in `receiver.processes` processes."""
    _prepare(session)
    from node.association.receiver import run

    raise typer.Exit(run(session.settings))


def dispatcher(session: Session) -> None:
    """Decide what is due: complete studies, runs for the broker, deliveries."""
    _prepare(session)
    from node.dispatch import run

    raise typer.Exit(run(session.settings))


def worker(session: Session) -> None:
    """Analyse studies; without a broker, dispatch them too."""
    from node.cli.checks import names

    names.check(session.settings)
    _prepare(session)
    from workers.app import run

    raise typer.Exit(run(session.settings))


def _prepare(session: Session) -> None:
    """Log, and make no empty database by mistake; each part checks the schema itself."""
    session.log()
    refuse_missing_file(session.settings)
