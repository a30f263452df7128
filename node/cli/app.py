"""The command tree."""

from __future__ import annotations

import typer

from node.cli import (
    clinical,
    config,
    database,
    deliveries,
    folders,
    hepatorenal,
    models,
    network,
    processes,
    results,
    runs,
    segment,
    studies,
    training,
)
from node.cli.conformance import conformance
from node.cli.demo import demo
from node.cli.doctor import doctor
from node.cli.messages import messages
from node.cli.session import Config, Session, Verbose, command
from node.cli.up import up

app = typer.Typer(
    name="hepanode",
    help="A DICOM node for liver ultrasound: studies in, structured reports and heatmaps out. "
    "Investigational software.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, which may hold patient data
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _before_the_noun(ctx: typer.Context, config: Config = None, verbose: Verbose = False) -> None:
    ctx.obj = Session(config, verbose)


command(app)(demo)
command(app)(up)
processes.register(app)
command(app)(network.send)
command(app)(network.echo)
command(app)(doctor)
command(app)(conformance)
command(app)(messages)
command(studies.app)(clinical.clinical)
command(studies.app)(segment.segment)
command(studies.app)(hepatorenal.hepatorenal)
for verb in (training.train, training.evaluate, folders.simulate, folders.foreign):
    command(models.app)(verb)
for noun in (studies, runs, results, deliveries, models, config, database):
    app.add_typer(noun.app)
