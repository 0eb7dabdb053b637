"""Teach the starter's backbone to see before it judges: yes / no questions, grounding, and dense patch labels.

One image is shown with a dozen packed questions about it, so its tokens are encoded once. Three losses:
answers at the readout (cross-entropy of Yes against No), boxes and distances of the two named things at the
last token of their names after a middle layer (what the answer must be computed from), and, per vision patch,
which object lies there (kind, colour, offset to its centre, distance). The heads of the last two are thrown away.
A share of the steps shows the prompt before the image and statements after it, the order of SpatialScore.

Differs from public pretraining: no captioning loss; on a CPU the dense targets teach more for a step.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from spatial_core.atomic_files import atomic_path
from spatial_core.images import patchify
from spatial_core.packing import PackedRows, Row, pack
from spatial_core.scenes.objects import COLORS, OBJECT_KINDS
from spatial_core.vision_language import forward_packed, gather_readouts
from spatial_trainers.plain_attention import PlainAttention
from spatial_trainers.question_data import Question, QuestionSampler
from spatial_trainers.scene_cache import SceneCache
from spatial_trainers.starter_model import save_backbone, starter_config, train_tokenizer

GRID = 16
GROUND_LAYER = 3


@dataclass(frozen=True)
class PretrainSettings:
    """Everything the result depends on beside the scenes."""

    cache: str
    output: str
    steps: int = 1600
    batch_size: int = 48
    questions: int = 14
    lr: float = 2e-3
    warmup: int = 100
    cooldown: float = 0.35
    weight_decay: float = 0.05
    prompt_first: float = 0.25
    ground_weight: float = 1.0
    patch_weight: float = 0.5
    ema: float = 0.995
    seed: int = 0
    vocab_size: int = 1536
    held_out_family: str = "aligned_with"
    save_every: int = 100


class DenseHeads(nn.Module):
    """Readouts used in pretraining alone."""

    def __init__(self, width: int, vision_width: int):
        super().__init__()
        self.ground = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 5))
        self.kind = nn.Linear(vision_width, len(OBJECT_KINDS) + 1)
        self.color = nn.Linear(vision_width, len(COLORS) + 1)
        self.place = nn.Linear(vision_width, 3)


@dataclass(frozen=True)
class Batch:
    """One step's tensors; Q counts the questions of the batch that are kept, T the grounded names."""

    packed: PackedRows
    pixel_values: Tensor
    grid_thw: Tensor
    answers: Tensor  # [B, R], 1 yes, 0 no, -1 not asked
    families: Tensor  # [B, R]
    ground_at: Tensor  # [T, 2], row and token
    ground_target: Tensor  # [T, 5], centre, size, distance
    patch_kind: Tensor  # [B, patches]
    patch_color: Tensor
    patch_place: Tensor  # [B, patches, 3]
    patch_known: Tensor  # [B, patches], on an object


