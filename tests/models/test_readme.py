"""The page about models says what there is."""

import re
from pathlib import Path

from models.data import COLUMNS
from models.data.about import About

PAGE = (Path(__file__).parents[2] / "models" / "README.md").read_text(encoding="utf-8")


def test_every_column_of_a_manifest_is_described() -> None:
    table = PAGE.split("| column | what it holds |")[1].split("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, flags=re.MULTILINE))
    assert rows == {name: what or "see `liver_x`" for name, what in COLUMNS.items()}


def test_every_key_of_a_description_is_named() -> None:
    sentence = PAGE.split("`data.toml` says")[1].split("It goes into the card")[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == set(About.__dataclass_fields__)
