"""The losses against the published formulas, the policy's gradients, guards, and what a group costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from tiny_rl import PROMPTS, bright, tiny_recipe, tiny_trainer
from torch import Tensor

from spatial_core.flow_sde import coefficients
from spatial_core.pipeline.predict import predict
from spatial_trainers.rewards.sums import RewardError
from spatial_trainers.rl.advantage import AdvantageRecipe, Chosen, choose
from spatial_trainers.rl.grpo import GrpoRecipe, grpo_terms
from spatial_trainers.rl.nft import Nft, NftRecipe, nft_loss
from spatial_trainers.rl.policy import LoraRecipe
from spatial_trainers.rl.recipe import GuardsRecipe, RlOptimizerRecipe
from spatial_trainers.rl.trainer import Guards

SIGMAS = torch.tensor([1.0, 0.9, 0.7, 0.4, 0.0])


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("ratio", ["gaussian", "guard"])
def test_clipped_loss_as_flow_grpo_and_grpo_guard_have_it(ratio: Any) -> None:
    step = coefficients(SIGMAS, "flow_sde", 0.7)[1]
    v, z = drawn(0, 6, 32, 8), drawn(1, 6, 32, 8)
    moved = v + 0.1 * drawn(2, 6, 32, 8)
    advantages = torch.tensor([1.0, -1.0, 2.0, -2.0, 0.5, -0.5])
    recipe = GrpoRecipe(ratio=ratio, clip_range=1e-4)
    terms = grpo_terms(moved, v, None, z, step, advantages, recipe)
    s, after, std = step.sigma.item(), step.sigma_next.item(), step.std.item()
    rate = 0.7 * math.sqrt(s / (1 - s))
    dmu = -(s - after) * (1 + rate**2 * (1 - s) / (2 * s)) * (moved - v).double()
    sample = std * z.double()
    log_probs = [-((sample - mean) ** 2).mean((1, 2)) / (2 * std**2) for mean in (torch.zeros_like(dmu), dmu)]
    log_r = log_probs[1] - log_probs[0]
    if ratio == "guard":
        log_r = (log_r + (dmu**2).mean((1, 2)) / (2 * std**2)) * std
    r = log_r.exp()
    expected = torch.maximum(-advantages * r, -advantages * r.clamp(1 - 1e-4, 1 + 1e-4))
    if ratio == "guard":
        expected = expected / (s - after)
    assert (terms.loss - expected).abs().max() <= 2e-6
    assert 0 < terms.clipped.sum() < 6


def test_nft_loss_as_published() -> None:
    v, old, x0, noise = (drawn(k, 5, 16, 4) for k in range(4))
    s, beta = torch.tensor(0.6), 0.5
    x = (1 - s) * x0 + s * noise
    r = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    found = nft_loss(v, old, x, x0, s, r, beta=beta)
    expected = torch.zeros(5, dtype=torch.float64)
    for row in range(5):
        for weight, side in (
            (r[row], beta * v[row] + (1 - beta) * old[row]),
            (1 - r[row], (1 + beta) * old[row] - beta * v[row]),
        ):
            predicted = (x[row] - s * side).double()
            error = predicted - x0[row].double()
            expected[row] += weight * (error**2).mean() / error.abs().mean()
    assert (found - expected).abs().max() <= 1e-5
    # A good picture pulls the velocity towards its own, a bad one pushes it away.
    for positive, sign in ((1.0, -1), (0.0, 1)):
        velocity = old.clone().requires_grad_()
        nft_loss(velocity, old, x, x0, s, torch.full((5,), positive), beta=1.0).sum().backward()
        assert torch.sign((velocity.grad * (old - (noise - x0))).sum()) == -sign


def test_before_the_first_update_every_ratio_is_one_and_the_velocity_that_of_the_rollout() -> None:
    # With as many kept pictures as a micro-batch holds, nothing is rounded otherwise.
    advantage = AdvantageRecipe(num_best=6, num_worst=6)
    trainer = tiny_trainer(tiny_recipe(updates_per_rollout=1, advantage=advantage))
    log = trainer.take_step(PROMPTS)
    assert log["log_ratio"] == 0.0 and log["drift"] == 0.0 and log["clipped"] == 0.0
    second = tiny_trainer(tiny_recipe(updates_per_rollout=2, advantage=advantage)).take_step(PROMPTS)
    assert second["log_ratio"] > 0.0 and second["drift"] > 0.0


@pytest.mark.parametrize("kl", ["velocity", "gaussian"])
def test_the_kl_pulls_the_policy_back_to_the_base(kl: Any) -> None:
    recipe = tiny_recipe(grpo=GrpoRecipe(kl=kl, kl_weight=1.0))
    trainer = tiny_trainer(recipe)
    for parameter in trainer.policy.trained.values():
        torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(1))
    collected = trainer.collect(PROMPTS[:1])
    assert trainer.grpo is not None
    chosen = Chosen(torch.arange(4), torch.zeros(4))
    log = trainer.grpo.backward(collected.rollouts[0], chosen, share=1.0, fresh=True)
    gradients = {n: p.grad.clone() for n, p in trainer.policy.trained.items()}
    assert log["kl"] > 0 and all(g.isfinite().all() for g in gradients.values())
    with torch.no_grad():
        for name, parameter in trainer.policy.trained.items():
            parameter -= 0.1 * log["kl"] / sum(g.square().sum() for g in gradients.values()) * gradients[name]
    after = trainer.grpo.backward(collected.rollouts[0], chosen, share=1.0, fresh=True)
    assert after["kl"] < 0.97 * log["kl"]


def test_with_the_adapter_off_the_policy_is_the_base() -> None:
    trainer = tiny_trainer()
    rollout = trainer.collect(PROMPTS[:1]).rollouts[0]
    base = rollout.velocity[0]
    for parameter in trainer.policy.trained.values():
        torch.nn.init.normal_(parameter, std=0.1)
    moved = trainer.collect(PROMPTS[:1]).rollouts[0]
    assert not torch.equal(moved.velocity[0], base)
    with trainer.policy.reference():
        again = trainer.collect(PROMPTS[:1]).rollouts[0]
    assert torch.equal(again.velocity[0], base)
    assert all(p.requires_grad for p in trainer.policy.trained.values())


def test_gradients_do_not_depend_on_the_micro_batch() -> None:
    gradients: list[Tensor] = []
    for size in (12, 5):
        trainer = tiny_trainer(tiny_recipe({"micro_batch_size": size}))
        collected = trainer.collect(PROMPTS)
        chosen = choose(collected.rewards, trainer.reward.weights, trainer.recipe.advantage)
        for number, rollout in collected.rollouts.items():
            trainer.grpo.backward(rollout, chosen[number], share=0.5, fresh=True)
        gradients.append(torch.cat([p.grad.flatten() for p in trainer.policy.trained.values()]))
    assert (gradients[0] - gradients[1]).norm() <= 1e-4 * gradients[0].norm()


@pytest.mark.parametrize(
    ("shared", "bar_full", "bar_fast"), [(True, 0.45, 0.60), (False, 0.50, 0.67)], ids=["prefix", "plain"]
)
def test_forwards_of_a_group(shared: bool, bar_full: float, bar_fast: float) -> None:
    """Against Flow-GRPO's loop (6 steps, 5 trained, all 24 pictures) and its fast form (3 trained)."""

    def cost(rollout: dict[str, Any], advantage: AdvantageRecipe) -> float:
        rollout = {"group_size": 24, "micro_batch_size": 12, **rollout}
        trainer = tiny_trainer(
            tiny_recipe(rollout, groups_per_step=1, updates_per_rollout=1, advantage=advantage)
        )
        counts = {"plain": 0, "trained": 0}

        def count(_module: Any, args: Any, kwargs: Any) -> None:
            rows = len(kwargs["hidden_states"] if kwargs else args[0])
            counts["trained" if torch.is_grad_enabled() else "plain"] += rows

        trainer.pipeline.transformer.single_transformer_blocks[0].register_forward_pre_hook(
            count, with_kwargs=True
        )
        log = trainer.take_step(PROMPTS[:1])
        found = counts["plain"] + 2.07 * counts["trained"]
        assert log["forwards_per_group"] == pytest.approx(found)
        return found

    every = AdvantageRecipe(num_best=0, num_worst=0)
    ours = cost({"window_start": (1, 1), "shared_prefix": shared}, AdvantageRecipe())
    full = cost({"window_size": 5, "window_start": (0, 0)}, every)
    fast = cost({"window_size": 3, "window_start": (0, 0)}, every)
    assert full == pytest.approx(24 * 6 + 24 * 5 * 2.07) and fast == pytest.approx(24 * 6 + 24 * 3 * 2.07)
    assert ours / full <= bar_full and ours / fast <= bar_fast


