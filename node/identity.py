"""How an object says that hepanode made it; workers write it, the receiver recognises it.

An own result that comes back, as from a PACS that forwards what it stores, must never be
analysed: that would be a loop.
"""

from __future__ import annotations

import hashlib

from pydicom.dataset import Dataset

MANUFACTURER = "hepanode"
MODEL_NAME = "hepanode liver ultrasound"
DEVICE_UID = "2.25.42533596394683171090952860148509930816"
IMPLEMENTATION_CLASS_UID = "2.25.289931006269652969237655836919011945416"
IMPLEMENTATION_VERSION_NAME = "HEPANODE_1"


def is_own(dataset: Dataset) -> bool:
    """Whether ``dataset`` names hepanode as its maker or as contributing equipment.

    Reads Manufacturer, Manufacturer's Model Name, Device UID and Contributing Equipment
    Sequence (PS3.3 C.7.5.1, C.12.1), the first three also in its items.
    """
    items = dataset.get("ContributingEquipmentSequence") or ()
    return any(_names_us(equipment) for equipment in (dataset, *items))


def _names_us(equipment: Dataset) -> bool:
    return is_ours(*(str(equipment.get(keyword) or "") for keyword in MARKS))


MARKS = ("Manufacturer", "ManufacturerModelName", "DeviceUID")


def is_ours(manufacturer: str, model_name: str, device_uid: str) -> bool:
    """Whether the values of ``MARKS`` say that hepanode, on any node, is the device."""
    by_uid = device_uid == DEVICE_UID or device_uid.startswith(DEVICE_UID + ".")
    return by_uid or (manufacturer == MANUFACTURER and model_name.startswith(MANUFACTURER))


def device_uid(*name: str) -> str:
    """The Device UID of a part of hepanode, under the one that all have in common."""
    digest = hashlib.sha256("\0".join(name).encode()).digest()
    return f"{DEVICE_UID}.{int.from_bytes(digest[:8])}"  # 64 characters at most


def uid(*name: str | int) -> str:
    """The UID of ``name``; every part counts, and its place: the same name has the same UID.

    PS3.5 B.2: 2.25 and a UUID as one decimal number, here a version 8 UUID (RFC 9562) cut from a
    SHA-256; at most 44 characters.
    """
    text = "\0".join(["hepanode", *(str(part) for part in name)])
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16])
    number = number & ~(0xF << 76) | 0x8 << 76  # version 8
    number = number & ~(0x3 << 62) | 0x2 << 62  # variant of RFC 9562
    return f"2.25.{number}"


def series_uid(first_object_uid: str) -> str:
    """The series that an object opens.

    It follows from the SOP Instance UID alone, so that a new report can name the series of its
    predecessor (Predecessor Documents Sequence) without having been told.
    """
    return uid("series", first_object_uid)
