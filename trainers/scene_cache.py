"""Rendered scenes on disk, ready to be asked about: pictures, patch labels, boxes, all that is true or false.

A cache is a folder of safetensors shards. A shard depends on the seed, its number and the renderer's version
alone, so any number of processes may make different shards, and a killed build goes on where it stopped.

Shapes: N scenes, M objects (padded), P = M + 2 participants (the last two are the wall and the floor).
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from spatial_core.atomic_files import atomic_path
from spatial_core.scenes.closure import BINARY, PLACES
from spatial_core.scenes.objects import COLORS, OBJECT_KINDS, PATTERNS
from spatial_core.scenes.renderer import RENDERER_VERSION

MAX_OBJECTS = 18
SHARD = 512
KINDS = tuple(OBJECT_KINDS)
COLOR_NAMES = tuple(COLORS)
PATTERN_NAMES = tuple(PATTERNS)
GRID = 16

_MIRROR_BINARY = [
    BINARY.index({"left_of": "right_of", "right_of": "left_of"}.get(name, name)) for name in BINARY
]
_MIRROR_PLACES = [
    PLACES.index({"picture_left": "picture_right", "picture_right": "picture_left"}.get(name, name))
    for name in PLACES
]


@dataclass(frozen=True)
class CachedScenes:
    """Some scenes of a cache.

    Attributes:
        images: uint8 `[N, 128, 128, 3]`.
        patches: int8 `[N, 16, 16]`, the object that covers most of the patch, -1 for none.
        kinds, colors, patterns: int16 `[N, M]`, -1 where there is no object.
        named: bool `[N, M]`, whether a prompt may name it.
        boxes: float32 `[N, M, 4]`, visible part, xyxy in units of the picture.
        distances: float32 `[N, M]`, metres from the camera.
        binary: int8 `[N, relations, P, P]`; between: int8 `[N, P, P, P]`; places: int8 `[N, places, P]`;
            1 true, 0 false, -1 ambiguous.
    """

    images: npt.NDArray[np.uint8]
    patches: npt.NDArray[np.int8]
    kinds: npt.NDArray[np.int16]
    colors: npt.NDArray[np.int16]
    patterns: npt.NDArray[np.int16]
    named: npt.NDArray[np.bool_]
    boxes: npt.NDArray[np.float32]
    distances: npt.NDArray[np.float32]
    binary: npt.NDArray[np.int8]
    between: npt.NDArray[np.int8]
    places: npt.NDArray[np.int8]

    def mirrored(self, flip: npt.NDArray[np.bool_]) -> CachedScenes:
        """Return the scenes with those at True seen in a mirror: left and right change places everywhere."""
        images, patches, boxes = self.images.copy(), self.patches.copy(), self.boxes.copy()
        binary, places = self.binary.copy(), self.places.copy()
        images[flip] = images[flip, :, ::-1]
        patches[flip] = patches[flip, :, ::-1]
        boxes[flip, :, 0], boxes[flip, :, 2] = 1 - self.boxes[flip, :, 2], 1 - self.boxes[flip, :, 0]
        binary[flip] = binary[flip][:, _MIRROR_BINARY]
        places[flip] = places[flip][:, _MIRROR_PLACES]
        return replace(self, images=images, patches=patches, boxes=boxes, binary=binary, places=places)

    def target(self, scene: int, index: int) -> npt.NDArray[np.float32]:
        """Return centre x, centre y, width, height (picture units) and log distance of one object."""
        x0, y0, x1, y1 = self.boxes[scene, index]
        return np.array(
            [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, np.log(self.distances[scene, index] + 1e-3)],
            dtype=np.float32,
        )

    def cells(self, scene: int, index: int) -> npt.NDArray[np.float32]:
        """Return the share of one object that lies in each merged token, `[64]`, row by row; its sum is 1."""
        half = GRID // 2
        mine = (self.patches[scene] == index).reshape(half, 2, half, 2).sum((1, 3)).astype(np.float32)
        if not mine.any():
            x0, y0, x1, y1 = self.boxes[scene, index]
            middle = np.clip(np.array([y0 + y1, x0 + x1]) / 2 * half, 0, half - 1).astype(int)
            mine[middle[0], middle[1]] = 1
        return (mine / mine.sum()).reshape(-1)

    def patch_labels(self) -> tuple[Any, Any, Any, Any]:
        """Return kind, colour `[N, 16, 16]`, offset to the centre with log distance `[..., 3]`, known."""
        scene = np.arange(len(self.images))[:, None, None]
        index = self.patches.astype(np.int64)
        known = index >= 0
        safe = np.maximum(index, 0)
        kind = np.where(known, self.kinds[scene, safe] + 1, 0).astype(np.int64)
        color = np.where(known, self.colors[scene, safe] + 1, 0).astype(np.int64)
        box = self.boxes[scene, safe]
        at = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID
        dx = (box[..., 0] + box[..., 2]) / 2 - at[None, None, :]
        dy = (box[..., 1] + box[..., 3]) / 2 - at[None, :, None]
        depth = np.log(self.distances[scene, safe] + 1e-3)
        return kind, color, np.stack([dx, dy, depth], axis=-1).astype(np.float32), known


_FIELDS = tuple(CachedScenes.__dataclass_fields__)


def _majority(instance: npt.NDArray[np.int16]) -> npt.NDArray[np.int8]:
    """Return the most frequent value of each 8 x 8 patch, `[N, 16, 16]` from `[N, 128, 128]`."""
    n, side = len(instance), instance.shape[1] // GRID
    cells = instance.reshape(n, GRID, side, GRID, side).swapaxes(2, 3).reshape(n, GRID, GRID, -1)
    counts = np.stack([(cells == value).sum(-1) for value in range(-1, MAX_OBJECTS)], axis=-1)
    return (counts.argmax(-1) - 1).astype(np.int8)


def _spread(values: npt.NDArray[np.int8], axes: Sequence[int]) -> npt.NDArray[np.int8]:
    """Pad participants to P on the given axes; the wall and the floor stay the last two."""
    for axis in axes:
        count = values.shape[axis] - 2
        things, ends = np.split(values, [count], axis=axis)
        gap = list(values.shape)
        gap[axis] = MAX_OBJECTS - count
        values = np.concatenate([things, np.full(gap, -1, np.int8), ends], axis=axis)
    return values


def pack_scenes(scenes: Sequence[Any], rendering: Any, closures: Sequence[Any]) -> CachedScenes:
    """Return accepted scenes with their rendering rows and closures in the cache's form."""
    n = len(scenes)
    kinds = np.full((n, MAX_OBJECTS), -1, np.int16)
    colors, patterns, named = kinds.copy(), kinds.copy(), np.zeros((n, MAX_OBJECTS), bool)
    for i, scene in enumerate(scenes):
        for j, thing in enumerate(scene.objects):
            kinds[i, j], colors[i, j] = KINDS.index(thing.kind), COLOR_NAMES.index(thing.color)
            patterns[i, j], named[i, j] = PATTERN_NAMES.index(thing.pattern), thing.named
    boxes = np.zeros((n, MAX_OBJECTS, 4), np.float32)
    distances = np.zeros((n, MAX_OBJECTS), np.float32)
    width = rendering.boxes.shape[1]
    boxes[:, :width] = rendering.boxes.numpy() / rendering.images.shape[-1]
    distances[:, :width] = np.nan_to_num(rendering.distances.numpy(), posinf=0)
    return CachedScenes(
        images=(rendering.images.clamp(0, 1) * 255)
        .round()
        .to(torch.uint8)
        .permute(0, 2, 3, 1)
        .contiguous()
        .numpy(),
        patches=_majority(rendering.instance.numpy()),
        kinds=kinds,
        colors=colors,
        patterns=patterns,
        named=named,
        boxes=boxes,
        distances=distances,
        binary=np.stack([_spread(c.binary, (1, 2)) for c in closures]),
        between=np.stack([_spread(c.between, (0, 1, 2)) for c in closures]),
        places=np.stack([_spread(c.places, (1,)) for c in closures]),
    )


