"""One transition formula for the samplers of flow matching, and what reinforcement learning needs of it.

Convention: at noise level s, x_s = (1 - s) x_0 + s e, and the model predicts the velocity v = e - x_0. It
implies a clean image x_0 = x - s v and a noise e = x + (1 - s) v. Every sampler steps from s to s' < s by

    x' = (1 - s') x_0 + c e + std z = x + (s' - s) v + (c - s') e + std z,    z ~ N(0, 1)

and differs only in `std` and in `c`, how much of the predicted noise is kept:

    rule        std                              c                   source
    ode         0                                s'                  Euler's step
    flow_sde    a sqrt(s / (1 - s)) sqrt(s - s') s' - std^2 / (2 s)  Flow-GRPO (arXiv 2505.05470), the
                                                                     Euler-Maruyama step of its reverse SDE
    dance       a sqrt(s - s')                   s' - std^2 / (2 s)  DanceGRPO (arXiv 2505.07818), the same
                                                                     with a constant rate of noise
    cps         s' sin(a pi / 2)                 sqrt(s'^2 - std^2)  FlowCPS (arXiv 2509.05952), the step
                                                                     that preserves the coefficients

with the noise level a. "cps" keeps the noise in x' at exactly s'; the two SDE rules do so only for small
steps. All results are float32. Array letters: B samples, T steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

NoiseRule = Literal["ode", "flow_sde", "dance", "cps"]
RatioForm = Literal["gaussian", "cps", "guard"]


@dataclass(frozen=True, eq=False)
class Steps:
    """The coefficients of steps, all float32 and of one shape: [T], [B] or a single step's [].

    Attributes:
        sigma: s, where a step begins.
        sigma_next: s', where it ends.
        std: Standard deviation of the noise that it adds.
        kept_noise: c, weight of the predicted noise.
    """

    sigma: Tensor
    sigma_next: Tensor
    std: Tensor
    kept_noise: Tensor

    def __getitem__(self, index: int | Tensor) -> Steps:
        """Return one step, or those of an index [B]."""
        return Steps(self.sigma[index], self.sigma_next[index], self.std[index], self.kept_noise[index])

    def __len__(self) -> int:
        """Return T."""
        return len(self.sigma)

    @property
    def slope(self) -> Tensor:
        """Return how the step's mean moves with the velocity: c (1 - s) - (1 - s') s."""
        return self.kept_noise * (1 - self.sigma) - (1 - self.sigma_next) * self.sigma


def coefficients(sigmas: Tensor, rule: NoiseRule, level: float) -> Steps:
    """Return the T steps of a schedule under one rule.

    Args:
        sigmas: [T + 1] in [0, 1], falling.
        rule: See the table above.
        level: a; >= 0, and <= 1 for "cps". 0 makes every rule the ODE.

    Raises:
        ValueError: If the level is out of its range, or the noise levels do not fall.
    """
    if level < 0.0 or (rule == "cps" and level > 1.0):
        raise ValueError(f"The noise level must be in [0, 1] for 'cps' and >= 0 otherwise; got {level}.")
    s, after = sigmas.double()[:-1], sigmas.double()[1:]
    if not (after < s).all():
        raise ValueError(f"Noise levels must fall from step to step; got {sigmas.tolist()}.")
    if rule == "cps":
        std = after * math.sin(level * math.pi / 2)
        kept = (after.square() - std.square()).sqrt()
    else:
        rate = torch.zeros_like(s)
        if rule == "flow_sde":
            # At s = 1 the rate is infinite; Flow-GRPO takes the next noise level there.
            rate = level * (s / (1 - torch.where(s == 1.0, after, s))).sqrt()
        elif rule == "dance":
            rate = torch.full_like(s, level)
        std = rate * (s - after).sqrt()
        kept = after - std.square() / (2 * s)
    plain = sigmas.float()
    kept = torch.where(std == 0.0, plain[1:], kept.float())
    return Steps(plain[:-1], plain[1:], std.float(), kept)


def transition(latents: Tensor, velocity: Tensor, step: Steps, noise: Tensor | None = None) -> Tensor:
    """Return x', float32 [B, ...]; without noise it is bit for bit diffusers' Euler step when `std` is 0.

    Args:
        latents: x, [B, ...].
        velocity: v, of the same shape; the deterministic step multiplies in its type, as the scheduler does.
        step: Of shape [] or [B].
        noise: z, float32 of the same shape; None for the mean of the step.
    """
    x = latents.float()
    v = velocity if noise is None else velocity.float()
    s, after, std, kept = (
        _beside(value, x) for value in (step.sigma, step.sigma_next, step.std, step.kept_noise)
    )
    mean = x + (after - s) * v + (kept - after) * (x + (1 - s) * v)
    return mean if noise is None else mean + std * noise


def mean_shift(velocity: Tensor, velocity_old: Tensor, step: Steps) -> Tensor:
    """Return by how much the mean of a step moves, float32 [B, ...], if one velocity replaces another."""
    change = velocity.float() - velocity_old.float()
    return _beside(step.slope, change) * change


def log_ratio(shift: Tensor, noise: Tensor, std: Tensor, *, form: RatioForm = "gaussian") -> Tensor:
    """Return log(new / old probability) of the sample that was drawn, [B], averaged over its elements.

    With x' = mean_old + std z, the difference of the two log-probabilities needs neither of them:

        gaussian    mean(z dmu) / std - mean(dmu^2) / (2 std^2)     Flow-GRPO, ratio of Gaussian policies
        cps         mean(2 std z dmu - dmu^2)                       FlowCPS, log p = -(x' - mean)^2
        guard       mean(z dmu)                                     GRPO-Guard (arXiv 2510.22319), eq. 8

    The mean, not the sum, over elements is what all of them take: the ratio is the D-th root of the true one,
    so a range of clipping tuned at one resolution is twice too wide at twice that width and height.

    Args:
        shift: dmu = mean_new - mean_old, [B, ...].
        noise: z, [B, ...].
        std: [] or [B], > 0.
        form: Which of the three.
    """
    first = _mean(noise.float() * shift)
    if form == "guard":
        return first
    second = _mean(shift.square())
    if form == "cps":
        return 2 * std * first - second
    return first / std - second / (2 * std.square())


def gaussian_kl(shift: Tensor, std: Tensor) -> Tensor:
    """Return KL(N(mean_new, std^2) || N(mean_old, std^2)) of a step, [B], averaged over elements.

    mean(dmu^2) / (2 std^2). Flow-GRPO's code leaves the length of the step out of std^2, so its weights are
    smaller by it than they read.
    """
    return _mean(shift.float().square()) / (2 * std.square())


def velocity_kl(velocity: Tensor, velocity_reference: Tensor) -> Tensor:
    """Return mean((v - v_ref)^2), [B]: the same weight at every noise level and for every rule.

    DiffusionNFT (arXiv 2509.16117) and Flow-Factory regularise by it.
    """
    return _mean((velocity.float() - velocity_reference.float()).square())


def _mean(values: Tensor) -> Tensor:
    return values.flatten(1).mean(1)


def _beside(value: Tensor, samples: Tensor) -> Tensor:
    """Return a coefficient in a shape that multiplies [B, ...]; one for all stays a scalar."""
    return value if value.ndim == 0 else value.view(-1, *[1] * (samples.ndim - 1)).to(samples.device)
