"""Which images a bundle has learned from: fingerprints in a file beside its weights.

An evaluation on images that were learned from says nothing of others, and is easily made by
mistake.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from models.data.case import Case

SEEN = "seen.txt"

_DIGITS = 16


def write_seen(bundle: Path, cases: Sequence[Case]) -> None:
    """Writes the fingerprints of all cases' images into a bundle's folder, one a line."""
    lines = "".join(f"{line}\n" for line in sorted({fingerprint(case) for case in cases}))
    (bundle / SEEN).write_text(lines, encoding="ascii")


def count_seen(bundle: Path, cases: Sequence[Case]) -> int | None:
    """How many of the cases a bundle has learned from; None where its folder does not say."""
    try:
        seen = set((bundle / SEEN).read_text(encoding="ascii").split())
    except FileNotFoundError:
        return None
    return sum(fingerprint(case) in seen for case in cases)


def fingerprint(case: Case) -> str:
    """16 hexadecimal digits that go with the image's file and frame; they tell nothing of it."""
    with case.image.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    digest.update(f"frame {case.frame}".encode())
    return digest.hexdigest()[:_DIGITS]
