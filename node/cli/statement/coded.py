"""The codes of the results, out of the one table of ``workers/results/codes.py``."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.sr.coding import Code

from node.cli.statement.markdown import table
from workers.results import codes
from workers.results.identity import CODING_SCHEME_UID

SCHEME = codes.SCHEME
SCHEME_UID = CODING_SCHEME_UID


def private() -> Iterator[tuple[str, str]]:
    """Title and table of each group of the private codes."""
    for prefix, title in codes.GROUPS.items():
        own = [row for row in codes.PRIVATE.items() if row[0].startswith(prefix)]
        yield title, table(own, "Code", "Meaning")


def others() -> list[tuple[str, str, str]]:
    """Scheme, value and meaning of every code that is not ours."""
    named = [value for value in vars(codes).values() if isinstance(value, Code)]
    every = (*named, *codes.PROBABILITY.values())
    return sorted(
        {
            (one.scheme_designator, one.value, one.meaning)
            for one in every
            if one.scheme_designator != SCHEME
        }
    )
