"""The page of codes says what the code says."""

from __future__ import annotations

from tests.deploy.codes import GROUPS, PAGE, page
from workers.results.codes import PRIVATE


def test_the_page_of_codes_is_the_table_in_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.deploy.codes"


def test_every_private_code_has_its_group() -> None:
    assert {code[:2] for code in PRIVATE} == set(GROUPS)
