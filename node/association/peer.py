"""Another application entity: where it is and what it is called."""

from __future__ import annotations

import re
from dataclasses import dataclass

from node.errors import AssociationError

_PEER = re.compile(r"(?P<title>[^@\\]{1,16})@(?P<host>[^@\s]+):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class Peer:
    """An AE title (PS3.5 6.2, VR AE) at a host and TCP port."""

    ae_title: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.ae_title}@{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Peer:
        """Read ``AE@host:port``; raises AssociationError saying what is wrong."""
        match = _PEER.fullmatch(text.strip())
        if match is None or not match["title"].strip() or not 0 < int(match["port"]) < 65536:
            raise AssociationError(f"{text!r} is no peer: write AE@host:port, as PACS@10.1.2.3:104")
        return cls(match["title"].strip(), match["host"].strip("[]"), int(match["port"]))
