"""The state of a procedural scene: what stands where, seen from where, under what light.

World: metres, right-handed, x to the viewer's right, y away from the viewer, z up; z = 0 is the floor.
The camera looks along +y, so the viewer's frame and the picture agree.
"""

from __future__ import annotations

from dataclasses import dataclass

Vec3 = tuple[float, float, float]
Color = tuple[float, float, float]
"""Linear RGB in [0, 1]."""


@dataclass(frozen=True)
class SceneObject:
    """One object.

    Attributes:
        kind: A name of `OBJECT_KINDS`.
        color: A name of `COLORS`.
        position: Centre of the footprint, at the height of the lowest point.
        scale: Multiplies the kind's own size.
        yaw: Rotation about z in radians; 0 faces the viewer.
        pattern: A name of `PATTERNS`; "plain" for none.
        relation_to_support: How the support holds it: "on", "inside", "leaning_against" or "hanging_on".
        support: Index of the object or furniture it rests on, in, leans or hangs on; None for the floor,
            or for the wall if it hangs or leans.
        named: Whether a prompt may name it; False for clutter and distractors.
        tilt: Radians by which it leans away from its usual pose, about the edge it then rests on: upright
            kinds tip backwards (top away from the viewer at yaw 0), lying ones are raised at one side
            (see `ObjectKind.lean`).
    """

    kind: str
    color: str
    position: Vec3
    scale: float = 1.0
    yaw: float = 0.0
    pattern: str = "plain"
    relation_to_support: str = "on"
    support: int | None = None
    named: bool = True
    tilt: float = 0.0

    def but(self, **changes: object) -> SceneObject:
        """Return the object with some attributes changed: `dataclasses.replace` in a quarter of its time."""
        new = object.__new__(SceneObject)
        new.__dict__.update(self.__dict__, **changes)
        return new


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: position and look-at point in metres, vertical field of view in degrees."""

    position: Vec3
    target: Vec3
    fov: float


@dataclass(frozen=True)
class Style:
    """Everything about the look that no relation depends on."""

    wall: Color
    floor: Color
    furniture: Color
    light_direction: Vec3
    light_color: Color
    ambient: float
    background: str = "wall"
    blur: float = 0.0
    noise: float = 0.0
    texture_seed: int = 0


@dataclass(frozen=True)
class Scene:
    """A scene: furniture comes first among the objects (kind "table", "shelf", "tray", ...).

    Attributes:
        objects: Furniture, then everything else.
        camera: Where it is seen from.
        style: How it looks.
        seed: Where it came from.
        wall_y: Metres; the back wall is the plane y = wall_y.
        side_wall_x: Metres; a room corner's second wall is the plane x = side_wall_x, None without one.
    """

    objects: tuple[SceneObject, ...]
    camera: Camera
    style: Style
    seed: int
    wall_y: float = 1.0
    side_wall_x: float | None = None
