"""A plant and the noise around it from one record: what a sinusoid cannot show, noise as an input can.

    python examples/identified_plant.py
"""

import numpy as np

from realization.core.errors import StructureError
from realization.stochastic import cva, spectral_density
from realization.systems import LinearSSM, frequency_response, markov_parameters

T = 20_000
PLANT = LinearSSM(A=[[0.8, 0.5], [-0.5, 0.8]], B=[[0.0], [1.0]], C=[[1.0, 0.0]], D=[[0.0]])
COLOUR = LinearSSM(A=[[0.9]], B=[[0.6]], C=[[1.0]], D=[[1.0]])  # noise, from white innovations


def measured(u, rng):
    """What comes out of the plant, with coloured noise on it."""
    return PLANT.simulate(u).y + COLOUR.simulate(rng.standard_normal(u.shape)).y


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    sine = np.sin(0.3 * np.arange(T))[:, None]
    try:
        cva(measured(sine, rng), u=sine)
    except StructureError as error:
        print(f"one sinusoid: {error}\n")
    else:
        raise AssertionError("a sinusoid excites two directions of many")

    u = rng.standard_normal((T, 1))
    y = measured(u, rng)
    found = cva(y, u=u)
    print(found)
    assert found.order == 3, "two states of the plant, one of the noise"
    assert found.positive_real.verdict == "positive real"

    # matrices depend on the basis: compared is what does not
    h, known = markov_parameters(found.system, 30), markov_parameters(PLANT, 30)
    print(f"\nimpulse response of the plant off by {np.linalg.norm(h - known) / np.linalg.norm(known):.1%}")
    omega = np.linspace(0, np.pi, 100)
    density = np.abs(frequency_response(COLOUR, omega)) ** 2
    off = np.linalg.norm(spectral_density(found.covariance, omega) - density) / np.linalg.norm(density)
    print(f"spectral density of the noise off by {off:.1%}")
    assert np.linalg.norm(h - known) < 0.02 * np.linalg.norm(known)
    assert off < 0.2
    assert not found.whiteness.rejected
