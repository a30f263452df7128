"""C-ECHO as the SCU: is an application entity there, and does it know us (PS3.7 9.1.5)."""

from __future__ import annotations

import time

from node.association.peer import Peer
from node.association.requestor import Requestor, Timeouts, verification


def echo(peer: Peer, *, calling_ae: str = "HEPANODE", timeout: float = 10) -> float:
    """The seconds that association, C-ECHO and release took.

    Raises AssociationError saying whether the peer is not there, refused us or did not answer.
    """
    began = time.monotonic()
    association = Requestor(peer, [verification()], calling_ae, Timeouts.all(timeout))
    try:
        association.echo()
        association.release()
    finally:
        association.close()
    return time.monotonic() - began
