"""`verify --grad`: backward passes as the command meets them, right, wrong and unfit."""

import json

import numpy as np
import pytest

from realization.cli import main

# A forward pass and its gradients in float32, by the library's own readings.
HEADER = """
import numpy as np
from realization.layers import OPS
from realization.layers.readings import pull_back

def scan(*, u, delta, A, B, C, D=None, initial_state=None):
    y, s = OPS["selective_scan"].definition(u=u, delta=delta, A=A, B=B, C=C, D=D, initial_state=initial_state)
    return y.astype(u.dtype), s.astype(u.dtype)

def gradients(cotangent_y=None, cotangent_final_state=None, **given):
    bars = {"y": cotangent_y, "final_state": cotangent_final_state}
    bars = {name: bar for name, bar in bars.items() if bar is not None}
    found = pull_back(OPS["selective_scan"], given, bars)
    return {name: x.astype(given[name].dtype) for name, x in found.items()}
"""
BACKWARD = "def backward(**given):\n    found = gradients(**given)\n    {}\n    return found\n"


@pytest.fixture
def judge(tmp_path, capsys):
    """Judge the scan with a backward pass; return (exit status, standard output, standard error)."""

    def call(source, *more, cases="4", grad=("--backward", "backward")):
        path = tmp_path / f"kernel_{abs(hash(source))}.py"
        path.write_text(HEADER + source)
        words = [f"{path}:{w}" if w == "backward" else w for w in grad]
        options = ["--op", "selective_scan", *words, "--claim", "chunk=8", "--cases", cases, *more]  # short sequences
        try:
            status = main(["verify", f"{path}:scan", *options])
        except SystemExit as e:
            status = e.code
        out = capsys.readouterr()
        return status, out.out, out.err

    return call


def test_both_passes_are_judged(judge, tmp_path):
    """One verdict of two reports; a row for the gradient of each argument; the properties of gradients."""
    report = tmp_path / "report.json"
    status, out, err = judge(BACKWARD.format("pass"), "--json", str(report))
    assert (status, err) == (0, "")
    assert out.startswith("CONFORMING: ")
    assert "gradients conforming)" in out.splitlines()[0]
    assert "as selective_scan.grad (4 cases" in out
    for name in ("u", "delta", "A", "B", "C", "initial_state"):
        assert f"gradient of {name} " in out
    assert "adjoint" in out
    told = json.loads(report.read_text())
    assert (told["op"], told["gradients"]["op"]) == ("selective_scan", "selective_scan.grad")
    assert told["gradients"]["gradients"] is None
    assert {o["name"] for c in told["gradients"]["cases"] for o in c["outputs"]} >= {"grad_u", "grad_A"}


@pytest.mark.parametrize(
    "line, words",
    [
        ("found['A'] = found['A'] * np.float32(1.01)", "gradient of A: "),
        ("del found['B']", "all that came is 0"),
        ("found['C'] = None", "all that came is 0"),
        ("return found['u']", "returns ndarray, a dict of gradients by argument name is needed"),
        ("found['w'] = found['u']", "a gradient of w came; there is no such array of numbers"),
        ("found['u'] = found['u'][:, :1]", "grad_u has shape"),
        ("found['u'] = found['u'].astype(float)", "grad_u has dtype float64, float32 is needed"),
        ("given['u'][:] = 0", "the input u was changed"),
    ],
)
def test_a_wrong_backward_pass_does_not_conform(judge, line, words):
    """The forward pass being right; the command that is printed judges the failing case again."""
    status, out, _ = judge(BACKWARD.format(line))
    assert status == 1
    assert out.startswith("NOT CONFORMING: ")
    assert "gradients not conforming)" in out.splitlines()[0]
    assert words in out
    again = next(row for row in out.splitlines() if row.startswith("  again: ")).split()
    assert "--grad" in again
    assert "--backward" in again
    assert main(again[2:]) == 1


def test_a_wrong_forward_pass_beside_right_gradients(judge):
    """Its own report fails, and the command to see it again does not ask for gradients."""
    wrong = "right = scan\ndef scan(**given):\n    y, s = right(**given)\n    return y * np.float32(1.01), s\n"
    wrong += "scan.__signature__ = __import__('inspect').signature(right)\n"
    status, out, _ = judge(wrong + BACKWARD.format("pass"))
    assert status == 1
    again = next(row for row in out.splitlines() if row.startswith("  again: "))
    assert "--grad" not in again


@pytest.mark.parametrize(
    "source, grad, message",
    [
        ("", ("--grad",), "which nothing differentiates; give --backward module:function, or --array torch"),
        ("", ("--backward", "backward"), "has no 'backward'"),
        ("backward = 3\n", ("--backward", "backward"), "A is missing"),
        ("def backward(x, dy): return {}\n", ("--backward", "backward"), "A is missing"),
        ("def backward(u, delta, A, B, C): return {}\n", ("--backward", "backward"), "cotangent_y are needed"),
        (BACKWARD.format("pass"), ("--backward", "backward", "--property", "split"), "has repeat, batch"),
        (BACKWARD.format("pass"), ("--backward", "backward", "--case", "exact.T5.o0.s0"), "is unknown; a case is"),
    ],
)
def test_a_mistake_gets_one_line(judge, source, grad, message):
    """Exit status 2, and nothing on standard output."""
    status, out, err = judge(source, grad=grad)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_given_inputs_come_with_cotangents(judge, tmp_path):
    """A file of arguments and cotangents is judged on the gradients; without a cotangent there is nothing to judge."""
    rng = np.random.default_rng(0)
    x = {k: rng.standard_normal((1, 6, n)) for k, n in (("u", 2), ("delta", 2), ("B", 3), ("C", 3), ("cotangent_y", 2))}
    x["delta"], x["A"] = np.abs(x["delta"]), -np.ones((2, 3))
    np.savez(tmp_path / "x.npz", **x)
    status, out, _ = judge(BACKWARD.format("pass"), "--inputs", str(tmp_path / "x.npz"))
    assert status == 0
    assert "as selective_scan.grad (1 cases" in out
    del x["cotangent_y"]
    np.savez(tmp_path / "none.npz", **x)
    status, out, err = judge(BACKWARD.format("pass"), "--inputs", str(tmp_path / "none.npz"))
    assert status == 2
    assert "cotangent" in err


