"""A part of the package imports only what stands to its left in ORDER, so it can be read without the rest."""

import ast
from pathlib import Path

ORDER = (
    "core _kernels certify linalg systems canonical stochastic diffusion memory induction layers verify"
    " plotting testing exercises cli __main__"
).split()
PACKAGE = Path(__file__).parents[2] / "realization"


def imported_parts(source, path):
    """Yield (line, part) for each part of the package that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = [node.module] if node.module else []
            if node.level:
                folders = ["realization", *path.parent.parts]
                origin = [*folders[: len(folders) + 1 - node.level], *origin]
            names = [".".join([*origin, alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "realization" and parts[1:2] != ["__version__"]:
                yield node.lineno, parts[1] if len(parts) > 1 else "__init__"


def violations(files):
    """Files are pairs (path in the package, source); the front, __init__.py, may import everything."""
    rank = {part: i for i, part in enumerate(ORDER)}
    for path, source in files:
        part = path.parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        if part not in rank:
            yield f"realization/{path}: {part} has no place in ORDER"
            continue
        for line, other in imported_parts(source, path):
            if rank.get(other, len(rank)) > rank[part]:
                yield f"realization/{path}:{line}: {part} imports {other}, which stands to its right"


def test_imports_point_one_way():
    files = [(path.relative_to(PACKAGE), path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")]
    assert files
    assert not list(violations(files))


def test_fails_for_a_wrong_import():
    wrong = [
        (Path("core/a.py"), "def f():\n    from realization.layers import OPS"),
        (Path("core/b.py"), "from ..verify import verdict"),
        (Path("certify/c.py"), "import realization.systems.linear"),
        (Path("certify/d.py"), "from realization import LinearSSM"),
        (Path("extra.py"), ""),
    ]
    right = [
        (Path("layers/e.py"), "from realization.core.ops import Op\nfrom . import core\nimport numpy"),
        (Path("cli.py"), "from realization import __version__"),
    ]
    assert [line.split(":")[0] for line in violations(wrong + right)] == [
        "realization/core/a.py", "realization/core/b.py",
        "realization/certify/c.py", "realization/certify/d.py", "realization/extra.py",
    ]  # fmt: skip
