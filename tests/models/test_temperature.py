"""Temperature scaling of several classes, by hand."""

import math

import numpy as np
import pytest

from models.evaluation.temperature import (
    confidence_error,
    cross_tempered,
    fit_temperature,
    fit_temperature_by_patient,
    log_loss,
    tempered,
)


def test_a_temperature_of_two_takes_roots_of_the_odds() -> None:
    said = np.array([[0.8, 0.2], [0.5, 0.5]])
    assert tempered(said, 2.0) == pytest.approx(np.array([[2 / 3, 1 / 3], [0.5, 0.5]]))
    assert tempered(tempered(said, 2.0), 0.5) == pytest.approx(said)
    assert tempered(np.array([[1.0, 0.0]]), 3.0).sum() == pytest.approx(1)


def too_sure(count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Truths that the probabilities at 2.5 times their temperature are right about."""
    generator = np.random.default_rng(0)
    logits = generator.normal(scale=4.0, size=(count, 3))
    right = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum(axis=1, keepdims=True)
    truth = (generator.random((count, 1)) > right.cumsum(axis=1)).sum(axis=1)
    said = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.minimum(truth, 2), said


def test_a_classifier_that_is_too_sure_is_cooled_and_errs_less() -> None:
    truth, said = too_sure()
    temperature = fit_temperature(truth, said)
    assert temperature == pytest.approx(2.5, rel=0.1)
    better = tempered(said, temperature)
    assert (better.argmax(axis=1) == said.argmax(axis=1)).all()
    assert log_loss(truth, better) < log_loss(truth, said)
    assert confidence_error(truth, better) < 0.03 < 0.1 < confidence_error(truth, said)


def test_the_interval_of_a_temperature_narrows_with_the_patients() -> None:
    wide, narrow = (
        fit_temperature_by_patient(*too_sure(count), list(map(str, range(count))), resamples=100)
        for count in (100, 1000)
    )
    for one in (wide, narrow):
        assert one.low < one.value < one.high
    assert narrow.high - narrow.low < 0.6 * (wide.high - wide.low)
    assert narrow.low < 2.5 < narrow.high


def test_a_fold_says_nothing_of_its_own_temperature() -> None:
    truth, said = too_sure(200)
    folds = [list(range(100)), list(range(100, 200))]
    found = cross_tempered(truth, said, folds)
    other = truth.copy()
    other[:100] = (truth[:100] + 1) % 3
    again = cross_tempered(other, said, folds)
    assert np.array_equal(found[:100], again[:100])
    assert not np.allclose(found[100:], again[100:])


def test_log_loss_weighs_the_classes_alike() -> None:
    truth = np.array([0, 0, 0, 1])
    said = np.array([[0.5, 0.5]] * 3 + [[0.2, 0.8]])
    assert log_loss(truth, said) == pytest.approx(-(math.log(0.5) + math.log(0.8)) / 2)
    assert log_loss(np.array([1]), np.array([[1.0, 0.0]])) < 30


def test_confidence_error_by_hand() -> None:
    """Said 0.9 three times, right twice: 0.7 too sure. Said 0.65 once, right: 0.35 too unsure."""
    truth = np.array([0, 0, 1, 1])
    said = np.array([[0.9, 0.1]] * 3 + [[0.35, 0.65]])
    assert confidence_error(truth, said) == pytest.approx((0.7 + 0.35) / 4)
    more = [0, 1, 0, 1, 2, 3]  # the first class twice as often
    assert confidence_error(truth[more], said[more]) == pytest.approx((0.7 + 0.35) / 4)
