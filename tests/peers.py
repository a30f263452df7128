"""Real peers for the tests: each is found, or the test is skipped, or in CI it fails.

``HEPANODE_TEST_REQUIRE`` names the peers that must exist (comma separated).
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

POSTGRES = os.environ.get("HEPANODE_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432")
REDIS = os.environ.get("HEPANODE_TEST_REDIS", "redis://127.0.0.1:6379")
RABBITMQ = os.environ.get("HEPANODE_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672")


def _answers(url: str) -> str | None:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 0), timeout=2):
            return url
    except OSError:
        return None


def _shared() -> str | None:
    folder = Path(os.environ.get("HEPANODE_SHARED", "../shared")).resolve()
    return str(folder) if (folder / "data").is_dir() else None


def _ohif() -> str | None:
    """The build in the unpacked npm package ``@ohif/app``."""
    folder = Path(os.environ.get("HEPANODE_TEST_OHIF", ".ohif/package/dist")).resolve()
    return str(folder) if (folder / "index.html").is_file() else None


def _file(path: str) -> str | None:
    return path if Path(path).is_file() else None


def _binary(program: str) -> str | None:
    """The first in PATH that is no script: pynetdicom has some of DCMTK's names, and other options,
    and comes first in an activated environment."""
    for folder in os.get_exec_path():
        if (found := shutil.which(program, path=folder)) and not _is_script(Path(found)):
            return found
    return None


def _is_script(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(2) == b"#!"


_FINDERS: dict[str, Callable[[], str | None]] = {
    "postgres": lambda: _answers(POSTGRES),
    "redis": lambda: _answers(REDIS),
    "rabbitmq": lambda: _answers(RABBITMQ),
    "orthanc": lambda: shutil.which("Orthanc"),
    "orthanc-dicomweb": lambda: _file("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),
    "openssl": lambda: shutil.which("openssl"),
    "dcmtk": lambda: _binary("storescu"),
    "shared": _shared,
    "ohif": _ohif,
    "chromium": lambda: shutil.which("chromium"),
}


def require(peer: str) -> str:
    """Where ``peer`` is (a URL, program or folder); skips, or fails in CI, when it is missing."""
    if found := _FINDERS[peer]():
        return found
    message = f"{peer} is not here"
    if peer in os.environ.get("HEPANODE_TEST_REQUIRE", "").split(","):
        pytest.fail(f"{message}, and HEPANODE_TEST_REQUIRE names it")
    pytest.skip(message)


def dcmtk(program: str) -> str:
    """A program of DCMTK."""
    require("dcmtk")
    return _binary(program) or pytest.fail(f"DCMTK is here without {program}")


def shared() -> Path:
    """The folder of shared data."""
    return Path(require("shared"))


def free_port() -> int:
    """A TCP port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody takes a connection there."""
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
