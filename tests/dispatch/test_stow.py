"""Sending by STOW-RS: what becomes of an object at a service that says anything."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from node.association.sender import Sent
from node.dispatch.dicomweb import Service
from node.dispatch.stow import send
from tests.dicomweb import CLOSES, JSON, Answer, failed, stored, stow
from tests.dispatch.sets import a_file
from tests.peers import free_port, require

HTML = {"Content-Type": "text/html"}
TIMEOUT = 5


def outcome(folder: Path, answer: Callable[[str], Answer], timeout: float = TIMEOUT) -> Sent:
    """What becomes of one report at a service that says this."""
    file = a_file(folder, Comprehensive3DSRStorage)
    with stow(answer) as service:
        (sent,) = send(
            [file],
            Service(service.url),
            timeout=timeout,
            alternatives={Comprehensive3DSRStorage: [ComprehensiveSRStorage, EnhancedSRStorage]},
        )
        assert [uid for uid, _ in service.asked] == [sent.sop_instance_uid]
    assert sent.path == file
    return sent


XML = """<?xml version="1.0" encoding="UTF-8"?>
<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
<DicomAttribute tag="{tag}" vr="SQ" keyword="{keyword}"><Item number="1">
<DicomAttribute tag="00081155" vr="UI" keyword="ReferencedSOPInstanceUID">
<Value number="1">{uid}</Value></DicomAttribute>
<DicomAttribute tag="00081197" vr="US" keyword="FailureReason">
<Value number="1">49152</Value></DicomAttribute>
</Item></DicomAttribute></NativeDicomModel>"""


def in_xml(uid: str, status: int, tag: str, keyword: str) -> Answer:
    body = XML.format(uid=uid, tag=tag, keyword=keyword).encode()
    return Answer(status, body, {"Content-Type": "application/dicom+xml; charset=utf-8"})


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (stored, 0),
        (lambda uid: stored(uid, 0xB000), 0xB000),
        (lambda uid: stored(uid, 0xB006, status=202), 0xB006),
        (lambda uid: Answer(200, stored(uid).body, {"Content-Type": f"{JSON}; charset=utf-8"}), 0),
        (lambda uid: Answer(200, stored(uid).body, {}), 0),
        (lambda uid: in_xml(uid, 200, "00081199", "ReferencedSOPSequence"), 0),
        (lambda uid: failed(uid, 0x0111), 0x0111),
        (lambda uid: failed(uid, 0xB00E), 0xB00E),
    ],
)
def test_what_is_listed_as_stored_or_was_there_already_is_accepted(
    tmp_path: Path, answer: Callable[[str], Answer], status: int
) -> None:
    sent = outcome(tmp_path, answer)
    assert (sent.accepted, sent.status, sent.error) == (True, status, "")


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (lambda uid: failed(uid, 0xC000), 0xC000, "C000"),
        (lambda uid: failed(uid, 0xA900), 0xA900, "A900"),
        (lambda uid: failed(uid, 0xC122, status=202), 0xC122, "C122"),
        (lambda uid: failed(uid, None), None, "0000"),
        (lambda uid: in_xml(uid, 409, "00081198", "FailedSOPSequence"), 0xC000, "C000"),
        (lambda uid: Answer(409, b"no"), None, "409 Conflict"),
        (lambda uid: Answer(400), None, "400 Bad Request"),
        (lambda uid: Answer(413, b"<html>", HTML), None, "raise the limit"),
        (lambda uid: Answer(415), None, "takes no DICOM files"),
    ],
)
def test_what_is_refused_is_final_and_says_why(
    tmp_path: Path, answer: Callable[[str], Answer], status: int | None, said: str
) -> None:
    sent = outcome(tmp_path, answer)
    assert (sent.accepted, sent.retryable, sent.refused_classes) == (False, False, ())
    assert sent.status == status
    assert said in sent.error


def test_a_class_that_is_refused_names_the_form_to_try_next(tmp_path: Path) -> None:
    sent = outcome(tmp_path, lambda uid: failed(uid, 0x0122))
    assert (sent.accepted, sent.retryable, sent.status) == (False, False, 0x0122)
    assert sent.refused_classes == (Comprehensive3DSRStorage,)
    assert sent.instead == ComprehensiveSRStorage
    assert "Comprehensive 3D SR" in sent.error


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda uid: Answer(401), "401 Unauthorized: check username and password, or token"),
        (lambda uid: Answer(403, b"<html>", HTML), "403 Forbidden: check username"),
        (lambda uid: Answer(404), "404 Not Found: check url"),
        (lambda uid: Answer(405), "405 Method Not Allowed: check url"),
        (lambda uid: Answer(429), "429 Too Many Requests"),
        (lambda uid: Answer(502), "502 Bad Gateway"),
        (lambda uid: Answer(503), "503 Service Unavailable"),
        (lambda uid: Answer(504), "504"),
        (lambda uid: Answer(301, headers={"Location": "/login"}), "it has moved; check url"),
        (lambda uid: Answer(302), "it has moved; check url"),
        (lambda uid: Answer(308, headers={"Location": "/studies"}), "it has moved; check url"),
    ],
)
def test_what_says_nothing_of_the_object_waits_and_is_never_given_up(
    tmp_path: Path, answer: Callable[[str], Answer], said: str
) -> None:
    sent = outcome(tmp_path, answer)
    assert (sent.accepted, sent.retryable, sent.out_of_reach) == (False, True, True)
    assert said in sent.error


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda uid: failed(uid, 0xA700), 0xA700),
        (lambda uid: failed(uid, 0x0110, status=200), 0x0110),
        (lambda uid: Answer(500, b"<html>", HTML), None),
        (lambda uid: Answer(599), None),
        (lambda uid: Answer(200), None),
        (lambda uid: Answer(204), None),
        (lambda uid: Answer(200, b"<html>please sign in</html>", HTML), None),
        (lambda uid: Answer(200, b'{"00081199": {"vr": "SQ", "Va'), None),
        (lambda uid: Answer(200, b"[1, 2]"), None),
        (lambda uid: Answer(200, b"null"), None),
        (lambda uid: Answer(200, b"\xff\xfe\x00"), None),
        (lambda uid: Answer(200, b"<a><b>", {"Content-Type": "application/dicom+xml"}), None),
        (
            lambda uid: Answer(200, b"zip?", {"Content-Type": JSON, "Content-Encoding": "gzip"}),
            None,
        ),
        (lambda uid: stored(uid + ".1"), None),
    ],
)
def test_what_leaves_the_object_in_doubt_is_tried_again_and_counted(
    tmp_path: Path, answer: Callable[[str], Answer], status: int | None
) -> None:
    sent = outcome(tmp_path, answer)
    assert (sent.accepted, sent.retryable, sent.out_of_reach) == (False, True, False)
    assert sent.status == status
    assert sent.error.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    "answer",
    [
        lambda uid: CLOSES,
        lambda uid: Answer(body=stored(uid).body, cut=20),
        lambda uid: Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
    ],
)
def test_an_answer_that_breaks_off_is_none(tmp_path: Path, answer: Callable[[str], Answer]) -> None:
    sent = outcome(tmp_path, answer)
    assert (sent.status, sent.retryable, sent.out_of_reach) == (None, True, False)
    assert "gives no whole answer" in sent.error


def test_a_service_that_hangs_costs_its_time_out(tmp_path: Path) -> None:
    began = time.monotonic()
    sent = outcome(tmp_path, lambda uid: Answer(after=3), timeout=0.5)
    assert time.monotonic() - began < 2.5
    assert (sent.retryable, sent.out_of_reach) == (True, False)
    assert "timed out" in sent.error


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"http://127.0.0.1:{free_port()}/dicom-web", "Connection refused"),
        (f"http://[::1]:{free_port()}", "Errno"),
        ("http://no..host/", "label empty"),
    ],
)
def test_nobody_there_is_out_of_reach(tmp_path: Path, url: str, said: str) -> None:
    (sent,) = send([a_file(tmp_path, Comprehensive3DSRStorage)], Service(url), timeout=TIMEOUT)
    assert (sent.retryable, sent.out_of_reach) == (True, True)
    assert sent.error.startswith(f"{url} cannot be reached: ")
    assert said in sent.error


def test_after_a_lost_connection_the_rest_is_not_sent(tmp_path: Path) -> None:
    files = [a_file(tmp_path, Comprehensive3DSRStorage) for _ in range(3)]
    with stow(lambda uid: CLOSES if uid == files[1].stem else stored(uid)) as service:
        sent = list(send(files, Service(service.url), timeout=TIMEOUT))
        assert [uid for uid, _ in service.asked] == [file.stem for file in files[:2]]
    assert [one.accepted for one in sent] == [True, False, False]
    assert [one.out_of_reach for one in sent] == [False, False, True]


def test_a_file_that_cannot_be_sent_is_its_own_outcome(tmp_path: Path) -> None:
    good = a_file(tmp_path, Comprehensive3DSRStorage)
    (tmp_path / "rubbish").write_bytes(b"rubbish")
    (tmp_path / "folder").mkdir()
    bad = [tmp_path / name for name in ("rubbish", "gone", "folder")]
    with stow() as service:
        sent = list(send([*bad, good], Service(service.url), timeout=TIMEOUT))
        assert service.stored() == [good.stem]
    assert [one.accepted for one in sent] == [False, False, False, True]
    assert [one.retryable for one in sent[:3]] == [False, False, True]
    for one, said in zip(sent, ("no DICOM file", "cannot be read", "cannot be read"), strict=False):
        assert said in one.error


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with stow() as other:
        moved = Answer(307, headers={"Location": f"{other.url}/studies"})
        sent = outcome(tmp_path, lambda uid: moved)
        assert other.signed_in == []
    assert not sent.accepted


@pytest.mark.parametrize("size", [1000, 3_000_001])
def test_files_arrive_byte_for_byte_whole_or_in_chunks(tmp_path: Path, size: int) -> None:
    file = a_file(tmp_path, Comprehensive3DSRStorage, padding=size)
    with stow() as service:
        (sent,) = send([file], Service(service.url), timeout=TIMEOUT)
        assert service.digests[sent.sop_instance_uid] == {
            hashlib.sha256(file.read_bytes()).hexdigest()
        }
        assert set(service.hosts) == {f"127.0.0.1:{service.port}"}
    assert sent.accepted


def test_a_proxy_or_password_of_the_environment_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    with stow() as service:
        file = a_file(tmp_path, Comprehensive3DSRStorage)
        (sent,) = send([file], Service(service.url), timeout=TIMEOUT)
        assert service.signed_in == [""]
    assert sent.accepted


def test_only_the_certificate_that_is_named_is_trusted(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *(require("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=pacs"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    file = a_file(tmp_path, Comprehensive3DSRStorage)
    with stow(tls=context) as service:
        for ca_file, said in (
            (None, "certificate verify failed"),
            (tmp_path / "gone.pem", "gone.pem"),
            (file, "cannot be reached"),
        ):
            (sent,) = send([file], Service(service.url, ca_file=ca_file), timeout=TIMEOUT)
            assert (sent.accepted, sent.out_of_reach) == (False, True)
            assert said in sent.error
        assert service.asked == []
        (sent,) = send([file], Service(service.url, ca_file=certificate), timeout=TIMEOUT)
    assert sent.accepted, sent.error
