"""Lettering: which languages the pictures can be written in."""

from __future__ import annotations

from typing import Any

import pytest

from workers.results.picture import Table
from workers.results.picture.lettering import lacks
from workers.results.picture.sheet import MARGIN, WIDTH, Sheet


@pytest.mark.parametrize(
    "text",
    [
        "",
        "malignant,\nroi: 93 % ≥ 5",
        "Läsion, größer als 5 mm",
        "Nie zażółcono gęślą jaźni",
        "Очаг печени не найден",
        "Εστία στο ήπαρ",
        "Tổn thương gan",
    ],
)
def test_letters_of_many_languages_can_be_drawn(text: str) -> None:
    assert lacks(text) == ""


def test_what_cannot_be_drawn_is_named_once_and_in_order() -> None:
    assert lacks("liver 肝肝臓") == "肝臓"
    assert lacks("बb") == "ब"


@pytest.mark.parametrize("text", ["כבד", "كبد"])
def test_what_is_written_from_right_to_left_cannot_be_drawn(text: str) -> None:
    assert lacks(f"liver {text}") == "".join(sorted(text))


@pytest.mark.parametrize("cell", ["93%", "42 x 31 Millimeter", "42 x 31 Millimeter in der Ebene"])
def test_the_cells_of_a_table_never_touch(cell: str) -> None:
    drawn: list[tuple[float, float, float]] = []

    class Pen:
        def text(self, xy: Any, text: str, fill: Any, face: Any) -> None:
            assert face.size >= 22
            drawn.append((xy[1], xy[0], xy[0] + face.getlength(text)))

        def line(self, *_: Any, **__: Any) -> None: ...

        def polygon(self, *_: Any, **__: Any) -> None: ...

    Table(("", *["bösartig,\ndetektor"] * 5), (("1", *[cell] * 5),) * 2).draw(
        Sheet(Pen(), lambda *_: None)
    )
    assert len(drawn) > 12
    for (y, _, end), (next_y, start, _) in zip(sorted(drawn), sorted(drawn)[1:], strict=False):
        assert next_y > y or start >= end + 4
    assert all(start >= MARGIN and end <= WIDTH - MARGIN for _, start, end in drawn)
