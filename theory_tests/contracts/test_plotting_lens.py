"""The lens is drawn where the numbers are: corners, ends, points given, everything within what lies in order."""

import numpy as np
import pytest

from realization import plotting
from realization.core.errors import ShapeError, StructureError
from realization.stochastic import ContinuousCovarianceModel, CovarianceModel, continuous_faurre_set, faurre_set

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


def moving_average(zeros):
    """Faurre's set of white noise through a polynomial."""
    h = np.poly(zeros).real
    L = np.correlate(h, h, "full")[len(zeros) :]
    return faurre_set(CovarianceModel(np.eye(len(zeros), k=1), np.eye(1, len(zeros)), L[1:, None], [[L[0]]]))


@pytest.mark.parametrize("zeros, corners", [([0.7, -0.5], 4), ([0.3 + 0.5j, 0.3 - 0.5j], 2)])
def test_corners_and_ends(zeros, corners):
    full = moving_average(zeros)
    ax = plotting.covariance_lens(full, {"half way": full.between(0.5)})
    places = np.array([line.get_xydata()[0] for line in ax.lines if line.get_marker() == "o"])
    assert len(places) == len(ax.texts) == corners
    assert np.allclose(places[[0, -1]], [[0, 0], [1, 0]], atol=1e-9)
    (point,) = [line.get_xydata()[0] for line in ax.lines if line.get_marker() == "D"]
    assert np.allclose(point, [0.5, 0], atol=1e-9)
    drawn = np.concatenate([line.get_xydata() for line in ax.lines])
    # 0 <= Q <= I in these coordinates: |r| <= min(t, 1 - t)
    assert (np.abs(drawn[:, 1]) <= np.minimum(drawn[:, 0], 1 - drawn[:, 0]) + 1e-6).all()
    assert ax.get_xlabel()
    assert ax.get_ylabel()


def test_a_covariance_outside_is_drawn_outside():
    """The control: P_+ and as much again is at 2."""
    full = moving_average([0.7, -0.5])
    ax = plotting.covariance_lens(full, {"outside": 2 * full.P_plus - full.P_minus})
    assert [line.get_xydata()[0, 0] for line in ax.lines if line.get_marker() == "D"] == pytest.approx([2])


def test_continuous_time_too():
    data = ContinuousCovarianceModel([[-1, 1], [0, -2]], [[1, 0]], [[0.4], [0.3]], [[1]])
    names = [text.get_text().split("\n")[0] for text in plotting.covariance_lens(continuous_faurre_set(data)).texts]
    assert names[0] == "$P_-$"
    assert names[-1] == "$P_+$"


def test_ellipses_are_where_the_covariance_is():
    P = np.array([[2.0, 1.0], [1.0, 3.0]])
    x = plotting.covariance_ellipses({"P": P, "flat": [[1, 1], [1, 1]]}).lines[0].get_xydata()
    assert np.allclose(np.einsum("ti,ij,tj->t", x, np.linalg.inv(P), x), 1, rtol=1e-12)
    assert not np.allclose(np.einsum("ti,ij,tj->t", x, np.eye(2), x), 1), "the control: the unit circle"


def test_refusals():
    with pytest.raises(ShapeError, match="the lens of 1 states"):
        plotting.covariance_lens(moving_average([0.5]))
    with pytest.raises(ShapeError, match="the lens of a str"):
        plotting.covariance_lens("P")
    with pytest.raises(ShapeError, match="the point 'P' has shape"):
        plotting.covariance_lens(moving_average([0.5, 0.1]), {"P": np.eye(3)})
    with pytest.raises(ShapeError, match="the covariance 'P' has shape"):
        plotting.covariance_ellipses({"P": np.eye(3)})
    with pytest.raises(StructureError, match="1 zeros lie on the boundary"):
        plotting.covariance_lens(moving_average([1, 0.5]))
