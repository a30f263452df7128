"""``hepanode studies segment``: outline what an operator points at in a stored frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.pointing import (
    NUMBER,
    FrameOption,
    InstanceOption,
    Point,
    RemoveOption,
    checked_bundle,
    point_at,
    take_back,
)
from node.cli.pointing import point as read_point
from node.cli.session import Json, Session
from node.cli.studies import UID

if TYPE_CHECKING:
    from node.settings import Settings

MOST_CLICKS = 5
"""The joint system has learned from one to five clicks in a lesion (paper 4)."""


def segment(
    session: Session,
    uid: UID,
    instance: InstanceOption = None,
    frame: FrameOption = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y",
            help=f"A click in the lesion; up to {MOST_CLICKS} of them for the same lesion.",
            show_default=False,
        ),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            metavar="X0,Y0,X1,Y1", help="A box closely around the lesion.", show_default=False
        ),
    ] = None,
    remove: RemoveOption = None,
    json: Json = False,
) -> None:
    """Outline and measure a lesion that you point at; the next version of the results has it.

    Coordinates are pixels of the whole stored frame, x to the right and y down, the first is 0.
    A box is far more reliable than clicks, and only a box gets a probability of malignancy. What
    was pointed at takes part in every later run of the study, until it is taken back.
    """
    if remove is not None:
        if (instance, frame, point or None, box) != (None, None, None, None):
            raise typer.BadParameter("--remove stands alone: it takes a prompt back")
        take_back(session, uid, remove, "segment", json=json)
        return
    if bool(point) == bool(box):
        raise typer.BadParameter("point with either --point (once or more) or one --box")
    kind = "box" if box else "point"
    coordinates = _box(box) if box else _clicks(point or [])
    point_at(session, uid, instance, frame, kind, coordinates, _check_bundle, json=json)


def _clicks(texts: Sequence[str]) -> tuple[Point, ...]:
    """Sorted, each once: the same clicks in another order are the same prompt."""
    found = {read_point(text, "--point") for text in texts}
    if len(found) > MOST_CLICKS:
        raise typer.BadParameter(
            f"{len(found)} clicks: the joint system takes 1 to {MOST_CLICKS} in one lesion"
        )
    return tuple(sorted(found))


def _box(text: str) -> tuple[Point, ...]:
    match = re.fullmatch(",".join([NUMBER] * 4), text)
    if match is None:
        raise typer.BadParameter(f"--box {text!r}: write x0,y0,x1,y1 in pixels, as 120,80,240,190")
    x0, y0, x1, y1 = map(float, match.groups())
    if not (x0 < x1 and y0 < y1):
        raise typer.BadParameter(
            f"--box {text!r} is empty: x0,y0 is its upper left and x1,y1 its lower right corner"
        )
    return ((x0, y0), (x1, y1))


def _check_bundle(settings: Settings) -> None:
    from workers.analysis import check_outlines

    name = settings.analysis.joint_bundle
    checked_bundle(name, settings, check_outlines, "nothing can outline a lesion on this node")
