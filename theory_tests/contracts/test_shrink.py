"""A failure shrinks to a script that a person can read, and the script fails while the kernel is wrong."""

import re
import subprocess
import sys

import numpy as np
import pytest

from realization.cli import main
from realization.core.claim import Claim
from realization.layers import OPS
from realization.verify import cases, run, script, shrink, subject
from realization.verify.verdict import FAIL

SCAN = OPS["selective_scan"]


def execute(path):
    """Run a script; return exit status and what it wrote to standard error."""
    done = subprocess.run([sys.executable, "-W", "error", str(path)], capture_output=True, text=True)
    return done.returncode, done.stderr


def fails_rightly(path, lines=20):
    """Few lines, which end in an AssertionError that names the place."""
    assert len(path.read_text().splitlines()) <= lines, path.read_text()
    status, err = execute(path)
    assert status == 1, err
    assert re.search(r"AssertionError: \w+\[[\d, ]+\]: got .*, certified .*, allowed ", err), err


def test_the_demo_bug_becomes_a_script_of_20_lines(tmp_path, capsys):
    """From 5,232 numbers to one channel, one state and two telling steps; with the right kernel it passes."""
    path = tmp_path / "small.py"
    assert main(["verify", "demo-bug", "--case", "fading-c/2.T129.o2.s0", "--quiet", "--shrink", str(path)]) == 1
    assert f"{path} fails while the kernel is wrong" in capsys.readouterr().out
    fails_rightly(path)
    source = path.read_text()
    assert "np.zeros((1, 66, 1), np.float32); delta[0, 65, 0]" in source  # the second step of the second chunk
    path.write_text(source.replace("import demo_bug as subject", "import demo as subject"))
    assert execute(path) == (0, "")


def judged(name, claim=None, where="fading-c/2.T39.o0.s0", **options):
    found = subject.find(name, OPS, **options)
    claim = claim or Claim(chunk=16)
    case = cases.draw(found.op, where, claim, found.accepts, found.requires)
    return found, claim, run.run_case(found, claim, case, rules=False)


def shrunk(tmp_path, name, claim=None, where="fading-c/2.T39.o0.s0", **options):
    """Shrink and write; return the small result and the script."""
    found, claim, result = judged(name, claim, where, **options)
    assert result.status == FAIL, result.sentence
    small = shrink.shrink(found, claim, result, seconds=120)
    assert small.status == FAIL
    again = run.run_case(found, claim, small.case, rules=False)
    assert (again.status, again.ratio) == (FAIL, small.ratio)
    path = tmp_path / "small.py"
    path.write_text(script.script(found, claim, small))
    return small, path


KERNEL = """
import numpy as np
from realization import ssd as right, selective_scan

def groups(**a):
    heads = np.arange(a["x"].shape[-2]) % a["B"].shape[-2]
    return [y.astype(np.float32) for y in right(**{**a, "B": a["B"][..., heads, :], "C": a["C"][..., heads, :]})]

def packed(**a):
    if a.get("cu_seqlens") is not None:
        a["cu_seqlens"] = np.sort(np.append(a["cu_seqlens"][:-2], [a["cu_seqlens"][-1]] * 2))
    return [y.astype(np.float32) for y in right(**a)]

def nearly(**a):
    y, s = (y.astype(np.float32) for y in selective_scan(**a))
    return y * np.float32(1 + 2**-22), s

def short(**a):
    return selective_scan(**a).y[:, 1:].astype(np.float32)

class Kernels:
    @staticmethod
    def imaginary(**a):
        a["C"] = a["C"].real + 0j
        return [y.astype(np.complex64 if np.iscomplexobj(y) else np.float32) for y in selective_scan(**a)]
"""


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "my-kernel.py"  # no identifier
    path.write_text(KERNEL)
    return lambda name: f"{path}:{name}"


def test_heads_and_groups_shrink_together(tmp_path, kernel):
    """The bug needs two groups of two heads: no fewer are left, and no more."""
    small, path = shrunk(tmp_path, kernel("groups"), op="ssd")
    assert small.case.arguments["B"].shape[-2:] == (2, 1)
    assert small.case.arguments["x"].shape[2] in (3, 4)
    assert small.case.arguments["x"].shape[:2] == (1, 1)
    fails_rightly(path)


def test_packed_sequences_shrink(tmp_path, kernel):
    """Offsets stay offsets: few steps and few sequences are left."""
    small, path = shrunk(tmp_path, kernel("packed"), where="fading-c/2.T39.o5.s0", op="ssd")
    offsets = small.case.arguments["cu_seqlens"]
    assert offsets[-1] <= small.case.arguments["x"].shape[1] <= 4
    assert len(offsets) <= 4
    fails_rightly(path)


