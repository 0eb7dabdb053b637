"""From seeds to pictures: layouts are drawn, rendered together, judged, and kept if a person could judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch

from spatial_core.scenes.closure import BINARY, MIN_VISIBLE, TRUE, Closure, closures
from spatial_core.scenes.layout import Room, sample_layout
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.renderer import Rendering, render
from spatial_core.scenes.scene import Scene
from spatial_core.scenes.stage import View, make_item

SAMPLER_VERSION = 2
"""Changes when a seed gives another scene, closure or prompt than before."""

MIN_HIDDEN = 0.22
"""What is partly hidden on purpose must show at least this fraction."""

_MIN_SIDE, _MIN_LENGTH = 5.5 / 128, 10 / 128
_MAX_CUT = 0.12


@dataclass(frozen=True)
class SceneBatch:
    """Accepted scenes with their pictures.

    Attributes:
        scenes: K accepted scenes, in the order of their seeds.
        rendering: Their K rows.
        closures: Their closures.
        num_tried: How many were laid out; K / num_tried is the acceptance rate.
    """

    scenes: tuple[Scene, ...]
    rendering: Rendering
    closures: tuple[Closure, ...]
    num_tried: int


def sample_scenes(
    seeds: Sequence[int],
    *,
    size: int = 128,
    device: torch.device | str = "cpu",
    supersample: int = 2,
    num_named: int | None = None,
    room: Room | None = None,
) -> SceneBatch:
    """Return the acceptable scenes among those of `seeds`, rendered in one batch.

    A seed's scene and whether it is accepted depend on the seed alone.

    Args:
        seeds: One per layout tried.
        size: Side of the pictures in pixels.
        device: Where to render.
        supersample: Samples per pixel side.
        num_named: As in `sample_layout`.
        room: As in `sample_layout`.
    """
    scenes = [sample_layout(seed, num_named=num_named, room=room) for seed in seeds]
    return judge_scenes(scenes, size=size, device=device, supersample=supersample)


def judge_scenes(
    scenes: Sequence[Scene], *, size: int = 128, device: torch.device | str = "cpu", supersample: int = 2
) -> SceneBatch:
    """Render scenes and return the acceptable ones with their closures."""
    rendering = render(scenes, size=size, device=device, supersample=supersample)
    found = closures_of(scenes, rendering)
    keep = [k for k in range(len(scenes)) if acceptable(scenes[k], found[k], rendering, k)]
    return SceneBatch(
        scenes=tuple(scenes[k] for k in keep),
        rendering=rows(rendering, keep),
        closures=tuple(found[k] for k in keep),
        num_tried=len(scenes),
    )


def estimated_closures(scenes: Sequence[Scene]) -> list[Closure]:
    """Return closures from projected bounding boxes: close to `closures_of` at a fraction of its cost."""
    most = max((len(s.objects) for s in scenes), default=0)
    boxes = np.zeros((len(scenes), most, 4))
    far = np.zeros((len(scenes), most))
    for k, scene in enumerate(scenes):
        view = View(scene.camera)
        for i, state in enumerate(scene.objects):
            boxes[k, i], far[k, i] = view.box(make_item(state))
    seen = np.where(far > 0, estimated_visibility(boxes, far), 0.0)
    return closures(scenes, boxes, distances=far, visible=seen, size=1)


def estimated_visibility(
    boxes: npt.NDArray[np.float64], far: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return `[B, N]` the share of each box that no nearer box of similar size covers."""
    low = np.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = np.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    overlap = np.maximum(high - low, 0).prod(-1)
    nearer = (far[:, None, :] < far[:, :, None] - 0.02) & (area < 0.25)[:, None, :]
    # Most things fill about two thirds of their boxes.
    return 1 - 0.65 * np.where(nearer, overlap, 0).sum(-1).clip(0, area) / np.maximum(area, 1e-9)


def closures_of(scenes: Sequence[Scene], rendering: Rendering) -> list[Closure]:
    """Return the closures of rendered scenes."""
    return closures(
        scenes,
        rendering.full_boxes.cpu().numpy(),
        distances=rendering.distances.cpu().numpy(),
        visible=rendering.visible_fraction.cpu().numpy(),
        size=rendering.images.shape[-1],
    )


def rows(rendering: Rendering, keep: Sequence[int]) -> Rendering:
    """Return the given rows of a rendering."""
    index = torch.as_tensor(list(keep), dtype=torch.long)
    return Rendering(
        **{f.name: getattr(rendering, f.name)[index.to(rendering.images.device)] for f in fields(rendering)}
    )


def acceptable(scene: Scene, closure: Closure, rendering: Rendering, row: int) -> bool:
    """Whether every named thing can be seen and told, and something can be said.

    A named thing must be `MIN_VISIBLE` visible (`MIN_HIDDEN` if another named thing hides it), keep its
    middle and most of itself inside the picture, and be no speck.
    """
    size = rendering.images.shape[-1]
    full = rendering.full_boxes[row].cpu().numpy() / size
    seen = rendering.visible_fraction[row].cpu().numpy()
    hidden = (closure.binary[BINARY.index("hidden_by")] == TRUE).any(1)
    named = 0
    for index, state in enumerate(scene.objects):
        if OBJECT_KINDS[state.kind].category == "furniture" or not state.named:
            continue
        named += 1
        if seen[index] < (MIN_HIDDEN if hidden[index] else MIN_VISIBLE) or _cut_or_tiny(full[index]):
            return False
    return named >= 2


def _cut_or_tiny(box: npt.NDArray[np.float64]) -> bool:
    x0, y0, x1, y1 = (float(v) for v in box)
    area = (x1 - x0) * (y1 - y0)
    inside = (min(x1, 1.0) - max(x0, 0.0)) * (min(y1, 1.0) - max(y0, 0.0))
    short, long = sorted((x1 - x0, y1 - y0))
    return area <= 0 or inside < (1 - _MAX_CUT) * area or short < _MIN_SIDE or long < _MIN_LENGTH
