"""A DICOMweb service of our own, for what Orthanc does not do on demand: refuse, break off, lie."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

from pydicom import dcmread

from tests.peers import free_port

JSON = "application/dicom+json"


@dataclass(frozen=True)
class Answer:
    """What the service says, ``after`` seconds. ``cut``: it closes after so many bytes of the body;
    ``raw`` goes out in place of all else, and then it closes."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": JSON})
    after: float = 0
    cut: int | None = None
    raw: bytes | None = None


CLOSES = Answer(raw=b"")


def stored(uid: str, warning: int | None = None, status: int = 200) -> Answer:
    """A Store Instances Response (PS3.18 Annex I) that lists the object as stored."""
    return _response("00081199", uid, "00081196", warning, status)


def failed(uid: str, reason: int | None, status: int = 409) -> Answer:
    """One that lists it as failed."""
    return _response("00081198", uid, "00081197", reason, status)


def _response(sequence: str, uid: str, tag: str, reason: int | None, status: int) -> Answer:
    one: dict[str, object] = {"00081155": {"vr": "UI", "Value": [uid]}}
    if reason is not None:
        one[tag] = {"vr": "US", "Value": [reason]}
    return Answer(status, json.dumps({sequence: {"vr": "SQ", "Value": [one]}}).encode())


class Stow:
    """Keeps the SOP Instance UIDs that it was sent, in order, with the HTTP status it answered, the
    digests of the files under each UID, and every Authorization header.

    answer : what it says to an object, by its UID. search : what it says to a GET.
    """

    def __init__(
        self,
        answer: Callable[[str], Answer] = stored,
        *,
        search: Answer | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port = free_port()
        self.asked: list[tuple[str, int]] = []
        self.digests: dict[str, set[str]] = defaultdict(set)
        self.signed_in: list[str] = []
        self.hosts: list[str] = []
        self.answer = answer
        self.search = search or Answer(body=b"[]")
        self.lock = threading.Lock()
        self._tls = tls
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/dicom-web"

    def stored(self) -> list[str]:
        """The UIDs that were answered with 200, in the order of their arrival."""
        with self.lock:
            return [uid for uid, status in self.asked if status == 200]

    def start(self) -> None:
        service = self

        class Handler(_Handler):
            of = service

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    of: Stow

    def do_GET(self) -> None:
        self._note()
        self._say(self.of.search)

    def do_POST(self) -> None:
        self._note()
        content = self._part(self._body())
        uid = str(dcmread(BytesIO(content), specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
        answer = self.of.answer(uid)
        with self.of.lock:
            status = answer.status if answer.raw is None and answer.cut is None else 0
            self.of.asked.append((uid, status))
            self.of.digests[uid].add(hashlib.sha256(content).hexdigest())
        with suppress(ConnectionError):  # who asked has given up
            self._say(answer)

    def _note(self) -> None:
        with self.of.lock:
            self.of.signed_in.append(self.headers.get("Authorization", ""))
            self.of.hosts.append(self.headers["Host"])

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _part(self, body: bytes) -> bytes:
        """The one part of a multipart message, after its own header."""
        header = Message()
        header["Content-Type"] = self.headers["Content-Type"]
        boundary = str(header.get_boundary()).encode()
        _, part, end = body.split(b"--" + boundary)
        assert end.strip() == b"--"
        return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")

    def _say(self, answer: Answer) -> None:
        time.sleep(answer.after)
        self.close_connection = answer.raw is not None or answer.cut is not None
        if answer.raw is not None:
            self.wfile.write(answer.raw)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: answer.cut])

    def log_message(self, format: str, *_: object) -> None:
        pass


@contextmanager
def stow(
    answer: Callable[[str], Answer] = stored,
    *,
    search: Answer | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Stow]:
    """A running Stow, stopped at the end."""
    service = Stow(answer, search=search, tls=tls)
    service.start()
    try:
        yield service
    finally:
        service.stop()
