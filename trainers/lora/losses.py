"""Losses that train a flow model without sampling from it: on pictures, and on pairs of pictures.

A picture's latents x_0 and noise e meet at x_s = (1 - s) x_0 + s e, where the velocity is e - x_0 (Lipman et
al., arXiv 2210.02747, eq. 20-23; Esser et al., arXiv 2403.03206, eq. 12-13 with a_t = 1 - t, b_t = t).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def noisy_latents(latents: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Return x_s = (1 - s) x_0 + s e in float32.

    Args:
        latents: x_0, `[B, ...]`.
        noise: e, like `latents`.
        sigma: s in [0, 1], `[B]`.
    """
    level = sigma.float().view(-1, *[1] * (latents.ndim - 1))
    return (1.0 - level) * latents.float() + level * noise.float()


def velocity_error(velocity: Tensor, latents: Tensor, noise: Tensor) -> Tensor:
    """Return the squared error of a velocity, the mean over each picture's elements; float32 `[B]`.

    |v - (e - x_0)|^2 / D: conditional flow matching (arXiv 2210.02747, eq. 23). Its mean over pictures is the
    loss of supervised fine-tuning. It is also the loss of reward-ranked fine-tuning (RAFT, Dong et al.,
    arXiv 2304.06767, algorithm 1), whose pictures are the best of N of the model's own.

    Args:
        velocity: v, `[B, ...]`, what the model says of `noisy_latents`.
        latents: x_0.
        noise: e.
    """
    target = noise.float() - latents.float()
    return (velocity.float() - target).square().flatten(1).mean(1)


def flow_dpo_loss(error: Tensor, reference: Tensor, *, beta: float) -> Tensor:
    """Return the loss of Diffusion-DPO in its flow form for B pairs; float32 `[B]`.

    -log sigmoid(-beta / 2 * ((E_w - R_w) - (E_l - R_l))), where E is the model's squared error of the
    velocity, R the reference's, w the chosen picture and l the rejected one, all four at one noise level
    (Liu et al., arXiv 2501.13918, eq. 9, from Wallace et al., arXiv 2311.12908, eq. 14). Their errors are
    sums over elements; ours are means, so our beta is theirs times the number of elements.

    Args:
        error: E, `[2, B]`, chosen first, from `velocity_error`.
        reference: R, `[2, B]`, of the model before training; gets no gradient.
        beta: How far the model may move from the reference; larger is less far.
    """
    gain = error.float() - reference.detach().float()
    return -F.logsigmoid(-0.5 * beta * (gain[0] - gain[1]))


def dpo_accuracy(error: Tensor, reference: Tensor) -> Tensor:
    """Return where the model prefers the chosen picture more than the reference does: `[B]`, ties 0.5.

    Args:
        error: E, `[2, B]`.
        reference: R, `[2, B]`.
    """
    gain = error.detach() - reference
    return torch.where(gain[0] == gain[1], 0.5, (gain[0] < gain[1]).float())