def rises(reward: Any, **more: Any) -> float:
    """Return by how many deviations of a group the pictures become brighter in 40 updates."""
    trainer = tiny_trainer(
        tiny_recipe(grpo=GrpoRecipe(ratio="guard", clip_range=1e-2), **more), reward=reward
    )
    truth: list[float] = []
    spread: list[float] = []
    draw = trainer.background.submit

    def submit(images: Tensor, prompts: list[str]) -> Any:
        values = bright(images, prompts)
        truth.append(float(values.mean()))
        spread.append(float(values.std()))
        return draw(images, prompts)

    trainer.background.submit = submit
    for _ in range(20):
        trainer.take_step(PROMPTS)
    assert trainer.updates == 40
    return float((np.mean(truth[-4:]) - np.mean(truth[:4])) / np.mean(spread[:4]))


def test_a_toy_reward_rises_and_shuffled_rewards_do_not() -> None:
    calls = iter(range(1000))

    def shuffled(images: Tensor, prompts: list[str]) -> Tensor:
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(next(calls)))
        return bright(images, prompts)[order]

    assert rises(bright) > 3.0
    assert abs(rises(shuffled)) < 3.0


@pytest.mark.slow
def test_a_toy_reward_rises_with_nft() -> None:
    more = {"algorithm": "nft", "nft": NftRecipe(levels=3, kl_weight=0.0)}
    assert rises(bright, **more) > 3.0


