"""Folders with too few patients for folds, for a label or for a baseline."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data import Case
from models.errors import TrainingError
from models.evaluation.folds import answered, patient_folds, possible_folds
from models.registry import load_bundle, read_bundle
from models.systems import protocol, system
from models.training.options import Options

pytestmark = pytest.mark.usefixtures("tiny_backbone", "few_resamples")

SYSTEMS = ("attention", "roi", "dcnn-us", "joint")


def case(folder: Path, name: str, malignant: int, **more: object) -> Case:
    """An image with a mass, bright where it is malignant."""
    generator = np.random.default_rng(len(list(folder.iterdir())))
    x, y = (int(generator.integers(30, 90)) for _ in range(2))
    image = generator.integers(60, 120, (180, 240)).astype(np.uint8)
    image[y : y + 40, x : x + 50] = 220 if malignant else 15
    Image.fromarray(image).save(folder / f"{name}.png")
    mass = ((x, y), (x + 50, y), (x + 50, y + 40), (x, y + 40))
    row = Case(
        name,
        name,
        folder / f"{name}.png",
        labels={"lesion": 1, "malignant": malignant},
        boxes=((x, y, x + 50, y + 40),),
        masses=(mass,),
    )
    return replace(row, **more)  # type: ignore[arg-type]


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    folder = tmp_path / "images"
    folder.mkdir()
    return [case(folder, f"p{number}", number % 2) for number in range(6)]


def with_one_cyst(cases: list[Case]) -> list[Case]:
    return [
        replace(row, labels={**row.labels, "cyst": int(number == 0)})
        for number, row in enumerate(cases)
    ]


@pytest.mark.parametrize("name", ["attention", "joint"])
def test_a_label_of_one_patient_is_left_out_before_anything_is_fitted(
    cases: list[Case], tmp_path: Path, name: str
) -> None:
    options = Options(tmp_path / "run", backbone="tiny", epochs=1, folds=2)
    found = protocol(system(name)).cross_validate(with_one_cyst(cases), options)
    assert "malignancy_auc" in found.figures
    assert "cyst_auc" not in found.figures
    assert "'cyst' is left out: each of its answers must come from 2 patients" in found.notes[-1]


@pytest.mark.parametrize("name", ["attention", "joint"])
def test_without_folds_one_patient_of_each_answer_is_enough(
    cases: list[Case], tmp_path: Path, name: str
) -> None:
    options = Options(tmp_path / "run", backbone="tiny", epochs=1, folds=0)
    bundle = read_bundle(protocol(system(name)).train(with_one_cyst(cases), options))
    assert {"malignant", "cyst"} <= set(bundle.labels)


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("folds", [0, 1])
def test_a_cross_validation_has_two_folds_or_more(
    cases: list[Case], tmp_path: Path, name: str, folds: int
) -> None:
    options = Options(tmp_path, backbone="tiny", epochs=1, folds=folds)
    with pytest.raises(TrainingError, match="two or more"):
        protocol(system(name)).cross_validate(cases, options)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_bundle_reads_folders_that_no_baseline_can_be_fitted_on(
    cases: list[Case], tmp_path: Path, name: str
) -> None:
    module = protocol(system(name))
    options = Options(tmp_path / "run", backbone="tiny", epochs=1, folds=0)
    bundle = read_bundle(module.train(cases, options))
    one = [
        case(tmp_path / "images", f"one-{number}", number % 2, patient="one")
        for number in range(10)
    ]
    found = module.evaluate(bundle, one, options)
    assert "malignancy_auc" in found.figures
    assert not {"accuracy", "malignancy_auc"} & set(found.baseline)
    assert any("geometry-only baseline" in note for note in found.notes)
    rare = [replace(row, patient="benign") if row.labels["malignant"] == 0 else row for row in one]
    assert "malignancy_auc" in module.evaluate(bundle, rare, options).figures
    malignant = [row for row in one if row.labels["malignant"] == 1]
    assert "malignancy_auc" not in module.evaluate(bundle, malignant, options).figures


def test_the_hepatorenal_index_of_one_patient_has_no_baseline(
    cases: list[Case], tmp_path: Path
) -> None:
    one = replace(cases[0], fat_percent=8.0, hepatorenal_index=1.4)
    module, options = protocol(system("hepatorenal")), Options(tmp_path)
    found = module.evaluate(load_bundle("fat-hepatorenal"), [one], options)
    assert found.figures["fat_mae"].cases == 1
    assert found.baseline == {}
    assert any("baseline" in note for note in found.notes)
    with pytest.raises(TrainingError, match="one patient"):
        module.cross_validate([one], options)


def test_folds_are_as_many_as_the_rarest_stratum_has_patients() -> None:
    strata, patients = list("aaaabb"), list("123456")
    folds = possible_folds(strata, patients, 5)
    assert len(folds) == 2
    assert all({strata[index] for index in held} == {"a", "b"} for held in folds)
    assert possible_folds(strata, list("123455"), 5) == []
    assert possible_folds(list("aaaa"), list("1234"), 5) == []
    # Whoever holds out 2 and 3 together leaves no 'b'.
    for seed in range(20):
        for held in possible_folds(list("aabb"), list("1223"), 2, seed):
            assert {list("aabb")[index] for index in {0, 1, 2, 3} - set(held)} == {"a", "b"}


def test_an_answer_counts_by_patient() -> None:
    both = [("1", 0), ("2", 0), ("3", 1), ("3", 1)]
    assert answered(both, 0)
    assert not answered(both, 2)
    assert answered([*both, ("4", 1)], 2)
    assert not answered([("1", 0)], 0)


def test_strata_rarer_than_folds_do_not_stop_a_cross_validation() -> None:
    for strata in ("abcdef", "aaaaab"):
        folds = patient_folds(list(strata), list("123456"), 3)
        assert sorted(index for held in folds for index in held) == list(range(6))
