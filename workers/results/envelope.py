"""What every result object says beside its content: patient, study, series, maker, provenance."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from pydicom.dataset import Dataset

from node.identity import MANUFACTURER, MODEL_NAME
from workers.findings import ModelIdentity
from workers.messages import say
from workers.results import codes
from workers.results.header import SourceHeader
from workers.results.identity import node_uid, weights_uid
from workers.results.objects import ResultContext
from workers.results.values import plain, shortened

SERIES_FROM, SERIES_OF_VERSION = 9000, 100
"""Series Number: what all begin at, and how far versions are apart."""


def envelope(context: ResultContext, source: SourceHeader) -> Dataset:
    """A new object of the source's patient and study, made by this node.

    The caller adds class, UIDs, series and content.
    """
    dataset = Dataset()
    for element in source.attributes:
        dataset[element.tag] = element
    at = local_time(context.created_at, source)
    dataset.InstanceCreationDate = dataset.SeriesDate = dataset.ContentDate = f"{at:%Y%m%d}"
    dataset.InstanceCreationTime = dataset.SeriesTime = dataset.ContentTime = f"{at:%H%M%S}"
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MODEL_NAME
    dataset.SoftwareVersions = plain(context.software_version, 64)
    dataset.DeviceSerialNumber = plain(context.node_serial, 64)
    dataset.DeviceUID = node_uid(context.node_serial)
    return dataset


def local_time(moment: datetime, source: SourceHeader) -> datetime:
    """``moment`` in the time zone that the source's Timezone Offset From UTC names.

    Without one in this machine's, as the times of the source mean local time too. To write an
    offset of our own would move those.
    """
    offset = source.attributes.get("TimezoneOffsetFromUTC")
    if not offset:
        return moment.astimezone()
    sign = -1 if offset[0] == "-" else 1
    minutes = sign * (60 * int(offset[1:3]) + int(offset[3:5]))
    return moment.astimezone(timezone(timedelta(minutes=minutes)))


def set_series(
    dataset: Dataset,
    context: ResultContext,
    *,
    uid: str,
    offset: int,
    modality: str,
    description: str,
    unreviewed: bool = True,
) -> None:
    """General Series. ``offset``, 1 to 99, keeps the series of one version apart."""
    dataset.SeriesInstanceUID = uid
    dataset.SeriesNumber = SERIES_FROM + SERIES_OF_VERSION * context.version + offset
    dataset.Modality = modality
    end = not_reviewed() if unreviewed else ""
    if context.version > 1:
        end += " " + plain(say("(version {version})", version=context.version))
    dataset.SeriesDescription = ending(description, end)


def not_reviewed() -> str:
    """What every name of ours ends in, until somebody has looked."""
    return ", " + plain(say("not reviewed"))


def ending(name: str, end: str) -> str:
    """Both in the 64 characters of a Long String (PS3.5 6.2): the name is cut, never its end."""
    return plain(name, 64 - len(end.encode())) + shortened(end, 64)


class Device(NamedTuple):
    """A model as DICOM names a device; every object that names it says the same."""

    manufacturer: str
    name: str
    version: str
    uid: str


def device(model: ModelIdentity) -> Device:
    """Name and version in the 64 characters of a Long String (PS3.5 6.2), and never empty."""
    name, version = plain(model.name, 64) or "-", plain(model.version, 64) or "-"
    return Device(MANUFACTURER, name, version, weights_uid(model.digest))


def contributing_equipment(models: Iterable[ModelIdentity]) -> list[Dataset]:
    """An item of Contributing Equipment Sequence (PS3.3 C.12.1) for each algorithm."""
    items = []
    for model in models:
        named = device(model)
        item = Dataset()
        item.PurposeOfReferenceCodeSequence = [codes.coded(codes.PROCESSING_EQUIPMENT)]
        item.Manufacturer = named.manufacturer
        item.ManufacturerModelName = named.name
        item.SoftwareVersions = named.version
        item.DeviceUID = named.uid
        said = say("AI model; {status}", status=say(model.validation_status))
        item.ContributionDescription = plain(said, 1024)
        items.append(item)
    return items
