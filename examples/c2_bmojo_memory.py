"""B'MOJO's memory: a window, tokens of long ago kept word for word, and a fading rest, of one run over a text.

    python examples/c2_bmojo_memory.py
"""

import numpy as np

from realization.layers.bmojo import contributions, stream, without_memory
from realization.layers.recall import induction_layer
from realization.memory.planted import as_tokens, contexts, log_loss, planted
from realization.memory.selection import InnovationTest, Selection, select, symbol_counts

T, DISTANCE, WINDOW, PLACES, D = 2048, 1500, 64, 128, 64
MEMORY = Selection(PLACES, window=WINDOW, entry="leaving", visibility="at-once")


def fact_with_a_letter_held():
    """A text in which a secret was told, and the first of its letters that the memory still holds."""
    for seed in range(100):
        fact = planted(T, DISTANCE, rng=seed)
        told = np.concatenate([fact.text, fact.secret])  # what is held after all letters was held before
        places = select(log_loss(told), MEMORY).places[-1]
        held = np.isin(fact.place + np.arange(len(fact.secret)), places)
        if held.any():
            return fact, held
    raise SystemExit("no text of a hundred has a letter that surprises")


def counting(F):
    """The predictor of the innovation test: the byte is read back from its token, and bytes are counted."""
    count = symbol_counts(256)

    def predict(tokens, state=None, *, begins=None):
        return count((tokens[..., 2 * D :] @ F.T).argmax(-1), state, begins=begins)

    return predict


if __name__ == "__main__":
    fact, held = fact_with_a_letter_held()
    letter = int(np.argmax(held))
    text = np.concatenate([fact.text, fact.secret[:letter]])
    x, (_, F) = as_tokens(text, width=D, rng=0), contexts(text, width=D, rng=0)
    layer = induction_layer(D, window=WINDOW, test=InnovationTest(counting(F), "log-loss", MEMORY))

    marks = "".join("^" if each else " " for each in held)
    print(f"a secret was told {DISTANCE} bytes ago; its letters in the memory:")
    print(f"  {fact.secret.tobytes().decode()}\n  {marks}")

    # one query, asking for a letter that is held: what each of the three memories contributes
    shares = contributions(layer, x)
    for name, share in shares._asdict().items():
        ages = len(x) - share.tokens
        weight = share.weights.sum()
        print(f"{name:9} {len(ages):4} tokens of age {ages.min():4} to {ages.max():4}, weight {weight:.4f}")
    said = {}
    for name, each in (("with its memory", layer), ("without", without_memory(layer))):
        said[name] = int(np.argmax(F @ stream(each, None, x)[0].y[-1, 2 * D :]))
        print(f"letter {letter} is {chr(fact.secret[letter])!r}; the layer {name} says {chr(said[name])!r}")

    # decoding, letter by letter, needs a state that has stopped growing
    _, state = stream(layer, None, x[:1000])
    _, later = stream(layer, state, x[1000:])
    sizes = [sum(a.size for part in (s.recent, s.kept, s.fading) for a in part) for s in (state, later)]
    print(f"numbers in the state after 1000 tokens and at the end: {sizes[0]}, {sizes[1]}")

    heaviest = shares.selected.tokens[shares.selected.weights.argmax()]
    assert heaviest == fact.place + letter, "the token that answers is the one that was told"
    assert sizes[0] == sizes[1]
    assert np.isclose(sum(share.weights.sum() for share in shares), 1)
    assert said["with its memory"] == fact.secret[letter]
