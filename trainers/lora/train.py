"""A LoRA without RL: `spatial train-lora recipe.toml`.

From pictures with captions, from pairs of a better and a worse picture (Diffusion-DPO), or from the best of N
pictures that the base draws itself (reward-ranked fine-tuning). Text and pictures go through their encoders
once; after that a step is the denoiser alone.

The same command again goes on from the last checkpoint in the output folder; Ctrl-C ends the present step and
writes one first. For several processes: `accelerate launch -m spatial_core.cli train-lora recipe.toml`.
"""

from __future__ import annotations

import hashlib
import json
import signal
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, is_tensorboard_available
from tqdm import tqdm

from spatial_core.lora import LoraCard
from spatial_trainers.checkpoint import check_state, load_state
from spatial_trainers.fingerprint import module_sha256
from spatial_trainers.lora.best_of_n import BestOfN
from spatial_trainers.lora.data import Example, LatentCache, examples_sha256, read_pairs, read_pictures
from spatial_trainers.lora.drawing import Painter, negative_prompt
from spatial_trainers.lora.recipe import BestOfNRecipe, TrainLoraRecipe
from spatial_trainers.lora.trainer import LoraTrainer
from spatial_trainers.metrics_log import MetricsLog
from spatial_trainers.recipe import as_table
from spatial_trainers.rewards.sums import RewardSum, load_reward
from spatial_trainers.rl.base import base_folder, check_base, encode_prompts, load_base, place
from spatial_trainers.rl.checkpoint import STATE_FILE, restore, save
from spatial_trainers.rl.prompts import load_prompts

METRICS_FILE = "metrics.jsonl"
LORA_FOLDER = "lora"
SAMPLES_FOLDER = "samples"
_WHOLE = (DistributedType.NO, DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)
# What a resumed run may have otherwise: where things lie, what is shown, and how work is cut up.
_FREE = ("output", "cache", "checkpoint_every", "log_every", "licence", "samples")
_FREE_SAMPLES = ("prompts", "per_prompt", "every", "batch_size", "seed")
_FREE_REWARD = ("timeout", "retries", "batch_size", "device", "token_variable")


