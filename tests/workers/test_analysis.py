"""One reading of a study with real systems of random weights."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from safetensors.torch import load_file, save_file

from models.bundle import CARD, WEIGHTS
from models.registry import file_digest
from node.errors import StorageError
from node.settings import Analysis
from tests.bad_input import study, write
from tests.bundles import write_bundles
from workers.analysis import LoadedModels, analyse, plan
from workers.findings import Abstention, Dropped, Frame, Reason, StudyFindings
from workers.frames import StoredInstance, read, select
from workers.snapshot import snapshot
from workers.stages import Stages

LOOP = "examples_ybr_color.dcm"


def decoded(path: Path, settings: Analysis) -> Iterator[Frame | Dropped]:
    uid = str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
    selection = select([StoredInstance(path, uid)], settings)
    return read(path, selection.frames, settings)


def findings(settings: Analysis, *paths: Path, models: LoadedModels | None = None) -> StudyFindings:
    models = models or LoadedModels(settings)
    frames = [frame for path in paths for frame in decoded(path, settings)]
    return analyse(plan(models, settings), frames, (), models, settings, Stages())


def still(folder: Path) -> Path:
    dataset = study()
    return write(dataset, folder, str(dataset.SOPInstanceUID))


@pytest.fixture
def settings(bundles: Path) -> Analysis:
    return Analysis(
        bundle_folders=(bundles,), fan_liver_bundle="", device="cpu", threads=1, frames_per_cine=4
    )


def test_of_a_loop_only_the_most_suspicious_frame_is_a_finding(settings: Analysis) -> None:
    found = findings(settings, Path(get_testdata_file(LOOP, download=False)))
    assert len(found.frames) == len(found.readings) == 4
    (lesion,) = found.lesions
    highest = max(found.readings, key=lambda reading: reading.probabilities["lesion"])
    assert lesion.frame == highest.frame
    assert lesion.probabilities == highest.probabilities


def test_what_a_probability_takes_for_granted_is_handed_on(
    settings: Analysis, bundles: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundles, tmp_path / "bundles")
    with (tmp_path / "bundles" / "lesion-attention" / CARD).open("a") as card:
        card.write("\n[calibration.malignant]\nslope = 1.0\nintercept = 0.0\n")
    calibrated = settings.model_copy(update={"bundle_folders": (tmp_path / "bundles",)})
    found = findings(calibrated, still(tmp_path))
    assert found.conditions == {
        "lesion": "",
        "malignant": "if it is a lesion; calibrated as if both answers were equally frequent",
    }
    assert [lesion.bounds for lesion in found.lesions] == [{}], "an older card has no interval"


def test_a_probability_has_the_interval_of_its_calibration(
    settings: Analysis, bundles: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundles, tmp_path / "bundles")
    with (tmp_path / "bundles" / "lesion-attention" / CARD).open("a") as card:
        card.write("\n[calibration.malignant]\nslope = 1.0\nintercept = 0.0\n")
        card.write("covariance = [[0.0, 0.0], [0.0, 0.04]]\n")
    calibrated = settings.model_copy(update={"bundle_folders": (tmp_path / "bundles",)})
    found = findings(calibrated, still(tmp_path))
    (lesion,) = found.lesions
    assert list(lesion.bounds) == ["malignant"]
    p, low, high = lesion.bounds["malignant"]
    assert p == lesion.probabilities["malignant"]
    odds = math.log(p / (1 - p))
    assert math.log(low / (1 - low)) == pytest.approx(odds - 0.392, abs=1e-3)  # 1.96 * 0.2
    assert math.log(high / (1 - high)) == pytest.approx(odds + 0.392, abs=1e-3)
    assert found.readings[0].bounds == lesion.bounds
    suspected, malignant = found.heatmaps[0].caption
    assert "calibration" not in suspected
    said = f"{p:.0%} (threshold 1%); interval of the calibration {100 * low:.0f}-{100 * high:.0f}%"
    assert malignant == f"Malignant, if it is a lesion: {said}"
    kept = snapshot(found, 1, calibrated)["findings"]["lesions"][0]["bounds"]
    assert kept == {"malignant": [p, low, high]}


def with_threshold(bundles: Path, folder: Path, threshold: float) -> Path:
    shutil.copytree(bundles, folder)
    card = folder / "lesion-attention" / CARD
    card.write_text(card.read_text().replace("probability = 0.01", f"probability = {threshold!r}"))
    return folder


def test_the_words_on_a_heatmap_do_not_contradict_its_numbers(
    settings: Analysis, bundles: Path, tmp_path: Path
) -> None:
    image, models = still(tmp_path), LoadedModels(settings)
    (reading,) = findings(settings, image, models=models).readings
    p = reading.probabilities["lesion"]
    above = with_threshold(bundles, tmp_path / "above", p + 1e-4)
    found = findings(settings.model_copy(update={"bundle_folders": (above,)}), image)
    (line,) = next(one.caption for one in found.heatmaps if one.kind == "lesion attention")
    shown, threshold = map(float, re.findall(r"([\d.]+)%", line))
    assert line.startswith("Lesion not suspected")
    assert shown < threshold


def test_each_still_has_its_own_finding_outlined_inside_its_frame(
    settings: Analysis, tmp_path: Path
) -> None:
    found = findings(settings, still(tmp_path), still(tmp_path))
    assert [lesion.tracking_id for lesion in found.lesions] == ["lesion 1", "lesion 2"]
    assert {lesion.frame for lesion in found.lesions} == set(found.frames)
    for lesion in found.lesions:
        assert lesion.outline_kind == "attention"
        assert lesion.diameters is None
        for x, y in lesion.outline:
            assert 8 <= x < 512 - 8
            assert 8 <= y < 384 - 8
    assert Abstention("lesion size", Reason.NOT_MEASURED) in found.abstentions


def test_heatmaps_are_no_more_than_asked_for_and_lie_on_their_window(
    settings: Analysis, tmp_path: Path
) -> None:
    few = settings.model_copy(update={"key_frames": 2})
    found = findings(few, *(still(tmp_path) for _ in range(3)))
    assert [heatmap.kind for heatmap in found.heatmaps] == [
        *("lesion attention", "lesion attention", "fat activation")
    ]
    for heatmap in found.heatmaps:
        x0, y0, x1, y1 = heatmap.window
        assert 8 <= x0 < x1 <= 512 - 8
        assert 8 <= y0 < y1 <= 384 - 8


def test_a_study_without_a_frame_says_so_and_answers_nothing(settings: Analysis) -> None:
    found = findings(settings)
    assert found.abstentions == (Abstention("study", Reason.NO_FRAMES),)
    assert (found.lesions, found.fat, found.heatmaps) == ((), None, ())
    assert found.lesion_model is not None


def test_frames_that_cannot_be_decoded_are_left_out_and_the_rest_is_read(
    settings: Analysis, tmp_path: Path
) -> None:
    models = LoadedModels(settings)
    drop = Dropped("1.2.9", 1, Reason.UNDECODABLE, "Premature end")
    frames = [drop, *decoded(still(tmp_path), settings)]
    found = analyse(plan(models, settings), frames, (), models, settings, Stages())
    assert len(found.frames) == 1
    assert found.dropped == (drop,)


def test_frames_of_unknown_view_beside_known_ones_are_said_not_to_count(
    settings: Analysis, tmp_path: Path
) -> None:
    named = study()
    named.ImageComments = "Liver and right kidney"
    known = write(named, tmp_path, "named")
    fat = findings(settings, known, still(tmp_path), still(tmp_path)).fat
    assert fat is not None
    assert fat.views == ("liver/kidney",)
    assert (len(fat.frames), fat.frames_of_unknown_view, fat.frames_not_counted) == (1, 0, 2)
    alone = findings(settings, still(tmp_path), still(tmp_path)).fat
    assert alone is not None
    assert (len(alone.frames), alone.frames_of_unknown_view, alone.frames_not_counted) == (2, 2, 0)


def make_numberless(bundle: Path) -> None:
    """Weights as a training that diverged leaves them."""
    weights, card = bundle / WEIGHTS, bundle / CARD
    before = file_digest(weights)
    tensors = load_file(weights)
    tensors["heads.bias"].fill_(float("nan"))
    save_file(tensors, weights)
    card.write_text(card.read_text().replace(before, file_digest(weights)))


def test_an_answer_that_is_no_number_is_none(
    settings: Analysis, bundles: Path, tmp_path: Path
) -> None:
    """Above all not the answer that there is no lesion."""
    shutil.copytree(bundles, tmp_path / "bundles")
    for name in ("lesion-attention", "fat-multiview"):
        make_numberless(tmp_path / "bundles" / name)
    broken = settings.model_copy(update={"bundle_folders": (tmp_path / "bundles",)})
    found = findings(broken, still(tmp_path), still(tmp_path))
    assert found.abstentions == tuple(
        Abstention(name, Reason.NO_NUMBER, "2 of 2 frames did not count")
        for name in ("lesion", "fat")
    )
    assert (found.readings, found.lesions, found.fat, found.heatmaps) == ((), (), None, ())


def test_a_model_that_is_not_there_abstains_and_the_other_one_reads(
    settings: Analysis, tmp_path: Path
) -> None:
    other = settings.model_copy(update={"lesion_bundle": "not-there"})
    found = findings(other, still(tmp_path))
    assert found.abstentions == (
        Abstention("lesion", Reason.MODEL_UNAVAILABLE, "bundle not-there: see `hepanode doctor`"),
    )
    assert found.lesion_model is None
    assert found.fat is not None


def test_damaged_weights_are_not_used(settings: Analysis, bundles: Path, tmp_path: Path) -> None:
    shutil.copytree(bundles, tmp_path / "bundles")
    with (tmp_path / "bundles" / "fat-multiview" / "model.safetensors").open("ab") as weights:
        weights.write(b"\0")
    damaged = settings.model_copy(update={"bundle_folders": (tmp_path / "bundles",)})
    found = findings(damaged, still(tmp_path))
    assert [one.subject for one in found.abstentions if one.reason is Reason.MODEL_UNAVAILABLE] == [
        "fat"
    ]
    assert found.fat is None
    assert found.lesions


def test_weights_that_do_not_fit_their_card_are_not_used(
    settings: Analysis, bundles: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundles, tmp_path / "bundles")
    card = tmp_path / "bundles" / "lesion-attention" / "card.toml"
    card.write_text(card.read_text().replace('"malignant",', '"malignant", "cyst",', 1))
    other = settings.model_copy(update={"bundle_folders": (tmp_path / "bundles",)})
    found = findings(other, still(tmp_path))
    assert [one.subject for one in found.abstentions if one.reason is Reason.MODEL_UNAVAILABLE] == [
        "lesion"
    ]
    assert found.fat is not None


def test_weights_that_cannot_be_read_after_all_fail_the_attempt(
    settings: Analysis, bundles: Path, tmp_path: Path
) -> None:
    """A share that is away for a moment must not leave a report that the model is missing."""
    shutil.copytree(bundles, tmp_path / "bundles")
    broken = settings.model_copy(update={"bundle_folders": (tmp_path / "bundles",)})
    models = LoadedModels(broken)
    chosen = plan(models, broken)
    (tmp_path / "bundles" / "fat-multiview" / WEIGHTS).unlink()
    with pytest.raises(StorageError, match="fat-multiview"):
        analyse(chosen, (), (), models, broken, Stages())


def test_weights_that_were_exchanged_are_used_from_the_next_run_on(
    settings: Analysis, tmp_path: Path
) -> None:
    folder = write_bundles(tmp_path / "bundles", seed=1)
    settings = settings.model_copy(update={"bundle_folders": (folder,)})
    models, image = LoadedModels(settings), still(tmp_path)
    before = findings(settings, image, models=models)
    again = findings(settings, image, models=models)
    write_bundles(folder, seed=2)
    after = findings(settings, image, models=models)
    assert before.readings == again.readings
    assert before.readings != after.readings
    assert before.lesion_model is not None
    assert after.lesion_model is not None
    assert before.lesion_model.digest != after.lesion_model.digest


def test_a_worker_imports_nothing_that_draws_charts() -> None:
    asked = "import sys, workers.analysis; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
