"""Teach the starter's backbone to see before it judges: yes / no questions, grounding, dense patch labels.

One picture is shown with a dozen packed questions about it, so its tokens are encoded once. Four losses:
answers at the readout (cross-entropy of Yes against No); boxes and distances of the things a question names,
at the last token of each name after a middle layer (what the answer must be computed from); where one
attention head of the layer before looks from there, which must be the thing itself; and, per vision patch,
which object lies there (kind, colour, offset to its centre, distance). Their heads are dropped in the end.
A share of the steps shows the prompt first and statements after the picture, as SpatialScore does.

Differs from public pretraining: no captioning loss; on a CPU the dense targets teach more for a step.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration

from spatial_core.atomic_files import write_text
from spatial_core.scenes.objects import COLORS, OBJECT_KINDS
from spatial_core.scenes.renderer import RENDERER_VERSION
from spatial_core.vision_language import forward_packed, gather_readouts
from spatial_trainers.backbone.data import Batch, BatchMaker
from spatial_trainers.backbone.model import save_backbone, starter_config, train_tokenizer
from spatial_trainers.backbone.questions import QuestionSampler
from spatial_trainers.checkpoint import Resumable
from spatial_trainers.cpu_precision import cpu_autocast
from spatial_trainers.learning_rate import plateau_factor
from spatial_trainers.muon import Muon
from spatial_trainers.plain_attention import PlainAttention
from spatial_trainers.scene_cache import SceneCache, build_cache

POINT_LAYER, GROUND_LAYER = 2, 3
STATE_FILE = "state.safetensors"
_PLACES = ("cache", "output", "processes", "init_from")


@dataclass(frozen=True)
class PretrainSettings:
    """Everything the result depends on.

    Attributes:
        cache: Folder of rendered scenes; missing shards are rendered first.
        output: Folder of the state, the metrics and, at the end, `backbone/`.
        init_from: Backbone folder to go on from with a fresh optimizer; empty starts from random weights.
        train_shards, validation_shards: How many shards of `scene_cache.SHARD` scenes each split has.
        validation_pictures: How many pictures are asked about at each validation.
        processes: That render; the scenes do not depend on it.
        steps, batch_size, questions: Optimizer steps, pictures a step, questions a picture.
        lr: Peak learning rate of Muon (matrices) and AdamW (all else).
        warmup: Steps of linear growth.
        cooldown: Share of the steps over which the rate falls to 0 at the end.
        weight_decay: On matrices.
        prompt_first: Share of steps in SpatialScore's order, after step `prompt_first_from`.
        ground_weight, patch_weight, point_weight: Of the dense losses.
        point_from: Step at which the attention loss sets in, when patches are told apart.
        ema: Decay of the averaged weights, which are what is validated and saved.
        seed: Of weights and data order.
        vocab_size: Of the tokenizer, at most.
        held_out_family: Relation that is never asked about.
        save_every: Steps between states and validations.
    """

    cache: str
    output: str
    init_from: str = ""
    train_shards: int = 40
    validation_shards: int = 2
    validation_pictures: int = 384
    processes: int = 2
    steps: int = 900
    batch_size: int = 32
    questions: int = 14
    lr: float = 2e-3
    warmup: int = 100
    cooldown: float = 0.35
    weight_decay: float = 0.05
    prompt_first: float = 0.25
    prompt_first_from: int = 220
    ground_weight: float = 1.0
    patch_weight: float = 0.5
    point_weight: float = 0.5
    point_from: int = 0
    ema: float = 0.99
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


class Pretrainer:
    """Model, heads and optimizers, and one step of them."""

    def __init__(self, settings: PretrainSettings, tokenizer: PreTrainedTokenizerFast):
        self.settings = settings
        torch.manual_seed(settings.seed)
        if settings.init_from:
            self.model = Qwen3VLForConditionalGeneration.from_pretrained(
                settings.init_from, dtype=torch.float32, local_files_only=True
            )
        else:
            self.model = Qwen3VLForConditionalGeneration(starter_config(tokenizer))
        self.backbone: Any = self.model.model
        config = self.backbone.config
        self.heads = DenseHeads(config.text_config.hidden_size, config.vision_config.hidden_size)
        self.words = [tokenizer.convert_tokens_to_ids(word) for word in ("Yes", "No")]
        self._tap: dict[str, Tensor] = {}
        self.backbone.visual.merger.register_forward_pre_hook(self._keep_input)
        self.pointing: Any = self.backbone.language_model.layers[POINT_LAYER].self_attn
        self.pointing.register_forward_pre_hook(self._keep_attention, with_kwargs=True)
        self.backbone.language_model.layers[GROUND_LAYER].register_forward_hook(self._keep_output)
        matrices: list[nn.Parameter] = []
        others = list(self.heads.parameters())
        for name, parameter in self.model.named_parameters():
            inside = ".layers." in name or ".blocks." in name or ".merger.mlp" in name
            (matrices if parameter.ndim == 2 and inside else others).append(parameter)
        lr, decay = settings.lr, settings.weight_decay
        self.optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, lr=lr, weight_decay=decay),
            torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self.names = {p: f"model.{n}" for n, p in self.model.named_parameters()}
        self.names |= {p: f"heads.{n}" for n, p in self.heads.named_parameters()}
        self.average = {n: p.detach().clone() for n, p in self.model.named_parameters()}

    def _keep_input(self, _module: nn.Module, args: tuple[Tensor, ...]) -> None:
        self._tap["patches"] = args[0]

    def _keep_output(self, _module: nn.Module, _args: Any, output: Any) -> None:
        # A layer returns a tensor in transformers 5, a tuple before.
        self._tap["middle"] = output[0] if isinstance(output, tuple) else output

    def _keep_attention(self, _module: nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        self._tap["attended"] = kwargs["hidden_states"]
        self._tap["cos"], self._tap["sin"] = kwargs["position_embeddings"]

    def _points(self, batch: Batch) -> Tensor:
        """Return the cross-entropy between where head 0 looks from each name and where the thing is."""
        hidden, attention = self._tap["attended"].float(), self.pointing
        row, at = batch.ground_at.unbind(1)
        is_image = batch.packed.input_ids == self.backbone.config.image_token_id
        first = is_image.int().argmax(1)[row]
        cells = first[:, None] + torch.arange(batch.ground_cells.shape[1])
        width = attention.head_dim

        def head(name: str, states: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
            projection, norm = getattr(attention, f"{name}_proj"), getattr(attention, f"{name}_norm")
            value = norm(F.linear(states, projection.weight[:width]))
            # With M-RoPE's positions already chosen per channel by the model.
            cos, sin = (self._tap[name][rows, columns].float() for name in ("cos", "sin"))
            first_half, second_half = value.chunk(2, dim=-1)
            return value * cos + torch.cat([-second_half, first_half], dim=-1) * sin

        query = head("q", hidden[row, at], row, at)
        keys = head("k", hidden[row[:, None], cells], row[:, None].expand_as(cells), cells)
        scores = (keys @ query[:, :, None]).squeeze(-1) * attention.scaling
        return F.cross_entropy(scores, batch.ground_cells)

    def losses(self, batch: Batch, *, point: bool = True) -> tuple[Tensor, dict[str, float], Tensor]:
        """Return the loss, its parts for the log, and the answers' logits `[B, R]`."""
        with cpu_autocast(), PlainAttention():
            hidden = forward_packed(
                self.backbone, batch.packed, batch.pixel_values, batch.grid_thw, share_text=False
            )
        readouts = gather_readouts(hidden, batch.packed.branch_readouts).float()
        yes, no = self.model.lm_head.weight[self.words].float()
        logits = readouts @ (yes - no)
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
        pointed = self._points(batch)
        s = self.settings
        loss = answer + s.ground_weight * 4 * ground + s.patch_weight * (0.3 * kind + 0.3 * color + place)
        if point:
            loss = loss + s.point_weight * pointed
        parts = {"answer": answer, "ground": ground, "point": pointed, "kind": kind, "color": color}
        parts["place"] = place
        right = (logits[asked] > 0) == (batch.answers[asked] > 0)
        log = {name: float(value.detach()) for name, value in parts.items()} | {
            "accuracy": float(right.float().mean())
        }
        return loss, log, logits.detach()

    def step(self, batch: Batch, step: int) -> dict[str, float]:
        """Take optimizer step number `step`, counted from 0."""
        self.model.train()
        loss, log, _ = self.losses(batch, point=step >= self.settings.point_from)
        loss.backward()
        log["norm"] = float(nn.utils.clip_grad_norm_(self.model.parameters(), 1.0))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.settings.lr * plateau_factor(step, self.settings)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                self.average[name].lerp_(parameter, 1 - self.settings.ema)
        return log

    @property
    def resumable(self) -> Resumable:
        """What a killed run goes on from."""
        return Resumable(self.names, self.average, self.optimizers, asdict(self.settings))


