"""Values as PS3.5 6.2 wants them, out of values as devices write them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date

from node.storage import is_uid, is_valid_uid
from workers.messages import say

SEX = {"MALE": "M", "FEMALE": "F", "OTHER": "O", "M": "M", "F": "F", "O": "O"}
"""Patient's Sex as devices write it, in capitals, and as PS3.3 C.7.1.1 does."""

LENGTH = {"CS": 16, "SH": 16, "LO": 64, "ST": 1024, "LT": 10240, "DS": 16, "IS": 12, "AS": 4}

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)|(\d{4})[.\-/ ](\d{1,2})[.\-/ ](\d{1,2})")
_TIME = re.compile(r"([01]\d|2[0-3]):?(?:([0-5]\d):?(?:([0-5]\d|60)(?:\.(\d{1,6})\d*)?)?)?")
_OFFSET = re.compile(r"[+-](0\d|1[0-4])[0-5]\d")


def clean(vr: str, value: str) -> tuple[str, str]:
    """``value`` made valid for ``vr``, and what was wrong with it, said ('' when nothing was).

    What cannot be mended becomes an empty string.
    """
    stripped = value.strip(" \0\t\r\n")
    if not stripped:
        return "", ""
    first = stripped.split("\\")[0].strip() if vr not in ("ST", "LT", "UT") else stripped
    result, problem = _CLEANERS.get(vr, _text)(first, vr)
    if problem:
        return result, problem
    return result, say("held several values; the first was kept") if first != stripped else ""


def as_received(vr: str, value: str) -> tuple[str, str]:
    """``value`` without its padding, and what is wrong with it.

    For what others find a patient or an order by: half of an identifier is another one's.
    """
    padless = value.strip(" \0")
    valid, _ = clean(vr, padless)
    if valid == padless:
        return padless, ""
    return padless, say("is no valid {vr}; it was kept as received", vr=vr)


def is_utc_offset(value: str) -> bool:
    return _OFFSET.fullmatch(value) is not None and value != "-0000"


def _text(value: str, vr: str) -> tuple[str, str]:
    result = _CONTROL.sub(" " if vr in ("ST", "LT", "UT") else "", value).strip()
    limit = LENGTH.get(vr)
    if limit is not None and len(result) > limit:
        problem = say("was longer than {limit} characters; it was cut", limit=limit)
        return result[:limit].strip(), problem
    return result, say("held control characters; they were removed") if result != value else ""


def _person_name(value: str, vr: str) -> tuple[str, str]:
    """At most three forms of five parts, 64 characters each form (PS3.5 6.2.1.1)."""
    plain = _CONTROL.sub("", value)
    forms = ["^".join(form.split("^")[:5])[:64].strip() for form in plain.split("=")[:3]]
    result = "=".join(forms).rstrip("=")
    cut = result != value.rstrip("=")
    return result, say("was no valid person name; it was cut") if cut else ""


def _date(value: str, vr: str) -> tuple[str, str]:
    match = _DATE.fullmatch(value)
    if match is None:
        return "", say("was no date; it was left empty")
    try:
        result = date(*(int(part) for part in match.groups() if part)).strftime("%Y%m%d").zfill(8)
    except ValueError:
        return "", say("was no date; it was left empty")
    return result, say("was not written as YYYYMMDD; it was rewritten") if result != value else ""


def _time(value: str, vr: str) -> tuple[str, str]:
    match = _TIME.fullmatch(value)
    if match is None:
        return "", say("was no time of day; it was left empty")
    hours, minutes, seconds, fraction = match.groups()
    result = hours + (minutes or "") + (seconds or "") + (f".{fraction}" if fraction else "")
    return result, say("was not written as HHMMSS; it was rewritten") if result != value else ""


def _code_string(value: str, vr: str) -> tuple[str, str]:
    result = value.upper()
    if len(result) > LENGTH["CS"] or not re.fullmatch(r"[A-Z0-9_ ]*", result):
        return "", say("was no valid code; it was left empty")
    return result, say("was not in capitals; it was rewritten") if result != value else ""


def _age(value: str, vr: str) -> tuple[str, str]:
    match = re.fullmatch(r"(\d{1,3})([DWMY]?)", value.upper())
    if match is None:
        return "", say("was no age; it was left empty")
    result = match[1].zfill(3) + (match[2] or "Y")
    return result, say("was not written as in 045Y; it was rewritten") if result != value else ""


def _decimal(value: str, vr: str) -> tuple[str, str]:
    try:
        number = float(value.replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        return "", say("was no number; it was left empty")
    if len(value) <= LENGTH["DS"] and re.fullmatch(r"[+-]?[\d.]+([eE][+-]?\d+)?", value):
        return value, ""
    return f"{number:.8g}", say("was not written as a decimal; it was rewritten")


def _identifier(value: str, vr: str) -> tuple[str, str]:
    if not is_uid(value):
        return "", say("was no UID; it was left empty")
    return value, "" if is_valid_uid(value) else say("has leading zeros; it was kept as received")


_CLEANERS: dict[str, Callable[[str, str], tuple[str, str]]] = {
    "PN": _person_name,
    "DA": _date,
    "TM": _time,
    "CS": _code_string,
    "AS": _age,
    "DS": _decimal,
    "UI": _identifier,
}
