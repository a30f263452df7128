"""The data folder: whole files or none, each in its one place."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
from pydicom.filereader import read_file_meta_info

from node.errors import DiskFull, InstanceError, StorageError
from node.storage import Incoming, InstanceStore, check_uid, file_meta, is_uid, is_valid_uid

META = file_meta.encode(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.6.1",
    sop_instance_uid="1.2.3",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    calling_ae="US1",
)


@pytest.fixture
def store(tmp_path: Path) -> InstanceStore:
    store = InstanceStore(tmp_path / "data")
    store.prepare()
    return store


def incoming(store: InstanceStore, content: bytes, meta: bytes = META) -> Incoming:
    file = store.incoming()
    file.write(meta)
    file.write(memoryview(content))
    return file


@pytest.mark.parametrize("uid", ["1.2", "0.0", "1.20.300", "2.25." + "9" * 59])
def test_uids_of_the_standard_pass(uid: str) -> None:
    assert is_uid(uid)
    assert is_valid_uid(uid)


@pytest.mark.parametrize("uid", ["1.02", "1.2.00", "01.2"])
def test_uids_with_leading_zeros_are_used_but_not_called_valid(uid: str) -> None:
    assert is_uid(uid)
    assert not is_valid_uid(uid)


@pytest.mark.parametrize(
    "uid",
    [
        *("", "1", "1.", ".1", "1..2", "../1", "1/2", "1.2\n", "1.2 ", "1.a", "1.²", "1.٢"),
        f"2.25.{'9' * 60}",
    ],
)
def test_what_is_no_uid_never_becomes_a_path(uid: str, store: InstanceStore) -> None:
    assert not is_uid(uid)
    with pytest.raises(InstanceError):
        check_uid(uid, "Study Instance UID")
    with pytest.raises(InstanceError):
        store.write_result(uid, "1.2", b"")
    with pytest.raises(InstanceError):
        store.write_result("1.2", uid, b"")
    with pytest.raises(InstanceError):
        store.place(incoming(store, b""), uid, "1.2")


def test_file_meta_is_what_pydicom_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(META + b"the data set")
    meta = read_file_meta_info(path)
    assert meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert file_meta.read(path) == (len(META), "1.2.840.10008.1.2.1", "US1")
    path.write_bytes(b"no DICOM")
    with pytest.raises(StorageError):
        file_meta.read(path)


def test_instance_is_placed_whole_and_its_temporary_name_is_gone(store: InstanceStore) -> None:
    file = incoming(store, b"pixels")
    path, is_new = store.place(file, "1.2", "1.2.3")
    file.discard()
    assert (path, is_new) == ("instances/1.2/1.2.3.dcm", True)
    assert store.path(path).read_bytes() == META + b"pixels"
    assert not list((store.root / "incoming").iterdir())


def test_taken_name_is_never_overwritten(store: InstanceStore) -> None:
    path, _ = store.place(incoming(store, b"first"), "1.2", "1.2.3")
    second = incoming(store, b"other")
    assert store.place(second, "1.2", "1.2.3") == (path, False)
    assert store.path(path).read_bytes() == META + b"first"
    assert not store.same_content(store.path(path), second.path)
    aside = store.put_aside(second, "1.2", "1.2.3")
    assert aside.startswith("conflicts/1.2/1.2.3.")
    assert store.put_aside(incoming(store, b"other"), "1.2", "1.2.3") == aside
    assert store.put_aside(incoming(store, b"third"), "1.2", "1.2.3") != aside


def test_content_is_the_data_set_and_its_syntax_not_the_meta(store: InstanceStore) -> None:
    def meta(syntax: str, caller: str) -> bytes:
        return file_meta.encode(
            sop_class_uid="1.2",
            sop_instance_uid="1.2.3",
            transfer_syntax_uid=syntax,
            calling_ae=caller,
        )

    one = incoming(store, b"same", meta("1.2.840.10008.1.2", "US1"))
    other_caller = incoming(store, b"same", meta("1.2.840.10008.1.2", "ANOTHER"))
    other_syntax = incoming(store, b"same", meta("1.2.840.10008.1.2.1", "US1"))
    assert store.same_content(one.path, other_caller.path)
    assert not store.same_content(one.path, other_syntax.path)


def test_one_of_many_writers_places_the_instance(store: InstanceStore) -> None:
    barrier = threading.Barrier(8)
    placed: list[bool] = []

    def write() -> None:
        file = incoming(store, b"pixels")
        barrier.wait(10)
        placed.append(store.place(file, "1.2", "1.2.3")[1])
        file.discard()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(placed) == [False] * 7 + [True]


def test_folder_that_was_removed_is_made_again(store: InstanceStore) -> None:
    path, _ = store.place(incoming(store, b"first"), "1.2", "1.2.3")
    shutil.rmtree(store.path(path).parent)
    assert store.place(incoming(store, b"first"), "1.2", "1.2.3") == (path, True)


def test_floor_of_free_space_refuses_before_and_while_writing(
    store: InstanceStore, tmp_path: Path
) -> None:
    full = InstanceStore(tmp_path / "data", shutil.disk_usage(tmp_path).free // 2**20 + 10_000)
    with pytest.raises(DiskFull, match="min_free_mib"):
        full.incoming()
    with pytest.raises(DiskFull):
        full.write_result("1.2", "1.2.3", b"")
    file = Incoming(store.root / "incoming", lambda: None)
    file._check_space = full.check_space
    file.write(bytes(2**20))
    for _ in range(30):
        file.write(bytes(2**20))
    with pytest.raises(DiskFull):
        file.write(bytes(2**20))


def test_result_replaces_the_older_one_at_once(store: InstanceStore) -> None:
    path = store.write_result("1.2", "1.2.3", b"first")
    assert path == "results/1.2/1.2.3.dcm"
    with store.path(path).open("rb") as reader:

        def write(file: BinaryIO) -> None:
            file.write(b"second")
            assert store.path(path).read_bytes() == b"first"

        assert store.write_result("1.2", "1.2.3", write) == path
        assert reader.read() == b"first"  # who had it open reads on
    assert store.path(path).read_bytes() == b"second"


def test_result_that_fails_half_way_leaves_the_older_one(store: InstanceStore) -> None:
    path = store.write_result("1.2", "1.2.3", b"first")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise ValueError("the builder failed")

    with pytest.raises(ValueError, match="builder"):
        store.write_result("1.2", "1.2.3", fail)
    assert store.path(path).read_bytes() == b"first"
    assert not list((store.root / "incoming").iterdir())


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "instances/../../outside"])
def test_path_that_leads_out_of_the_folder_is_refused(store: InstanceStore, path: str) -> None:
    with pytest.raises(StorageError):
        store.path(path)


def test_leftovers_of_the_dead_go_and_files_of_the_living_stay(store: InstanceStore) -> None:
    code = (
        "import os, sys; from pathlib import Path; from node.storage import InstanceStore; "
        "store = InstanceStore(Path(sys.argv[1])); store.incoming().write(b'x'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(store.root)], check=False, cwd=Path.cwd())
    living = incoming(store, b"still written")
    assert len(list((store.root / "incoming").iterdir())) == 2
    assert store.prepare() == 1
    assert list((store.root / "incoming").iterdir()) == [living.path]
    living.discard()


def test_a_file_that_is_taken_for_a_leftover_before_it_is_locked_is_made_anew(
    store: InstanceStore,
) -> None:
    ended = threading.Event()

    def clear_away() -> None:
        while not ended.is_set():
            store.prepare()

    clearing = threading.Thread(target=clear_away)
    clearing.start()
    try:
        for _ in range(2000):
            living = store.incoming()
            assert living.path.exists()
            living.discard()
    finally:
        ended.set()
        clearing.join()
