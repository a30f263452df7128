"""Several processes on one port: killed, stopped and started again, with nothing lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from node.association.echo import echo
from node.association.requestor import Context, Requestor, Timeouts
from node.association.sender import send
from node.errors import AssociationError
from tests.association.receiving import (
    Node,
    image,
    in_parallel,
    receiver,
    wait_until,
    write,
)
from tests.association.test_receiver_peers import associated, ends, pdu, request, status
from tests.association.test_receiver_refuses import encoded

VERIFICATION = Context("1.2.840.10008.1.1", "1.2.840.10008.1.2")


def sending(node: Node, files: list[Path], senders: int) -> list[str]:
    """A list that fills with the UIDs that the node says success for, from several senders."""
    accepted: list[str] = []

    def one(index: int) -> None:
        for sent in send(files[index::senders], node.peer, timeouts=Timeouts.all(5)):
            if sent.accepted:
                accepted.append(sent.sop_instance_uid)

    for n in range(senders):
        threading.Thread(target=one, args=(n,), daemon=True).start()
    return accepted


def assert_kept(node: Node, uids: list[str]) -> None:
    on_record = dict(node.rows("SELECT sop_instance_uid, path FROM instances"))
    for uid in uids:
        assert dcmread(node.data / str(on_record[uid])).SOPInstanceUID == uid


def test_killed_receiver_has_kept_all_that_it_answered_for(tmp_path: Path) -> None:
    files = [write(image(size=512), tmp_path / f"{n}.dcm") for n in range(150)]
    with receiver(tmp_path) as node:
        accepted = sending(node, files, senders=4)
        wait_until(lambda: len(accepted) > 20)
        children = node.children()
        node.process.kill()
        for child in children:
            child.kill()
        node.process.wait()
        time.sleep(0.2)
        assert 20 < len(accepted) < 150
    leftovers = list((node.data / "incoming").iterdir())
    with receiver(tmp_path) as node:
        assert_kept(node, accepted)
        assert not list((node.data / "incoming").iterdir()), leftovers
        assert all(sent.status == 0 for sent in node.send(*files))
        [(number,)] = node.rows("SELECT count(*) FROM instances")
        assert number == len(files)
        assert not node.rows("SELECT 1 FROM conflicts")


def test_killed_process_is_replaced_and_its_siblings_serve_on(tmp_path: Path) -> None:
    limit = "[receiver]\nmax_associations = 4\n"
    with receiver(tmp_path, toml=limit) as node:
        held = [Requestor(node.peer, [VERIFICATION], "HELD", Timeouts.all(5)) for _ in range(4)]
        with pytest.raises(AssociationError, match="limit"):
            echo(node.peer)
        victim, survivor = node.children()
        victim.kill()
        wait_until(lambda: victim.pid not in [child.pid for child in node.children()])
        wait_until(lambda: len(node.children()) == 2)
        assert survivor.is_running()
        for requestor in held:
            requestor.close()
        # the places of the dead process are free again, and waiting connections were kept
        wait_until(lambda: _all_four(node))


def test_process_that_replaces_a_killed_one_removes_what_that_left_unfinished(
    tmp_path: Path,
) -> None:
    dataset = image()
    data = encoded(dataset, tmp_path)
    with receiver(tmp_path) as node, associated(node) as busy:
        begun = request(1, str(dataset.SOPInstanceUID), dataset=True)
        busy.sendall(pdu((1, 3, begun), (1, 0, data[:1000])))
        wait_until(lambda: list((node.data / "incoming").iterdir()))
        (unfinished,) = (node.data / "incoming").iterdir()
        (victim,) = [c for c in node.children() if unfinished.name.startswith(f"{c.pid}-")]
        victim.kill()
        wait_until(lambda: not list((node.data / "incoming").iterdir()))


def _all_four(node: Node) -> bool:
    held = []
    try:
        for _ in range(4):
            held.append(Requestor(node.peer, [VERIFICATION], "HELD", Timeouts.all(5)))
    except AssociationError:
        return False
    finally:
        for requestor in held:
            requestor.close()
    return True


def test_connections_that_wait_survive_the_kill_of_a_process(tmp_path: Path) -> None:
    with receiver(tmp_path) as node:
        for child in node.children():
            child.suspend()
        waiting = [socket.create_connection((node.peer.host, node.peer.port)) for _ in range(8)]
        victim, survivor = node.children()
        victim.kill()
        survivor.resume()
        try:
            for connection in waiting:
                connection.settimeout(5)
                connection.sendall(b"\x01\x00\x00\x00\x00\x50" + bytes(80))
                assert connection.recv(1) == b"\x07"  # heard, and answered with an abort
        finally:
            for connection in waiting:
                connection.close()


def test_stop_ends_idle_associations_and_finishes_the_object_in_flight(tmp_path: Path) -> None:
    dataset = image()
    uid = str(dataset.SOPInstanceUID)
    data = encoded(dataset, tmp_path)
    with receiver(tmp_path) as node, associated(node) as idle, associated(node) as busy:
        busy.sendall(pdu((1, 3, request(1, uid, dataset=True)), (1, 0, data[:1000])))
        wait_until(lambda: list((node.data / "incoming").iterdir()))
        node.process.send_signal(signal.SIGTERM)
        assert ends(idle) < 3
        with pytest.raises(AssociationError):
            wait_until(lambda: echo(node.peer, timeout=1) < 0, seconds=3)
        busy.sendall(pdu((1, 2, data[1000:])))
        assert status(busy) == 0
        assert ends(busy) < 3
        assert node.process.wait(5) == 0
        assert node.stored(uid).read_bytes().endswith(data)
        assert not node.rows("SELECT 1 FROM associations WHERE closed_at IS NULL")


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with receiver(tmp_path) as node:
        children = node.children()
        node.process.kill()
        assert not psutil.wait_procs(children, timeout=8)[1]


def test_taken_port_and_old_schema_are_said_before_anything_starts(
    node: Node, tmp_path: Path
) -> None:
    code = "from node import settings; from node.association import receiver; "
    code += "receiver.run(settings.load())"

    for variables, words in (
        ({"HEPANODE_DATABASE__URL": node.url}, "cannot listen there"),
        ({}, "hepanode db upgrade"),
    ):
        environment = os.environ | variables | {"HEPANODE_DATA": str(tmp_path)}
        environment["HEPANODE_RECEIVER__PORT"] = str(node.peer.port)
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, timeout=20
        )
        assert done.returncode == 1
        assert words in done.stderr.decode()


def test_eight_associations_that_open_one_study_make_one_row(
    database_url: str, tmp_path: Path
) -> None:
    rounds = 50
    with receiver(tmp_path, url=database_url) as node:
        batches = []
        for number in range(rounds):
            study = generate_uid()
            objects = [image(study) for _ in range(8)]
            batches.append(
                [write(o, tmp_path / f"{number}-{i}.dcm") for i, o in enumerate(objects)]
            )
        for files in batches:
            in_parallel(8, lambda index, files=files: _store(node, files[index]))  # type: ignore[misc]
        assert node.rows("SELECT count(*) FROM studies") == [(rounds,)]
        assert node.rows("SELECT count(*) FROM instances") == [(rounds * 8,)]


def _store(node: Node, file: Path) -> None:
    [sent] = node.send(file)
    assert sent.status == 0, sent.error


def test_no_process_of_the_receiver_holds_what_only_workers_need(tmp_path: Path) -> None:
    file = write(image(), tmp_path / "one.dcm")
    with receiver(tmp_path) as node:
        assert node.send(file)[0].accepted
        for process in (psutil.Process(node.process.pid), *node.children()):
            mapped = {Path(one.path).parts for one in process.memory_maps()}
            assert {"torch", "scipy", "nvidia"}.isdisjoint(part for path in mapped for part in path)
    code = (
        "import sys, node.association.receiver, node.association.process\n"
        "heavy = {'torch', 'celery', 'highdicom', 'scipy', 'alembic', 'models', 'workers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
