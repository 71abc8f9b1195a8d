"""Subspace identification against nfoursid: run times, and how far each is from the truth: python3 dev.py bench.

The same records, order and windows; errors are relative, of what does not depend on the basis, as root
mean squares over records.
"""

import functools
import sys
import warnings

import compare  # before NumPy
import numpy as np

from realization.stochastic import cva, innovations_model, moesp, n4sid
from realization.systems import InnovationsSSM, LinearSSM, StochasticSSM, markov_parameters

PEER = ("nfoursid", "pandas")
A = np.array([[0.6, 0.5, 0], [-0.5, 0.6, 0], [0, 0, 0.4]])
B, C, D = np.array([[1.0], [0.3], [1.0]]), np.array([[1.0, 0.0, 1.0], [0.0, 1.0, -1.0]]), np.array([[0.5], [0.0]])
K, R = np.array([[0.5, 0.1], [0.2, 0.3], [0.2, -0.4]]), np.array([[1.0, 0.5], [0.5, 1.25]])
PLANT, NOISE = LinearSSM(A, B, C, D), InnovationsSSM(A, K, C, R)
# T, windows, inputs
CASES = ((3000, 10, False), (3000, 10, True), (6000, 20, True))
LONG = (100_000, 20, True)
RECORDS = 20


def record(seed, T, inputs):
    """Two outputs, and one input of coloured noise or None, after 200 steps that are thrown away."""
    rng = np.random.default_rng([seed, T])
    e = rng.standard_normal((T + 200, 2)) @ np.linalg.cholesky(R).T
    u = np.convolve(rng.standard_normal(T + 202), [1, 0.7, 0.4], "valid")[:, None] * inputs
    y = LinearSSM(A, np.hstack([B, K]), C, np.hstack([D, np.eye(2)])).simulate(np.hstack([u, e])).y
    return y[200:], u[200:] if inputs else None


def ours(method, y, u, window):
    def run():
        found = method(y, 3, past=window, future=window, u=u)
        return found.innovations, found.system

    return run


def theirs(y, u, window):
    """The model that it returns, with the gain that belongs to its noise."""
    import pandas
    from nfoursid.nfoursid import NFourSID

    outputs = {f"y{i}": column for i, column in enumerate(y.T)}
    inputs = {} if u is None else {f"u{i}": column for i, column in enumerate(u.T)}
    frame, p, m = pandas.DataFrame(outputs | inputs), y.shape[1], len(inputs)

    def run():
        found = NFourSID(frame, [*outputs], [*inputs], num_block_rows=window)
        found.subspace_identification()
        s, noise = found.system_identification(rank=3)
        model = StochasticSSM.from_noise(s.a, s.c, noise[p:, p:], noise[:p, :p], noise[p:, :p])
        system = LinearSSM(s.a, s.b.reshape(3, m), s.c, s.d.reshape(p, m)) if m else None
        return innovations_model(model), system

    return run


def relative(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


def errors(pair):
    """Of the impulse responses of noise and plant."""
    model, system = pair
    response = [markov_parameters(LinearSSM(e.A, e.K, e.C, np.eye(2)), 20) for e in (model, NOISE)]
    plant = np.nan if system is None else relative(markov_parameters(system, 20), markov_parameters(PLANT, 20))
    return relative(*response), plant


def noise_errors(*pairs):
    return f"noise off by {' and '.join(f'{errors(pair)[0]:.3f}' for pair in pairs)}"


def run_times():
    for T, window, inputs in CASES:
        case = (*record(0, T, inputs), window)
        both = functools.partial(ours, n4sid, *case), functools.partial(theirs, *case)
        title = f"N4SID, order 3, T={T}, p=2, m={int(inputs)}, windows of {window}: nfoursid"
        yield compare.timing(title, PEER, *both, noise_errors, "at least", 2.0)
    T, window, inputs = LONG
    run = ours(n4sid, *record(0, T, inputs), window)
    seconds = compare.turns(run, run)[0]
    memory = f"needs T x T numbers, {8 * T**2 / 2**30:.0f} GiB"
    title = f"N4SID, order 3, T={T}, p=2, m={int(inputs)}, windows of {window}: nfoursid"
    yield title, f"{1e3 * seconds:.1f}", memory, "", "", noise_errors(run())


def accuracies():
    sides = [("CVA", lambda *case: ours(cva, *case)), ("N4SID", lambda *case: ours(n4sid, *case))]
    sides += [("MOESP", lambda *case: ours(moesp, *case)), ("nfoursid", theirs)]
    for inputs in (False, True):
        row = []
        for name, side in sides:
            if name == "nfoursid" and compare.absent(PEER):
                row.append("skipped")
                continue
            found = [errors(side(*record(seed, 3000, inputs), 10)()) for seed in range(RECORDS)]
            noise, plant = np.sqrt(np.mean(np.square(found), axis=0))
            row.append(f"{noise:.3f}" + f", plant {plant:.3f}" * inputs)
        yield "with an input" if inputs else "without inputs", *row


def sections():
    """The tables, one after the other."""
    yield "Run times", compare.table(compare.TIMES, run_times())
    title = f"Errors of the impulse response of the noise, {RECORDS} records, T=3000, windows of 10"
    yield title, compare.table(("record", "CVA", "N4SID", "MOESP", "nfoursid"), accuracies())
    yield "Versions", compare.versions("numpy", "scipy", "numba", *PEER)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # those of the other side; ours gives none
    compare.main("identification", __doc__, sections, sys.argv[1:])
