"""What the power test reads of a simulated kernel, correct or mutated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from .plan import Plan

_CHOICE = "capacity rule threshold count eviction visibility chunk entry seed"
_READ = ("cos sin query_norm key_norm fading_query_norm fading_key_norm seq_idx window fading_lag fading_width "
         "slot_positions scale norm_eps interleaved")

ACCEPTS = {
    op: frozenset(arguments.split())
    for op, arguments in {
        "selective_scan": "u delta A B C D z delta_bias delta_softplus discretization initial_state",
        "gated_delta_rule": "query key value beta log_decay scale l2norm norm_eps initial_state seq_idx cu_seqlens",
        "ssd": "x dt A B C D z dt_bias dt_softplus dt_limit initial_state seq_idx cu_seqlens",
        "causal_conv1d": "x weight bias initial_state seq_idx cu_seqlens activation",
        "sliding_window_attention": "query key value cos sin query_norm key_norm bias sink selected cu_seqlens "
                                    "window scale softcap norm_eps interleaved",
        "bmojo_f": "query key value fading_key fading_value fading_query cos sin query_norm key_norm "
                   "fading_query_norm fading_key_norm window scale norm_eps interleaved",
        "select": f"surprise seq_idx window {_CHOICE}",
        "bmojo": f"query key value surprise fading_key fading_value fading_query {_READ} {_CHOICE}",
        "bmojo_layer": "x fading features predictor_weight query_weight key_weight value_weight output_weight "
                       "query_bias key_bias value_bias output_bias fading_query_weight fading_key_weight "
                       f"fading_value_weight fading_query_bias fading_key_bias fading_value_bias statistic {_READ} "
                       f"{_CHOICE}",
    }.items()
}

#: What a backward kernel does not take: no public one differentiates the zoh weight.
NOT_BACKWARD = frozenset({"discretization"})


def in_float64(function: partial) -> partial:
    """A kernel, or what is wired around one, with every site of its plan in float64."""
    inner = function.args[0]
    if isinstance(inner, Plan):
        return partial(function.func, replace(inner, work="float64", formats={"out": "float64"}))
    return partial(function.func, in_float64(inner))


@dataclass(frozen=True)
class Kernel:
    """A simulated kernel.

    Forward, ``function(**canonical arguments)`` returns the outputs in the op's order; ``y`` holds
    values of ``claim["out"]``, a final state values of ``claim["state"]``.  Backward, it takes
    ``cotangent_<output>`` besides and returns the gradients by argument name, in the same formats.
    """

    name: str
    op: str
    function: Callable
    claim: Mapping
    note: str
    plan: Plan
    accepts: frozenset[str]

    @classmethod
    def of(cls, name: str, note: str, run: Callable, plan: Plan, *, without=frozenset()) -> Kernel:
        return cls(name, plan.op, partial(run, plan), plan.claim(), note, plan, ACCEPTS[plan.op] - without)

    @property
    def exactly(self) -> Callable:
        """The same formulas in float64 throughout."""
        return in_float64(self.function)


@dataclass(frozen=True)
class Mutant:
    """A kernel with one slip.  The claim is always the parent's: a mutant does not know."""

    name: str
    op: str
    function: Callable
    claim: Mapping
    kind: str  # structure or arithmetic
    reason: str
    parent: str
    accepts: frozenset[str]
    equivalent: str | None = None  # why no value can tell it from a kernel that keeps the claim

    @property
    def exactly(self) -> Callable:
        """The same formulas, slip included, in float64 throughout."""
        return in_float64(self.function)

    @classmethod
    def of(cls, parent: Kernel, kind, slip, reason, *, around=None, equivalent=None, narrow=None, **choices) -> Mutant:
        """``choices`` change the plan, ``narrow`` keeps sites in other formats, ``around`` changes
        what goes in or comes out."""
        plan = replace(parent.plan, **choices)
        plan = replace(plan, formats={**plan.formats, **(narrow or {})})
        function = partial(parent.function.func, plan)
        if around is not None:
            function = partial(around, function)
        name = f"{parent.name}: {slip}"
        return cls(name, parent.op, function, parent.claim, kind, reason, parent.name, parent.accepts, equivalent)


def faults(table: str, parents: Mapping[str, Kernel]):
    """Mutants from lines "parent | fault inside the kernel | reason"; the parent of a line that
    leaves it out is that of the line before."""
    parent = ""
    for line in table.strip().splitlines():
        name, fault, reason = (part.strip() for part in line.split("|"))
        parent = name or parent
        yield Mutant.of(parents[parent], "structure", fault, reason, fault=fault)
