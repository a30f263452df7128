"""``hepanode studies segment``: outline what an operator points at in a stored frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.output import plural, print_json, say
from node.cli.session import Json, Session
from node.cli.studies import UID
from node.errors import FrameError, HepanodeError, NotFound, StorageError

if TYPE_CHECKING:
    from node.settings import Settings
    from node.tracking import Instance, NewPrompt

MOST_CLICKS = 5
"""The joint system has learned from one to five clicks in a lesion (paper 4)."""

Point = tuple[float, float]
_NUMBER = r"\s*([+-]?\d+(?:\.\d+)?)\s*"


def segment(
    session: Session,
    uid: UID,
    instance: Annotated[
        str | None,
        typer.Option(
            metavar="SOP_UID",
            help="SOP Instance UID of the image, or how it begins or ends.",
            show_default=False,
        ),
    ] = None,
    frame: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Frame of the image, from 1; may be left out where there is one.",
            show_default=False,
        ),
    ] = None,
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
    remove: Annotated[
        int | None,
        typer.Option(
            metavar="ID",
            help="Take this prompt back: `studies show` lists them.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Outline and measure a lesion that you point at; the next version of the results has it.

    Coordinates are pixels of the whole stored frame, x to the right and y down, the first is 0.
    A box is far more reliable than clicks, and only a box gets a probability of malignancy. What
    was pointed at takes part in every later run of the study, until it is taken back.
    """
    from node import tracking

    if remove is not None:
        if (instance, frame, point or None, box) != (None, None, None, None):
            raise typer.BadParameter("--remove stands alone: it takes a prompt back")
        _take_back(session, uid, remove, json=json)
        return
    if instance is None:
        raise typer.BadParameter("name the image with --instance: `studies show` lists them")
    if bool(point) == bool(box):
        raise typer.BadParameter("point with either --point (once or more) or one --box")
    kind = "box" if box else "point"
    coordinates = _box(box) if box else _clicks(point or [])
    with session.database() as db:
        uid = tracking.studies.resolve(db, uid)
        image = _image(tracking.instances.list_of(db, uid), instance)
        new = _checked(session.settings, image, frame, kind, coordinates)
        prompt, run = tracking.studies.segment(db, uid, new)
        if run is not None:
            detail = f"prompt {prompt.id}: {kind} in frame {new.frame} of {image.sop_instance_uid}"
            tracking.audit.record(db, "segment", uid, f"{detail}, run {run}")
    if json:
        print_json({"study": uid, "prompt": prompt, "run": run})
    elif run is None:
        say(
            f"prompt {prompt.id} of study {uid} says the same already, nothing was queued: "
            f"`hepanode studies reprocess {uid}` reads the study again"
        )
    else:
        say(
            f"prompt {prompt.id} is on record, run {run} of study {uid} is queued: "
            f"`hepanode runs show {run}` follows it"
        )


def _take_back(session: Session, uid: str, prompt: int, *, json: bool) -> None:
    from node import tracking

    with session.database() as db:
        uid = tracking.studies.resolve(db, uid)
        run = tracking.studies.take_back(db, uid, prompt)
        tracking.audit.record(db, "segment", uid, f"prompt {prompt} taken back, run {run}")
    if json:
        print_json({"study": uid, "prompt": prompt, "run": run})
    else:
        say(
            f"prompt {prompt} is taken back, run {run} of study {uid} is queued: "
            f"`hepanode runs show {run}` follows it"
        )


def _clicks(texts: Sequence[str]) -> tuple[Point, ...]:
    """Sorted, each once: the same clicks in another order are the same prompt."""
    found = set()
    for text in texts:
        match = re.fullmatch(rf"{_NUMBER},{_NUMBER}", text)
        if match is None:
            raise typer.BadParameter(f"--point {text!r}: write x,y in pixels, as 310,212")
        found.add((float(match[1]), float(match[2])))
    if len(found) > MOST_CLICKS:
        raise typer.BadParameter(
            f"{len(found)} clicks: the joint system takes 1 to {MOST_CLICKS} in one lesion"
        )
    return tuple(sorted(found))


def _box(text: str) -> tuple[Point, ...]:
    match = re.fullmatch(",".join([_NUMBER] * 4), text)
    if match is None:
        raise typer.BadParameter(f"--box {text!r}: write x0,y0,x1,y1 in pixels, as 120,80,240,190")
    x0, y0, x1, y1 = map(float, match.groups())
    if not (x0 < x1 and y0 < y1):
        raise typer.BadParameter(
            f"--box {text!r} is empty: x0,y0 is its upper left and x1,y1 its lower right corner"
        )
    return ((x0, y0), (x1, y1))


def _image(instances: Sequence[Instance], part: str) -> Instance:
    """The one instance whose UID is, begins or ends as ``part``; NotFound names what there is."""
    uids = {one.sop_instance_uid: one for one in instances}
    fitting = [uid for uid in uids if uid.startswith(part) or uid.endswith(part)]
    if part in uids:
        fitting = [part]
    if len(fitting) > 1:
        raise NotFound(f"more than one object is meant by {part}, as {fitting[0]} and {fitting[1]}")
    if not fitting:
        known = [uid for uid, one in uids.items() if not one.own_result]
        more = f" and {len(known) - 4} more" if len(known) > 4 else ""
        raise NotFound(
            f"the study has no object {part}; it has {', '.join(known[:4]) or 'none'}{more}"
        )
    if uids[fitting[0]].own_result:
        raise HepanodeError(
            f"{fitting[0]} is a result of this node: point at the image that it was made from"
        )
    return uids[fitting[0]]


def _checked(
    settings: Settings,
    image: Instance,
    frame: int | None,
    kind: str,
    coordinates: tuple[Point, ...],
) -> NewPrompt:
    """The prompt, when a worker can be expected to answer it; HepanodeError says why not."""
    from node.tracking import NewPrompt

    layout = _layout(settings, image)
    if frame is None and layout.frames > 1:
        raise typer.BadParameter(
            f"{image.sop_instance_uid} has {layout.frames} frames: say which one with --frame"
        )
    number = 1 if frame is None else frame
    if not 1 <= number <= layout.frames:
        raise typer.BadParameter(
            f"--frame {number}: {image.sop_instance_uid} has {plural(layout.frames, 'frame')}, "
            "counted from 1"
        )
    right, bottom = layout.columns - 1, layout.rows - 1
    for x, y in coordinates:
        if not (0 <= x <= right and 0 <= y <= bottom):
            raise typer.BadParameter(
                f"{x:g},{y:g} lies outside of the frame: x goes from 0 to {right}, "
                f"y from 0 to {bottom}"
            )
    _check_bundle(settings)
    return NewPrompt(image.sop_instance_uid, number, kind, coordinates)


def _layout(settings: Settings, image: Instance) -> Any:
    from node.cli.explanation import because
    from node.storage import InstanceStore
    from workers.frames import image_layout

    path = InstanceStore(settings.data, settings.storage.min_free_mib).path(image.path)
    try:
        return image_layout(path, settings.analysis)
    except FrameError as error:
        why = because(error.reason, str(error))
        raise HepanodeError(f"{image.sop_instance_uid} cannot be outlined: {why}") from None
    except StorageError as error:
        raise StorageError(f"{error}; call this where the node's data folder is") from None


def _check_bundle(settings: Settings) -> None:
    from models.errors import ModelError
    from models.registry import load_bundle
    from workers.analysis import check_outlines

    try:
        check_outlines(load_bundle(settings.analysis.joint_bundle, settings.bundle_folders))
    except ModelError as error:
        raise HepanodeError(f"nothing can outline a lesion on this node: {error}") from None
