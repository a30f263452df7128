"""Size and start of the receiver: ``python -m tests.benchmarks.receiver``.

From starting Python to the first accepted connection, beside a Python that imports pynetdicom and
listens; then the memory of every receiver process while objects of 0.92 MB arrive over four
associations, each with a UID of its own.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.benchmarks.ingest import hepanode, write_images
from tests.peers import dcmtk, free_port, require

_PEER = """
import sys
from pynetdicom import AE, AllStoragePresentationContexts
ae = AE()
ae.supported_contexts = AllStoragePresentationContexts
ae.start_server(("127.0.0.1", int(sys.argv[1])))
"""
_ASSOCIATIONS = 4


def seconds_to_listen(command: list[str], port: int, settings: dict[str, str]) -> float:
    """Wall clock from the start of a process to the first connection that it accepts."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                time.sleep(0.002)
            else:
                return time.perf_counter() - start
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    finally:
        process.terminate()
        process.wait()


def start_times(folder: Path, rounds: int) -> None:
    settings = {
        "HEPANODE_DATA": str(folder),
        "HEPANODE_RECEIVER__AE_TITLE": "BENCH",
    }
    program = [sys.executable, "-m", "node.cli"]
    subprocess.run([*program, "db", "upgrade"], env=os.environ | settings, check=True)
    ours, theirs = [], []
    for _ in range(rounds):
        port = free_port()
        settings["HEPANODE_RECEIVER__PORT"] = str(port)
        ours.append(seconds_to_listen([*program, "receiver"], port, settings))
        port = free_port()
        theirs.append(seconds_to_listen([sys.executable, "-c", _PEER, str(port)], port, {}))
    own, peer = statistics.median(ours), statistics.median(theirs)
    print(
        f"start to listening: `hepanode receiver` {own:.2f} s, bare pynetdicom {peer:.2f} s, "
        f"ratio {own / peer:.2f} (required: under 1 s)"
    )


def memory(folder: Path, count: int) -> None:
    images = write_images(folder, _ASSOCIATIONS)
    (folder / "data").mkdir()
    port = free_port()
    with hepanode(folder / "data", port) as process:
        root = psutil.Process(process.pid)
        sent, first = 0, 0.0
        for upto in (count // 50, count // 5, count // 2, count):
            each = (upto - sent) // _ASSOCIATIONS
            options = f"+II --repeat {each} -pdu 131072 -aec BENCH 127.0.0.1 {port}".split()
            sender = [dcmtk("storescu"), *options]
            senders = [
                subprocess.Popen([*sender, str(image)], stdout=subprocess.DEVNULL)
                for image in images
            ]
            statuses = [sender.wait() for sender in senders]
            if any(statuses):
                raise SystemExit("the receiver refused an object")
            sent += each * _ASSOCIATIONS
            sizes = [p.memory_info().rss / 1e6 for p in [root, *root.children()]]
            print(f"after {sent:5} objects: " + ", ".join(f"{size:.0f} MB" for size in sizes))
            first = first or max(sizes)
    print(
        f"largest process: {max(sizes):.0f} MB (required: under 120 MB), "
        f"{max(sizes) / first:.2f} x its size after {count // 50} objects (required: flat)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    require("dcmtk")
    with tempfile.TemporaryDirectory(prefix="receiver-") as folder:
        start_times(Path(folder), arguments.rounds)
    with tempfile.TemporaryDirectory(prefix="receiver-") as folder:
        memory(Path(folder), arguments.objects)


if __name__ == "__main__":
    main()
