"""The normal distribution of the standard library against SciPy's."""

import numpy as np
from scipy.special import ndtr, ndtri

from bayes_grpo.laws.normal import normal_cdf, normal_quantile


def test_probabilities_are_scipys_far_into_the_tails() -> None:
    x = np.linspace(-30, 30, 1001).reshape(7, 143)
    np.testing.assert_allclose(normal_cdf(x), ndtr(x), rtol=1e-11)
    assert normal_cdf(-np.inf) == 0 and normal_cdf(np.inf) == 1 and np.isnan(normal_cdf(np.nan))


def test_quantiles_are_scipys() -> None:
    p = np.array([[1e-12, 0.05], [0.5, 1 - 1e-9]])
    np.testing.assert_allclose(normal_quantile(p), ndtri(p), rtol=1e-9, atol=1e-12)
