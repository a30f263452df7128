"""Who may call: AE titles from addresses and networks."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from node.settings import Caller


@dataclass(frozen=True)
class Permission:
    """A caller that may associate; ``urgent``: its studies go first."""

    urgent: bool = False


class Callers:
    """The list of callers; an empty one lets anyone in (settings allow that on loopback only)."""

    def __init__(self, callers: Sequence[Caller]) -> None:
        self._networks = [(c, ipaddress.ip_network(_numeric(c.address), False)) for c in callers]

    def find(self, ae_title: str, address: str) -> Permission | None:
        """What ``ae_title`` calling from ``address`` may do; None: nothing."""
        if not self._networks:
            return Permission()
        ip = _plain(address)
        for caller, network in self._networks:
            if caller.ae_title == ae_title and ip in network:
                return Permission(caller.urgent)
        return None

    def knows_address(self, address: str) -> bool:
        """Whether any caller may come from there: others need not be heard at all."""
        ip = _plain(address)
        return not self._networks or any(ip in network for _, network in self._networks)


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """A dual-stack socket shows an IPv4 peer as ::ffff:10.1.2.3."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return getattr(ip, "ipv4_mapped", None) or ip


def _numeric(address: str) -> str:
    """``address`` as ``ip_network`` reads it; the short forms that settings allow spelt out."""
    try:
        ipaddress.ip_network(address, strict=False)
    except ValueError:
        return socket.inet_ntoa(socket.inet_aton(address))
    return address
