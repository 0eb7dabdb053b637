"""What the localizer learns from: cached scenes, each thing's whole box, and pictures made a little worse.

The cache keeps the box of what is visible; relations are judged by whole boxes. Layouts are cheap and follow
from their seeds, so the scenes of a shard are laid out again and the outlines of their things projected: to
about an eighth of a pixel what rendering each thing alone gives.

Shapes: N scenes, M objects (padded), G cells a side.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageFilter
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from torch import Tensor

from spatial_core.atomic_files import atomic_path
from spatial_core.localizer_network import STRIDE, LocalizerConfig
from spatial_core.scenes.layout import sample_layout
from spatial_core.scenes.objects import OBJECT_KINDS, tilt_frame
from spatial_core.scenes.renderer import RENDERER_VERSION
from spatial_core.scenes.scene import Scene
from spatial_core.scenes.stage import View
from spatial_trainers.scene_cache import COLOR_NAMES, GRID, KINDS, MAX_OBJECTS, PATTERN_NAMES

SIZE = 128
CELLS = SIZE // STRIDE
UNCOLORED = tuple(name for name, kind in OBJECT_KINDS.items() if kind.styled)

_SAME_SIDE = 1.5 / SIZE
"""A projected side this near to the visible one is the visible one, which is exact."""

_HEAT_SPREAD = 0.3
"""Standard deviation of the heat around the middle of what is visible, as a share of its box."""

_NEAR = 0.5
"""Share of pictures shown from nearer by."""

_FIELDS = ("images", "patches", "kinds", "colors", "patterns", "boxes", "distances")

Floats = npt.NDArray[np.float32]


def starter_config() -> LocalizerConfig:
    """Return the bundled localizer's vocabulary and size."""
    return LocalizerConfig(kinds=KINDS, colors=COLOR_NAMES, patterns=PATTERN_NAMES, uncolored=UNCOLORED)


@cache
def _outline(kind: str) -> npt.NDArray[np.float64]:
    return np.concatenate([part.reach() for part in OBJECT_KINDS[kind].parts])


def whole_boxes(scene: Scene) -> Floats:
    """Return the box [n, 4] of each object as if nothing hid it, xyxy in units of the picture, cut to it."""
    view = View(scene.camera)
    axes = np.array([view.right, view.up, view.forward])
    boxes: list[npt.NDArray[np.float64]] = []
    for thing in scene.objects:
        points = _outline(thing.kind)
        if thing.tilt:
            rotation, shift = tilt_frame(thing.kind, thing.tilt)
            points = points @ rotation.T + shift
        c, s = np.cos(thing.yaw), np.sin(thing.yaw)
        world = points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) * thing.scale + np.array(thing.position)
        right, up, depth = ((world - np.array(view.origin)) @ axes.T).T
        u = 0.5 + view.focal * right / np.maximum(depth, 1e-3)
        v = 0.5 - view.focal * up / np.maximum(depth, 1e-3)
        boxes.append(np.array([u.min(), v.min(), u.max(), v.max()]))
    return np.array(boxes).clip(0, 1).astype(np.float32).reshape(-1, 4)


def replayed_boxes(kinds: npt.NDArray[np.int16], colors: npt.NDArray[np.int16], first_seed: int) -> Floats:
    """Return the whole boxes [N, M, 4] of a shard's scenes, 0 where there is no object.

    Args:
        kinds, colors: [N, M] of the shard, by which its layouts are known again among the rejected ones.
        first_seed: Of the first layout that was tried for the shard.

    Raises:
        ValueError: If the layouts drawn now are not those of the shard.
    """
    boxes = np.zeros((*kinds.shape, 4), np.float32)
    row, tries = 0, 0
    while row < len(kinds):
        scene = sample_layout(first_seed + tries)
        tries += 1
        count = len(scene.objects)
        same = (kinds[row, count:] < 0).all()
        same = same and [KINDS[k] for k in kinds[row, :count]] == [o.kind for o in scene.objects]
        if same and [COLOR_NAMES[c] for c in colors[row, :count]] == [o.color for o in scene.objects]:
            boxes[row, :count] = whole_boxes(scene)
            row += 1
        if tries > 4 * len(kinds) + 64:
            raise ValueError(
                f"The layouts of seeds {first_seed}... are not those of the cache (found {row} of "
                f"{len(kinds)} scenes): the sampler has changed since. Render the cache again."
            )
    return boxes


