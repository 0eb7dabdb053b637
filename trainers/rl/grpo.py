"""Flow-GRPO on the chosen pictures of a group: the clipped ratio over the window's steps, and a KL.

`loss = mean over pictures and steps of max(-A r, -A clip(r, 1 - e, 1 + e)) + weight * KL` with the ratio r of
`spatial_core.flow_sde.log_ratio`. The old policy's velocity is what the rollout kept; before the first update
it is the recomputed one itself, so that r is exactly 1 whatever the sizes of batches do to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from spatial_core.flow_sde import RatioForm, Steps, gaussian_kl, log_ratio, mean_shift, velocity_kl
from spatial_core.pipeline.predict import predict
from spatial_trainers.rl.advantage import Chosen
from spatial_trainers.rl.policy import Policy
from spatial_trainers.rl.rollout import Rollout


@dataclass(frozen=True)
class GrpoRecipe:
    """The loss.

    Attributes:
        ratio: "gaussian" as Flow-GRPO, "cps" as FlowCPS, "guard" as GRPO-Guard, whose loss is also divided by
            the length of the step.
        clip_range: e; the ratio is the D-th root of the true one, so halve it where width and height double.
        kl: "velocity" weighs all steps alike, "gaussian" is the divergence of the step's distributions.
        kl_weight: 0 leaves out the forward of the base that it costs.
    """

    ratio: RatioForm = "cps"
    clip_range: float = 1e-4
    kl: Literal["velocity", "gaussian"] = "velocity"
    kl_weight: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: If a number is out of range.
        """
        if self.clip_range <= 0 or self.kl_weight < 0:
            raise ValueError(
                f"'grpo' needs clip_range > 0 and kl_weight >= 0; got {self.clip_range} and {self.kl_weight}."
            )


@dataclass(frozen=True, eq=False)
class Terms:
    """Of M pictures at one step.

    Attributes:
        loss: To minimise, [M].
        log_ratio: [M], without gradient.
        clipped: Whether clipping took the gradient, [M].
        kl: [M], without gradient; zeros if off.
    """

    loss: Tensor
    log_ratio: Tensor
    clipped: Tensor
    kl: Tensor


def grpo_terms(
    velocity: Tensor,
    velocity_old: Tensor,
    velocity_reference: Tensor | None,
    noise: Tensor,
    step: Steps,
    advantages: Tensor,
    recipe: GrpoRecipe,
) -> Terms:
    """Return the loss of M pictures at one step.

    Args:
        velocity: [M, ...], of the policy, with its gradient.
        velocity_old: [M, ...], of the policy that drew them.
        velocity_reference: [M, ...], of the base; None leaves the KL out.
        noise: [M, ...], z.
        step: The step's coefficients, of shape [].
        advantages: [M].
        recipe: The loss.
    """
    log_r = log_ratio(mean_shift(velocity, velocity_old, step), noise, step.std, form=recipe.ratio)
    ratio = log_r.exp()
    plain = -advantages * ratio
    limited = -advantages * ratio.clamp(1 - recipe.clip_range, 1 + recipe.clip_range)
    loss = torch.maximum(plain, limited)
    if recipe.ratio == "guard":
        loss = loss / (step.sigma - step.sigma_next)
    kl = torch.zeros_like(loss)
    if velocity_reference is not None:
        kl = (
            velocity_kl(velocity, velocity_reference)
            if recipe.kl == "velocity"
            else gaussian_kl(mean_shift(velocity, velocity_reference, step), step.std)
        )
        loss = loss + recipe.kl_weight * kl
    return Terms(loss, log_r.detach(), (limited > plain).detach(), kl.detach())


class Grpo:
    """Backpropagates chosen pictures."""

    def __init__(self, policy: Policy, recipe: GrpoRecipe, *, micro_batch_size: int) -> None:
        """Train `policy` as `recipe` says, `micro_batch_size` pictures in one forward."""
        self.policy, self.recipe, self.micro_batch_size = policy, recipe, micro_batch_size

    def backward(self, rollout: Rollout, chosen: Chosen, *, share: float, fresh: bool) -> dict[str, float]:
        """Add the gradient of `share` times the mean loss; returns that mean and what is worth a log.

        Args:
            rollout: The group.
            chosen: Its pictures.
            share: Weight of this group in the update.
            fresh: Whether the policy is still the one that drew them.
        """
        pipeline, recipe = self.policy.pipeline, self.recipe
        window = len(rollout.latents)
        count = window * len(chosen.rows)
        device, dtype = rollout.latents.device, rollout.velocity.dtype
        sums: dict[str, Tensor] = {}
        for k in range(window):
            step = rollout.steps[rollout.start + k]
            for first in range(0, len(chosen.rows), self.micro_batch_size):
                part = slice(first, first + self.micro_batch_size)
                rows = chosen.rows[part].to(device)
                condition = rollout.condition.rows(torch.zeros_like(rows), pipeline)
                latents = rollout.latents[k, rows].to(dtype)
                reference = None
                if recipe.kl_weight:
                    with self.policy.reference(), torch.no_grad():
                        reference = predict(pipeline, latents, step.sigma, condition)
                velocity = predict(pipeline, latents, step.sigma, condition)
                kept = rollout.velocity[k, rows]
                terms = grpo_terms(
                    velocity,
                    velocity.detach() if fresh else kept,
                    reference,
                    rollout.noise[k, rows],
                    step,
                    chosen.advantages[part].to(device),
                    recipe,
                )
                (terms.loss.sum() * (share / count)).backward()
                found = {
                    "loss": terms.loss.detach().sum(),
                    "kl": terms.kl.sum(),
                    "clipped": terms.clipped.float().sum(),
                    "log_ratio": terms.log_ratio.abs().sum(),
                    "drift": (velocity.detach() - kept).float().abs().flatten(1).mean(1).sum(),
                }
                sums = {name: sums.get(name, 0) + value for name, value in found.items()}
        return {name: float(value) / count for name, value in sums.items()}
