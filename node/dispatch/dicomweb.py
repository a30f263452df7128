"""A DICOMweb service as a destination: requests of dicomweb-client, and the answers as they came.

What an answer means is read here and in ``stow``: the library looks past media types that have
parameters, and past the reasons in an answer that is an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import requests
from dicomweb_client import DICOMwebClient
from pydicom import Dataset
from requests.auth import AuthBase, HTTPBasicAuth
from requests.exceptions import ChunkedEncodingError, ContentDecodingError, ReadTimeout
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from node.association.commitment import Stored
from node.errors import AssociationError, NothingAccepted
from node.settings import Destination

_ACCEPT = "application/dicom+json, application/dicom+xml;q=0.9, */*;q=0.1"
_NOBODYS = "2.25.0"  # Study Instance UID

_URL = "check url"
_CREDENTIALS = "check username and password, or token, and what they permit"
_PASSING = {
    401: _CREDENTIALS,
    403: _CREDENTIALS,
    404: _URL,
    405: f"{_URL}, and that objects may be stored there",
    407: "a proxy in between wants a password",
    408: "",
    429: "",
    502: "",
    503: "",
    504: "",
    507: "",
}
_OF_THE_OBJECT = {
    413: "raise the limit of the service, or of a proxy before it, and retry",
    415: "it takes no DICOM files, or none in this transfer syntax",
}


@dataclass(frozen=True)
class Service:
    """A DICOMweb service by the URL of its root, how to sign in, and who signs its certificate."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca_file: Path | None = None

    def __str__(self) -> str:
        return self.url

    @classmethod
    def of(cls, destination: Destination) -> Service:
        return cls(
            destination.url,
            destination.username,
            destination.password.get_secret_value(),
            destination.token.get_secret_value(),
            destination.ca_file,
        )


class Unanswered(AssociationError):
    """A service gave no whole answer. ``begun``: it had been reached, and may have stumbled over
    what it was sent."""

    def __init__(self, message: str, begun: bool) -> None:
        super().__init__(message)
        self.begun = begun


class Connection:
    """HTTP to one service. For one thread."""

    def __init__(self, service: Service, session: requests.Session, timeout: float) -> None:
        self.service = service
        self._answer: requests.Response | None = None
        self._client = DICOMwebClient(
            service.url,
            session,
            headers={"Accept": _ACCEPT},
            callback=self._keep,
            timeout=timeout,
        )
        self._client.set_http_retry_params(retry=False)  # who calls waits, and tries again

    def store(self, content: bytes) -> requests.Response:
        """The answer to one object, a DICOM file as it is; raises Unanswered."""
        url = f"{self.service.url}/studies"
        # the library's public function takes data sets, and encodes them anew
        post = self._client._http_post_multipart_application_dicom
        return self._asked(lambda: post(url, [content]))

    def search_studies(self, study_instance_uid: str) -> requests.Response:
        """The answer to a search for a study; raises Unanswered."""
        wanted = {"StudyInstanceUID": study_instance_uid}
        return self._asked(lambda: self._client.search_for_studies(search_filters=wanted))

    def search_instances(self, one: Stored) -> requests.Response:
        """The answer to a search for an instance; raises Unanswered."""
        where = (one.study_instance_uid, one.series_instance_uid)
        wanted = {"SOPInstanceUID": one.sop_instance_uid}
        search = self._client.search_for_instances
        return self._asked(lambda: search(*where, search_filters=wanted))

    def _asked(self, request: Callable[[], object]) -> requests.Response:
        self._answer = None
        try:
            request()
        except Exception as error:
            if self._answer is None:
                if not isinstance(error, (OSError, ValueError)):  # as those of requests are
                    raise
                begun = _begun(error)
                how = "gives no whole answer" if begun else "cannot be reached"
                raise Unanswered(f"{self.service} {how}: {_cause(error)}", begun) from None
        assert self._answer is not None
        return self._answer

    def _keep(self, answer: requests.Response, *_: object, **__: object) -> None:
        answer.content  # noqa: B018 read here: one that breaks off is no answer
        self._answer = answer


