"""Write one page per operation from its record; the record is all that a page knows."""

import ast
import inspect
import re
from pathlib import Path

INDEX = """# Operations

Each page is generated from the record that the tests and `realization verify` read too.

```{{toctree}}
:maxdepth: 1

{names}
```
"""

PAGE = """# {name}

{summary}

## Arguments and axes

{axes}

## Definition

{docstring}

```python
{definition}
```

## Independent second route

```python
{direct}
```

## Regimes

{cases}

## Properties that need no reference value

{properties}

## Reference

{reference}
"""


def unwrapped(function):
    """The function whose source says something: behind partial and decorators."""
    return inspect.unwrap(getattr(function, "func", function))


def code(function):
    """The source of a function less its docstring, which the page shows as text."""
    lines = inspect.getsource(unwrapped(function)).rstrip().splitlines()
    try:
        first = ast.parse("\n".join(lines)).body[0].body[0]
        if isinstance(first.value.value, str):
            del lines[first.lineno - 1 : first.end_lineno]
    except (SyntaxError, AttributeError):
        pass  # a lambda inside a record, or a function without a docstring: shown as it stands
    return "\n".join(lines)


def axes(signature):
    """A table of `name (axes)` or `name: axes` entries; else the signature as it is written."""
    sides = [re.split(r"[;,\n]\s*(?![^(\[]*[)\]])", side.strip()) for side in signature.split("->")]
    entries = [
        (re.fullmatch(r"(\w+\??)\s*(?::\s*|(?=[(\[]))(.+)", entry.strip()), role)
        for side, role in zip(sides, ("in", "out"), strict=False)
        for entry in side
        if entry.strip()
    ]
    if len(sides) > 2 or not all(match for match, _ in entries):
        return f"```text\n{signature}\n```"
    rows = [f"| `{match[1]}` | `{match[2]}` | {role} |" for match, role in entries]
    return "\n".join(["| array | axes | |", "|---|---|---|", *rows])


def listed(items):
    """Bullets: a name, and the first line of what it says about itself."""
    lines = []
    for item in items:
        name = item if isinstance(item, str) else getattr(item, "name", getattr(item, "__name__", str(item)))
        said = "" if isinstance(item, str) else (inspect.getdoc(unwrapped(item)) or "").partition("\n")[0]
        lines.append(f"- `{name}`" + (f": {said}" if said else ""))
    return "\n".join(lines) or "None."


def page(op):
    """The page of one operation, in MyST."""
    docstring = inspect.getdoc(unwrapped(op.definition)) or ""
    summary, _, _ = docstring.partition("\n")
    regimes = inspect.getdoc(unwrapped(op.cases)) or ""
    return PAGE.format(
        name=op.name,
        summary=summary,
        axes=axes(op.signature),
        docstring=f"```text\n{docstring}\n```",
        definition=code(op.definition),
        direct=code(op.direct),
        cases=f"```text\n{regimes}\n```",
        properties=listed(op.properties),
        reference=op.reference,
    )


def write(folder):
    """Write the pages of all operations and their index; a file that has not changed keeps its time."""
    from realization.layers import OPS

    pages = {f"{name}.md": page(op) for name, op in OPS.items()} | {
        "index.md": INDEX.format(names="\n".join(OPS))
    }
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
