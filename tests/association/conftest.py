"""One receiver on SQLite for all tests that do not stop it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.association.receiving import Node, receiver


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    timeouts = "[receiver]\nacse_timeout = 2\ndimse_timeout = 2\nnetwork_timeout = 3\n"
    with receiver(tmp_path_factory.mktemp("receiver"), toml=timeouts) as running:
        yield running
