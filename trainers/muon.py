"""The optimizer Muon, for matrices (Jordan 2024; scaled as in Moonlight, arXiv 2502.16982).

`torch.optim.Muon` came with torch 2.9, which is newer than what this package asks for, and always computes
in bfloat16, which is slow on a CPU without instructions for it. On one that has them, and on a GPU, the two
agree to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from spatial_trainers.cpu_precision import multiplies_bfloat16

_MOMENTUM = 0.95
# Five steps of the quintic that pulls all singular values towards one, fastest those near 0.
_STEPS, _A, _B, _C = 5, 3.4445, -4.7750, 2.0315


class Muon(torch.optim.Optimizer):
    """Moves every matrix by an orthogonal one: the nearest to its gradient's running mean.

    A step is as long as one of AdamW at the same rate, so that one rate serves both.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], *, lr: float, weight_decay: float):
        """Note what is trained.

        Args:
            matrices: Parameters `[rows, columns]`.
            lr: Rate.
            weight_decay: Share of a weight, times the rate, that every step takes away.
        """
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix)
                mean = state["momentum_buffer"].lerp_(matrix.grad, 1 - _MOMENTUM)
                direction = orthogonalized(matrix.grad.lerp(mean, _MOMENTUM))
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(direction, alpha=-group["lr"] * 0.2 * math.sqrt(max(matrix.shape)))


def orthogonalized(matrix: Tensor) -> Tensor:
    """Return about U V^T of a matrix U S V^T: singular values, but very small ones, become .5 to 1.5."""
    half = matrix.device.type != "cpu" or multiplies_bfloat16()
    wide = matrix.to(torch.bfloat16 if half else torch.float32)
    is_tall = matrix.shape[0] > matrix.shape[1]
    if is_tall:
        wide = wide.T
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(_STEPS):
        square = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(square, square, square, beta=_B, alpha=_C), wide, beta=_A)
    return wide.T if is_tall else wide
