"""The headers of the stored instances that a result set speaks of."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from workers.frames.header import BAD_CONTENT

_DEFER = 64 * 1024  # vendors' raw volumes stay on disk


def read_headers(paths: Mapping[str, Path]) -> dict[str, Dataset]:
    """By SOP Instance UID, without pixels; a file that cannot be parsed is left out."""
    headers: dict[str, Dataset] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # malformed values are cleaned, and noted, later
        for uid, path in paths.items():
            try:
                headers[uid] = dcmread(path, stop_before_pixels=True, force=True, defer_size=_DEFER)
            except BAD_CONTENT:
                continue
    return headers
