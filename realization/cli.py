"""The command: `realization list | verify | memory | doctor`.  It parses, calls the library and prints.

Exit status: 0 conforming, 1 not conforming or nothing decided, 2 usage, 3 environment.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realization.core.ops import Op
    from realization.verify.run import Report

OK, REJECTED, USAGE, ENVIRONMENT = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments.  Default: those of the process.

    Returns
    -------
    int
        0 conforming, 1 not conforming or nothing decided, 2 usage, 3 environment.
    """
    arguments = parser().parse_args(argv)
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("interrupted before a case was finished", file=sys.stderr)
        return REJECTED
    except BrokenPipeError:  # `| head` has seen enough; the verdict stands
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(getattr(arguments, "status", OK))
    except Exception as e:
        status = _status(e)
        if status is None:
            raise
        print(f"realization: {e}", file=sys.stderr)
        return status


def _status(e: Exception) -> int | None:
    """Exit status of the errors that are the user's or the machine's; None for a bug of ours."""
    from realization.core.errors import RealizationError
    from realization.verify.subject import MissingError

    if isinstance(e, MissingError):
        return ENVIRONMENT
    if isinstance(e, ImportError):
        return ENVIRONMENT
    return USAGE if isinstance(e, RealizationError | OSError) else None


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="realization", description="Judge sequence-model kernels against certified truth."
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    list_ = commands.add_parser("list", help="ops, embedded subjects, claims and conventions")
    list_.add_argument("--json", action="store_true", help="as JSON")
    list_.add_argument("--conventions", action="store_true", help="foreign functions whose calling convention is known")
    list_.add_argument("--op", metavar="FILE.py:OP", help="this operation only")
    list_.set_defaults(run=run_list)

    verify = commands.add_parser(
        "verify",
        help="judge a kernel",
        description="Judge a kernel. Without SUBJECT: judge the embedded `demo`, and show on `demo-bug` what a "
        "failure looks like.",
        epilog="exit status: 0 conforming, 1 not conforming or nothing decided, 2 usage, 3 environment",
    )
    option = verify.add_argument
    option("subject", nargs="?", metavar="SUBJECT", help="package.module:function, file.py:function, demo or demo-bug")
    option("--op", help="what the function computes (see `realization list`), or file.py:OP")
    option("--claim", default="", metavar="k=v,...", help="what the kernel says of its arithmetic, or a claim's name")
    option("--convention", metavar="NAME", help="calling convention that it follows (see `list --conventions`)")
    option("--array", choices=("numpy", "torch", "jax"), help="arrays that it takes")
    option("--path", metavar="DIR", help="look for its modules in this folder first: sources, or a checkout")
    option("--inputs", metavar="FILE.npz", help="judge on these arguments of the op")
    option("--grad", action="store_true", help="judge the gradients too, by autograd or --backward")
    option("--backward", metavar="NAME", help="function: arguments and cotangents to gradients")
    option("--property", metavar="NAME", help="ask for this property only")
    option("--cases", type=_positive, metavar="N", help="how many cases")
    option("--seed", type=_natural, default=0, metavar="S", help="seed of the cases")
    option("--case", metavar="ID", help="judge this case only")
    option("--against", metavar="OLD", help="compare with another kernel, or with a report that --json wrote")
    option("--shrink", metavar="FILE.py", help="write the smallest failure that is found as a short script")
    option("--json", metavar="FILE", help="write the report as JSON, - for standard output")
    option("--quiet", action="store_true", help="only the verdict, and the failure")
    verify.set_defaults(run=run_verify)

    memory = commands.add_parser(
        "memory",
        help="what the layers of a Mamba checkpoint remember, and how long",
        description="What each layer and head of a Mamba-1 or Mamba-2 checkpoint remembers, from its weights alone.",
    )
    memory.add_argument("file", metavar="FILE", help="model.safetensors, its index, or their folder")
    memory.add_argument(
        "--precision", default="bfloat16", metavar="P", help="what the window is measured at: a number, or a format"
    )
    memory.add_argument("--layer", type=_natural, metavar="I", help="this layer, head by head or channel by channel")
    memory.add_argument("--json", action="store_true", help="as JSON, every head of every layer")
    memory.set_defaults(run=run_memory)

    doctor = commands.add_parser("doctor", help="versions and settings of this machine, to paste into an issue")
    doctor.set_defaults(run=run_doctor)
    return top


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} given, a whole number from 0 on is needed")
    return int(text)


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} given, a whole number from 1 on is needed")
    return value


# list -----------------------------------------------------------------------


