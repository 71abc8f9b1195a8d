"""What identification cannot learn from is refused: the message has the name, the number that came and the remedy."""

import re

import numpy as np
import pytest

from realization.core.errors import ShapeError, StructureError
from realization.stochastic.identification import covariance_ho_kalman, cva, moesp, n4sid, sample_covariances
from realization.stochastic.identification.mean import mean_is_zero
from realization.systems import LinearSSM

T = 400
RNG = np.random.default_rng(0)
NOISE, INPUT = RNG.standard_normal((T, 2)), RNG.standard_normal((T, 1))
SINE = np.sin(0.3 * np.arange(T))[:, None]
GAP = np.where(np.arange(T) == 7, np.nan, NOISE[:, 0])[:, None]
EXPLOSIVE = LinearSSM([[1.1]], [[1.0]], [[1.0]], [[0.0]]).simulate(INPUT).y

# data, order and keywords: what the message says
REFUSALS = {
    "too short": ((NOISE[:20], 2, {}), StructureError, r"need T >= \d+, got 20"),
    "no sample": ((NOISE[:0], 1, {}), StructureError, r"need T >= \d+, got 0"),
    "short with inputs": ((NOISE[:30], 2, {"u": INPUT[:30], "past": 8}), StructureError, "48 rows.* need T >= 63"),
    "NaN": ((GAP, 1, {}), ShapeError, "1 entries that are NaN.*Kalman filter"),
    "infinite": ((np.where(np.isnan(GAP), np.inf, GAP), 1, {}), ShapeError, "infinite"),
    "a vector": ((NOISE[:, 0], 1, {}), ShapeError, r"y\[:, None\]"),
    "transposed": ((NOISE.T, 1, {}), ShapeError, r"2 steps of 400 channels.*y\.T"),
    "complex": ((NOISE + 1j, 1, {}), ShapeError, "complex"),
    "no output": ((NOISE[:, :0], 1, {}), ShapeError, "at least one output"),
    "no record": ((np.zeros((0, T, 2)), 1, {}), ShapeError, "one record"),
    "squares overflow": ((1e160 * NOISE, 1, {}), StructureError, r"mean square .*e\+(159|160), need .* 1e\+100"),
    "squares underflow": ((1e-160 * NOISE, 1, {}), StructureError, r"need from 1e-100"),
    "u too short": ((NOISE, 1, {"u": INPUT[1:]}), ShapeError, r"\(399, 1\)"),
    "u transposed": ((NOISE, 1, {"u": INPUT.T}), ShapeError, r"u\.T"),
    "order of windows": ((NOISE, 9, {"past": 4}), ShapeError, "order 9 .* at most 8"),
    "order negative": ((NOISE, -1, {}), ShapeError, "order is -1"),
    "order no number": ((NOISE, 1.5, {}), ShapeError, "order is 1.5"),
    "past of nothing": ((NOISE, 1, {"past": 0}), ShapeError, "past is 0"),
    "future of nothing": ((NOISE, 1, {"future": -2}), ShapeError, "future is -2"),
    "constant output": ((np.full((T, 1), 3.0), 1, {}), StructureError, "constant, 3 at each of 400 steps"),
    "constant input": ((NOISE, 1, {"u": np.ones((T, 1))}), StructureError, r"u\[\.\.\., 0\] is constant"),
    "single sinusoid as input": ((NOISE, 1, {"u": SINE}), StructureError, "not persistently exciting.* rank 2, need"),
    "sinusoid": ((SINE, 2, {}), StructureError, "exactly predictable.* rank 2"),
    "copied output": ((NOISE[:, [0, 0]], 1, {}), StructureError, "combinations of others"),
    "explosive": ((EXPLOSIVE, 1, {}), StructureError, r"spectral radius 1\.1, need < 1"),
}


@pytest.mark.parametrize("method", [cva, n4sid, moesp])
@pytest.mark.parametrize("case", REFUSALS)
def test_it_is_refused(case, method):
    (y, order, keywords), kind, message = REFUSALS[case]
    with pytest.raises(kind, match=re.compile(message, re.DOTALL)):
        method(y, order, **keywords)


@pytest.mark.parametrize("method", [cva, n4sid, moesp])
def test_what_is_only_unusual_is_not(method):
    """The control: order 0, several records, an input of many sinusoids, 17 orders of magnitude between outputs."""
    assert method(NOISE, 0).innovations.A.shape == (0, 0)
    assert method(np.stack([NOISE, NOISE[::-1]]), 1).samples == 2 * (T - 7)
    many = np.sin(np.arange(1, 12) * np.arange(T)[:, None] / 4).sum(axis=1, keepdims=True)
    assert method(NOISE, 1, past=4, future=4, u=many).system.B.shape == (1, 1)
    assert method(NOISE * [1e8, 1e-9], 1).positive_real.verdict == "positive real"


