"""What a scene can hold: object kinds built from solid primitives, named colours, patterns.

A kind lives in its own frame: metres at scale 1, x to its right, y away from the viewer (its front looks
along -y), z up, footprint centred on the origin, lowest point at z = 0. Sizes are those of table-top
things of about one size class, not of life, so that each can be named at 25-45 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spatial_core.scenes.scene import Color, SceneObject, Vec3

Shape = Literal["ellipsoid", "box", "wedge", "frustum", "cup", "bowl", "arc"]
SHAPES: tuple[Shape, ...] = ("ellipsoid", "box", "wedge", "frustum", "cup", "bowl", "arc")
Lean = Literal["none", "back", "raise_back", "raise_right"]


def _linear(r: int, g: int, b: int) -> Color:
    """sRGB bytes to linear RGB."""

    def channel(v: int) -> float:
        c = v / 255
        return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4

    return (channel(r), channel(g), channel(b))


COLORS: dict[str, Color] = {
    "red": _linear(214, 36, 34),
    "orange": _linear(246, 130, 18),
    "yellow": _linear(248, 212, 32),
    "green": _linear(42, 156, 58),
    "blue": _linear(34, 84, 206),
    "purple": _linear(122, 48, 170),
    "pink": _linear(248, 138, 182),
    "brown": _linear(122, 72, 36),
    "black": _linear(34, 34, 38),
    "white": _linear(244, 243, 238),
    "gray": _linear(136, 138, 142),
    "cyan": _linear(36, 198, 214),
}
"""Linear RGB of the nameable colours."""

PATTERNS: tuple[str, ...] = ("plain", "striped", "dotted", "checkered")

PATTERN_PARTNER: dict[str, str] = {
    name: {"white": "gray", "yellow": "black", "gray": "black"}.get(name, "white") for name in COLORS
}
"""The second colour of a pattern; the named one covers the larger share."""


@dataclass(frozen=True)
class Material:
    """How a part is coloured.

    Attributes:
        main: Share of the object's named colour in the albedo.
        tint: Linear RGB that fills the remaining share.
        gloss: Strength of the specular highlight in [0, 1].
        glow: Share of the albedo that is emitted whatever the light.
    """

    main: float
    tint: Color = (0.0, 0.0, 0.0)
    gloss: float = 0.25
    glow: float = 0.0


MATERIALS: dict[str, Material] = {
    "main": Material(1.0),
    "glossy": Material(1.0, gloss=0.6),
    "matte": Material(1.0, gloss=0.04),
    "dim": Material(0.62, gloss=0.15),
    "pale": Material(0.72, _linear(255, 255, 255)),
    "lit": Material(1.0, gloss=0.05, glow=0.35),
    "cream": Material(0.0, _linear(243, 234, 212), gloss=0.05),
    "paper": Material(0.0, _linear(250, 248, 240), gloss=0.05),
    "dark": Material(0.0, _linear(44, 42, 46), gloss=0.3),
    "metal": Material(0.0, _linear(176, 180, 188), gloss=0.7),
    "brass": Material(0.0, _linear(196, 156, 84), gloss=0.6),
    "wood": Material(0.0, _linear(196, 146, 92), gloss=0.1),
    "bark": Material(0.0, _linear(96, 62, 36), gloss=0.05),
    "leaf": Material(0.0, _linear(58, 140, 52), gloss=0.2),
    "leaf2": Material(0.0, _linear(84, 164, 62), gloss=0.2),
    "soil": Material(0.0, _linear(70, 48, 34), gloss=0.0),
    "flame": Material(0.0, _linear(255, 196, 70), gloss=0.0, glow=1.0),
    "glow": Material(0.0, _linear(255, 226, 140), gloss=0.1, glow=0.8),
    "sky": Material(0.0, _linear(120, 186, 236), gloss=0.05),
    "hill": Material(0.0, _linear(96, 160, 84), gloss=0.05),
    "rubber": Material(0.0, _linear(232, 128, 140), gloss=0.05),
    "glass": Material(0.0, _linear(168, 208, 228), gloss=0.8),
}


@dataclass(frozen=True)
class Part:
    """One primitive of a kind.

    Attributes:
        shape: Which primitive; its own frame spans [-1, 1] on every axis before `half` scales it.
        center: Centre in the kind's frame, metres.
        half: Half sizes along the primitive's axes, metres.
        material: A name of `MATERIALS`.
        angles: Rotation in degrees about x, then y, then z.
        params: Shape parameters, see `spatial_core.scenes.primitives`.
    """

    shape: Shape
    center: Vec3
    half: Vec3
    material: str
    angles: Vec3 = (0.0, 0.0, 0.0)
    params: tuple[float, float, float, float] = (1.0, 1.0, 0.0, 0.0)

    def rotation(self) -> NDArray[np.float64]:
        """The [3, 3] matrix from the primitive's axes to the kind's."""
        a, b, c = (math.radians(v) for v in self.angles)
        ca, sa, cb, sb, cc, sc = math.cos(a), math.sin(a), math.cos(b), math.sin(b), math.cos(c), math.sin(c)
        rx = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
        ry = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
        rz = np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]])
        return rz @ ry @ rx

    def reach(self) -> NDArray[np.float64]:
        """Corner points [K, 3] in the kind's frame whose hull encloses the part closely."""
        if self.shape == "arc":
            minor, aperture = self.params[0], self.params[1]
            angle = np.linspace(-aperture, aperture, 33)
            ring = np.stack([np.cos(angle), np.zeros(33), np.sin(angle)], 1) * (1 + minor)
            side = ring * 0.9 + np.array([0.0, minor, 0.0])
            points = np.concatenate([ring, ring * (1 - minor) / (1 + minor), side, side * [1, -1, 1]])
        elif self.shape == "box":
            points = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
        elif self.shape == "wedge":
            points = np.array(
                [
                    [x * (self.params[0] if z > 0 else 1), y * (self.params[1] if z > 0 else 1), z]
                    for x in (-1, 1)
                    for y in (-1, 1)
                    for z in (-1, 1)
                ],
                float,
            )
        else:
            turn = np.linspace(0, 2 * math.pi, 24, endpoint=False)
            circle = np.stack([np.cos(turn), np.sin(turn), np.zeros(24)], 1)
            if self.shape in ("frustum", "cup"):
                points = np.concatenate(
                    [circle * self.params[0] - [0, 0, 1], circle * self.params[1] + [0, 0, 1]]
                )
            elif self.shape == "bowl":
                points = np.concatenate([circle, circle * 0.7 - [0, 0, 0.7], np.array([[0.0, 0.0, -1.0]])])
            else:
                points = np.concatenate([circle, circle[:, [0, 2, 1]], circle[:, [2, 0, 1]]])
        return points * np.array(self.half) @ self.rotation().T + np.array(self.center)


