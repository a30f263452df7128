"""The interval of a calibrated probability: of the calibration, by patient."""

import math
import tomllib

import numpy as np
import pytest
import tomli_w

from models.evaluation.calibration import fit_platt, fit_platt_by_patient
from models.platt import Platt, intervals


def test_an_interval_by_hand() -> None:
    """On the logit scale 0.5 * 2 - 1 = 0, of variance 0.04 * 4 + 2 * -0.01 * 2 + 0.09 = 0.21."""
    scaling = Platt(0.5, -1.0, (0.04, -0.01, 0.09))
    assert float(scaling(np.asarray(2.0))) == pytest.approx(0.5)
    found = scaling.interval(2.0)
    assert found is not None
    reach = 1.959964 * math.sqrt(0.21)
    assert found == pytest.approx((1 / (1 + math.exp(reach)), 1 / (1 + math.exp(-reach))))
    assert Platt(0.5, -1.0, (0.0, 0.0, 0.0)).interval(2.0) == pytest.approx((0.5, 0.5))


def test_an_interval_far_out_stays_between_0_and_1() -> None:
    low, high = Platt(50.0, 3.0, (400.0, 0.0, 90.0)).interval(1e3) or (-1.0, 2.0)
    assert 0 <= low <= high <= 1
    assert Platt(1.0, 0.0, (1.0, -1.0, 1.0)).interval(1.0) == pytest.approx(
        (0.731, 0.731), abs=1e-3
    )


def test_a_card_of_before_has_no_interval() -> None:
    old = Platt.of_card({"slope": 1.2, "intercept": -3.2})
    assert (old.slope, old.intercept, old.interval(1.0)) == (1.2, -3.2, None)
    known = Platt(2.0, 1.0, (0.1, 0.0, 0.1))
    assert list(intervals({"a": old, "b": known}, {"a": 0.0, "b": 0.0})) == ["b"]
    assert Platt.of_card({}) == Platt(1.0, 0.0)


def test_what_a_card_holds_is_read_back() -> None:
    scaling = Platt(1.18176, -3.21283, (0.0123456789, -0.000123456789, 0.2))
    text = tomli_w.dumps({"calibration": {"lesion": scaling.as_card()}})
    found = Platt.of_card(tomllib.loads(text)["calibration"]["lesion"])
    assert found.covariance == pytest.approx(scaling.covariance, rel=1e-5)
    assert (found.slope, found.intercept) == (1.18176, -3.21283)
    assert "covariance" not in Platt(1.0, 2.0).as_card()


def question(count: int = 240) -> tuple[np.ndarray, np.ndarray]:
    truth = (np.arange(count) % 2).astype(float)
    return truth, 1.5 * truth + np.random.default_rng(0).normal(size=count)


def test_the_covariance_is_that_of_the_information_in_the_cases() -> None:
    """Of a scaling that is right, the inverse of sum p (1 - p) x x'. The classes count alike in
    each resample, so the intercept is free of their numbers' own chance, 1 / 120 + 1 / 120."""
    truth, logits = question()
    found = fit_platt_by_patient(truth, logits, [str(n) for n in range(240)], resamples=300)
    plain = fit_platt(truth, logits)
    assert (found.slope, found.intercept) == (plain.slope, plain.intercept)
    p = plain(logits)
    design = np.stack([logits, np.ones(240)], axis=1)
    expected = np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design)
    assert found.covariance is not None
    slope, both, intercept = found.covariance
    assert slope == pytest.approx(expected[0, 0], rel=0.35)
    assert intercept == pytest.approx(expected[1, 1] - 2 / 120, rel=0.35)
    assert both == pytest.approx(expected[0, 1], rel=0.45)


def test_more_images_of_the_same_patients_make_it_no_surer() -> None:
    truth, logits = question(120)
    patients = [str(n) for n in range(120)]
    four = np.tile(truth, 4), np.tile(logits, 4)
    one = fit_platt_by_patient(truth, logits, patients, resamples=100).covariance
    same = fit_platt_by_patient(*four, patients * 4, resamples=100).covariance
    others = fit_platt_by_patient(*four, [str(n) for n in range(480)], resamples=100).covariance
    assert one is not None
    assert same is not None
    assert others is not None
    assert same == pytest.approx(one, rel=0.05)
    assert others[0] < one[0] / 2
