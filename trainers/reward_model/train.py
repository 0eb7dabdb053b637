"""Train SpatialScore on preference pairs: `spatial train-reward recipe.toml`.

One forward judges both pictures of every comparison. The loss is the preference loss on the last readout,
plus cross-entropy on single relations where their truth is known (exact in scenes; the edited relation of a
pair is false), plus a little centring. Distribution is accelerate's: run `accelerate launch -m
spatial_core.cli train-reward recipe.toml` for several processes; what a step computes does not depend on
their number. Sharded engines (FSDP, DeepSpeed) are not used: the adapter of a 7B model fits beside it on one
device of 80 GB.

The same command again goes on from the last checkpoint in the output folder.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, gather_object, is_tensorboard_available, set_seed
from torch import nn
from tqdm import tqdm

from spatial_core.atomic_files import atomic_path, write_text
from spatial_core.preference_loss import calibrated_margin
from spatial_core.reward_model import RewardOutput, SpatialRewardModel
from spatial_trainers.checkpoint import (
    TrainingState,
    check_state,
    load_state,
    optimizer_entries,
    restore_optimizer,
    save_state,
)
from spatial_trainers.cpu_precision import usable_precision
from spatial_trainers.learning_rate import learning_rate_factor
from spatial_trainers.metrics_log import MetricsLog
from spatial_trainers.pairs.data import (
    Comparison,
    Pair,
    PairSet,
    chunks,
    comparisons,
    read_manifest,
)
from spatial_trainers.passes import step_indices
from spatial_trainers.plain_attention import PlainAttention
from spatial_trainers.recipe import RewardRecipe, as_table
from spatial_trainers.reward_model.batches import Batcher, ComparisonBatch, prefetched
from spatial_trainers.reward_model.card import write_card
from spatial_trainers.reward_model.loss import LossTerms, clause_logits, reward_loss
from spatial_trainers.reward_model.previews import Previews
from spatial_trainers.reward_model.trainable import (
    backbone_folder,
    build_model,
    check_files,
    judge_parts,
    parameter_groups,
    trained_parameters,
)
from spatial_trainers.reward_model.validation import (
    Judgement,
    Temperatures,
    fit_temperatures,
    markdown,
    measure,
)

JUDGE_FOLDER = "judge"
STATE_FILE = "checkpoint.safetensors"
BEST_FILE = "best.safetensors"
METRICS_FILE = "metrics.jsonl"


def load_pairs(recipe: RewardRecipe, accelerator: Accelerator) -> PairSet:
    """Return the recipe's pairs; scenes that are not in the cache yet are rendered by the main process.

    Raises:
        ValueError: If a manifest is unusable, or a split that is needed is empty.
    """
    sets: list[PairSet] = []
    if recipe.data.manifest:
        sets.append(read_manifest(recipe.data.manifest))
    if recipe.data.scenes is not None:
        from spatial_trainers.pairs.scene_pairs import render_pairs

        with accelerator.main_process_first():
            sets.append(read_manifest(render_pairs(recipe.data.scenes)))
    pairs = sets[0] if len(sets) == 1 else sets[0] + sets[1]
    for split in ("train", "validation"):
        if not pairs.splits[split]:
            raise ValueError(
                f"There must be pairs of the split '{split}'; there are none. Add some to the manifest."
            )
    return pairs


@torch.no_grad()
def judge(
    model: nn.Module, batcher: Batcher, cases: Sequence[Comparison], *, size: int, accelerator: Accelerator
) -> list[Judgement]:
    """Return what the model says of every comparison, in order, the work shared by all processes.

    Args:
        model: Plain.
        batcher: Of the same template.
        cases: Comparisons.
        size: Comparisons in one forward.
        accelerator: Knows the processes.
    """
    model.eval()
    rank, world = accelerator.process_index, accelerator.num_processes
    mine: list[tuple[int, Judgement]] = []
    runs = list(chunks(range(len(cases)), size))[rank::world]
    made = prefetched(lambda run: batcher([cases[i] for i in run]), runs, depth=2)
    for run, batch in zip(runs, made, strict=True):
        with accelerator.autocast():
            output: RewardOutput = model(batch.inputs)
        mean, worse = output.mean.float().cpu().chunk(2)
        log_std, log_std_worse = output.log_std.float().cpu().chunk(2)
        margins = calibrated_margin(mean, log_std, worse, log_std_worse)
        clauses = clause_logits(output.clause_mean, output.clause_log_std).float().cpu()
        for k, i in enumerate(run):
            count = len(cases[i].graph.relations)
            sides = tuple(tuple(clauses[row, :count].tolist()) for row in (k, k + len(run)))
            mine.append((i, Judgement(float(mean[k] - worse[k]), float(margins[k]), (sides[0], sides[1]))))
    return [judgement for _, judgement in sorted(gather_object(mine), key=lambda pair: pair[0])]


class RewardTrainer:
    """A run: the model, its optimizer, and where they stand."""

    def __init__(self, recipe: RewardRecipe, accelerator: Accelerator):
        """Build everything, and take up a checkpoint that lies in the output folder.

        Raises:
            ValueError: If a file or the data do not fit; files are looked for before a model loads.
        """
        self.recipe = recipe
        self.accelerator = accelerator
        o = recipe.optimizer
        share = o.pairs_per_device * accelerator.num_processes
        if o.pairs_per_step % share:
            raise ValueError(
                f"'optimizer.pairs_per_step' ({o.pairs_per_step}) must be a multiple of 'pairs_per_device' "
                f"({o.pairs_per_device}) times the number of processes ({accelerator.num_processes})."
            )
        self.batches_per_step = o.pairs_per_step // share
        self.output = Path(recipe.output)
        self.output.mkdir(parents=True, exist_ok=True)
        start = check_files(recipe.model)
        previous = self._previous_state()
        self.pairs = load_pairs(recipe, accelerator)
        self.previews: Previews | None = None
        self.data_digest = self.pairs.sha256
        if recipe.data.previews is not None:
            self.previews = Previews(recipe.data.previews, seed=recipe.seed, device=accelerator.device)
            self.data_digest = f"{self.data_digest} {self.previews.digest}"
        if previous is not None and previous.facts["data"] != self.data_digest:
            raise ValueError(
                f"{self.output / STATE_FILE} was trained on other pairs, or on previews of another pipeline. "
                "Restore them, or change 'output'."
            )
        self.backbone = self._backbone()
        set_seed(recipe.seed)
        model = build_model(recipe.model, self.backbone, start)
        self.batcher = Batcher(model, self.previews)
        self.trained = trained_parameters(model)
        self.names = {parameter: name for name, parameter in self.trained.items()}
        optimizer = torch.optim.AdamW(parameter_groups(self.trained, o), betas=o.betas)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        self.average = {n: p.detach().clone() for n, p in self.trained.items()} if o.ema_decay else {}
        self.step = 0
        self.best: dict[str, float] = {}
        if previous is not None:
            self._restore(previous)

    def _previous_state(self) -> TrainingState | None:
        path = self.output / STATE_FILE
        if not path.is_file():
            return None
        state = load_state(path)
        check_state(state, path, {"recipe": self._fixed_recipe()})
        return state

    def _fixed_recipe(self) -> dict[str, Any]:
        """Return the part of the recipe that a resumed run must share."""
        table = as_table(self.recipe)
        for key in ("output", "checkpoint_every", "log_every"):
            del table[key]
        del table["data"]["prefetch"]
        # How a step is shared out does not change what it computes.
        del table["optimizer"]["pairs_per_device"], table["validation"]["pairs_per_device"]
        if table["data"]["scenes"] is not None:
            del table["data"]["scenes"]["cache"], table["data"]["scenes"]["processes"]
        if table["data"]["previews"] is not None:
            del table["data"]["previews"]["cache"]
        return table

    def _backbone(self) -> str:
        m = self.recipe.model
        if m.backbone != "random":
            return backbone_folder(m)
        from spatial_trainers.reward_model.random_backbone import random_backbone

        folder = self.output / "backbone"
        with self.accelerator.main_process_first():
            if not (folder / "preprocessor_config.json").is_file():
                prompts = (p.graph.text for p in self.pairs.splits["train"])
                random_backbone(folder, prompts, seed=self.recipe.seed, **asdict(m.random_backbone))
        return str(folder)

    def _restore(self, state: TrainingState) -> None:
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(state.weights[name])
                if self.average:
                    self.average[name].copy_(state.average[name])
        restore_optimizer(self.optimizer.optimizer, self.names, state.optimizer)
        self.step = state.step
        self.best = dict(state.facts["best"])

    def save(self) -> None:
        """Write the checkpoint, from the main process."""
        if self.accelerator.is_main_process:
            state = TrainingState(
                step=self.step,
                weights=self.trained,
                average=self.average,
                optimizer=optimizer_entries(self.optimizer.optimizer, self.names),
                facts={"recipe": self._fixed_recipe(), "data": self.data_digest, "best": self.best},
            )
            save_state(self.output / STATE_FILE, state)

    def batches(self) -> Iterator[ComparisonBatch]:
        """Yield this process's batches from the present step on, prepared ahead."""
        r, o = self.recipe, self.recipe.optimizer
        train = self.pairs.splits["train"]
        rank, world = self.accelerator.process_index, self.accelerator.num_processes

        def mine() -> Iterator[tuple[int, list[int]]]:
            for step in range(self.step, o.steps):
                indices = step_indices(len(train), step=step, size=o.pairs_per_step, seed=r.seed)
                runs = list(chunks(indices, o.pairs_per_device))
                yield from ((step, list(run)) for run in runs[rank::world])

        def make(chosen: tuple[int, list[int]]) -> ComparisonBatch:
            step, indices = chosen
            levels = self.previews and [self.previews.level(step, i) for i in indices]
            pairs = [train[i] for i in indices]
            return self.batcher(comparisons(pairs, symmetric=r.data.symmetric, levels=levels))

        return prefetched(make, mine(), depth=r.data.prefetch)

    def take_step(self, batches: Sequence[ComparisonBatch]) -> dict[str, float]:
        """Take one optimizer step on this process's batches of it and return the numbers to log."""
        o, device = self.recipe.optimizer, self.accelerator.device
        # Dropout depends on the step and the process, not on what happened before: a resumed run repeats it.
        rank = self.accelerator.process_index
        seed = int(np.random.SeedSequence([self.recipe.seed, self.step, rank]).generate_state(1)[0])
        torch.manual_seed(seed)
        generator = torch.Generator(device).manual_seed(seed)
        labels = torch.cat([batch.labels.flatten() for batch in batches]).to(device)
        counts = torch.stack([(labels == 0).sum(), (labels == 1).sum()]).float()
        counts = self.accelerator.reduce(counts, "mean") / len(batches)
        self.model.train()
        factor = learning_rate_factor(self.step, o)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * factor
        terms: list[LossTerms] = []
        for k, batch in enumerate(batches):
            with ExitStack() as stack:
                stack.enter_context(PlainAttention())
                if k + 1 < len(batches):
                    stack.enter_context(self.accelerator.no_sync(self.model))
                output: RewardOutput = self.model(batch.inputs)
                found = reward_loss(
                    output,
                    batch.labels.to(device),
                    self.recipe.loss,
                    label_counts=counts,
                    generator=generator,
                )
                self.accelerator.backward(found.loss / len(batches))
            terms.append(found)
        norm = self.accelerator.clip_grad_norm_(list(self.trained.values()), o.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            # Early on the average follows quickly, or it would remember the initial weights.
            decay = min(o.ema_decay, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                for name, parameter in self.trained.items():
                    self.average[name].lerp_(parameter, 1.0 - decay)
        self.step += 1
        names = ("loss", "preference", "clause", "centering", "accuracy", "clause_accuracy")
        values = torch.stack([torch.stack([getattr(t, n).detach() for t in terms]).mean() for n in names])
        values = self.accelerator.reduce(values, "mean")
        return dict(zip(names, values.tolist(), strict=True)) | {
            "grad_norm": float(norm),  # pyright: ignore[reportArgumentType]
            "learning_rate": factor * o.learning_rate,
        }

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the averaged weights in place while inside."""
        live = {name: self.trained[name].detach().clone() for name in self.average}
        with torch.no_grad():
            for name, value in self.average.items():
                self.trained[name].copy_(value)
        yield
        with torch.no_grad():
            for name, value in live.items():
                self.trained[name].copy_(value)

    def validate(self) -> dict[str, Any]:
        """Return the validation numbers of the present weights, and keep the weights if none were better."""
        r = self.recipe
        pairs = self.pairs.splits["validation"][: r.validation.pairs]
        cases = comparisons(pairs, symmetric=r.data.symmetric)
        with self.averaged():
            size = r.validation.pairs_per_device * (2 if r.data.symmetric else 1)
            # DDP would wait for the other processes at each forward, and they may have fewer.
            model = self.accelerator.unwrap_model(self.model)
            judged = judge(model, self.batcher, cases, size=size, accelerator=self.accelerator)
            metrics = measure(cases, judged, temperatures=fit_temperatures(cases, judged))
            if self.previews:
                metrics["by_noise_level"] = self._by_noise_level(self.previews, pairs, model, self.batcher)
            score = {
                "accuracy": metrics["accuracy"]["accuracy"],
                "verdicts": metrics["verdicts"]["balanced"] or 0.0,
                "nll": metrics["nll"],
                "step": self.step,
            }
            if not self.best or _rank(score) >= _rank(self.best):
                self.best = score
                if self.accelerator.is_main_process:
                    self._save_best()
        return metrics

    def _by_noise_level(
        self, previews: Previews, pairs: Sequence[Pair], model: nn.Module, batcher: Batcher
    ) -> dict[str, dict[str, Any]]:
        """Return the accuracy on previews of at most `validation.pairs` of the pairs, for each level."""
        r = self.recipe
        table: dict[str, dict[str, Any]] = {}
        size = r.validation.pairs_per_device * (2 if r.data.symmetric else 1)
        pairs = pairs[: r.validation.pairs]
        for level in previews.recipe.noise_levels:
            cases = comparisons(pairs, symmetric=r.data.symmetric, levels=[level] * len(pairs))
            judged = judge(model, batcher, cases, size=size, accelerator=self.accelerator)
            table[f"{level:g}"] = measure(cases, judged)["accuracy"]
        return table

    def _save_best(self) -> None:
        from safetensors.torch import save_file

        tensors = {name: p.detach().cpu().clone().contiguous() for name, p in self.trained.items()}
        with atomic_path(self.output / BEST_FILE) as temporary:
            save_file(tensors, temporary, metadata={"best": json.dumps(self.best)})

    def finish(self) -> dict[str, Any]:
        """Write the judge folder from the best weights; returns the card.

        What is measured is the shipped file, loaded again. Temperatures are fitted on the validation pairs,
        so the tables of the test pairs, if there are any, owe nothing to them.
        """
        from safetensors.torch import load_file

        r, accelerator = self.recipe, self.accelerator
        folder = self.output / JUDGE_FOLDER
        plain: SpatialRewardModel = accelerator.unwrap_model(self.model)
        plain.config = replace(plain.config, backbone=_relative(self.backbone, folder))
        dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[r.save_dtype]
        if accelerator.is_main_process:
            best = load_file(self.output / BEST_FILE)
            with torch.no_grad():
                for name, parameter in self.trained.items():
                    parameter.copy_(best[name])
            plain.save_pretrained(folder, dtype=dtype, **judge_parts(best, r.model))
        accelerator.wait_for_everyone()
        weights = {"float32": torch.float32, "bfloat16": torch.bfloat16}[r.model.dtype]
        shipped = SpatialRewardModel.from_pretrained(folder, backbone=self.backbone, dtype=weights)
        shipped.to(accelerator.device)
        batcher = Batcher(shipped, self.previews)
        size = r.validation.pairs_per_device * (2 if r.data.symmetric else 1)
        tables: dict[str, Any] = {}
        temperatures = Temperatures()
        for split in ("validation", "test"):
            cases = comparisons(self.pairs.splits[split], symmetric=r.data.symmetric)
            if not cases:
                continue
            judged = judge(shipped, batcher, cases, size=size, accelerator=accelerator)
            if split == "validation":
                temperatures = fit_temperatures(cases, judged)
            tables[split] = measure(cases, judged, temperatures=temperatures)
            if self.previews:
                tables[split]["by_noise_level"] = self._by_noise_level(
                    self.previews, self.pairs.splits[split], shipped, batcher
                )
        card: dict[str, Any] = {}
        if accelerator.is_main_process:
            plain.config = replace(
                plain.config, temperature=temperatures.pair, clause_temperature=temperatures.clause
            )
            plain.save_pretrained(folder, dtype=dtype, **judge_parts(best, r.model))
            card = write_card(
                folder,
                recipe=r,
                pairs=self.pairs,
                best=self.best,
                temperatures=temperatures,
                tables=tables,
                parameters=sum(p.numel() for p in self.trained.values()),
            )
        accelerator.wait_for_everyone()
        return card


def train_reward(recipe: RewardRecipe) -> dict[str, Any]:
    """Train, or go on from the checkpoint in the output folder, and write the judge; returns its card.

    Raises:
        ValueError: If the recipe, a file or the data do not fit.
        OSError: If the disk is full; earlier files stay as they were.
    """
    trackers = ["tensorboard"] if is_tensorboard_available() else []
    precision = usable_precision(recipe.optimizer.mixed_precision)
    accelerator = Accelerator(mixed_precision=precision, log_with=trackers, project_dir=recipe.output)
    if accelerator.distributed_type not in (
        DistributedType.NO,
        DistributedType.MULTI_GPU,
        DistributedType.MULTI_CPU,
    ):
        raise ValueError(
            "Reward training runs on one process or by DDP; accelerate says "
            f"{accelerator.distributed_type.value}. Choose multi-GPU without FSDP or DeepSpeed in "
            "`accelerate config`."
        )
    trainer = RewardTrainer(recipe, accelerator)
    accelerator.init_trackers("tensorboard")
    log = MetricsLog(trainer.output / METRICS_FILE, trainer.step, enabled=accelerator.is_main_process)
    steps = recipe.optimizer.steps
    bar = tqdm(total=steps, initial=trainer.step, disable=not accelerator.is_main_process, desc=recipe.name)
    began, first = time.monotonic(), trainer.step
    batches = trainer.batches()
    window: list[dict[str, float]] = []
    while trainer.step < steps:
        window.append(trainer.take_step([next(batches) for _ in range(trainer.batches_per_step)]))
        done = trainer.step
        bar.update()
        if done % recipe.log_every == 0 or done == steps:
            values = {key: sum(v[key] for v in window) / len(window) for key in window[0]}
            window.clear()
            values["seconds_per_step"] = (time.monotonic() - began) / (done - first)
            log.write(done, values)
            accelerator.log({f"train/{key}": value for key, value in values.items()}, step=done)
            bar.set_postfix(loss=f"{values['loss']:.3f}", accuracy=f"{values['accuracy']:.2f}")
        if done % recipe.validation.every == 0 or done == steps:
            metrics = trainer.validate()
            numbers = _headline(metrics)
            log.write(done, numbers)
            accelerator.log(numbers, step=done)
            if accelerator.is_main_process:
                write_text(trainer.output / "validation.md", f"Step {done}\n\n{markdown(metrics)}")
                bar.write(
                    f"step {done}: " + ", ".join(f"{k.split('/')[1]} {v:.3f}" for k, v in numbers.items())
                )
        if done % recipe.checkpoint_every == 0 or done == steps:
            trainer.save()
            accelerator.wait_for_everyone()
    bar.close()
    card = trainer.finish()
    accelerator.end_training()
    return card


def _rank(score: Mapping[str, float]) -> tuple[float, float, float]:
    """Return what validations are compared by: pairs first, single relations where pairs tie."""
    return score["accuracy"], score["verdicts"], -score["nll"]


def _headline(metrics: Mapping[str, Any]) -> dict[str, float]:
    numbers = {
        "accuracy": metrics["accuracy"]["accuracy"],
        "both_ways": metrics["both_ways"]["accuracy"],
        "verdicts": metrics["verdicts"]["balanced"],
        "nll": metrics["nll"],
        "calibration_error": metrics["calibration_error"],
        **{
            f"accuracy_at_{level}": row["accuracy"]
            for level, row in metrics.get("by_noise_level", {}).items()
        },
    }
    return {f"validation/{key}": value for key, value in numbers.items() if value is not None}


def _relative(backbone: str, folder: Path) -> str:
    """Return a local backbone as seen from the judge's folder, so that both can move; hub ids stay."""
    if not Path(backbone).is_dir():
        return backbone
    try:
        return Path(os.path.relpath(backbone, folder)).as_posix()
    except ValueError:
        # Another drive on Windows.
        return str(Path(backbone).resolve())
