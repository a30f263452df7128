"""``hepanode models train`` and ``evaluate``: the papers' protocols on own data."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from node.cli.models import entry, model_errors, named_bundle
from node.cli.output import plural, print_json, say, table
from node.cli.progress import Progress, shown_progress
from node.cli.session import Json, Session
from node.errors import HepanodeError, NotFound

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.data import Case
    from models.evaluation.outcome import Evaluation
    from models.systems import System
    from models.training.options import Options
    from node.settings import Settings

HELD_OUT, CROSS_VALIDATION = "held-out", "cross-validation"

Data = Annotated[
    Path,
    typer.Option(
        metavar="MANIFEST", exists=True, help="A .csv or .jsonl file, or a folder with one."
    ),
]
Extra = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="MANIFEST",
        exists=True,
        help="Cases that are only learned from, as simulated ones; they never count in a figure.",
        show_default=False,
    ),
]
About = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME",
        help="What the images are, for the card; else data.toml beside the manifest.",
        show_default=False,
    ),
]
Init = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE|DIR",
        exists=True,
        help="Initial weights; a folder for a recipe of several backbones.",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Backbone = Annotated[
    str | None, typer.Option(help="Another than the system's own.", show_default=False)
]
Recipe = Annotated[
    str | None, typer.Option(help="By name, where a system has several.", show_default=False)
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Passes over the data.", show_default=False)
]
Folds = Annotated[
    int | None,
    typer.Option(min=0, help="Of the cross-validation; 0: none, no figures.", show_default=False),
]
Repeats = Annotated[int, typer.Option(min=1, help="How often the folds are drawn.")]
Seed = Annotated[int, typer.Option(min=0, help="Decides every draw.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Processes that prepare batches; by default up to eight beside a GPU.",
        show_default=False,
    ),
]


class Choices(NamedTuple):
    """What a command line chose of ``models.training.options.Options``, by the same names."""

    init: Path | None
    device: str
    backbone: str | None
    recipe: str | None
    epochs: int | None
    folds: int | None
    repeats: int
    seed: int
    workers: int | None


def train(
    session: Session,
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="What to train.")],
    data: Data,
    out: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Run folder; the bundle too.")
    ],
    extra: Extra = None,
    about: About = None,
    init: Init = None,
    device: Device = "auto",
    backbone: Backbone = None,
    recipe: Recipe = None,
    epochs: Epochs = None,
    folds: Folds = None,
    repeats: Repeats = 1,
    seed: Seed = 0,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Train a system on own images; states, curves and the bundle lie in the run folder.

    Stopped at any time, the same command goes on where it was. Bad rows of the manifest, and images
    that cannot be decoded, are listed before anything runs. `hepanode models install DIR` makes the
    result the node's model.
    """
    row = _system(system)
    choices = Choices(init, device, backbone, recipe, epochs, folds, repeats, seed, workers)
    with working(session) as progress:
        from models.data.seen import write_seen
        from models.registry import read_bundle
        from models.systems import check_options, protocol

        cases, options = _prepared(session, data, out, progress, extra, about, choices)
        check_options(row, options)
        bundle = read_bundle(protocol(row).train(cases, options))
        write_seen(bundle.folder, [*cases, *options.extra])
        _draw_curves(out)
    if json:
        print_json(entry(bundle, session.settings))
        return
    say(f"{bundle.title}: {', '.join(bundle.labels)}; {bundle.validation_status}")
    say(f"`hepanode models install {bundle.folder}` makes it the node's model")