class _Stream(torch.utils.data.IterableDataset[Batch]):
    """The batches from step `first` on; each depends on the seed and its step alone."""

    def __init__(self, maker: BatchMaker, settings: PretrainSettings, first: int):
        self.maker, self.settings, self.first = maker, settings, first

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        s = self.settings
        for step in range(self.first, s.steps):
            rng = np.random.default_rng([s.seed, step])
            indices = rng.integers(len(self.maker.cache), size=s.batch_size)
            prompt_first = step > s.prompt_first_from and rng.random() < s.prompt_first
            yield self.maker.make(indices, rng, prompt_first=prompt_first, questions=s.questions)


@torch.no_grad()
def evaluate(trainer: Pretrainer, batches: list[Batch], families: tuple[str, ...]) -> dict[str, float]:
    """Return the averaged weights' share of right answers, by relation family and of "all"."""
    live = {name: parameter.detach().clone() for name, parameter in trainer.model.named_parameters()}
    trainer.model.load_state_dict(trainer.average, strict=False)
    trainer.model.eval()
    right: dict[str, list[bool]] = {}
    for batch in batches:
        _, _, logits = trainer.losses(batch)
        asked = batch.answers >= 0
        hits = (logits > 0) == (batch.answers > 0)
        for family, hit in zip(batch.families[asked].tolist(), hits[asked].tolist(), strict=True):
            right.setdefault(families[family], []).append(hit)
    trainer.model.load_state_dict(live, strict=False)
    table = {name: float(np.mean(hits)) for name, hits in sorted(right.items())}
    table["all"] = float(np.mean([hit for hits in right.values() for hit in hits]))
    return table


