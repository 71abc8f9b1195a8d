"""Linear systems against SciPy, slycot and python-control, run times and answers: python3 dev.py bench.

One process on one core with one thread; run times are medians of sides that take turns.  The
answers are compared with what is known of each family, computed in 60 digits where it has to be.
"""

import functools
import sys
import warnings

import compare  # before NumPy
import families
import numpy as np
import scipy.linalg
import scipy.signal

from realization.canonical import companion_system, convert, from_rational, from_zeros_poles, minimal_realization
from realization.core.errors import RealizationError
from realization.linalg import discrete_riccati, hankel_singular_values
from realization.systems import LinearSSM, RationalTransfer, ZerosPolesGain
from realization.systems.families import random_stable, redundant
from realization.systems.library import diagonal

CONTROL = ("control", "slycot")


def of_control(system, time=0):
    """The system as python-control has it; time 0 is continuous, True discrete."""
    import control

    return control.ss(system.A, system.B, system.C, system.D, time)


# run times


def ours(system, u):
    return lambda: system.simulate(u).y


def with_dlsim(system, u):
    matrices = (system.A, system.B, system.C, system.D, 1.0)
    return lambda: scipy.signal.dlsim(matrices, u)[1]


def with_control(system, u):
    import control

    other, steps = of_control(system, True), np.arange(len(u))
    return lambda: control.forced_response(other, steps, u.T).outputs.T


def with_slycot(system, u):
    import slycot

    (n, m), p, columns = system.B.shape, len(system.C), np.asfortranarray(u.T)
    return lambda: slycot.tf01md(n, m, p, len(u), system.A, system.B, system.C, system.D, columns, np.zeros(n))[1].T


def with_numpy(system, u):
    """The recurrence step by step; what reads no state is done at once."""
    A, B, C, D = system.A, system.B, system.C, system.D

    def run():
        x, written, states = np.zeros(len(A)), u @ B.T, np.empty((len(u), len(A)))
        for t in range(len(u)):
            states[t] = x
            x = A @ x + written[t]
        return states @ C.T + u @ D.T

    return run


# n, m, p, T: (whom, packages, side, sense and target of theirs / ours)
SIMULATIONS = {
    (16, 4, 4, 100_000): (
        ("scipy.signal.dlsim", (), with_dlsim, "at least", 20.0),
        ("control.forced_response", CONTROL, with_control, "at least", 20.0),
        ("slycot.tf01md", ("slycot",), with_slycot, "at least", 1 / 1.2),
    ),
    (64, 4, 4, 20_000): (
        ("slycot.tf01md", ("slycot",), with_slycot, "", None),
        ("NumPy, step by step", (), with_numpy, "", None),
    ),
    (256, 8, 8, 10_000): (
        ("slycot.tf01md", ("slycot",), with_slycot, "", None),
        ("NumPy, step by step", (), with_numpy, "at least", 1.0),
    ),
}


def own_riccati(*case):
    return lambda: discrete_riccati(*case).X


def scipy_riccati(*case):
    return lambda: scipy.linalg.solve_discrete_are(*case)


def control_riccati(*case):
    import control

    return lambda: control.dare(*case)[0]


def difference(first, second):
    return f"equal to {np.abs(first - second).max() / np.abs(second).max():.0e}"


def run_times():
    for (n, m, p, T), peers in SIMULATIONS.items():
        case = random_stable(n, m, p), np.random.default_rng(1).standard_normal((T, m))
        for name, packages, side, sense, target in peers:
            both = (functools.partial(make, *case) for make in (ours, side))
            title = f"simulation, n={n}, m={m}, p={p}, T={T}: {name}"
            yield compare.timing(title, packages, *both, difference, sense, target)
    case = families.riccati(np.random.default_rng(0))

    def residuals(*solutions):
        return f"residuals {' and '.join(f'{families.riccati_residual(*case, X):.0e}' for X in solutions)}"

    for name, packages, side, sense, target in (
        ("scipy.linalg", (), scipy_riccati, "at least", 5.0),
        ("control.dare", CONTROL, control_riccati, "", None),
    ):
        both = (functools.partial(make, *case) for make in (own_riccati, side))
        yield compare.timing(f"Riccati, n=100, m=10: {name}", packages, *both, residuals, sense, target)


