"""Teach the starter's localizer to find named things in procedural scenes.

Every cell that shows a thing learns its kind, colour and pattern, the box of the whole of it and its
distance; one further output learns where the middles of things are. Distances count twice: as they are, and
against the mean error in their picture, because who is in front of whom turns on differences. Pictures
are made worse on the way (soft, noisy, compressed, off-colour), as a generator's are.
"""

from __future__ import annotations

import json
import math
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from tqdm import tqdm

from spatial_core.atomic_files import write_text
from spatial_core.localizer import SpatialLocalizer
from spatial_core.localizer_network import DenseFields
from spatial_core.scenes.renderer import RENDERER_VERSION
from spatial_trainers.checkpoint import Resumable
from spatial_trainers.cpu_precision import cpu_autocast
from spatial_trainers.learning_rate import plateau_factor
from spatial_trainers.localizer.data import BatchStream, LocalizerBatch, load_pictures, starter_config
from spatial_trainers.localizer.evaluation import evaluate, report
from spatial_trainers.muon import Muon
from spatial_trainers.scene_cache import build_cache

STATE_FILE = "state.safetensors"
_PLACES = ("cache", "output", "processes", "init_from")


@dataclass(frozen=True)
class LocalizerSettings:
    """Everything the result depends on.

    Attributes:
        cache: Folder of rendered scenes; missing shards are rendered first.
        output: Folder of the state, the metrics and, at the end, `localizer/`.
        init_from: Folder of a localizer to go on from with a fresh optimizer; empty starts anew.
        train_shards, validation_shards: How many shards of `scene_cache.SHARD` scenes each split has.
        processes: That render; the scenes do not depend on it.
        steps, batch_size: Optimizer steps, pictures a step.
        lr: Peak learning rate of Muon (kernels) and AdamW (all else).
        warmup: Steps of linear growth.
        cooldown: Share of the steps over which the rate falls to 0 at the end.
        weight_decay: On kernels.
        heat_weight, box_weight, distance_weight: Of the losses, beside those of the classes.
        ema: Decay of the averaged weights, which are what is saved.
        seed: Of weights, data order and what is done to the pictures.
        save_every: Steps between states.
        log_every: Steps between lines of metrics, each the mean since the last.
    """

    cache: str
    output: str
    init_from: str = ""
    train_shards: int = 24
    validation_shards: int = 2
    processes: int = 2
    steps: int = 1500
    batch_size: int = 16
    lr: float = 2.5e-3
    warmup: int = 40
    cooldown: float = 0.5
    weight_decay: float = 0.05
    heat_weight: float = 8.0
    box_weight: float = 2.0
    distance_weight: float = 4.0
    ema: float = 0.99
    seed: int = 0
    save_every: int = 100
    log_every: int = 20


def losses(fields: DenseFields, batch: LocalizerBatch, settings: LocalizerSettings) -> dict[str, Tensor]:
    """Return the weighted losses by name; their sum is trained."""
    weight = batch.weight
    total = weight.sum().clamp(min=1e-6)

    def mean(values: Tensor) -> Tensor:
        return (values * weight).sum() / total

    heat = F.binary_cross_entropy_with_logits(fields.heat, batch.heat)
    box = fields.box
    size = (batch.box[:, 2:] - batch.box[:, :2]).clamp(min=0.02)
    edges = (box - batch.box).abs() / torch.cat([size, size], 1)
    difference = fields.log_distance - batch.log_distance
    s = settings
    return {
        "heat": s.heat_weight * heat,
        "kind": mean(F.cross_entropy(fields.kind, batch.kind, reduction="none")),
        "color": mean(F.cross_entropy(fields.color, batch.color, reduction="none")),
        "pattern": mean(F.cross_entropy(fields.pattern, batch.pattern, reduction="none")),
        "box": s.box_weight * mean(1 - _overlap(box, batch.box) + edges.mean(1)),
        "distance": s.distance_weight * mean(_smooth(difference)),
        "order": s.distance_weight * _relative(difference, batch),
    }


def _smooth(error: Tensor) -> Tensor:
    return F.smooth_l1_loss(error, torch.zeros_like(error), beta=0.02, reduction="none")


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union [B, G, G] of boxes [B, 4, G, G]."""
    common = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    areas = [(x[:, 2:] - x[:, :2]).clamp(min=0).prod(1) for x in (a, b)]
    return common / (areas[0] + areas[1] - common).clamp(min=1e-6)


def _relative(difference: Tensor, batch: LocalizerBatch) -> Tensor:
    """Return how far the errors of a picture's things are from one another."""
    flat = batch.thing.flatten()
    weight = torch.zeros(batch.things).index_add_(0, flat, batch.weight.flatten()).clamp(min=1e-6)
    error = torch.zeros(batch.things).index_add_(0, flat, (difference * batch.weight).flatten()) / weight
    error, picture = error[1:], batch.picture[1:]
    count = torch.zeros(len(batch.images)).index_add_(0, picture, torch.ones(len(picture))).clamp(min=1)
    center = torch.zeros(len(batch.images)).index_add_(0, picture, error) / count
    return _smooth(error - center[picture]).mean()


