"""Real pictures for a probe: a folder's, or renders of what the starter flow model learned to draw."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from spatial_core.images import to_tensors
from spatial_trainers.flow.scenes import sample_flow_scenes
from spatial_trainers.flow.world import bundled_world

_FIRST_SEED = 5_000_000_000
"""Beyond the seeds of training, of measured prompts and of RL's."""
_BATCH = 64
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def render_pictures(count: int) -> Tensor:
    """Return `count` renders of the starter's rooms, uint8 `[count, 3, 128, 128]`."""
    found: list[Tensor] = []
    seed = _FIRST_SEED
    with tqdm(total=count, desc="rendering real pictures", disable=None) as bar:
        while sum(map(len, found)) < count:
            batch = sample_flow_scenes(range(seed, seed + _BATCH), bundled_world()).rendering.images
            found.append((batch * 255).round().to(torch.uint8))
            seed += _BATCH
            bar.update(len(batch))
    return torch.cat(found)[:count]


def read_pictures(folder: str | Path, size: torch.Size) -> Tensor:
    """Return the folder's pictures, resized to `size` (height, width); uint8 `[R, 3, H, W]`.

    Raises:
        ValueError: If it holds no picture, or one cannot be read.
    """
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise ValueError(
            f"{folder} must be a folder with real pictures ({', '.join(_SUFFIXES)}); it has none."
        )
    rows = [
        F.interpolate(to_tensors(path)[0][None], size=tuple(size), mode="area")
        for path in tqdm(paths, desc="reading real pictures", disable=None)
    ]
    return (torch.cat(rows) * 255).round().to(torch.uint8)
