"""The transition formula against what the papers' own samplers compute, and its statistics and gradients."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from spatial_core.flow_sde import (
    NoiseRule,
    RatioForm,
    coefficients,
    gaussian_kl,
    log_ratio,
    mean_shift,
    transition,
    velocity_kl,
)

SIGMAS = torch.tensor([1.0, 0.93, 0.85, 0.74, 0.6, 0.38, 0.0])
STOCHASTIC: tuple[tuple[NoiseRule, float], ...] = (("flow_sde", 0.9), ("dance", 0.3), ("cps", 0.8))


def published(rule: str, level: float, step: int, x: Tensor, v: Tensor) -> tuple[Tensor, float]:
    """Return mean and standard deviation of a step as each paper's sampler writes it, in float64."""
    s, after = SIGMAS.double()[step].item(), SIGMAS.double()[step + 1].item()
    dt = after - s
    x, v = x.double(), v.double()
    if rule == "flow_sde":
        # Flow-GRPO and MixGRPO: drift v + sigma_t^2 / (2 t) (x + (1 - t) v), diffusion sigma_t.
        rate = level * math.sqrt(s / (1 - (SIGMAS.double()[1].item() if s == 1 else s)))
        mean = x * (1 + rate**2 / (2 * s) * dt) + v * (1 + rate**2 * (1 - s) / (2 * s)) * dt
        return mean, rate * math.sqrt(-dt)
    if rule == "dance":
        # DanceGRPO and MixGRPO's second sampler: Euler's step, corrected by the score.
        clean = x - s * v
        score = -(x - clean * (1 - s)) / s**2
        return x + dt * v - 0.5 * level**2 * score * dt, level * math.sqrt(-dt)
    std = after * math.sin(level * math.pi / 2)
    clean, noise = x - s * v, x + (1 - s) * v
    return (1 - after) * clean + math.sqrt(after**2 - std**2) * noise, std


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("rule", "level"), STOCHASTIC)
def test_transition_is_the_published_one(rule: NoiseRule, level: float) -> None:
    x, v, z = (drawn(5, 16, 8, seed=k) for k in range(3))
    steps = coefficients(SIGMAS, rule, level)
    for step in range(5):
        mean, std = published(rule, level, step, x, v)
        ours = transition(x, v, steps[step], z)
        assert ours.dtype == torch.float32
        assert (ours - (mean + std * z)).abs().max() <= 2e-6
        assert float(steps.std[step]) == pytest.approx(std, abs=1e-6)


@pytest.mark.parametrize(("rule", "level"), STOCHASTIC)
def test_steps_of_a_batch_are_those_of_its_samples(rule: NoiseRule, level: float) -> None:
    x, v, z = (drawn(3, 4, 8, seed=k) for k in range(3))
    steps = coefficients(SIGMAS, rule, level)
    index = torch.tensor([2, 0, 1])
    together = transition(x, v, steps[index], z)
    for row, step in enumerate(index.tolist()):
        alone = transition(x[row : row + 1], v[row : row + 1], steps[step], z[row : row + 1])
        assert torch.equal(together[row], alone[0])