def test_nft_draws_with_the_old_policy_which_follows() -> None:
    trainer = tiny_trainer(tiny_recipe(algorithm="nft", updates_per_rollout=1))
    assert isinstance(trainer.nft, Nft)
    rollout = trainer.collect(PROMPTS[:1]).rollouts[0]
    assert rollout.latents.shape[0] == 0
    for parameter in trainer.policy.trained.values():
        torch.nn.init.normal_(parameter, std=0.1)
    assert torch.equal(trainer.collect(PROMPTS[:1]).rollouts[0].clean, rollout.clean)
    old = {name: value.clone() for name, value in trainer.nft.old.items()}
    trainer.nft.follow(400)
    for name, parameter in trainer.policy.trained.items():
        expected = 0.4 * old[name] + 0.6 * parameter
        assert (trainer.nft.old[name] - expected).abs().max() <= 1e-6


def test_nft_speaks_at_the_first_levels_and_holds_the_base_at_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = NftRecipe(levels=2, among=2, kl_weight=0.0, rest_weight=1.0)
    trainer = tiny_trainer(tiny_recipe(algorithm="nft", updates_per_rollout=1, nft=recipe))
    assert trainer.nft is not None
    for parameter in trainer.policy.trained.values():
        torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(1))
    # The old policy is the trained one, and nothing is better than anything else: the reward pulls nowhere.
    trainer.nft.follow(1)
    rollout, chosen = trainer.collect(PROMPTS[:1]).rollouts[0], Chosen(torch.arange(4), torch.zeros(4))
    seen: list[tuple[float, bool]] = []

    def spied(pipeline: Any, latents: Tensor, sigma: Tensor, condition: Any) -> Tensor:
        seen.append((float(sigma), torch.is_grad_enabled()))
        return predict(pipeline, latents, sigma, condition)

    monkeypatch.setattr("spatial_trainers.rl.nft.predict", spied)

    def backward() -> dict[str, float]:
        return trainer.nft.backward(rollout, chosen, share=1.0, generator=torch.Generator().manual_seed(3))

    before = backward()
    levels = rollout.steps.sigma.tolist()
    trained = [sigma for sigma, with_gradient in seen if with_gradient]
    assert set(trained[:-1]) == set(levels[:2]) and trained[-1] in levels[2:]
    with torch.no_grad():
        squares = sum(p.grad.square().sum() for p in trainer.policy.trained.values())
        for parameter in trainer.policy.trained.values():
            parameter -= 0.1 * before["rest"] / squares * parameter.grad
    after = backward()
    assert after["rest"] < 0.97 * before["rest"] and abs(after["loss"] - before["loss"]) < 0.01


