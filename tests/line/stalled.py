"""A part of the node that stands still for good at a chosen point, to be killed there.

    python -P stalled.py MARKER WHEN WHERE TIMES PART

It is ``hepanode PART``; only here is it changed, and the product knows nothing of it. WHERE is a
function, ``module:Class.method``, and WHEN one of

before      it is called
committing  of the first transaction that it writes: all was said, but for COMMIT
committed   and after that COMMIT, with what the function may still have to do
after       it returned; one that returns False or nothing in a list did nothing

or WHEN is ``stage`` and WHERE a stage of a run, as its timings name it: its work is done, and it
is not yet over. The thread that comes there for the TIMES-th time makes MARKER and sleeps.

Run by its path, and without the tests in sight: beside it lies a ``node.py``.
"""

from __future__ import annotations

import functools
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import sqlalchemy as sa

Stall = Callable[[], None]


def main() -> None:
    marker, when, where, times, part = sys.argv[1:]
    turn = itertools.count(1)

    def stall() -> None:
        if next(turn) == int(times):
            _stand_still(Path(marker))

    if when == "stage":
        _in_stage(where, stall)
    else:
        _replace(where, functools.partial(_WRAP[when], stall))
    sys.argv = ["hepanode", part]
    from node.cli import main as hepanode

    hepanode()


def _stand_still(marker: Path) -> NoReturn:
    marker.touch()
    while True:
        time.sleep(60)


def _in_stage(wanted: str, stall: Stall) -> None:
    from workers.stages import Stages

    stage = Stages.stage

    @contextmanager
    def stalled(self: Stages, name: str) -> Iterator[None]:
        with stage(self, name):
            yield
            if name == wanted:
                stall()

    Stages.stage = stalled  # type: ignore[method-assign]


def _replace(where: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    module, _, path = where.partition(":")
    *parents, name = path.split(".")
    owner = functools.reduce(getattr, parents, import_module(module))
    setattr(owner, name, functools.wraps(getattr(owner, name))(wrap(getattr(owner, name))))


def _before(stall: Stall, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        stall()
        return function(*arguments, **options)

    return call


def _around_commit(stall: Stall, function: Callable[..., Any], *, is_after: bool) -> Any:
    from node.tracking import Database

    inside = threading.local()
    writing = Database.writing

    @contextmanager
    def stalled(self: Database) -> Iterator[sa.Connection]:
        with writing(self) as connection:
            yield connection
            if getattr(inside, "now", False) and not is_after:
                stall()
        if getattr(inside, "now", False) and is_after:
            stall()

    def call(*arguments: Any, **options: Any) -> Any:
        inside.now = True
        try:
            return function(*arguments, **options)
        finally:
            inside.now = False

    Database.writing = stalled  # type: ignore[method-assign]
    return call


def _after(stall: Stall, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        if not _did_nothing(result):
            stall()
        return result

    return call


def _did_nothing(result: object) -> bool:
    return result is False or result == [] or result == ()


_WRAP: dict[str, Callable[..., Callable[..., Any]]] = {
    "before": _before,
    "committing": functools.partial(_around_commit, is_after=False),
    "committed": functools.partial(_around_commit, is_after=True),
    "after": _after,
}

if __name__ == "__main__":
    main()
