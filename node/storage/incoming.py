"""One file on its way into the store: written under a temporary name, then placed or dropped."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from node.storage.folders import write_all

_CHECK_EVERY = 32 * 2**20  # bytes between two looks at the free space


class Incoming:
    """A file in ``incoming/`` that nobody else sees yet; ``size`` bytes so far.

    It is locked while its writer lives, which is how leftovers of a killed process are told
    from files that another process is writing.
    """

    def __init__(self, folder: Path, check_space: Callable[[], None]) -> None:
        check_space()
        self.size = 0
        self._check_space = check_space
        self._next_check = _CHECK_EVERY
        self.path, self._descriptor = _create(folder)

    def write(self, data: bytes | memoryview) -> None:
        """Append; raises DiskFull, or OSError of the file system."""
        write_all(self._descriptor, data)
        self.size += len(data)
        if self.size >= self._next_check:
            self._next_check = self.size + _CHECK_EVERY
            self._check_space()

    def fileno(self) -> int:
        return self._descriptor

    def sync(self) -> None:
        os.fsync(self._descriptor)

    def discard(self) -> None:
        """Remove the temporary name; harmless after the file was placed, and when repeated."""
        if self._descriptor >= 0:
            self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


def _create(folder: Path) -> tuple[Path, int]:
    """A new, locked file; one that ``remove_stale`` took before it was locked is made anew."""
    while True:
        path = folder / f"{os.getpid()}-{uuid4().hex}.part"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


def remove_stale(folder: Path) -> int:
    """Remove files whose writer is dead; how many there were."""
    removed = 0
    for path in folder.glob("*.part"):
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue  # its writer finished in the meantime
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            removed += os.fstat(descriptor).st_nlink  # 0: its writer finished just now
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
    return removed
