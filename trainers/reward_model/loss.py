"""The loss of `spatial train-reward`: preferences of pictures, and relations whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from spatial_core.preference_loss import bt, btt, calibrated_margin, gaussian, gaussian_mc, reward_centering
from spatial_core.reward_model import RewardOutput
from spatial_trainers.recipe import LossRecipe


@dataclass(frozen=True)
class LossTerms:
    """One batch's loss and what is worth a line in the log.

    Attributes:
        loss: To minimise; scalar.
        preference, clause, centering: Its parts, unweighted.
        accuracy: Share of comparisons in the right order.
        clause_accuracy: Share of labelled relations judged right.
    """

    loss: Tensor
    preference: Tensor
    clause: Tensor
    centering: Tensor
    accuracy: Tensor
    clause_accuracy: Tensor


def clause_logits(mean: Tensor, log_std: Tensor) -> Tensor:
    """Return the log-odds that relations hold, any shape: the calibrated margin over a sure zero."""
    return calibrated_margin(mean, log_std, torch.zeros_like(mean), torch.full_like(log_std, -30.0))


def reward_loss(
    output: RewardOutput,
    labels: Tensor,
    recipe: LossRecipe,
    *,
    label_counts: Tensor,
    generator: torch.Generator,
) -> LossTerms:
    """Return the training loss of C comparisons.

    True relations outnumber false ones many times, so each kind weighs half of the clause term.

    Args:
        output: Of 2C rows, the better pictures first.
        labels: `[2C, R]`, 1, 0 or NaN.
        recipe: Which preference loss, and weights.
        label_counts: `[2]`, false and true labels that a batch of this size has on average; what the sum over
            relations is divided by, so that batches of a step add up to the step's mean.
        generator: For `gaussian_mc`.
    """
    mean, worse = output.mean.chunk(2)
    log_std, log_std_worse = output.log_std.chunk(2)
    if recipe.preference == "gaussian":
        preference = gaussian(mean, log_std, worse, log_std_worse, log_sigma_prior=recipe.prior_weight)
    elif recipe.preference == "gaussian_mc":
        preference = gaussian_mc(mean, log_std, worse, log_std_worse, generator=generator)
    elif recipe.preference == "btt":
        preference = btt(mean, worse, torch.zeros_like(mean, dtype=torch.bool))
    else:
        preference = bt(mean, worse)
    known = ~labels.isnan()
    truth, log_stds = labels[known], output.clause_log_std[known]
    logits = clause_logits(output.clause_mean[known], log_stds)
    terms = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    # As with whole prompts: mean and sigma could grow together for ever.
    terms = terms + 0.5 * recipe.prior_weight * log_stds**2
    clause = (terms * (0.5 / label_counts.clamp_min(1.0))[truth.long()]).sum()
    centering = reward_centering(mean, worse).mean()
    loss = preference.mean() + recipe.clause_weight * clause + recipe.center_weight * centering
    return LossTerms(
        loss=loss,
        preference=preference.mean().detach(),
        clause=clause.detach(),
        centering=centering.detach(),
        accuracy=((mean > worse).float() + 0.5 * (mean == worse).float()).mean(),
        clause_accuracy=((logits > 0) == (truth > 0.5)).float().sum() / known.sum().clamp_min(1),
    )
