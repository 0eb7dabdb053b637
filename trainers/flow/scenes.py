"""Scenes for the starter flow model, rendered, with everything that is true of them.

Shards depend on their number and the settings alone.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from spatial_core.atomic_files import atomic_path
from spatial_core.scenes.closure import FAMILIES, Closure, Statement
from spatial_core.scenes.objects import COLORS, OBJECT_KINDS, PATTERNS
from spatial_core.scenes.renderer import RENDERER_VERSION
from spatial_core.scenes.sampling import SAMPLER_VERSION, SceneBatch, judge_scenes
from spatial_core.scenes.scene import Camera, Scene, SceneObject
from spatial_trainers.flow.layout import LAYOUT_VERSION, flow_layout
from spatial_trainers.flow.world import FlowWorld
from spatial_trainers.scene_cache import CachedScenes, pack_scenes

_BATCH = 64
_RANGE = 10_000_000
"""Scene seeds of a split; splits never meet."""
_BASE = {"train": 0, "validation": 1}

_ANYWHERE = Camera((0.0, -1.0, 1.0), (0.0, 0.0, 0.0), 40.0)


@dataclass(frozen=True)
class SceneSettings:
    """What is rendered.

    Attributes:
        cache: Folder of the shards; missing ones are rendered first.
        shards, validation_shards: How many shards there are of each split.
        shard_size: Scenes a shard.
        seed: Of the scenes.
        world: What they are made of.
    """

    cache: str
    shards: int = 24
    validation_shards: int = 1
    shard_size: int = 512
    seed: int = 0
    world: FlowWorld = field(default_factory=FlowWorld)


def sample_flow_scenes(seeds: Sequence[int], world: FlowWorld) -> SceneBatch:
    """Return the acceptable scenes among those of `seeds`, rendered."""
    return judge_scenes([flow_layout(seed, world) for seed in seeds])


class FlowScenes:
    """The scenes of one split, in memory.

    Attributes:
        images: uint8 `[N, 128, 128, 3]`.
        patches: int8 `[N, 16, 16]`, the object that covers most of the patch, -1 for none.
        kinds, colors: int16 `[N, M]`, -1 where there is no object.
        boxes: float32 `[N, M, 4]`, visible part, xyxy in units of the picture.
        is_thing: bool `[N, M]`, whether it is a named thing and no furniture.
        digest: sha256 over the shards' contents.
    """

    def __init__(self, settings: SceneSettings, split: str):
        """Read the shards.

        Raises:
            FileNotFoundError: If a shard is missing; `build_scenes` makes it.
        """
        count = settings.shards if split == "train" else settings.validation_shards
        parts = [load_file(_shard(settings, split, number)) for number in range(count)]
        digest = hashlib.sha256()
        for part in parts:
            for name in sorted(part):
                digest.update(part[name].tobytes())
        self.digest = digest.hexdigest()

        def joined(name: str) -> npt.NDArray[Any]:
            return np.concatenate([part[name] for part in parts])

        self.images, self.patches, self.boxes = joined("images"), joined("patches"), joined("boxes")
        self.kinds, self.colors = joined("kinds"), joined("colors")
        self._patterns, self._named = joined("patterns"), joined("named")
        furniture = [k for k, kind in enumerate(OBJECT_KINDS.values()) if kind.category == "furniture"]
        self.is_thing = self._named & (self.kinds >= 0) & ~np.isin(self.kinds, furniture)
        self._statements = joined("statements")
        self._ends = np.cumsum(joined("counts"))

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.images)

    def scene(self, index: int) -> Scene:
        """Return what captions need of a scene: its objects by name, standing nowhere."""
        kinds, colors, patterns = list(OBJECT_KINDS), list(COLORS), list(PATTERNS)
        objects = tuple(
            SceneObject(
                kinds[k], colors[c], (0.0, 0.0, 0.0), pattern=patterns[p], named=bool(self._named[index, i])
            )
            for i, (k, c, p) in enumerate(
                zip(self.kinds[index], self.colors[index], self._patterns[index], strict=True)
            )
            if k >= 0
        )
        return Scene(objects, _ANYWHERE, style=None, seed=index)  # pyright: ignore[reportArgumentType]

    def statements(self, index: int) -> list[Statement]:
        """Return everything that is true in a scene."""
        end = int(self._ends[index])
        start = int(self._ends[index - 1]) if index else 0
        return [
            Statement(FAMILIES[r], s, tuple(o for o in (a, b) if o != _NONE))
            for r, s, a, b in self._statements[start:end].tolist()
        ]


_NONE = -9


def _packed_statements(closures: Sequence[Closure]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32]]:
    rows: list[tuple[int, int, int, int]] = []
    counts: list[int] = []
    for closure in closures:
        found = closure.statements()
        counts.append(len(found))
        for s in found:
            a, b = (*s.objects, _NONE, _NONE)[:2]
            rows.append((FAMILIES.index(s.relation), s.subject, a, b))
    return np.array(rows, dtype=np.int8), np.array(counts, dtype=np.int32)


def _shard(settings: SceneSettings, split: str, number: int) -> Path:
    facts = {
        "seed": settings.seed,
        "layout": LAYOUT_VERSION,
        "size": settings.shard_size,
        "renderer": RENDERER_VERSION,
        "sampler": SAMPLER_VERSION,
        "world": asdict(settings.world),
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    return Path(settings.cache, f"flow-{key}", split, f"{number:05d}.safetensors")


def _build_shard(settings: SceneSettings, split: str, number: int) -> None:
    path = _shard(settings, split, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    first = (_BASE[split] + 10 * settings.seed) * _RANGE + number * 20_000
    scenes: list[CachedScenes] = []
    closures: list[Closure] = []
    tried = 0
    while len(closures) < settings.shard_size:
        batch = sample_flow_scenes(range(first + tried, first + tried + _BATCH), settings.world)
        tried += batch.num_tried
        scenes.append(pack_scenes(batch.scenes, batch.rendering, batch.closures))
        closures += batch.closures
    statements, counts = _packed_statements(closures[: settings.shard_size])
    tensors = {
        name: np.ascontiguousarray(
            np.concatenate([getattr(part, name) for part in scenes])[: settings.shard_size]
        )
        for name in ("images", "patches", "kinds", "colors", "patterns", "named", "boxes")
    }
    with atomic_path(path) as temporary:
        save_file(tensors | {"statements": statements, "counts": counts}, temporary)


def build_scenes(settings: SceneSettings, *, processes: int = 1) -> None:
    """Render the shards that are missing; any number of processes gives the same ones."""
    missing = [
        (split, number)
        for split, count in (("train", settings.shards), ("validation", settings.validation_shards))
        for number in range(count)
        if not _shard(settings, split, number).is_file()
    ]
    if not missing:
        return
    if processes == 1:
        for split, number in tqdm(missing, desc=f"rendering {settings.shard_size} scenes a shard"):
            _build_shard(settings, split, number)
        return
    # A forked process would inherit torch's thread pool in an unusable state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        jobs = [pool.submit(_build_shard, settings, split, number) for split, number in missing]
        for job in tqdm(
            as_completed(jobs), total=len(jobs), desc=f"rendering {settings.shard_size} scenes a shard"
        ):
            job.result()
