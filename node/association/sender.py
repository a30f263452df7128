"""Sending objects to a peer, as the SCU, from files as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import encode, split_dataset

from node.association.commands import Reply
from node.association.peer import Peer
from node.association.requestor import Context, Requestor, Timeouts, verification
from node.errors import AssociationError, NothingAccepted
from node.storage import is_uid

CALLING_AE = "HEPANODE"
_SOP_INSTANCE_UID = 0x00080018
MOST_CONTEXTS = 128  # PS3.8 9.3.2.2: odd numbers up to 255


Alternatives = Mapping[str, Sequence[str]]
"""SOP Class UIDs that could carry the content of another, best first."""


@dataclass(frozen=True)
class Sent:
    """The outcome for one file.

    ``status``: the peer's C-STORE status (PS3.4 Table B.2-1), None when it gave none.
    ``accepted``: success or a warning; the peer has the object. ``retryable``: worth another
    try as it is: the association was lost, the peer was out of resources or this machine could
    not read the file. ``out_of_reach``: the peer was not there when its turn came, which says
    nothing about the object; one that was begun when the association broke may be the cause.
    ``refused_classes``: the object's class, when the peer takes no object of it, and those of the
    alternatives that it does not take either; ``instead``: the first that it does take.
    """

    path: Path
    sop_instance_uid: str
    status: int | None
    accepted: bool
    error: str
    retryable: bool = False
    out_of_reach: bool = False
    refused_classes: tuple[str, ...] = ()
    instead: str = ""


@dataclass(frozen=True)
class StoreAnswer:
    """What some of a peer's C-STORE statuses mean, in the words of ``Sent``; ``refused_class``: the
    peer takes no object of the class."""

    statuses: Sequence[int]
    meaning: str
    accepted: bool = False
    retryable: bool = False
    refused_class: bool = False


ANSWERS = (
    StoreAnswer((0x0000,), "success", accepted=True),
    StoreAnswer((0x0001, 0x0107, 0x0116), "warning: stored", accepted=True),
    StoreAnswer(range(0xB000, 0xC000), "warning: stored", accepted=True),
    StoreAnswer(range(0xA700, 0xA800), "out of resources", retryable=True),
    StoreAnswer((0x0110,), "processing failure", retryable=True),
    StoreAnswer((0x0122,), "SOP class not supported", refused_class=True),
)
"""PS3.7 Annex C and PS3.4 Table B.2-1; any other status is ``_REFUSED``, for good."""

_REFUSED = StoreAnswer((), "refused")


@dataclass(frozen=True)
class _Object:
    """A file to send: what it is, and where its data set starts."""

    path: Path
    context: Context
    sop_instance_uid: str
    offset: int
    alternatives: tuple[str, ...]


def send(
    paths: Iterable[Path],
    peer: Peer,
    *,
    calling_ae: str = CALLING_AE,
    timeouts: Timeouts | None = None,
    alternatives: Alternatives = MappingProxyType({}),
    taken: Iterable[str] = (),
) -> Iterator[Sent]:
    """Store DICOM files at ``peer``, one outcome per file in the given order, as they come.

    The data sets go out of the files as they are; only explicit VR little endian is rewritten,
    for a peer that takes no more than DICOM's default syntax. Nothing that a file or the peer
    does raises: a refused context or a broken file is that file's outcome, and after a lost
    association the rest are not sent. Associations are made as the files ask for contexts, 128
    at most on each. ``alternatives`` are proposed beside an object's class, to learn whether the
    peer takes one of them. Verification and the storage classes that the peer is known to have
    ``taken`` are proposed each time: some peers reject or abort an association of which they accept
    nothing, and this way refuse a class as others do. For one thread.
    """
    beside = [verification()]
    beside += [Context(one, way) for one in taken for way in carriers(ExplicitVRLittleEndian)]
    for batch in _batches((_describe(path, alternatives) for path in paths), beside):
        yield from _send_batch(batch, beside, peer, calling_ae, timeouts or Timeouts())


def _describe(path: Path, alternatives: Alternatives) -> _Object | Sent:
    """What a file holds; the outcome when it cannot be sent.

    The data set's own UIDs are announced, not those of the file's meta: they may differ, and
    then a receiver must refuse the object.
    """
    try:
        with path.open("rb") as file:
            header = read_partial(file, lambda tag, vr, length: tag > _SOP_INSTANCE_UID, force=True)
            offset = _offset(path, header.file_meta)
    except OSError as error:
        return unreadable(path, "", error)
    except Exception as error:  # noqa: BLE001 pydicom raises anything on broken bytes
        return Sent(path, "", None, False, f"this is no DICOM file: {error}")
    meta = header.file_meta
    uid = _uid(header, _SOP_INSTANCE_UID) or _uid(meta, 0x00020003)
    sop_class = _uid(header, 0x00080016) or _uid(meta, 0x00020002)
    syntax = str(meta.get("TransferSyntaxUID") or _guess(header))
    for what, value in (
        ("SOP Class UID", sop_class),
        ("SOP Instance UID", uid),
        ("Transfer Syntax UID", syntax),
    ):
        if not is_uid(value):
            problem = "is not a valid UID" if value else "is missing"
            return Sent(path, uid, None, False, f"{what} {problem}: the file cannot be sent")
    others = tuple(alternatives.get(sop_class, ()))
    return _Object(path, Context(sop_class, syntax), uid, offset, others)


def _uid(dataset: Dataset, tag: int) -> str:
    """The value as it is: pydicom would warn of what some devices write."""
    element = dataset.get_item(tag)
    value = element.value if element is not None else b""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")
    return text.strip("\0 ")


def unreadable(path: Path, uid: str, error: OSError) -> Sent:
    """A file that is gone stays so; other trouble, as of a network mount, may pass.

    An OSError without a number is pydicom's, of a file that ends too early.
    """
    passing = error.errno is not None and not isinstance(error, FileNotFoundError)
    problem = f"the file cannot be read: {error.strerror or 'it ends too early'}"
    return Sent(path, uid, None, False, problem, passing)


def _offset(path: Path, meta: Dataset) -> int:
    """Where the data set starts; files of before PS3.10 have neither preamble nor meta."""
    try:
        return int(split_dataset(path)[1])
    except InvalidDicomError:
        if len(meta):
            raise
        return 0


def _guess(header: Dataset) -> str:
    """The syntax of a file without meta."""
    is_implicit, is_little_endian = header.original_encoding
    if not is_little_endian:
        return str(ExplicitVRBigEndian)
    return str(ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian)


def _batches(
    items: Iterable[_Object | Sent], beside: Sequence[Context]
) -> Iterator[list[_Object | Sent]]:
    """Runs of files that fit one association's presentation contexts, with those ``beside``."""
    batch: list[_Object | Sent] = []
    contexts = set(beside)
    for item in items:
        needed = set(_offered(item)) if isinstance(item, _Object) else set()
        if len(contexts | needed) > MOST_CONTEXTS:
            yield batch
            batch, contexts = [], set(beside)
        batch.append(item)
        contexts |= needed
    if batch:
        yield batch