# orders


def orders_of_control(system):
    """At its default tolerance and at two others."""
    if compare.absent(CONTROL):
        return ["skipped"] * 3
    import control

    return [control.minreal(of_control(system), tol, verbose=False).nstates for tol in (None, 1e-10, 1e-6)]


# order that is known, system, and what a user of another library has reported
CASES = {
    "three modes, one of them read": (
        1, LinearSSM(np.diag([-1, -2, -3]), np.ones((3, 1)), [[1, 0, 0]], [[0]]), "harold 1.0.3: 2",
    ),
    "(1/s, 1, s, s², s³) / (s-1)⁴, of 21 states": (5, families.powers_of_s(), "ControlSystems.jl 1.8.1: 21"),
    "7 first-order blocks, 4 of them distinct": (4, families.first_order_blocks(), "ControlSystems.jl: 5"),
}  # fmt: skip


def orders():
    drawn = [(condition, seed) for condition in (1.0, 1e3, 1e6) for seed in range(3)]
    names = [f"50 states, basis of condition {condition:.0e}, draw {seed}" for condition, seed in drawn]
    cases = {name: (20, redundant(condition=c, rng=i), "") for name, (c, i) in zip(names, drawn, strict=True)}
    for name, (known, system, reported) in (cases | CASES).items():
        found = minimal_realization(system)
        yield name, known, found.order if found.decided else "undecided", *orders_of_control(system), reported


# companion systems


def transfer_error(system, exact, points=(0, 0.1j, 1j, 10j)):
    """The error as text; below the unit roundoff its digits say nothing."""
    error = families.transfer_error((system.A, system.B, system.C, system.D), exact, points)
    return "below 1e-16" if error < 1e-16 else f"{error:.0e}"


def own_companion(system, poles):
    error = transfer_error(companion_system(system), families.residues_one(poles))
    try:
        return error, f"{convert(system, 'controllable_companion').condition:.0e}"
    except RealizationError:
        return error, "refused"


def control_companion(system, poles):
    if compare.absent(["control"]):
        return "skipped", ""
    import control

    try:
        found, T = control.reachable_form(of_control(system))
    except ValueError:
        return "refused", ""
    return transfer_error(found, families.residues_one(poles)), f"{np.linalg.cond(T):.0e}"


def companions():
    spectra = {f"poles -1 ... -{n}": -np.arange(1.0, n + 1) for n in (4, 8, 12, 16, 20)}
    spectra |= {f"4 poles at -1, gap {gap:.0e}": -1 - gap * np.arange(4) for gap in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)}
    for name, poles in spectra.items():
        system = diagonal(poles)
        yield name, *own_companion(system, poles), *control_companion(system, poles)


# zeros and poles


def butterworth():
    """Low-pass filters at a twentieth of the highest frequency: all poles lie near 1, all zeros at -1."""
    points = np.exp(1j * np.pi * np.array([0.01, 0.05, 0.1, 0.3]))
    for order in (4, 8, 12, 16):
        zeros, poles, gain = scipy.signal.butter(order, 0.05, output="zpk")
        own = from_zeros_poles(ZerosPolesGain(((zeros,),), poles, np.array([[gain]])))
        other = LinearSSM(*scipy.signal.zpk2ss(zeros, poles, gain))
        exact = families.from_roots(zeros, poles, gain)
        yield order, *(transfer_error(system, exact, points) for system in (own, other))


# Hankel singular values


def slycot_hankel(A, B, C):
    import slycot

    n = len(A)
    return slycot.ab09ad("D", "B", "N", n, B.shape[1], len(C), A, B, C, nr=n)[4][:n]


def scipy_hankel(A, B, C):
    """Square roots of the eigenvalues of P Q."""
    P = scipy.linalg.solve_discrete_lyapunov(A, B @ B.T)
    Q = scipy.linalg.solve_discrete_lyapunov(A.T, C.T @ C)
    return np.sqrt(np.sort(np.abs(np.linalg.eigvals(P @ Q)))[::-1])


