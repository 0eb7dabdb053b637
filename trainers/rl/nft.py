"""DiffusionNFT (arXiv 2509.16117): policy improvement on the forward process, by the same rollouts.

Pictures are drawn without noise. A reward turned into a probability r says how much of a picture belongs to
the positive and how much to the negative policy, which mix the trained velocity v with the old one:

    v+ = b v + (1 - b) v_old,  v- = (1 + b) v_old - b v
    loss = r |x0(v+) - x0|^2 / w+ + (1 - r) |x0(v-) - x0|^2 / w-

with x0(v) = x_s - s v at noise levels s of the schedule, and w the mean absolute error, held constant. No
ratio, no likelihood, any sampler. The old policy follows the trained one slowly.

What stands where is decided at the first noise levels. `among` lets the reward speak there alone, and
`rest_weight` holds the policy to the base's velocity at the others, which draw the details: they blur where a
judge of places, who does not mind, has its say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from spatial_core.flow_sde import velocity_kl
from spatial_core.pipeline.predict import Condition, predict
from spatial_trainers.adapter import lora_weights
from spatial_trainers.rl.advantage import Chosen
from spatial_trainers.rl.policy import Policy
from spatial_trainers.rl.rollout import Rollout


@dataclass(frozen=True)
class NftRecipe:
    """The loss.

    Attributes:
        beta: b; 1 mixes nothing in, smaller is bolder.
        levels: Noise levels of the schedule that each picture is trained at, drawn anew for each group.
        among: The levels are drawn from this many first ones of the schedule; 0 draws from all.
        kl_weight: Of the mean squared distance to the base's velocity at these levels.
        rest_weight: Of the same distance at one level of the others, drawn anew for each group.
        old_decay_slope, old_decay_limit: After update n the old policy keeps min(slope n, limit) of itself.
    """

    beta: float = 1.0
    levels: int = 2
    among: int = 0
    kl_weight: float = 1e-4
    rest_weight: float = 0.0
    old_decay_slope: float = 1e-3
    old_decay_limit: float = 0.5

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: If a number is out of range.
        """
        if not (self.beta > 0 and self.levels >= 1 and self.kl_weight >= 0 and self.rest_weight >= 0):
            raise ValueError(
                "'nft' needs beta > 0, levels >= 1, kl_weight >= 0 and rest_weight >= 0; got "
                f"{self.beta}, {self.levels}, {self.kl_weight} and {self.rest_weight}."
            )
        if self.among and self.among < self.levels:
            raise ValueError(
                f"'nft.among' must be 0 or at least 'nft.levels'; got {self.among} and {self.levels}."
            )
        if self.rest_weight and not self.among:
            raise ValueError("'nft.rest_weight' needs 'nft.among': without it there are no other levels.")
        if not (self.old_decay_slope >= 0 and 0 <= self.old_decay_limit < 1):
            raise ValueError(
                "'nft' needs old_decay_slope >= 0 and old_decay_limit in [0, 1); got "
                f"{self.old_decay_slope} and {self.old_decay_limit}."
            )


def nft_loss(
    velocity: Tensor,
    velocity_old: Tensor,
    noisy: Tensor,
    clean: Tensor,
    sigma: Tensor,
    positive: Tensor,
    *,
    beta: float,
) -> Tensor:
    """Return the loss of M pictures, [M].

    Args:
        velocity: [M, ...], of the policy, with its gradient.
        velocity_old: [M, ...], of the old policy.
        noisy: [M, ...], x at the noise level.
        clean: [M, ...], x0.
        sigma: s, [].
        positive: r in [0, 1], [M].
        beta: b.
    """
    v, old = velocity.float(), velocity_old.float()
    sides = (beta * v + (1 - beta) * old, (1 + beta) * old - beta * v)
    losses: list[Tensor] = []
    for side in sides:
        error = (noisy.float() - sigma * side - clean.float()).flatten(1)
        weight = error.detach().double().abs().mean(1).clamp_min(1e-5)
        losses.append(error.square().mean(1) / weight.float())
    return positive * losses[0] + (1 - positive) * losses[1]


