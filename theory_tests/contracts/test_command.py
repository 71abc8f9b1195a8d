"""The command as a stranger meets it: verdicts, exit statuses, and one line for every mistake."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest

from realization.cli import main
from realization.layers import KNOWN
from realization.verify import demo

FAST = ["--cases", "6"]
HEADER = "import numpy as np\nfrom realization.verify.demo import demo\n"


@pytest.fixture
def run(capsys):
    """Run the command; return (exit status, standard output, standard error)."""

    def call(*words):
        try:
            status = main(list(words))
        except SystemExit as e:  # argparse
            status = e.code
        out = capsys.readouterr()
        return status, out.out, out.err

    return call


@pytest.fixture
def kernel(tmp_path):
    """Write a function of this body to a file and return its name."""

    def write(body, signature="**kw", name="scan"):
        path = tmp_path / f"kernel_{abs(hash(body + signature))}.py"
        path.write_text(HEADER + f"def {name}({signature}):\n" + "".join(f"    {line}\n" for line in body.split("\n")))
        return f"{path}:{name}"

    return write


def judge(run, subject, *more):
    return run("verify", subject, "--op", "selective_scan", *FAST, *more)


def test_a_newcomer_sees_a_verdict_and_a_failure(run):
    """Without a subject: demo conforms, what a failure looks like is shown, and the status is 0."""
    status, out, _ = run("verify", "--cases", "18")
    assert status == 0
    assert out.startswith("CONFORMING: demo")
    assert "NOT CONFORMING: demo-bug" in out


def test_the_bug_is_placed_in_words_and_can_be_seen_again(run):
    """The report names step, chunk, position and course, and its command fails again."""
    status, out, _ = run("verify", "demo-bug", "--cases", "40")
    assert status == 1
    assert "first wrong at step 64 (chunk 1, position 0), every channel; the error then decays with a half-life" in out
    assert "the state's own" in out
    again = next(line for line in out.splitlines() if "again:" in line).split("realization ")[1]
    assert run(*again.split())[0] == 1


def test_the_report_as_json(run, tmp_path):
    """Standard output holds only JSON with `--json -`; a file gets the same beside the text."""
    status, out, _ = run("verify", "demo", *FAST, "--json", "-")
    report = json.loads(out)
    assert (status, report["schema"], report["verdict"]) == (0, "realization-report/1", "conforming")
    assert len(report["cases"]) == 6
    assert {p["name"] for p in report["properties"]} >= {"causality", "split"}
    path = tmp_path / "report.json"
    _, text, _ = run("verify", "demo", *FAST, "--json", str(path))
    assert text.startswith("CONFORMING")
    assert json.loads(path.read_text())["cases"] == report["cases"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no kernel for this')", "refused: ValueError: no kernel for this"),
        ("y, s = demo(**kw)\nreturn y[:, :-1], s", "y has shape"),
        ("y, s = demo(**kw)\nreturn y.astype(np.float16), s", "y has dtype float16, float32 is needed"),
        ("y, s = demo(**kw)\nreturn y * np.nan, s", "NaN came"),
        ("y, s = demo(**kw)\nkw['u'][...] = y\nreturn y, s", "the input u was changed"),
        ("y, s = demo(**kw)\nreturn kw['u'], s", "shares memory with the input u"),
        ("return 1, 2, 3", "3 outputs came; selective_scan has 2"),
        ("return None", "no output came"),
        ("return 'text'", "y has dtype"),
        ("y, s = demo(**kw)\nreturn y.astype(complex), s", "y has dtype complex128, complex64 is needed"),
        ("y, s = demo(**kw)\nreturn y + np.complex64(0), s", "y is complex, real numbers are needed"),
    ],
)
def test_a_kernel_that_misbehaves_does_not_conform(run, kernel, body, words):
    """Status 1 and a sentence; never a traceback of ours."""
    status, out, err = judge(run, kernel(body))
    assert (status, err) == (1, "")
    assert words in out


def test_refusing_some_cases_is_no_failure(run, kernel):
    """An empty sequence that is refused is listed as refused."""
    status, out, _ = run(
        "verify", kernel("if kw['u'].shape[1] == 0:\n    raise ValueError('empty')\nreturn demo(**kw)"),
        "--op", "selective_scan", "--cases", "120",
    )  # fmt: skip
    assert status == 0
    assert "refused:" in out
    assert "ValueError: empty" in out


def test_arguments_that_a_kernel_does_not_take_are_left_out(run, kernel):
    """A kernel without gate, skip and state is judged without them."""
    body = "return demo(u=u, delta=delta, A=A, B=B, C=C)[0]"
    status, out, _ = judge(run, kernel(body, "u, delta, A, B, C"))
    assert status == 0
    assert "not asked: the subject takes no initial state" in out


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["verify", "nothing"], 2, "subject 'nothing' is unknown"),
        (["verify", "demo", "--op", "selectiv_scan"], 2, "nearest: selective_scan"),
        (["verify", "demo", "--claim", "chnk=3"], 2, "nearest: chunk"),
        (["verify", "demo", "--claim", "fp23"], 2, "nearest: fp32"),
        (["verify", "demo", "--claim", "accumulate=fp31"], 2, "known are"),
        (["verify", "demo", "--claim", "chunk=x"], 2, "a whole number is needed"),
        (["verify", "demo", "--case", "fading-7.T3.o0.s0"], 2, "fading-3"),
        (["verify", "demo", "--property", "spilt"], 2, "split"),
        (["verify", "demo", "--cases", "0"], 2, "from 1 on"),
        (["verify", "demo", "--claim", "io=float8_e4m3fn"], 2, "no NumPy array"),
        (["verify", "json:dumps"], 2, "give --op"),
        (["verify", "os.path:join", "--op", "ssd"], 2, "needs"),
        (["verify", "json:dmps", "--op", "ssd"], 2, "nearest: dumps"),
        (["verify", "json:dumps", "--convention", "mamba"], 2, "known are"),
        (["verify", "no_such_package.kernels:scan", "--op", "ssd"], 3, "cannot be imported"),
        (["verify", "no_such_file.py:scan", "--op", "ssd"], 2, "no file"),
        (["verify", "demo", "--inputs", "no_such.npz"], 2, "cannot be read"),
        (["frobnicate"], 2, "invalid choice"),
    ],
)
def test_a_mistake_gets_one_line(run, words, status, message):
    """What came and what was needed, on standard error."""
    got, out, err = run(*words)
    assert (got, out) == (status, "")
    assert message in err


def test_a_module_that_fails_on_import(run, tmp_path):
    """An ImportError is the environment's, any other error the user's, and so is an exit."""
    (tmp_path / "leaving.py").write_text("import sys; sys.exit(0)")
    assert run("verify", f"{tmp_path}/leaving.py:f", "--op", "ssd")[0] == 2
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "needy.py").write_text("import no_such_package")
    assert run("verify", f"{tmp_path}/broken.py:f", "--op", "ssd")[0] == 2
    assert run("verify", f"{tmp_path}/needy.py:f", "--op", "ssd")[0] == 3


def inputs(**changed):
    rng = np.random.default_rng(0)
    a = {k: rng.standard_normal((2, 20, 3)) for k in ("u", "B", "C")}
    return a | {"delta": np.full((2, 20, 3), 0.1), "A": -np.ones((3, 3))} | changed


def test_given_inputs(run, tmp_path):
    """`--inputs` judges on one's own activations; NaN, a wrong shape and a wrong name are usage errors."""
    path = str(tmp_path / "own.npz")
    np.savez(path, **inputs())
    status, out, _ = run("verify", "demo-bug", "--inputs", path)
    assert status == 0
    assert "own.npz" in out
    for wrong, message in (
        ({"u": np.full((2, 20, 3), np.nan)}, "NaN"),
        ({"B": np.zeros((2, 19, 3))}, "B has shape"),
        ({"beta": np.zeros(3)}, "has beta"),
        ({"B": np.full((2, 20, 3), "x")}, "own.npz"),
    ):
        np.savez(path, **inputs(**wrong))
        status, _, err = run("verify", "demo", "--inputs", path)
        assert status == 2
        assert message in err


