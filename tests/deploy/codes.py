"""The page of codes, out of the code's own table: ``python -m tests.deploy.codes`` writes it."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.sr.coding import Code

from tests.deploy.files import DEPLOY
from workers.results import codes

PAGE = DEPLOY / "codes.md"

GROUPS = {
    "10": "Standing of a result",
    "11": "Lesions",
    "12": "Probabilities of lesion types",
    "13": "Diffuse liver disease",
    "14": "What was not answered or not analysed",
    "15": "Why",
}

HEAD = f"""# Codes of the report

For whoever reads the structured report by machine. Where DICOM, SNOMED CT, LOINC, UCUM or UMLS
has a word, the report uses it; all others are of the private scheme `{codes.SCHEME}` (Coding
Scheme UID {codes.CODING_SCHEME_UID}), whose codes never get a new meaning.

*Made by `python -m tests.deploy.codes` from `workers/results/codes.py`.*
"""


def page() -> str:
    parts = [HEAD]
    for prefix, title in GROUPS.items():
        own = [(c, meaning) for c, meaning in codes.PRIVATE.items() if c.startswith(prefix)]
        parts.append(_section(f"{codes.SCHEME}: {title}", ("Code", "Meaning"), own))
    others = sorted({(one.scheme_designator, one.value, one.meaning) for one in _others()})
    parts.append(_section("Codes of others", ("Scheme", "Code", "Meaning"), others))
    parts.append("The templates (TID 1500 and those it names, PS3.16) bring their own.\n")
    return "\n".join(parts)


def _others() -> Iterable[Code]:
    named = [value for value in vars(codes).values() if isinstance(value, Code)]
    return (one for one in (*named, *codes.PROBABILITY.values()) if not _is_ours(one))


def _is_ours(code: Code) -> bool:
    return code.scheme_designator == codes.SCHEME


def _section(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return f"## {title}\n\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
