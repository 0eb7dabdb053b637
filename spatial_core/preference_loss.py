"""Losses on pairs of scores: Bradley-Terry, with ties, and with Gaussian scores.

Every loss takes tensors of shape [B], one row a pair, and returns [B] in nats, float32 (float64 stays).
The caller reduces, so that pairs can be weighted. Scores are higher for better images.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812  (the name every torch reader expects)
from torch import Tensor

_LOG_PI_8 = math.log(math.pi / 8.0)
"""MacKay's constant: E[sigmoid(z)] for z ~ N(m, s^2) is nearly sigmoid(m / sqrt(1 + pi s^2 / 8))."""

_MAX_TEMPERATURE = 1e3


def bt(mean_chosen: Tensor, mean_rejected: Tensor) -> Tensor:
    """Return the Bradley-Terry loss, -log sigmoid(m) with margin m = mean_chosen - mean_rejected.

    By hand: m = 0 gives log 2 = 0.6931; m = log 3 gives -log(3/4) = 0.2877; m = -log 3 gives 1.3863.
    """
    return -F.logsigmoid(_wide(mean_chosen) - _wide(mean_rejected))


def btt(mean_chosen: Tensor, mean_rejected: Tensor, tie: Tensor, *, k: float = 5.0) -> Tensor:
    """Return the Bradley-Terry loss with ties (Rao and Kupper, 1967; k = 5 as VideoAlign).

    P(first better) = sigmoid(m - log k), P(tie) = (k^2 - 1) sigmoid(m - log k) sigmoid(-m - log k).

    By hand, k = 3: m = log 3 gives P = 1/2, so 0.6931; a tie at m = 0 gives P = 8 / 16, so 0.6931.

    Args:
        mean_chosen: [B].
        mean_rejected: [B].
        tie: bool [B]; where True the order of the two means nothing.
        k: How wide a tie is, > 1: two scores within log k are more likely tied than not ordered.

    Raises:
        ValueError: If `k` <= 1, which leaves ties no probability.
    """
    if k <= 1.0:
        raise ValueError(f"btt() needs k > 1, or ties have no probability; got {k}. Use bt() without ties.")
    margin = _wide(mean_chosen) - _wide(mean_rejected)
    better = F.logsigmoid(margin - math.log(k))
    tied = math.log(k * k - 1.0) + better + F.logsigmoid(-margin - math.log(k))
    return -torch.where(tie, tied, better)


def gaussian(
    mean_chosen: Tensor,
    log_sigma_chosen: Tensor,
    mean_rejected: Tensor,
    log_sigma_rejected: Tensor,
    *,
    log_sigma_prior: float = 0.01,
) -> Tensor:
    """Return -log E[sigmoid(z)] for z ~ N(m, s^2), in closed form, plus a weak prior on log sigma.

    m = mean_chosen - mean_rejected, s^2 = sigma_chosen^2 + sigma_rejected^2, E[sigmoid(z)] by MacKay's
    approximation (within .053 nats of quadrature for |m| <= 3, s <= 3). The log stands outside the
    expectation, so wrongly ordered pairs raise sigma and rightly ordered ones lower it; with the log inside
    (`gaussian_mc`) sigma can only shrink. Means and sigmas could grow together without changing the
    likelihood much; the prior, log_sigma_prior / 2 * (log_sigma_chosen^2 + log_sigma_rejected^2), keeps
    their scale.

    By hand, without prior: sigma -> 0 gives `bt`. m = 2 log 3 with s^2 = 24 / pi halves the margin, which
    gives -log(3/4) = 0.2877, and 1.3863 with m = -2 log 3. m = 0 gives 0.6931 for every sigma.

    Args:
        mean_chosen: [B].
        log_sigma_chosen: [B], natural log of the standard deviation.
        mean_rejected: [B].
        log_sigma_rejected: [B].
        log_sigma_prior: Weight of the prior; 0 switches it off.
    """
    margin = calibrated_margin(mean_chosen, log_sigma_chosen, mean_rejected, log_sigma_rejected)
    prior = _wide(log_sigma_chosen) ** 2 + _wide(log_sigma_rejected) ** 2
    return -F.logsigmoid(margin) + 0.5 * log_sigma_prior * prior


