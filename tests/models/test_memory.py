"""Freed tensors: their memory is used again, without a page fault for every 4 KB."""

import subprocess
import sys

import pytest

CODE = """
import resource, sys, torch
from models.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def use():
    for _ in range(4):
        block = torch.empty(64 << 20, dtype=torch.uint8)
        block[::4096] = 1
        del block
use()
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_a_freed_block_is_used_again() -> None:
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", CODE, how])) for how in ("keep", "")
    }
    pages = 4 * (64 << 20) // 4096
    assert faults[""] > pages // 2, "else the function is needed no more"
    assert faults["keep"] < pages // 20