# Autograd ---------------------------------------------------------------------

TORCH = """
import torch
def loop(u, delta, A, B, C):
    S, ys = torch.zeros(u.shape[0], *A.shape), []
    for t in range(u.shape[1]):
        S = torch.exp(delta[:, t, :, None] * A) * S + (delta[:, t] * u[:, t])[..., None] * B[:, t, None]
        ys.append((S * C[:, t, None]).sum(-1))
    return torch.stack(ys, 1) if ys else 0 * u, S
"""
AUTOGRAD = ("--grad", "--array", "torch")
SCAN = "def scan(*, u, delta, A, B, C):\n    {}\n"


@pytest.mark.real("torch")
def test_autograd_is_a_backward_pass(judge):
    """Also through a custom function whose gradient is right."""
    status, out, err = judge(TORCH + SCAN.format("return loop(u, delta, A, B, C)"), grad=AUTOGRAD)
    assert (status, err) == (0, "")
    assert "gradients conforming)" in out.splitlines()[0]


@pytest.mark.real("torch")
@pytest.mark.parametrize(
    "body, words",
    [
        ("return loop(u, delta, A.detach(), B, C)", "all that came is 0"),
        ("y, S = loop(u, delta, A, B, C); return y.detach(), S", "gradient of "),
        ("with torch.no_grad(): return loop(u, delta, A, B, C)", "no output remembers how it was computed"),
        ("return loop(u, delta, A, 1.01 * B - 0.01 * B.detach(), C)", "gradient of B: "),
    ],
)
def test_gradients_that_autograd_does_not_find(judge, body, words):
    """A way that is cut counts as 0, and fails where the exact gradient is not 0."""
    status, out, _ = judge(TORCH + SCAN.format(body), grad=AUTOGRAD)
    assert status == 1
    assert "gradients not conforming)" in out.splitlines()[0]
    assert words in out


@pytest.mark.real("torch")
def test_a_gradient_that_is_zero_need_not_come(judge):
    """A cotangent of the last state alone does not reach C: None is right there."""
    source = TORCH + SCAN.format("return loop(u, delta, A, B, C)")
    status, out, _ = judge(source, "--case", "fading-3.T9.o8.s0", grad=AUTOGRAD)
    assert status == 0, out


# ---- outputs that are not linear, or do not come

ATTENTION = """
import numpy as np
from realization.layers import OPS
from realization.layers.readings import pull_back

def y_and_lse(*, query, key, value, window=None):
    found = OPS["sliding_window_attention"].definition(query=query, key=key, value=value, window=window)
    return tuple(x.astype(query.dtype) for x in found)

def y(*, query, key, value, window=None):
    return y_and_lse(query=query, key=key, value=value, window=window)[0]

def gradients(given, y=None, lse=None):
    bars = {name: bar for name, bar in (("y", y), ("lse", lse)) if bar is not None}
    found = pull_back(OPS["sliding_window_attention"], {k: x for k, x in given.items() if x is not None}, bars)
    return {name: x.astype(given[name].dtype) for name, x in found.items()}

def of_both(*, query, key, value, window=None, cotangent_y=None, cotangent_lse=None):
    return gradients({"query": query, "key": key, "value": value, "window": window}, cotangent_y, cotangent_lse)

def of_y(*, query, key, value, window=None, cotangent_y=None):
    return gradients({"query": query, "key": key, "value": value, "window": window}, cotangent_y)

def wider(*, query, key, value, window=None, cotangent_y=None):
    wrong = None if window is None else window + 1
    return gradients({"query": query, "key": key, "value": value, "window": wrong}, cotangent_y)
"""


@pytest.mark.parametrize("forward, backward", [("y_and_lse", "of_both"), ("y", "of_y"), ("y_and_lse", "of_y")])
def test_a_right_backward_pass_of_attention_conforms(forward, backward, tmp_path, capsys):
    """The logarithm of the sum is not linear in the values, and who takes no cotangent of it is given none."""
    path = tmp_path / "attention.py"
    path.write_text(ATTENTION)
    words = ["verify", f"{path}:{forward}", "--op", "sliding_window_attention", "--backward", f"{path}:{backward}"]
    assert main([*words, "--claim", "chunk=8", "--cases", "14"]) == 0
    out = capsys.readouterr().out
    assert "sliding_window_attention.grad (14 cases" in out
    gradients = out[out.index(".grad (14 cases") :]
    assert [row.split()[1] for row in gradients.splitlines() if row.startswith("adjoint ")] == ["pass"]


def test_a_wrong_backward_pass_is_no_adjoint(tmp_path, capsys):
    """Control: one key more than the forward pass sees."""
    path = tmp_path / "attention.py"
    path.write_text(ATTENTION)
    words = ["verify", f"{path}:y", "--op", "sliding_window_attention", "--backward", f"{path}:wider"]
    assert main([*words, "--claim", "chunk=8", "--property", "adjoint"]) == 1
    assert "not the adjoint of its forward pass" in capsys.readouterr().out