@dataclass(frozen=True)
class Pictures:
    """Scenes as the localizer needs them; fields as in `scene_cache.CachedScenes`.

    Attributes:
        whole: float32 [N, M, 4], boxes of whole things, xyxy in units of the picture.
    """

    images: npt.NDArray[np.uint8]
    patches: npt.NDArray[np.int8]
    kinds: npt.NDArray[np.int16]
    colors: npt.NDArray[np.int16]
    patterns: npt.NDArray[np.int16]
    boxes: Floats
    distances: Floats
    whole: Floats

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.images)


def load_pictures(folder: str | Path, split: str, shards: int, *, seed: int = 0) -> tuple[Pictures, str]:
    """Return the scenes of the first shards of a cache, and the sha256 of what was read of them.

    The whole boxes are kept beside each shard once they are known.

    Raises:
        FileNotFoundError: If a shard is missing; `scene_cache.build_cache` makes it.
        ValueError: If a shard was rendered from other layouts than the sampler draws now.
    """
    digest = hashlib.sha256()
    parts: list[dict[str, npt.NDArray[Any]]] = []
    for number in range(shards):
        name = f"scenes-{seed}-{number:05d}-v{RENDERER_VERSION}.safetensors"
        with safe_open(Path(folder, split, name), framework="np") as reader:
            arrays = {field: reader.get_tensor(field) for field in _FIELDS}
        beside = Path(folder, split, name.replace("scenes", "whole-boxes"))
        if not beside.is_file():
            # As scene_cache.build_shard counts seeds.
            first = (2 * number + (split != "train")) * 100_000 + seed * 1_000_000_000
            boxes = replayed_boxes(arrays["kinds"], arrays["colors"], first)
            with atomic_path(beside) as temporary:
                save_file({"whole": boxes}, temporary)
        arrays["whole"] = load_file(beside)["whole"]
        near = np.abs(arrays["whole"] - arrays["boxes"]) < _SAME_SIDE
        arrays["whole"] = np.where(near, arrays["boxes"], arrays["whole"])
        for field in (*_FIELDS, "whole"):
            digest.update(np.ascontiguousarray(arrays[field]).data)
        parts.append(arrays)
    joined = {field: np.concatenate([part[field] for part in parts]) for field in (*_FIELDS, "whole")}
    return Pictures(**joined), digest.hexdigest()


@dataclass(frozen=True)
class LocalizerBatch:
    """Pictures and what their cells should say; fields of cells are [B, G, G].

    Attributes:
        images: float32 [B, 3, 128, 128] in [0, 1].
        heat: Target in [0, 1], 1 in the middle of each thing's visible part.
        weight: Of a cell in all other losses, 0 where no thing is.
        kind, color, pattern: Classes; -100 where a colour or pattern means nothing.
        box: [B, 4, G, G]; log_distance.
        thing: Number of the thing within the batch, 0 where none is.
        things: How many numbers there are, 0 included.
        picture: [things], the picture of each thing.
    """

    images: Tensor
    heat: Tensor
    weight: Tensor
    kind: Tensor
    color: Tensor
    pattern: Tensor
    box: Tensor
    log_distance: Tensor
    thing: Tensor
    things: int
    picture: Tensor


