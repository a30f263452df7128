"""The receiver's small parts, where a socket would only be in the way."""

from __future__ import annotations

import struct
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom.presentation import build_context

from node.association import header
from node.association.callers import Callers, Permission
from node.association.commands import Command, CommandError, Reply, encode
from node.association.contexts import negotiate
from node.association.places import Places
from node.association.recorder import Recorder
from node.errors import InstanceError, TrackingError
from node.identity import DEVICE_UID, is_own
from node.settings import Caller
from node.storage import is_valid_uid
from node.tracking import Database, ReceivedInstance, instances
from tests.association.receiving import image, in_parallel
from tests.association.test_receiver_refuses import encoded
from workers.results.identity import node_uid, weights_uid


def read(data: bytes, folder: Path, syntax: str = "1.2.840.10008.1.2.1") -> header.Header:
    path = folder / "dataset"
    path.write_bytes(b"\0" + data)
    with path.open("rb") as file:
        return header.read(file, 1, syntax)


def test_broken_headers_raise_instance_errors_only(tmp_path: Path) -> None:
    whole = encoded(image(RequestAttributesSequence=[Dataset()]), tmp_path)

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(0, 450), st.binary(min_size=1, max_size=4)), max_size=5),
        st.integers(0, 600),
        st.sampled_from(["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"]),
    )
    def broken(changes: list[tuple[int, bytes]], length: int, syntax: str) -> None:
        data = bytearray(whole)
        for position, value in changes:
            data[position : position + len(value)] = value
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with suppress(InstanceError):
                read(bytes(data[:length]), tmp_path, syntax)

    broken()


