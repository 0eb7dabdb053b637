"""From scenes to flat arrays: where every primitive and every shadow is, and which tiles it touches.

All of it is small and done in float64 with numpy; the renderer takes the results to its device in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatial_core.scenes.objects import (
    COLORS,
    MATERIALS,
    OBJECT_KINDS,
    PATTERN_PARTNER,
    PATTERNS,
    SHAPES,
    Part,
    tilt_frame,
)
from spatial_core.scenes.scene import Scene

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TILE = 8
_NEAR = 0.05


@dataclass(frozen=True)
class _KindTable:
    """Every part of every kind, in one row each."""

    first: dict[str, tuple[int, int]]
    shape: Ints
    center: Floats
    half: Floats
    rotation: Floats
    params: Floats
    main: Floats
    tint: Floats
    gloss: Floats
    glow: Floats


def _tabulate() -> _KindTable:
    parts: list[Part] = []
    first: dict[str, tuple[int, int]] = {}
    for name, kind in OBJECT_KINDS.items():
        first[name] = (len(parts), len(kind.parts))
        parts += kind.parts
    looks = [MATERIALS[part.material] for part in parts]
    return _KindTable(
        first=first,
        shape=np.array([SHAPES.index(part.shape) for part in parts]),
        center=np.array([part.center for part in parts]),
        half=np.array([part.half for part in parts]),
        rotation=np.stack([part.rotation() for part in parts]),
        params=np.array([part.params for part in parts]),
        main=np.array([look.main for look in looks]),
        tint=np.array([look.tint for look in looks]),
        gloss=np.array([look.gloss for look in looks]),
        glow=np.array([look.glow for look in looks]),
    )


def _contact_half(name: str) -> tuple[float, float, float]:
    """Half sizes of what touches the ground, and how box-like (1) or round (0) it is."""
    kind = OBJECT_KINDS[name]
    points = np.concatenate([part.reach() for part in kind.parts])
    low = points[points[:, 2] < 0.16 * 2 * kind.half_extents[2] + 1e-4]
    half = np.abs(low).max(0)
    boxy = float(kind.parts[0].shape in ("box", "wedge"))
    return max(float(half[0]), 0.01), max(float(half[1]), 0.01), boxy


_TABLE = _tabulate()
_CONTACT = {name: _contact_half(name) for name in OBJECT_KINDS}
_PATTERN_STEP = {name: 2 * max(kind.half_extents) for name, kind in OBJECT_KINDS.items()}


@dataclass(frozen=True)
class Cameras:
    """Pinhole cameras of S scenes: pixel (sx, sy) in [-1, 1], y up, sees along forward + sx right + sy up.

    `right` and `up` carry the field of view; positions are metres.
    """

    position: Floats
    forward: Floats
    right: Floats
    up: Floats

    def to_view(self, scene: Ints, points: Floats) -> Floats:
        """Points [..., 3] relative to the world as (x, y, depth) before the division by depth."""
        axes = np.stack([self.right, self.up, self.forward], 1)
        tan = np.linalg.norm(self.right, axis=1)
        axes = axes / np.stack([tan**2, tan**2, np.ones_like(tan)], 1)[:, :, None]
        local = points - self.position[scene].reshape(len(scene), *([1] * (points.ndim - 2)), 3)
        return np.einsum("nij,n...j->n...i", axes[scene], local)


def gather_cameras(scenes: Sequence[Scene]) -> Cameras:
    """The cameras of scenes; "up" stays as vertical as the view allows.

    Raises:
        ValueError: A camera looks straight up, straight down or nowhere, or its field of view is not usable.
    """
    position = np.array([scene.camera.position for scene in scenes], float)
    forward = np.array([scene.camera.target for scene in scenes], float) - position
    for number, scene in enumerate(scenes):
        level = math.hypot(forward[number, 0], forward[number, 1])
        if not (1e-6 < level < math.inf and math.isfinite(forward[number, 2]) and 0 < scene.camera.fov < 170):
            raise ValueError(
                "a camera must look at a point that is not straight above or below it, with a field of view "
                f"between 0 and 170 degrees, got {scene.camera} in scene {number}; correct the camera"
            )
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    tan = np.tan(np.radians([scene.camera.fov for scene in scenes]) / 2)[:, None]
    right = np.stack([forward[:, 1], -forward[:, 0], np.zeros(len(scenes))], 1)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    up = np.cross(right, forward)
    return Cameras(position, forward, right * tan, up * tan)


@dataclass(frozen=True)
class Objects:
    """The N objects of S scenes, scene after scene.

    Attributes:
        scene: [N] index of the scene.
        index: [N] index within the scene.
        rotation: [N, 3, 3] from the kind's axes to the world's.
        origin: [N, 3] where the kind's origin is in the world.
        scale: [N].
        light: [S, 3] unit vector towards the light.
        center: [N, 3] middle of the object's bounding box in the world.
    """

    scene: Ints
    index: Ints
    rotation: Floats
    origin: Floats
    scale: Floats
    light: Floats
    center: Floats


@dataclass(frozen=True)
class Parts:
    """The K parts of the objects, sorted by scene and object.

    Attributes:
        owner: [K] row in `Objects`.
        number: [K] of the part within its object; `key` [K] within its scene.
        shape: [K] index into `SHAPES`.
        to_local: [K, 3, 3] from the world's axes to the primitive's unit frame.
        half: [K, 3] half sizes in metres.
        axes: [K, 3, 3] rotation from the primitive's axes to the world's.
        center: [K, 3] in the world.
        in_kind: [K, 3, 4] affine map from the unit frame to the kind's frame.
        params: [K, 4].
        color: [K, 3] albedo.
        partner: [K, 3] albedo of the pattern's second colour.
        pattern: [K] index into `PATTERNS`.
        step: [K] the pattern's period in metres at scale 1.
        gloss, glow: [K].
        styled: [K] whether wood grain is drawn.
        ground: [K, 2] height of the object's lowest point and its own height, metres.
    """

    owner: Ints
    number: Ints
    key: Ints
    shape: Ints
    to_local: Floats
    half: Floats
    axes: Floats
    center: Floats
    in_kind: Floats
    params: Floats
    color: Floats
    partner: Floats
    pattern: Ints
    step: Floats
    gloss: Floats
    glow: Floats
    styled: NDArray[np.bool_]
    ground: Floats


def _check(scenes: Sequence[Scene]) -> None:
    for number, scene in enumerate(scenes):
        size = math.hypot(*scene.style.light_direction)
        if not 0 < size < math.inf:
            raise ValueError(
                "the light's direction must be a finite vector other than zero, got "
                f"{scene.style.light_direction} in scene {number}; correct the style"
            )
        for item in scene.objects:
            for what, value, known in (
                ("kind", item.kind, OBJECT_KINDS),
                ("color", item.color, COLORS),
                ("pattern", item.pattern, PATTERNS),
            ):
                if value not in known:
                    raise ValueError(
                        f"the {what} of an object must be one of {', '.join(known)}, "
                        f"got {value!r} in scene {number}; correct the scene"
                    )
            if not (item.scale > 0 and math.isfinite(sum(item.position) + item.scale)):
                raise ValueError(
                    f"an object needs a positive scale and a finite position, got scale {item.scale} at "
                    f"{item.position} ({item.kind} in scene {number}); correct the scene"
                )


def gather_objects(scenes: Sequence[Scene]) -> Objects:
    """Where the objects of scenes are.

    Raises:
        ValueError: A kind, colour or pattern is unknown, or a light, scale or position is not usable.
    """
    _check(scenes)
    items = [
        (number, index, item)
        for number, scene in enumerate(scenes)
        for index, item in enumerate(scene.objects)
    ]
    count = len(items)
    scale = np.array([item.scale for _, _, item in items], float)
    yaw = np.array([item.yaw for _, _, item in items], float)
    rotation = np.zeros((count, 3, 3))
    rotation[:, 0, 0] = rotation[:, 1, 1] = np.cos(yaw)
    rotation[:, 1, 0] = np.sin(yaw)
    rotation[:, 0, 1] = -rotation[:, 1, 0]
    rotation[:, 2, 2] = 1
    origin = np.array([item.position for _, _, item in items], float).reshape(count, 3)
    for row, (_, _, item) in enumerate(items):
        if item.tilt:
            tilt, shift = tilt_frame(item.kind, item.tilt)
            origin[row] += scale[row] * rotation[row] @ shift
            rotation[row] = rotation[row] @ tilt
    light = np.array([scene.style.light_direction for scene in scenes], float).reshape(-1, 3)
    light = light / np.linalg.norm(light, axis=1, keepdims=True)
    height = np.array([OBJECT_KINDS[item.kind].half_extents[2] for _, _, item in items], float)
    center = origin + rotation[:, :, 2] * (scale * height)[:, None]
    return Objects(
        scene=np.array([number for number, _, _ in items], np.int64),
        index=np.array([index for _, index, _ in items], np.int64),
        rotation=rotation,
        origin=origin,
        scale=scale,
        light=light,
        center=center,
    )


def gather_parts(scenes: Sequence[Scene], objects: Objects) -> Parts:
    """Every primitive of every object, in the world."""
    items = [item for scene in scenes for item in scene.objects]
    spans = np.array([_TABLE.first[item.kind] for item in items], np.int64).reshape(-1, 2)
    start, count = spans[:, 0], spans[:, 1]
    owner = np.repeat(np.arange(len(items)), count)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    row = start[owner] + number
    scene = objects.scene[owner]
    per_scene = np.bincount(scene, minlength=len(scenes))
    key = np.arange(len(owner)) - np.repeat(np.cumsum(per_scene) - per_scene, per_scene)
    scale = objects.scale[owner]
    half = _TABLE.half[row] * scale[:, None]
    axes = objects.rotation[owner] @ _TABLE.rotation[row]
    center = objects.origin[owner] + scale[:, None] * np.einsum(
        "kij,kj->ki", objects.rotation[owner], _TABLE.center[row]
    )
    styled = np.array([OBJECT_KINDS[item.kind].styled for item in items], bool)
    named = np.array([COLORS[item.color] for item in items], float).reshape(-1, 3)
    if styled.any():
        furniture = np.array([scene.style.furniture for scene in scenes], float)
        named[styled] = furniture[objects.scene[styled]]
    partner = np.array([COLORS[PATTERN_PARTNER[item.color]] for item in items], float).reshape(-1, 3)
    main, tint = _TABLE.main[row][:, None], _TABLE.tint[row]
    pattern = np.array([PATTERNS.index(item.pattern) for item in items], np.int64)[owner]
    step = np.array([_PATTERN_STEP[item.kind] for item in items], float)[owner]
    low = np.array([item.position[2] for item in items], float)
    tall = np.array([2 * OBJECT_KINDS[item.kind].half_extents[2] for item in items], float) * objects.scale
    return Parts(
        owner=owner,
        number=number,
        key=key,
        shape=_TABLE.shape[row],
        to_local=np.swapaxes(axes, 1, 2) / half[:, :, None],
        half=half,
        axes=axes,
        center=center,
        in_kind=np.concatenate(
            [_TABLE.rotation[row] * _TABLE.half[row][:, None, :], _TABLE.center[row][:, :, None]], 2
        ),
        params=_TABLE.params[row],
        color=main * named[owner] + (1 - main) * tint,
        partner=partner[owner],
        pattern=np.where(_TABLE.main[row] >= 1, pattern, 0),
        step=step,
        gloss=_TABLE.gloss[row],
        glow=_TABLE.glow[row],
        styled=styled[owner],
        ground=np.stack([low, tall], 1)[owner],
    )


def _rectangle(view: Floats) -> Floats:
    """Bounds [n, 4] (x0, y0, x1, y1; y up, in [-1, 1]) of projected points [n, p, 3]; all if too near."""
    depth = np.maximum(view[:, :, 2], _NEAR)
    x, y = view[:, :, 0] / depth, view[:, :, 1] / depth
    bounds = np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], 1)
    near = view[:, :, 2].min(1) < _NEAR
    bounds[near] = np.where(view[near, :, 2].max(1)[:, None] < _NEAR, [[2, 2, 2, 2]], [[-9, -9, 9, 9]])
    return bounds


def _ellipse(center: Floats, spread: Floats) -> Floats:
    """Bounds as `_rectangle` of the ellipsoids (or discs) center + spread u, |u| <= 1, in view space."""
    dual = spread @ np.swapaxes(spread, 1, 2) - center[:, :, None] * center[:, None, :]
    w = np.minimum(dual[:, 2, 2], -1e-9)
    out: list[Floats] = []
    for sign in (1, -1):
        for axis in (0, 1):
            root = np.sqrt(np.maximum(dual[:, axis, 2] ** 2 - dual[:, axis, axis] * w, 0))
            out.append((dual[:, axis, 2] + sign * root) / w)
    return np.stack(out, 1)


def _union(a: Floats, b: Floats) -> Floats:
    return np.concatenate([np.minimum(a[:, :2], b[:, :2]), np.maximum(a[:, 2:], b[:, 2:])], 1)


_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)


def part_bounds(parts: Parts, cameras: Cameras, scene: Ints) -> Floats:
    """Bounds [K, 4] of each part's projection in [-1, 1], y up; tight for round shapes."""
    spread = parts.axes * parts.half[:, None, :]
    corners = np.repeat(_CORNERS[None], len(scene), 0)
    shape = parts.shape
    arc, bowl, wedge = (shape == SHAPES.index(s) for s in ("arc", "bowl", "wedge"))
    minor = parts.params[arc, 0][:, None]
    corners[arc] *= np.stack([1 + minor, minor, 1 + minor], 2)
    corners[bowl, :, 2] = np.minimum(corners[bowl, :, 2], 0)
    taper = np.concatenate([parts.params[:, :2], np.ones((len(scene), 1))], 1)[:, None]
    top = wedge[:, None, None] & (corners[:, :, 2:] > 0)
    corners = np.where(top, corners * taper, corners)
    view = cameras.to_view(scene, np.einsum("kij,kpj->kpi", spread, corners) + parts.center[:, None])
    bounds = _rectangle(view)
    far = view[:, :, 2].min(1) >= _NEAR
    middle = cameras.to_view(scene, parts.center)
    turn = cameras.to_view(scene, np.swapaxes(spread, 1, 2) + parts.center[:, None]) - middle[:, None]
    turn = np.swapaxes(turn, 1, 2)
    ball = far & (shape == SHAPES.index("ellipsoid"))
    bounds[ball] = _ellipse(middle[ball], turn[ball])
    round_ = far & ((shape == SHAPES.index("frustum")) | (shape == SHAPES.index("cup")))
    discs: list[Floats] = []
    for column, side in ((0, -1), (1, 1)):
        radius = np.stack([parts.params[round_, column]] * 2 + [np.zeros(round_.sum())], 1)
        discs.append(
            _ellipse(middle[round_] + side * turn[round_][:, :, 2], turn[round_] * radius[:, None, :])
        )
    bounds[round_] = _union(discs[0], discs[1])
    return bounds


