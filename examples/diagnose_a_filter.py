"""A sensor that loses samples, filtered by the right model and by one that trusts it too much.

python examples/diagnose_a_filter.py
"""

import numpy as np

from realization.stochastic import diagnose_run, kalman_filter, sample
from realization.systems import InitialState, StochasticSSM

# position and speed; the speed wanders, the position is measured with variance 4
DYNAMICS = np.array([[1.0, 1.0], [0.0, 0.95]])
POSITION = np.array([[1.0, 0.0]])
NOISE = 4.0


def tracker(variance):
    """The model, with this variance of the measurement."""
    return StochasticSSM.from_noise(DYNAMICS, POSITION, Q=np.diag([0.0, 0.1]), R=[[variance]])


def measured(steps, rng):
    """A path from rest, of which a tenth of the measurements are lost."""
    y = sample(tracker(NOISE), steps, rng=rng, initial=InitialState.known([0.0, 0.0])).y
    return np.where(rng.random(y.shape) < 0.1, np.nan, y)


def diagnosed(model, y):
    """Filter from a state of which nothing is known, and ask the innovations."""
    return diagnose_run(kalman_filter(model, y, initial=InitialState.unknown(2)))


if __name__ == "__main__":
    y = measured(800, np.random.default_rng(4))
    right, trusting = diagnosed(tracker(NOISE), y), diagnosed(tracker(NOISE / 8), y)
    print(f"measurement variance {NOISE}: {right}\n\nmeasurement variance {NOISE / 8}: {trusting}")

    # one run may be luck: a right model is accused in at most 1 of 20
    again = [diagnosed(tracker(NOISE), measured(300, np.random.default_rng(seed))).sound for seed in range(20)]
    print(f"\nof 20 other runs the right model passes {sum(again)}")
    assert right.sound
    assert not trusting.sound
    assert sum(again) >= 16
