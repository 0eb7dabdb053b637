"""Scenes for the starter flow model: few things, seen from near, with everything that is true of them.

A small model at 128 pixels learns soon what is large and of few forms. So there are two to four things of
`KINDS`, plain ones in a calm room, no clutter, and the camera is moved and zoomed until they fill the frame.
Shards depend on their number and the settings alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from spatial_core.atomic_files import atomic_path
from spatial_core.scenes.closure import FAMILIES, Closure, Statement
from spatial_core.scenes.layout import Room, sample_layout, sample_style
from spatial_core.scenes.objects import COLORS, OBJECT_KINDS, PATTERNS
from spatial_core.scenes.renderer import RENDERER_VERSION
from spatial_core.scenes.sampling import SAMPLER_VERSION, SceneBatch, judge_scenes
from spatial_core.scenes.scene import Camera, Scene, SceneObject, Style
from spatial_core.scenes.stage import View, make_item
from spatial_trainers.scene_cache import CachedScenes, pack_scenes

_LAYOUT = 2
"""Number of this file's kind of scenes; shards of another number are left alone."""
_BATCH = 64
_RANGE = 10_000_000
"""Scene seeds of a split; splits never meet."""
_BASE = {"train": 0, "validation": 1}

KINDS: tuple[str, ...] = (
    *("ball", "cube", "cylinder", "cone", "ring", "cup", "bowl", "plate", "bottle", "book", "lamp", "apple"),
    *(
        "banana",
        "clock",
        "chair",
        "box",
        "basket",
        "vase",
        "teapot",
        "star",
        "hat",
        "car",
        "house",
        "mushroom",
    ),
)
"""What the model learns to draw: neither thin nor, at this size, mistaken for one another."""

_ANYWHERE = Camera((0.0, -1.0, 1.0), (0.0, 0.0, 0.0), 40.0)


@dataclass(frozen=True)
class SceneSettings:
    """What is rendered.

    Attributes:
        cache: Folder of the shards; missing ones are rendered first.
        shards, validation_shards: How many shards there are of each split.
        shard_size: Scenes a shard.
        seed: Of the scenes.
    """

    cache: str
    shards: int = 24
    validation_shards: int = 1
    shard_size: int = 512
    seed: int = 0


def flow_layout(seed: int) -> Scene:
    """Return the scene of `seed`."""
    rng = Random(f"flow|{seed}")
    named = rng.choice((2, 2, 2, 3, 3, 4))
    while True:
        room: Room = rng.choice(("tabletop", "tabletop", "corner"))
        scene = sample_layout(rng.randrange(2**31), num_named=named, num_clutter=0, room=room)
        if all(not _is_thing(o) or o.kind in KINDS for o in scene.objects):
            plain = tuple(replace(o, pattern="plain") for o in scene.objects)
            return closer(replace(scene, objects=plain, style=_calm_style(rng)), rng)


def _calm_style(rng: Random) -> Style:
    """Return a look without a window, panels, blur or noise, in pale colours and one light."""
    pale = rng.uniform(0.7, 0.9)
    tint = [1 + rng.uniform(-0.08, 0.08) for _ in range(3)]
    wall, floor, furniture = (
        (level * tint[0], level * tint[1], level * tint[2]) for level in (pale, 0.6 * pale, 0.75 * pale)
    )
    return replace(
        sample_style(rng),
        wall=wall,
        floor=floor,
        furniture=furniture,
        light_direction=(-0.35, -0.55, 0.76),
        light_color=(1.0, 1.0, 1.0),
        ambient=0.45,
        background="wall",
        blur=0.0,
        noise=0.0,
    )


def closer(scene: Scene, rng: Random) -> Scene:
    """Return the scene with the camera moved and zoomed so that its named things fill the picture."""
    view = View(scene.camera)
    boxes = [view.box(make_item(o))[0] for o in scene.objects if _is_thing(o)]
    if not boxes:
        return scene
    x0, y0 = (min(box[k] for box in boxes) for k in (0, 1))
    x1, y1 = (max(box[k] for box in boxes) for k in (2, 3))
    extent = max(x1 - x0, y1 - y0)
    zoom = min(2.5, max(1.0, rng.uniform(0.72, 0.92) / extent))
    slack = max(0.0, 1 / zoom - extent) * 0.8
    u = (x0 + x1) / 2 + rng.uniform(-0.5, 0.5) * slack - 0.5
    v = (y0 + y1) / 2 + rng.uniform(-0.5, 0.5) * slack - 0.5
    camera = scene.camera
    # Moved, not turned: the viewer's left and right stay the picture's.
    depth = math.dist(camera.position, camera.target)
    right, up = u * depth / view.focal, -v * depth / view.focal
    move = tuple(right * r + up * s for r, s in zip(view.right, view.up, strict=True))
    (px, py, pz), (tx, ty, tz) = camera.position, camera.target
    return replace(
        scene,
        camera=Camera(
            position=(px + move[0], py + move[1], pz + move[2]),
            target=(tx + move[0], ty + move[1], tz + move[2]),
            fov=math.degrees(2 * math.atan(0.5 / (view.focal * zoom))),
        ),
    )


def _is_thing(state: SceneObject) -> bool:
    return state.named and OBJECT_KINDS[state.kind].category == "object"


def sample_flow_scenes(seeds: Sequence[int]) -> SceneBatch:
    """Return the acceptable scenes among those of `seeds`, rendered."""
    return judge_scenes([flow_layout(seed) for seed in seeds])


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
        "layout": _LAYOUT,
        "size": settings.shard_size,
        "renderer": RENDERER_VERSION,
        "sampler": SAMPLER_VERSION,
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
        batch = sample_flow_scenes(range(first + tried, first + tried + _BATCH))
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