def test_records_are_separate():
    """Two records are not one: the jump between them would count as an innovation."""
    y = np.cumsum(RNG.standard_normal((300, 1)), axis=0)
    joined, separate = cva(np.concatenate([y, y + 500]), 1), cva(np.stack([y, y + 500 * 0]), 1)
    assert joined.innovations.R > 50 * separate.innovations.R


def test_covariances():
    with pytest.raises(ShapeError, match=r"\(3, 1, 2\).*sample_covariances"):
        covariance_ho_kalman(np.zeros((3, 1, 2)))
    with pytest.raises(ShapeError, match=r"lags is 400.* at most 399"):
        sample_covariances(NOISE, T)
    with pytest.raises(StructureError, match="give an order"):
        covariance_ho_kalman(sample_covariances(NOISE, 8))
    with pytest.raises(StructureError, match=r"spectral radius 1\.25, need < 1"):
        covariance_ho_kalman(np.array([1, 0.4, 0.5]).reshape(3, 1, 1), 1)
    with pytest.raises(ShapeError, match=r"order 5 from K = 8 lags of p = 1 .* at most 4, .* need K >= 10"):
        covariance_ho_kalman(sample_covariances(NOISE[:, :1], 8), 5)
    powers = np.array([0.9, -0.9, 0.5, -0.5, 0.1]) ** np.arange(11)[:, None]
    assert covariance_ho_kalman(powers.sum(axis=1).reshape(11, 1, 1), 5).order.choice == 5, "the control"
    with pytest.raises(ShapeError, match=r"differs from its transpose by 1\.0"):
        covariance_ho_kalman(np.arange(12.0).reshape(3, 2, 2), 1)
    with pytest.raises(ShapeError, match=r"0 record\(s\)"):
        sample_covariances(np.zeros((0, 5, 1)), 0)
    with pytest.raises(ShapeError, match=r"up to .*e\+200, need <= 1e\+100"):
        sample_covariances(1e200 * NOISE, 0)


def test_inputs_are_asked_for_where_the_model_has_them():
    with pytest.raises(ShapeError, match="u is missing"):
        cva(NOISE, 1, u=INPUT).prediction_errors(NOISE)
    with pytest.raises(ShapeError, match="u is given"):
        cva(NOISE, 1).prediction_errors(NOISE, INPUT)
    with pytest.raises(ShapeError, match=r"y has shape \(400, 1\), but \(\.\.\., T, 2\) is needed"):
        cva(NOISE, 1).prediction_errors(NOISE[:, :1])
    with pytest.raises(ShapeError, match=r"u \(399, 1\), but .* as many records and steps"):
        cva(NOISE, 1, u=INPUT).prediction_errors(NOISE, INPUT[1:])


def recursive(seed, mean):
    e = np.random.default_rng(seed).standard_normal((3000, 1))
    return LinearSSM([[0.8]], [[0.5]], [[1.0]], [[1.0]]).simulate(e).y + mean


def test_a_mean_that_was_left_is_named():
    """It costs a state; where it is large its pole cannot be told from 1.  The control: without it nothing is said."""
    for mean, order, pole in ((0.0, 1, False), (1.0, 2, False), (10.0, 2, True)):
        found = cva(recursive(0, mean))
        assert (found.order, found.unit_root, found.centred.rejected) == (order, pole, mean > 0)
        assert ("subtract it" in str(found)) == (mean > 0)


def test_means_of_zero_are_seldom_named():
    """At the level 0.001, more than 2 of 100 records have probability 2e-4."""
    assert sum(mean_is_zero(recursive(seed, 0.0)[None]).rejected for seed in range(100)) <= 2
    assert all(mean_is_zero(recursive(seed, 1.0)[None]).rejected for seed in range(10)), "the control"


def test_a_mean_that_comes_from_the_input_is_none():
    u = INPUT + 3
    y = LinearSSM([[0.8]], [[1.0]], [[1.0]], [[0.0]]).simulate(u).y + 0.1 * NOISE[:, :1]
    found = cva(y[50:], 1, u=u[50:])
    assert found.centred is None
    assert not found.unit_root
    assert abs(found.system.A[0, 0] - 0.8) < 0.01
    assert cva(y[50:] + 30, 2, u=u[50:]).unit_root, "the control"
