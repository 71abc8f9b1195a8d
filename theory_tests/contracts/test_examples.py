"""Every example runs as it stands, ends with checks, and those checks see it when the example is wrong."""

import ast
import warnings
from pathlib import Path

import pytest

from realization.canonical import FORMS

EXAMPLES = Path(__file__).parents[2] / "examples"
# kernels as users write them, judged by agreement/test_real_{subjects,bmojo}.py, and a session of judging, as in
# test_judge.py
ELSEWHERE = {"torch_bmojo", "torch_scan", "jax_scan", "verify_from_python"}
# for each example a line of it, and what it must not be changed into
SABOTAGE = {
    "adding_a_form": ("np.linalg.matrix_power(system.A, k)", "np.linalg.matrix_power(system.A.T, k)"),
    "c0_mamba_is_bilinear": ('B=data["B"])', 'B=data["C"])'),
    "c1_attention_is_nilpotent": ("window=W, g", "window=W + 1, g"),
    "c2_bmojo_memory": ("np.concatenate([fact.text, fact.secret[:letter]])", "fact.text[: fact.place]"),
    "delay_line": ("A=np.eye(w, k=1)", "A=np.diag(np.full(w - 1, 1 - 1e-15), k=1)"),
    "diagnose_a_filter": ("kalman_filter(model, y,", "kalman_filter(model, 1.2 * y,"),
    "identified_plant": ("frequency_response(COLOUR, omega)) ** 2", "frequency_response(COLOUR, omega))"),
    "mamba_channel": ("np.exp(steps[:, None] * A)", "np.exp(1.0001 * steps[:, None] * A)"),
    "two_realizations": ("[[2.0, 1.0], [-1.0, 3.0]]", "[[2.0, 1.0], [-1.0, 3.1]]"),
    "window": ("window=WINDOW, g", "window=WINDOW + 1, g"),
}


@pytest.fixture(autouse=True)
def same_forms():
    """What an example registers is gone after it."""
    before = dict(FORMS)
    yield
    FORMS.clear()
    FORMS.update(before)


def run(path, source):
    """Run a script as `python path` would, warnings being errors."""
    with warnings.catch_warnings(action="error"):
        exec(compile(source, str(path), "exec"), {"__name__": "__main__", "__file__": str(path)})


def names():
    return sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem not in ELSEWHERE)


@pytest.mark.parametrize("name", names())
def test_it_runs_and_its_checks_hold(name, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    path = EXAMPLES / f"{name}.py"
    source = path.read_text("utf-8")
    last = ast.parse(source).body[-1]
    assert isinstance(last, ast.If), "an example can be imported without running"
    assert isinstance(last.body[-1], ast.Assert), "an example ends with what it proves"
    run(path, source)
    assert capsys.readouterr().out, "an example shows something"


@pytest.mark.parametrize("name", SABOTAGE)
def test_its_checks_fail_where_it_is_wrong(name):
    right, wrong = SABOTAGE[name]
    path = EXAMPLES / f"{name}.py"
    source = path.read_text("utf-8")
    assert source.count(right) == 1
    with pytest.raises(AssertionError):
        run(path, source.replace(right, wrong))
