"""The pytest plugin in suites of users: what passes, what fails and how it reads, and what it costs."""

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import realization
from realization.verify import pytest_plugin

PLUGIN = ("-p", "realization.verify.pytest_plugin", "-p", "no:cacheprovider")
FEW = ("--realization-cases", "4")
KERNEL = """
    import numpy as np
    import pytest
    from realization.verify.demo import demo, demo_bug

    def scan(u, delta, A, B, C, D=None, initial_state=None):
        return demo(u=u, delta=delta, A=A, B=B, C=C, D=D, initial_state=initial_state)

    def bug(u, delta, A, B, C, D=None, initial_state=None):
        return demo_bug(u=u, delta=delta, A=A, B=B, C=C, D=D, initial_state=initial_state)
"""


@pytest.fixture(scope="module", autouse=True)
def _everything_is_loaded():
    """Runs inside this process drop the modules they load; compiled ones cannot be loaded twice."""
    assert realization.judge("demo", cases=2).verdict == "conforming"


@pytest.fixture
def suite(pytester):
    """Write a suite of a user, run it and return the result."""

    def run(tests, *options):
        pytester.makepyfile(test_user=KERNEL + tests)
        return pytester.runpytest_inprocess(*PLUGIN, *options)

    return run


def test_a_conforming_kernel_passes(suite):
    """In three lines; the report is kept for those who ask for it with -rP."""
    result = suite(
        """
    def test_my_scan(conforms):
        conforms(scan, op="selective_scan")
    """,
        *FEW, "-rP",
    )  # fmt: skip
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["CONFORMING: test_user.py:scan as selective_scan (4 cases*"])


def test_a_failing_kernel_fails_with_the_report(suite):
    """Headline, table, place and command; and no line of ours or of Python's."""
    result = suite(
        """
    def test_my_scan(conforms):
        conforms(bug, op="selective_scan")
    """,
        "--realization-cases", "20",
    )  # fmt: skip
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "NOT CONFORMING: test_user.py:bug as selective_scan (* decided cases fail; *",
            "regime * cases *",
            "case *: y: first wrong at step 64 (chunk 1, position 0), every channel; *",
            "*again: realization verify test_user.py:bug --op selective_scan --case fading-*",
        ]
    )
    shown = str(result.stdout)
    assert "Traceback" not in shown
    assert "pytest_plugin" not in shown.partition("FAILURES")[2]


