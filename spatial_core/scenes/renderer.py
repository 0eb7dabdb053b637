"""A batched ray caster for procedural scenes.

Every primitive is intersected analytically, and only in the 8x8 tiles of the (supersampled) picture that its
projection touches; tiles of all objects of several scenes share one tensor, so that a batch costs few, large
elementwise operations. Occlusion is a z-buffer of integer keys: the bits of the distance along the view, the
lowest nine replaced by the part's number in its scene, so that the smallest key says both how far and what.
Shadows are soft decals on the support planes, drawn only where the visible surface lies in that plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from spatial_core.scenes.background import BACKGROUNDS, paint_background
from spatial_core.scenes.objects import SHAPES
from spatial_core.scenes.primitives import INTERSECT, Triple
from spatial_core.scenes.projection import (
    TILE,
    Cameras,
    Floats,
    Ints,
    Objects,
    Parts,
    Shadows,
    Tiles,
    cover,
    cover_objects,
    gather_cameras,
    gather_objects,
    gather_parts,
    gather_shadows,
    part_bounds,
)
from spatial_core.scenes.scene import Scene
from spatial_core.scenes.shading import PartLook, look_of, shade

RENDERER_VERSION = 2
"""Raised whenever the same scene gives another picture."""

_PART_BITS = 9
_PART_MASK = (1 << _PART_BITS) - 1
_NOTHING = 0x7F800000
_AREA = TILE * TILE
# Scenes drawn together and tiles computed together: what fits a processor's cache, or keeps a GPU busy.
_GROUP = {"cpu": 8}
_CHUNK = {"cpu": 1024}
_GROUP_ELSEWHERE, _CHUNK_ELSEWHERE = 64, 1 << 16
_SUPERSAMPLES = (1, 2, 4)
_BITS = np.arange(256)[:, None] >> np.arange(TILE) & 1
_FIRST_BIT, _LAST_BIT = _BITS.argmax(1), TILE - 1 - _BITS[:, ::-1].argmax(1)


@dataclass(frozen=True)
class Rendering:
    """Pictures of B scenes with at most N objects, and what is where in them.

    Attributes:
        images: [B, 3, H, W] sRGB in [0, 1].
        depth: [B, H, W] distance from the camera in metres, floor and walls included.
        instance: [B, H, W] int16 index into `Scene.objects`, -1 for the background.
        boxes: [B, N, 4] x0, y0, x1, y1 in pixels of the visible part; zeros where nothing is visible.
        full_boxes: [B, N, 4] of the object as if alone, within the picture.
        visible_fraction: [B, N] visible pixels / pixels if it were alone, times the share of its projected
            bounding box that is within the picture.
        distances: [B, N] mean distance from the camera of the visible surface in metres, 0 where none is.
        centers: [B, N, 2] x, y in pixels of the middle of the 3D bounding box (may lie outside the picture).
    """

    images: Tensor
    depth: Tensor
    instance: Tensor
    boxes: Tensor
    full_boxes: Tensor
    visible_fraction: Tensor
    distances: Tensor
    centers: Tensor

    @classmethod
    def joined(cls, parts: Sequence[Rendering]) -> Rendering:
        """Return all rows of `parts`, at least one, padded to the largest number of objects."""
        most = max(p.boxes.shape[1] for p in parts)

        def padded(tensor: Tensor) -> Tensor:
            widths = [0, 0] * (tensor.dim() - 2) + [0, most - tensor.shape[1]]
            return torch.nn.functional.pad(tensor, widths)

        pictures = ("images", "depth", "instance")
        return cls(
            **{
                f.name: torch.cat(
                    [getattr(p, f.name) if f.name in pictures else padded(getattr(p, f.name)) for p in parts]
                )
                for f in fields(cls)
            }
        )


def render(
    scenes: Sequence[Scene], *, size: int = 128, device: str | torch.device = "cpu", supersample: int = 2
) -> Rendering:
    """Draw scenes.

    The result for a scene does not depend on the others in the batch.

    Args:
        scenes: B scenes, possibly none.
        size: Height and width of the pictures in pixels.
        device: Where to compute; the result lies there too.
        supersample: Rays per pixel and axis: 1, 2 or 4.

    Raises:
        ValueError: A scene names an unknown kind, colour, pattern or background, has a light or camera that
            cannot be used or more than 512 primitives, or `size` or `supersample` is out of range.
    """
    if supersample not in _SUPERSAMPLES or size < 8:
        raise ValueError(
            f"size must be at least 8 and supersample one of {_SUPERSAMPLES}, got {size} and {supersample}"
        )
    for number, scene in enumerate(scenes):
        if scene.style.background not in BACKGROUNDS:
            raise ValueError(
                f"the background must be one of {', '.join(BACKGROUNDS)}, got {scene.style.background!r} "
                f"in scene {number}; correct the style"
            )
    most = max((len(scene.objects) for scene in scenes), default=0)
    device = torch.device(device)
    group = _GROUP.get(device.type, _GROUP_ELSEWHERE)
    with torch.no_grad():
        groups = [
            _Frame(scenes[start : start + group], size, supersample, device).draw(most)
            for start in range(0, len(scenes), group)
        ]
    if not groups:
        groups = [_nothing(size, device)]
    return Rendering(*(torch.cat(parts) for parts in zip(*groups, strict=True)))


def _nothing(size: int, device: torch.device) -> tuple[Tensor, ...]:
    shapes = ((3, size, size), (size, size), (size, size), (0, 4), (0, 4), (0,), (0,), (0, 2))
    kinds = [torch.float32] * 2 + [torch.int16] + [torch.float32] * 5
    return tuple(torch.zeros(0, *s, dtype=k, device=device) for s, k in zip(shapes, kinds, strict=True))


def _turned(matrix: Floats, vector: Floats) -> Floats:
    """matrix [n, i, j] times vector [n, j]."""
    return np.einsum("nij,nj->ni", matrix, vector)


class _Frame:
    """The pictures of a few scenes while they are drawn, as [scene, tile row, tile column] x 64 pixels."""

    def __init__(self, scenes: Sequence[Scene], size: int, supersample: int, device: torch.device):
        self.scenes = scenes
        self.size = size
        self.factor = supersample
        self.device = device
        self.chunk = _CHUNK.get(device.type, _CHUNK_ELSEWHERE)
        self.pixels = size * supersample
        self.tiles = -(-self.pixels // TILE)
        self.cameras: Cameras = gather_cameras(scenes)
        self.objects: Objects = gather_objects(scenes)
        self.parts: Parts = gather_parts(scenes, self.objects)
        if self.parts.key.size and int(self.parts.key.max()) > _PART_MASK:
            raise ValueError(
                f"a scene may have at most {_PART_MASK + 1} primitives, got {int(self.parts.key.max()) + 1}; "
                "use fewer objects"
            )
        # Within a tile, all first samples of its final pixels come first, then all second ones, ...:
        # averaging them and taking one of each are then contiguous.
        f, small = supersample, TILE // supersample
        pixel = np.arange(_AREA)
        sample, rest = pixel // small**2, pixel % small**2
        self.columns: Ints = rest % small * f + sample % f
        self.rows: Ints = rest // small * f + sample // f
        self.right_step = self._f(self.columns).unsqueeze(0)
        self.down_step = self._f(self.rows).unsqueeze(0)

    def _f(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self.device)

    def _i(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(self.device)

    def _linear(self, axes: tuple[Floats, Floats, Floats], tiles: Tiles) -> list[Tensor]:
        """A quantity that is linear over the picture, as its value at each tile's first pixel and its steps.

        Args:
            axes: [n, 3] each, its values along the camera's forward, right and up, one row for each thing.
            tiles: The tiles, whose `row` points into these.

        Returns:
            Three times [T, 3]: base, step to the right, step down.
        """
        forward, right, up = axes
        unit = 2 / self.pixels
        sx = ((tiles.x * TILE + 0.5) * unit - 1)[:, None]
        sy = (1 - (tiles.y * TILE + 0.5) * unit)[:, None]
        r, u = right[tiles.row], up[tiles.row]
        return [self._f(forward[tiles.row] + sx * r + sy * u), self._f(unit * r), self._f(-unit * u)]

    def _spread(self, linear: list[Tensor], rows: slice | Tensor, axis: int) -> Tensor:
        """One component of a linear quantity at every pixel of some tiles: [T, 64]."""
        base, right, down = (v[rows, axis : axis + 1] for v in linear)
        return torch.addcmul(torch.addcmul(base, right, self.right_step), down, self.down_step)

    def _flat(self, scene: Ints, tiles: Tiles) -> Tensor:
        return self._i((scene * self.tiles + tiles.y) * self.tiles + tiles.x)

    def draw(self, most: int) -> tuple[Tensor, ...]:
        """All fields of `Rendering`, with the objects' dimension padded to `most`."""
        parts, cameras, scenes = self.parts, self.cameras, len(self.scenes)
        part_scene = self.objects.scene[parts.owner]
        count = len(self.objects.scene)
        # Tiles come sorted by shape, so that each shape is a contiguous run.
        order = np.argsort(parts.shape, kind="stable")
        bounds = part_bounds(parts, cameras, part_scene)
        of_objects, of_parts, place, whole = cover_objects(
            bounds[order], parts.owner[order], count, self.pixels, self.tiles
        )
        of_parts = Tiles(order[of_parts.row], of_parts.x, of_parts.y)
        turn = parts.to_local
        ray = self._linear(
            (
                _turned(turn, cameras.forward[part_scene]),
                _turned(turn, cameras.right[part_scene]),
                _turned(turn, cameras.up[part_scene]),
            ),
            of_parts,
        )
        origin = self._f(_turned(turn, cameras.position[part_scene] - parts.center)[of_parts.row])
        params = self._f(parts.params[of_parts.row])
        number = torch.from_numpy(parts.key[of_parts.row].astype(np.int32)).to(self.device).unsqueeze(1)
        runs = self._runs(parts.shape[of_parts.row])
        key = torch.empty(len(of_parts.row), _AREA, dtype=torch.int32, device=self.device)
        for shape, rows in runs:
            d = (self._spread(ray, rows, 0), self._spread(ray, rows, 1), self._spread(ray, rows, 2))
            o = (origin[rows, 0:1], origin[rows, 1:2], origin[rows, 2:3])
            t = INTERSECT[shape](o, d, params[rows])
            key[rows] = (t.view(torch.int32) & ~_PART_MASK) | number[rows]

        alone = torch.full((len(of_objects.row), _AREA), _NOTHING, dtype=torch.int32, device=self.device)
        self._smallest(alone, key, self._i(place), parts.number[of_parts.row])
        frame = torch.full((scenes * self.tiles**2, _AREA), _NOTHING, dtype=torch.int32, device=self.device)
        object_tile = self._flat(self.objects.scene[of_objects.row], of_objects)
        self._smallest(frame, alone, object_tile, self.objects.index[of_objects.row])

        back_color, back_t, length = self._background()
        color = torch.stack([self._to_tiles(back_color[:, k]) for k in range(3)])
        part_tile = self._flat(part_scene[of_parts.row], of_parts)
        self._paint(color, frame, key, part_tile, ray, origin, params, runs, of_parts)
        surface = torch.where(
            frame < _NOTHING,
            (frame & ~_PART_MASK).view(torch.float32),
            self._to_tiles(back_t),
        )
        self._darken(color, surface)
        images = self._develop(color)
        t = self._from_tiles(surface)
        depth = t * length
        owner = self._owners(part_scene)
        of_pixel = self._from_tiles(frame)
        names = owner[torch.arange(scenes, device=self.device).view(-1, 1, 1), (of_pixel & _PART_MASK).long()]
        instance = torch.where(of_pixel < _NOTHING, names, -1).to(torch.int16)
        table = self._measure(frame, alone, surface, of_objects, object_tile, whole)
        return images, depth, instance, *self._pad(table, most)

    def _runs(self, shape: Ints) -> list[tuple[str, slice]]:
        """Chunks of consecutive tiles of one shape."""
        edges = np.flatnonzero(np.diff(shape)) + 1
        out: list[tuple[str, slice]] = []
        for start, stop in zip([0, *edges], [*edges, len(shape)], strict=True):
            for first in range(int(start), int(stop), self.chunk):
                out.append((SHAPES[shape[first]], slice(first, min(first + self.chunk, int(stop)))))
        return out

    def _smallest(self, into: Tensor, values: Tensor, where: Tensor, turn: Ints) -> None:
        """into[where] = min(into[where], values), in turns within which no place occurs twice."""
        order = np.argsort(turn, kind="stable")
        cuts = np.flatnonzero(np.diff(turn[order])) + 1
        for rows in np.split(order, cuts):
            if not len(rows):
                continue
            index = self._i(rows)
            place = where[index]
            into[place] = torch.minimum(into[place], values[index])

    def _paint(
        self,
        color: Tensor,
        frame: Tensor,
        key: Tensor,
        part_tile: Tensor,
        ray: list[Tensor],
        origin: Tensor,
        params: Tensor,
        runs: list[tuple[str, slice]],
        of_parts: Tiles,
    ) -> None:
        """Shade every part where it is what one sees."""
        look: PartLook = look_of(self.scenes, self.objects, self.parts, self.cameras, self.device)
        row = self._i(of_parts.row)
        planes = color.view(3, -1)
        pixel = torch.arange(_AREA, device=self.device)
        for shape, rows in runs:
            mine = key[rows]
            seen = (mine == frame[part_tile[rows]]) & (mine < _NOTHING)
            kept = seen.any(1).nonzero().squeeze(1) + rows.start
            if not len(kept):
                continue
            t = (key[kept] & ~_PART_MASK).view(torch.float32)
            at: Triple = (
                torch.addcmul(origin[kept, 0:1], t, self._spread(ray, kept, 0)),
                torch.addcmul(origin[kept, 1:2], t, self._spread(ray, kept, 1)),
                torch.addcmul(origin[kept, 2:3], t, self._spread(ray, kept, 2)),
            )
            shown = shade(shape, at, params[kept], look, row[kept])
            mask = seen[kept - rows.start].view(-1).nonzero().squeeze(1)
            place = (part_tile[kept].unsqueeze(1) * _AREA + pixel).view(-1)[mask]
            for plane, values in zip(planes, shown, strict=True):
                plane[place] = values.view(-1)[mask]

    def _background(self) -> tuple[Tensor, Tensor, Tensor]:
        """Colour [S, 3, H, W] and distance along the view [S, H, W] of floor and walls; the rays' length."""
        axis = (torch.arange(self.size, dtype=torch.float32, device=self.device) + 0.5) * (2 / self.size) - 1
        sx, sy = axis.view(1, 1, -1), -axis.view(1, -1, 1)
        forward, right, up = (self._f(v) for v in (self.cameras.forward, self.cameras.right, self.cameras.up))

        def along(k: int) -> Tensor:
            return (forward[:, k].view(-1, 1, 1) + sx * right[:, k].view(-1, 1, 1)) + sy * up[:, k].view(
                -1, 1, 1
            )

        direction = (along(0), along(1), along(2))
        footprint = self._f(np.linalg.norm(self.cameras.right, axis=1)) * (2 / self.size)
        drop = paint_background(self.scenes, direction, self._f(self.cameras.position), footprint)
        length = (direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2).sqrt()
        return drop.color, drop.t, length

    def _to_tiles(self, picture: Tensor) -> Tensor:
        """[S, H, W] of the final size to [S * tiles^2, 64] of the supersampled one."""
        small = TILE // self.factor
        rest = self.tiles * small - self.size
        if rest:
            picture = torch.nn.functional.pad(
                picture.unsqueeze(1), (0, rest, 0, rest), mode="replicate"
            ).squeeze(1)
        split = picture.view(-1, self.tiles, small, self.tiles, small).transpose(2, 3)
        return split.reshape(-1, 1, small * small).expand(-1, self.factor**2, -1).reshape(-1, _AREA)

    def _from_tiles(self, values: Tensor) -> Tensor:
        """[S * tiles^2, 64 or 64 / factor^2] to [S, H, W] of the final size, by first samples."""
        small = TILE // self.factor
        side = self.tiles * small
        split = values[:, : small * small].reshape(-1, self.tiles, self.tiles, small, small)
        return split.transpose(2, 3).reshape(-1, side, side)[:, : self.size, : self.size].contiguous()

    def _darken(self, color: Tensor, surface: Tensor) -> None:
        """Multiply soft shadows into the colours of what lies in their planes."""
        shadows: Shadows = gather_shadows(self.scenes, self.objects, self.cameras)
        tiles = cover(shadows.bounds, self.pixels, self.tiles)
        if not len(tiles.row):
            return
        cameras, scene = self.cameras, shadows.scene
        turn = shadows.axes
        ray = self._linear(
            (
                _turned(turn, cameras.forward[scene]),
                _turned(turn, cameras.right[scene]),
                _turned(turn, cameras.up[scene]),
            ),
            tiles,
        )
        start = _turned(turn, cameras.position[scene] - shadows.origin)
        origin = self._f(start[tiles.row])
        place = self._flat(scene[tiles.row], tiles)
        length = np.linalg.norm(shadows.cast, axis=1)
        numbers = self._f(
            np.concatenate(
                [
                    1 / (shadows.half + 0.006),
                    shadows.boxy[:, None],
                    shadows.cast,
                    1 / np.maximum(length**2, 1e-9)[:, None],
                    1 / shadows.width[:, None],
                    shadows.strength,
                ],
                1,
            )[tiles.row]
        )
        light = torch.ones(len(tiles.row), _AREA, device=self.device)
        for first in range(0, len(tiles.row), self.chunk):
            rows = slice(first, first + self.chunk)
            iu, iv, boxy, cu, cv, inv, iw, contact, cast = numbers[rows].split(1, 1)
            du, dv, dn = (self._spread(ray, rows, k) for k in range(3))
            t = -origin[rows, 2:3] / dn
            off = (surface[place[rows]] - t) * dn
            u, v = torch.addcmul(origin[rows, 0:1], t, du), torch.addcmul(origin[rows, 1:2], t, dv)
            eu, ev = (u * iu) ** 2, (v * iv) ** 2
            near = torch.lerp(eu + ev, (eu * eu + ev * ev).sqrt_(), boxy)
            near = 0.62 * near
            close = contact / (1 + near * near * near)
            along = ((u * cu + v * cv) * inv).clamp_(0, 1)
            away = ((u - along * cu) ** 2 + (v - along * cv) ** 2).sqrt_() * iw
            edge = ((1.22 - away) * (2.4 - 1.2 * along)).clamp_(0, 1)
            fade = cast * edge * edge * (3 - 2 * edge) * (1 - 0.35 * along)
            shadow = (1 - close) * (1 - fade)
            light[rows] = torch.where((off.abs() < 0.012) & (t > 0), shadow, 1.0)
        order = np.argsort(shadows.order[tiles.row], kind="stable")
        cuts = np.flatnonzero(np.diff(shadows.order[tiles.row][order])) + 1
        total = torch.ones(surface.shape, device=self.device)
        for rows in np.split(order, cuts):
            index = self._i(rows)
            where = place[index]
            total[where] = total[where] * light[index]
        color *= total

    def _develop(self, color: Tensor) -> Tensor:
        """Linear tiles to the final sRGB pictures: average, vignette, tone, blur, noise."""
        mean = color.view(3, -1, self.factor**2, _AREA // self.factor**2).mean(2)
        image = torch.stack([self._from_tiles(plane) for plane in mean], 1)
        axis = torch.linspace(-1, 1, self.size, device=self.device)
        image *= 1 - 0.1 * (axis.view(-1, 1) ** 2 + axis**2)
        # A soft shoulder keeps highlights from clipping.
        image = torch.where(image > 0.7, 0.7 + 0.3 * torch.tanh((image - 0.7) / 0.3), image)
        image = _blur(image, self._f(np.array([scene.style.blur for scene in self.scenes])))
        image = torch.where(
            image <= 0.0031308, 12.92 * image, 1.055 * image.clamp(min=0.0031308).pow(1 / 2.4) - 0.055
        )
        for number, scene in enumerate(self.scenes):
            if scene.style.noise > 0:
                generator = torch.Generator().manual_seed(scene.style.texture_seed)
                grain = torch.randn(3, self.size, self.size, generator=generator)
                image[number] += scene.style.noise * grain.to(self.device)
        return image.clamp_(0, 1)

    def _owners(self, part_scene: Ints) -> Tensor:
        """[S, 512] object index within the scene of each part number."""
        owners = np.full((len(self.scenes), _PART_MASK + 1), -1)
        owners[part_scene, self.parts.key] = self.objects.index[self.parts.owner]
        return self._i(owners)

    def _measure(
        self,
        frame: Tensor,
        alone: Tensor,
        surface: Tensor,
        of_objects: Tiles,
        object_tile: Tensor,
        whole: np.ndarray,
    ) -> Tensor:
        """Per object [N, 12]: box, full box, visible fraction, distance, centre, all as in `Rendering`."""
        count = len(self.objects.scene)
        row = self._i(of_objects.row)
        solid = alone < _NOTHING
        if self.pixels % TILE:
            solid &= self._i(of_objects.x * TILE).unsqueeze(1) + self.right_step < self.pixels
            solid &= self._i(of_objects.y * TILE).unsqueeze(1) + self.down_step < self.pixels
        seen = solid & (alone == frame[object_tile])
        camera_scene = self.objects.scene[of_objects.row]
        squares = self._ray_lengths(Tiles(camera_scene, of_objects.x, of_objects.y))
        far = torch.where(seen, surface[object_tile] * squares, 0.0).sum(1)
        corner = self._i(np.stack([of_objects.x, of_objects.y], 1) * TILE)

        def total(values: Tensor) -> Tensor:
            return torch.zeros(count, dtype=values.dtype, device=self.device).index_add_(0, row, values)

        pixels, shown = total(solid.sum(1).float()), total(seen.sum(1).float())
        boxes = [self._box(mask, row, corner, count) for mask in (seen, solid)]
        clipped = np.clip(whole, -1, 1)
        area = np.prod(whole[:, 2:] - whole[:, :2], 1)
        within = np.prod(np.maximum(clipped[:, 2:] - clipped[:, :2], 0), 1) / np.maximum(area, 1e-12)
        fraction = shown / pixels.clamp(min=1) * self._f(within)
        view = self.cameras.to_view(self.objects.scene, self.objects.center)
        deep = np.maximum(view[:, 2], 1e-6)
        center = np.stack([(view[:, 0] / deep + 1) / 2, (1 - view[:, 1] / deep) / 2], 1) * self.size
        distance = total(far) / shown.clamp(min=1)
        return torch.cat([*boxes, fraction.unsqueeze(1), distance.unsqueeze(1), self._f(center)], 1)

    def _ray_lengths(self, tiles: Tiles) -> Tensor:
        """Length [T, 64] of the rays (1 along the view); `tiles.row` is the scene."""
        tan = np.linalg.norm(self.cameras.right, axis=1)
        zero = np.zeros_like(tan)
        ray = self._linear(
            (
                np.stack([zero, zero, zero], 1),
                np.stack([tan, zero, zero], 1),
                np.stack([zero, tan, zero], 1),
            ),
            tiles,
        )
        x, y = self._spread(ray, slice(None), 0), self._spread(ray, slice(None), 1)
        return (1 + x * x + y * y).sqrt_()

    def _box(self, mask: Tensor, row: Tensor, corner: Tensor, count: int) -> Tensor:
        """Bounding boxes [count, 4] in final pixels of the masks [T, 64] of each object's tiles."""
        marks = np.arange(TILE)
        lines = np.concatenate([self.columns[:, None] == marks, self.rows[:, None] == marks], 1)
        hit = (mask.float() @ self._f(lines) > 0).view(-1, 2, TILE)
        # The lines hit, as a byte, index tables of the first and the last of them.
        code = (hit.float() @ self._f(2.0**marks)).long()
        low, high = self._i(_FIRST_BIT)[code], self._i(_LAST_BIT)[code]
        some = (code[:, 0] > 0).nonzero().squeeze(1)
        owner = row[some].unsqueeze(1).expand(-1, 2)
        start = corner[some]
        first = torch.full((count, 2), self.pixels, device=self.device)
        last = torch.full((count, 2), -1, device=self.device)
        first.scatter_reduce_(0, owner, start + low[some], "amin")
        last.scatter_reduce_(0, owner, start + high[some], "amax")
        box = torch.cat([first, last + 1], 1).clamp_(max=self.pixels).float() / self.factor
        return torch.where(last[:, :1] >= 0, box, 0.0)

    def _pad(self, table: Tensor, most: int) -> tuple[Tensor, ...]:
        out = torch.zeros(len(self.scenes), most, table.shape[1], device=self.device)
        out[self._i(self.objects.scene), self._i(self.objects.index)] = table
        return out[:, :, :4], out[:, :, 4:8], out[:, :, 8], out[:, :, 9], out[:, :, 10:12]


def _blur(image: Tensor, amount: Tensor) -> Tensor:
    """Blur each picture [S, 3, H, W] by a Gaussian of standard deviation `amount` [S] pixels."""
    pick = (amount > 0).nonzero().squeeze(1)
    if not len(pick):
        return image
    part = image[pick]
    tap = torch.arange(-3, 4, device=image.device, dtype=image.dtype)
    weight = torch.exp(-0.5 * (tap / amount[pick].clamp(max=2).unsqueeze(1)) ** 2)
    weight = (weight / weight.sum(1, keepdim=True)).view(-1, 7, 1, 1, 1)
    height, width = image.shape[2:]
    padded = torch.nn.functional.pad(part, (0, 0, 3, 3), mode="replicate")
    part = sum((weight[:, k] * padded[:, :, k : k + height] for k in range(7)), torch.zeros_like(part))
    padded = torch.nn.functional.pad(part, (3, 3, 0, 0), mode="replicate")
    part = sum((weight[:, k] * padded[:, :, :, k : k + width] for k in range(7)), torch.zeros_like(part))
    out = image.clone()
    out[pick] = part
    return out
