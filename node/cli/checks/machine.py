"""The data folder and the disk under it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator

from node.cli.checks.finding import Finding
from node.cli.output import size
from node.settings import Settings


def data_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data.resolve()
    if not folder.is_dir():
        yield Finding("wrong", "data folder", f"{folder} does not exist", "`hepanode up` makes it")
        return
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Finding(
            "wrong",
            "data folder",
            f"{folder} cannot be written: {error.strerror}",
            "give it to the user that the node runs as",
        )
        return
    yield Finding("ok", "data folder", f"{folder} can be written")


def disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.data.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    floor = settings.storage.min_free_mib * 2**20
    text = f"{size(free)} free, the floor is {size(floor)} (storage.min_free_mib)"
    if free < floor:
        yield Finding("wrong", "disk", f"{text}: senders are refused", "make space")
    elif free < 3 * floor:
        yield Finding("warning", "disk", text, "make space before senders are refused")
    else:
        yield Finding("ok", "disk", text)
