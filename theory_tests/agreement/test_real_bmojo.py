"""A layer that selects, in PyTorch: judged as it is, forward and by autograd, and found out where it is broken."""

from pathlib import Path

import pytest

from realization import judge

pytestmark = pytest.mark.real("torch")
EXAMPLE = Path(__file__).parents[2] / "examples" / "torch_bmojo.py"
# a line of the example, and what is wrong with it then
BROKEN = {
    "a token of the window is selected": ("shown <= t - window", "shown <= t"),
    "selection looks ahead": ("if t % chunk == 0:", "if (t + 1) % chunk == 0 or t == 0:"),
    "a tie displaces": ("surprise[:, t, None] > least", "surprise[:, t, None] >= least"),
    "an empty place is the last key": ("places % (S + 1)", "places % S if S else places % (S + 1)"),
}


def judged(function, **options):
    return judge(function, "bmojo", array="torch", cases=13, **options)


def test_the_example_conforms_forward_and_by_autograd():
    found = judged(f"{EXAMPLE}:bmojo", grad=True)
    assert found.verdict == "conforming", str(found)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_twin_does_not(broken, tmp_path):
    right, wrong = BROKEN[broken]
    source = EXAMPLE.read_text("utf-8")
    assert source.count(right) == 1
    twin = tmp_path / "twin.py"
    twin.write_text(source.replace(right, wrong), "utf-8")
    found = judged(f"{twin}:bmojo", properties=())
    assert found.verdict == "not conforming", str(found)