class LocalizerTrainer:
    """Network, average and optimizers, and one step of them."""

    def __init__(self, settings: LocalizerSettings) -> None:
        self.settings = settings
        torch.manual_seed(settings.seed)
        if settings.init_from:
            self.localizer = SpatialLocalizer.from_pretrained(settings.init_from)
        else:
            self.localizer = SpatialLocalizer(starter_config())
        self.network = self.localizer.network
        named = dict(self.network.named_parameters())
        self.names = {parameter: name for name, parameter in named.items()}
        matrices = [p for name, p in named.items() if p.ndim == 2 and not name.startswith(("stem", "head"))]
        others = [p for p in named.values() if not any(p is matrix for matrix in matrices)]
        lr, decay = settings.lr, settings.weight_decay
        self.optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, lr=lr, weight_decay=decay),
            torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.average = {name: p.detach().clone() for name, p in named.items()}

    def step(self, batch: LocalizerBatch, step: int) -> dict[str, float]:
        """Take optimizer step number `step`, counted from 0; return the losses for the log."""
        self.network.train()
        with cpu_autocast():
            fields = self.network(batch.images)
        parts = losses(fields, batch, self.settings)
        torch.stack(list(parts.values())).sum().backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.settings.lr * plateau_factor(step, self.settings)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        # The average starts as the mean of the first steps, not at the random weights.
        keep = min(self.settings.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            for parameter, name in self.names.items():
                self.average[name].lerp_(parameter, 1 - keep)
        return {name: float(value.detach()) for name, value in parts.items()} | {"norm": float(norm)}

    def averaged(self) -> SpatialLocalizer:
        """Return a localizer with the averaged weights."""
        localizer = SpatialLocalizer(self.localizer.config)
        localizer.network.load_state_dict(self.average)
        return localizer

    @property
    def resumable(self) -> Resumable:
        """What a killed run goes on from."""
        return Resumable(self.names, self.average, self.optimizers, _kept(self.settings))


def _kept(settings: LocalizerSettings) -> dict[str, Any]:
    """Return the settings that the weights depend on."""
    return {key: value for key, value in asdict(settings).items() if key not in _PLACES}


def run(settings: LocalizerSettings) -> dict[str, Any]:
    """Render what is missing, train, measure and save; goes on from the output folder's state.

    Returns:
        What is also written beside the weights as `card.json`: settings, data hash, machine and figures.
    """
    out = Path(settings.output)
    out.mkdir(parents=True, exist_ok=True)
    shards = {"train": settings.train_shards, "validation": settings.validation_shards}
    build_cache(settings.cache, shards, processes=settings.processes)
    pictures, digest = load_pictures(settings.cache, "train", settings.train_shards)
    trainer = LocalizerTrainer(settings)
    state = out / STATE_FILE
    first = trainer.resumable.load(state) if state.is_file() else 0
    stream = BatchStream(
        pictures, batch_size=settings.batch_size, seed=settings.seed, steps=range(first, settings.steps)
    )
    begin = time.monotonic()
    sums: dict[str, float] = {}
    bar = tqdm(stream, initial=first, total=settings.steps, desc="training")
    with (out / "metrics.jsonl").open("a", encoding="utf-8") as log:
        for done, batch in enumerate(bar, start=first + 1):
            for name, value in trainer.step(batch, done - 1).items():
                sums[name] = sums.get(name, 0.0) + value / settings.log_every
            if done % settings.log_every == 0:
                line = {name: round(value, 4) for name, value in sums.items()}
                line |= {"step": done, "seconds": round(time.monotonic() - begin, 1)}
                log.write(json.dumps(line) + "\n")
                log.flush()
                sums = {}
                if not all(math.isfinite(value) for value in line.values()):
                    raise ValueError(f"A loss is not finite at step {done}: {line}. Lower 'lr'.")
            if done % settings.save_every == 0 or done == settings.steps:
                trainer.resumable.save(state, done)
    localizer = trainer.averaged()
    folder = out / "localizer"
    localizer.save_pretrained(folder)
    # What is measured is the file, in its half precision.
    measured = evaluate(SpatialLocalizer.from_pretrained(folder), settings.cache, settings.validation_shards)
    facts: dict[str, Any] = {
        "settings": {k: v for k, v in asdict(settings).items() if k not in _PLACES},
        "went_on_from": _earlier(settings.init_from),
        "parameters": sum(p.numel() for p in localizer.parameters()),
        "renderer": RENDERER_VERSION,
        "data_sha256": digest,
        "scenes": len(pictures),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}",
        "measured": measured,
    }
    write_text(folder / "card.json", json.dumps(facts, indent=1) + "\n")
    write_text(folder / "README.md", report(facts))
    return facts


def _earlier(folder: str) -> dict[str, Any] | None:
    """Return what the weights went through before."""
    if not folder:
        return None
    card: dict[str, Any] = json.loads(Path(folder, "card.json").read_text("utf-8"))
    return {key: card[key] for key in ("settings", "went_on_from", "data_sha256", "scenes")}
