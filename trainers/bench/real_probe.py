"""How well a small classifier tells a generator's pictures from real ones: the look that training may spoil.

A policy that pleases its reward with smears or patterns draws pictures that are easier to tell. The pictures
of half of the prompts are for learning, those of the others for judging, as many real ones in each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from spatial_trainers.pairs.accuracy import share
from spatial_trainers.pairs.probes import fit, small_cnn

_BATCH, _PASSES = 64, 4


def real_probe(
    real: Tensor, generated: Tensor, groups: Sequence[int], *, seed: int = 0, steps: int = 60
) -> dict[str, float | int | None]:
    """Return how often held-out pictures are told apart: share with interval; .5 is what a guess gets.

    Args:
        real: uint8 `[R, 3, H, W]`.
        generated: uint8 `[G, 3, H, W]`, of the same size.
        groups: G numbers; pictures of one group, such as a prompt, stay on one side.
        seed: Of weights and order.
        steps: Of training, at least, and at least four passes over the pictures.

    Raises:
        ValueError: If a side would be empty.
    """
    sides: list[tuple[Tensor, Tensor]] = []
    for half in (0, 1):
        made = generated[torch.tensor([group % 2 == half for group in groups])]
        true = real[half::2]
        count = min(len(made), len(true))
        if not count:
            raise ValueError(
                f"The probe needs real pictures and pictures of two prompts at least; got {len(real)} real "
                f"ones, and pictures of {len(set(groups))} prompts."
            )
        # Of every prompt, where not all are needed.
        spread = torch.linspace(0, len(made) - 1, count).round().long()
        labels = torch.cat([torch.ones(count), torch.zeros(count)])
        sides.append((torch.cat([true[:count], made[spread]]), labels))
    (pictures, labels), (unseen, answers) = sides
    torch.manual_seed(seed)
    model = small_cnn(3, 1)

    def logits(images: Tensor) -> Tensor:
        return model(images.float() / 127.5 - 1).squeeze(1)

    def loss(rows: Sequence[int]) -> Tensor:
        chosen = torch.as_tensor(rows)
        return F.binary_cross_entropy_with_logits(logits(pictures[chosen]), labels[chosen])

    epochs = max(_PASSES, math.ceil(steps * _BATCH / len(pictures)))
    fit(model, loss, len(pictures), seed=seed, epochs=epochs, batch=_BATCH)
    with torch.no_grad():
        said = torch.cat([logits(part) for part in unseen.split(256)]) > 0
    return share((said == answers.bool()).float().tolist())
