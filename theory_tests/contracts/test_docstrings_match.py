"""Every public name has a docstring that names its parameters, all of them and no others."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

CHECKS = {
    "PR01",  # a parameter is not documented
    "PR02",  # a documented parameter does not exist
    "RT01",  # no Returns section
    "GL08",  # no docstring
    "SS03",  # the summary does not end with a period
}
FRONTS = ("", ".linalg", ".systems", ".canonical", ".stochastic", ".memory")
PACKAGE = Path(__file__).parents[2] / "realization"


def faults(name, obj):
    """Faults of one object; at run time, where the signature of a dataclass is known."""
    validate = pytest.importorskip("numpydoc.validate", reason="numpydoc not installed; python3 dev.py check")
    lines = [f"{name}: {code} {text}" for code, text in validate.validate(name)["errors"] if code in CHECKS]
    # a class, an exception or a constant of the package returns nothing
    return lines if inspect.isroutine(obj) else [line for line in lines if " RT01 " not in line]


def public_names():
    fronts = [importlib.import_module(f"realization{front}") for front in FRONTS]
    for obj in [getattr(front, name) for front in fronts for name in front.__all__]:
        is_ours = (getattr(obj, "__module__", None) or "").startswith("realization")
        if is_ours and (inspect.isroutine(obj) or inspect.isclass(obj)):
            yield f"{obj.__module__}.{obj.__qualname__}", obj


def test_docstrings_match_signatures():
    assert not [line for name, obj in public_names() for line in faults(name, obj)]


def undocumented(a, b):
    """Add.

    Parameters
    ----------
    a, c : float
    """
    return a + b


def test_fails_for_a_wrong_docstring(monkeypatch):
    validate = pytest.importorskip("numpydoc.validate", reason="numpydoc not installed; python3 dev.py check")
    monkeypatch.setattr(validate.Validator, "_load_obj", staticmethod(lambda name: undocumented))
    assert [line.split()[1] for line in faults("undocumented", undocumented)] == ["PR01", "PR02", "RT01"]


def test_every_module_says_what_it_is():
    modules = sorted(PACKAGE.rglob("*.py"))
    assert modules
    assert not [str(path) for path in modules if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
