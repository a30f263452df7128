"""Sending: every file has an outcome, in order, whatever the peer does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE, evt

from node.association import acceptance
from node.association.commands import Command, Reply
from node.association.echo import echo
from node.association.peer import Peer
from node.association.requestor import Timeouts
from node.association.sender import Sent, send
from node.association.upper_layer import AssociationLost, UpperLayer
from node.errors import AssociationError
from tests.association.receiving import Node, image, write
from tests.peers import free_port

US = "1.2.840.10008.5.1.4.1.1.6.1"
SHORT = Timeouts.all(1)


@contextmanager
def scp(handler: object, syntaxes: list[str], max_pdu: int = 16382) -> Iterator[Peer]:
    """A pynetdicom PACS that takes US images in these syntaxes."""
    ae = AE("PACS")
    ae.maximum_pdu_size = max_pdu
    ae.add_supported_context(US, syntaxes)
    port = free_port()
    server = ae.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, handler)]
    )
    try:
        yield Peer("PACS", "127.0.0.1", port)
    finally:
        server.shutdown()


@contextmanager
def pacs(
    behaviour: Callable[[UpperLayer], object],
    answer: Callable[[object], object] = lambda request: acceptance.accept(request, 16384)[0],
) -> Iterator[Peer]:
    """Accepts associations and then behaves like this, until it closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:

        def serve(connection: socket.socket) -> None:
            with connection, suppress(AssociationLost):
                upper = UpperLayer(connection, 2**18)
                upper.set_timeout(5)
                upper.accept(answer(upper.request()))
                behaviour(upper)

        def listen() -> None:
            with suppress(OSError):
                while True:
                    pool.submit(serve, server.accept()[0])

        pool.submit(listen)
        yield Peer("PACS", "127.0.0.1", server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def silent() -> Iterator[Peer]:
    """The kernel accepts the connections, nobody ever reads them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Peer("PACS", "127.0.0.1", server.getsockname()[1])


def files(folder: Path, count: int) -> list[Path]:
    return [write(image(), folder / f"{n}.dcm") for n in range(count)]


def test_outcomes_come_in_order_with_the_peers_status(tmp_path: Path) -> None:
    statuses = iter([0x0000, 0xB007, 0xA700, 0xC123, 0x0000])
    sent_files = files(tmp_path, 5)
    received = []

    def store(event: evt.Event) -> int:
        received.append(event.encoded_dataset(include_meta=False))
        return next(statuses)

    with scp(store, ["1.2.840.10008.1.2.1"]) as peer:
        sent = list(send(sent_files, peer))
    assert [s.path for s in sent] == sent_files
    assert [s.status for s in sent] == [0x0000, 0xB007, 0xA700, 0xC123, 0x0000]
    assert [s.accepted for s in sent] == [True, True, False, False, True]
    assert [s.retryable for s in sent] == [False, False, True, False, False]
    assert all(
        file.read_bytes().endswith(data) for file, data in zip(sent_files, received, strict=True)
    )


def test_files_that_are_none_and_refused_classes_do_not_stop_the_rest(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not DICOM, but longer than a preamble and its prefix. " * 5)
    empty = tmp_path / "empty.dcm"
    empty.touch()
    secondary = write(image(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), tmp_path / "sc.dcm")
    good = files(tmp_path, 2)
    with scp(lambda event: 0, ["1.2.840.10008.1.2.1"]) as peer:
        paths = [good[0], text, empty, tmp_path / "missing.dcm", secondary, good[1]]
        sent = list(send(paths, peer))
    assert [s.accepted for s in sent] == [True, False, False, False, False, True]
    assert "does not take Secondary Capture Image Storage" in sent[4].error
    assert all(s.error and s.status is None and not s.retryable for s in sent[1:5])


def test_peer_of_the_default_syntax_only_gets_its_objects_in_it(tmp_path: Path) -> None:
    received = []

    def store(event: evt.Event) -> int:
        received.append((event.context.transfer_syntax, event.dataset))
        return 0

    [file] = files(tmp_path, 1)
    with scp(store, [ImplicitVRLittleEndian]) as peer:
        [sent] = send([file], peer)
    assert sent.accepted
    [(syntax, dataset)] = received
    assert syntax == ImplicitVRLittleEndian
    assert dataset.PixelData == dcmread(file).PixelData


def test_peer_without_a_pdu_limit_and_with_a_small_one_get_the_same(tmp_path: Path) -> None:
    file = write(image(size=512), tmp_path / "a.dcm")
    for limit in (0, 4096):
        received = []

        def store(event: evt.Event, received: list[bytes] = received) -> int:
            received.append(event.encoded_dataset(include_meta=False))
            return 0

        with scp(store, ["1.2.840.10008.1.2.1"], limit) as peer:
            assert next(send([file], peer)).accepted
        assert file.read_bytes().endswith(received[0])


def test_more_contexts_than_one_association_holds_take_several(node: Node, tmp_path: Path) -> None:
    paths = [
        write(image(SOPClassUID=f"1.2.3.4.{n}"), tmp_path / f"{n}.dcm", f"1.2.3.5.{n}")
        for n in range(140)
    ]
    sent = list(send(paths, node.peer))
    assert [s.path for s in sent] == paths
    assert all(s.accepted for s in sent), [s for s in sent if not s.accepted][:1]


def test_lost_association_leaves_the_rest_to_be_sent_again(tmp_path: Path) -> None:
    def answer_one(upper: UpperLayer) -> None:
        encoded = b""
        for _, control, fragment in upper.fragments():
            if control == 0b11:
                encoded = bytes(fragment)
            elif control == 0b10:
                upper.send_command(1, Command.decode(encoded).response(Reply()))
                return

    with pacs(answer_one) as peer:
        sent = list(send(files(tmp_path, 4), peer, timeouts=SHORT))
    assert [s.accepted for s in sent] == [True, False, False, False]
    assert all(s.retryable and s.status is None and s.error for s in sent[1:])
    assert [s.out_of_reach for s in sent] == [False, False, True, True]  # the second was begun


def test_peer_that_is_not_there_costs_one_attempt(tmp_path: Path) -> None:
    sent = list(send(files(tmp_path, 3), Peer("PACS", "127.0.0.1", free_port())))
    assert [s.retryable for s in sent] == [True] * 3
    assert "cannot be reached" in sent[0].error


@pytest.mark.parametrize("host", ["a" * 70, "pacs..example", "pacs\0"])
def test_what_can_be_no_host_name_cannot_be_reached(tmp_path: Path, host: str) -> None:
    [sent] = send(files(tmp_path, 1), Peer("PACS", host, 104), timeouts=SHORT)
    assert (sent.retryable, sent.out_of_reach) == (True, True)
    assert "cannot be reached" in sent.error


def test_contexts_that_nobody_proposed_are_not_accepted_ones(tmp_path: Path) -> None:
    def answer(request: object) -> object:
        accepted = acceptance.accept(request, 16384)[0]
        for result in accepted.presentation_context_definition_results_list:
            result.context_id = 201
        return accepted

    with pacs(lambda upper: list(upper.fragments()), answer) as peer:
        [sent] = send(files(tmp_path, 1), peer, timeouts=SHORT)
    assert (sent.accepted, sent.retryable) == (False, False)
    assert "does not take" in sent.error


@pytest.mark.parametrize(
    "last", [b"\xe1\x7f\x10\x00SQ\0\0\xff\xff\xff\xff" + bytes(9), b"\xe1\x7f\x10\x10US\3\0abc"]
)
def test_a_file_that_cannot_be_rewritten_for_its_peer_fails_alone(
    tmp_path: Path, last: bytes
) -> None:
    good, bad = files(tmp_path, 2)
    bad.write_bytes(bad.read_bytes() + last)
    with scp(lambda event: 0, [ImplicitVRLittleEndian]) as peer:
        outcomes = list(send([bad, good], peer, timeouts=SHORT))
    assert [one.accepted for one in outcomes] == [False, True]
    assert not outcomes[0].retryable


def test_every_silence_of_a_peer_ends_in_time(tmp_path: Path) -> None:
    [small] = files(tmp_path, 1)
    big = write(image(size=4096), tmp_path / "big.dcm")  # larger than all buffers on the way
    start = time.monotonic()
    with silent() as peer:  # connects, and answers no association request
        [sent] = send([small], peer, timeouts=SHORT)
        assert sent.retryable
        with pytest.raises(AssociationError):
            echo(peer, timeout=1)
    over = threading.Event()
    with pacs(lambda upper: over.wait(20)) as peer:  # accepts, reads nothing and says nothing
        for file in (small, big):
            [sent] = send([file], peer, timeouts=SHORT)
            assert (sent.retryable, sent.status) == (True, None)
        over.set()
    assert time.monotonic() - start < 8


def test_generator_that_is_left_early_closes_its_association(node: Node, tmp_path: Path) -> None:
    outcomes = send(files(tmp_path, 3), node.peer)
    assert isinstance(next(outcomes), Sent)
    outcomes.close()  # a socket left open would be a ResourceWarning, which fails the test


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("PACS@10.1.2.3:104", Peer("PACS", "10.1.2.3", 104)),
        (" MY PACS@pacs.example:11112 ", Peer("MY PACS", "pacs.example", 11112)),
        ("PACS@[::1]:104", Peer("PACS", "::1", 104)),
    ],
)
def test_peer_is_read_from_text(text: str, peer: Peer) -> None:
    assert Peer.parse(text) == peer


@pytest.mark.parametrize("text", ["", "PACS", "PACS@host", "@host:104", "PACS@host:0", "A@h:70000"])
def test_what_is_no_peer_says_how_to_write_one(text: str) -> None:
    with pytest.raises(AssociationError, match="AE@host:port"):
        Peer.parse(text)
