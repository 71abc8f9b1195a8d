"""Defects of wiring, planted around a kernel: an argument taken for another, a result stored wrongly."""

from __future__ import annotations

import numpy as np


def given(**changes):
    """Arguments changed before the kernel sees them.  A callable gets the argument's value, and
    is not called when the argument is absent."""

    def around(kernel, **arguments):
        changed = dict(arguments)
        for name, change in changes.items():
            if not callable(change):
                changed[name] = change
            elif arguments.get(name) is not None:
                changed[name] = change(np.asarray(arguments[name]))
        return kernel(**changed)

    return around


def swapped(first, second):
    """Two arguments in each other's place."""

    def around(kernel, **arguments):
        exchanged = {first: arguments.get(second), second: arguments.get(first)}
        return kernel(**{**arguments, **exchanged})

    return around


def copied(source, target):
    """``target`` read from where ``source`` lies, where both are given."""

    def around(kernel, **arguments):
        if arguments.get(source) is not None and arguments.get(target) is not None:
            arguments[target] = arguments[source]
        return kernel(**arguments)

    return around


def result(change):
    """The outputs changed on their way out."""

    def around(kernel, **arguments):
        return change(*kernel(**arguments))

    return around


def zeroed_last(axis):
    """The last entry along the axis not read."""

    def change(array):
        array = np.array(array)
        array[(slice(None),) * (axis % array.ndim) + (-1,)] = 0
        return array

    return change


def rolled(axis):
    """The neighbour's entry along the axis: a wrong stride."""
    return lambda array: np.roll(array, 1, axis=axis)


def one_output_off(y, *others):
    """One value of one row, by 2 %: what a race looks like."""
    y = y.copy()
    if y.size:
        y.reshape(-1)[y.size // 2] *= 1.02
    return y, *others