def test_nothing_decided_fails_and_says_so(suite):
    """A kernel that refuses everything proves nothing; its reasons are listed."""
    result = suite(
        """
    def refuses(u, delta, A, B, C):
        raise ValueError("not today")

    def test_my_scan(conforms):
        conforms(refuses, op="selective_scan")
    """,
        *FEW,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["NOTHING DECIDED: *refused: ValueError: not today*", "refused: *: not today"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('conforms(scan, op="selectiv_scan")', "conforms: op 'selectiv_scan' is unknown; nearest: selective_scan*"),
        ("conforms(scan)", "conforms: nothing names the op of test_user.py:scan; give --op*"),
        ('conforms(scan, op="ssd")', "conforms: test_user.py:scan takes (A, B, C, D, *), but ssd needs dt, x too*"),
        ('conforms(scan, op="selective_scan", claim="fp23")', "conforms: claim 'fp23' is unknown; nearest: fp32*"),
        ('conforms(3, op="selective_scan")', "conforms: * is int, a function is needed"),
        ('conforms("no.py:f", op="ssd")', "conforms: there is no file 'no.py'"),
        ('conforms("nowhere.kernels:f", op="ssd")', "conforms: nowhere.kernels cannot be imported*"),
        ('conforms(scan, op="selective_scan", cases=-1)', "conforms: cases=-1*whole numbers from 0 on are needed"),
        ('conforms(scan, op="selective_scan", case="x")', "conforms: case 'x' is unknown*"),
        ('conforms(scan, op="selective_scan", properties=["spilt"])', "conforms: property 'spilt' is unknown*"),
        ('conforms(scan, op="selective_scan", claim="io=float8_e4m3fn")', "conforms: inputs in float8_e4m3fn have*"),
    ],
)
def test_a_mistake_gets_one_line(suite, call, message):
    """What came and what is known, as the command says it."""
    result = suite(f"\n    def test_it(conforms):\n        {call}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])
    assert "Traceback" not in str(result.stdout)


def test_an_unknown_keyword_points_at_the_call(suite):
    """It is a TypeError in the user's own line."""
    result = suite('\n    def test_it(conforms):\n        conforms(scan, op="selective_scan", cass=3)\n')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*conforms(scan, op=*cass=3)", "E *unexpected keyword argument 'cass'*"])
    assert "def _judged" not in str(result.stdout)


def test_a_marker_says_on_how_many_cases(suite):
    """The call before the marker, the command line before both."""
    tests = """
    @pytest.mark.conforms(op="selective_scan", cases=3, seed=5)
    def test_marked(conforms):
        report = conforms(scan)
        assert (len(report.results), report.seed) == (COUNT, 5)

    @pytest.mark.conforms(op="selective_scan", cases=3)
    def test_called(conforms):
        assert len(conforms(scan, cases=2).results) == min(COUNT, 2)
    """
    suite("\n    COUNT = 3\n" + tests).assert_outcomes(passed=2)
    suite("\n    COUNT = 1\n" + tests, "--realization-cases", "1").assert_outcomes(passed=2)


MARKED = """
    from realization import Claim

    @pytest.mark.conforms(op="selective_scan", claims=["fp32", Claim(chunk=64)], io=["float32", "bfloat16"])
    def test_scan(conforms):
        conforms(scan)

    @pytest.mark.conforms(op=["selective_scan", "ssd"])
    @pytest.mark.parametrize("name", ["a", "b"])
    def test_both(conforms, name):
        assert conforms.op in ("selective_scan", "ssd")

    @pytest.mark.conforms(op="selective_scan", io="float64")
    class TestOfAClass:
        def test_scan(self, conforms):
            assert conforms(scan).claim == Claim(io="float64", accumulate="float64")
            assert conforms(scan, claim="chunk=8").claim == Claim(io="float64", accumulate="float64", chunk=8)
"""


def test_the_marker_makes_an_item_of_each_combination(suite):
    """Their names are read in the report; strict markers know the marker."""
    result = suite(MARKED, "--collect-only", "-q", "--strict-markers", "--strict-config", "-W", "error")
    assert [line.partition("::")[2] for line in result.outlines if "::" in line] == [
        "test_scan[selective_scan-fp32-float32]",
        "test_scan[selective_scan-fp32-bfloat16]",
        "test_scan[selective_scan-chunk=64-float32]",
        "test_scan[selective_scan-chunk=64-bfloat16]",
        "test_both[selective_scan-a]",
        "test_both[selective_scan-b]",
        "test_both[ssd-a]",
        "test_both[ssd-b]",
        "TestOfAClass::test_scan[selective_scan-float64]",
    ]


def test_the_items_are_judged_under_their_claims(suite, pytester):
    """The figures of each go to JUnit; in NumPy, bfloat16 numbers travel in float32, so one kernel serves both."""
    result = suite(MARKED, *FEW, "--junitxml", "found.xml", "-W", "error", "-o", "junit_family=xunit2")
    result.assert_outcomes(passed=9)
    figures = {
        case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in ET.parse(pytester.path / "found.xml").iter("testcase")
    }
    scan = figures["test_scan[selective_scan-fp32-float32]"]
    assert 0 < float(scan["max_ratio"]) < 1
    assert scan["behaves_as"].startswith("fp32")
    assert not figures["test_both[ssd-a]"], "the control: a test that judges nothing has no figures"


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('op="selectiv_scan"', "*op 'selectiv_scan' is unknown; nearest: selective_scan*"),
        ('op="ssd", claims=[Claim()], io="bf17"', "*number format 'bf17' is unknown*"),
        ('op="ssd", claims=["fp23"]', "*claim 'fp23' is unknown; nearest: fp32*"),
        ('op="ssd", io=["float31"]', "*number format 'float31' is unknown*"),
        ('op="ssd", claim="fp32"', "*unexpected keyword argument 'claim'*"),
        ("op=3", "*op is int, an Op is needed"),
    ],
)
def test_a_wrong_marker_is_an_error_at_collection(suite, marker, message):
    """Before anything runs."""
    result = suite(f"""
    from realization import Claim

    @pytest.mark.conforms({marker})
    def test_it(conforms):
        conforms(scan)
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*test_it: marker conforms: {message}"])


def test_the_marker_needs_the_fixture(suite):
    """Otherwise nothing would be judged."""
    result = suite('\n    @pytest.mark.conforms(op="ssd")\n    def test_it():\n        pass\n')
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_it is marked conforms, but takes no argument `conforms`"])


def test_numbers_come_from_command_line_call_and_ini(suite, pytester):
    """In this order; how many cases were decided is in the headline, the seed in the report."""
    tests = """
    def test_it(conforms):
        found = conforms(scan, op="selective_scan")
        print("cases", len(found.results), "seed", found.seed)

    def test_call(conforms):
        found = conforms(scan, op="selective_scan", cases=3, seed=7)
        print("cases", len(found.results), "seed", found.seed)
    """
    pytester.makeini("[pytest]\nrealization_cases = 2\nrealization_seed = 5\n")
    suite(tests, "-s", "--strict-config").stdout.fnmatch_lines(["*cases 2 seed 5", "*cases 3 seed 7"])
    over = suite(tests, "-s", "--realization-cases", "1", "--realization-seed", "9")
    over.stdout.fnmatch_lines(["*cases 1 seed 9", "*cases 1 seed 9"])
    assert suite(tests, "--realization-cases", "x").ret == pytest.ExitCode.USAGE_ERROR
    wrong = suite(tests, "-o", "realization_cases=x")
    wrong.stdout.fnmatch_lines(["conforms: realization_cases is 'x', a whole number is needed"])
    wrong.assert_outcomes(passed=1, failed=1)


OWN = """
    from realization import Op, recurrence

    SIGNATURE = "query: *b T h k; key: *b T h k; value: *b T h v -> y: *b T h v"

    def linear_attention(query, key, value):
        return recurrence(value=value, key=key, query=query).y

    OP = Op("linear_attention", SIGNATURE, linear_attention, linear=("value",))

    def summed(query, key, value):
        state = np.cumsum(value[..., :, None] * key[..., None, :], axis=1, dtype=value.dtype)
        return (state * query[..., None, :]).sum(-1)

    def late(query, key, value):
        return summed(query, key, np.roll(value, 1, axis=1))
"""


def test_an_op_of_the_user(suite):
    """A record in the test's own file, without more than name, signature and definition."""
    result = suite(
        OWN + """
    @pytest.mark.conforms(op=OP)
    def test_right(conforms):
        conforms(summed)

    def test_wrong(conforms):
        conforms(late, op=OP, cases=10)
    """,
        *FEW, "-v",
    )  # fmt: skip
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*test_right?linear_attention? PASSED*", "*again: realization verify test_user.py:late --op test_user.py:OP *"]
    )