def gaussian_mc(
    mean_chosen: Tensor,
    log_sigma_chosen: Tensor,
    mean_rejected: Tensor,
    log_sigma_rejected: Tensor,
    *,
    generator: torch.Generator,
    num_samples: int = 1000,
) -> Tensor:
    """Return E[-log sigmoid(m + s eps)] by sampling eps ~ N(0, 1): the form of HPSv3, for comparison.

    The log stands inside the expectation and softplus is convex, so the loss only ever pulls sigma down;
    prefer `gaussian`. Samples in float32, where HPSv3 uses float16.

    By hand: sigma -> 0 gives `bt`. At m = 0 and large s it tends to s / sqrt(2 pi).

    Args:
        mean_chosen: [B].
        log_sigma_chosen: [B].
        mean_rejected: [B].
        log_sigma_rejected: [B].
        generator: Source of the noise, on the device of the scores.
        num_samples: Draws a pair.
    """
    margin = _wide(mean_chosen) - _wide(mean_rejected)
    spread = (0.5 * _log_variance(log_sigma_chosen, log_sigma_rejected)).exp()
    noise = torch.randn(
        (num_samples, *margin.shape), generator=generator, device=margin.device, dtype=margin.dtype
    )
    return -F.logsigmoid(margin + spread * noise).mean(dim=0)


def reward_centering(mean_chosen: Tensor, mean_rejected: Tensor) -> Tensor:
    """Return (mean_chosen + mean_rejected)^2, which holds the scores around 0 when a little of it is added.

    A preference loss does not see a constant added to every score (Eisenstein et al., arXiv 2312.09244).
    """
    return (_wide(mean_chosen) + _wide(mean_rejected)) ** 2


def calibrated_margin(
    mean_chosen: Tensor, log_sigma_chosen: Tensor, mean_rejected: Tensor, log_sigma_rejected: Tensor
) -> Tensor:
    """Return m / sqrt(1 + pi s^2 / 8) [B]: the logit of the probability that the first is better.

    Finite, with finite gradients, for every finite log sigma.
    """
    margin = _wide(mean_chosen) - _wide(mean_rejected)
    # 1 / sqrt(1 + x) = exp(-softplus(log x) / 2): s^2 itself leaves float32 at log sigma = 44.
    shrink = F.softplus(_LOG_PI_8 + _log_variance(log_sigma_chosen, log_sigma_rejected))
    return margin * torch.exp(-0.5 * shrink)


def calibrated_std(log_sigma: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Return the standard deviation [B] that carries the whole uncertainty of a comparison.

    T sqrt(sigma^2 + 4 / pi): half of the logistic noise of a comparison goes to each side, so that
    Phi((mean_a - mean_b) / sqrt(std_a^2 + std_b^2)) equals sigmoid(calibrated margin / T) within .018.

    Args:
        log_sigma: [B].
        temperature: T of `fit_temperature`.
    """
    return temperature * torch.sqrt(torch.exp(2.0 * _wide(log_sigma)) + 4.0 / math.pi)


def fit_temperature(margins: Tensor, labels: Tensor) -> float:
    """Return the T > 0 for which sigmoid(margin / T) is most likely on a validation set.

    The likelihood is concave in 1 / T, so bisection finds its one maximum.

    Args:
        margins: [B], calibrated margins of the first image over the second.
        labels: [B], 1 where the first is the better one, 0 where the second is.

    Returns:
        T in [1/1000, 1000]: the upper end if the margins say nothing about the labels, the lower end if
        they are always right.

    Raises:
        ValueError: If the shapes differ or are empty, a margin is not finite, or a label is outside [0, 1].
    """
    if margins.shape != labels.shape or margins.ndim != 1 or not margins.numel():
        raise ValueError(
            "fit_temperature() needs margins and labels of one shape [B], B >= 1; "
            f"got {list(margins.shape)} and {list(labels.shape)}."
        )
    m, y = margins.detach().double().cpu(), labels.detach().double().cpu()
    if not bool(torch.isfinite(m).all()):
        raise ValueError(
            "fit_temperature() needs finite margins; got NaN or infinity. Drop those pairs first."
        )
    if not bool(((y >= 0.0) & (y <= 1.0)).all()):
        raise ValueError(f"labels must be in [0, 1]; got {float(y.min()):.4g} to {float(y.max()):.4g}.")
    # Bisection over log T; the slope of the loss in 1 / T, E[(sigmoid(m / T) - y) m], falls as T grows.
    low, high = -math.log(_MAX_TEMPERATURE), math.log(_MAX_TEMPERATURE)
    for _ in range(60):
        middle = 0.5 * (low + high)
        slope = float(((torch.sigmoid(m * math.exp(-middle)) - y) * m).mean())
        low, high = (middle, high) if slope > 0.0 else (low, middle)
    return math.exp(0.5 * (low + high))


def _wide(x: Tensor) -> Tensor:
    """Return `x` in float32, the type in which losses are computed; float64 stays."""
    return x if x.dtype == torch.float64 else x.float()


def _log_variance(log_sigma_a: Tensor, log_sigma_b: Tensor) -> Tensor:
    """Return log(sigma_a^2 + sigma_b^2)."""
    return torch.logaddexp(2.0 * _wide(log_sigma_a), 2.0 * _wide(log_sigma_b))
