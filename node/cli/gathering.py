"""From the paths on a command line to DICOM files that can be sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_PREAMBLE = 128
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_BEFORE_PS3_10 = (b"\x02\x00", b"\x08\x00", b"\x00\x08")  # files that start with their data set
_DICOMDIR = "1.2.840.10008.1.3.10"


@dataclass(frozen=True)
class Gathered:
    """``files``: DICOM, in the order found; ``skipped``: path and why."""

    files: tuple[Path, ...]
    skipped: tuple[tuple[Path, str], ...]


def gather(paths: Sequence[Path], wrapped: Path, *, mm_per_pixel: float | None = None) -> Gathered:
    """All DICOM files in ``paths`` and the folders under them; pictures become ultrasound images.

    JPEG and PNG pictures of one folder become one study; the wrapped files lie in ``wrapped``.
    """
    from node.association.wrap import Study
    from node.errors import StorageError

    files: list[Path] = []
    skipped: list[tuple[Path, str]] = []
    studies: dict[Path, Study] = {}
    for path in _files(paths):
        try:
            start = _start(path)
        except OSError as error:
            skipped.append((path, f"cannot be read: {error.strerror}"))
            continue
        if start.startswith(_PICTURES):
            study = studies.setdefault(path.parent, Study(patient_id="WRAPPED"))
            target = wrapped / f"{len(studies)}-{study.images + 1}.dcm"
            try:
                study.wrap(path, target, mm_per_pixel=mm_per_pixel)
                files.append(target)
            except StorageError as error:
                skipped.append((path, str(error)))
        elif start[_PREAMBLE:] != b"DICM" and not start.startswith(_BEFORE_PS3_10):
            skipped.append((path, "neither DICOM nor JPEG nor PNG"))
        elif _is_dicomdir(path):
            skipped.append((path, "a DICOMDIR lists objects and is none itself"))
        else:
            files.append(path)
    return Gathered(tuple(files), tuple(skipped))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(found for found in path.rglob("*") if found.is_file())
        else:
            yield path


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_PREAMBLE + 4)


def _is_dicomdir(path: Path) -> bool:
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    try:
        return bool(read_file_meta_info(path).get("MediaStorageSOPClassUID") == _DICOMDIR)
    except (InvalidDicomError, OSError, ValueError, EOFError):
        return False  # the sender says what is wrong with it