def owners(patches: npt.NDArray[np.int8], boxes: Floats) -> npt.NDArray[np.int64]:
    """Return which object each cell shows, [N, G, G], -1 for none.

    Args:
        patches: [N, 16, 16], the object that covers most of each patch.
        boxes: [N, M, 4] visible boxes; what covers no patch is in the cell in their middle.
    """
    fold = CELLS // GRID
    owner = patches.repeat(fold, 1).repeat(fold, 2).astype(np.int64)
    scene = np.arange(len(owner))[:, None, None]
    box = boxes[scene, np.maximum(owner, 0)]
    at = (np.arange(CELLS, dtype=np.float32) + 0.5) / CELLS
    slack = 0.5 / CELLS
    x, y = at[None, None, :], at[None, :, None]
    inside = (x > box[..., 0] - slack) & (x < box[..., 2] + slack)
    inside &= (y > box[..., 1] - slack) & (y < box[..., 3] + slack)
    owner = np.where(inside, owner, -1)
    shown = boxes[..., 2] > boxes[..., 0]
    seen = np.zeros(boxes.shape[:2], bool)
    row, r, c = np.nonzero(owner >= 0)
    seen[row, owner[row, r, c]] = True
    for n, m in np.argwhere(shown & ~seen):
        middle = (boxes[n, m, :2] + boxes[n, m, 2:]) / 2
        column, line = np.minimum((middle * CELLS).astype(int), CELLS - 1)
        owner[n, line, column] = m
    return owner