def test_complex_numbers(tmp_path, kernel):
    """The imaginary part stays where the failure needs it; an attribute of a class is found."""
    _, path = shrunk(
        tmp_path, kernel("Kernels.imaginary"), where="fading-c/2.T39.o6.s0", op="selective_scan", convention="complex"
    )
    fails_rightly(path)
    assert "j" in path.read_text()


def test_exact_integers_stay_exact(tmp_path, kernel):
    """What fails on integers only is cut and not otherwise changed, and nothing is allowed."""
    small, path = shrunk(tmp_path, kernel("nearly"), where="exact-wide.T39.o0.s0", op="selective_scan")
    assert small.case.exact
    assert small.case.arguments["u"].size == 1
    fails_rightly(path)
    assert re.search(r"certified, allowed = [-\d.]+, 0.0\n", path.read_text())


def test_what_is_no_wrong_value_has_no_script(kernel):
    """A wrong shape is a sentence already."""
    found, claim, result = judged(kernel("short"), op="selective_scan")
    assert shrink.failure(result) is None
    with pytest.raises(subject.UsageError, match="no wrong value"):
        script.script(found, claim, result)


def test_nothing_to_shrink(tmp_path, capsys):
    """A right kernel: no file is written."""
    path = tmp_path / "small.py"
    assert main(["verify", "demo", "--cases", "3", "--shrink", str(path)]) == 0
    assert "nothing to shrink" in capsys.readouterr().out
    assert not path.exists()


# Gradients --------------------------------------------------------------------

BACKWARD = """
import numpy as np
from realization.layers import OPS
from realization.layers.readings import pull_back

def scan(u, delta, A, B, C):
    return [y.astype(np.float32) for y in OPS["selective_scan"].definition(u=u, delta=delta, A=A, B=B, C=C)]

def broken(u, delta, A, B, C):
    y, state = scan(u, delta, A, B, C)
    return 2 * y, state

def right(u, delta, A, B, C, cotangent_y=None, cotangent_final_state=None):
    bars = {"y": cotangent_y, "final_state": cotangent_final_state}
    given = dict(u=u, delta=delta, A=A, B=B, C=C)
    found = pull_back(OPS["selective_scan"], given, {k: x for k, x in bars.items() if x is not None})
    return {k: x.astype(np.float32) for k, x in found.items()}

def wrong(u, delta, A, B, C, cotangent_y=None, cotangent_final_state=None):
    found = right(u, delta, A, B, C, cotangent_y, cotangent_final_state)
    return {**found, "delta": -found["delta"]}

def absent(u, delta, A, B, C, cotangent_y=None, cotangent_final_state=None):
    return {k: x for k, x in right(u, delta, A, B, C, cotangent_y, cotangent_final_state).items() if k != "B"}
"""


@pytest.fixture
def differentiated(tmp_path, capsys):
    """Shrink what fails of a forward and a backward pass; return the script and what was printed."""
    source = tmp_path / "passes.py"
    source.write_text(BACKWARD)

    def call(forward, backward, *more):
        path = tmp_path / "small.py"
        words = ["--op", "selective_scan", "--claim", "chunk=8", "--backward", f"{source}:{backward}", *more]
        main(["verify", f"{source}:{forward}", *words, "--quiet", "--shrink", str(path)])
        return path, capsys.readouterr().out

    return call


@pytest.mark.parametrize("more", [("--case", "fading-3.T9.o0.s0"), ("--cases", "3", "--grad")])
@pytest.mark.parametrize("backward", ["wrong", "absent"])
def test_a_wrong_backward_pass_shrinks(differentiated, backward, more):
    """Alone or beside a right forward pass: the script calls the backward pass, and passes with the right one."""
    path, _ = differentiated("scan", backward, *more)
    fails_rightly(path)
    source = path.read_text()
    assert f").{backward}\n" in source
    path.write_text(source.replace(f").{backward}\n", ").right\n"))
    assert execute(path) == (0, "")


def test_the_forward_pass_shrinks_first(differentiated):
    """Its failure is the one to mend first; where both are right there is nothing to shrink."""
    path, _ = differentiated("broken", "wrong", "--cases", "3")
    assert ").broken\n" in path.read_text()
    path.unlink()
    path, out = differentiated("scan", "right", "--cases", "3")
    assert "nothing to shrink" in out
    assert not path.exists()


