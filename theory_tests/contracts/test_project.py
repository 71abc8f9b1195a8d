"""Promises of the project as a whole: what an import costs, what the files say, how dev.py fails."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def project_files(*suffixes):
    """Yield (path, text) of what git would commit; of every file outside hidden folders where there is no git."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    git = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True) if shutil.which("git") else None
    names = sorted(filter(None, git.stdout.split("\0"))) if git else []
    if not names:
        # a copy without its history, in which something may have been built
        built = {"__pycache__", "_build", "ops", "jupyter_execute", "build", "dist"}
        for folder, inner, files in os.walk(ROOT):
            inner[:] = [name for name in inner if name not in built and (name[0] != "." or name == ".ci")]
            names += [os.path.relpath(os.path.join(folder, name), ROOT) for name in files if name != ".venv.log"]
    for path in map(Path, names):
        if (not suffixes or path.suffix in suffixes) and (ROOT / path).is_file():
            yield path, (ROOT / path).read_text("utf-8", errors="ignore")


def loaded_after(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.split())


def test_extras_and_groups_are_equal():
    extras, groups = PROJECT["project"]["optional-dependencies"], PROJECT["dependency-groups"]
    assert extras == {name: groups[name] for name in extras}
    assert set(groups) - set(extras) == {"dev"}


def test_import_is_light():
    heavy = {"numba", "sympy", "matplotlib", "scipy.signal", "torch"}
    assert not heavy & loaded_after("import realization")
    assert "scipy.signal" in loaded_after("import scipy.signal"), "the control: the list would show it"


def test_help_loads_no_numpy():
    pytest.importorskip("realization.cli", reason="no command line yet")
    help_shown = "import realization.cli as cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
    assert not {"numpy", "scipy", "numba"} & loaded_after(f"exec({help_shown!r})")


def test_citation_names_the_essay():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    fields = dict(re.findall(r"^([a-z-]+): *(.*)$", text, re.MULTILINE))
    assert {"cff-version", "message", "title", "authors", "references"} <= set(fields)
    assert fields["license"] == PROJECT["project"]["license"]
    assert "Solomonic learning: Large language models and the art of induction" in text
    source = (ROOT / "realization/__init__.py").read_text("utf-8")
    assert fields["version"].strip('"') == re.search(r'^__version__ = "(.*)"$', source, re.MULTILINE)[1]


# written in pieces, so that this file does not match itself
MACHINE_PATH = re.compile(r"(?<![\w.~*/<-])/" + r"(?:home|Users|root|opt|work|mnt|srv)/[\w.]")
REGISTRY = re.compile("|".join(["pypi" + r"\.", "python" + "hosted", "npm" + r"js\.", "index" + "-url"]))


def test_files_name_no_machine_and_no_registry():
    found = [
        f"{path}:{number}: {line.strip()[:80]}"
        for path, text in project_files()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line) or REGISTRY.search(line)
    ]
    assert not found
    assert MACHINE_PATH.search("see /" + "home/me/x"), "the control"
    assert REGISTRY.search("https://" + "pypi" + ".org/simple"), "the control"


def test_no_fastmath_and_no_longdouble():
    """Both change bits: fastmath per compiler, longdouble per platform."""
    banned = re.compile(r"fastmath\s*=|longdouble|float128")
    sources = [(p, text) for p, text in project_files(".py") if p.parts[0] == "realization"]
    assert sources
    assert not [str(p) for p, text in sources if banned.search(text) and "tests" not in p.parts]
    assert banned.search("@njit(fastmath=True)"), "the control"


@pytest.fixture
def checkout(tmp_path):
    """The least tree dev.py accepts, in a folder with a space in its path."""
    folder = tmp_path / "a folder" / "realization copy"
    (folder / "realization").mkdir(parents=True)
    shutil.copy(ROOT / "realization/__init__.py", folder / "realization")
    for name in ("dev.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def dev(folder, *args):
    """Run dev.py from another folder, with no uv on the path and with nothing that pip could install from."""
    nothing = {"PATH": os.defpath, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    command = [sys.executable, folder / "dev.py", *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder.parent, env=os.environ | nothing)


def test_dev_reports_a_failed_install_in_one_line(checkout):
    run = dev(checkout, "verify")
    assert run.returncode == 3
    notice, reason = run.stderr.splitlines()
    assert notice.startswith("dev.py: setting up .venv")
    assert reason.startswith("dev.py: cannot install")
    assert ".venv.log" in reason
    assert "hatchling" in (checkout / ".venv.log").read_text()
    assert not (checkout / ".venv" / "stamp").exists(), "a half-made environment must not look ready"


def test_dev_refuses_a_path_that_is_no_folder(checkout):
    """Before it sets anything up, and by the status of a mistake in what was asked."""
    for words in (["--path", "nowhere"], ["--path"]):
        run = dev(checkout, "test", *words)
        assert run.returncode == 2
        assert run.stderr.startswith("dev.py: --path was given")
    assert not (checkout / ".venv").exists()


def test_dev_explains_itself(checkout):
    asked, wrong = dev(checkout, "--help"), dev(checkout, "no-such-task")
    assert (asked.returncode, wrong.returncode) == (0, 2)
    assert "python3 dev.py verify" in asked.stdout
    assert "python3 dev.py verify" in wrong.stderr
