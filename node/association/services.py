"""DIMSE services of the node, by Command Field: what one request does from its command on.

A service is called with a request and gives a reception, which takes the data set's fragments
and then says what to reply. Add a service by an entry in the table that the receiver makes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from node.association.commands import UNRECOGNIZED_OPERATION, Command, Reply


@dataclass(frozen=True)
class Caller:
    """Who is at the other end, and how to get the association's row when it is needed."""

    ae_title: str
    address: str
    urgent: bool
    association_id: Callable[[], int | None]


@dataclass(frozen=True)
class Request:
    """A DIMSE request whose data set, if it has one, is still to come."""

    command: Command
    abstract_syntax: str
    transfer_syntax: str
    caller: Caller


class Reception(Protocol):
    """One request that is being received. Nothing here raises for what a peer sent."""

    def write(self, fragment: memoryview) -> None:
        """Take a fragment of the data set; the view is valid only during the call."""

    def finish(self) -> Reply:
        """The last fragment has come: do what was asked, and say how it went."""

    def abandon(self) -> None:
        """The association was lost before the last fragment."""


Service = Callable[[Request], Reception]


class Answer:
    """A reception that ignores any data set and replies what was clear from the command."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def write(self, fragment: memoryview) -> None:
        pass

    def finish(self) -> Reply:
        return self._reply

    def abandon(self) -> None:
        pass


def echo(request: Request) -> Reception:
    """C-ECHO (PS3.4 A): success."""
    return Answer(Reply())


def unrecognized(request: Request) -> Reception:
    """Any service that the node does not offer (PS3.7 C.5.11)."""
    return Answer(Reply(UNRECOGNIZED_OPERATION, "this node takes C-ECHO and C-STORE only"))