@dataclass(frozen=True)
class ObjectKind:
    """One kind of object, at scale 1, in its own frame.

    Attributes:
        name: What prompts call it.
        half_extents: Half sizes of the bounding box that is centred over the footprint's origin, metres:
            x and y reach to +-half, z from 0 to 2 * half.
        parts: Its primitives.
        can_hold_on_top: Whether others can stand on it, at `top`, within `top_half`.
        top: Height of the flat top, metres.
        top_half: Half sizes (x, y) of the flat top, metres.
        can_contain: Whether others can stand inside it.
        inner_radius: Radius of the largest circle inside it, at the height of the inner floor, metres.
        floor_height: Height of the inner floor, metres.
        rim_height: Height of the rim, metres.
        wall: Whether it hangs on the wall: its back is the plane y = +half_extents[1].
        lean: How `SceneObject.tilt` turns it: "back" tips the top away from the viewer (about its rear bottom
            edge),
            "raise_back" lifts the rear edge (a book shows its cover), "raise_right" lifts the right
            end (a pencil).
        has_front: Whether one sees which way it faces; at yaw 0 the front looks at the viewer.
        category: "object" or "furniture".
        styled: Whether the scene's furniture colour and wood grain replace the named colour.
    """

    name: str
    half_extents: Vec3
    parts: tuple[Part, ...]
    can_hold_on_top: bool = False
    top: float = 0.0
    top_half: tuple[float, float] = (0.0, 0.0)
    can_contain: bool = False
    inner_radius: float = 0.0
    floor_height: float = 0.0
    rim_height: float = 0.0
    wall: bool = False
    lean: Lean = "none"
    has_front: bool = False
    category: Literal["object", "furniture"] = "object"
    styled: bool = False

    @property
    def leans(self) -> bool:
        """Whether it can lean against something."""
        return self.lean != "none"


