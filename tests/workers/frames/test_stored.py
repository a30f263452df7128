"""What may pass by, a disk's error or a lack of memory, is never taken for bad content."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from node.errors import StorageError
from node.settings import Analysis
from tests.bad_input import study, write
from workers.findings import FrameRef
from workers.frames import StoredInstance, read, select
from workers.results.sources import read_headers

UNREADABLE = Path("/proc/self/mem")
"""Can be opened; to read its start is an I/O error (EIO)."""

PIXEL_DATA = b"\xe0\x7f\x10\x00"
RED_PALETTE_DATA = b"\x28\x00\x01\x12OW\0\0"

IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from node.settings import Analysis
from workers.frames import StoredInstance, read, select

few, many = (StoredInstance(Path(path), "1.2.3") for path in sys.argv[1:])
settings = Analysis()
(ref,) = select([many], settings).frames
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + (24 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(*(drop.reason for drop in select([few], settings).dropped))
try:
    print(*read(many.path, [ref], settings))
except MemoryError:
    print("MemoryError")
"""


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    path = tmp_path / "1.dcm"
    path.symlink_to(UNREADABLE)
    return path


def test_an_error_of_the_disk_fails_the_attempt(unreadable: Path) -> None:
    told = "instance file 1.dcm: Input/output error"
    with pytest.raises(StorageError, match=told):
        select([StoredInstance(unreadable, "1.2.3")], Analysis())
    ref = FrameRef("1.2.3", "1.2.840.10008.5.1.4.1.1.6.1", "1.2", 1, 1)
    with pytest.raises(StorageError, match=told):
        list(read(unreadable, [ref], Analysis()))
    with pytest.raises(StorageError, match=told):
        read_headers({"1.2.3": unreadable})


def test_a_lack_of_memory_fails_the_attempt_and_a_lie_about_a_length_does_not(
    tmp_path: Path,
) -> None:
    small = write(study(), tmp_path, "small").read_bytes()
    lie = tmp_path / "lie.dcm"
    at = small.rindex(PIXEL_DATA)
    lie.write_bytes(small[:at] + RED_PALETTE_DATA + struct.pack("<L", 1 << 30) + small[at:])
    large = write(study(np.full((8000, 8000), 90, np.uint8)), tmp_path, "large")
    done = subprocess.run(
        [sys.executable, "-c", IN_LITTLE_MEMORY, str(lie), str(large)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["no-pixels", "MemoryError"], done.stderr