class Pretrainer:
    """Model, heads and optimizers, and one step of them."""

    def __init__(self, settings: PretrainSettings, tokenizer: PreTrainedTokenizerFast):
        self.settings = settings
        self.tokenizer = tokenizer
        torch.manual_seed(settings.seed)
        self.model = Qwen2_5_VLForConditionalGeneration(starter_config(tokenizer))
        self.backbone: Any = self.model.model
        config = self.backbone.config
        self.heads = DenseHeads(config.text_config.hidden_size, config.vision_config.hidden_size)
        self.yes, self.no = (tokenizer.convert_tokens_to_ids(word) for word in ("Yes", "No"))
        self._tap: dict[str, Tensor] = {}
        self.backbone.visual.merger.register_forward_pre_hook(self._keep("patches"))
        self.backbone.language_model.layers[GROUND_LAYER].register_forward_hook(self._keep_output("middle"))
        matrices, others = [], []
        for name, parameter in self.model.named_parameters():
            inside = ".layers." in name or ".blocks." in name or ".merger.mlp" in name
            (matrices if parameter.ndim == 2 and inside else others).append(parameter)
        others += list(self.heads.parameters())
        lr, decay = settings.lr, settings.weight_decay
        # Moonshot's scaling lets one learning rate serve both optimizers.
        self.optimizers = [
            torch.optim.Muon(matrices, lr=lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self.average = {k: v.detach().clone() for k, v in self.model.named_parameters()}

    def _keep(self, name: str) -> Any:
        def hook(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
            self._tap[name] = args[0]

        return hook

    def _keep_output(self, name: str) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            self._tap[name] = output[0] if isinstance(output, tuple) else output

        return hook

    def losses(self, batch: Batch) -> tuple[Tensor, dict[str, float], Tensor]:
        """Return the loss, its parts for the log, and the answers' logits `[B, R]`."""
        with torch.autocast("cpu", torch.bfloat16), PlainAttention():
            hidden = forward_packed(self.backbone, batch.packed, batch.pixel_values, batch.grid_thw)
            readouts = gather_readouts(hidden, batch.packed.branch_readouts)
            words = self.model.lm_head.weight[[self.yes, self.no]]
        logits = (readouts.float() @ words.float().T) @ torch.tensor([1.0, -1.0])
        asked = batch.answers >= 0
        answer = F.binary_cross_entropy_with_logits(logits[asked], batch.answers[asked].float())
        middle = self._tap["middle"][batch.ground_at[:, 0], batch.ground_at[:, 1]].float()
        ground = F.smooth_l1_loss(self.heads.ground(middle), batch.ground_target, beta=0.05)
        patches = self._tap["patches"].float()
        kind = F.cross_entropy(self.heads.kind(patches), batch.patch_kind.view(-1))
        color = F.cross_entropy(self.heads.color(patches), batch.patch_color.view(-1))
        known = batch.patch_known.view(-1)
        place = F.smooth_l1_loss(
            self.heads.place(patches[known]), batch.patch_place.view(-1, 3)[known], beta=0.05
        )
        s = self.settings
        loss = answer + s.ground_weight * 4 * ground + s.patch_weight * (0.3 * kind + 0.3 * color + place)
        parts = {
            "answer": answer.item(),
            "ground": ground.item(),
            "kind": kind.item(),
            "color": color.item(),
            "place": place.item(),
            "accuracy": ((logits[asked] > 0) == (batch.answers[asked] > 0)).float().mean().item(),
        }
        return loss, parts, logits.detach()

    def step(self, batch: Batch, rate: float) -> dict[str, float]:
        """Take one optimizer step at `rate` times the peak learning rate."""
        self.model.train()
        loss, parts, _ = self.losses(batch)
        loss.backward()
        parts["norm"] = float(nn.utils.clip_grad_norm_(self.model.parameters(), 1.0))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.settings.lr * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        decay = self.settings.ema
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                self.average[name].lerp_(parameter, 1 - decay)
        return parts


class BatchMaker:
    """Turns cached scenes and sampled questions into tensors."""

    def __init__(self, cache: SceneCache, tokenizer: PreTrainedTokenizerFast, sampler: QuestionSampler):
        self.cache = cache
        self.tokenizer = tokenizer
        self.sampler = sampler
        self._ids: dict[str, list[int]] = {}
        self.special = {t: tokenizer.convert_tokens_to_ids(t) for t in ("<|im_start|>", "<|im_end|>")}
        self.image_token = tokenizer.convert_tokens_to_ids("<|image_pad|>")
        self.vision = [tokenizer.convert_tokens_to_ids(t) for t in ("<|vision_start|>", "<|vision_end|>")]

    def encode(self, text: str) -> list[int]:
        """Return token ids; texts recur, so they are kept."""
        if text not in self._ids:
            self._ids[text] = self.tokenizer(text, add_special_tokens=False)["input_ids"]  # pyright: ignore
        return self._ids[text]

    def branch(self, question: Question, *, statement: bool) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the ids and, for each named object, the place of its last token."""
        ids = list(self.encode("\n")) if statement else []
        places: list[tuple[int, int]] = []
        for piece, index in question.statement if statement else question.question:
            ids.extend(self.encode(piece))
            if index is not None:
                places.append((index, len(ids) - 1))
        ids.append(self.special["<|im_end|>" if statement else "<|im_start|>"])
        return ids, places

    def make(self, indices: np.ndarray, rng: np.random.Generator, *, prompt_first: bool, questions: int) -> Batch:
        """Return a batch for the scenes at `indices`."""
        cache = self.cache
        picked = cache.read(indices)
        flip = rng.random(len(indices)) < 0.5
        picked = picked.mirrored(flip)
        rows: list[Row] = []
        answers = np.full((len(indices), questions), -1, dtype=np.int64)
        families = np.zeros_like(answers)
        ground_at: list[tuple[int, int]] = []
        ground_target: list[np.ndarray] = []
        side = GRID // 2
        image = [self.vision[0], *[self.image_token] * side**2, self.vision[1]]
        for i in range(len(indices)):
            asked = self.sampler.sample(picked, i, questions, rng)
            prefix = image
            if prompt_first:
                prompt = self.sampler.prompt(picked, i, rng)
                prefix = [*self.encode("Prompt: "), *self.encode(prompt), *self.encode("\nImage: "), *image]
            branches: list[list[int]] = []
            at = len(prefix)
            for k, question in enumerate(asked):
                ids, places = self.branch(question, statement=prompt_first)
                branches.append(ids)
                answers[i, k], families[i, k] = question.answer, question.family
                for index, place in places:
                    if index >= 0:
                        ground_at.append((i, at + place))
                        ground_target.append(picked.target(i, index))
                at += len(ids)
            rows.append(Row(prefix, (side, side), branches))
        packed = pack(rows, image_token=self.image_token, pad_token=0)
        images = torch.from_numpy(picked.images).permute(0, 3, 1, 2).float() / 255
        images = augment(images, rng)
        pixels, grid = patchify(
            images, patch_size=8, merge_size=2, temporal_patch_size=2, mean=[0.5] * 3, std=[0.5] * 3
        )
        kind, color, place, known = picked.patch_labels()
        width = packed.branch_readouts.shape[1]
        return Batch(
            packed,
            pixels,
            grid,
            torch.from_numpy(answers[:, :width]),
            torch.from_numpy(families[:, :width]),
            torch.tensor(ground_at),
            torch.from_numpy(np.stack(ground_target)),
            *(torch.from_numpy(_merge_order(x)) for x in (kind, color, place, known)),
        )


def _merge_order(grid: np.ndarray) -> np.ndarray:
    """Return `[B, 16, 16, ...]` as `[B, 256, ...]` in the order the patches have: merge block by merge block."""
    b, h, w = grid.shape[:3]
    blocks = grid.reshape(b, h // 2, 2, w // 2, 2, *grid.shape[3:])
    return np.ascontiguousarray(np.swapaxes(blocks, 2, 3)).reshape(b, h * w, *grid.shape[3:])


def augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Return the images with brightness, contrast and noise changed a little; nothing moves and no hue changes."""
    b = len(images)
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (b, 1, 1, 1)).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.06, 0.06, (b, 1, 1, 1)).astype(np.float32))
    noise = torch.from_numpy(rng.uniform(0.0, 0.03, (b, 1, 1, 1)).astype(np.float32))
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    return (images * gain + shift + noise * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def rate_at(step: int, settings: PretrainSettings) -> float:
    """Return the share of the peak learning rate: warm-up, plateau, then a linear fall over `cooldown` of the steps."""
    fall = settings.steps * settings.cooldown
    return min(1.0, (step + 1) / settings.warmup, max(0.0, (settings.steps - step) / fall))


def batches(
    maker: BatchMaker, settings: PretrainSettings, first: int
) -> Iterator[Batch]:
    """Yield the batches of steps `first` and on; each depends on the seed and its step alone."""
    for step in range(first, settings.steps):
        rng = np.random.default_rng([settings.seed, step])
        indices = rng.integers(len(maker.cache), size=settings.batch_size)
        late = step > settings.steps // 5
        yield maker.make(
            indices,
            rng,
            prompt_first=late and rng.random() < settings.prompt_first,
            questions=settings.questions,
        )


class _Stream(torch.utils.data.IterableDataset[Batch]):
    def __init__(self, maker: BatchMaker, settings: PretrainSettings, first: int):
        self.maker, self.settings, self.first = maker, settings, first

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        return batches(self.maker, self.settings, self.first)


@torch.no_grad()
def evaluate(trainer: Pretrainer, made: list[Batch], names: list[str]) -> dict[str, float]:
    """Return the accuracy over held-out questions, overall and by family, of the averaged weights."""
    live = {k: v.detach().clone() for k, v in trainer.model.named_parameters()}
    trainer.model.load_state_dict(trainer.average, strict=False)
    trainer.model.eval()
    right: dict[str, list[bool]] = {}
    for batch in made:
        _, _, logits = trainer.losses(batch)
        for family, answer, logit in zip(
            batch.families.view(-1).tolist(), batch.answers.view(-1).tolist(), logits.view(-1).tolist(), strict=True
        ):
            if answer >= 0:
                right.setdefault(names[family], []).append((logit > 0) == bool(answer))
    trainer.model.load_state_dict(live, strict=False)
    table = {name: float(np.mean(hits)) for name, hits in sorted(right.items())}
    table["all"] = float(np.mean([hit for hits in right.values() for hit in hits]))
    return table


def save_state(trainer: Pretrainer, step: int, folder: Path) -> None:
    """Write everything a resumed run needs, by rename."""
    tensors = {f"model.{k}": v for k, v in trainer.model.named_parameters()}
    tensors |= {f"heads.{k}": v for k, v in trainer.heads.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in trainer.average.items()}
    for n, optimizer in enumerate(trainer.optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer{n}.{index}.{k}": torch.as_tensor(v) for k, v in state.items()}
    with atomic_path(folder / "state.safetensors") as temporary:
        save_file({k: v.detach().contiguous() for k, v in tensors.items()}, temporary, {"step": str(step)})


def load_state(trainer: Pretrainer, folder: Path) -> int:
    """Continue from `save_state`; returns the next step."""
    from safetensors import safe_open

    file = folder / "state.safetensors"
    tensors = load_file(file)
    trainer.model.load_state_dict(
        {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}, strict=False
    )
    trainer.heads.load_state_dict(
        {k.removeprefix("heads."): v for k, v in tensors.items() if k.startswith("heads.")}
    )
    for key in trainer.average:
        trainer.average[key].copy_(tensors[f"average.{key}"])
    for n, optimizer in enumerate(trainer.optimizers):
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"optimizer{n}."):
                _, index, name = key.split(".", 2)
                states.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    with safe_open(file, framework="pt") as reader:
        return int(reader.metadata()["step"])


def run(settings: PretrainSettings) -> None:
    """Train, log, save; continues from the output folder if a state is there."""
    out = Path(settings.output)
    out.mkdir(parents=True, exist_ok=True)
    train, held_out = SceneCache(settings.cache, "train"), SceneCache(settings.cache, "validation")
    sampler = QuestionSampler(held_out_family=settings.held_out_family)
    if (out / "tokenizer.json").is_file():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(out)
    else:
        tokenizer = train_tokenizer(sampler.corpus(), vocab_size=settings.vocab_size)
        tokenizer.save_pretrained(out)
    trainer = Pretrainer(settings, tokenizer)
    first = load_state(trainer, out) if (out / "state.safetensors").is_file() else 0
    maker = BatchMaker(train, tokenizer, sampler)
    judge = BatchMaker(held_out, tokenizer, sampler)
    rng = np.random.default_rng(settings.seed + 1)
    held = [
        judge.make(np.arange(n, n + 48) % len(held_out), rng, prompt_first=n % 96 > 0, questions=14)
        for n in range(0, 384, 48)
    ]
    loader = torch.utils.data.DataLoader(
        _Stream(maker, settings, first), batch_size=None, num_workers=1, prefetch_factor=4
    )
    begin = time.monotonic()
    with (out / "metrics.jsonl").open("a", encoding="utf-8") as log:
        for step, batch in enumerate(loader, start=first):
            parts = trainer.step(batch, rate_at(step, settings))
            done = step + 1
            if done % 20 == 0:
                parts |= {"step": done, "seconds": round(time.monotonic() - begin, 1)}
                log.write(json.dumps(parts) + "\n")
                log.flush()
            if done % settings.save_every == 0 or done == settings.steps:
                table = evaluate(trainer, held, sampler.families)
                log.write(json.dumps({"step": done, "held_out": table}) + "\n")
                log.flush()
                save_state(trainer, done, out)
    trainer.model.load_state_dict(trainer.average, strict=False)
    save_backbone(trainer.model.half(), tokenizer, out / "backbone")


def main() -> None:
    """Read the settings from a TOML recipe or the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, field in PretrainSettings.__dataclass_fields__.items():
        kind = {"int": int, "float": float}.get(str(field.type), str)
        required = name in ("cache", "output")
        parser.add_argument(f"--{name}", type=kind, required=required, default=None if required else field.default)
    settings = PretrainSettings(**vars(parser.parse_args()))
    assert math.isfinite(settings.lr)
    run(settings)


if __name__ == "__main__":
    main()