def run_list(arguments: argparse.Namespace) -> int:
    """Print what the command knows."""
    from realization.core.claim import NAMED
    from realization.layers import KNOWN
    from realization.verify import demo, subject

    if arguments.conventions:
        content: Any = subject.conventions()
    else:
        ops = KNOWN if arguments.op is None else {arguments.op: subject.known_op(arguments.op, KNOWN)}
        content = {
            "ops": {name: _described(op) for name, op in ops.items()},
            "subjects": list(demo.SUBJECTS),
            "claims": list(NAMED),
        }
    if arguments.json:
        print(json.dumps(content, indent=2))
    elif arguments.conventions:
        print("\n".join(content))
    else:
        width = max(map(len, content["ops"]))
        for name, op in content["ops"].items():
            print(f"{name:{width}} {op['title']}\n{'':{width}} {', '.join(op['arguments'])}")
        for name in ("subjects", "claims"):
            print(f"{name:{width}} {', '.join(content[name])}")
    return OK


def _described(op: Op) -> dict[str, Any]:
    return {
        "title": op.title,
        "signature": op.signature,
        "arguments": op.arguments,
        "regimes": [r.name for r in op.regimes],
        "properties": op.properties,
    }


# verify ---------------------------------------------------------------------


def run_verify(arguments: argparse.Namespace) -> int:
    """Judge a subject, or show both embedded ones."""
    if arguments.subject is not None:
        return _judge(arguments, arguments.subject)
    status = _judge(arguments, "demo")
    if not arguments.json and not arguments.case and not arguments.inputs:
        print("\nThis is what a failure looks like (realization verify demo-bug):\n")
        arguments.cases, arguments.quiet = arguments.cases or 30, True
        _judge(arguments, "demo-bug")
    return status


def _judge(arguments: argparse.Namespace, name: str) -> int:
    from realization.verify import report

    found = _report(arguments, name)
    arguments.status = OK if found.verdict == report.CONFORMING else REJECTED
    if arguments.json:
        content = json.dumps(report.as_json(found), indent=1)
        if arguments.json == "-":
            print(content)
        else:
            with open(arguments.json, "w", encoding="utf-8") as file:
                file.write(content + "\n")
    if arguments.json != "-":
        print(report.text(found, quiet=arguments.quiet))
    if arguments.shrink:
        print(_shrunk(arguments.shrink, found), file=sys.stderr if arguments.json == "-" else sys.stdout)
    return int(arguments.status)


def _shrunk(path: str, found: Report) -> str:
    """Write the script of a small failure; say what was done."""
    from realization.verify import script, shrink

    start = shrink.smallest(found)
    if start is None and found.gradients is not None:
        return _shrunk(path, found.gradients)
    if start is None:
        return "nothing to shrink: no case fails with a wrong value"
    with Progress(0) as progress:
        small = shrink.shrink(found.subject, found.claim, start, progress=progress.step)
    source = script.script(found.subject, found.claim, small)
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    before, after = (shrink.size(r.case.arguments) for r in (start, small))
    return f"shrunk from {before} numbers to {after}; {path} fails while the kernel is wrong"


def _report(arguments: argparse.Namespace, name: str) -> Report:
    from realization.verify.judge import prepare

    asked = None if arguments.property is None else (arguments.property,)
    task = prepare(
        name, arguments.op, claim=arguments.claim, convention=arguments.convention, array=arguments.array,
        path=arguments.path, cases=arguments.cases if asked is None else 0, seed=arguments.seed, case=arguments.case,
        inputs=arguments.inputs, properties=asked, against=arguments.against,
        grad=arguments.grad, backward=arguments.backward,
    )  # fmt: skip
    with Progress(task.steps) as progress:
        return task.run(progress.step)


class Progress:
    """A line on standard error that is rewritten, on a terminal only."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.began = total, 0, time.monotonic()
        self.shown = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def step(self, what: str) -> None:
        """Show what is done now, and the time that is left after two seconds."""
        self.done += 1
        if not self.shown:
            return
        spent = time.monotonic() - self.began
        rest = spent / self.done * max(self.total - self.done, 0)
        left = f", about {rest:.0f} s left" if spent > 2 and self.total else ""
        count = f"{self.done}/{self.total} " if self.total else ""
        print(f"\r\x1b[K{count}{what}{left}"[:110], end="", file=sys.stderr, flush=True)


# memory ---------------------------------------------------------------------


def run_memory(arguments: argparse.Namespace) -> int:
    """Print what the layers of a checkpoint remember."""
    from realization.memory import checkpoint, text

    precision = checkpoint.precision_of(arguments.precision)
    with Progress(checkpoint.layer_count(arguments.file)) as progress:
        layers = checkpoint.checkpoint_memory(arguments.file, progress=progress.step)
    if arguments.json:
        print(json.dumps(text.as_json(layers, precision=precision), indent=1))
    else:
        print(text.text(layers, precision=precision, layer=arguments.layer))
    return OK


# doctor ---------------------------------------------------------------------


def run_doctor(arguments: argparse.Namespace) -> int:
    """Print versions and settings."""
    from realization.verify.doctor import diagnose

    for name, value in diagnose().items():
        print(f"{name:14} {value}")
    return OK
