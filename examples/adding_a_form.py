"""A canonical form of your own: the state whose entries are the outputs to come.

z(t) = [y(t), y(t+1), ..., y(t+n-1)] if no input follows,     T = [C; C A; ...; C A^(n-1)]

python examples/adding_a_form.py
"""

import numpy as np

from realization.canonical import CanonicalForm, check_form, conversion, convert, register
from realization.core.errors import StructureError
from realization.systems.named import NAMED


def outputs_to_come(system):
    """z = T x with T the observability matrix of one output: A2 shifts, C2 reads the first entry."""
    n = len(system.A)
    if len(system.C) != 1:
        raise StructureError(f"outputs_to_come needs one output, {len(system.C)} came")
    T = np.array([system.C[0] @ np.linalg.matrix_power(system.A, k) for k in range(n)]).reshape(n, n)
    return conversion("outputs_to_come", system, T)


def shape(system):
    """How far A without its last row is from a shift, relative to A, and C from the first unit vector."""
    n = len(system.A)
    A, C = system.A[: n - 1] - np.eye(n, k=1)[: n - 1], system.C - np.eye(1, n)
    return max(np.abs(A).max(initial=0) / max(np.abs(system.A).max(initial=0), 1), np.abs(C).max(initial=0))


FORM = register(
    CanonicalForm(
        name="outputs_to_come",
        convert=outputs_to_come,
        defect=shape,
        group="general",
        title="the state is the next n outputs",
        reference="this file",
    )
)

if __name__ == "__main__":
    failed = []
    for name in ("oscillator", "delay_line", "sampled_legs", "close_poles"):
        system = NAMED[name].make()
        try:
            found = convert(system, FORM.name)
        except StructureError as refusal:
            print(f"{name}: {refusal}")
            continue
        print(f"{name}: condition {found.condition:.1e}, residual {found.residual:.0e}")
        for check in check_form(FORM, system, rng=0):
            print(f"    {check.name}: {check.measured:.1e}, allowed {check.allowed:.1e}")
            failed += [check] * (not check.passed)
    assert failed == []
