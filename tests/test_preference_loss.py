"""Rows worked by hand, limits, gradient signs and float32 extremes of the preference losses."""

import math

import numpy as np
import pytest
import torch

from spatial_core.preference_loss import (
    bt,
    btt,
    calibrated_margin,
    calibrated_std,
    fit_temperature,
    gaussian,
    gaussian_mc,
    reward_centering,
)

LOG_2, LOG_3 = math.log(2.0), math.log(3.0)


def rows(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def mc(mean_c, log_c, mean_r, log_r, seed=0, num_samples=20_000):
    generator = torch.Generator().manual_seed(seed)
    return gaussian_mc(mean_c, log_c, mean_r, log_r, generator=generator, num_samples=num_samples)


def test_bt_by_hand():
    loss = bt(rows(1.0, LOG_3, 0.0), rows(1.0, 0.0, LOG_3))
    assert loss.tolist() == pytest.approx([LOG_2, -math.log(0.75), -math.log(0.25)], abs=1e-6)


def test_btt_by_hand_and_sums_to_one():
    tie = torch.tensor([False, True])
    assert btt(rows(LOG_3, 0.0), rows(0.0, 0.0), tie, k=3.0).tolist() == pytest.approx(
        [LOG_2, LOG_2], abs=1e-6
    )
    a, b = torch.randn(50, dtype=torch.float64), torch.randn(50, dtype=torch.float64)
    yes, no = torch.ones(50, dtype=torch.bool), torch.zeros(50, dtype=torch.bool)
    total = (-btt(a, b, no)).exp() + (-btt(b, a, no)).exp() + (-btt(a, b, yes)).exp()
    assert torch.allclose(total, torch.ones_like(total))
    with pytest.raises(ValueError, match="k > 1"):
        btt(a, b, no, k=1.0)


def test_btt_tends_to_bt_without_ties():
    a, b = torch.randn(20), torch.randn(20)
    assert torch.allclose(btt(a, b, torch.zeros(20, dtype=torch.bool), k=1 + 1e-6), bt(a, b), atol=1e-5)


def test_gaussian_by_hand():
    # s^2 = 24 / pi, so 1 + pi s^2 / 8 = 4 and the margin is halved.
    log_sigma = torch.full((3,), 0.5 * math.log(12.0 / math.pi))
    loss = gaussian(
        rows(2 * LOG_3, 0.0, 5.0), log_sigma, rows(0.0, 2 * LOG_3, 5.0), log_sigma, log_sigma_prior=0.0
    )
    assert loss.tolist() == pytest.approx([-math.log(0.75), -math.log(0.25), LOG_2], abs=1e-6)


def test_gaussian_prior_by_hand():
    with_prior = gaussian(rows(0.0), rows(2.0), rows(0.0), rows(-1.0), log_sigma_prior=0.1)
    assert with_prior.item() == pytest.approx(LOG_2 + 0.05 * (4.0 + 1.0), abs=1e-6)


def test_gaussian_without_spread_is_bt():
    c, r = torch.randn(20), torch.randn(20)
    nothing = torch.full((20,), -20.0)
    assert torch.allclose(gaussian(c, nothing, r, nothing, log_sigma_prior=0.0), bt(c, r), atol=1e-6)
    assert torch.allclose(mc(c, nothing, r, nothing), bt(c, r), atol=1e-6)


def test_gaussian_is_near_the_exact_likelihood():
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    for m in np.linspace(-3, 3, 13):
        for s in np.geomspace(0.1, 3.0, 8):
            exact = -math.log(float((weights / (1.0 + np.exp(-(m + s * nodes)))).sum()))
            log_sigma = rows(math.log(s / math.sqrt(2.0)))
            closed = gaussian(rows(m), log_sigma, rows(0.0), log_sigma, log_sigma_prior=0.0).item()
            assert abs(closed - exact) < 0.053, (m, s)


@pytest.mark.parametrize(("margin", "sign"), [(-3.0, -1), (3.0, 1)])
def test_wrong_pairs_raise_sigma_in_the_closed_form(margin, sign):
    log_c, log_r = rows(0.0).requires_grad_(), rows(0.0).requires_grad_()
    gaussian(rows(margin), log_c, rows(0.0), log_r, log_sigma_prior=0.0).sum().backward()
    assert math.copysign(1, log_c.grad.item()) == sign and math.copysign(1, log_r.grad.item()) == sign


@pytest.mark.parametrize("margin", [-3.0, -1.0, 0.0, 1.0, 3.0])
def test_sigma_only_shrinks_in_the_sampled_form(margin):
    log_c, log_r = rows(0.0).requires_grad_(), rows(0.0).requires_grad_()
    mc(rows(margin), log_c, rows(0.0), log_r).sum().backward()
    assert log_c.grad.item() > 0.0 and log_r.grad.item() > 0.0


def test_every_loss_raises_the_chosen_and_lowers_the_rejected():
    for loss in (
        lambda c, r: bt(c, r),
        lambda c, r: btt(c, r, torch.tensor([False])),
        lambda c, r: gaussian(c, rows(0.3), r, rows(-0.2)),
        lambda c, r: mc(c, rows(0.3), r, rows(-0.2)),
    ):
        c, r = rows(0.4).requires_grad_(), rows(-0.1).requires_grad_()
        loss(c, r).sum().backward()
        assert c.grad.item() < 0.0 < r.grad.item()


def test_gradients_are_exact():
    torch.manual_seed(0)
    inputs = [torch.randn(4, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    assert torch.autograd.gradcheck(gaussian, inputs)


def test_sampled_form_depends_on_its_generator_alone():
    values = [torch.randn(6) for _ in range(4)]
    torch.manual_seed(1)
    first = mc(*values, seed=3, num_samples=10)
    torch.manual_seed(2)
    assert torch.equal(first, mc(*values, seed=3, num_samples=10))
    assert not torch.equal(first, mc(*values, seed=4, num_samples=10))


def test_sampled_form_with_a_large_spread_by_hand():
    # At margin 0, E[softplus(s eps)] tends to s E[max(eps, 0)] = s / sqrt(2 pi).
    log_sigma = rows(math.log(100.0 / math.sqrt(2.0)))
    assert mc(rows(0.0), log_sigma, rows(0.0), log_sigma, num_samples=400_000).item() == pytest.approx(
        100.0 / math.sqrt(2 * math.pi), rel=0.01
    )


@pytest.mark.parametrize("mean", [0.0, 1e4, -1e4, 1e30])
@pytest.mark.parametrize("log_sigma", [-1e4, -80.0, 0.0, 44.0, 80.0, 1e4])
def test_float32_extremes_stay_finite(mean, log_sigma):
    c, r = rows(mean).requires_grad_(), rows(0.0).requires_grad_()
    log_c, log_r = rows(log_sigma).requires_grad_(), rows(log_sigma).requires_grad_()
    loss = gaussian(c, log_c, r, log_r)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    for tensor in (c, r, log_c, log_r):
        assert torch.isfinite(tensor.grad).all()


def test_half_precision_is_computed_in_float32():
    half = gaussian(*(torch.randn(3).to(torch.bfloat16) for _ in range(4)))
    assert half.dtype == torch.float32


def test_centering():
    assert reward_centering(rows(2.0, -1.0), rows(1.0, 1.0)).tolist() == [9.0, 0.0]


def test_calibrated_std_carries_the_calibrated_margin():
    torch.manual_seed(0)
    c, r, log_c, log_r = (torch.randn(500, dtype=torch.float64) * 2 for _ in range(4))
    std = torch.sqrt(
        calibrated_std(log_c, temperature=1.7) ** 2 + calibrated_std(log_r, temperature=1.7) ** 2
    )
    probit = torch.special.ndtr((c - r) / std)
    logistic = torch.sigmoid(calibrated_margin(c, log_c, r, log_r) / 1.7)
    assert (probit - logistic).abs().max() < 0.018
    assert calibrated_std(rows(-30.0)).item() == pytest.approx(math.sqrt(4 / math.pi))


def test_fit_temperature_by_hand():
    # Margin 1 is right three times in four: sigmoid(1 / T) = 3/4, so T = 1 / log 3.
    margins, labels = rows(1.0, 1.0, 1.0, 1.0), rows(1.0, 1.0, 1.0, 0.0)
    assert fit_temperature(margins, labels) == pytest.approx(1.0 / LOG_3, rel=1e-6)
    # The same pairs seen from the other side change nothing.
    assert fit_temperature(torch.cat([margins, -margins]), torch.cat([labels, 1 - labels])) == pytest.approx(
        1.0 / LOG_3, rel=1e-6
    )


def test_fit_temperature_recovers_the_truth():
    generator = torch.Generator().manual_seed(0)
    margins = torch.randn(50_000, generator=generator) * 4
    labels = torch.bernoulli(torch.sigmoid(margins / 2.5), generator=generator)
    assert fit_temperature(margins, labels) == pytest.approx(2.5, rel=0.03)


def test_fit_temperature_at_its_ends():
    assert fit_temperature(rows(1.0, -1.0), rows(1.0, 0.0)) < 0.1
    assert fit_temperature(rows(1.0, -1.0), rows(0.0, 1.0)) == pytest.approx(1e3, rel=1e-3)


@pytest.mark.parametrize(
    ("margins", "labels", "message"),
    [
        (rows(1.0), rows(1.0, 0.0), r"got \[1\] and \[2\]"),
        (rows(), rows(), "B >= 1"),
        (rows(math.nan), rows(1.0), "finite margins"),
        (rows(1.0), rows(2.0), r"\[0, 1\]"),
    ],
)
def test_fit_temperature_refuses(margins, labels, message):
    with pytest.raises(ValueError, match=message):
        fit_temperature(margins, labels)


def test_training_orders_the_spreads():
    """Half of the pairs carry labels flipped at 35 %: only the closed form gives them the larger sigma."""

    def train(loss):
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(1)
        hard = torch.arange(512) % 2
        truth = torch.where(torch.rand(512, generator=generator) < 0.35 * hard, -1.0, 1.0)
        scale, log_sigma = torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)
        optimizer = torch.optim.Adam([scale, log_sigma], lr=0.05)
        for _ in range(150):
            optimizer.zero_grad()
            spread = log_sigma[hard]
            loss(scale[hard] * truth, spread, torch.zeros(512), spread).mean().backward()
            optimizer.step()
        return log_sigma.detach().tolist()

    easy, hard = train(gaussian)
    assert hard > easy + 0.2
    generator = torch.Generator().manual_seed(2)
    easy_mc, hard_mc = train(lambda *values: gaussian_mc(*values, generator=generator, num_samples=50))
    assert easy_mc < 0.0 and hard_mc < 0.0
