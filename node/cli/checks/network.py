"""Everything at the other end of a socket: broker, receiver, destinations."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from node.addresses import is_loopback
from node.association.callers import Callers
from node.association.echo import echo
from node.association.peer import Peer
from node.cli.checks.finding import Finding
from node.cli.output import duration
from node.errors import AssociationError
from node.settings import Destination, Settings
from node.urls import without_password

_PATIENCE = 5.0  # seconds for each peer: someone waits at the screen


def broker(settings: Settings) -> Iterator[Finding]:
    if not settings.broker.url:
        yield Finding("ok", "broker", "none configured: the worker dispatches by itself")
        return
    from kombu.exceptions import KombuError

    from node.dispatch.broker import celery_app

    where = without_password(settings.broker.url)
    connection = celery_app(settings.broker).connection_for_write()
    try:
        connection.ensure_connection(max_retries=1, timeout=_PATIENCE)
    except (KombuError, OSError, *connection.connection_errors) as error:
        yield Finding(
            "wrong",
            "broker",
            f"{where} cannot be reached: {error}",
            "start it or correct broker.url; nothing is lost, studies wait until it is back",
        )
    else:
        yield Finding("ok", "broker", f"{where} is reached")
    finally:
        connection.release()


def receiver(settings: Settings) -> Iterator[Finding]:
    own = settings.receiver
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(own.host, own.host)
    peer = Peer(own.ae_title, host, own.port)
    try:
        socket.create_connection((host, own.port), timeout=_PATIENCE).close()
    except OSError as error:
        yield Finding(
            "wrong",
            "receiver",
            f"nothing listens on {host}:{own.port}: {error.strerror or error}",
            "start it with `hepanode up` or `hepanode receiver`",
        )
        return
    calling = own.callers[0].ae_title if own.callers else own.ae_title
    try:
        seconds = echo(peer, calling_ae=calling, timeout=_PATIENCE)
    except AssociationError as error:
        if own.callers:
            text = f"listens on {host}:{own.port}; the callers do not include us: {error}"
            yield Finding("ok", "receiver", text)
        else:
            advice = f"see what else listens on port {own.port}, or start the receiver again"
            yield Finding("wrong", "receiver", str(error), advice)
    else:
        yield Finding("ok", "receiver", f"{peer} answers C-ECHO in {duration(seconds)}")


def destinations(settings: Settings) -> Iterator[Finding]:
    if not settings.destinations:
        yield Finding(
            "warning",
            "destinations",
            "none configured: results stay in the data folder",
            "add [[destinations]] with name, ae_title, host and port, or with name and url",
        )
    for destination in settings.destinations:
        yield from (_service if destination.url else _entity)(settings, destination)


def _entity(settings: Settings, destination: Destination) -> Iterator[Finding]:
    name = f"to {destination.name}"
    peer = Peer(destination.ae_title, destination.host, destination.port)
    calling = destination.calling_ae_title or settings.receiver.ae_title
    try:
        seconds = echo(peer, calling_ae=calling, timeout=min(_PATIENCE, destination.timeout))
    except AssociationError as error:
        yield Finding(
            "wrong",
            name,
            str(error),
            f"check host and port, that it runs, and that it knows the AE title {calling}; "
            "results wait and go when it is back",
        )
    else:
        yield Finding("ok", name, f"{peer} answers C-ECHO in {duration(seconds)}")
        yield from _way_back(settings, destination, name)


def _way_back(settings: Settings, destination: Destination, name: str) -> Iterator[Finding]:
    """Whether the receiver would let a destination in that answers a storage commitment."""
    if destination.confirm not in ("auto", "commitment"):
        return
    try:
        address = socket.gethostbyname(destination.host)
    except OSError:
        return
    if Callers(settings.receiver.callers).find(destination.ae_title, address) is None:
        yield Finding(
            "warning",
            name,
            f"its answers to storage commitment cannot come: {destination.ae_title} from {address} "
            "is no caller",
            "add it to [[receiver.callers]], or set confirm = 'query' for this destination",
        )


def _service(settings: Settings, destination: Destination) -> Iterator[Finding]:
    from node.dispatch import dicomweb  # with it comes the broker

    name = f"to {destination.name}"
    service = dicomweb.Service.of(destination)
    try:
        seconds = dicomweb.ask(service, timeout=min(_PATIENCE, destination.timeout))
    except AssociationError as error:
        yield Finding(
            "wrong",
            name,
            str(error),
            "check url, ca_file and credentials, and that it runs; "
            "results wait and go when it is back",
        )
    else:
        yield Finding("ok", name, f"{service} answers DICOMweb in {duration(seconds)}")
    url = urlsplit(destination.url)
    secret = destination.username or destination.token
    if secret and url.scheme == "http" and not is_loopback(url.hostname or ""):
        text = "its password or token goes over the network as it is"
        yield Finding("warning", name, text, "use a url that begins with https://")
