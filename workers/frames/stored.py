"""The file of a stored instance, whose own errors are not those of its content.

What a disk or a share does not give now, it may give later: StorageError fails the attempt, and
the run is tried again. Bad content stays bad, and is reported.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node.errors import StorageError

_SMALL = 1 << 16


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raises StorageError for an OSError, unless content has asked for what cannot be."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EINVAL:  # to seek to before the start
            raise
        raise StorageError(f"instance file {path.name}: {error.strerror}") from error


class InstanceFile(io.BufferedReader):
    """A file to read; an element that claims gigabytes takes no more memory than the file."""

    def __init__(self, path: Path) -> None:
        with storage_errors(path):
            raw = _Disk(path)
            self._size = os.fstat(raw.fileno()).st_size
        super().__init__(raw)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _SMALL:
            size = min(size, max(0, self._size - self.tell()))
        return super().read(size)


class _Disk(io.FileIO):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path = path

    def readinto(self, buffer: Any, /) -> int | None:
        with storage_errors(self._path):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with storage_errors(self._path):
            return super().readall()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with storage_errors(self._path):
            return super().seek(offset, whence)
