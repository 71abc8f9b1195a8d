"""A failure as a script: NumPy, the subject, one certified value, at most 20 lines."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.core.ops import Op
from realization.core.rounding import Format, round_to
from realization.layers.gradients import COTANGENT, GRADIENT
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
        At most 20 lines; it exits with an AssertionError that names place, value and
        certified value.

    Raises
    ------
    UsageError
        If the failure is not one wrong value (a shape, an exception, a changed input).
    """
    finding = failure(result)
    if finding is None or result.truth is None:
        raise UsageError(f"the failure is no wrong value, so there is no script of it: {result.sentence}")
    op = subject.op
    place = f"{finding.output}[{', '.join(map(str, finding.place))}]"
    name = _flag(subject, "--backward") or subject.name
    head = [f"# {name} as {op.name}: {place} is wrong (realization verify --shrink)", *_imports(subject)]
    arguments = {k: x for k, x in result.case.arguments.items() if x is not None}
    given = [f"{k} = {_spelled(op, k, x, claim)}" for k, x in arguments.items()]
    value = result.truth.value[finding.output][finding.place]
    certified = _certified(value, finding, output_format(op, finding.output, claim))
    tail = [
        f"given = dict({', '.join(f'{k}={k}' for k in arguments)})",
        *([_tensors(op, arguments, claim)] if subject.array == "torch" else []),
        *_called(subject, finding, arguments),
        _got(subject, finding, complexes=np.iscomplexobj(result.outputs[finding.output])),
        f"certified, allowed = {certified!r}, {_allowed(finding)!r}",
        "assert abs(got - certified) <= allowed, "
        f'f"{place}: got {{got}}, certified {{certified}}, allowed {{allowed}}"',
    ]
    return "\n".join([*head, *_joined(given, LINES - len(head) - len(tail)), *tail]) + "\n"


def _called(subject: Subject, finding: Finding, arguments: Mapping[str, Any]) -> list[str]:
    """Lines that call the subject and leave the output, or the gradient, in `out`."""
    name = finding.output
    if subject.forward is None:
        return [
            "out = subject(**given)",
            f'out = out["{name}"] if isinstance(out, dict) else '
            f"out[{subject.op.outputs.index(name)}] if isinstance(out, (tuple, list)) else out",
        ]
    name = name.removeprefix(GRADIENT)
    if _flag(subject, "--backward"):
        return [f'out = subject(**given).get("{name}")  # one that does not come counts as 0']
    return _differentiated(subject.forward, name, arguments)


def _differentiated(forward: Subject, name: str, arguments: Mapping[str, Any]) -> list[str]:
    """Lines that differentiate L = Re sum of conj(cotangent) output by autograd."""
    outputs = [k.removeprefix(COTANGENT) for k in arguments if k.startswith(COTANGENT)]
    places = [forward.op.outputs.index(k) for k in outputs]
    copied = ", ".join(f'"{k}": given["{k}"].clone()' for k in sorted(forward.changes & set(arguments)))
    return [
        f"bars = [given.pop(k) for k in {[COTANGENT + k for k in outputs]}]",
        "numbers = [x for x in given.values() if torch.is_tensor(x) and (x.is_floating_point() or x.is_complex())]",
        "for x in numbers: x.requires_grad_()",
        f"out = subject(**{{**given, {copied}}})" if copied else "out = subject(**given)",
        f"out = [out[k] for k in {outputs}] if isinstance(out, dict) else "
        f"[out[i] for i in {places}] if isinstance(out, (tuple, list)) else [out]",
        "sum((bar.conj() * y).real.sum() for bar, y in zip(bars, out)).backward()",
        f'out = given["{name}"].grad  # one that does not come counts as 0',
    ]


def _got(subject: Subject, finding: Finding, *, complexes: bool) -> str:
    """The line that reads the number at the place."""
    out = "out" if subject.array == "torch" else "np.asarray(out)"
    read = f"{out}[{', '.join(map(str, finding.place))}]"
    read = read if subject.forward is None else f"0 if out is None else {read}"
    return f"got = {'complex' if complexes else 'float'}({read})"


def _flag(subject: Subject, name: str) -> str | None:
    """What an option of the command was given for this subject."""
    return dict(itertools.pairwise(subject.flags)).get(name)


def _imports(subject: Subject) -> list[str]:
    """Lines that make `subject` the function: the backward pass that was given, or what autograd differentiates."""
    backward = _flag(subject, "--backward")
    name, subject = backward or subject.name, subject.forward or subject
    place, _, attribute = name.rpartition(":")
    arrays = "import torch\n" if subject.array == "torch" else ""
    lines = [f"{arrays}import numpy as np"]
    if name in demo.SUBJECTS:
        function = demo.SUBJECTS[name][0]
        lines.append(f"from {function.__module__} import {function.__name__} as subject")
    elif subject.note and not backward:  # the calling convention is foreign, and the adapter knows it
        options = dict(zip(subject.flags[::2], subject.flags[1::2], strict=True))
        words = ", ".join(f"{k.removeprefix('--')}={v!r}" for k, v in options.items())
        lines.append("from realization import KNOWN; from realization.verify.subject import find  # for the convention")
        lines.append(f"subject = find({subject.name!r}, KNOWN, {words}).call")
    else:
        file = place.endswith(".py")
        folder = str(Path(place).resolve().parent) if file else str(Path(_flag(subject, "--path") or ".").resolve())
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
