"""Files of a run folder that a power cut leaves old or new, never half."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """A path to write to, beside ``file``, whose name it takes once all of it is on disk."""
    fresh = file.with_name(f"{file.stem}.new{file.suffix}")  # numpy insists on its own suffix
    yield fresh
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    fresh.replace(file)