@dataclass(frozen=True)
class Tiles:
    """T pairs (thing, tile): the thing's row, and the tile's column and row in the picture."""

    row: Ints
    x: Ints
    y: Ints


def _grid(bounds: Floats, pixels: int, tiles: int) -> tuple[Ints, Ints, Ints, Ints]:
    """First tile column and row, and number of columns and rows, of bounds; pixels make up [-1, 1]."""
    x0 = np.floor(((bounds[:, 0] + 1) / 2 * pixels - 0.5) / TILE).clip(0, tiles)
    x1 = np.floor(((bounds[:, 2] + 1) / 2 * pixels + 0.5) / TILE + 1).clip(0, tiles)
    y0 = np.floor(((1 - bounds[:, 3]) / 2 * pixels - 0.5) / TILE).clip(0, tiles)
    y1 = np.floor(((1 - bounds[:, 1]) / 2 * pixels + 0.5) / TILE + 1).clip(0, tiles)
    wide, high = np.maximum(x1 - x0, 0), np.maximum(y1 - y0, 0)
    return (
        x0.astype(np.int64),
        y0.astype(np.int64),
        np.where(high > 0, wide, 0).astype(np.int64),
        np.where(wide > 0, high, 0).astype(np.int64),
    )


def cover(bounds: Floats, pixels: int, tiles: int) -> Tiles:
    """Every tile that each of the bounds [n, 4] touches, in order of rows of `bounds`."""
    x0, y0, wide, high = _grid(bounds, pixels, tiles)
    count = wide * high
    row = np.repeat(np.arange(len(bounds)), count)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return Tiles(row, x0[row] + offset % wide[row], y0[row] + offset // wide[row])


def cover_objects(
    bounds: Floats, owner: Ints, count: int, pixels: int, tiles: int
) -> tuple[Tiles, Tiles, Ints, Floats]:
    """Tiles of `count` objects whose parts have `bounds`, tiles of the parts, and for each part tile the
    position of its tile among the objects' tiles; and the objects' bounds [count, 4]."""
    whole = np.concatenate([np.full((count, 2), 1e9), np.full((count, 2), -1e9)], 1)
    np.minimum.at(whole[:, :2], owner, bounds[:, :2])
    np.maximum.at(whole[:, 2:], owner, bounds[:, 2:])
    of_objects, of_parts = cover(whole, pixels, tiles), cover(bounds, pixels, tiles)
    x0, y0, wide, high = _grid(whole, pixels, tiles)
    start = np.cumsum(wide * high) - wide * high
    thing = owner[of_parts.row]
    place = start[thing] + (of_parts.y - y0[thing]) * wide[thing] + of_parts.x - x0[thing]
    return of_objects, of_parts, place, whole


@dataclass(frozen=True)
class Shadows:
    """M soft shadows, each in a plane.

    Attributes:
        scene: [M]; `order` [M] is its number within the scene.
        origin: [M, 3] the plane's origin; `axes` [M, 3, 3] its two axes and its normal, as rows.
        half: [M, 2] half sizes of the footprint along the axes; `boxy` [M] its shape.
        cast: [M, 2] where the shadow of the top ends, in the plane.
        width: [M] radius of the cast shadow; `strength` [M, 2] of contact and cast shadow.
        bounds: [M, 4] of its projection.
    """

    scene: Ints
    order: Ints
    origin: Floats
    axes: Floats
    half: Floats
    boxy: Floats
    cast: Floats
    width: Floats
    strength: Floats
    bounds: Floats


def gather_shadows(scenes: Sequence[Scene], objects: Objects, cameras: Cameras) -> Shadows:
    """One shadow for every object, on what it stands on or hangs on."""
    items = [item for scene in scenes for item in scene.objects]
    count = len(items)
    axes, origin = np.zeros((count, 3, 3)), np.zeros((count, 3))
    half, cast = np.zeros((count, 2)), np.zeros((count, 2))
    width, boxy, strength = np.zeros(count), np.zeros(count), np.zeros((count, 2))
    for row, item in enumerate(items):
        kind = OBJECT_KINDS[item.kind]
        hx, hy, hz = (v * item.scale for v in kind.half_extents)
        light = objects.light[objects.scene[row]]
        x, y, z = item.position
        if item.relation_to_support == "hanging_on" or (kind.wall and kind.category == "furniture"):
            axes[row] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
            reach = 1.6 * hy / max(-light[1], 0.4)
            aside, down = -light[0] * reach, -max(light[2], 0.3) * reach
            origin[row] = (x + aside, scenes[objects.scene[row]].wall_y, z + hz + down)
            half[row] = (1.06 * hx, 1.06 * hz)
            width[row], boxy[row], strength[row] = 0.01, 1.0, (0.42, 0.0)
            continue
        cx, cy, is_box = _CONTACT[item.kind]
        turned = objects.rotation[row]
        axes[row] = [
            [math.cos(item.yaw), math.sin(item.yaw), 0],
            [-math.sin(item.yaw), math.cos(item.yaw), 0],
            [0, 0, 1],
        ]
        origin[row] = (x, y, z)
        half[row] = (cx * item.scale, cy * item.scale)
        if item.tilt:
            depth = abs(turned[:, 1] @ axes[row][1]) * hy
            half[row] = (hx if kind.lean != "raise_right" else hx * math.cos(item.tilt), max(depth, 0.3 * hy))
        slope = min(math.hypot(light[0], light[1]) / max(light[2], 0.25), 1.3)
        flat = math.hypot(light[0], light[1]) + 1e-9
        along = -light[:2] / flat * slope * 1.5 * hz
        cast[row] = axes[row][:2, :2] @ along
        width[row] = 0.85 * min(hx, hy) + 0.15 * max(hx, hy)
        boxy[row], strength[row] = is_box, (0.5, 0.34)
        if kind.category == "furniture":
            cast[row] *= 0.25
            width[row], strength[row] = max(hx, hy), (0.34, 0.0)
    reach = half * 1.75 + 0.01
    near = np.minimum(-reach, np.minimum(cast, 0) - 1.3 * width[:, None])
    far = np.maximum(reach, np.maximum(cast, 0) + 1.3 * width[:, None])
    corners = (
        np.stack(
            [
                origin + u[:, None] * axes[:, 0] + v[:, None] * axes[:, 1]
                for u in (near[:, 0], far[:, 0])
                for v in (near[:, 1], far[:, 1])
            ],
            1,
        )
        if count
        else np.zeros((0, 4, 3))
    )
    bounds = _rectangle(cameras.to_view(objects.scene, corners))
    return Shadows(objects.scene, objects.index, origin, axes, half, boxy, cast, width, strength, bounds)