def make_batch(
    pictures: Pictures, rows: npt.NDArray[np.int64], rng: np.random.Generator, *, worsen: bool = True
) -> LocalizerBatch:
    """Return some of the pictures with their targets; half of them mirrored and most made worse if asked."""
    images, patches = pictures.images[rows].copy(), pictures.patches[rows].copy()
    boxes, whole = pictures.boxes[rows].copy(), pictures.whole[rows].copy()
    if worsen:
        flip = rng.random(len(rows)) < 0.5
        images[flip], patches[flip] = images[flip, :, ::-1], patches[flip, :, ::-1]
        for values in (boxes, whole):
            values[flip] = (np.array([1, 0, 1, 0]) - values[flip][..., [2, 1, 0, 3]]) * np.array(
                [1, -1, 1, -1]
            )
        for row in np.flatnonzero(rng.random(len(rows)) < _NEAR):
            images[row], patches[row], boxes[row], whole[row] = nearer(
                images[row], patches[row], boxes[row], whole[row], rng
            )
        images = np.stack([worse(image, rng) for image in images])
    owner = owners(patches, boxes)
    batch, r, c = np.nonzero(owner >= 0)
    index = owner[batch, r, c]
    # Things by number: 0 is none, then those that are seen.
    numbers, thing = np.unique(batch * MAX_OBJECTS + index, return_inverse=True)
    count = np.bincount(thing)
    x, y = (c + 0.5) / CELLS, (r + 0.5) / CELLS
    seen = boxes[batch, index]
    spread_x = np.maximum((seen[:, 2] - seen[:, 0]) * _HEAT_SPREAD, 1 / CELLS)
    spread_y = np.maximum((seen[:, 3] - seen[:, 1]) * _HEAT_SPREAD, 1 / CELLS)
    away_x = x - (np.bincount(thing, x) / count)[thing]
    away_y = y - (np.bincount(thing, y) / count)[thing]
    heat = np.exp(-((away_x / spread_x) ** 2 + (away_y / spread_y) ** 2) / 2)
    # The middle may belong to something in front: the nearest cell that is its own counts as the middle.
    hottest = np.zeros(len(numbers))
    np.maximum.at(hottest, thing, heat)
    heat /= hottest[thing]
    # Large things count more than small ones, but not by their area.
    weight = heat / np.sqrt(np.bincount(thing, heat))[thing]

    def field(values: npt.NDArray[Any], empty: float, kind: type) -> Tensor:
        out = np.full((len(rows), CELLS, CELLS), empty, kind)
        out[batch, r, c] = values
        return torch.from_numpy(out)

    scene = rows[batch]
    kinds, colors = pictures.kinds[scene, index], pictures.colors[scene, index]
    styled = np.isin(kinds, [KINDS.index(name) for name in UNCOLORED])
    distance = np.log(pictures.distances[scene, index] + 1e-3)
    return LocalizerBatch(
        images=torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255,
        heat=field(heat, 0, np.float32),
        weight=field(weight, 0, np.float32),
        kind=field(kinds, -100, np.int64),
        color=field(np.where(styled, -100, colors), -100, np.int64),
        pattern=field(np.where(styled, -100, pictures.patterns[scene, index]), -100, np.int64),
        box=torch.stack([field(whole[batch, index, k], 0, np.float32) for k in range(4)], 1),
        log_distance=field(distance, 0, np.float32),
        thing=field(thing + 1, 0, np.int64),
        things=len(numbers) + 1,
        picture=torch.from_numpy(np.concatenate([[0], numbers // MAX_OBJECTS])),
    )


def nearer(
    image: npt.NDArray[np.uint8],
    patches: npt.NDArray[np.int8],
    boxes: Floats,
    whole: Floats,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8], Floats, Floats]:
    """Return a picture and what goes with it as a longer lens would show it: a part of it, enlarged.

    The part shows at least the middle of something; what lies outside it has an empty visible box.

    Args:
        image: [128, 128, 3].
        patches: [16, 16].
        boxes, whole: [M, 4], visible and whole boxes.
        rng: Source of randomness.
    """
    shown = np.flatnonzero(boxes[:, 2] > boxes[:, 0])
    if not len(shown):
        return image, patches, boxes, whole
    side = int(rng.integers(GRID // 2, GRID))
    middle = (boxes[shown, :2] + boxes[shown, 2:])[rng.integers(len(shown))] / 2 * GRID
    low = np.maximum(0, np.ceil(middle - side)).astype(int)
    high = np.minimum(GRID - side, np.floor(middle)).astype(int)
    left, top = (int(rng.integers(a, max(a, b) + 1)) for a, b in zip(low, high, strict=True))
    pixels = SIZE // GRID
    window = (left * pixels, top * pixels, (left + side) * pixels, (top + side) * pixels)
    large = Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.LANCZOS, box=window)
    at = (np.arange(GRID) + 0.5) * side / GRID
    shift = np.array([left, top, left, top], np.float32) / GRID

    def moved(values: Floats) -> Floats:
        out = ((values - shift) * (GRID / side)).clip(0, 1).astype(np.float32)
        gone = (out[:, 2] <= out[:, 0]) | (out[:, 3] <= out[:, 1]) | (values[:, 2] <= values[:, 0])
        out[gone] = 0
        return out

    rows, columns = (top + at).astype(int), (left + at).astype(int)
    return np.asarray(large), patches[rows][:, columns], moved(boxes), moved(whole)


def worse(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return a picture [128, 128, 3] as a generator or a lossy file might give it: soft, noisy, off-colour.

    A quarter stay as they are but for their colours. The rest lose detail (through a smaller size and back,
    or a blur), get noise or are compressed, or several of these.
    """
    values = image.astype(np.float32)
    contrast, light = rng.normal(1, 0.06), rng.normal(0, 5)
    gain = rng.normal(1, 0.04, 3) * rng.normal(1, 0.06)
    values = values * (gain * contrast).astype(np.float32)
    values += (gain * (128 * (1 - contrast) + light)).astype(np.float32)
    if rng.random() < 0.75:
        picture = Image.fromarray(values.clip(0, 255).astype(np.uint8))
        if rng.random() < 0.45:
            side = int(rng.integers(40, 112))
            down, up = rng.choice(np.array([2, 3, 1]), 2)
            picture = picture.resize((side, side), down).resize((SIZE, SIZE), up)
        elif rng.random() < 0.35:
            picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.4))))
        if rng.random() < 0.3:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=int(rng.integers(15, 80)))
            picture = Image.open(buffer)
        values = np.asarray(picture, np.float32)
        if rng.random() < 0.4:
            grain = rng.standard_normal(values.shape, dtype=np.float32)
            values = values + grain * np.float32(rng.uniform(1, 14))
    return values.clip(0, 255).astype(np.uint8)


class BatchStream(torch.utils.data.IterableDataset[LocalizerBatch]):
    """The batches from step `first` on; each depends on the seed and its step alone."""

    def __init__(self, pictures: Pictures, *, batch_size: int, seed: int, steps: Sequence[int]) -> None:
        self.pictures, self.batch_size, self.seed, self.steps = pictures, batch_size, seed, steps

    def __iter__(self) -> Iterator[LocalizerBatch]:
        """Yield one batch for each of `steps`."""
        for step in self.steps:
            rng = np.random.default_rng([self.seed, step])
            yield make_batch(self.pictures, rng.integers(len(self.pictures), size=self.batch_size), rng)
