"""The benchmarks can be started, say what they skip, and write their tables where the page has a place for them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(code):
    """Run code beside the benchmarks, in a process of its own: they bind theirs to one core."""
    command = [sys.executable, "-W", "error", "-c", f"import sys; sys.path[:0] = ['benchmarks', '.']; {code}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_row_without_its_peer_says_so():
    row = "compare.timing('ours, theirs', ['no_such_package'], None, None, None, 'at least', 2.0)"
    assert run(f"import compare; print({row}[-1])").stdout == "skipped: no_such_package not installed\n"


def test_what_they_import_exists():
    """Renaming something in the library breaks this and not the next run of an hour's table."""
    done = run("import bmojo, linear, filtering, identification, recall")
    assert done.returncode == 0, done.stderr


def test_known_orders_are_those_of_exact_arithmetic():
    """The ranks of Hankel matrices of rational systems: 5 and 4, whatever any library says."""
    code = (
        "import compare, families, sympy; from realization.systems import markov_parameters\n"
        "for system in (families.powers_of_s(), families.first_order_blocks()):\n"
        "    n = len(system.A)\n"
        "    A, B, C = (sympy.Matrix([[sympy.nsimplify(x, rational=True) for x in row] for row in M.tolist()])\n"
        "               for M in (system.A, system.B, system.C))\n"
        "    O, R = [C], [B]\n"
        "    for _ in range(6):\n"
        "        O.append(O[-1] * A); R.append(A * R[-1])\n"
        "    print((sympy.Matrix.vstack(*O) * sympy.Matrix.hstack(*R)).rank())\n"
    )
    assert run(code).stdout.split() == ["5", "4"]


@pytest.mark.parametrize("name", ["scan", "bmojo", "recall", "linear", "filtering", "identification"])
def test_the_page_has_a_place_for_every_table(name):
    page = "compare.PAGE.read_text('utf-8')"
    written = run(f"import compare; print(compare.replaced({page}, {name!r}, 'a table of {name}'))").stdout
    assert f"<!-- {name} -->\n\na table of {name}\n\n<!-- end of {name} -->" in written


def test_a_page_without_a_place_is_refused():
    done = run("import compare; compare.replaced('no marks', 'scan', '')")
    assert done.returncode == 1
    assert "lacks the lines" in done.stderr
