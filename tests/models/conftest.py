"""One thread: these networks are tiny, and threads that wait for each other cost more than they
bring on a busy machine."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)