def test_the_learning_rate_warms_up_and_cools_down() -> None:
    recipe = RlOptimizerRecipe(learning_rate=0.8, warmup_updates=4, cooldown=(10, 20))
    rates = [recipe.rate(update) for update in (0, 3, 9, 10, 15, 19, 20, 99)]
    assert rates == pytest.approx([0.2, 0.8, 0.8, 0.8, 0.4, 0.08, 0.0, 0.0])
    trainer = tiny_trainer(tiny_recipe(updates_per_rollout=2, optimizer=RlOptimizerRecipe(cooldown=(0, 3))))
    # The log holds the mean of a step's two updates.
    for expected in ((1 + 2 / 3) / 2, (1 / 3 + 0) / 2):
        assert trainer.take_step(PROMPTS)["learning_rate"] == pytest.approx(3e-4 * expected)


def test_guards_skip_spikes_and_nan_and_end_a_collapse() -> None:
    guards = Guards(GuardsRecipe(spike=10.0, max_skipped=3))
    assert all(guards.admit(1.0) for _ in range(10))
    assert not guards.admit(11.0) and not guards.admit(math.nan)
    assert (guards.skipped, guards.in_a_row) == (2, 2)
    assert guards.admit(9.0) and guards.in_a_row == 0
    assert Guards(guards.recipe, **guards.state()) == guards
    assert not guards.admit(math.inf) and not guards.admit(math.inf)
    with pytest.raises(RuntimeError, match="3 updates in a row.*'optimizer.learning_rate'"):
        guards.admit(math.inf)


def test_a_nan_gradient_changes_nothing() -> None:
    trainer = tiny_trainer(tiny_recipe(guards=GuardsRecipe(max_skipped=5)))
    before = {name: p.detach().clone() for name, p in trainer.policy.trained.items()}
    some = next(iter(trainer.policy.trained.values()))
    handle = some.register_hook(lambda gradient: gradient * math.nan)
    log = trainer.take_step(PROMPTS)
    assert log["skipped_updates"] == 2
    assert all(torch.equal(p, before[name]) for name, p in trainer.policy.trained.items())
    handle.remove()
    trainer.take_step(PROMPTS)
    assert not torch.equal(some, before[next(iter(before))])


def test_the_kl_alarm_counts() -> None:
    recipe = tiny_recipe(grpo=GrpoRecipe(kl_weight=1e-3), guards=GuardsRecipe(kl_alarm=1e-12))
    trainer = tiny_trainer(recipe)
    trainer.take_step(PROMPTS)
    assert trainer.take_step(PROMPTS)["kl_alarms"] >= 2


