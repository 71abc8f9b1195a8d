"""Adapters: how a function written elsewhere is called with canonical arguments.

An operation has one meaning and many calling conventions.  An adapter is the
few lines between them (names, permutations, scales, shifts) and nothing else:
it computes nothing, so what is judged is the foreign function.

A foreign function that already takes the canonical arguments needs no adapter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

__all__ = ["Adapter", "MisplacedError", "find"]

# The adapters of a package are loaded when one of its functions is asked for, and never before.
_PACKAGES = ("causal_conv1d", "hmf", "mamba_ssm", "torch", "transformers")


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """How one foreign function is called as one canonical operation.

    Attributes
    ----------
    op : str
        Name of the canonical operation.
    call : callable
        ``call(function, **arguments)`` takes canonical arguments as foreign
        arrays and returns ``{"y": ..., "final_state": ...}`` in the canonical
        layout.  Raises `NotImplementedError`, with the reason, for a value the
        function has no means to express: such a case is left out, not failed.
        Anything else that is raised comes from the function itself.
    accepts : frozenset of str
        The canonical arguments the function can be given.  Cases that use
        another one are left out.
    array : str
        ``"numpy"``, ``"torch"`` or ``"jax"``: the arrays the function works on.
    claim : mapping
        The fields of the function's claim that differ from the defaults.
    requires : frozenset of str
        Canonical arguments that are optional elsewhere and necessary here.
    changes : frozenset of str
        Canonical arguments that the function changes in place.  An argument
        named here may also be returned as an output: hand over a copy.
    note : str
        What the adapter translates, in one sentence.
    slots : callable, optional
        ``slots(function)`` is the function with its states in a pool of slots, named by
        indices.  Raises `MisplacedError` if another slot was written.
    """

    op: str
    call: Callable[..., dict[str, Any]]
    accepts: frozenset[str]
    array: str
    claim: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    requires: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    note: str = ""
    slots: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None


class MisplacedError(Exception):
    """The function wrote where it was not told to."""


def find(subject: str, op: str | None = None) -> Adapter | None:
    """Return the adapter of ``"module:function"``, or None if there is none.

    Parameters
    ----------
    subject : str
        The function's full name, for example
        ``"transformers.models.mamba.modeling_mamba:mamba_selective_scan"``.
    op : str, optional
        The operation the function is to be judged as.  A few functions serve
        two; without it the first is meant.

    Examples
    --------
    >>> find("mamba_ssm.ops.selective_scan_interface:selective_scan_fn").op
    'selective_scan'
    >>> find("my_package.kernels:selective_scan") is None
    True
    """
    package = subject.partition(":")[0].partition(".")[0]
    if package not in _PACKAGES:
        return None
    candidates = import_module(f"{__name__}.{package}").ADAPTERS.get(subject, ())
    return next((a for a in candidates if op in (None, a.op)), None)


def imported(name: str) -> Any:
    """Import a module, in the way that the adapters of its package know, if they know one."""
    package = name.partition(".")[0]
    own = import_module(f"{__name__}.{package}") if package in _PACKAGES else None
    return getattr(own, "imported", import_module)(name)


def known() -> list[str]:
    """Return the full names of all foreign functions that have an adapter."""
    return [name for package in _PACKAGES for name in import_module(f"{__name__}.{package}").ADAPTERS]
