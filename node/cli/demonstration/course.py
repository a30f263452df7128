"""The course of a demonstration: its stages said on standard error and timed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from node import tracking
from node.cli.demonstration.account import StudyState, look
from node.cli.demonstration.beside import Beside
from node.cli.output import plural, say
from node.tracking import Database

_POLL_SECONDS = 0.1
_REMIND_SECONDS = 10.0
_EVERY = 1_000_000


class Course:
    """Says what happens, with the seconds since the beginning before it."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        say(f"{time.monotonic() - self._began:6.1f} s  {text}", error=True)

    @contextmanager
    def stage(self, name: str, text: str) -> Iterator[None]:
        """Say ``text`` and time the block under ``name``."""
        self.say(text)
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 3)

    @property
    def total(self) -> float:
        return round(time.monotonic() - self._began, 3)

    def follow(self, beside: Beside, timeout: float) -> list[StudyState]:
        """Wait until every study that the node has is settled, or the time is up.

        Raises HepanodeError when the node ends meanwhile.
        """
        db = Database(beside.database_url)
        began, said, said_at = time.monotonic(), "", 0.0
        try:
            while True:
                beside.check()
                found = tracking.studies.list_studies(db, limit=_EVERY)
                states = [look(db, study.study_instance_uid) for study in reversed(found)]
                text, now = _summary(states), time.monotonic()
                if text != said or now - said_at > _REMIND_SECONDS:
                    self.say(text)
                    said, said_at = text, now
                if all(state.settled for state in states) or now - began > timeout:
                    return states
                time.sleep(_POLL_SECONDS)
        finally:
            db.dispose()


def _summary(states: Sequence[StudyState]) -> str:
    words = Counter(state.word for state in states)
    counts = ", ".join(f"{count} {word}" for word, count in words.items())
    return f"{plural(len(states), 'study', 'studies')}: {counts}"