def carriers(transfer_syntax: str) -> tuple[str, ...]:
    """The transfer syntaxes that an object in ``transfer_syntax`` can go over in, best first."""
    if transfer_syntax != ExplicitVRLittleEndian:
        return (transfer_syntax,)
    return (transfer_syntax, str(ImplicitVRLittleEndian))


def _proposals(item: _Object) -> list[Context]:
    """The contexts that can carry an object, best first."""
    syntaxes = carriers(item.context.transfer_syntax)
    return [Context(item.context.abstract_syntax, syntax) for syntax in syntaxes]


def _offered(item: _Object) -> list[Context]:
    """What an association for an object proposes: its own contexts and those of other classes."""
    own = _proposals(item)
    others = [Context(other, c.transfer_syntax) for other in item.alternatives for c in own]
    return [*own, *others]


def _instead(association: Requestor, item: _Object) -> str:
    accepted = (c.abstract_syntax for c in _offered(item) if association.accepts(c))
    return next((sop_class for sop_class in accepted if sop_class in item.alternatives), "")


def _send_batch(
    batch: list[_Object | Sent],
    beside: Sequence[Context],
    peer: Peer,
    calling_ae: str,
    timeouts: Timeouts,
) -> Iterator[Sent]:
    objects = [item for item in batch if isinstance(item, _Object)]
    offered = [context for item in objects for context in _offered(item)]
    contexts = list(dict.fromkeys([*offered, *beside]))
    association: Requestor | None = None
    lost = ""
    try:
        for item in batch:
            if isinstance(item, Sent):
                yield item
                continue
            outcome: Sent | None = None
            begun = False
            if not lost:
                try:
                    association = association or Requestor(peer, contexts, calling_ae, timeouts)
                    begun = True
                    outcome = _store(association, item)
                except NothingAccepted as error:
                    lost, begun = str(error), True
                except (AssociationError, OSError) as error:
                    lost = str(error)
            yield outcome or Sent(
                item.path,
                item.sop_instance_uid,
                None,
                False,
                lost,
                retryable=True,
                out_of_reach=not begun,
            )
        if association is not None and not lost:
            association.release()
    finally:
        if association is not None:
            association.close()


def _store(association: Requestor, item: _Object) -> Sent:
    context = next((c for c in _proposals(item) if association.accepts(c)), None)
    if context is None:
        classes = [item.context.abstract_syntax, *item.alternatives]
        instead = _instead(association, item)
        refused = classes[: classes.index(instead)] if instead else classes
        names = " or ".join(UID(one).name for one in refused)
        syntax = UID(item.context.transfer_syntax).name
        return Sent(
            item.path,
            item.sop_instance_uid,
            None,
            False,
            f"{association.peer} does not take {names} in {syntax}",
            refused_classes=tuple(refused),
            instead=instead,
        )
    try:
        dataset = _dataset(item, context)
    except OSError as error:
        return unreadable(item.path, item.sop_instance_uid, error)
    except Exception as error:  # noqa: BLE001 pydicom raises anything on broken bytes
        problem = f"the file cannot be rewritten in DICOM's default syntax: {type(error).__name__}"
        return Sent(item.path, item.sop_instance_uid, None, False, problem)
    with dataset:
        reply = association.store(context, item.sop_instance_uid, dataset)
    outcome = _outcome(item, reply)
    if _answer(reply).refused_class:
        return replace(
            outcome,
            refused_classes=(item.context.abstract_syntax,),
            instead=_instead(association, item),
        )
    return outcome


def _dataset(item: _Object, context: Context) -> BinaryIO:
    if context != item.context:
        encoded = encode(dcmread(item.path), is_implicit_vr=True, is_little_endian=True)
        if encoded is None:  # pynetdicom's word for an error that it logged
            raise ValueError("not encoded")
        return BytesIO(encoded)
    file = item.path.open("rb")
    file.seek(item.offset)
    return file


def _outcome(item: _Object, reply: Reply) -> Sent:
    answer = _answer(reply)
    return Sent(
        item.path,
        item.sop_instance_uid,
        reply.status,
        answer.accepted,
        "" if answer.accepted else f"status {reply.status:04X} {reply.comment}".strip(),
        answer.retryable,
    )


def _answer(reply: Reply) -> StoreAnswer:
    return next((one for one in ANSWERS if reply.status in one.statuses), _REFUSED)