def test_inputs_that_the_kernel_does_not_take(run, kernel, tmp_path):
    """They are named, before anything runs."""
    path = str(tmp_path / "own.npz")
    np.savez(path, **inputs(D=np.ones(3)))
    bare = kernel("return demo(u=u, delta=delta, A=A, B=B, C=C)", "u, delta, A, B, C")
    status, _, err = run("verify", bare, "--op", "selective_scan", "--inputs", path)
    assert status == 2
    assert "has D, which" in err


def test_the_command_to_see_it_again_names_the_convention(run, tmp_path):
    """A kernel found with options is found again with the same."""
    path = tmp_path / "complex_bug.py"
    path.write_text(HEADER + "def scan(**kw):\n    y, s = demo(**kw)\n    return y * np.float32(1.01), s\n")
    _, out, _ = run("verify", f"{path}:scan", "--op", "selective_scan", "--convention", "complex", "--cases", "6")
    again = next(line for line in out.splitlines() if "again:" in line).split("realization ")[1]
    assert "--convention complex" in again
    assert run(*again.split())[0] == 1


def test_integer_inputs_prove_nothing_about_the_state(run, tmp_path):
    """One-hot activations give states that every format holds: right kernels are not rejected for that."""
    rng = np.random.default_rng(0)
    whole = {k: rng.integers(-3, 4, (2, 20, n)).astype(float) for k, n in (("u", 8), ("B", 16), ("C", 16))}
    np.savez(tmp_path / "own.npz", **whole, delta=np.ones((2, 20, 8)), A=np.zeros((8, 16)))
    assert run("verify", "demo", "--inputs", str(tmp_path / "own.npz"))[0] == 0


