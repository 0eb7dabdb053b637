"""Online RL on a text-to-image flow model: `spatial train-rl recipe.toml`.

A step draws a group of pictures for each of some prompts, has them judged, keeps the best and the worst of
each group (arXiv 2602.24233) and makes the policy, a LoRA, draw more like the ones and less like the others.
The same command again goes on from the last checkpoint in the output folder. For several processes:
`accelerate launch -m spatial_core.cli train-rl recipe.toml`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import DistributedType, is_tensorboard_available, is_wandb_available
from tqdm import tqdm

from spatial_core.lora import LoraCard
from spatial_trainers.checkpoint import TrainingState, check_state, load_state
from spatial_trainers.fingerprint import module_sha256
from spatial_trainers.metrics_log import MetricsLog
from spatial_trainers.recipe import as_table
from spatial_trainers.rewards.sums import load_reward
from spatial_trainers.rl.base import (
    base_folder,
    check_base,
    check_guidance,
    encode_prompts,
    load_base,
    place,
)
from spatial_trainers.rl.checkpoint import STATE_FILE, fixed_recipe, restore, save
from spatial_trainers.rl.evaluation import (
    EVALUATION_FOLDER,
    Evaluation,
    Evaluator,
    evaluation_prompts,
    load_judge,
)
from spatial_trainers.rl.prompts import CurriculumSampler, Prompt, load_prompts
from spatial_trainers.rl.recipe import RlRecipe
from spatial_trainers.rl.trainer import Guards, RlTrainer

METRICS_FILE = "metrics.jsonl"
LORA_FOLDER = "lora"
_WHOLE = (DistributedType.NO, DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)


class RlRun:
    """A run from its recipe: everything loaded, and taken up where a checkpoint left it."""

    def __init__(self, recipe: RlRecipe, accelerator: Accelerator) -> None:
        """Load what the recipe names, what is cheap to check first.

        Raises:
            ValueError: If the recipe, a file, the base or a checkpoint does not fit.
            OSError: If a file is missing or a server cannot be reached.
        """
        self.recipe, self.accelerator = recipe, accelerator
        self.output = Path(recipe.output)
        self.state_path = self.output / STATE_FILE
        state = load_state(self.state_path) if self.state_path.is_file() else None
        self.prompts = load_prompts(recipe.prompts)
        texts = [prompt.text for prompt in self.prompts]
        asked = evaluation_prompts(recipe.evaluation, recipe.prompts, texts)
        self.facts: dict[str, Any] = {"recipe": fixed_recipe(recipe), "prompts": _digest(self.prompts)}
        if state is not None:
            check_state(state, self.state_path, self.facts)
        folder = self._base(texts)
        check_guidance(check_base(folder, revision=recipe.base.revision), recipe.rollout)
        recipe.lora.read_start()  # Told before the base is loaded, if there is none.
        reward = load_reward(recipe.reward, device=accelerator.device)
        judge = load_judge(recipe.evaluation.judge, device=accelerator.device)
        pipeline = load_base(recipe.base, folder)
        self.base_class = type(pipeline.transformer).__name__
        self.base_hash = module_sha256(pipeline.transformer)
        self.facts |= {"base": self.base_hash, "reward": reward.sha256}
        if state is not None:
            check_state(state, self.state_path, self.facts)
        negative = recipe.rollout.negative_prompt
        with accelerator.main_process_first():
            self.cache = encode_prompts(
                pipeline,
                [*texts, *asked, *([] if negative is None else [negative])],
                Path(recipe.cache) if recipe.cache else self.output / "embeddings",
                max_sequence_length=recipe.rollout.max_sequence_length,
                device=accelerator.device,
            )
        place(pipeline, accelerator.device, shard=recipe.base.shard and accelerator.num_processes > 1)
        self.trainer = RlTrainer(
            pipeline, reward, lambda text: lambda count: self.arguments([text] * count), recipe, accelerator
        )
        self.sampler = CurriculumSampler(
            self.prompts, recipe.prompts.curriculum, recipe.groups_per_step, recipe.seed
        )
        self.evaluator = Evaluator(
            recipe.evaluation,
            asked,
            reward,
            judge,
            folder=self.output / EVALUATION_FOLDER,
            accelerator=accelerator,
        )
        if state is not None:
            self._restore(state)

    def _base(self, texts: Sequence[str]) -> str:
        random = self.output / "base"
        if self.recipe.base.model == "random":
            from spatial_trainers.flow.random_flow import random_flow

            with self.accelerator.main_process_first():
                if not (random / "model_index.json").is_file():
                    self.output.mkdir(parents=True, exist_ok=True)
                    random_flow(random, texts, seed=self.recipe.seed)
        return base_folder(self.recipe.base, random=random)

    def arguments(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return what stands for prompts in the base's call."""
        return dict(self.cache.arguments(texts, negative_prompt=self.recipe.rollout.negative_prompt))

    def _restore(self, state: TrainingState) -> None:
        trainer = self.trainer
        old = trainer.nft.old if trainer.nft else {}
        restore(state, policy=trainer.policy, optimizer=trainer.optimizer, old=old)
        trainer.step = state.step
        trainer.guards = Guards(self.recipe.guards, **state.facts["guards"])

    def save(self) -> None:
        """Write the checkpoint, from the main process.

        Raises:
            OSError: If the disk is full; the older checkpoint stays.
        """
        if self.accelerator.is_main_process:
            trainer = self.trainer
            save(
                self.state_path,
                step=trainer.step,
                policy=trainer.policy,
                optimizer=trainer.optimizer,
                old=trainer.nft.old if trainer.nft else {},
                facts=self.facts | {"guards": trainer.guards.state()},
            )
        self.accelerator.wait_for_everyone()

    def take_step(self) -> dict[str, float]:
        """Take the next step; returns what is worth a log."""
        return self.trainer.take_step([self.prompts[i].text for i in self.sampler.indices(self.trainer.step)])

    def evaluate(self) -> Evaluation:
        """Evaluate the averaged policy."""
        with self.trainer.policy.averaged():
            return self.evaluator.run(
                self.trainer.step,
                self.trainer.pipeline,
                self.arguments,
                self.trainer.call,
                batch_size=self.recipe.rollout.micro_batch_size,
            )

    def export(self, before: Evaluation, after: Evaluation) -> Path:
        """Write the LoRA with its card."""
        r, trainer = self.recipe, self.trainer
        measured = {"before": before.summary(), "after": after.summary(), "judge": r.evaluation.judge}
        recommended = {"strength": 1.0, "num_inference_steps": r.evaluation.num_inference_steps}
        if r.rollout.guidance_scale is not None:
            recommended["guidance_scale"] = r.rollout.guidance_scale
        card = LoraCard(
            base=r.base.model,
            base_class=self.base_class,
            base_hash=self.base_hash,
            reward=trainer.reward.title,
            reward_hash=trainer.reward.sha256,
            recipe=as_table(r),
            steps=trainer.updates,
            measured=measured,
            recommended=recommended,
            licence=r.licence,
            notes=f"Trained by online RL ({r.algorithm}, best {r.advantage.num_best} and worst "
            f"{r.advantage.num_worst} of {r.rollout.group_size}) to do what prompts say about space.",
        )
        return trainer.policy.export(self.output / LORA_FOLDER, card=card, title=r.name)