def hankel():
    for condition in (1.0, 10.0, 1e2, 1e4):
        system = families.hankel_family(condition)
        truth = families.hankel_truth(system)
        errors = [
            f"{(np.abs(values(system.A, system.B, system.C) - truth) / truth).max():.0e}"
            if not compare.absent(packages)
            else "skipped"
            for values, packages in ((hankel_singular_values, ()), (slycot_hankel, ["slycot"]), (scipy_hankel, ()))
        ]
        yield f"{condition:.0e}", f"{truth[-1] / truth[0]:.0e}", *errors


# answers that are known


def faurre():
    """P = A P A' + (G - A P C') inv(L - C P C') (...)' at A = 1/2, C = 1, G = 1/2, L = 2: P = 1 -+ sqrt(3)/2."""
    A, C, G, L = (np.array([[x]]) for x in (0.5, 1.0, 0.5, 2.0))
    case = A.T, C.T, 0 * A, -L, -G
    both = [discrete_riccati(*case, which=which).X.item() for which in ("stabilizing", "antistabilizing")]
    other = scipy.linalg.solve_discrete_are(*case[:4], s=case[4]).item()
    show = " and ".join(f"{abs(x):.7f}" for x in both)
    known = f"{1 - np.sqrt(0.75):.7f} and {1 + np.sqrt(0.75):.7f}"
    return "smallest and largest solution of Faurre's equation", known, show, f"scipy.linalg: {abs(other):.7f} only"


# A, B, Q, R and the solution
RICCATI = {
    "Riccati, a delay of two steps": ([[0, 1], [0, 0]], [[0], [1]], np.eye(2), [[1]], np.diag([1, 2])),
    "Riccati, R singular": ([[0, -1], [0, 2]], [[1, 0], [1, 1]], [[1, 0], [0, 0]], [[4, 2], [2, 1]], np.diag([1, 0])),
}


def small_riccati():
    for name, (*case, X) in RICCATI.items():
        case = [np.asarray(M, dtype=float) for M in case]
        both = discrete_riccati(*case).X, scipy.linalg.solve_discrete_are(*case)
        yield name, f"diag{tuple(np.diag(X).tolist())}", *(f"off by {np.abs(found - X).max():.0e}" for found in both)


def order_16():
    numerator, denominator = families.ORDER_16
    known = np.roots(denominator).real.max()
    mine = np.linalg.eigvals(from_rational(RationalTransfer([[numerator]], denominator)).A).real.max()
    theirs = "skipped"
    if not compare.absent(CONTROL):
        import control

        other = control.tf2ss(control.tf(numerator, denominator), method="slycot")
        theirs = f"slycot.td04ad: {other.poles().real.max():.3e}"
    return "realization of a stable transfer function of order 16: last pole", f"{known:.3e}", f"{mine:.3e}", theirs


def sections():
    """The tables, one after the other."""
    yield "Run times", compare.table(compare.TIMES, run_times())
    head = ("system", "known", "ours", "control.minreal", "at 1e-10", "at 1e-6", "reported of others")
    yield "Order of a minimal realization", compare.table(head, orders())
    head = ("system", "ours", "condition of T", "control.reachable_form", "condition of its T")
    title = "Companion systems: largest relative error of the transfer function at 0, 0.1i, i and 10i"
    yield title, compare.table(head, companions())
    title = "Butterworth low-pass filters from their zeros and poles: largest relative error of the transfer function"
    yield title, compare.table(("order", "ours", "scipy.signal.zpk2ss"), butterworth())
    head = ("condition of the basis", "smallest / largest", "ours", "slycot.ab09ad", "SciPy, eigenvalues of P Q")
    yield "Hankel singular values: largest relative error", compare.table(head, hankel())
    head = ("case", "known", "ours", "theirs")
    yield "Other known answers", compare.table(head, (faurre(), *small_riccati(), order_16()))
    yield "Versions", compare.versions("numpy", "scipy", "numba", *CONTROL)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # those of the other side; ours gives none
    compare.main("linear", __doc__, sections, sys.argv[1:])
