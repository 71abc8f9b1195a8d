"""The first number of `default_rng([seed, position])`, compiled: O'Neill's seed sequence and her generator PCG64.

A reservoir needs one for every admitted token, whatever the block it comes in; making the generator in Python takes
20 us.  Numbers of 128 bits are pairs (high, low) of 64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization._kernels.jit import jit, small

MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
HIGH, LOW = np.uint64(0x2360ED051FC65DA4), np.uint64(0x4385DF649FCCF645)  # the multiplier of PCG64
ONE, SHIFT = np.uint64(1), np.uint64(16)


@small
def mixed(value: Any, constant: Any, factor: Any) -> tuple[Any, Any]:
    """A word hashed, and the next constant; words are uint64 below 2^32."""
    value = value ^ constant
    constant = (constant * factor) & MASK
    value = (value * constant) & MASK
    return value ^ (value >> SHIFT), constant


@small
def joined(x: Any, y: Any) -> Any:
    """Two words of the pool made one."""
    z = (np.uint64(0xCA01F9DD) * x - np.uint64(0x4973F715) * y) & MASK
    return z ^ (z >> SHIFT)


@small
def product(x: Any, y: Any) -> tuple[Any, Any]:
    """The 128 bits of x y."""
    x1, x0, y1, y0 = x >> HALF, x & MASK, y >> HALF, y & MASK
    middle = x1 * y0 + ((x0 * y0) >> HALF)
    cross = x0 * y1 + (middle & MASK)
    return x1 * y1 + (middle >> HALF) + (cross >> HALF), x * y


@small
def step(high: Any, low: Any, more_high: Any, more_low: Any) -> tuple[Any, Any]:
    """state <- state * multiplier + increment."""
    top, bottom = product(low, LOW)
    top += high * LOW + low * HIGH
    bottom += more_low
    carry = ONE if bottom < more_low else np.uint64(0)
    return top + more_high + carry, bottom


@jit
def uniform(seed: Any, position: Any) -> float:
    """default_rng([seed, position]).random() for 0 <= seed < 2^32 and position >= 0."""
    constant, factor = np.uint64(0x43B0D7E5), np.uint64(0x931E8875)
    place = np.uint64(position)
    a, constant = mixed(np.uint64(seed), constant, factor)
    b, constant = mixed(place & MASK, constant, factor)
    c, constant = mixed(place >> HALF, constant, factor)
    d, constant = mixed(np.uint64(0), constant, factor)
    pool = (a, b, c, d)
    for i in range(4):
        for j in range(4):
            if i != j:
                word, constant = mixed(pool[i], constant, factor)
                new = joined(pool[j], word)
                pool = (
                    new if j == 0 else pool[0], new if j == 1 else pool[1],
                    new if j == 2 else pool[2], new if j == 3 else pool[3],
                )  # fmt: skip
    constant, factor = np.uint64(0x8B51F9DD), np.uint64(0x58F38DED)
    words = (np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0))
    for i in range(4):
        first, constant = mixed(pool[(2 * i) % 4], constant, factor)
        second, constant = mixed(pool[(2 * i + 1) % 4], constant, factor)
        word = first | (second << HALF)
        words = (
            word if i == 0 else words[0], word if i == 1 else words[1],
            word if i == 2 else words[2], word if i == 3 else words[3],
        )  # fmt: skip
    more_high, more_low = (words[2] << ONE) | (words[3] >> np.uint64(63)), (words[3] << ONE) | ONE
    high, low = step(np.uint64(0), np.uint64(0), more_high, more_low)
    low += words[1]
    high += words[0] + (ONE if low < words[1] else np.uint64(0))
    high, low = step(high, low, more_high, more_low)
    high, low = step(high, low, more_high, more_low)
    turn, word = high >> np.uint64(58), high ^ low
    word = (word >> turn) | (word << ((np.uint64(64) - turn) & np.uint64(63)))
    return np.float64(word >> np.uint64(11)) * 2.0**-53
