"""What ``studies segment`` and ``studies hepatorenal`` share: a place in a stored frame, checked,
recorded, audited and taken back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.output import plural, print_json, say
from node.cli.session import Session
from node.errors import FrameError, HepanodeError, NotFound, StorageError

if TYPE_CHECKING:
    from models.bundle import Bundle
    from node.settings import Settings
    from node.tracking import Instance

Point = tuple[float, float]

NUMBER = r"\s*([+-]?\d+(?:\.\d+)?)\s*"

InstanceOption = Annotated[
    str | None,
    typer.Option(
        "--instance",
        metavar="SOP_UID",
        help="SOP Instance UID of the image, or how it begins or ends.",
        show_default=False,
    ),
]
FrameOption = Annotated[
    int | None,
    typer.Option(
        "--frame",
        metavar="N",
        help="Frame of the image, from 1; may be left out where there is one.",
        show_default=False,
    ),
]
RemoveOption = Annotated[
    int | None,
    typer.Option(
        "--remove",
        metavar="ID",
        help="Take this prompt back: `studies show` lists them.",
        show_default=False,
    ),
]


def point(text: str, option: str) -> Point:
    """``310,212``, as ``option`` has it; BadParameter when it is no point."""
    match = re.fullmatch(f"{NUMBER},{NUMBER}", text)
    if match is None:
        raise typer.BadParameter(f"{option} {text!r}: write x,y in pixels, as 310,212")
    return float(match[1]), float(match[2])


def point_at(
    session: Session,
    uid: str,
    instance: str | None,
    frame: int | None,
    kind: str,
    coordinates: tuple[Point, ...],
    check_bundle: Callable[[Settings], None],
    *,
    json: bool,
) -> None:
    """Put a prompt on record, when a worker can be expected to answer it, and say what follows.

    check_bundle : raises HepanodeError where nothing on this node can answer
    """
    from node import tracking

    if instance is None:
        raise typer.BadParameter("name the image with --instance: `studies show` lists them")
    with session.database() as db:
        uid = tracking.studies.resolve(db, uid)
        image = image_of(tracking.instances.list_of(db, uid), instance)
        number = frame_of(session.settings, image, frame, coordinates)
        check_bundle(session.settings)
        new = tracking.NewPrompt(image.sop_instance_uid, number, kind, coordinates)
        prompt, run = tracking.studies.point_at(db, uid, new)
        if run is not None:
            detail = f"prompt {prompt.id}: {kind} in frame {number} of {image.sop_instance_uid}"
            verb = tracking.prompts.VERBS[kind]
            tracking.audit.record(db, verb, uid, f"{detail}, run {run}")
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


def take_back(session: Session, uid: str, prompt: int, verb: str, *, json: bool) -> None:
    """Take a prompt back, whichever command gave it; audited as ``verb``."""
    from node import tracking

    with session.database() as db:
        uid = tracking.studies.resolve(db, uid)
        run = tracking.studies.take_back(db, uid, prompt)
        tracking.audit.record(db, verb, uid, f"prompt {prompt} taken back, run {run}")
    if json:
        print_json({"study": uid, "prompt": prompt, "run": run})
    else:
        say(
            f"prompt {prompt} is taken back, run {run} of study {uid} is queued: "
            f"`hepanode runs show {run}` follows it"
        )


def checked_bundle(
    name: str, settings: Settings, check: Callable[[Bundle], None], otherwise: str
) -> None:
    """HepanodeError, which begins with ``otherwise``, for a bundle that is missing or unfit."""
    from models.errors import ModelError
    from models.registry import load_bundle

    try:
        check(load_bundle(name, settings.bundle_folders))
    except ModelError as error:
        raise HepanodeError(f"{otherwise}: {error}") from None


def image_of(instances: Sequence[Instance], part: str) -> Instance:
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


def frame_of(
    settings: Settings, image: Instance, frame: int | None, coordinates: tuple[Point, ...] = ()
) -> int:
    """The number of the frame, which is there and holds the coordinates."""
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
    return number


def _layout(settings: Settings, image: Instance) -> Any:
    from node.cli.explanation import because
    from node.storage import InstanceStore
    from workers.frames import image_layout

    path = InstanceStore(settings.data, settings.storage.min_free_mib).path(image.path)
    try:
        return image_layout(path, settings.analysis)
    except FrameError as error:
        why = because(error.reason, str(error))
        raise HepanodeError(f"{image.sop_instance_uid} cannot be read: {why}") from None
    except StorageError as error:
        raise StorageError(f"{error}; call this where the node's data folder is") from None