def run(settings: PretrainSettings) -> dict[str, Any]:
    """Render what is missing, train, and save the backbone; goes on from the output folder's state.

    Returns:
        What is also written beside the weights: settings, data hash, machine, time and held-out accuracy.
    """
    out = Path(settings.output)
    out.mkdir(parents=True, exist_ok=True)
    build_cache(
        settings.cache,
        {"train": settings.train_shards, "validation": settings.validation_shards},
        processes=settings.processes,
    )
    train = SceneCache(settings.cache, "train", settings.train_shards)
    held_out = SceneCache(settings.cache, "validation", settings.validation_shards)
    sampler = QuestionSampler(held_out_family=settings.held_out_family)
    kept = settings.init_from or str(out)
    if Path(kept, "tokenizer.json").is_file():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(kept)
    else:
        tokenizer = train_tokenizer(sampler.corpus(), vocab_size=settings.vocab_size)
        tokenizer.save_pretrained(out)
    trainer = Pretrainer(settings, tokenizer)
    first = trainer.resumable.load(out / STATE_FILE) if (out / STATE_FILE).is_file() else 0
    # What the weights went through before.
    earlier = None
    if settings.init_from:
        earlier = json.loads(Path(settings.init_from, "pretraining.json").read_text("utf-8"))
    maker, judge = (BatchMaker(cache, tokenizer, sampler) for cache in (train, held_out))
    rng = np.random.default_rng(settings.seed + 1)
    pictures = np.arange(settings.validation_pictures)
    held = [
        judge.make(pictures[n : n + 48] % len(held_out), rng, prompt_first=n % 96 > 0, questions=14)
        for n in range(0, len(pictures), 48)
    ]
    loader = torch.utils.data.DataLoader(
        _Stream(maker, settings, first), batch_size=None, num_workers=1, prefetch_factor=4
    )
    begin = time.monotonic()
    table: dict[str, float] = {}
    bar = tqdm(loader, initial=first, total=settings.steps, desc="pretraining")
    with (out / "metrics.jsonl").open("a", encoding="utf-8") as log:
        for done, batch in enumerate(bar, start=first + 1):
            line: dict[str, Any] = trainer.step(batch, done - 1)
            if done % 20 == 0:
                line |= {"step": done, "seconds": round(time.monotonic() - begin, 1)}
                log.write(json.dumps(line) + "\n")
                bar.set_postfix(answer=f"{line['answer']:.3f}", accuracy=f"{line['accuracy']:.3f}")
            if done % settings.save_every == 0 or done == settings.steps:
                table = evaluate(trainer, held, sampler.families)
                log.write(json.dumps({"step": done, "held_out": table}) + "\n")
                trainer.resumable.save(out / STATE_FILE, done)
            log.flush()
    if not table:
        table = evaluate(trainer, held, sampler.families)
    trainer.model.load_state_dict(trainer.average, strict=False)
    save_backbone(trainer.model.half(), tokenizer, out / "backbone")
    facts: dict[str, Any] = {
        "settings": {k: v for k, v in asdict(settings).items() if k not in _PLACES},
        "renderer": RENDERER_VERSION,
        "data_sha256": train.digest,
        "went_on_from": earlier,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}",
        "held_out_questions": {k: round(v, 4) for k, v in table.items()},
    }
    write_text(out / "backbone" / "pretraining.json", json.dumps(facts, indent=2) + "\n")
    return facts
