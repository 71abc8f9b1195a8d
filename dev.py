"""Run a task of this project in a private environment, which is set up when it is needed.

    python3 dev.py verify [ARGS]                 realization verify ARGS
    python3 dev.py test [--real] [--path DIR] [PYTEST ARGS]
                                                 the tests; --real first installs the kernels they judge, DIR is a
                                                 checkout of awslabs/hybrid-model-factory, whose layer they then judge
    python3 dev.py check                         ruff, mypy, docstrings, direction of imports
    python3 dev.py docs                          build the documentation into docs/_build/html
    python3 dev.py bench [--write]               run times and answers beside those of others, which it first installs;
                                                 --write puts the tables into docs/peers.md

The first run installs with your own pip or uv configuration; later runs need no network.
"""
import sys

if sys.version_info < (3, 11):
    sys.stderr.write("dev.py: Python 3.11 or newer is needed, this is %s\n" % sys.version.split()[0])
    sys.exit(3)

import hashlib
import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV, LOG = ROOT / ".venv", ROOT / ".venv.log"
STAMP = VENV / "stamp"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
SITE = Path(sysconfig.get_path("purelib", "venv", {"base": str(VENV)}))

GROUPS = {
    "verify": [],
    "test": ["test"],
    "check": ["test", "dev"],
    "docs": ["docs"],
    "bench": [],
}


class SetupError(Exception):
    """The environment cannot be made; the message is one line that says what to do."""


class UsageError(Exception):
    """What was asked for does not exist; the message is one line that says what to do."""


def fingerprint() -> str:
    """Digest of what the environment was made from; the folder counts, its scripts name their own place."""
    source = (ROOT / "pyproject.toml").read_bytes() + f"{sys.version}{ROOT}".encode()
    return hashlib.sha256(source).hexdigest()


def works() -> bool:
    """Whether every module that an installer recorded is there in full, and the interpreter starts."""
    # find_spec and not import: an error in our own source is the task's to report
    probe = "import numpy, scipy, importlib.util as u, sys; sys.exit(u.find_spec('realization') is None)"
    try:
        for record in SITE.glob("*.dist-info/RECORD"):
            for line in record.read_text("utf-8").splitlines():
                path, _, size = line.rsplit(",", 2)
                module = size and path.endswith((".py", ".so", ".pyd"))
                if module and (SITE / path).stat().st_size < int(size):
                    return False
        return subprocess.run([PYTHON, "-I", "-c", probe], capture_output=True).returncode == 0
    except (OSError, ValueError):
        return False


def installed() -> set[str] | None:
    """Groups and subjects in the environment; None when it is absent, stale or broken."""
    lines = STAMP.read_text().splitlines() if STAMP.is_file() else [""]
    return set(lines[1:]) if lines[0] == fingerprint() and works() else None


def remember(names: set[str]) -> None:
    STAMP.write_text("\n".join([fingerprint(), *sorted(names)]) + "\n")


def install(requirements: list[str], with_uv: bool = True) -> str:
    """Install with uv where it is found, else or if it fails (it reads no pip configuration) with pip.

    Return "", or the reason for which pip failed.
    """
    uv = shutil.which("uv") if with_uv else None
    installers = [[uv, "pip", "install", "--python", PYTHON]] if uv else []
    for installer in [*installers, [PYTHON, "-m", "pip", "install"]]:
        command = [*map(str, installer), *requirements]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = done.stdout.decode(errors="replace")
        with LOG.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n{output}\n")
        if done.returncode == 0:
            return ""
    # pip's last word may be a bare "subprocess-exited-with-error": a reason has more than one
    reasons = re.findall(r"^ *error: *(\S+ .*)", output, re.MULTILINE | re.IGNORECASE)
    return reasons[-1].strip() if reasons else f"pip ended with code {done.returncode}"


def create() -> None:
    """Make an empty environment in the place of whatever is there."""
    LOG.unlink(missing_ok=True)
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    try:
        venv.create(VENV, clear=True, with_pip=True)
    except subprocess.CalledProcessError:
        raise SetupError("this Python cannot make an environment with pip; install the venv package of your "
                         "distribution (on Debian and Ubuntu python3-venv) and run again") from None


def prepare(groups: list[str], subjects: str) -> None:
    """Bring the environment to hold the package, the groups, and what it can of the group of subjects."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    here = installed()
    if here is None:
        print("dev.py: setting up .venv (about a minute, once)", file=sys.stderr, flush=True)
        create()
    if here is None or not here.issuperset(groups):
        wanted = [text for name in groups for text in table[name] if isinstance(text, str)]
        if reason := install(["-e", ".", *wanted]):
            raise SetupError(f"cannot install what the task needs ({reason}); check the network and the "
                             f"configuration of pip, then run again; the full log is {LOG.name}")
        remember(here := {*(here or ()), *groups})
    for subject in (table[subjects] if subjects else []):
        if subject in here:
            continue
        print(f"dev.py: installing {subject}", file=sys.stderr, flush=True)
        # pip, whose configuration may know a small build; singly, so that a missing one loses no other
        if reason := install([subject], with_uv=False):
            print(f"dev.py: no {subject}, what needs it is skipped ({reason})", file=sys.stderr, flush=True)
        else:
            remember(here := {*here, subject})


def perform(task: str, rest: list[str]) -> int:
    """Run the task's commands, all of them; return the first exit code that is not 0."""
    html = "docs/_build/html"
    contracts = ["test_imports_point_one_way.py", "test_docstrings_match.py"]
    benchmarks = ["scan", "bmojo", "recall", "linear", "filtering", "identification"]
    commands = {
        "verify": [["-m", "realization", "verify", *rest]],
        # the whole suite on all cores, a file staying with one of them: its tests share what they have computed
        "test": [["-m", "pytest", *(rest or ["-n", "auto", "--dist", "loadfile"])]],
        "check": [
            ["-m", "ruff", "check", "."],
            ["-m", "mypy"],
            ["-m", "pytest", "-q", *(f"theory_tests/contracts/{name}" for name in contracts)],
        ],
        "docs": [["-m", "sphinx", "-W", "--keep-going", "-q", "docs", html], ["docs/_external.py", html]],
        "bench": [[f"benchmarks/{name}.py", *rest] for name in benchmarks],
    }[task]
    # verify names files of its caller; every other task is about this folder
    folder = None if task == "verify" else ROOT
    codes = [subprocess.run([PYTHON, *command], cwd=folder).returncode for command in commands]
    return next((code for code in codes if code), 0)


def name_checkout(words: list[str]) -> list[str]:
    """Hand the folder after --path to the tests, which read it from the environment; return the other words."""
    if "--path" not in words:
        return words
    i = words.index("--path")
    folder = words[i + 1] if len(words) > i + 1 else ""
    if not folder or not Path(folder).is_dir():
        raise UsageError(f"--path was given {folder!r}, which is no folder; a checkout of the repository is needed")
    os.environ["REALIZATION_PATH"] = str(Path(folder).resolve())
    return words[:i] + words[i + 2 :]


def main(argv: list[str]) -> int:
    task, rest = (argv[0], argv[1:]) if argv else ("", [])
    if task not in GROUPS:
        asked = task in ("-h", "--help")
        print(__doc__, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    real = task == "test" and "--real" in rest
    try:
        rest = name_checkout(rest) if task == "test" else rest
        prepare(GROUPS[task], "real" if real else "bench" if task == "bench" else "")
        return perform(task, [word for word in rest if not (real and word == "--real")])
    except UsageError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 2
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
    except OSError as error:
        print(f"dev.py: {error}; check that this folder can be written, then run again", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
