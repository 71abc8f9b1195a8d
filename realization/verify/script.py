"""A failure as a script: NumPy, the subject, one certified value, at most 20 lines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.core.ops import Op
from realization.core.rounding import Format, round_to
from realization.verify import demo
from realization.verify.arrays import encode
from realization.verify.cases import handed_over
from realization.verify.run import Result
from realization.verify.shrink import failure
from realization.verify.subject import Subject, UsageError
from realization.verify.verdict import Finding, output_format

LINES, WIDTH, EXCEPTIONS = 20, 118, 6


def script(subject: Subject, claim: Claim, result: Result) -> str:
    """Return a script that calls the subject and fails while it is wrong.

    Parameters
    ----------
    subject : Subject
        The kernel.
    claim : Claim
        Its arithmetic.
    result : Result
        A failing case with a wrong value.

    Returns
    -------
    str
        At most 20 lines; it exits with an AssertionError that names place, value and certified value.

    Raises
    ------
    UsageError
        If the failure is not one wrong value (a shape, an exception, a changed input).
    """
    finding = failure(result)
    if finding is None or result.truth is None:
        raise UsageError(f"the failure is no wrong value, so there is no script of it: {result.sentence}")
    op, torch = subject.op, subject.array == "torch"
    place = f"{finding.output}[{', '.join(map(str, finding.place))}]"
    head = [f"# {subject.name} as {op.name}: {place} is wrong (realization verify --shrink)", *_imports(subject)]
    arguments = {k: x for k, x in result.case.arguments.items() if x is not None}
    given = [f"{k} = {_spelled(op, k, x, claim)}" for k, x in arguments.items()]
    value = result.truth.value[finding.output][finding.place]
    certified = _certified(value, finding, output_format(op, finding.output, claim))
    number = "complex" if np.iscomplexobj(result.outputs[finding.output]) else "float"
    tail = [
        f"given = dict({', '.join(f'{k}={k}' for k in arguments)})",
        *([_tensors(op, arguments, claim)] if torch else []),
        "out = subject(**given)",
        f'out = out["{finding.output}"] if isinstance(out, dict) else '
        f"out[{op.outputs.index(finding.output)}] if isinstance(out, (tuple, list)) else out",
        f"got = {number}({'out' if torch else 'np.asarray(out)'}[{', '.join(map(str, finding.place))}])",
        f"certified, allowed = {certified!r}, {_allowed(finding)!r}",
        "assert abs(got - certified) <= allowed, "
        f'f"{place}: got {{got}}, certified {{certified}}, allowed {{allowed}}"',
    ]
    return "\n".join([*head, *_joined(given, LINES - len(head) - len(tail)), *tail]) + "\n"


def _imports(subject: Subject) -> list[str]:
    """Lines that make `subject` the function."""
    place, _, attribute = subject.name.rpartition(":")
    arrays = "import torch\n" if subject.array == "torch" else ""
    lines = [f"{arrays}import numpy as np"]
    if subject.name in demo.SUBJECTS:
        function = demo.SUBJECTS[subject.name][0]
        lines.append(f"from {function.__module__} import {function.__name__} as subject")
    elif subject.note:  # the calling convention is foreign, and the adapter knows it
        options = dict(zip(subject.flags[::2], subject.flags[1::2], strict=True))
        words = ", ".join(f"{k.removeprefix('--')}={v!r}" for k, v in options.items())
        lines.append("from realization import KNOWN; from realization.verify.subject import find  # for the convention")
        lines.append(f"subject = find({subject.name!r}, KNOWN, {words}).call")
    else:
        file = place.endswith(".py")
        folder = str(Path(place).resolve().parent) if file else os.getcwd()
        module = Path(place).stem if file else place
        lines += ["import importlib, sys", f"sys.path.insert(0, {folder!r})"]
        lines.append(f"subject = importlib.import_module({module!r}).{attribute}")
    return "\n".join(lines).splitlines()


def _tensors(op: Op, arguments: Mapping[str, Any], claim: Claim) -> str:
    """One line that turns arrays into tensors; NumPy has no bfloat16, so these are cast."""
    floats = (k for k, x in arguments.items() if isinstance(x, np.ndarray) and x.dtype.kind == "f")
    short = [k for k in floats if handed_over(op, k, claim) == "bfloat16"]
    cast = f".to(torch.bfloat16 if k in {short} else None)" if short else ""
    return f"given = {{k: torch.from_numpy(x){cast} if isinstance(x, np.ndarray) else x for k, x in given.items()}}"


def _certified(value: Any, finding: Finding, form: Format) -> Any:
    """The value at the place; of exact integers the one that the output format holds."""
    if finding.layer == "A":
        value = round_to(value.real, form) + (1j * round_to(value.imag, form) if np.iscomplexobj(value) else 0)
    return complex(value) if np.iscomplexobj(value) else float(value)


def _allowed(finding: Finding) -> float:
    """The tolerance to four digits, rounded up; exact integers are allowed nothing."""
    return float(f"{float(finding.tolerance[finding.place]) * 1.0005:.4g}")


# Arrays as expressions ------------------------------------------------------


def _spelled(op: Op, name: str, x: Any, claim: Claim) -> str:
    """An argument as Python source; an array with few exceptions has them behind a semicolon."""
    if not isinstance(x, np.ndarray):
        return repr(x).replace("inf", "np.inf")
    x = encode(x, handed_over(op, name, claim))
    values, counts = np.unique(x, return_counts=True)
    base = values[np.argmax(counts)] if values.size else x.dtype.type(0)
    others = np.argwhere(x != base)
    if not x.size or (x.size > 3 and len(others) <= EXCEPTIONS):
        whole = _whole(x, base)
        return "; ".join([whole, *(f"{name}[{', '.join(map(str, i))}] = {_number(x[tuple(i)])}" for i in others)])
    listed = f"np.array({_listed(x)}, np.{x.dtype.name})"
    if len(listed) <= WIDTH or x.size <= 16:
        return listed
    return f'np.frombuffer(bytes.fromhex("{x.tobytes().hex()}"), np.{x.dtype.name}).reshape{x.shape}.copy()'


def _whole(x: np.ndarray, base: Any) -> str:
    """An array of one value."""
    for value, word in ((0, "zeros"), (1, "ones")):
        if base == value:
            return f"np.{word}({x.shape}, np.{x.dtype.name})"
    return f"np.full({x.shape}, {_number(base)}, np.{x.dtype.name})"


def _listed(x: np.ndarray) -> str:
    return _number(x[()]) if not x.ndim else "[" + ", ".join(_listed(row) for row in x) + "]"


def _number(x: Any) -> str:
    """The shortest decimal that rounds to x in its own format."""
    if np.iscomplexobj(x):
        return f"{_number(x.real)} + {_number(x.imag)}j".replace("+ -", "- ")
    text = str(x)
    return text.removesuffix(".0") if text.endswith(".0") else text


def _joined(lines: list[str], count: int) -> list[str]:
    """Put the shortest statements on one line until there are few enough lines."""
    lines = list(lines)
    while len(lines) > max(count, 1):
        lines.sort(key=len)
        lines[:2] = ["; ".join(lines[:2])]
    return lines
