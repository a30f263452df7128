"""What every command has: ``--config`` and ``-v``, the settings and the database behind them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.errors import TrackingError

if TYPE_CHECKING:
    from node.settings import Settings
    from node.tracking import Database

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="PATH",
        help="Configuration file; else $HEPANODE_CONFIG, else ./hepanode.toml.",
        show_default=False,
    ),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show what happens inside.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@dataclass(frozen=True)
class Session:
    """One call of the command line."""

    config: Path | None = None
    verbose: bool = False

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings; raises SettingsError."""
        from node import settings

        return settings.load(self.config)

    @contextmanager
    def database(self) -> Iterator[Database]:
        """The tracking database, of the schema that this program knows; raises TrackingError."""
        from node.tracking import Database

        refuse_missing_file(self.settings)
        db = Database(self.settings.database_url)
        try:
            db.check_revision()
            yield db
        finally:
            db.dispose()

    def log(self) -> None:
        """Log to standard error, as the configuration or ``-v`` says."""
        from node import log

        log.setup("debug" if self.verbose else self.settings.log.level)


def refuse_missing_file(settings: Settings) -> None:
    """SQLite would make an empty database of a mistyped path: only `db upgrade` and `up` may.

    Raises TrackingError.
    """
    url = settings.database_url
    file = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not file.is_file():
        raise TrackingError(
            f"there is no database {file}: name the node's configuration with --config, run this "
            "in its folder, or make a new database with `hepanode db upgrade`"
        )


def command(app: typer.Typer, name: str | None = None) -> Callable[..., Callable[..., None]]:
    """Register a function as a command; its first argument becomes the Session of the call.

    ``--config`` and ``-v`` are added to its options, and count as well before the noun.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        @functools.wraps(function)
        def call(ctx: typer.Context, config: Path | None, verbose: bool, **options: Any) -> None:
            before: Session = ctx.obj
            function(Session(config or before.config, verbose or before.verbose), **options)

        keyword = inspect.Parameter.KEYWORD_ONLY
        call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter("ctx", keyword, annotation=typer.Context),
                *(parameter.replace(kind=keyword) for parameter in own),
                inspect.Parameter("config", keyword, default=None, annotation=Config),
                inspect.Parameter("verbose", keyword, default=False, annotation=Verbose),
            ]
        )
        app.command(name, help=_flowing(inspect.getdoc(function) or ""))(call)
        return function

    return register


def _flowing(text: str) -> str:
    """Paragraphs without the line ends of the source, to be wrapped at the terminal's width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def noun(name: str, help: str) -> typer.Typer:
    """A group of commands, as ``hepanode studies …``."""
    return typer.Typer(name=name, help=help, no_args_is_help=True)
