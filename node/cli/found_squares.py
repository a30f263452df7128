"""``hepanode studies hepatorenal UID --find``: where the squares may go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from node.cli.output import print_json, say, table
from node.cli.pointing import frame_of, image_of
from node.cli.session import Session
from node.errors import HepanodeError

if TYPE_CHECKING:
    from node.settings import Settings
    from node.tracking import Instance
    from workers.analysis.squares_found import Proposal, SquaresFinder
    from workers.findings import Dropped, Frame


def find_squares(
    session: Session,
    uid: str,
    instance: str | None,
    frame: int | None,
    out: Path | None,
    *,
    json: bool,
) -> None:
    """Print a pair for each frame in which liver and kidney are found; a picture of each to out."""
    from node import tracking

    if frame is not None and instance is None:
        raise typer.BadParameter("--frame counts within an image: name it with --instance")
    with session.database() as db:
        uid = tracking.studies.resolve(db, uid)
        images: Sequence[Instance] = tracking.instances.list_of(db, uid)
    if instance is not None:
        images = [image_of(images, instance)]
    if frame is not None:
        frame = frame_of(session.settings, images[0], frame)
    finder = _finder(session.settings)
    found = list(finder.propose(_frames(session.settings, images, frame)))
    pictures = [_drawn(out, one) for one in found]
    if json:
        print_json([_plain(uid, one, file) for one, file in zip(found, pictures, strict=True)])
        return
    if not found:
        say(
            f"no frame of study {uid} has room for both squares in a liver and a kidney that are "
            "found: point at them with --liver and --kidney"
        )
        return
    rows = [
        (f"{one.index:.2f}", f"{one.low:.2f} to {one.high:.2f}", str(file or "-"), _take(uid, one))
        for one, file in zip(found, pictures, strict=True)
    ]
    table(("INDEX", "OTHER PLACES", "PICTURE", "TAKE IT WITH"), rows)
    say(
        "Proposals of a model that learned kidneys from simulated frames: look where the squares "
        "lie before you take a pair, keep to parenchyma and cortex. Nothing was recorded."
    )


def _take(uid: str, one: Proposal) -> str:
    places = " ".join(
        f"--{organ} {x:g},{y:g}" for organ, (x, y) in (("liver", one.liver), ("kidney", one.kidney))
    )
    image, number = one.frame.sop_instance_uid, one.frame.number
    return f"hepanode studies hepatorenal {uid} --instance {image} --frame {number} {places}"


def _plain(uid: str, one: Proposal, file: Path | None) -> dict[str, object]:
    return {
        "study": uid,
        "instance": one.frame.sop_instance_uid,
        "frame": one.frame.number,
        "liver": one.liver,
        "kidney": one.kidney,
        "index": one.index,
        "low": one.low,
        "high": one.high,
        "pairs": one.pairs,
        "picture": None if file is None else str(file),
    }


def _drawn(out: Path | None, one: Proposal) -> Path | None:
    if out is None:
        return None
    from PIL import Image

    from models.evaluation.picture import draw

    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{one.frame.sop_instance_uid}-{one.frame.number}.png"
    Image.fromarray(draw(one.image, found=one.outlines, boxes=one.squares)).save(file)
    return file


def _finder(settings: Settings) -> SquaresFinder:
    from models.errors import ModelError
    from models.registry import load_bundle
    from workers.analysis import LoadedModels
    from workers.analysis.squares_found import SquaresFinder

    names = (settings.analysis.fan_liver_bundle, settings.analysis.kidney_bundle)
    if not all(names):
        raise HepanodeError(
            "nothing finds liver and kidney on this node: analysis.fan_liver_bundle and "
            "analysis.kidney_bundle must each name a bundle"
        )
    try:
        bundles = [load_bundle(name, settings.bundle_folders) for name in names]
        return SquaresFinder(LoadedModels(settings.analysis, settings.bundle_folders), *bundles)
    except ModelError as error:
        raise HepanodeError(f"nothing finds liver and kidney on this node: {error}") from None


def _frames(
    settings: Settings, images: Sequence[Instance], number: int | None
) -> Iterator[Frame | Dropped]:
    """The frame that is named, else those that an analysis would read."""
    from node.storage import InstanceStore
    from workers.frames import StoredInstance, read, read_asked, select

    store = InstanceStore(settings.data, settings.storage.min_free_mib)
    stored = {
        one.sop_instance_uid: StoredInstance(
            store.path(one.path), one.sop_instance_uid, one.own_result
        )
        for one in images
    }
    if number is not None:
        (only,) = stored.values()
        yield read_asked(only, number, (), settings.analysis)
        return
    chosen = select(list(stored.values()), settings.analysis).frames
    for uid, refs in groupby(chosen, key=lambda ref: ref.sop_instance_uid):
        yield from read(stored[uid].path, list(refs), settings.analysis)
