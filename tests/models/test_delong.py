"""DeLong's test against sums over all pairs and against a hand-computed example."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import norm

from models.evaluation.delong import delong_covariance, delong_test, delong_test_unpaired

Floats = npt.NDArray[np.float64]


def by_all_pairs(truth: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """DeLong et al. 1988, eqs. (2) to (6) as they stand: psi over every pair."""
    positive, negative = scores[:, truth == 1], scores[:, truth == 0]
    psi = np.where(
        positive[:, :, None] > negative[:, None, :],
        1.0,
        np.where(positive[:, :, None] == negative[:, None, :], 0.5, 0.0),
    )
    areas = psi.mean(axis=(1, 2))
    v10 = psi.mean(axis=2) - areas[:, None]
    v01 = psi.mean(axis=1) - areas[:, None]
    m, n = positive.shape[1], negative.shape[1]
    return areas, v10 @ v10.T / (m - 1) / m + v01 @ v01.T / (n - 1) / n


@pytest.mark.parametrize("digits", [1, 6])
def test_ranks_give_what_all_pairs_give(digits: int) -> None:
    """One digit makes many ties."""
    generator = np.random.default_rng(3)
    truth = (np.arange(60) % 3 == 0).astype(float)
    scores = np.round(generator.random((3, 60)) + 0.3 * truth, digits)
    areas, covariance = delong_covariance(truth, scores)
    expected, expected_covariance = by_all_pairs(truth, scores)
    assert areas == pytest.approx(expected)
    assert covariance == pytest.approx(expected_covariance)


def test_five_cases_by_hand() -> None:
    """Positives 3, 1 over negatives 0, 2: three of four pairs are right, AUC 0.75.

    V10 = (1, 1/2), V01 = (1, 1/2): both sample variances are 1/8, so Var = 1/16 + 1/16 = 1/8. The
    second score ranks all rightly: its components are 1, its variance and covariances 0.
    """
    truth = np.array([1.0, 1, 0, 0])
    first, second = np.array([3.0, 1, 0, 2]), np.array([9.0, 8, 1, 2])
    result = delong_test(truth, first, second)
    assert (result.first, result.second) == (0.75, 1.0)
    assert result.error == pytest.approx(np.sqrt(1 / 8))
    assert result.p == pytest.approx(2 * norm.cdf(-0.25 / np.sqrt(1 / 8)))


def test_a_score_does_not_differ_from_its_own_monotone_image() -> None:
    generator = np.random.default_rng(0)
    truth, score = (generator.random(50) > 0.4).astype(float), generator.random(50)
    assert delong_test(truth, score, np.exp(3 * score)).p == 1.0


def test_the_test_rejects_a_twentieth_of_true_hypotheses() -> None:
    """Two equally good, correlated scores, 400 times: about 5 % have p < 0.05."""
    generator = np.random.default_rng(1)
    truth = (np.arange(80) % 2).astype(float)
    rejected = 0
    for _ in range(400):
        shared = truth + generator.normal(size=80)
        first, second = (shared + generator.normal(size=80) for _ in range(2))
        rejected += delong_test(truth, first, second).p < 0.05
    assert 8 <= rejected <= 34  # binomial(400, 0.05): 20, and three standard deviations


def test_groups_that_share_no_case_add_their_variances() -> None:
    generator = np.random.default_rng(2)
    truth = (np.arange(40) % 2).astype(float)
    good, poor = truth + generator.normal(size=40) * 0.5, truth + generator.normal(size=40) * 2
    result = delong_test_unpaired(truth, good, truth, poor)
    variances = [float(delong_covariance(truth, score[None])[1][0, 0]) for score in (good, poor)]
    assert result.error == pytest.approx(np.sqrt(sum(variances)))
    assert result.difference > 0


def test_one_positive_case_is_too_few() -> None:
    with pytest.raises(ValueError, match="two of each"):
        delong_test(np.array([1.0, 0, 0]), np.ones(3), np.ones(3))
