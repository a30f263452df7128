"""Lettering: which languages the pictures can be written in."""

from __future__ import annotations

import pytest

from workers.results.picture.lettering import lacks


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