def tilt_frame(name: str, tilt: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation [3, 3] and shift [3] (the kind's frame, scale 1) of leaning by `tilt` radians.

    A point p goes to `rotation @ p + shift`. It turns about an edge of the foot, and what is lowest then
    touches the ground: a spoon's handle end is above it until tilted.
    """
    kind = OBJECT_KINDS[name]
    hx, hy, _ = kind.half_extents
    c, s = math.cos(tilt), math.sin(tilt)
    if kind.lean == "raise_right":
        rotation, pivot = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]), np.array([-hx, 0.0, 0.0])
    elif kind.lean == "raise_back":
        rotation, pivot = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]), np.array([0.0, -hy, 0.0])
    else:
        rotation, pivot = np.array([[1, 0, 0], [0, c, s], [0, -s, c]]), np.array([0.0, hy, 0.0])
    shift = pivot - rotation @ pivot
    shift[2] = -(_REACH[name] @ rotation[2]).min()
    return rotation, shift


def object_bounds(item: SceneObject) -> tuple[Vec3, Vec3]:
    """Lower and upper corner of an object's axis-aligned bounding box in the world.

    Raises:
        ValueError: `item.kind` is not a name of `OBJECT_KINDS`.
    """
    if item.kind not in OBJECT_KINDS:
        raise ValueError(f"kind must be a name of OBJECT_KINDS, got {item.kind!r}; see sorted(OBJECT_KINDS)")
    world = _turned(item.kind, item.tilt, item.yaw, item.scale) + np.array(item.position)
    low, high = np.minimum.reduce(world).tolist(), np.maximum.reduce(world).tolist()
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


@lru_cache(256)
def _turned(name: str, tilt: float, yaw: float, scale: float) -> NDArray[np.float64]:
    """Return points [N, 3] that reach as far as the kind does; kept, for a thing is tried in many places."""
    points = _REACH[name]
    if tilt:
        rotation, shift = tilt_frame(name, tilt)
        points = points @ rotation.T + shift
    c, s = math.cos(yaw), math.sin(yaw)
    return points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) * scale


def _ellipsoid(center: Vec3, half: Vec3, material: str, angles: Vec3 = (0, 0, 0)) -> Part:
    return Part("ellipsoid", center, half, material, angles)


def _ball(center: Vec3, radius: float, material: str) -> Part:
    return Part("ellipsoid", center, (radius, radius, radius), material)


def _box(center: Vec3, half: Vec3, material: str, angles: Vec3 = (0, 0, 0)) -> Part:
    return Part("box", center, half, material, angles)


def _wedge(
    center: Vec3, half: Vec3, material: str, taper: tuple[float, float], angles: Vec3 = (0, 0, 0)
) -> Part:
    return Part("wedge", center, half, material, angles, (taper[0], taper[1], 0, 0))


def _frustum(
    center: Vec3,
    radius: float,
    half_height: float,
    material: str,
    bottom: float = 1.0,
    top: float = 1.0,
    angles: Vec3 = (0, 0, 0),
) -> Part:
    return Part("frustum", center, (radius, radius, half_height), material, angles, (bottom, top, 0, 0))


def _cup(
    center: Vec3,
    radius: float,
    half_height: float,
    material: str,
    bottom: float = 1.0,
    top: float = 1.0,
    wall: float = 0.12,
    floor: float = -0.85,
) -> Part:
    return Part("cup", center, (radius, radius, half_height), material, (0, 0, 0), (bottom, top, wall, floor))


def _bowl(center: Vec3, half: Vec3, material: str, wall: float = 0.09, angles: Vec3 = (0, 0, 0)) -> Part:
    return Part("bowl", center, half, material, angles, (wall, 0, 0, 0))


def _arc(
    center: Vec3,
    radius: float,
    minor: float,
    aperture: float,
    material: str,
    angles: Vec3 = (0, 0, 0),
    taper: float = 0.0,
) -> Part:
    return Part(
        "arc",
        center,
        (radius, radius, radius),
        material,
        angles,
        (minor / radius, math.radians(aperture), taper, 0),
    )


def _star_parts() -> tuple[Part, ...]:
    outer, inner, half_depth = 0.105, 0.046, 0.024
    lift = outer * math.cos(math.radians(36))
    base, apothem = inner * math.sin(math.radians(36)), inner * math.cos(math.radians(36))
    points: list[Part] = []
    for k in range(5):
        turn = 72.0 * k
        middle = (apothem + outer) / 2
        center = (middle * math.sin(math.radians(turn)), 0.0, lift + middle * math.cos(math.radians(turn)))
        half = (base, half_depth, (outer - apothem) / 2)
        points.append(_wedge(center, half, "glossy", (0.0, 1.0), (0, turn, 0)))
    disc = Part("frustum", (0, 0, lift), (inner * 0.84, inner * 0.84, half_depth), "glossy", (90, 0, 0))
    return (*points, disc)


def _leaves() -> tuple[Part, ...]:
    """A tuft: one leaf up, six leaning out."""
    out: list[Part] = [_ellipsoid((0, 0, 0.195), (0.02, 0.02, 0.062), "leaf2")]
    for k in range(6):
        turn = math.radians(60 * k + 15)
        lean = 48 if k % 2 else 34
        x, y = 0.046 * math.cos(turn), 0.046 * math.sin(turn)
        out.append(
            _ellipsoid(
                (x, y, 0.168 + 0.012 * (k % 2 == 0)),
                (0.022, 0.022, 0.056),
                "leaf" if k % 2 else "leaf2",
                (0, lean, math.degrees(turn)),
            )
        )
    return tuple(out)


def _legs(x: float, y: float, half: Vec3, material: str) -> tuple[Part, ...]:
    return tuple(_box((sx * x, sy * y, half[2]), half, material) for sx in (-1, 1) for sy in (-1, 1))


def _clock_parts() -> tuple[Part, ...]:
    def disc(y: float, radius: float, half_depth: float, material: str) -> Part:
        return Part("frustum", (0, y, 0.1), (radius, radius, half_depth), material, (90, 0, 0))

    ticks = tuple(
        _box(
            (0.066 * math.sin(a), -0.021, 0.1 + 0.066 * math.cos(a)),
            (0.005, 0.003, 0.009),
            "dark",
            (0, math.degrees(a), 0),
        )
        for a in (k * math.pi / 2 for k in range(4))
    )
    return (
        disc(0.002, 0.1, 0.018, "glossy"),
        disc(-0.006, 0.079, 0.014, "paper"),
        *ticks,
        _box((-0.0155, -0.022, 0.1095), (0.0055, 0.003, 0.02), "dark", (0, -58, 0)),
        _box((0.0215, -0.024, 0.125), (0.0045, 0.003, 0.034), "dark", (0, 40, 0)),
        disc(-0.02, 0.009, 0.007, "dark"),
    )


def _car_parts() -> tuple[Part, ...]:
    wheels = tuple(
        Part("frustum", (sx * 0.056, y, 0.027), (0.027, 0.027, 0.012), "dark", (0, 90, 0))
        for sx in (-1, 1)
        for y in (-0.065, 0.065)
    )
    hubs = tuple(
        Part("frustum", (sx * 0.066, y, 0.027), (0.012, 0.012, 0.004), "metal", (0, 90, 0))
        for sx in (-1, 1)
        for y in (-0.065, 0.065)
    )
    return (
        _box((0, 0, 0.05), (0.058, 0.115, 0.026), "glossy"),
        _wedge((0, 0.02, 0.099), (0.052, 0.072, 0.026), "glass", (0.8, 0.62)),
        _box((0, 0.022, 0.125), (0.041, 0.043, 0.004), "glossy"),
        _box((0, -0.116, 0.034), (0.05, 0.003, 0.006), "metal"),
        _ball((-0.04, -0.115, 0.055), 0.012, "glow"),
        _ball((0.04, -0.115, 0.055), 0.012, "glow"),
        *wheels,
        *hubs,
    )


def _table_parts() -> tuple[Part, ...]:
    return (
        _box((0, 0, 0.7), (0.75, 0.45, 0.02), "main"),
        _box((0, -0.39, 0.645), (0.66, 0.012, 0.035), "dim"),
        _box((-0.69, 0, 0.645), (0.012, 0.39, 0.035), "dim"),
        _box((0.69, 0, 0.645), (0.012, 0.39, 0.035), "dim"),
        *_legs(0.69, 0.39, (0.032, 0.032, 0.34), "main"),
    )


def _shelf_parts() -> tuple[Part, ...]:
    brackets = tuple(
        part
        for x in (-0.32, 0.32)
        for part in (
            _box((x, 0.112, 0.05), (0.011, 0.008, 0.05), "dim"),
            _box((x, 0.02, 0.062), (0.009, 0.105, 0.008), "dim", (-34, 0, 0)),
        )
    )
    return (_box((0, 0, 0.115), (0.5, 0.13, 0.015), "main"), *brackets)


def _tray_parts() -> tuple[Part, ...]:
    return (
        _box((0, 0, 0.007), (0.24, 0.16, 0.007), "main"),
        _box((0, -0.156, 0.018), (0.25, 0.007, 0.018), "main"),
        _box((0, 0.156, 0.018), (0.25, 0.007, 0.018), "main"),
        _box((-0.243, 0, 0.018), (0.007, 0.16, 0.018), "main"),
        _box((0.243, 0, 0.018), (0.007, 0.16, 0.018), "main"),
        _arc((-0.246, 0, 0.03), 0.04, 0.007, 90, "dim", (90, 0, 180)),
        _arc((0.246, 0, 0.03), 0.04, 0.007, 90, "dim", (90, 0, 0)),
    )


def _box_parts() -> tuple[Part, ...]:
    return (
        _box((0, 0, 0.004), (0.084, 0.074, 0.004), "matte"),
        _box((0, -0.074, 0.055), (0.086, 0.004, 0.055), "matte"),
        _box((0, 0.074, 0.055), (0.086, 0.004, 0.055), "matte"),
        _box((-0.084, 0, 0.055), (0.004, 0.074, 0.055), "matte"),
        _box((0.084, 0, 0.055), (0.004, 0.074, 0.055), "matte"),
        _box((-0.108, 0, 0.103), (0.024, 0.07, 0.003), "matte", (0, -24, 0)),
        _box((0.108, 0, 0.103), (0.024, 0.07, 0.003), "matte", (0, 24, 0)),
    )


_RAW: dict[str, tuple[Part, ...]] = {
    "ball": (_ball((0, 0, 0.08), 0.08, "glossy"),),
    "cube": (_box((0, 0, 0.07), (0.07, 0.07, 0.07), "main"),),
    "cylinder": (_frustum((0, 0, 0.09), 0.06, 0.09, "main"),),
    "cone": (_frustum((0, 0, 0.1), 0.08, 0.1, "main", 1.0, 0.0),),
    "pyramid": (_wedge((0, 0, 0.08), (0.1, 0.1, 0.08), "main", (0.0, 0.0)),),
    "ring": (_arc((0, 0, 0.09), 0.067, 0.023, 180, "glossy"),),
    "mug": (
        _cup((0, 0, 0.065), 0.056, 0.065, "glossy", wall=0.13),
        _arc((0.058, 0, 0.066), 0.036, 0.011, 100, "glossy"),
    ),
    "cup": (
        _frustum((0, 0, 0.006), 0.095, 0.006, "glossy", 0.7, 1.0),
        _frustum((0, 0, 0.016), 0.032, 0.006, "dim"),
        _bowl((0, 0, 0.096), (0.062, 0.062, 0.078), "glossy", 0.1),
        _arc((0.06, 0, 0.068), 0.024, 0.008, 100, "glossy"),
    ),
    "bowl": (
        _bowl((0, 0, 0.088), (0.11, 0.11, 0.08), "glossy", 0.08),
        _frustum((0, 0, 0.009), 0.052, 0.009, "dim", 1.0, 0.9),
    ),
    "plate": (
        _cup((0, 0, 0.013), 0.125, 0.013, "glossy", 0.6, 1.0, 0.07, -0.3),
        _frustum((0, 0, 0.0105), 0.074, 0.0015, "pale"),
    ),
    "bottle": (
        _frustum((0, 0, 0.075), 0.045, 0.075, "glossy"),
        _frustum((0, 0, 0.172), 0.045, 0.022, "glossy", 1.0, 0.4),
        _frustum((0, 0, 0.217), 0.0175, 0.025, "glossy"),
        _frustum((0, 0, 0.25), 0.021, 0.013, "dark"),
        _frustum((0, 0, 0.076), 0.0456, 0.03, "cream"),
    ),
    "book": (
        _box((0, 0, 0.0035), (0.105, 0.077, 0.0035), "matte"),
        _box((0.003, 0, 0.0245), (0.098, 0.072, 0.0175), "paper"),
        _box((0, 0, 0.0455), (0.105, 0.077, 0.0035), "matte"),
        _box((-0.102, 0, 0.0245), (0.0035, 0.077, 0.0215), "matte"),
        _box((0.005, 0.0, 0.0494), (0.055, 0.03, 0.0006), "cream"),
    ),
    "lamp": (
        _frustum((0, 0, 0.008), 0.058, 0.008, "dim", 1.0, 0.85),
        _frustum((0, 0, 0.075), 0.009, 0.065, "brass"),
        _frustum((0, 0, 0.195), 0.092, 0.062, "lit", 1.0, 0.58),
        _ball((0, 0, 0.262), 0.009, "brass"),
    ),
    "plant": (
        _frustum((0, 0, 0.055), 0.07, 0.055, "main", 0.7, 1.0),
        _frustum((0, 0, 0.105), 0.078, 0.016, "main"),
        _frustum((0, 0, 0.1205), 0.066, 0.001, "soil"),
        *_leaves(),
    ),
    "apple": (
        _ellipsoid((0, 0, 0.066), (0.075, 0.075, 0.066), "glossy"),
        _ellipsoid((0, 0, 0.131), (0.024, 0.024, 0.007), "dim"),
        _frustum((0.004, 0, 0.148), 0.006, 0.02, "bark", angles=(0, 14, 0)),
        _ellipsoid((0.034, 0, 0.156), (0.032, 0.014, 0.008), "leaf", (0, -24, 0)),
    ),
    "banana": (
        _arc((0, 0, 0.142), 0.115, 0.027, 58, "main", (0, 90, 0), 0.5),
        _ellipsoid((-0.103, 0, 0.087), (0.012, 0.012, 0.017), "bark", (0, -40, 0)),
        _ellipsoid((0.105, 0, 0.09), (0.011, 0.011, 0.014), "bark", (0, 40, 0)),
    ),
    "candle": (
        _cup((0, 0, 0.012), 0.064, 0.012, "brass", 0.7, 1.0, 0.1, -0.4),
        _frustum((0, 0, 0.085), 0.033, 0.075, "main"),
        _frustum((0, 0, 0.167), 0.004, 0.009, "dark"),
        _ellipsoid((0, 0, 0.195), (0.014, 0.014, 0.026), "flame"),
    ),
    "clock": _clock_parts(),
    "chair": (
        _box((0, 0, 0.105), (0.07, 0.068, 0.01), "main"),
        *_legs(0.059, 0.057, (0.01, 0.01, 0.048), "dim"),
        _box((-0.06, 0.06, 0.18), (0.01, 0.009, 0.075), "main"),
        _box((0.06, 0.06, 0.18), (0.01, 0.009, 0.075), "main"),
        _box((0, 0.061, 0.232), (0.06, 0.007, 0.02), "main"),
        _box((0, 0.061, 0.175), (0.06, 0.007, 0.014), "main"),
    ),
    "box": _box_parts(),
    "basket": (
        _cup((0, 0, 0.056), 0.092, 0.056, "matte", 0.76, 1.0, 0.09, -0.85),
        _arc((0, 0, 0.105), 0.086, 0.009, 92, "dim", (0, -90, 0)),
    ),
    "spoon": (
        _ellipsoid((-0.085, 0, 0.016), (0.046, 0.036, 0.015), "glossy"),
        _ellipsoid((-0.085, 0, 0.024), (0.034, 0.026, 0.009), "dim"),
        _box((0.035, 0, 0.016), (0.09, 0.01, 0.008), "glossy"),
        _ellipsoid((0.12, 0, 0.016), (0.027, 0.017, 0.011), "glossy"),
    ),
    "pencil": (
        _frustum((0.015, 0, 0.015), 0.015, 0.085, "main", angles=(0, 90, 0)),
        _frustum((-0.0935, 0, 0.015), 0.015, 0.0235, "wood", 0.3, 1.0, (0, 90, 0)),
        _frustum((-0.1225, 0, 0.015), 0.0048, 0.0075, "dark", 0.1, 1.0, (0, 90, 0)),
        _frustum((0.108, 0, 0.015), 0.0152, 0.008, "metal", angles=(0, 90, 0)),
        _frustum((0.124, 0, 0.015), 0.0145, 0.008, "rubber", angles=(0, 90, 0)),
    ),
    "picture frame": (
        _box((0, 0.002, 0.105), (0.11, 0.01, 0.105), "glossy"),
        _box((0, -0.008, 0.105), (0.084, 0.004, 0.079), "paper"),
        _box((0, -0.012, 0.105), (0.066, 0.002, 0.061), "sky"),
        _wedge((-0.018, -0.0135, 0.072), (0.046, 0.003, 0.028), "hill", (0.1, 1.0)),
        _wedge((0.03, -0.0145, 0.063), (0.036, 0.003, 0.019), "leaf", (0.1, 1.0)),
        Part("frustum", (0.03, -0.0135, 0.135), (0.012, 0.012, 0.003), "flame", (90, 0, 0)),
    ),
    "vase": (
        _frustum((0, 0, 0.008), 0.036, 0.008, "dim"),
        _ellipsoid((0, 0, 0.082), (0.066, 0.066, 0.074), "glossy"),
        _cup((0, 0, 0.178), 0.05, 0.042, "glossy", 0.56, 1.0, 0.14, -0.9),
    ),
    "teapot": (
        _frustum((0, 0, 0.007), 0.05, 0.007, "dim"),
        _ellipsoid((0, 0, 0.075), (0.082, 0.082, 0.068), "glossy"),
        _ellipsoid((0, 0, 0.138), (0.04, 0.04, 0.014), "dim"),
        _ball((0, 0, 0.16), 0.013, "glossy"),
        _frustum((-0.098, 0, 0.093), 0.02, 0.046, "glossy", 1.0, 0.55, (0, -48, 0)),
        _arc((0.082, 0, 0.082), 0.036, 0.01, 104, "glossy"),
    ),
    "lantern": (
        _box((0, 0, 0.012), (0.056, 0.056, 0.012), "main"),
        *_legs(0.047, 0.047, (0.007, 0.007, 0.08), "main"),
        _frustum((0, 0, 0.07), 0.02, 0.046, "cream"),
        _ellipsoid((0, 0, 0.132), (0.012, 0.012, 0.018), "flame"),
        _wedge((0, 0, 0.182), (0.066, 0.066, 0.024), "main", (0.3, 0.3)),
        _arc((0, 0, 0.222), 0.022, 0.006, 180, "main"),
    ),
    "pear": (
        _ellipsoid((0, 0, 0.064), (0.067, 0.067, 0.064), "glossy"),
        _frustum((0, 0, 0.1225), 0.0556, 0.0225, "glossy", 1.0, 0.62),
        _ellipsoid((0, 0, 0.146), (0.0348, 0.0348, 0.033), "glossy"),
        _frustum((0.004, 0, 0.19), 0.006, 0.018, "bark", angles=(0, 14, 0)),
        _ellipsoid((0.032, 0, 0.192), (0.03, 0.013, 0.008), "leaf", (0, -24, 0)),
    ),
    "egg": (
        _cup((0, 0, 0.025), 0.042, 0.025, "metal", 0.7, 1.0, 0.12, 0.2),
        _ellipsoid((0, 0, 0.082), (0.056, 0.056, 0.058), "main"),
        _ellipsoid((0, 0, 0.091), (0.0545, 0.0545, 0.071), "main"),
    ),
    "star": _star_parts(),
    "umbrella": (
        _bowl((0, 0, 0.16), (0.125, 0.125, 0.085), "matte", 0.05, (180, 0, 0)),
        _frustum((0, 0, 0.135), 0.006, 0.105, "bark"),
        _frustum((0, 0, 0.255), 0.006, 0.014, "bark", 1.0, 0.5),
        _arc((0.022, 0, 0.03), 0.022, 0.008, 90, "bark", (0, 90, 0)),
    ),
    "mushroom": (
        _frustum((0, 0, 0.045), 0.034, 0.045, "cream", 1.0, 0.8),
        _bowl((0, 0, 0.078), (0.09, 0.09, 0.076), "glossy", 0.5, (180, 0, 0)),
    ),
    "hat": (
        _frustum((0, 0, 0.007), 0.11, 0.007, "matte"),
        _frustum((0, 0, 0.075), 0.068, 0.065, "matte", 0.88, 1.0),
        _frustum((0, 0, 0.028), 0.0645, 0.015, "cream", 0.99, 1.02),
    ),
    "car": _car_parts(),
    "house": (
        _box((0, 0, 0.055), (0.075, 0.065, 0.055), "main"),
        _wedge((0, 0, 0.148), (0.095, 0.08, 0.038), "dim", (0.0, 1.0)),
        _box((0, -0.066, 0.036), (0.018, 0.003, 0.036), "bark"),
        _box((-0.046, -0.066, 0.068), (0.015, 0.003, 0.017), "glow"),
        _box((0.046, -0.066, 0.068), (0.015, 0.003, 0.017), "glow"),
        _box((0.042, 0.02, 0.17), (0.013, 0.013, 0.032), "bark"),
    ),
    "table": _table_parts(),
    "shelf": _shelf_parts(),
    "tray": _tray_parts(),
    "stool": (
        _frustum((0, 0, 0.385), 0.17, 0.018, "main"),
        *(
            Part(
                "frustum", (sx * 0.1, sy * 0.1, 0.185), (0.017, 0.017, 0.19), "dim", (-7.0 * sy, 7.0 * sx, 0)
            )
            for sx in (-1, 1)
            for sy in (-1, 1)
        ),
        _box((0, -0.115, 0.13), (0.11, 0.009, 0.009), "dim"),
        _box((0, 0.115, 0.13), (0.11, 0.009, 0.009), "dim"),
    ),
}

_REACH: dict[str, NDArray[np.float64]] = {
    name: np.concatenate([part.reach() for part in parts]) for name, parts in _RAW.items()
}


def _kind(
    name: str,
    *,
    top: tuple[float, float, float] | None = None,
    inside: tuple[float, float, float] | None = None,
    wall: bool = False,
    lean: Lean = "none",
    has_front: bool = False,
    category: Literal["object", "furniture"] = "object",
    styled: bool = False,
) -> ObjectKind:
    """A kind from its parts; `top` is (half x, half y, height), `inside` (radius, floor, rim)."""
    high = np.abs(_REACH[name]).max(0)
    level, half_top = (top[2], (top[0], top[1])) if top else (0.0, (0.0, 0.0))
    radius, floor, rim = inside if inside else (0.0, 0.0, 0.0)
    return ObjectKind(
        name=name,
        half_extents=(float(high[0]), float(high[1]), float(_REACH[name][:, 2].max() / 2)),
        parts=_RAW[name],
        can_hold_on_top=top is not None,
        top=level,
        top_half=half_top,
        can_contain=inside is not None,
        inner_radius=radius,
        floor_height=floor,
        rim_height=rim,
        wall=wall,
        lean=lean,
        has_front=has_front,
        category=category,
        styled=styled,
    )


_SPECIAL: dict[str, Callable[[], ObjectKind]] = {
    "cube": lambda: _kind("cube", top=(0.07, 0.07, 0.14)),
    "cylinder": lambda: _kind("cylinder", top=(0.04, 0.04, 0.18)),
    "book": lambda: _kind("book", top=(0.1, 0.072, 0.049), lean="raise_back"),
    "plate": lambda: _kind("plate", top=(0.06, 0.06, 0.012)),
    "hat": lambda: _kind("hat", top=(0.045, 0.045, 0.14)),
    "mug": lambda: _kind("mug", inside=(0.046, 0.012, 0.13), has_front=False),
    "cup": lambda: _kind("cup", inside=(0.036, 0.05, 0.096)),
    "bowl": lambda: _kind("bowl", inside=(0.07, 0.034, 0.088)),
    "box": lambda: _kind("box", inside=(0.068, 0.008, 0.11)),
    "basket": lambda: _kind("basket", inside=(0.064, 0.012, 0.112)),
    "vase": lambda: _kind("vase", inside=(0.025, 0.14, 0.22)),
    "clock": lambda: _kind("clock", wall=True, has_front=True),
    "picture frame": lambda: _kind("picture frame", wall=True, lean="back", has_front=True),
    "pencil": lambda: _kind("pencil", lean="raise_right"),
    "spoon": lambda: _kind("spoon", lean="raise_right"),
    "chair": lambda: _kind("chair", top=(0.055, 0.045, 0.115), has_front=True),
    "car": lambda: _kind("car", has_front=True),
    "house": lambda: _kind("house", has_front=True),
    "table": lambda: _kind("table", top=(0.73, 0.43, 0.72), category="furniture", styled=True),
    "shelf": lambda: _kind("shelf", top=(0.48, 0.12, 0.13), wall=True, category="furniture", styled=True),
    "tray": lambda: _kind("tray", top=(0.22, 0.14, 0.014), category="furniture"),
    "stool": lambda: _kind("stool", top=(0.12, 0.12, 0.403), category="furniture"),
}

OBJECT_KINDS: dict[str, ObjectKind] = {
    name: _SPECIAL[name]() if name in _SPECIAL else _kind(name) for name in _RAW
}
"""Every kind by name; furniture has the category "furniture"."""
