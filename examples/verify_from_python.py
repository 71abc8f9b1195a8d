"""Judge a kernel from Python, and look at the exact value, the bound and the gradient of one case.

    python examples/verify_from_python.py
"""

from functools import partial

import numpy as np

from realization import OPS, Claim, golden
from realization.verify import cases, report, run, subject

CLAIM = Claim(chunk=64)  # float32 throughout, chunks of 64, decays as products
COUNT = 32  # one case of each regime, twice


def judge(name):
    """Judge a subject, named as on the command line."""
    kernel = subject.find(name, OPS, op="selective_scan")
    ids = cases.plan(kernel.op, CLAIM, kernel.accepts, count=COUNT)
    draws = [partial(cases.draw, kernel.op, i, CLAIM, kernel.accepts) for i in ids]
    return run.verify(kernel, CLAIM, draws, ask_for=("causality", "split"))


def look_closer(result):
    """Print what is known about the case of a result, beyond its verdict."""
    op, arguments = OPS["selective_scan"], result.case.arguments
    exact = golden(op, arguments)["y"]
    allowed = op.bound(arguments, CLAIM)["y"].error
    error = np.abs(result.outputs["y"] - exact.value)
    gradient = op.adjoint(arguments, {"y": np.ones(exact.value.shape)})
    print(f"  case {result.case.id}: {exact.decided.mean():.0%} of the outputs correctly rounded ({exact.method})")
    print(f"  largest error {error.max():.2g}, largest bound {allowed.max():.2g}")
    print(f"  d(sum of y)/dA has size {np.abs(gradient['A']).max():.2g}")


if __name__ == "__main__":
    for name in ("demo", "demo-bug"):
        found = judge(name)
        print(report.headline(found))
        look_closer(found.worst or found.results[0])