def train_rl(recipe: RlRecipe) -> dict[str, Any]:
    """Train, or go on from the checkpoint in the output folder, and write the LoRA.

    Returns:
        The evaluations before and after, and where the LoRA is.

    Raises:
        ValueError: If the recipe, a file, the base or the reward does not fit.
        OSError: If the disk is full; earlier files stay as they were.
        RuntimeError: If the policy has collapsed or memory does not suffice.
    """
    available = {"tensorboard": is_tensorboard_available(), "wandb": is_wandb_available()}
    trackers = [name for name in recipe.trackers if available[name]]
    accelerator = Accelerator(mixed_precision="no", log_with=trackers or None, project_dir=recipe.output)
    if accelerator.distributed_type not in _WHOLE:
        raise ValueError(
            "RL shares out the base itself where it is asked to; accelerate says "
            f"{accelerator.distributed_type.value}. Choose multi-GPU without FSDP or DeepSpeed in `accelerate"
            " config`; where the base does not fit on a device, set 'base.shard' to true, or "
            "'base.storage' to \"float8\"."
        )
    groups, processes = recipe.groups_per_step // recipe.updates_per_rollout, accelerator.num_processes
    if recipe.base.shard and groups % processes:
        raise ValueError(
            "With 'base.shard' all processes must have equally many groups in an update: 'groups_per_step' / "
            f"'updates_per_rollout' must be a multiple of their number; got {groups} and {processes}."
        )
    run = RlRun(recipe, accelerator)
    accelerator.init_trackers("trackers", init_kwargs={"wandb": {"name": recipe.name}})
    main = accelerator.is_main_process
    trainer = run.trainer
    log = MetricsLog(run.output / METRICS_FILE, trainer.step, enabled=main)
    bar = tqdm(total=recipe.steps, initial=trainer.step, disable=not main, desc=recipe.name)
    if trainer.step == 0:
        _note(run.evaluate(), log, accelerator)
    window: list[Mapping[str, float]] = []
    while trainer.step < recipe.steps:
        window.append(run.take_step())
        done = trainer.step
        bar.update()
        if done % recipe.log_every == 0 or done == recipe.steps:
            values = {key: sum(v[key] for v in window) / len(window) for key in window[-1]}
            window.clear()
            log.write(done, values)
            accelerator.log({f"train/{key}": value for key, value in values.items()}, step=done)
            bar.set_postfix(reward=f"{values['reward']:.3f}")
        if done % recipe.checkpoint_every == 0 or done == recipe.steps:
            run.save()
        if done % recipe.evaluation.every == 0 and done < recipe.steps:
            _note(run.evaluate(), log, accelerator)
    bar.close()
    after = run.evaluate()
    _note(after, log, accelerator)
    result: dict[str, Any] = {}
    if main:
        before = run.evaluator.read(0)
        path = run.export(before, after)
        result = {"lora": str(path), "before": asdict(before), "after": asdict(after)}
    accelerator.wait_for_everyone()
    trainer.background.close()
    accelerator.end_training()
    return result


def _note(found: Evaluation, log: MetricsLog, accelerator: Accelerator) -> None:
    log.write(found.step, found.numbers())
    accelerator.log(found.numbers(), step=found.step)


def _digest(prompts: Sequence[Prompt]) -> str:
    return hashlib.sha256(json.dumps([asdict(prompt) for prompt in prompts]).encode()).hexdigest()