def test_what_a_kernel_cannot_do_without_is_always_given(run, kernel):
    """A parameter without default is in every case; one that the op does not know is a mistake."""
    body = "return demo(u=u, delta=delta, A=A, B=B, C=C, initial_state=initial_state)"
    status, out, _ = judge(run, kernel(body, "u, delta, A, B, C, initial_state"))
    assert (status, "refused" in out) == (0, False)
    status, _, err = judge(run, kernel("return u", "u, delta, A, B, C, scale"))
    assert status == 2
    assert "needs scale" in err


def test_an_interruption_keeps_finished_cases(run, monkeypatch):
    """Ctrl-C in the fifth case: four are reported, and nothing counts as decided."""
    calls = iter(range(100))

    def interrupted(**kw):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return demo.demo(**kw)

    monkeypatch.setitem(demo.SUBJECTS, "demo", (interrupted, demo.SUBJECTS["demo"][1]))
    status, out, _ = run("verify", "demo", "--cases", "10", "--json", "-")
    report = json.loads(out)
    assert status == 1
    assert report["interrupted"]
    assert len(report["cases"]) == 4


def test_progress_is_for_terminals_only(run, monkeypatch):
    """A pipe gets nothing on standard error, a terminal a line that is rewritten."""
    assert run("verify", "demo", "--cases", "2")[2] == ""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run("verify", "demo", "--cases", "2")
    assert "case 1: " in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_list_and_doctor(run):
    """What is known, as text and as JSON, and what machine this is."""
    assert "selective_scan" in run("list")[1]
    lines = [line for line in run("list")[1].splitlines() if line.split()[0] in KNOWN]
    assert len(lines) == len(KNOWN)
    assert len({line.index(KNOWN[line.split()[0]].title) for line in lines}) == 1  # in one column
    assert {"ops", "subjects", "claims"} <= set(json.loads(run("list", "--json")[1]))
    assert "complex" in run("list", "--conventions")[1]
    assert "numba" in run("doctor")[1]


def test_the_same_seed_gives_the_same_report(run):
    """Nothing depends on the clock or on the order of anything."""
    words = ("verify", "demo", *FAST, "--json", "-")
    assert run(*words)[1] == run(*words)[1]
    assert run(*words)[1] != run(*words, "--seed", "1")[1]


def test_a_reader_that_has_seen_enough(tmp_path):
    """`| head` ends the command without a traceback."""
    command = f"{sys.executable} -m realization list --json | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert "Traceback" not in done.stderr


@pytest.mark.real("transformers")
def test_a_checkout_is_named_with_path(run, tmp_path, monkeypatch):
    """A folder that is none is a mistake of the caller; without a checkout the message says what was looked for."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for module in [m for m in sys.modules if m.partition(".")[0] == "hmf"]:
        monkeypatch.delitem(sys.modules, module)
    name = "hmf.model.hybrid_zoo.layers.bmojo_f.bmojo_attention:BMOJOAttention"
    status, _, err = run("verify", name, "--path", str(tmp_path / "nowhere"))
    assert status == 2
    assert "is no folder" in err
    status, _, err = run("verify", name, "--path", str(tmp_path))
    assert status == 3
    assert "training/src/hmf" in err
    (tmp_path / "in_a_checkout.py").write_text(HEADER + "def scan(**kw):\n    return demo(**kw)\n")
    options = ("--op", "selective_scan", "--path", str(tmp_path), "--cases", "2")
    status, out, _ = run("verify", "in_a_checkout:scan", *options)
    assert status == 0
    assert "in_a_checkout:scan" in out
