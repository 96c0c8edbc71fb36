from __future__ import annotations

import numpy as np

from mergebert.text.patterns import PRIOR
from mergebert.training.network.scoring import normalised

PRIOR_LOG = np.log(np.array(list(PRIOR.values()), np.float32))


def test_the_mean_of_two_networks_is_a_probability_again_and_the_prior_stays() -> None:
    rows = np.stack([np.log(np.full(9, 0.05, np.float32)), PRIOR_LOG])

    found = normalised(rows, np.array([4, -1]))

    assert np.isclose(np.exp(found[0]).sum(), 1.0)
    assert (found[1] == PRIOR_LOG).all()
    assert normalised(np.zeros((0, 9), np.float32), np.zeros(0, np.int16)).shape == (0, 9)
