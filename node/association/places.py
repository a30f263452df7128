"""The limit on associations, counted over all receiver processes."""

from __future__ import annotations

import mmap
import struct
import threading

_COUNT = struct.Struct("@i")


class Places:
    """Make it before the fork: each process counts its own associations in a shared page.

    A process that is killed takes no place along: its parent clears its count. Two processes
    that take the last place at once may both be refused, never both admitted.
    """

    def __init__(self, processes: int, limit: int) -> None:
        self._processes = processes
        self._limit = limit
        self._shared = mmap.mmap(-1, _COUNT.size * processes)
        self._lock = threading.Lock()
        self._own = 0

    def take(self, process: int) -> bool:
        """Whether there was a place for one more association."""
        with self._lock:
            self._set(process, self._own + 1)
            if sum(self.counts()) > self._limit:
                self._set(process, self._own - 1)
                return False
            return True

    def leave(self, process: int) -> None:
        with self._lock:
            self._set(process, self._own - 1)

    def clear(self, process: int) -> None:
        """The process is dead; called by its parent."""
        _COUNT.pack_into(self._shared, process * _COUNT.size, 0)

    def counts(self) -> list[int]:
        """Associations of each process."""
        return [count for (count,) in _COUNT.iter_unpack(self._shared[:])]

    def _set(self, process: int, count: int) -> None:
        self._own = count
        _COUNT.pack_into(self._shared, process * _COUNT.size, count)
