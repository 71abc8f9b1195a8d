"""Two kernels, or a kernel and its earlier report: what moved, and with which of them the reference sides."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from realization.cli import main
from realization.verify import against

FAST = ["--op", "selective_scan", "--cases", "6"]
LONG = ["--op", "selective_scan", "--case", "fading-c/2.T129.o2.s0"]
KERNELS = """
import numpy as np
from realization.verify.demo import demo, demo_bug

def worse(**kw):
    y, s = demo(**kw)
    return y * np.float32(1 + 2e-6), s

def bare(u, delta, A, B, C):
    return demo(u=u, delta=delta, A=A, B=B, C=C)

def needy(u, delta, A, B, C, initial_state):
    return demo(u=u, delta=delta, A=A, B=B, C=C, initial_state=initial_state)

def refuses(**kw):
    raise ValueError("not today")

def bug(**kw):
    return demo_bug(**kw)

def other(x, dt, A, B, C):
    return x
"""


@pytest.fixture
def run(capsys):
    def call(*words):
        try:
            status = main(["verify", *words])
        except SystemExit as e:
            status = e.code
        out = capsys.readouterr()
        return status, out.out, out.err

    return call


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "kernels.py"
    path.write_text(KERNELS)
    return lambda name: f"{path}:{name}"


def test_the_reference_says_which_one_moved(run):
    """The bug as NEW or as OLD: the reference sides with the other."""
    status, out, _ = run("demo-bug", *LONG, "--against", "demo")
    assert status == 1
    assert "against   demo\n  y: they differ by up to 330 tolerances, at [1, 68, 0] of fading-c/2.T129.o2.s0" in out
    assert re.search(r"err/tol 330 new, 0\.\d+ old: the reference sides with OLD", out)
    status, out, _ = run("demo", *LONG, "--against", "demo-bug")
    assert status == 0  # NEW conforms, whatever OLD does
    assert "the reference sides with NEW" in out


def test_equal_kernels_and_nearly_equal_ones(run, kernel):
    """Bit for bit, or both within the tolerance and one closer."""
    status, out, _ = run("demo", *FAST, "--against", "demo")
    assert status == 0
    assert out.count("they agree bit for bit") == 2
    _, out, _ = run(kernel("worse"), "--op", "selective_scan", "--case", "fading-c.T65.o0.s0", "--against", "demo")
    assert "both are within the tolerance, OLD is closer" in out
    assert "final_state: they agree bit for bit" in out


def test_two_wrong_kernels(run, kernel):
    """The reference sides with neither."""
    _, out, _ = run(kernel("bug"), *LONG, "--against", "demo-bug")
    assert "y: they agree bit for bit (err/tol " in out
    row = against.Apart("y", 3.0, "case", (0,), 5.0, 4.0)
    assert row.sides == "the reference sides with neither"


def test_both_get_what_both_take(run, kernel):
    """A kernel without options is compared on cases without them; what one needs the other must take."""
    status, out, _ = run(kernel("bare"), *FAST, "--against", "demo")
    assert (status, out.count("they agree bit for bit")) == (0, 2)
    _, out, _ = run("demo", *FAST, "--against", kernel("bare"))
    assert out.count("they agree bit for bit") == 2
    status, _, err = run(kernel("needy"), *FAST, "--against", kernel("bare"))
    assert (status, "needs initial_state" in err) == (2, True)
    status, _, err = run("demo", *FAST, "--against", kernel("other"))
    assert status == 2


def test_cases_that_one_refuses_are_named(run, kernel):
    """They are not compared."""
    _, out, _ = run("demo", *FAST, "--against", kernel("refuses"))
    assert "run by one only: fading-0.3.T129.o0.s0, " in out


def test_the_comparison_as_json(run):
    """One row for each output."""
    _, out, _ = run("demo-bug", *LONG, "--against", "demo", "--json", "-")
    told = json.loads(out)["against"]
    assert (told["kind"], told["name"], told["alone"]) == ("kernel", "demo", [])
    assert [row["output"] for row in told["outputs"]] == ["y", "final_state"]
    row = told["outputs"][0]
    assert row["new"] > 100
    assert row["old"] < 1
    assert row["sides"] == "the reference sides with OLD"
    assert json.loads(run("demo", *FAST, "--json", "-")[1])["against"] is None


BACKWARD = """
import numpy as np
from realization.layers import OPS
from realization.layers.readings import pull_back

def scan(u, delta, A, B, C):
    return [y.astype(np.float32) for y in OPS["selective_scan"].definition(u=u, delta=delta, A=A, B=B, C=C)]

def right(u, delta, A, B, C, cotangent_y=None, cotangent_final_state=None):
    bars = {"y": cotangent_y, "final_state": cotangent_final_state}
    given = dict(u=u, delta=delta, A=A, B=B, C=C)
    found = pull_back(OPS["selective_scan"], given, {k: x for k, x in bars.items() if x is not None})
    return {k: x.astype(np.float32) for k, x in found.items()}

def wrong(u, delta, A, B, C, cotangent_y=None, cotangent_final_state=None):
    found = right(u, delta, A, B, C, cotangent_y, cotangent_final_state)
    return {**found, "u": -found["u"]}
