"""`judge` and the command are one path: same cases, same verdict, same words."""

import functools
import json

import numpy as np
import pytest

from realization import OPS, Claim, judge
from realization.cli import main
from realization.core.errors import RealizationError, ShapeError
from realization.verify import report
from realization.verify.demo import demo, demo_bug
from realization.verify.judge import prepare
from realization.verify.subject import UsageError


def scan(u, delta, A, B, C, initial_state=None):
    """A kernel with a place on disk."""
    return demo(u=u, delta=delta, A=A, B=B, C=C, initial_state=initial_state)


def bug(u, delta, A, B, C, initial_state=None):
    """The same at fault."""
    return demo_bug(u=u, delta=delta, A=A, B=B, C=C, initial_state=initial_state)


@pytest.mark.parametrize(
    "words, keywords",
    [
        (["--cases", "6", "--seed", "3"], {"cases": 6, "seed": 3}),
        (["--case", "fading-c.T65.o2.s0", "--claim", "chunk=32"], {"case": "fading-c.T65.o2.s0", "claim": "chunk=32"}),
        (["--property", "split"], {"properties": ["split"], "cases": 0}),
        (["--op", "selective_scan", "--cases", "3"], {"op": OPS["selective_scan"], "cases": 3}),
    ],
)
def test_judge_is_the_command(words, keywords, capsys):
    """The same report, member by member."""
    main(["verify", "demo-bug", *words, "--json", "-"])
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(report.as_json(judge("demo-bug", **keywords))))


def test_a_function_is_found_again_by_its_file():
    """The command that the report names fails again; a right function conforms; a package's has its module's name."""
    assert prepare(demo, "selective_scan").subject.name == "realization.verify.demo:demo"
    found = judge(bug, "selective_scan", case="fading-c/2.T129.o0.s0")
    assert found.verdict == "not conforming"
    again = report.reproduce(found, found.results[0])
    assert again.startswith("realization verify ")
    assert "test_judge.py:bug --op selective_scan --case fading-c/2.T129.o0.s0" in again
    assert main([*again.split()[1:], "--quiet"]) == 1
    assert judge(scan, "selective_scan", case="fading-c/2.T129.o0.s0").verdict == "conforming"


def test_a_function_without_a_name_is_called_again_from_python():
    """A partial and an inner function; the words are a call, and objects stand as <name>."""

    def inner(**given):
        return demo_bug(**given)

    for function, name in ((inner, "inner"), (functools.partial(demo_bug), "partial")):
        found = judge(function, "selective_scan", case="fading-c/2.T129.o0.s0", claim=Claim(chunk=64))
        call = report.reproduce(found, found.results[0])
        asked = "op='selective_scan', claim='chunk=64', case='fading-c/2.T129.o0.s0'"
        assert call == f"realization.judge({name}, {asked})"


def test_inputs_with_a_mask_of_infinities():
    """-inf in the bias hides keys, here of a causal triangle; anywhere else it is refused, and so are +inf and NaN."""
    rng = np.random.default_rng(0)
    given = {name: rng.standard_normal((1, 6, 2, 4)) for name in ("query", "key", "value")}
    given["bias"] = np.where(np.arange(6) > np.arange(6)[:, None] - 2, -np.inf, 0.0) + np.zeros((2, 6, 6))

    def attention(query, key, value, bias=None):
        out = OPS["sliding_window_attention"].definition(
            query=query.astype(float), key=key.astype(float), value=value.astype(float), bias=bias.astype(float)
        )
        return tuple(x.astype(np.float32) for x in out)

    def blind(query, key, value, bias=None):
        return attention(query, key, value, np.maximum(bias, -1e3))  # rows that see nothing average all keys

    report = judge(attention, "sliding_window_attention", inputs=given)
    assert report.verdict == "conforming"
    assert np.isneginf(report.results[0].outputs["lse"]).any()
    assert judge(blind, "sliding_window_attention", inputs=given).verdict == "not conforming"
    for name, x in (("bias", np.inf), ("bias", np.nan), ("key", -np.inf)):
        wrong = given | {name: np.where(given[name] == given[name].flat[-1], x, given[name])}
        with pytest.raises(UsageError, match=f"{name} has .* NaN or infinite"):
            judge(attention, "sliding_window_attention", inputs=wrong)


def test_inputs_as_a_mapping(tmp_path):
    """Judged as the same inputs from a file are, and checked as they are."""
    rng = np.random.default_rng(0)
    given = {k: rng.standard_normal((1, 80, n)) for k, n in (("u", 4), ("B", 3), ("C", 3))}
    given |= {"delta": rng.uniform(0.01, 0.1, (1, 80, 4)), "A": -np.ones((4, 3))}
    path = str(tmp_path / "given.npz")
    np.savez(path, **given)
    one, other = (judge(bug, "selective_scan", inputs=inputs) for inputs in (given, path))
    assert one.verdict == other.verdict == "not conforming"
    assert one.ratio == other.ratio
    assert report.reproduce(one, one.results[0]).endswith("judge(bug, op='selective_scan', inputs=<inputs>)")
    assert "--inputs" in report.reproduce(other, other.results[0])
    assert judge(scan, "selective_scan", inputs=given).verdict == "conforming"
    changes = {"u has 320 entries that are NaN": {"u": given["u"] * np.nan}, "has w;": {"w": 1.0}}
    for message, change in (changes | {"has D, which": {"D": np.ones(4)}}).items():
        with pytest.raises(UsageError, match=message):
            judge(scan, "selective_scan", inputs=given | change)


def test_a_report_prints_as_its_text():
    """As the command would."""
    found = judge("demo", cases=2, properties=())
    assert str(found) == report.text(found)


@pytest.mark.parametrize(
    "arguments, keywords, error, message",
    [
        ((scan, "selectiv_scan"), {}, UsageError, "nearest: selective_scan"),
        ((scan, 3), {}, UsageError, "op is int, an Op is needed"),
        ((3, "ssd"), {}, UsageError, "int is int, a function is needed"),
        ((scan,), {}, UsageError, "nothing names the op of .*test_judge.py:scan"),
        ((scan, "selective_scan"), {"claim": "chnk=3"}, ShapeError, "nearest: chunk"),
        ((scan, "selective_scan"), {"cases": -1}, UsageError, "whole numbers from 0 on"),
        ((scan, "selective_scan"), {"seed": -1}, UsageError, "whole numbers from 0 on"),
        ((scan, "selective_scan"), {"case": "exact.T3.o99.s0"}, ShapeError, "is unknown; a case is REGIME"),
        ((scan, "selective_scan"), {"properties": ["spilt"]}, UsageError, "'spilt' is unknown; selective_scan has"),
        ((scan, "selective_scan"), {"convention": "mamba"}, UsageError, "convention 'mamba' is unknown"),
        ((scan, "selective_scan"), {"inputs": "no.npz"}, UsageError, "cannot be read"),
    ],
)
def test_mistakes_are_found_before_anything_runs(arguments, keywords, error, message):
    """They are errors of this library, so that callers can tell them from bugs."""
    with pytest.raises(error, match=message):
        prepare(*arguments, **keywords)
    assert issubclass(error, RealizationError)
    assert prepare(scan, "selective_scan", cases=2).steps == 2 + len(OPS["selective_scan"].properties), "the control"
