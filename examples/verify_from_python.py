"""Judge a kernel from Python, and look at the exact value, the bound and the gradient of one case.

    python examples/verify_from_python.py
"""

import numpy as np

from realization import OPS, Claim, golden, judge

CLAIM = Claim(chunk=64)  # float32 throughout, chunks of 64, decays as products
COUNT = 32  # one case of each regime, twice


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
    for name in ("demo", "demo-bug"):  # or a function of yours
        found = judge(name, "selective_scan", claim=CLAIM, cases=COUNT, properties=("causality", "split"))
        print(str(found).partition("\n")[0])
        look_closer(found.worst or found.results[0])
