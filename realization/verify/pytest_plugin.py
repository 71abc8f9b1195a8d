"""pytest plugin: the fixture `conforms` judges a kernel and fails with the report as its message.

    def test_my_scan(conforms):
        conforms(my_selective_scan, op="selective_scan")

    @pytest.mark.conforms(op="ssd", claims=["fp32", "chunk=64,decay=logdiff"], io=["float32", "bfloat16"])
    def test_my_ssd(conforms):          # an item for each op, claim and format of the inputs
        conforms(my_ssd)

Loading it costs nothing: the library is imported by the tests that ask for a verdict.
PYTEST_DONT_REWRITE: there is no assertion here, and a warning where the module is loaded already.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from realization.core.errors import RealizationError

if TYPE_CHECKING:
    from realization.core.claim import Claim
    from realization.core.ops import Op
    from realization.verify.run import Report

MARKER = (
    "conforms(op, claims=..., io=..., cases=N, seed=S): one item for each op, claim and input format; "
    "see the fixture `conforms`"
)
NUMBERS = {
    "cases": "number of cases on which `conforms` judges (default: the plan of the op, which covers all regimes)",
    "seed": "seed of the cases of `conforms` (default: 0)",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare --realization-cases, --realization-seed, and the ini values of these names."""
    group = parser.getgroup("realization")
    for name, about in NUMBERS.items():
        group.addoption(f"--realization-{name}", type=int, metavar=name[0].upper(), help=about)
        parser.addini(f"realization_{name}", about, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, for suites with strict markers."""
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make an item of each combination that a test's marker names."""
    marker = metafunc.definition.get_closest_marker("conforms")
    if marker is None:
        return
    name = metafunc.function.__name__
    if "conforms" not in metafunc.fixturenames:
        pytest.fail(f"{name} is marked conforms, but takes no argument `conforms`", pytrace=False)
    try:
        asked = list(_combinations(*marker.args, **marker.kwargs))
    except (TypeError, RealizationError) as e:
        pytest.fail(f"{name}: marker conforms: {str(e).removeprefix('_combinations() ')}", pytrace=False)
    metafunc.parametrize("conforms", asked, indirect=True, ids=[a.id for a in asked])


@dataclass(frozen=True)
class Asked:
    """What an item asks for beside the function: an op, a claim, a format of the inputs; and on how many cases."""

    op: Op | str | None = None
    claim: Claim | str | None = None
    io: str | None = None
    cases: int | None = None
    seed: int | None = None

    @property
    def id(self) -> str:
        """Readable name of the item."""
        parts = [getattr(self.op, "name", self.op), _spelled(self.claim), self.io]
        return "-".join(str(part) for part in parts if part)

    @property
    def words(self) -> Claim | str:
        """The claim in the format, as `judge` takes it."""
        if self.claim is None or isinstance(self.claim, str):
            return ",".join(filter(None, (self.claim, self.io and f"io={self.io}")))
        return self.claim.replace(io=self.io) if self.io else self.claim


def _combinations(
    op: Any = None, *, claims: Any = (), io: Any = (), cases: int | None = None, seed: int | None = None
) -> Iterator[Asked]:
    """Every op with every claim in every format; what is not named is left to the function."""
    from realization.core.claim import Claim, parse_claim
    from realization.layers import KNOWN
    from realization.verify.subject import known_op

    for name, claim, form in itertools.product(*map(_several, (op, claims, io))):
        asked = Asked(name, claim, form, cases, seed)
        if asked.op is not None:
            known_op(asked.op, KNOWN)
        if isinstance(asked.words, str):
            parse_claim(asked.words, Claim())
        yield asked


def _several(given: Any) -> Sequence[Any]:
    return (list(given) or [None]) if isinstance(given, Iterable) and not isinstance(given, str) else [given]


def _spelled(claim: Claim | str | None) -> str | None:
    if claim is None or isinstance(claim, str):
        return claim
    return ",".join(f"{k}={v}" for k, v in asdict(claim).items() if v != getattr(type(claim)(), k)) or "default"


@pytest.fixture
def conforms(request: pytest.FixtureRequest) -> Conforms:
    """Judge a function, `conforms(function, op=...)`, and fail with the report unless it conforms.

    Keywords are those of `realization.judge`; the marker `conforms` gives op and claim.
    """
    return Conforms(request.node, getattr(request, "param", Asked()))


@dataclass(frozen=True)
class Conforms:
    """What the fixture `conforms` is.

    Parameters
    ----------
    item : Item
        The test.
    asked : Asked
        What its marker says.
    """

    item: pytest.Item
    asked: Asked

    @property
    def op(self) -> Op | str | None:
        """The op of this item, where the marker names it."""
        return self.asked.op

    def __call__(self, function: Callable[..., Any] | str, op: Op | str | None = None, **keywords: Any) -> Report:
        """Judge `function`; return the report of one that conforms."""
        __tracebackhide__ = True
        from realization.verify.run import CONFORMING

        report = self._judged(function, op, keywords)
        if report.interrupted:  # judging keeps what was finished; the session is to end all the same
            raise KeyboardInterrupt
        self.item.user_properties += [("max_ratio", float(report.ratio)), ("behaves_as", report.tightest or "no rung")]
        if report.verdict != CONFORMING:
            pytest.fail(str(report), pytrace=False)
        self.item.add_report_section("call", "realization", str(report))
        return report

    def _judged(self, function: Any, op: Op | str | None, keywords: dict[str, Any]) -> Report:
        __tracebackhide__ = True
        from realization.verify.judge import judge

        asked = replace(self.asked, claim=keywords.pop("claim", self.asked.claim))
        given = {name: keywords.get(name, getattr(asked, name)) for name in NUMBERS}
        keywords |= {name: n for name, x in given.items() if (n := self._number(name, x)) is not None}
        try:
            return judge(function, self.op if op is None else op, claim=asked.words, **keywords)
        except RealizationError as e:
            pytest.fail(f"conforms: {e}", pytrace=False)

    def _number(self, name: str, given: int | None) -> int | None:
        """The command line before the call and its marker, these before the ini file."""
        __tracebackhide__ = True
        option = self.item.config.getoption(f"--realization-{name}")
        if option is not None or given is not None:
            return given if option is None else int(option)
        ini = self.item.config.getini(f"realization_{name}")
        if ini and not ini.isdigit():
            pytest.fail(f"conforms: realization_{name} is {ini!r}, a whole number is needed", pytrace=False)
        return int(ini) if ini else None