class LoraRun:
    """A run from its recipe: everything loaded, and taken up where a checkpoint left it.

    Attributes:
        trainer: Takes the steps.
        summary: Rewards of what the base drew itself, for best-of-N.
    """

    def __init__(self, recipe: TrainLoraRecipe, accelerator: Accelerator) -> None:
        """Load what the recipe names, what is cheap to check first.

        Raises:
            ValueError: If the recipe, a file, the base, the reward or a checkpoint does not fit.
            OSError: If a file is missing, a server cannot be reached or the disk is full.
        """
        self.recipe, self.accelerator = recipe, accelerator
        self.output = Path(recipe.output)
        self.output.mkdir(parents=True, exist_ok=True)
        self.state_path = self.output / STATE_FILE
        state = load_state(self.state_path) if self.state_path.is_file() else None
        if state is not None:
            check_state(state, self.state_path, {"recipe": _fixed(recipe)})
        examples, drawn = self._data()
        texts = list(dict.fromkeys(drawn or [example.prompt for example in examples]))
        self.shown = list(recipe.samples.prompts) or texts[:4]
        folder = self._base([*texts, *self.shown])
        check_base(folder, revision=recipe.base.revision)
        recipe.lora.read_start()  # Told before the base is loaded, if there is none.
        best = recipe.best_of_n
        reward = load_reward(best.reward, device=accelerator.device) if best else None
        pipeline = load_base(recipe.base, folder)
        self.base_class, self.base_hash = (
            type(pipeline.transformer).__name__,
            module_sha256(pipeline.transformer),
        )
        self.reward = (reward.title, reward.sha256) if reward else ("", "")
        against = negative_prompt(pipeline, recipe.samples)
        cache = Path(recipe.cache or self.output / "cache")
        with accelerator.main_process_first():
            prompts = encode_prompts(
                pipeline,
                [*texts, *self.shown, *([] if against is None else [against])],
                cache / "prompts",
                max_sequence_length=recipe.max_sequence_length,
                device=accelerator.device,
            )
        place(pipeline, accelerator.device)
        self.painter = Painter(pipeline, prompts, recipe.samples, side=recipe.resolution)
        self.summary: dict[str, float] = {}
        if best and reward:
            examples = self._draw_best(best, reward, drawn)
        self.count = len(examples)
        self.facts = {
            "recipe": _fixed(recipe),
            "pictures": examples_sha256(examples),
            "base": self.base_hash,
            "reward": self.reward[1],
        }
        if state is not None:
            check_state(state, self.state_path, self.facts)
        latents = LatentCache(pipeline, cache / "latents", resolution=recipe.resolution)
        with accelerator.main_process_first():
            latents.encode(examples, progress=accelerator.is_main_process)
        self.trainer = LoraTrainer(
            pipeline, prompts, lambda i: latents.read(examples[i]), len(examples), recipe, accelerator
        )
        if state is not None:
            restore(state, policy=self.trainer.policy, optimizer=self.trainer.optimizer, old={})
            self.trainer.step = state.step

    def _data(self) -> tuple[list[Example], list[str]]:
        """Return the examples, or the prompts that have to be drawn first."""
        r = self.recipe
        if r.pictures is not None:
            with self.accelerator.main_process_first():
                return read_pictures(r.pictures), []
        if r.best_of_n is not None:
            return [], [prompt.text for prompt in load_prompts(r.best_of_n.prompts)]
        assert r.pairs is not None
        with self.accelerator.main_process_first():
            return read_pairs(r.pairs), []

    def _base(self, texts: Sequence[str]) -> str:
        random = self.output / "base"
        if self.recipe.base.model == "random":
            from spatial_trainers.flow.random_flow import random_flow

            with self.accelerator.main_process_first():
                if not (random / "model_index.json").is_file():
                    random_flow(random, texts, seed=self.recipe.seed)
        return base_folder(self.recipe.base, random=random)

    def _draw_best(self, best: BestOfNRecipe, reward: RewardSum, drawn: Sequence[str]) -> list[Example]:
        accelerator = self.accelerator
        # Pictures of other settings in the same folder are left alone.
        facts = [_fixed(self.recipe)["best_of_n"], _drawing(self.recipe), self.base_hash, reward.sha256]
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
        maker = BestOfN(
            self.output / "best" / key,
            self.painter.draw_latents,
            reward,
            num_candidates=best.num_candidates,
            keep=best.keep,
            seed=self.recipe.seed,
        )
        mine = drawn[accelerator.process_index :: accelerator.num_processes]
        missing = len(maker.missing(mine))
        with tqdm(
            total=missing, desc="drawing", disable=not (missing and accelerator.is_main_process)
        ) as bar:
            maker.make(mine, tick=bar.update)
        accelerator.wait_for_everyone()
        self.summary = maker.summary(drawn)
        return maker.examples(drawn)

    def sheet(self) -> None:
        """Write the sheet of before and after."""
        step = self.trainer.step
        path = self.output / SAMPLES_FOLDER / f"{step:06d}.png"
        self.painter.sheet(
            path, self.shown, self.trainer.policy, title=self.recipe.name, after=f"after {step} steps"
        )

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
                old={},
                facts=self.facts,
            )
        self.accelerator.wait_for_everyone()

    def export(self) -> Path:
        """Write the LoRA with its card; returns the file.

        Raises:
            OSError: If the disk is full; an older file stays.
        """
        r, s = self.recipe, self.recipe.samples
        recommended: dict[str, Any] = {"strength": 1.0, "num_inference_steps": s.num_inference_steps}
        for name in ("guidance_scale", "true_cfg_scale"):
            if getattr(s, name) is not None:
                recommended[name] = getattr(s, name)
        card = LoraCard(
            base=r.base.model,
            base_class=self.base_class,
            base_hash=self.base_hash,
            reward=self.reward[0],
            reward_hash=self.reward[1],
            recipe=as_table(r),
            steps=self.trainer.step,
            measured=self.summary,
            recommended=recommended,
            licence=r.licence,
            notes=f"{self._origin()} It has not been measured against the base.",
        )
        return self.trainer.policy.export(self.output / LORA_FOLDER, card=card, title=r.name)

    def _origin(self) -> str:
        r = self.recipe
        if r.pictures is not None:
            return f"Fine-tuned on {self.count} pictures with captions."
        if r.best_of_n is not None:
            n = r.best_of_n
            return (
                f"Fine-tuned on {self.count} pictures, the best {n.keep} of every {n.num_candidates} drawn."
            )
        return f"Trained by Diffusion-DPO on {self.count} comparisons of pictures."