@dataclass(frozen=True, eq=False)
class _Noised:
    """Pictures at a noise level.

    Attributes:
        clean, noisy: float32 [M, ...].
        given: `noisy` as the denoiser takes it.
        sigma: [].
        condition: Of M pictures.
        advantages: [M].
    """

    clean: Tensor
    noisy: Tensor
    given: Tensor
    sigma: Tensor
    condition: Condition
    advantages: Tensor


class Nft:
    """Backpropagates chosen pictures, and keeps the old policy.

    Attributes:
        old: Its weights by name.
    """

    def __init__(
        self, policy: Policy, recipe: NftRecipe, *, micro_batch_size: int, advantage_clip: float
    ) -> None:
        """Train `policy`; advantages of +-`advantage_clip` are surely positive and surely negative."""
        self.policy, self.recipe, self.micro_batch_size = policy, recipe, micro_batch_size
        self.advantage_clip = advantage_clip
        self.old = {name: p.detach().clone() for name, p in policy.trained.items()}

    def backward(
        self, rollout: Rollout, chosen: Chosen, *, share: float, generator: torch.Generator
    ) -> dict[str, float]:
        """Add the gradient of `share` times the mean loss; returns that mean and what is worth a log."""
        recipe, total = self.recipe, len(rollout.steps.sigma)
        among, count = recipe.among or total, len(chosen.rows)
        levels = torch.randperm(among, generator=generator)[: recipe.levels].tolist()
        scale = 1.0 / (count * len(levels))
        sums = {"loss": 0.0, "kl": 0.0, "rest": 0.0}
        for level in levels:
            for part in self._noised(rollout, chosen, level, generator):
                with torch.no_grad(), lora_weights(self.policy.trained, self.old):
                    old = self._velocity(part)
                reference = self._reference(part) if recipe.kl_weight else None
                velocity = self._velocity(part)
                positive = (part.advantages / self.advantage_clip).clamp(-1, 1) / 2 + 0.5
                loss = nft_loss(velocity, old, part.noisy, part.clean, part.sigma, positive, beta=recipe.beta)
                if reference is not None:
                    kl = velocity_kl(velocity, reference)
                    loss = loss + recipe.kl_weight * kl
                    sums["kl"] += float(kl.detach().sum()) * scale
                (loss.sum() * (share * scale)).backward()
                sums["loss"] += float(loss.detach().sum()) * scale
        if recipe.rest_weight:
            level = among + int(torch.randint(total - among, (), generator=generator))
            for part in self._noised(rollout, chosen, level, generator):
                reference = self._reference(part)
                distance = velocity_kl(self._velocity(part), reference).sum() / count
                (distance * (share * recipe.rest_weight)).backward()
                sums["rest"] += float(distance.detach())
        return sums

    def _noised(
        self, rollout: Rollout, chosen: Chosen, level: int, generator: torch.Generator
    ) -> Iterator[_Noised]:
        """Yield the chosen pictures at a noise level of the schedule, a micro-batch at a time."""
        noise = torch.randn((len(chosen.rows), *rollout.clean.shape[1:]), generator=generator)
        sigma, device = rollout.steps.sigma[level], rollout.clean.device
        for first in range(0, len(chosen.rows), self.micro_batch_size):
            part = slice(first, first + self.micro_batch_size)
            rows = chosen.rows[part].to(device)
            clean = rollout.clean[rows].float()
            noisy = torch.lerp(clean, noise[part].to(device), float(sigma))
            condition = rollout.condition.rows(torch.zeros_like(rows), self.policy.pipeline)
            advantages = chosen.advantages[part].to(device)
            yield _Noised(clean, noisy, noisy.to(rollout.clean.dtype), sigma, condition, advantages)

    def _velocity(self, part: _Noised) -> Tensor:
        return predict(self.policy.pipeline, part.given, part.sigma, part.condition)

    @torch.no_grad()
    def _reference(self, part: _Noised) -> Tensor:
        with self.policy.reference():
            return self._velocity(part)

    @torch.no_grad()
    def follow(self, update: int) -> None:
        """Move the old policy after update number `update`, from 1."""
        decay = min(self.recipe.old_decay_slope * update, self.recipe.old_decay_limit)
        for name, value in self.old.items():
            value.mul_(decay).add_(self.policy.trained[name], alpha=1 - decay)
