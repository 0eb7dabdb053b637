"""A classifier on pictures of single things: can what scenes name be told by looking?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.portraits import close_ups, portrait
from spatial_trainers.pairs.data import chunks
from spatial_trainers.pairs.probes import fit, small_cnn

BAR = 0.95
"""Share of the kinds of held-out pictures that the classifier must name."""


def probe_kinds(*, train: int = 120, test: int = 40, seed: int = 0) -> Mapping[str, int]:
    """Return how many of `test` held-out pictures of each kind a small CNN names.

    Kinds include furniture. Training and held-out pictures come from rooms, colours and poses of their own.

    Args:
        train: Pictures of each kind to learn from.
        test: Pictures of each kind to judge on.
        seed: Decides the pictures, the weights and the order of training.

    Raises:
        ValueError: If a number is below 1.
    """
    if min(train, test) < 1:
        raise ValueError(f"train and test must be >= 1; got {train} and {test}.")
    kinds = tuple(OBJECT_KINDS)
    pictures, labels = _pictures(kinds, train, Random(f"train|{seed}"))
    torch.manual_seed(seed)
    model = small_cnn(3, len(kinds))

    def loss(rows: Sequence[int]) -> Tensor:
        index = torch.as_tensor(rows)
        # A mirror image shows the same kind.
        batch = pictures[index]
        mirrored = torch.rand(len(index)) < 0.5
        batch[mirrored] = batch[mirrored].flip(-1)
        return F.cross_entropy(model(batch), labels[index], label_smoothing=0.05)

    fit(model, loss, len(labels), seed=seed, epochs=15, batch=64)
    pictures, labels = _pictures(kinds, test, Random(f"test|{seed}"))
    with torch.inference_mode():
        named = torch.cat([model(batch).argmax(1) for batch in pictures.split(256)])
    return {kind: int((named == labels)[labels == number].sum()) for number, kind in enumerate(kinds)}


def _pictures(kinds: Sequence[str], count: int, rng: Random) -> tuple[Tensor, Tensor]:
    """Return float32 [N, 3, 48, 48] in [-1, 1] and int64 [N] for `count` pictures of each kind."""
    numbers = [number for number in range(len(kinds)) for _ in range(count)]
    parts = [
        close_ups([portrait(kinds[number], rng) for number in some])
        for some in tqdm(list(chunks(numbers, 64)), desc="rendering", leave=False, disable=None)
    ]
    return torch.cat(parts) * 2 - 1, torch.tensor(numbers)