def test_two_groups_of_one_prompt_are_not_the_same() -> None:
    rollouts = tiny_trainer().collect([PROMPTS[0], PROMPTS[0]]).rollouts
    assert not torch.equal(rollouts[0].latents, rollouts[1].latents)


def test_groups_without_differences_make_no_update() -> None:
    trainer = tiny_trainer(reward=lambda images, prompts: torch.zeros(len(prompts)))
    before = {name: p.detach().clone() for name, p in trainer.policy.trained.items()}
    assert trainer.take_step(PROMPTS)["left_out_groups"] == 2
    assert all(torch.equal(p, before[name]) for name, p in trainer.policy.trained.items())


def test_a_failing_reward_is_named() -> None:
    def broken(images: Tensor, prompts: list[str]) -> Tensor:
        return torch.full((len(prompts),), math.nan)

    with pytest.raises(RewardError, match="'bright' must return finite numbers"):
        tiny_trainer(reward=broken).take_step(PROMPTS)


def test_too_little_memory_names_the_knob(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = tiny_trainer()

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("spatial_trainers.rl.trainer.sample_group", full)
    with pytest.raises(RuntimeError, match=r"'rollout.micro_batch_size' \(now 12"):
        trainer.take_step(PROMPTS)


def test_tiling_is_switched_off() -> None:
    from tiny_pipelines import FAMILIES
    from tiny_rl import embedded

    from spatial_trainers.rewards.sums import RewardPart, RewardSum
    from spatial_trainers.rl.trainer import RlTrainer

    trainer = tiny_trainer()
    pipeline = FAMILIES["flux"].pipeline()
    pipeline.vae.enable_tiling()
    reward = RewardSum([RewardPart("bright", bright)])
    RlTrainer(pipeline, reward, embedded(pipeline), tiny_recipe(), trainer.accelerator)
    assert not pipeline.vae.use_tiling


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"advantage": AdvantageRecipe(num_best=7, num_worst=6)}, "Draw larger groups or keep fewer"),
        ({"updates_per_rollout": 3}, "multiple of 'updates_per_rollout'"),
        ({"rollout": {"noise_level": 0.0}}, "GRPO trains on random steps"),
        (
            {"rollout": {"shared_prefix": True}, "algorithm": "nft"},
            "all pictures of a group would be the same",
        ),
        ({"algorithm": "nft", "nft": NftRecipe(levels=7)}, "'nft.levels' must be at most"),
        ({"algorithm": "nft", "nft": NftRecipe(among=7)}, "'nft.among' must be at most"),
        (
            {"algorithm": "nft", "nft": NftRecipe(among=6, rest_weight=1.0)},
            "'nft.rest_weight' needs 'nft.among' below",
        ),
        ({"guards": GuardsRecipe(kl_alarm=1.0)}, "needs 'grpo.kl_weight' > 0"),
        ({"guards": GuardsRecipe(spike=1.0)}, "'guards.spike'"),
        ({"reward": ()}, "needs a reward"),
        ({"steps": 0}, "'steps' must be greater than 0"),
        ({"optimizer": RlOptimizerRecipe(ema_decay=1.0)}, "'optimizer.ema_decay'"),
        ({"optimizer": RlOptimizerRecipe(cooldown=(9, 9))}, "'optimizer.cooldown' must be two updates"),
    ],
)
def test_bad_recipes(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_recipe(**values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GrpoRecipe(clip_range=0.0), "clip_range > 0"),
        (lambda: NftRecipe(beta=0.0), "beta > 0"),
        (lambda: NftRecipe(old_decay_limit=1.0), "old_decay_limit"),
        (lambda: NftRecipe(levels=3, among=2), "'nft.among' must be 0 or at least"),
        (lambda: NftRecipe(rest_weight=1.0), "needs 'nft.among'"),
        (lambda: NftRecipe(among=2, rest_weight=-1.0), "rest_weight >= 0"),
        (lambda: LoraRecipe(rank=0), "rank >= 1"),
    ],
)
def test_bad_tables(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
