"""``hepanode studies hepatorenal``: liver fat from a place in the liver and one in the kidney."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.found_squares import find_squares
from node.cli.pointing import (
    FrameOption,
    InstanceOption,
    RemoveOption,
    checked_bundle,
    point,
    point_at,
    take_back,
)
from node.cli.session import Json, Session
from node.cli.studies import UID

if TYPE_CHECKING:
    from node.settings import Settings


def hepatorenal(
    session: Session,
    uid: UID,
    instance: InstanceOption = None,
    frame: FrameOption = None,
    liver: Annotated[
        str | None,
        typer.Option(metavar="X,Y", help="A place in even liver parenchyma.", show_default=False),
    ] = None,
    kidney: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            help="A place in the renal cortex, about as deep, without the bright sinus.",
            show_default=False,
        ),
    ] = None,
    remove: RemoveOption = None,
    find: Annotated[
        bool,
        typer.Option(
            "--find", help="Only show where the squares may go, in the frame or in all of them."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="With --find: a picture of each pair.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure the hepatorenal index where you point; the next version of the results has it.

    Around each place the mean echo level of a small square is taken, 28 pixels wide where the
    B-mode is 434 high; the index is liver over kidney. Keep vessels, shadows and the fan's edge out
    of it. Coordinates are pixels of the whole stored frame, x to the right and y down, the first is
    0. Several pairs, best one in each of several frames, are one estimate: their median. A pair
    takes part in every later run of the study, until it is taken back.

    --find proposes pairs where a liver and a kidney are found; none counts until you take it.
    """
    if find:
        if (liver, kidney, remove) != (None, None, None):
            raise typer.BadParameter("--find proposes places: it takes none, and takes none back")
        find_squares(session, uid, instance, frame, out, json=json)
        return
    if out is not None:
        raise typer.BadParameter("--out is for the pictures of --find")
    if remove is not None:
        if (instance, frame, liver, kidney) != (None, None, None, None):
            raise typer.BadParameter("--remove stands alone: it takes a prompt back")
        take_back(session, uid, remove, "hepatorenal", json=json)
        return
    if not liver or not kidney:
        raise typer.BadParameter(
            "point at both: --liver x,y in the parenchyma, --kidney x,y in the cortex"
        )
    places = (point(liver, "--liver"), point(kidney, "--kidney"))
    point_at(session, uid, instance, frame, "hepatorenal", places, _check_bundle, json=json)


def _check_bundle(settings: Settings) -> None:
    from workers.analysis import check_reads_indices

    name = settings.analysis.hepatorenal_bundle
    checked_bundle(
        name, settings, check_reads_indices, "nothing can read a hepatorenal index on this node"
    )
