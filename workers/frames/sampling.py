"""Which frames stand for a loop, and for a study."""

from __future__ import annotations

from collections.abc import Sequence


def evenly(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` of the indices 0..count-1: the middles of equal parts."""
    wanted = min(count, wanted)
    return [(2 * part + 1) * count // (2 * wanted) for part in range(wanted)]


def quotas(counts: Sequence[int], limit: int) -> list[int]:
    """How many of ``counts`` frames each instance may give so that the sum is at most ``limit``.

    Every instance gives the same, those with fewer give all; what is left over goes to instances
    spread evenly over the study.
    """
    if sum(counts) <= limit:
        return list(counts)
    share = 0
    while sum(min(count, share + 1) for count in counts) <= limit:
        share += 1
    given = [min(count, share) for count in counts]
    more = [index for index, count in enumerate(counts) if count > share]
    for chosen in evenly(len(more), limit - sum(given)):
        given[more[chosen]] += 1
    return given
