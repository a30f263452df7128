"""What every test of the whole line needs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.peers import RABBITMQ, REDIS, require

_REDIS_DATABASES = range(15, 0, -1)
_OWNER = "hepanode-tests"


@pytest.fixture(scope="session")
def analysis(bundles: Path) -> str:
    """The section [analysis] of a node that reads with ``bundles``."""
    return analysis_section(bundles)


def analysis_section(*bundles: Path, fan_liver: str = "") -> str:
    """Few frames and one thread: these tests are about the line, not about the reading."""
    return f"""
[analysis]
bundle_folders = [{", ".join(f'"{folder}"' for folder in bundles)}]
frames_per_cine = 3
frames_per_study = 4
fan_liver_bundle = "{fan_liver}"
device = "cpu"
threads = 1
"""


@contextmanager
def broker(kind: str) -> Iterator[str]:
    """The URL of a broker: none, redis or rabbitmq."""
    if kind == "redis":
        with redis_database() as url:
            yield url
    elif kind == "rabbitmq":
        require("rabbitmq")
        yield RABBITMQ
    else:
        yield ""


@contextmanager
def redis_database() -> Iterator[str]:
    """A Redis database that nobody uses, emptied at the end."""
    require("redis")
    for number in _REDIS_DATABASES:
        url = f"{REDIS}/{number}"
        with redis.Redis.from_url(url) as client:
            if client.dbsize() or not client.set(_OWNER, uuid.uuid4().hex, nx=True):
                continue
            try:
                yield url
            finally:
                client.flushdb()
            return
    pytest.fail("every Redis database from 1 to 15 is in use")
