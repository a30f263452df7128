"""Durable steps on a file system: what was done here survives a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable (fsync of a folder, see fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """write(2) may take less than it was given, as when the disk fills up."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class DurableFolders:
    """Makes folders and syncs their parents, once per folder and process.

    Another process may have made a folder and not yet synced its parent, so a folder that
    exists is no proof: each process syncs the parent of what it has not seen before.
    """

    def __init__(self, remembered: int = 4096) -> None:
        self._remembered = remembered
        self._known: dict[Path, None] = {}

    def make(self, folder: Path) -> None:
        if folder in self._known:
            return
        if not folder.parent.is_dir():
            self.make(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
        self._known[folder] = None
        while len(self._known) > self._remembered:
            self._known.pop(next(iter(self._known)), None)

    def forget(self, folder: Path) -> None:
        """Somebody removed it, as retention does: make it again the next time."""
        self._known.pop(folder, None)
