"""What memories recall, without training: python3 dev.py bench.

Pairs among fillers that repeat, the multi-query task, and a secret planted in real text; the orderings are tests
(theory_tests/agreement/test_recall.py and test_planted_facts.py), the numbers are those of ten draws.
"""

import sys

import compare  # before NumPy
import numpy as np

from realization.layers.recall import models, text_models
from realization.memory.planted import asked, planted
from realization.memory.recall import accuracy, embedded, multi_query, pairs_among_fillers, recalled

DRAWS = range(10)
SIZES = ((16, 16, 16), (32, 32, 32), (64, 32, 32), (64, 32, 64), (128, 64, 128))


def pairs():
    for N, w, M in SIZES:
        tasks = [pairs_among_fillers(N, rng=seed) for seed in DRAWS]
        yield f"{N}, {8 * N}, {w}, {M}", *(f"{accuracy(model, tasks):.2f}" for model in models(w, M).values())


def queries():
    """Questions that come at least 128 tokens after the pair.

    Left out is the memory without a predictor: of equal statistics the first tokens stay, and here these are the pairs.
    """
    for fill in ("blank", "random"):
        tasks = [embedded(multi_query(16, 512, power=1.0, fill=fill, rng=seed), width=128, rng=seed) for seed in DRAWS]
        far = [task.at - task.place > 128 for task in tasks]
        for M in (32, 64, 128):
            shares = [
                np.concatenate([recalled(model, task)[late] for task, late in zip(tasks, far, strict=True)]).mean()
                for model in list(models(16, M).values())[:-1]
            ]
            yield f"{fill}, {M}", *(f"{share:.2f}" for share in shares)


def secrets():
    for distance in (400, 1000, 1900):
        for M in (64, 128, 256):
            rows = []
            for seed in DRAWS:
                fact = planted(2048, distance, rng=seed)
                task, given = asked(fact, rng=seed), text_models(fact, window=64, capacity=M, rng=seed)
                rows.append([recalled(model, task).mean() for model in given.values()])
            yield f"{distance}, {M}", *(f"{share:.2f}" for share in np.mean(rows, axis=0))


def sections():
    """The tables, one after the other."""
    names = models(1, 1)
    yield "Pairs among fillers", compare.table(("pairs, tokens, window, places", *names), pairs())
    yield "Multi-query, 16 pairs, 512 tokens, window 16", compare.table(("fill, places", *list(names)[:-1]), queries())
    kinds = text_models(planted(600, 400, rng=0), window=1, capacity=1, rng=0)
    yield "A secret in 2048 bytes of source, window 64", compare.table(("distance, places", *kinds), secrets())
    yield "Versions", compare.versions("numpy", "numba")


if __name__ == "__main__":
    compare.main("recall", __doc__, sections, sys.argv[1:])
