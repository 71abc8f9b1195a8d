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

{title}. Reference: {reference}.

Judge a kernel of it: `realization verify`, see {{doc}}`../verify-your-kernel`.

## Arguments and outputs

{axes}

## Definition

```text
{docstring}
```

```python
{definition}
```

## Independent second route

```python
{direct}
```

## Input regimes

{regimes}

## Properties that need no reference value

{properties}
"""


def plain(text):
    """Text that MyST shows as it is: an equation in a summary is not markup."""
    return re.sub(r"([\\*_$<\[{|])", r"\\\1", text)


def code(function):
    """The source of a function less its docstring, which the page shows as text."""
    lines = inspect.getsource(inspect.unwrap(function)).rstrip().splitlines()
    try:
        first = ast.parse("\n".join(lines)).body[0].body[0]
        if isinstance(first.value.value, str):
            del lines[first.lineno - 1 : first.end_lineno]
    except (SyntaxError, AttributeError):
        pass  # a lambda inside a record, or a function without a docstring: shown as it stands
    return "\n".join(lines)


def table(*rows):
    """A MyST table; the first row is the head."""
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def axes(signature):
    """One row per array: its name, its axes, whether it is given, optional or returned."""
    arrays = [(a, "optional" if a.optional else "given") for a in signature.arguments.values()]
    arrays += [(a, "returned") for a in signature.outputs.values()]
    spelled = [(a.name, [f"`({', '.join(one)})`" for one in a.alternatives], role) for a, role in arrays]
    return table(("array", "axes", ""), *((f"`{name}`", " or ".join(one), role) for name, one, role in spelled))


def page(op):
    """The page of one operation, in MyST."""
    return PAGE.format(
        name=op.name,
        title=plain(op.title.rstrip(".")),
        reference=plain(op.reference.rstrip(".")),
        axes=axes(op.axes),
        docstring=inspect.getdoc(op.definition),
        definition=code(op.definition),
        direct=code(op.direct),
        regimes=table(("regime", "what it brings to light"), *((f"`{r.name}`", plain(r.about)) for r in op.regimes)),
        properties=", ".join(f"`{name}`" for name in op.properties) or "None.",
    )


def write(folder):
    """Write the pages of all operations and their index; a page that has not changed keeps its time."""
    from realization.layers import KNOWN

    pages = {f"{name}.md": page(op) for name, op in KNOWN.items()} | {"index.md": INDEX.format(names="\n".join(KNOWN))}
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
