"""URLs of the settings, as they may be given and as people may see them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit


def without_password(value: str) -> str:
    """``value``, in a URL its password hidden."""
    if "://" not in value:
        return value
    value = re.sub(r"(://[^:/@]*):[^/]*@", r"\1:***@", value)
    return re.sub(r"([?&]password=)[^&]*", r"\1***", value)


def of_scheme(value: str, schemes: Sequence[str], allowed: str) -> str:
    """``value`` as it is; raises ValueError saying what is ``allowed`` unless it is empty or a
    URL of one of the schemes whose port, if any, is a number."""
    if not value:
        return value
    try:
        parts = urlsplit(value)
        good = parts.scheme in schemes and "://" in value and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"use {allowed}")
    return value


def database_url(value: str) -> str:
    return of_scheme(
        value,
        ("sqlite", "postgresql", "postgresql+psycopg"),
        "postgresql://user@host/name or sqlite:///path; empty: SQLite in the data folder",
    )


def broker_url(value: str) -> str:
    return of_scheme(
        value,
        ("redis", "rediss", "amqp", "amqps"),
        "redis://host:6379/0 or amqp://user@host:5672//; empty: no broker, all in one process",
    )


def service_root(value: str) -> str:
    """The root of a web service, without a slash at its end; ValueError for what can be none."""
    allowed = "the root of a DICOMweb service, as https://host/dicom-web"
    if not urlsplit(of_scheme(value, ("http", "https"), allowed)).hostname or " " in value:
        raise ValueError(f"use {allowed}")
    return value.rstrip("/")