def test_deflated_bomb_is_looked_at_for_a_mebibyte_only(tmp_path: Path) -> None:
    import tracemalloc
    import zlib

    header_bytes = encoded(image(PixelData=None), tmp_path)
    private = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 2**28)
    compressor = zlib.compressobj(9, wbits=-15)
    bomb = compressor.compress(private)
    for _ in range(256):
        bomb += compressor.compress(bytes(2**20))
    bomb += compressor.compress(header_bytes) + compressor.flush()
    assert len(bomb) < 2**19
    tracemalloc.start()
    try:
        assert read(bomb, tmp_path, "1.2.840.10008.1.2.1.99").study_instance_uid == ""
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_nested_sequences_without_end_are_refused(tmp_path: Path) -> None:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    sequence = struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF)
    with pytest.raises(InstanceError):
        read((sequence + item) * 5000, tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_a_command_error(data: bytes) -> None:
    try:
        command = Command.decode(data)
    except CommandError:
        return
    assert sum(len(value) + 8 for value in command.elements.values()) <= len(data)


def test_response_repeats_the_request_and_cuts_the_comment() -> None:
    request = Command({0x0002: b"1.2.3\0", 0x0100: b"\1\0", 0x0110: b"\7\0", 0x1000: b"1.2.3.4\0"})
    response = Command.decode(request.response(Reply(0xC000, "x" * 200)))
    assert (response.field, response.number(0x0120)) == (0x8001, 7)
    assert (response.text(0x0002), response.text(0x1000)) == ("1.2.3", "1.2.3.4")
    assert response.text(0x0902) == "x" * 64
    length = int.from_bytes(response.elements.pop(0x0000), "little")
    assert length == len(encode(response.elements)) - 12


def test_first_proposed_syntax_is_taken_but_big_endian_last() -> None:
    big, implicit, jpeg = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.50"
    us = "1.2.840.10008.5.1.4.1.1.6.1"
    proposed = [
        build_context(us, [jpeg, implicit]),
        build_context(us, [big, implicit]),
        build_context(us, [big]),
        build_context("1.2.840.10008.5.1.4.31", [implicit]),
        build_context("1.2.3.4.5", ["1.2.3.4.6"]),
    ]
    answers = negotiate(proposed)
    assert [answer.transfer_syntax[0] for answer in answers[:3]] == [jpeg, implicit, big]
    assert [answer.result for answer in answers] == [0, 0, 0, 3, 0]


def test_callers_match_title_and_network() -> None:
    callers = Callers(
        [
            Caller(ae_title="US1", address="10.1.0.0/16", urgent=True),
            Caller(ae_title="US2", address="10.2.0.5"),
            Caller(ae_title="US6", address="fd00::/8"),
        ]
    )
    assert callers.find("US1", "10.1.200.3") == Permission(urgent=True)
    assert callers.find("US1", "::ffff:10.1.200.3") == Permission(urgent=True)
    assert callers.find("US2", "10.2.0.5") == Permission(urgent=False)
    assert callers.find("US6", "fd00::7%eth0") == Permission(urgent=False)
    for title, address in (("US2", "10.2.0.6"), ("US1", "10.2.0.5"), ("us1", "10.1.0.1")):
        assert callers.find(title, address) is None
    assert callers.knows_address("10.1.0.9")
    assert not callers.knows_address("192.168.0.1")
    assert Callers([]).find("ANY", "127.0.0.1") == Permission()


def test_places_are_counted_over_processes_and_freed_for_the_dead() -> None:
    places = Places(processes=2, limit=3)
    assert [places.take(0), places.take(0), places.take(0), places.take(0)] == [True] * 3 + [False]
    places.leave(0)
    assert places.take(0)
    places.clear(0)
    assert places.counts() == [0, 0]


def test_one_bad_row_does_not_fail_the_commit_of_the_others(db: Database) -> None:
    recorder = Recorder(db)
    kept: list[str] = []
    failed: list[int] = []
    gate = threading.Lock()

    def one(index: int) -> None:
        uid = f"1.2.{index}"
        missing_association = 999 if index == 3 else None
        row = replace(_row(uid), association_id=missing_association)
        try:
            path = recorder.record(row)
            with gate:
                kept.append(path)
        except TrackingError:
            failed.append(index)

    in_parallel(8, one)
    assert failed == [3]
    assert sorted(kept) == sorted(f"instances/1.2.{n}" for n in range(8) if n != 3)
    assert {i.sop_instance_uid for i in instances.list_of(db, "1.2")} == {
        f"1.2.{n}" for n in range(8) if n != 3
    }


def test_an_unexpected_error_of_one_row_is_an_error_for_all_who_wait_with_it(db: Database) -> None:
    recorder = Recorder(db)
    outcomes: list[str] = []

    def one(index: int) -> None:
        good = _row(f"1.2.{index}")
        try:
            recorder.record(good if index else replace(good, calling_ae=None))  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 whatever it is, it is looked at
            outcomes.append(type(error).__name__)

    recorder._turn.acquire()  # so that all four come into one commit
    threads = [threading.Thread(target=one, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    while len(recorder._waiting) < 4:
        time.sleep(0.01)
    recorder._turn.release()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["TrackingError"] * 3 + ["TypeError"]
    assert recorder.record(_row("1.2.9")) == "instances/1.2.9"


def _row(uid: str) -> ReceivedInstance:
    return ReceivedInstance(
        *("1.2", "1.2.9", uid, "1.2.8", "1.2.7", "", "US", f"instances/{uid}", 1, "US1"),
        association_id=None,
        urgent=False,
        own_result=False,
    )


def test_only_our_marks_make_an_own_result() -> None:
    assert is_own(image(Manufacturer="hepanode", ManufacturerModelName="hepanode liver ultrasound"))
    assert is_own(image(DeviceUID=DEVICE_UID))
    for uid in (node_uid("node-1"), weights_uid("ab" * 32)):  # what the results carry
        assert is_own(image(Manufacturer="Coerced by the PACS", DeviceUID=uid))
        equipment = Dataset()
        equipment.DeviceUID = uid
        assert is_own(image(ContributingEquipmentSequence=[equipment]))
        assert is_valid_uid(uid)
    assert not is_own(image(DeviceUID=DEVICE_UID + "1"))
    assert not is_own(image(Manufacturer="hepanode"))
    assert not is_own(image(Manufacturer="Acme", ManufacturerModelName="hepanode liver"))
    assert not is_own(image())
