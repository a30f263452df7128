"""The data folder: every instance file has one place, and is whole when it is there.

    incoming/                                temporary names, on the same file system
    instances/<study uid>/<sop uid>.dcm      as received
    conflicts/<study uid>/<sop uid>.<digest>.dcm     other content under a UID that was taken
    results/<study uid>/<sop uid>.dcm        result objects of this node

Paths that leave this module are relative to the data folder, with forward slashes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from node.errors import DiskFull, StorageError
from node.storage import file_meta
from node.storage.folders import DurableFolders, sync_folder
from node.storage.incoming import Incoming, remove_stale
from node.storage.uids import check_uid

_BLOCK = 2**20


class InstanceStore:
    """The instance files of one node; safe for several threads and processes.

    ``min_free_mib``: nothing more is accepted when less than this is free.
    """

    def __init__(self, data_folder: Path, min_free_mib: int = 0) -> None:
        self.root = data_folder.resolve()
        self._floor = min_free_mib * 2**20
        self._folders = DurableFolders()

    def prepare(self) -> int:
        """Make the folders and clear away what killed processes left; how many files that was."""
        self.root.mkdir(parents=True, exist_ok=True)
        for name in ("incoming", "instances", "conflicts", "results"):
            self._folders.make(self.root / name)
        return remove_stale(self.root / "incoming")

    def path(self, relative: str) -> Path:
        """Where a path on record lies; raises StorageError when it leads out of the folder."""
        path = (self.root / relative).resolve()
        if not path.is_relative_to(self.root):
            raise StorageError(f"the path {relative!r} leads out of the data folder")
        return path

    def check_space(self) -> None:
        """Raises DiskFull when less space is free than the configured floor."""
        status = os.statvfs(self.root)
        free = status.f_bavail * status.f_frsize
        if free < self._floor:
            raise DiskFull(
                f"{free // 2**20} MiB are free on the data folder, storage.min_free_mib is "
                f"{self._floor // 2**20}: nothing more is accepted until space is made"
            )

    def incoming(self) -> Incoming:
        """A new temporary file; raises DiskFull, or OSError of the file system."""
        return Incoming(self.root / "incoming", self.check_space)

    def place(self, incoming: Incoming, study_uid: str, sop_uid: str) -> tuple[str, bool]:
        """Make ``incoming`` durable as an instance; its path, and whether that name was free.

        When the name is taken, the file there is left alone: compare with ``same_content``.
        """
        relative = f"instances/{check_uid(study_uid, 'Study Instance UID')}/{_name(sop_uid)}.dcm"
        return relative, self._place(incoming, self.root / relative)

    def put_aside(self, incoming: Incoming, study_uid: str, sop_uid: str) -> str:
        """Make ``incoming`` durable as a conflict; its path, the same for the same content."""
        digest = _dataset_digest(incoming.path)[:16]
        relative = f"conflicts/{check_uid(study_uid, 'Study Instance UID')}/"
        relative += f"{_name(sop_uid)}.{digest}.dcm"
        self._place(incoming, self.root / relative)
        return relative

    def same_content(self, first: Path, second: Path) -> bool:
        """Whether two files hold the same data set, byte for byte, in the same transfer syntax."""
        (one, syntax, _), (other, other_syntax, _) = file_meta.read(first), file_meta.read(second)
        if syntax != other_syntax or first.stat().st_size - one != second.stat().st_size - other:
            return False
        with first.open("rb") as a, second.open("rb") as b:
            a.seek(one)
            b.seek(other)
            while block := a.read(_BLOCK):
                if block != b.read(_BLOCK):
                    return False
        return True

    def write_result(
        self, study_uid: str, sop_uid: str, content: bytes | Callable[[BinaryIO], object]
    ) -> str:
        """Write a result object, replacing one of the same UID at once and whole; its path.

        ``content`` is the file's bytes, or writes them into the binary file it is given.
        Raises DiskFull, or StorageError when the file system refuses.
        """
        relative = f"results/{check_uid(study_uid, 'Study Instance UID')}/{_name(sop_uid)}.dcm"
        target = self.root / relative
        try:
            incoming = self.incoming()
            try:
                if callable(content):
                    with os.fdopen(incoming.fileno(), "wb", closefd=False) as file:
                        content(file)
                else:
                    incoming.write(content)
                incoming.sync()
                self._enter(target.parent, lambda: incoming.path.replace(target))
            finally:
                incoming.discard()
        except OSError as error:
            raise StorageError(f"result {relative} cannot be written: {error}") from error
        return relative

    def read_result(self, relative: str, size: int | None = None, sha256: str = "") -> bytes:
        """The file of a result object, as it was made: with this size and digest, where known.

        Raises StorageError when it is missing, cannot be read or has another content.
        """
        try:
            content = self.path(relative).read_bytes()
        except FileNotFoundError as error:
            raise StorageError(f"the file {relative} is missing") from error
        except OSError as error:
            raise StorageError(f"the file {relative} cannot be read: {error.strerror}") from error
        other = f"the file {relative} is not as it was made:"
        if size not in (None, len(content)):
            raise StorageError(f"{other} it has {len(content)} bytes, not {size}")
        found = hashlib.sha256(content).hexdigest()
        if sha256 not in ("", found):
            raise StorageError(f"{other} its SHA-256 is {found}, not {sha256}")
        return content

    def _place(self, incoming: Incoming, target: Path) -> bool:
        """link(2) fails when the name is taken: unlike a rename, it never replaces a file."""
        incoming.sync()
        try:
            self._enter(target.parent, lambda: os.link(incoming.path, target))
        except FileExistsError:
            sync_folder(target.parent)  # whoever made the name may not have come so far yet
            return False
        return True

    def _enter(self, folder: Path, step: Callable[[], object]) -> None:
        """Take a step that makes a name in ``folder``, durably."""
        self._folders.make(folder)
        try:
            step()
        except FileNotFoundError:  # the folder was removed since this process made it
            self._folders.forget(folder)
            self._folders.make(folder)
            step()
        sync_folder(folder)


def _name(sop_uid: str) -> str:
    return check_uid(sop_uid, "SOP Instance UID")


def _dataset_digest(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(file_meta.read(path)[0])
        return hashlib.file_digest(file, "sha256").hexdigest()