@contextmanager
def connected(service: Service, timeout: float) -> Iterator[Connection]:
    """``timeout``: seconds to connect, to take the next part of a request, to go on answering."""
    with requests.Session() as session:
        # proxies, passwords and certificates are those of the configuration, not the environment's
        session.trust_env = False
        session.max_redirects = 0  # a redirected POST becomes a GET, whose success is none
        session.auth = _SignedIn(service)
        session.verify = str(service.ca_file) if service.ca_file else True
        yield Connection(service, session, timeout)


def ask(service: Service, *, timeout: float) -> float:
    """Seconds that the service takes to answer a search (QIDO-RS) for a study that nobody has.

    A service that only stores, and says so, has answered. Raises AssociationError saying what is
    wrong and what to do.
    """
    began = time.monotonic()
    with connected(service, timeout) as connection, suppress(NothingAccepted):
        _searched(service, connection.search_studies(_NOBODYS))
    return time.monotonic() - began


def find(service: Service, objects: Sequence[Stored], *, timeout: float) -> frozenset[str]:
    """The SOP Instance UIDs of those ``objects`` that a search (QIDO-RS) shows.

    Raises NothingAccepted when the service has no search, and AssociationError otherwise.
    """
    with connected(service, timeout) as connection:
        return frozenset(one.sop_instance_uid for one in objects if _shows(connection, one))


def _shows(connection: Connection, one: Stored) -> bool:
    answer = connection.search_instances(one)
    if answer.status_code == HTTPStatus.NOT_FOUND:  # so do some of a study that they have not
        return False
    shown = _searched(connection.service, answer)
    return any(each.get("SOPInstanceUID") == one.sop_instance_uid for each in shown)


def _searched(service: Service, answer: requests.Response) -> list[Dataset]:
    """What a search shows; raises NothingAccepted where the service only stores, AssociationError
    for what is no answer to a search."""
    if answer.status_code in (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED):
        raise NothingAccepted(f"{service} {said(answer)}")
    if not answer.ok or is_passing(answer):
        raise AssociationError(f"{service} {said(answer)}")
    try:
        return [Dataset.from_json(one) for one in answer.json()] if answer.content else []
    except Exception:  # noqa: BLE001 a body can be anything, and so is what parsers raise on it
        problem = f"{service} is no DICOMweb service: it answers a search without DICOM JSON"
        raise AssociationError(problem) from None


def is_passing(answer: requests.Response) -> bool:
    """Whether it says nothing about what was sent: it passes, or the operator must mend it."""
    return answer.status_code in _PASSING or 300 <= answer.status_code < 400


def said(answer: requests.Response) -> str:
    """What an HTTP status says, and what to do about it."""
    status = answer.status_code
    try:
        text = f"answers {status} {HTTPStatus(status).phrase}"
    except ValueError:
        text = f"answers {status}"
    advice = _PASSING.get(status) or _OF_THE_OBJECT.get(status)
    if 300 <= status < 400:
        advice = f"it has moved; {_URL}"
    return f"{text}: {advice}" if advice else text


def media_type(answer: requests.Response) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class _SignedIn(AuthBase):
    """Signs each request in."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Host", None)  # the library's lacks the port, and breaks IPv6
        if self._service.token:
            request.headers["Authorization"] = f"Bearer {self._service.token}"
        elif self._service.username:
            name, password = self._service.username, self._service.password
            HTTPBasicAuth(name.encode(), password.encode())(request)  # RFC 7617: UTF-8
        return request


def _begun(error: Exception) -> bool:
    """Whether the service had been reached when this happened."""
    broke_off = (ReadTimeout, ChunkedEncodingError, ContentDecodingError)
    cause = error.args[0] if error.args else None
    return isinstance(error, broke_off) or isinstance(cause, (ProtocolError, ReadTimeoutError))


def _cause(error: BaseException) -> str:
    """What whoever saw it first says, mostly the operating system: one line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return " ".join(str(error).split())[:200] or type(error).__name__