AUTOGRAD = """
import torch

def right(u, delta, A, B, C, weight=1.0, keep=False):
    B = weight * B + (1 - weight) * B.detach()
    C = C.detach() if keep else C
    S, ys = torch.zeros(u.shape[0], *A.shape), []
    for t in range(u.shape[1]):
        S = torch.exp(delta[:, t, :, None] * A) * S + (delta[:, t] * u[:, t])[..., None] * B[:, t, None]
        ys.append((S * C[:, t, None]).sum(-1))
    return torch.stack(ys, 1) if ys else 0 * u, S

def wrong(u, delta, A, B, C):
    return right(u, delta, A, B, C, 1.25)

def cut(u, delta, A, B, C):
    return dict(zip(("y", "final_state"), right(u, delta, A, B, C, keep=True)))
"""


@pytest.mark.real("torch")
@pytest.mark.parametrize("name", ["wrong", "cut"])
def test_what_autograd_finds_shrinks(tmp_path, name):
    """The script differentiates; it passes with a function that autograd differentiates rightly."""
    kernel, path = tmp_path / "autograd_kernel.py", tmp_path / "small.py"
    kernel.write_text(AUTOGRAD)
    words = ["--op", "selective_scan", "--array", "torch", "--grad", "--case", "fading-3.T9.o0.s0", "--quiet"]
    assert main(["verify", f"{kernel}:{name}", *words, "--shrink", str(path)]) == 1
    fails_rightly(path)
    path.write_text(path.read_text().replace(f").{name}\n", ").right\n"))
    assert execute(path) == (0, "")


def test_time_is_bounded():
    """Without time the failure is returned as it came."""
    found, claim, result = judged("demo-bug", Claim(chunk=64), "fading-c/2.T129.o2.s0")
    assert shrink.shrink(found, claim, result, seconds=0) is result


TORCH = """
import numpy as np, torch
from realization import selective_scan

def scan(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False):
    got = selective_scan(**{k: x.float().numpy() if torch.is_tensor(x) else x for k, x in
        dict(u=u, delta=delta, A=A, B=B, C=C, D=D, z=z, delta_bias=delta_bias, delta_softplus=delta_softplus).items()})
    y = torch.from_numpy(got.y)
    y[:, 3:] *= 1.5
    return y.to(u.dtype), torch.from_numpy(got.final_state).float()

def channel_first(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False):
    u, delta, B, C = (x.swapaxes(1, 2) for x in (u, delta, B, C))
    y, s = scan(u, delta, A, B, C, D, None if z is None else z.swapaxes(1, 2), delta_bias, delta_softplus)
    return y.swapaxes(1, 2), s
"""


@pytest.mark.real("torch")
@pytest.mark.parametrize(
    ("name", "claim", "options"),
    [
        ("scan", Claim(chunk=16), {"array": "torch"}),
        ("scan", Claim(io="bfloat16", chunk=16), {"array": "torch"}),
        ("channel_first", Claim(chunk=16),
         {"convention": "mamba_ssm.ops.selective_scan_interface:selective_scan_fn"}),
    ],
    ids=["float32", "bfloat16", "convention"],
)  # fmt: skip
def test_tensors(tmp_path, name, claim, options):
    """Scripts of subjects that take tensors, and of those that follow another convention."""
    path = tmp_path / "torch_kernel.py"
    path.write_text(TORCH)
    small, out = shrunk(tmp_path, f"{path}:{name}", claim, op="selective_scan", **options)
    assert small.case.arguments["u"].shape == (1, 4, 1)
    fails_rightly(out)
    assert ("bfloat16" in out.read_text()) == (claim.io == "bfloat16")


def test_numbers_are_spelled_as_they_are():
    """Source of an array, read back, has the same bits."""
    rng, claim, op = np.random.default_rng(0), Claim(), OPS["ssd"]
    for x in (
        np.zeros((2, 3)), np.ones(4), np.full((2, 2), 0.1), rng.standard_normal((2, 3)), rng.standard_normal((9, 9)),
        np.array(-0.5), np.array([0, 2, 5]), np.eye(3) * 1e-30, rng.standard_normal(3) - 1j * rng.standard_normal(3),
        np.full(5, 1 - 2j), np.zeros((0, 3)),
    ):  # fmt: skip
        scope = {"np": np}
        exec(f"x = {script._spelled(op, 'x', x, claim)}", scope)
        wanted = script.encode(x, "float32")
        assert scope["x"].dtype == wanted.dtype
        assert np.array_equal(scope["x"], wanted)
    assert script._spelled(op, "dt_limit", (0.0, np.inf), claim) == "(0.0, np.inf)"