class SceneCache:
    """Read access to one split; everything stays in memory.

    Attributes:
        digest: sha256 over the shards' contents.
    """

    def __init__(self, folder: str | Path, split: str, shards: int, *, seed: int = 0):
        """Read the first `shards` shards.

        Raises:
            FileNotFoundError: If a shard is missing; `build_cache` makes it.
        """
        parts: list[dict[str, npt.NDArray[Any]]] = []
        digest = hashlib.sha256()
        for number in range(shards):
            arrays = load_file(_shard(folder, split, number, seed))
            for name in _FIELDS:
                digest.update(arrays[name].data)
            parts.append(arrays)
        self._arrays = {name: np.concatenate([part[name] for part in parts]) for name in _FIELDS}
        self.digest = digest.hexdigest()

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self._arrays["images"])

    def read(self, indices: npt.NDArray[np.int64]) -> CachedScenes:
        """Return the scenes at `indices`."""
        return CachedScenes(**{name: self._arrays[name][indices] for name in _FIELDS})


def _shard(folder: str | Path, split: str, number: int, seed: int) -> Path:
    return Path(folder, split, f"scenes-{seed}-{number:05d}-v{RENDERER_VERSION}.safetensors")


def build_shard(folder: str | Path, split: str, number: int, seed: int) -> float:
    """Make one shard of `SHARD` accepted scenes; return the acceptance rate."""
    from spatial_core.scenes.sampling import sample_scenes

    path = _shard(folder, split, number, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    parts: list[CachedScenes] = []
    kept = tried = 0
    # Splits never meet: each has its own range of scene seeds.
    first = (2 * number + (split != "train")) * 100_000 + seed * 1_000_000_000
    while kept < SHARD:
        batch = sample_scenes(range(first + tried, first + tried + 64))
        tried += batch.num_tried
        kept += len(batch.scenes)
        parts.append(pack_scenes(batch.scenes, batch.rendering, batch.closures))
    tensors = {
        name: np.ascontiguousarray(np.concatenate([getattr(p, name) for p in parts])[:SHARD])
        for name in _FIELDS
    }
    metadata = {"acceptance": str(kept / tried), "renderer": str(RENDERER_VERSION)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata)
    return kept / tried


def build_cache(folder: str | Path, shards: dict[str, int], *, seed: int = 0, processes: int = 1) -> None:
    """Make the shards that are missing: `shards[split]` for each split."""
    missing = [
        (split, number)
        for split, count in shards.items()
        for number in range(count)
        if not _shard(folder, split, number, seed).is_file()
    ]
    if not missing:
        return
    # A forked process would inherit torch's thread pool in an unusable state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        jobs = [pool.submit(build_shard, folder, split, number, seed) for split, number in missing]
        for job in tqdm(as_completed(jobs), total=len(jobs), desc=f"rendering {SHARD} scenes a shard"):
            job.result()