def test_what_no_command_can_find_is_called_from_python(suite):
    """A kernel inside a function has no name on the command line."""
    result = suite(
        """
    def test_it(conforms):
        def inner(u, delta, A, B, C):
            return bug(u, delta, A, B, C)
        conforms(inner, op="selective_scan", claim="chunk=64", case="fading-c/2.T129.o0.s0")
    """
    )
    result.assert_outcomes(failed=1)
    again = "realization.judge(inner, op='selective_scan', claim='chunk=64', case='fading-c/2.T129.o0.s0')"
    result.stdout.fnmatch_lines([f"*again: {again}"])


def findable(monkeypatch, *folders):
    """Let processes that start elsewhere find the library, and these folders."""
    root = Path(realization.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (root, *folders))))


LOADED = """
import sys

def pytest_collection_finish(session):
    heavy = {"numpy", "numba", "scipy", "realization.layers", "realization.verify.run"} & set(sys.modules)
    print("loaded:", *sorted(heavy))
"""


def test_collection_compiles_nothing(pytester, monkeypatch):
    """A suite without verdicts loads nothing; one with markers reads the table of ops, and no compiler."""
    findable(monkeypatch)
    pytester.makeconftest(LOADED)
    pytester.makepyfile(test_plain="def test_nothing():\n    pass\n")
    plain = pytester.runpytest_subprocess(*PLUGIN, "-s", "-p", "no:hypothesispytest", "-p", "no:benchmark")
    plain.stdout.re_match_lines([".*loaded: *$"])
    plain.assert_outcomes(passed=1)
    marked = '@pytest.mark.conforms(op="ssd", claims=["fp32"])\ndef test_scan(conforms):\n    pass\n'
    pytester.makepyfile(test_marked="import pytest\n" + marked)
    found = pytester.runpytest_subprocess(*PLUGIN, "-s", "--collect-only")
    found.stdout.re_match_lines([".*loaded: .*realization.layers.*"])
    assert "numba" not in str(found.stdout)


def test_an_interruption_ends_the_session(pytester, monkeypatch):
    """Judging keeps what was finished, but Ctrl-C is meant for pytest."""
    findable(monkeypatch)
    tests = """
    def stopped(u, delta, A, B, C):
        raise KeyboardInterrupt

    def test_it(conforms):
        conforms(stopped, op="selective_scan")

    def test_next():
        pass
    """
    pytester.makepyfile(test_user=tests)
    result = pytester.runpytest_subprocess(*PLUGIN)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes()


INSTALLED = {
    "METADATA": "Metadata-Version: 2.1\nName: realization\nVersion: 0.0\n",
    "RECORD": "realization/__init__.py,,\nrealization/verify/pytest_plugin.py,,\n",
    "entry_points.txt": "[pytest11]\n{name} = {name}\n",
}


def test_installed_it_is_found_and_never_loaded_twice(pytester, monkeypatch):
    """By the entry point, also where -p names it again, and with warnings as errors."""
    folder = pytester.mkdir("site") / "realization-0.0.dist-info"
    folder.mkdir()
    for name, text in INSTALLED.items():
        (folder / name).write_text(text.format(name=pytest_plugin.__name__))
    findable(monkeypatch, folder.parent)
    pytester.makepyfile(test_plain="def test_it(conforms):\n    pass\n")
    for options in ((), PLUGIN):
        pytester.runpytest_subprocess(*options, "-W", "error").assert_outcomes(passed=1)
    without = pytester.runpytest_subprocess("-p", f"no:{pytest_plugin.__name__}")
    without.assert_outcomes(errors=1)