@pytest.mark.parametrize("rule", ["ode", "flow_sde", "dance", "cps"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_without_noise_it_is_the_scheduler_of_diffusers(rule: NoiseRule, dtype: torch.dtype) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    scheduler.set_timesteps(6, mu=1.15)
    latents = drawn(2, 16, 8).to(dtype)
    steps = coefficients(scheduler.sigmas, rule, 0.0)
    ours = latents
    for step, time in enumerate(scheduler.timesteps):
        velocity = drawn(2, 16, 8, seed=step + 1).to(dtype)
        latents = scheduler.step(velocity, time, latents, return_dict=False)[0]
        ours = transition(ours, velocity, steps[step]).to(dtype)
        assert torch.equal(ours, latents)


@pytest.mark.parametrize("level", [0.3, 0.8, 1.0])
def test_cps_keeps_the_noise_at_its_level(level: float) -> None:
    clean, noise = 0.7, drawn(400_000)
    steps = coefficients(SIGMAS, "cps", level)
    for step in range(5):
        s, after = float(SIGMAS[step]), float(SIGMAS[step + 1])
        x = (1 - s) * clean + s * noise
        ended = transition(x, noise - clean, steps[step], drawn(400_000, seed=step + 1))
        assert float(ended.std()) == pytest.approx(after, rel=0.01)
        assert float(ended.mean()) == pytest.approx((1 - after) * clean, abs=0.01)


def test_flow_sde_adds_more_noise_than_its_level() -> None:
    noise = drawn(400_000)
    steps = coefficients(SIGMAS, "flow_sde", 0.9)
    ended = transition(float(SIGMAS[4]) * noise, noise, steps[4], drawn(400_000, seed=1))
    assert float(ended.std()) > 1.05 * float(SIGMAS[5])


@pytest.mark.parametrize(("rule", "level"), STOCHASTIC)
def test_log_ratio_is_the_difference_of_published_log_probabilities(rule: NoiseRule, level: float) -> None:
    x, v, z = (drawn(4, 64, 16, seed=k) for k in range(3))
    moved = v + 0.02 * drawn(4, 64, 16, seed=3)
    steps = coefficients(SIGMAS, rule, level)
    for step in range(5):
        old, std = published(rule, level, step, x, v)
        new, _ = published(rule, level, step, x, moved)
        sample = old + std * z.double()
        normal = [
            (-((sample - mean) ** 2) / (2 * std**2) - math.log(std) - 0.5 * math.log(2 * math.pi)).mean(
                (1, 2)
            )
            for mean in (old, new)
        ]
        bias = ((new - old) ** 2).mean((1, 2)) / (2 * std**2)
        squared = [-((sample - mean) ** 2).mean((1, 2)) for mean in (old, new)]
        expected: dict[RatioForm, Tensor] = {
            "gaussian": normal[1] - normal[0],
            "cps": squared[1] - squared[0],
            "guard": (normal[1] - normal[0] + bias) * std,
        }
        shift = mean_shift(moved, v, steps[step])
        for form, value in expected.items():
            assert (log_ratio(shift, z, steps.std[step], form=form) - value).abs().max() <= 1e-6
        kl = gaussian_kl(shift, steps.std[step])
        assert (kl - bias).abs().max() <= 1e-6
        same = mean_shift(v, v, steps[step])
        assert torch.equal(log_ratio(same, z, steps.std[step]).exp(), torch.ones(4))


def test_velocity_kl_is_the_mean_square() -> None:
    v, w = drawn(3, 8, 4).double(), drawn(3, 8, 4, seed=1).double()
    assert torch.allclose(velocity_kl(v, w).double(), ((v - w) ** 2).mean((1, 2)), atol=1e-6)


@pytest.mark.parametrize("form", ["gaussian", "cps", "guard"])
@pytest.mark.parametrize(("rule", "level"), STOCHASTIC)
def test_gradients_match_finite_differences_on_a_toy_flow(
    rule: NoiseRule, level: float, form: RatioForm
) -> None:
    """A linear flow v = a x + b of a sampled trajectory: d log ratio / d (a, b), over several steps."""
    steps = coefficients(SIGMAS, rule, level)
    x = drawn(6, 8)
    trajectory: list[tuple[Tensor, Tensor, Tensor]] = []
    for step in range(4):
        v = 0.4 * x - 0.2
        z = drawn(6, 8, seed=10 + step)
        trajectory.append((x, v, z))
        x = transition(x, v, steps[step], z)

    def total(weights: Tensor) -> Tensor:
        ratios = [
            log_ratio(mean_shift(weights[0] * x + weights[1], v, steps[k]), z, steps.std[k], form=form)
            for k, (x, v, z) in enumerate(trajectory)
        ]
        return torch.stack(ratios).sum()

    weights = torch.tensor([0.45, -0.15], requires_grad=True)
    (gradient,) = torch.autograd.grad(total(weights), weights)
    for k in range(2):
        # The log ratio is quadratic in the weights, so that a wide difference is exact.
        change = torch.zeros(2)
        change[k] = 0.5
        with torch.no_grad():
            slope = float(total(weights + change) - total(weights - change))
        assert float(gradient[k]) == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_bad_levels_and_schedules() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\] for 'cps'"):
        coefficients(SIGMAS, "cps", 1.5)
    with pytest.raises(ValueError, match="noise level must be"):
        coefficients(SIGMAS, "dance", -0.1)
    with pytest.raises(ValueError, match="must fall"):
        coefficients(torch.tensor([0.5, 0.5, 0.0]), "ode", 0.0)
