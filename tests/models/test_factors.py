"""The factors of paper 2 are the same in manifests, in the command line and in model LBC."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from models.data import read_manifest
from models.factors import CLINICAL, ENTERED, numbers
from models.lesion.clinical import ClinicalModel, Factor

SAID = {"hepatitis": "C", "extrahepatic_tumour": "no", "halo": "yes", "vascularity": "no"}
NUMBERS = {
    "age": 63.0,
    "sex": 0.0,
    "hepatitis": 1.0,
    "extrahepatic_tumour": 0.0,
    "halo": 1.0,
    "vascularity": 0.0,
}


def test_answers_become_the_numbers_of_a_manifest_row(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        row = {"image": "a.png", "age": "63", "sex": "F", **{n: NUMBERS[n] for n in SAID}}
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    (case,) = read_manifest(tmp_path)
    assert case.clinical == numbers(63, "F", SAID) == NUMBERS
    assert tuple(NUMBERS) == CLINICAL


def test_model_lbc_takes_the_numbers_and_says_what_is_left_out() -> None:
    model = ClinicalModel(0.0, 1.0, {name: Factor(2.0, 0.25) for name in CLINICAL})
    known = numbers(None, "M", {"hepatitis": "none"})
    assert known == {"sex": 1.0, "hepatitis": 0.0}
    assert model.logit(0.5, known) == pytest.approx(0.5 + 2 * (0.75 - 0.25))
    assert model.left_out(known) == ("age", "extrahepatic_tumour", "halo", "vascularity")


@pytest.mark.parametrize("answer", ["B", "C", "B+C"])
def test_every_viral_hepatitis_is_a_history_of_it(answer: str) -> None:
    assert numbers(None, None, {"hepatitis": answer}) == {"hepatitis": 1.0}


def test_what_there_is_not_is_named() -> None:
    with pytest.raises(ValueError, match="hepatitis 'D' is not one of none, B, C, B\\+C"):
        numbers(None, None, {"hepatitis": "D"})
    with pytest.raises(ValueError, match="there is no factor afp; there are hepatitis"):
        numbers(None, None, {"afp": "yes"})
    with pytest.raises(ValueError, match="sex 'O' is not one of F, M"):
        numbers(None, "O", {})


def test_every_answer_has_a_number_that_a_manifest_takes() -> None:
    for factor in ENTERED.values():
        assert set(factor.answers.values()) == {0.0, 1.0}


def test_the_factors_are_known_without_numpy() -> None:
    code = "import sys, models.factors; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
