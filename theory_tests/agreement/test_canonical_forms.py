"""Every registered form, at every named system: what makes it canonical is measured, and wrong forms fail."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.canonical import (
    FORMS,
    CanonicalForm,
    Conversion,
    check_form,
    conversion,
    convert,
    register,
    vandermonde,
)
from realization.core.errors import ShapeError, StructureError
from realization.systems import LinearSSM, TimeVaryingSSM, dual, similar
from realization.systems.families import conditioned
from realization.systems.named import NAMED, NAMED_CONTINUOUS


def random_system(n, m=1, p=1, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    A *= 0.9 / max(np.abs(np.linalg.eigvals(A)).max(initial=0), 0.1)
    return LinearSSM(A, rng.standard_normal((n, m)), rng.standard_normal((p, n)), rng.standard_normal((p, m)))


def partly_reached(kappa, seed=5):
    """Three states that the input reaches beside two that it does not, in a basis of condition kappa."""
    rng = np.random.default_rng(seed)
    reached, rest = random_system(3, seed=seed), np.diag([0.3, -0.6])
    A = np.block([[reached.A, rng.standard_normal((3, 2))], [np.zeros((2, 3)), rest]])
    C = np.hstack([reached.C, rng.standard_normal((1, 2))])
    return similar(LinearSSM(A, np.vstack([reached.B, np.zeros((2, 1))]), C, reached.D), conditioned(5, kappa, rng=rng))


SYSTEMS = {name: entry.make() for name, entry in [*NAMED.items(), *NAMED_CONTINUOUS.items()]} | {
    "no state": random_system(0),
    "one state": random_system(1),
    "many inputs": random_system(6, m=3, p=2),
    "no input": random_system(3, m=0, p=2),
    "no output": random_system(3, m=2, p=0),
    "dependent inputs": LinearSSM(np.diag([0.5, 0.2, -0.3]), [[1, 2, 0]] * 3, [[1, 2, 3]], [[0, 0, 0]]),
    "partly reached": partly_reached(1),
    "partly reached, hidden": partly_reached(100),
    "complex": LinearSSM([[0.5j, 0.2, 0], [0, 0.4, 0.1j], [0.3, 0, -0.2]], [[1], [2j], [1]], [[1, 1j, 0]], [[1j]]),
    "uncontrollable": LinearSSM(np.diag([0.5, 0.2, -0.3]), [[1], [0], [1]], [[1, 1, 1]], [[0]]),
    "integers": LinearSSM(
        [[2, -1, 1, 0, 3], [4, -2, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 1, 0, 2], [0, 0, 0, 0, 3]],
        [[1], [2], [0], [1], [1]],
        [[1, 0, 2, 1, 1]],
        [[1]],
    ),
}


def failed(form, system):
    return [check for check in check_form(form, system, rng=0) if not check.passed]


def refusal(form, system):
    """Return the message with which a form refuses a system, None if it does not."""
    try:
        FORMS[form].convert(system)
    except (StructureError, ShapeError) as error:
        return str(error)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("form", FORMS)
def test_what_a_form_promises(form, system):
    """A refusal gives the number that it rests on, a size that does not fit, or says that real entries are needed."""
    message = refusal(form, SYSTEMS[system])
    if message is None:
        assert failed(FORMS[form], SYSTEMS[system]) == []
    else:
        assert re.search(r"\d|needs real", message)


@pytest.mark.parametrize("form", [form for form in FORMS if FORMS[form].group != "unimodular"])
@settings(max_examples=10)
@given(
    st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 10, 100]), st.integers(0, 2**32 - 1)
)
def test_what_it_promises_at_random_systems(form, n, m, p, kappa, seed):
    """In a basis of condition kappa; one input and one output where the form asks for them."""
    m, p = (1 if f"needs one {side}" in (refusal(form, random_system(2, m=2, p=2)) or "") else k for side, k in
            (("input", m), ("output", p)))  # fmt: skip
    system = similar(random_system(n, m, p, seed), conditioned(n, kappa, rng=seed))
    if refusal(form, system) is None:
        assert [check for check in check_form(FORMS[form], system, rng=seed) if not check.passed] == []


@pytest.mark.parametrize("form", FORMS)
def test_the_checks_decide(form):
    """The control of the test above: at some system of several states every tolerance is far below what is compared.

    Results of two bases are compared there, unless the form leaves something free at every system.
    """
    taken = [system for system in SYSTEMS if len(SYSTEMS[system].A) > 1 and refusal(form, SYSTEMS[system]) is None]
    unique = [system for system in taken if FORMS[form].convert(SYSTEMS[system]).freedom is None]
    checks = (check_form(FORMS[form], SYSTEMS[system], rng=0) for system in unique or taken)
    assert any(all(check.allowed < 1e-8 for check in each) for each in checks), taken


@pytest.mark.parametrize("form", FORMS)
def test_named_systems_are_compared_matrix_by_matrix(form):
    """Where a form leaves something free only invariants are compared: in no form is that all there is."""
    named = [SYSTEMS[name] for name in NAMED if refusal(form, SYSTEMS[name]) is None]
    assert sum(FORMS[form].convert(system).freedom is None for system in named) >= max(5, 0.4 * len(named))


FOR_ANY = ["complex_modal", "real_modal", "block_diagonal_schur", "hessenberg", "memory_split"]


@pytest.mark.parametrize("form", FOR_ANY)
@settings(max_examples=20)
@given(st.sampled_from([1, 1e2, 1e4]), st.integers(0, 2**32 - 1))
def test_what_is_not_reached_is_told_from_rounding(form, kappa, seed):
    assert failed(FORMS[form], partly_reached(kappa, seed)) == []


@pytest.mark.parametrize("form", FOR_ANY)
def test_the_checks_decide_what_is_not_reached(form):
    """The control of the test above: at four of five systems every tolerance is far below what is compared."""
    systems = [partly_reached(kappa, seed) for kappa in (1, 100) for seed in range(8)]
    checks = [check_form(FORMS[form], system, rng=0) for system in systems]
    assert np.mean([all(check.allowed < 1e-3 for check in each) for each in checks]) >= 0.8


@pytest.mark.parametrize("form", FORMS)
def test_a_defect_sees_what_has_not_the_shape(form):
    """Neither a system as it comes nor those in two forms of other kinds are taken for one that was converted."""
    system = LinearSSM([[0, 1, 0.5], [0.5, 0, 0.25], [0.125, 0.5, -0.25]], [[1], [2], [0]], [[1, 0, 2]], [[0]])
    assert FORMS[form].defect(system) > 1e-2
    assert max(FORMS[form].defect(convert(system, other).system) for other in ("hessenberg", "complex_modal")) > 1e-2


def wrong(convert, group="general", defect=lambda system: 0.0):
    return CanonicalForm("wrong", convert, defect, group, "a form with a mistake", "nowhere")


def backwards(system):
    found = convert(system, "controllable_companion")
    return dataclasses.replace(found, T=np.linalg.solve(found.T, np.eye(len(found.T))))


def basis(system):
    return conversion("wrong", system, np.eye(len(system.A)))


def louder(system):
    found = convert(system, "controllable_companion")
    return dataclasses.replace(found, system=dataclasses.replace(found.system, C=found.system.C * (1 + 1e-9)))


def stretched(system):
    found = convert(system, "hessenberg")
    return conversion("wrong", system, np.diag([2.0, *np.ones(len(system.A) - 1)]) @ found.T)


def smaller(system):
    small = LinearSSM(system.A[:-1, :-1], system.B[:-1], system.C[:, :-1], system.D)
    return Conversion("wrong", small, np.eye(len(system.A))[:-1], 1.0, 0.0)


def direct(system):
    found = convert(system, "hessenberg")
    return dataclasses.replace(found, system=dataclasses.replace(found.system, D=found.system.D + 1e-9))


def choosy(system):
    if abs(system.A[0, 0] - random_system(4, seed=3).A[0, 0]) > 1e-3:
        raise StructureError("A[0, 0] is not the one number that is wanted")
    return basis(system)


MISTAKES = {
    "refuses by the basis": (wrong(choosy), {"taken in every basis"}),
    "T leads the other way": (wrong(backwards), {"T A = A2 T, T B = B2, C = C2 T", "round trip"}),
    "depends on the basis": (wrong(basis), {"the same from another basis"}),
    "orthogonal only, said to be general": (
        dataclasses.replace(FORMS["hessenberg"], group="general"),
        {"the same from another basis"},
    ),
    "another behaviour": (wrong(louder), {"Markov parameters", "transfer function"}),
    "not idempotent": (wrong(stretched, group="orthogonal"), {"idempotent"}),
    "loses a state": (wrong(smaller), {"same number of states"}),
    "another shape": (
        dataclasses.replace(FORMS["hessenberg"], defect=FORMS["controllable_companion"].defect),
        {"shape of the form"},
    ),
    "another D": (wrong(direct, group="orthogonal"), {"D stays"}),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_form_fails(mistake):
    form, caught = MISTAKES[mistake]
    assert caught <= {check.name for check in failed(form, random_system(4, seed=3))}


def test_one_refusal_is_the_same_in_every_basis():
    system = SYSTEMS["uncontrollable"]
    for each in (system, similar(system, conditioned(3, 10, rng=0))):
        with pytest.raises(StructureError, match=r"reaches 2 of 3 directions .* margin \d"):
            convert(each, "controllable_companion")


def test_an_observable_form_speaks_of_outputs():
    blind = dual(SYSTEMS["uncontrollable"])
    for form in ("observable_companion", "observable_luenberger"):
        with pytest.raises(
            StructureError, match=r"the output sees 2 of 3 directions .* an observable system is needed"
        ):
            convert(blind, form)
    found = convert(random_system(3), "observable_companion")
    assert found.decisions[0].what == "directions that the output sees"


def test_bad_input():
    with pytest.raises(ShapeError, match=r"no form is named 'jordam'; there are .*hessenberg"):
        convert(random_system(2), "jordam")
    batch = LinearSSM(np.zeros((5, 2, 2)), np.zeros((5, 2, 1)), np.zeros((5, 1, 2)), np.zeros((5, 1, 1)))
    for form in FORMS:
        with pytest.raises(ShapeError, match="one system at a time"):
            convert(batch, form)
    with pytest.raises(ShapeError, match="a TimeVaryingSSM came"):
        convert(TimeVaryingSSM(*(M[None] for M in (np.eye(2), np.eye(2), np.eye(2), np.eye(2)))), "hessenberg")
    with pytest.raises(ShapeError, match="a NoneType came"):
        vandermonde(None)
    with pytest.raises(ShapeError, match="needs one input, 2 came"):
        convert(random_system(3, m=2), "controllable_companion")
    with pytest.raises(ShapeError, match="the name 'hessenberg' is taken"):
        register(dataclasses.replace(wrong(basis), name="hessenberg"))


def test_a_singular_t_is_refused_with_its_condition():
    for T in (np.zeros((2, 2)), np.full((2, 2), np.nan), np.diag([1, 1e-13])):
        with pytest.raises(StructureError, match=r"T has condition (inf|1\.0e\+13), need <= 1e\+12"):
            conversion("mine", random_system(2), T)
    with pytest.raises(ShapeError, match="NaN"):
        LinearSSM([[np.nan]], [[1]], [[1]], [[0]])


def test_a_cell_may_be_run_twice():
    assert register(FORMS["hessenberg"]) is FORMS["hessenberg"]
