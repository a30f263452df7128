"""UIDs become names of files and folders: none is used before it was checked here."""

from __future__ import annotations

import re

from node.errors import InstanceError

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_VALID_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")


def is_uid(value: str) -> bool:
    """Whether ``value`` can be used as a UID: at most 64 characters, numbers between dots.

    Leading zeros are let through, as in 1.2.03: there are devices that write them, and a study
    refused is a study lost.
    """
    return len(value) <= 64 and _UID.fullmatch(value) is not None


def is_valid_uid(value: str) -> bool:
    """Whether ``value`` keeps to all of PS3.5 9.1, leading zeros included."""
    return len(value) <= 64 and _VALID_UID.fullmatch(value) is not None


def check_uid(value: str, attribute: str) -> str:
    """``value`` as it is; raises InstanceError (0xC000) when it is missing or no UID."""
    if is_uid(value):
        return value
    raise InstanceError(f"{attribute} is {'not a UID' if value else 'missing'} (PS3.5 9.1)")