"""


def test_gradients_are_compared_with_a_report(run, tmp_path):
    """A case of the gradients, with that of a report on both passes; no kernel brings the gradients of another."""
    path, before = tmp_path / "passes.py", str(tmp_path / "before.json")
    path.write_text(BACKWARD)
    words = [f"{path}:scan", "--op", "selective_scan", "--claim", "chunk=8"]
    right, wrong = (["--backward", f"{path}:{name}"] for name in ("right", "wrong"))
    run(*words, *right, "--cases", "2", "--json", before)
    case = ["--case", json.loads(Path(before).read_text())["gradients"]["cases"][1]["id"]]
    status, out, _ = run(*words, *right, *case, "--against", before)
    assert (status, "before.json: 1 cases as before" in out) == (0, True)
    status, out, _ = run(*words, *wrong, *case, "--against", before)
    assert (status, "fails now, did not before" in out) == (1, True)
    status, out, err = run(*words, *right, *case, "--against", f"{path}:scan")
    assert (status, out) == (2, "")
    assert "give --against a report that --json wrote" in err


AUTOGRAD = """
import torch

def old(u, delta, A, B, C, weight=1.0):
    B = weight * B + (1 - weight) * B.detach()
    S, ys = torch.zeros(u.shape[0], *A.shape), []
    for t in range(u.shape[1]):
        S = torch.exp(delta[:, t, :, None] * A) * S + (delta[:, t] * u[:, t])[..., None] * B[:, t, None]
        ys.append((S * C[:, t, None]).sum(-1))
    return torch.stack(ys, 1) if ys else 0 * u, S

def new(u, delta, A, B, C):
    return old(u, delta, A, B, C, 1.25)
"""


@pytest.mark.real("torch")
def test_gradients_by_autograd_are_compared(run, tmp_path):
    """Those of both kernels."""
    path = tmp_path / "autograd_pair.py"
    path.write_text(AUTOGRAD)
    words = ["--op", "selective_scan", "--array", "torch", "--grad", "--case", "fading-3.T9.o0.s0"]
    status, out, _ = run(f"{path}:new", *words, "--against", f"{path}:old")
    assert status == 1
    assert re.search("grad_B: they differ .*OLD", out)


def test_the_other_kernel_is_found_in_the_folder_too(run, tmp_path):
    """Where --path says; and the report says so."""
    (tmp_path / "kernels_beside.py").write_text(KERNELS)
    words = ["--op", "selective_scan", "--cases", "2", "--path", str(tmp_path)]
    status, out, _ = run("kernels_beside:bare", *words, "--against", "kernels_beside:bare")
    assert (status, "against   kernels_beside:bare" in out) == (0, True)


# An earlier report ----------------------------------------------------------


@pytest.fixture
def report(run, tmp_path):
    """Write the report of a kernel."""

    def make(name, *words):
        path = tmp_path / "before.json"
        run(name, *words, "--json", str(path))
        return str(path)

    return make


def test_nothing_has_changed(run, report):
    """The same kernel on the same cases."""
    status, out, _ = run("demo", *FAST, "--against", report("demo", *FAST))
    assert status == 0
    assert "before.json: 6 cases as before\n" in out
    assert "fails now" not in out


def test_what_broke_and_what_was_mended(run, report):
    """Either way round, with the identity of the case."""
    before = report("demo", *LONG)
    _, out, _ = run("demo-bug", *LONG, "--against", before)
    assert "fails now, did not before: fading-c/2.T129.o2.s0" in out
    before = report("demo-bug", *LONG)
    _, out, _ = run("demo", *LONG, "--against", before)
    assert "failed before, does not now: fading-c/2.T129.o2.s0" in out
    assert re.search(r"1 cases have another err/tol, most of all fading-c/2.T129.o2.s0: 330 then, 0\.\d+ now", out)
    _, out, _ = run("demo", *LONG, "--against", before, "--json", "-")
    told = json.loads(out)["against"]
    assert (told["kind"], told["mended"], told["broken"]) == ("report", ["fading-c/2.T129.o2.s0"], [])


def test_cases_that_are_new(run, report):
    """They are listed; with none in common there is nothing to compare."""
    _, out, _ = run("demo", "--op", "selective_scan", "--cases", "8", "--against", report("demo", *FAST))
    assert "6 cases as before" in out
    assert "not in the earlier report: " in out
    status, _, err = run("demo", *FAST, "--seed", "5", "--against", report("demo", *FAST))
    assert (status, "none of the cases" in err) == (2, True)


def test_reports_that_do_not_fit(run, report, tmp_path):
    """Another claim, another op, another schema, no report at all: a line each, before anything is judged."""
    before = report("demo", *FAST)
    for words, message in (
        (("demo", *FAST, "--claim", "operand=bf16"), "under another claim: operand=None there, bfloat16 here"),
        (("realization.layers:ssd", "--op", "ssd"), "judges selective_scan"),
    ):
        status, out, err = run(*words, "--against", before)
        assert (status, out) == (2, "")
        assert message in err
    path = tmp_path / "odd.json"
    odd = {"{": "cannot be read", "[]": "has schema None", '{"schema": "x/2"}': "has schema 'x/2'"}
    for text, message in odd.items():
        path.write_text(text)
        status, _, err = run("demo", *FAST, "--against", str(path))
        assert (status, message in err) == (2, True)
    assert run("demo", *FAST, "--against", "no-such.json")[0] == 2
    assert run("demo", *FAST, "--against", "nothing")[0] == 2


def test_differences():
    """In units of the tolerance; NaN beside a number is infinitely far, beside NaN it is none."""
    one, other, tol = np.array([1.0, 2.0, np.nan, np.nan]), np.array([1.0, 2.5, np.nan, 1.0]), np.full(4, 0.1)
    assert against._difference(one[:2], other[:2], tol[:2]) == (5.0, (1,))
    assert against._difference(one[2:3], other[2:3], tol[:1]) == (0.0, (0,))
    assert against._difference(one, other, tol) == (np.inf, (3,))
    assert against._difference(one[:0], other[:0], tol[:0]) == (0.0, ())
