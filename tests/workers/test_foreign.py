"""The manifest of images that show no liver."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data import Case, read_manifest
from models.errors import TrainingError
from workers.foreign import SOURCES, write_foreign


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    image = folder / "liver.png"
    Image.fromarray(np.full((60, 80), 90, np.uint8)).save(image)
    write_foreign(folder / "set", [Case(id="l", patient="p", image=image)], 'name = "x"', copies=1)
    return folder / "set"


def test_livers_stand_beside_every_kind_and_all_are_pictures(folder: Path) -> None:
    cases = read_manifest(folder)
    assert (cases[0].id, cases[0].kind) == ("l", None)
    kinds = Counter(case.kind for case in cases[1:])
    assert {source.kind for source in SOURCES} < set(kinds)
    assert {"thyroid (simulated)", "vessel (simulated)", "noise (drawn)"} < set(kinds)
    for case in cases[1:]:
        with Image.open(case.image) as picture:
            levels = np.asarray(picture)
        assert (levels.ndim, levels.dtype) == (2, np.uint8)
        if case.kind != "gradient (drawn)":
            assert levels.std() > 3, case.id


def test_frames_of_one_loop_are_one_subject(folder: Path) -> None:
    patients = Counter(case.patient for case in read_manifest(folder) if case.kind == "heart")
    assert patients == {"heart-philips": 1, "heart-sonosite": 11}


def test_a_folder_that_has_a_manifest_is_left_alone(folder: Path) -> None:
    with pytest.raises(TrainingError, match="name a new folder"):
        write_foreign(folder)
