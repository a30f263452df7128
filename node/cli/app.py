"""The command tree."""

from __future__ import annotations

import typer

from node.cli import config, database, deliveries, processes, results, runs, studies
from node.cli.session import Config, Session, Verbose

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


processes.register(app)
for noun in (studies, runs, results, deliveries, config, database):
    app.add_typer(noun.app)