def train_lora(recipe: TrainLoraRecipe) -> Path | None:
    """Train, or go on from the checkpoint in the output folder, and write the LoRA.

    Returns:
        The LoRA's file; None on all processes but the first.

    Raises:
        ValueError: If the recipe, a file, the base or the reward does not fit, or memory does not suffice.
        OSError: If the disk is full; earlier files stay as they were.
        KeyboardInterrupt: If interrupted; the checkpoint has been written.
    """
    trackers = ["tensorboard"] if is_tensorboard_available() else []
    accelerator = Accelerator(mixed_precision="no", log_with=trackers, project_dir=recipe.output)
    if accelerator.distributed_type not in _WHOLE:
        raise ValueError(
            "train-lora runs on one process or several that each hold the whole base; accelerate says "
            f"{accelerator.distributed_type.value}. Choose multi-GPU without FSDP or DeepSpeed in "
            "`accelerate config`."
        )
    run = LoraRun(recipe, accelerator)
    accelerator.init_trackers("tensorboard")
    trainer, main, steps = run.trainer, accelerator.is_main_process, recipe.optimizer.steps
    log = MetricsLog(run.output / METRICS_FILE, trainer.step, enabled=main)
    if run.summary and trainer.step == 0:
        log.write(0, run.summary)
    window: list[Mapping[str, float]] = []
    began, first = time.monotonic(), trainer.step
    bar = tqdm(total=steps, initial=trainer.step, disable=not main, desc=recipe.name)
    with _interrupts() as interrupted, bar:
        while trainer.step < steps:
            window.append(trainer.take_step())
            done = trainer.step
            bar.update()
            if done % recipe.log_every == 0 or done == steps:
                values = {key: sum(v[key] for v in window) / len(window) for key in window[0]}
                window.clear()
                values["seconds_per_step"] = (time.monotonic() - began) / (done - first)
                log.write(done, values)
                accelerator.log({f"train/{key}": value for key, value in values.items()}, step=done)
                bar.set_postfix(loss=f"{values['loss']:.4f}")
            stopped = _anywhere(interrupted.is_set(), accelerator)
            if done % recipe.checkpoint_every == 0 or done == steps or stopped:
                run.save()
            if stopped:
                raise KeyboardInterrupt
            if main and recipe.samples.every and done % recipe.samples.every == 0 and done < steps:
                run.sheet()
    path = None
    if main:
        path = run.export()
        run.sheet()
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return path


@contextmanager
def _interrupts() -> Generator[threading.Event, None, None]:
    """Yield an event that the first Ctrl-C or SIGTERM sets; a second one acts as always."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may say what a signal does.
        yield event
        return
    older = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restored(*_: object) -> None:
        event.set()
        for number, handler in older.items():
            signal.signal(number, handler)

    for number in older:
        signal.signal(number, restored)
    try:
        yield event
    finally:
        restored()


def _anywhere(flag: bool, accelerator: Accelerator) -> bool:
    """Return whether the flag is set in any process: they must stop after the same step."""
    if accelerator.num_processes == 1:
        return flag
    flags = torch.tensor(float(flag), device=accelerator.device)
    return float(accelerator.reduce(flags, "sum")) > 0.0  # pyright: ignore[reportArgumentType]


def _drawing(recipe: TrainLoraRecipe) -> dict[str, Any]:
    """Return the part of the recipe that pictures depend on."""
    table = {key: value for key, value in as_table(recipe.samples).items() if key not in _FREE_SAMPLES}
    return table | {"side": recipe.resolution, "seed": recipe.seed, "length": recipe.max_sequence_length}


def _fixed(recipe: TrainLoraRecipe) -> dict[str, Any]:
    """Return the part of the recipe that a resumed run must share."""
    table = {key: value for key, value in as_table(recipe).items() if key not in _FREE}
    del table["optimizer"]["micro_batch_size"], table["base"]["gradient_checkpointing"]
    if recipe.optimizer.schedule == "constant":
        # More steps begin like fewer.
        del table["optimizer"]["steps"]
    if table["best_of_n"]:
        table["drawing"] = _drawing(recipe)
        for part in table["best_of_n"]["reward"]:
            for key in _FREE_REWARD:
                del part[key]
    if table["pairs"] and table["pairs"]["scenes"]:
        del table["pairs"]["scenes"]["cache"], table["pairs"]["scenes"]["processes"]
    if table["pictures"] and table["pictures"]["scenes"]:
        del table["pictures"]["scenes"]["cache"]
    return table
