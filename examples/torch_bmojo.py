"""B'MOJO's attention in PyTorch: a window, the most surprising tokens before it, and fading tokens.

Names and layout are the canonical ones, hence no adapter; autograd makes the backward pass:

    realization verify examples/torch_bmojo.py:bmojo --op bmojo --array torch --grad
"""

import torch


def bmojo(
    *, query, key, value, surprise, window, capacity, chunk=64, fading_key=None, fading_value=None,
    fading_lag=None, fading_width=None,
):  # fmt: skip
    """Return (y, lse, places): one softmax over the keys that each of the last T of S tokens sees."""
    T, S = query.shape[1], key.shape[1]
    places = most_surprising(surprise, window, capacity, chunk)[:, S - T :]
    age = torch.arange(S - T, S)[:, None] - torch.arange(S)
    named = torch.zeros(*places.shape[:2], S + 1, dtype=torch.bool).scatter_(-1, places % (S + 1), True)
    streams = [(key, value, named[..., :S] | ((age >= 0) & (age < window)))]
    if fading_key is not None:
        lag, width = (window if n is None else n for n in (fading_lag, fading_width))
        streams.append((fading_key, fading_value, ((age >= lag) & (age < lag + width)).expand_as(named[..., :S])))
    return *read_out(query, streams), places


def most_surprising(surprise, window, capacity, chunk):
    """Of all tokens up to the end of the last chunk the `capacity` most surprising, newest first, (b, S, capacity).

    A tie does not displace, and of equals the oldest is displaced.  What the window shows is left out.
    """
    b, S = surprise.shape
    seen = torch.full((b, S, capacity), -1)
    kept, worth = torch.full((b, capacity), -1), surprise.new_full((b, capacity), -torch.inf)
    for t in range(S if capacity else 0):
        if t % chunk == 0:
            shown = kept.sort(-1, descending=True).values
        seen[:, t] = torch.where(shown <= t - window, shown, -1).sort(-1, descending=True).values
        least = worth.amin(-1, keepdim=True)
        out = torch.where(worth == least, kept, S).argmin(-1, keepdim=True)
        enters = surprise[:, t, None] > least
        kept = torch.where(enters, kept.scatter(-1, out, t), kept)
        worth = torch.where(enters, worth.scatter(-1, out, surprise[:, t, None]), worth)
    return seen


def read_out(query, streams):
    """Softmax of scaled scores over the keys in view; y = 0 and lse = -inf where there are none."""
    heads, scale = query.shape[2], query.shape[-1] ** -0.5
    keys, values, masks = zip(*streams, strict=True)
    k, v = (torch.cat(x, 1).repeat_interleave(heads // x[0].shape[2], 2) for x in (keys, values))
    seen = torch.cat(masks, -1)[:, None]
    empty = ~seen.any(-1)
    scores = torch.einsum("bthk,bshk->bhts", query, k) * scale
    scores = scores.masked_fill(~seen, -torch.inf).masked_fill(empty[..., None], 0)
    lse = scores.logsumexp(-1)
    y = torch.einsum("bhts,bshv->bthv", (scores - lse[..., None]).exp() * seen, v)
    return y, lse.masked_fill(empty, -torch.inf).transpose(1, 2)
