"""``hepanode send`` and ``echo`` against a real storage SCP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file

from node.cli.demonstration.pacs import Pacs, storage_scp
from tests import peers
from tests.cli.conftest import Node


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Pacs]:
    folder = tmp_path / "pacs"
    folder.mkdir()
    with storage_scp(folder) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A DICOM file, a picture and a text."""
    found = get_testdata_file("CT_small.dcm")
    assert isinstance(found, str)
    folder = tmp_path / "sent"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "slice").write_bytes(Path(found).read_bytes())
    noise = np.random.default_rng(0).integers(0, 255, (48, 64), np.uint8)
    Image.fromarray(noise).save(folder / "frame.png")
    (folder / "readme.txt").write_text("nothing to see")
    return folder


def test_a_folder_is_sent_pictures_wrapped_and_others_skipped(
    node: Node, pacs: Pacs, folder: Path
) -> None:
    answer = node("send", str(folder), "--to", str(pacs.peer), "--json")
    assert answer.status == 0
    assert [outcome["accepted"] for outcome in answer.json] == [True, True]
    assert f"skipped {folder / 'readme.txt'}: neither DICOM nor JPEG nor PNG" in answer.err
    received = [pacs.fetch(outcome["sop_instance_uid"]) for outcome in answer.json]
    modalities = sorted(dcmread(path).Modality for path in received if path)
    assert modalities == ["CT", "US"]


def test_repeat_sends_the_same_objects_again(node: Node, pacs: Pacs, folder: Path) -> None:
    answer = node("send", str(folder / "deep"), "--to", str(pacs.peer), "--repeat", "3")
    assert answer.status == 0
    assert f"3 of 3 objects accepted by {pacs.peer}" in answer.out


def test_what_cannot_be_sent_is_said_and_exits_1(node: Node, pacs: Pacs, folder: Path) -> None:
    whole = (folder / "deep" / "slice").read_bytes()
    (folder / "deep" / "broken").write_bytes(whole[:140])
    answer = node("send", str(folder / "deep"), "--to", str(pacs.peer))
    assert answer.status == 1
    assert str(folder / "deep" / "broken") in answer.out
    assert "1 of 2 objects accepted" in answer.out


def test_a_silent_peer_is_named(node: Node, folder: Path) -> None:
    peer = f"NOBODY@127.0.0.1:{peers.free_port()}"
    sent = node("send", str(folder / "deep"), "--to", peer)
    assert sent.status == 1
    assert f"0 of 1 object accepted by {peer}" in sent.out
    asked = node("echo", peer)
    assert asked.status == 1
    assert peer in asked.err
    assert "Traceback" not in asked.err


def test_echo_answers_with_its_time(node: Node, pacs: Pacs) -> None:
    assert node("echo", str(pacs.peer)).out.startswith(f"{pacs.peer} answers in ")
    assert 0 < node("echo", str(pacs.peer), "--json").json["seconds"] < 10


def test_a_malformed_peer_shows_how_to_write_it(node: Node) -> None:
    answer = node("echo", "pacs:104")
    assert answer.status == 1
    assert "AE@host:port" in answer.err