def evaluate(
    session: Session,
    what: Annotated[
        str,
        typer.Argument(metavar="BUNDLE|SYSTEM", help="A bundle's name or folder, or a system."),
    ],
    data: Data,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="held-out: a bundle reads cases that it has not seen. cross-validation: a system "
            "is fitted and read fold by fold. By default what was named decides.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="For evaluation.html, .json and charts; a cross-validation goes on from here, "
            "and without takes SYSTEM-evaluation in the current folder.",
            show_default=False,
        ),
    ] = None,
    extra: Extra = None,
    init: Init = None,
    device: Device = "auto",
    backbone: Backbone = None,
    recipe: Recipe = None,
    epochs: Epochs = None,
    folds: Folds = None,
    repeats: Repeats = 1,
    seed: Seed = 0,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Evaluate a bundle, or a system by its paper's protocol, beside the confound baseline.

    --json prints one object: system, bundle, protocol, n, figures and baseline (name to value, low,
    high, cases), strata and strata_baseline (group to the same), robustness (change to figure to
    changed and difference), notes.
    """
    row, bundle = _resolved(what, protocol, session.settings)
    if bundle is None and out is None:
        out = Path(f"{row.name}-evaluation")
    fitting = (init, backbone, recipe, epochs, folds, extra or None)
    if bundle is not None and (fitting != (None,) * 6 or repeats != 1):
        raise typer.BadParameter("a bundle is evaluated as it is: these options fit networks")
    choices = Choices(init, device, backbone, recipe, epochs, folds, repeats, seed, workers)
    with working(session) as progress, tempfile.TemporaryDirectory() as nowhere:
        import models.systems
        from models.evaluation.page import write_page

        cases, options = _prepared(
            session, data, out or Path(nowhere), progress, extra, None, choices
        )
        module = models.systems.protocol(row)
        if bundle is None:
            models.systems.check_options(row, options)
            found = module.cross_validate(cases, options)
        else:
            found = module.evaluate(bundle, cases, options)
            found = replace(found, notes=(*_learned_from(bundle, cases), *found.notes))
        page = None if out is None else write_page(found, out, row.title)
        if json and page is not None:
            say(f"charts and examples: {page}", error=True)
        _draw_curves(options.out)
    if json:
        print_json(found.as_json())
    else:
        _print_evaluation(found, page)


@contextmanager
def working(session: Session) -> Iterator[Progress]:
    """Progress on standard error, and nothing else on standard output until the work is done."""
    session.log()
    try:
        with shown_progress() as progress, redirect_stdout(sys.stderr), model_errors():
            yield progress
    except KeyboardInterrupt:
        say("stopped: the same command goes on where it was", error=True)
        raise typer.Exit(130) from None


def _check_apart(file: Path, rows: Sequence[Case], cases: Sequence[Case]) -> None:
    """Raises TrainingError where a patient would be learned from and count in a figure too."""
    from models.errors import TrainingError

    patients = {case.patient for case in cases}
    if lines := [str(case.line) for case in rows if case.patient in patients]:
        raise TrainingError(
            f"{file} is only learned from, and has patients that count in the figures, "
            f"in lines {', '.join(lines)}: leave these rows out"
        )


def _prepared(
    session: Session,
    data: Path,
    out: Path,
    progress: Progress,
    extra: list[Path] | None,
    about: str | None,
    choices: Choices,
) -> tuple[list[Case], Options]:
    """The cases of a manifest and what was chosen; every bad row, and every image that cannot be
    decoded, is named before anything runs."""
    from models.data import read_about, read_manifest, undecodable
    from models.training.options import Options
    from workers.frames.annotated import CaseReader

    device, described = _device(choices.device), read_about(data, about)
    read = CaseReader(session.settings.analysis)
    check = partial(undecodable, read=read, progress=progress)
    cases, *others = (read_manifest(file, read.header, check) for file in (data, *(extra or ())))
    for file, rows in zip(extra or (), others, strict=True):
        _check_apart(file, rows, cases)
    say(f"{plural(len(cases), 'image')} of {len({c.patient for c in cases})} patients", error=True)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HepanodeError(f"{out} cannot be made ({error}); name another --out") from error
    return cases, Options(
        out=out,
        about=described,
        extra=tuple(case for rows in others for case in rows),
        read=read,
        progress=progress,
        **choices._replace(device=device)._asdict(),
    )


def _device(wanted: str) -> str:
    import torch

    from workers.analysis.loaded import choose_device

    device = choose_device(wanted)
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise HepanodeError(f"--device {wanted}: torch sees no GPU; take --device cpu")
    return device


def _system(name: str) -> System:
    from models.systems import SYSTEMS

    if name not in SYSTEMS:
        raise NotFound(f"there is no system {name!r}; there are {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def _resolved(what: str, protocol: str | None, settings: Settings) -> tuple[System, Bundle | None]:
    """The system, and the bundle when one is to be evaluated as it is."""
    from models.installation import find_trained
    from models.registry import read_bundle
    from models.systems import FINDINGS, SYSTEMS, system_of

    if protocol not in (None, HELD_OUT, CROSS_VALIDATION):
        raise typer.BadParameter(f"--protocol {protocol}: {HELD_OUT} or {CROSS_VALIDATION}")
    with model_errors():
        if what == FINDINGS.name and protocol != HELD_OUT:
            return FINDINGS, None
        if what in SYSTEMS:
            row = SYSTEMS[what]
            held_out = protocol == HELD_OUT
            return row, named_bundle(row.bundle, settings) if held_out else None
        is_folder = Path(what).is_dir()
        bundle = read_bundle(find_trained(Path(what))) if is_folder else _named(what, settings)
        return system_of(bundle), None if protocol == CROSS_VALIDATION else bundle


def _named(what: str, settings: Settings) -> Bundle:
    from models.systems import SYSTEMS

    try:
        return named_bundle(what, settings)
    except NotFound as error:
        raise NotFound(f"{error}. Systems: {', '.join(SYSTEMS)}") from None


def _learned_from(bundle: Bundle, cases: list[Case]) -> Iterator[str]:
    """What a reader must know before the figures: whether the bundle has seen the images."""
    from models.data.seen import count_seen

    seen = count_seen(bundle.folder, cases)
    if seen is None:
        yield "The bundle does not say which images it learned from: make sure that none is here."
    elif seen:
        yield (
            f"The bundle has learned from {seen} of these {plural(len(cases), 'image')}: the "
            "figures do not show what it is worth on others."
        )


def _draw_curves(run: Path) -> None:
    from models.training.curves import draw_curves

    draw_curves(run)


def _print_evaluation(found: Evaluation, page: Path | None) -> None:
    from models.evaluation.page import figure_title

    say(f"{found.system}, {found.bundle or 'fitted fold by fold'}: {plural(found.n, 'case')}")
    say(found.protocol)
    say()
    rows = []
    for name in [*found.figures, *(key for key in found.baseline if key not in found.figures)]:
        figure, baseline = found.figures.get(name), found.baseline.get(name)
        cells = [
            f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" if one else "-"
            for one in (figure, baseline)
        ]
        cases = next(one.cases for one in (figure, baseline) if one)
        rows.append((figure_title(name), *cells, str(cases), name))
    table(("FIGURE", "MODEL (95 %)", "CONFOUND BASELINE (95 %)", "CASES", "NAME"), rows)
    for note in found.notes:
        say(f"- {note}")
    if page is not None:
        say()
        say(f"charts and examples: {page}")
