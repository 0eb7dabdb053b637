"""Losses by hand, at their limits, and their gradients; noise levels; sizes."""

from __future__ import annotations

import math

import pytest
import torch

from spatial_trainers.lora.data import fitted_size
from spatial_trainers.lora.losses import dpo_accuracy, flow_dpo_loss, noisy_latents, velocity_error
from spatial_trainers.lora.trainer import draw_level


def test_latents_go_from_the_picture_to_the_noise() -> None:
    clean, noise = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0)), torch.ones(3, 4, 2)
    mixed = noisy_latents(clean, noise, torch.tensor([0.0, 1.0, 0.25]))
    assert torch.equal(mixed[0], clean[0]) and torch.equal(mixed[1], noise[1])
    torch.testing.assert_close(mixed[2], 0.75 * clean[2] + 0.25)
    assert noisy_latents(clean.bfloat16(), noise.bfloat16(), torch.tensor([0.5] * 3)).dtype == torch.float32


def test_the_error_is_zero_for_the_true_velocity_and_a_mean_over_elements() -> None:
    clean, noise = torch.zeros(2, 2, 2), torch.ones(2, 2, 2)
    assert velocity_error(noise - clean, clean, noise).tolist() == [0.0, 0.0]
    assert velocity_error(
        torch.tensor([[[3.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]), clean, noise
    ).tolist() == [
        1.0,
        1.0,
    ]
    # A step along the true velocity from any level leads to the picture.
    level = torch.tensor([0.3, 0.8])
    back = noisy_latents(clean, noise, level) - level.view(-1, 1, 1) * (noise - clean)
    torch.testing.assert_close(back, clean)


def test_dpo_by_hand() -> None:
    error = torch.tensor([[0.5, 0.4, 0.2], [0.7, 0.4, 0.1]])
    reference = torch.tensor([[0.6, 0.4, 0.1], [0.6, 0.4, 0.3]])
    beta = 10.0
    # (E_w - R_w) - (E_l - R_l): -0.1 - 0.1, 0, 0.1 + 0.2
    expected = [-math.log(1 / (1 + math.exp(0.5 * beta * d))) for d in (-0.2, 0.0, 0.3)]
    assert flow_dpo_loss(error, reference, beta=beta).tolist() == pytest.approx(expected, abs=1e-6)
    assert dpo_accuracy(error, reference).tolist() == [1.0, 0.5, 0.0]


def test_dpo_begins_at_log_two_and_pulls_the_two_errors_apart() -> None:
    error = torch.tensor([[0.5], [0.5]], requires_grad=True)
    reference = torch.tensor([[0.5], [0.5]], requires_grad=True)
    loss = flow_dpo_loss(error, reference, beta=4.0)
    assert loss.item() == pytest.approx(math.log(2))
    loss.sum().backward()
    # d/dE_w = beta / 4, d/dE_l = -beta / 4; none into the reference.
    assert error.grad is not None and error.grad.flatten().tolist() == pytest.approx([1.0, -1.0])
    assert reference.grad is None
    sure = flow_dpo_loss(torch.tensor([[0.0], [9.0]]), torch.ones(2, 1), beta=100.0)
    assert (
        0.0 <= sure.item() < 1e-6
        and flow_dpo_loss(torch.ones(2, 1) * 9, torch.ones(2, 1), beta=1e3).isfinite()
    )


def test_dpo_gradient_matches_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    error = torch.rand(2, 3, generator=generator, requires_grad=True)
    reference = torch.rand(2, 3, generator=generator)
    (gradient,) = torch.autograd.grad(flow_dpo_loss(error, reference, beta=5.0).sum(), error)
    with torch.no_grad():
        for place in range(6):
            step = torch.zeros(6)
            step[place] = 1e-2
            up, down = (
                flow_dpo_loss(error + s * step.view(2, 3), reference, beta=5.0).sum() for s in (1, -1)
            )
            assert gradient.flatten()[place].item() == pytest.approx((up - down).item() / 2e-2, abs=2e-3)


@pytest.mark.parametrize(("rule", "mean", "std"), [("uniform", 0.5, 12**-0.5), ("logit_normal", 0.5, 0.208)])
def test_noise_levels(rule: str, mean: float, std: float) -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([draw_level(rule, torch.zeros(2), generator) for _ in range(4000)])
    assert drawn.min() >= 0 and drawn.max() <= 1
    assert drawn.mean().item() == pytest.approx(mean, abs=0.015) and drawn.std().item() == pytest.approx(
        std, abs=0.01
    )


def test_levels_of_the_schedule_come_as_often_as_the_sampler_visits_them() -> None:
    # A shifted schedule of four steps; half of the levels drawn lie above its middle point.
    sigmas = torch.tensor([1.0, 0.9, 0.75, 0.5, 0.0])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([draw_level("schedule", sigmas, generator) for _ in range(4000)])
    for low, high in zip(sigmas[1:], sigmas[:-1], strict=True):
        assert ((drawn >= low) & (drawn < high)).float().mean().item() == pytest.approx(0.25, abs=0.025)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 512), (512, 512)),
        ((2000, 1000), (720, 368)),
        ((300, 200), (304, 192)),
        ((5, 7), (16, 16)),
        ((1000, 1001), (512, 512)),
    ],
)
def test_pictures_are_shrunk_to_an_area_and_never_enlarged(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert fitted_size(*size, resolution=512, unit=16) == expected
