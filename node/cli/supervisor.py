"""Child processes that are kept alive: started again when they die, ended softly together."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
_FIRST_DELAY = 1.0  # seconds before a dead child is started again, doubled each time
_LONGEST_DELAY = 30.0
_HEALTHY = 60.0  # a child that lived this long starts again from the first delay
_REMIND = 10.0  # seconds between two words about who is still at work
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded here: little is safe between fork and exec


@dataclass
class Child:
    """One part of the node; ``command`` is its command line."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    delay: float = _FIRST_DELAY
    due: float = 0.0


class Supervisor:
    """Runs children until SIGTERM or SIGINT; for the main thread of a process with one thread."""

    def __init__(self, commands: Mapping[str, Sequence[str]]) -> None:
        self._children = [Child(name, command) for name, command in commands.items()]

    def run(self) -> None:
        """Blocks. The first signal asks the children to end, a second one kills them."""
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            while not self._told_to_stop():
                self._reap()
                self._start_due()
            self._stop()
        finally:
            for child in self._alive():
                child.kill()
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)

    def _told_to_stop(self) -> bool:
        waiting = [child.due for child in self._children if child.process is None]
        pause = max(0.0, min(waiting) - time.monotonic()) if waiting else 3600.0
        received = signal.sigtimedwait(_SIGNALS, pause)
        return received is not None and received.si_signo != signal.SIGCHLD

    def _start_due(self) -> None:
        for child in self._children:
            if child.process is None and child.due <= time.monotonic():
                child.began = time.monotonic()
                child.process = start_child(child.command)
                log.info("%s is started, process %d", child.name, child.process.pid)

    def _reap(self) -> None:
        for child in self._children:
            if child.process is None or (status := child.process.poll()) is None:
                continue
            now = time.monotonic()
            if now - child.began > _HEALTHY:
                child.delay = _FIRST_DELAY
            log.error(
                "%s ended (%s) and is started again in %.0f s",
                child.name,
                _ending(status),
                child.delay,
            )
            child.process, child.due = None, now + child.delay
            child.delay = min(child.delay * 2, _LONGEST_DELAY)

    def _stop(self) -> None:
        for process in self._alive():
            process.terminate()
        said = 0.0
        while self._alive():
            if time.monotonic() - said > _REMIND:
                names = [c.name for c in self._children if c.process and _lives(c.process)]
                log.info("stopping; still at work: %s (a second signal kills)", ", ".join(names))
                said = time.monotonic()
            received = signal.sigtimedwait(_SIGNALS, _REMIND)
            if received is not None and received.si_signo != signal.SIGCHLD:
                return

    def _alive(self) -> list[subprocess.Popen[bytes]]:
        return [c.process for c in self._children if c.process is not None and _lives(c.process)]


def _lives(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def _ending(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"


def start_child(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    output: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that ends (SIGTERM) when this process does, however that happens.

    It has a session of its own: Ctrl-C reaches it only through its parent. ``output``: a file
    descriptor for its standard output and error.
    """
    parent = os.getpid()

    def before_exec() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if sys.platform == "linux":
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment,
        start_new_session=True,
        preexec_fn=before_exec,
    )
