"""The headers of the stored instances that a result set speaks of."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from workers.frames.header import BAD_CONTENT
from workers.frames.stored import InstanceFile

_DEFER = 64 * 1024  # vendors' raw volumes stay on disk


def read_headers(paths: Mapping[str, Path]) -> dict[str, Dataset]:
    """By SOP Instance UID, without pixels; a file that cannot be parsed is left out.

    Raises StorageError when one cannot be opened or read.
    """
    headers: dict[str, Dataset] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # malformed values are cleaned, and noted, later
        for uid, path in paths.items():
            with InstanceFile(path) as file, suppress(*BAD_CONTENT):
                headers[uid] = dcmread(file, stop_before_pixels=True, force=True, defer_size=_DEFER)
    return headers
