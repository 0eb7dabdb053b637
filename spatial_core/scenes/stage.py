"""A scene under construction: what is there, and the ways to put one more thing where it fits and shows."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from random import Random

from spatial_core.scenes.objects import OBJECT_KINDS, ObjectKind, object_bounds
from spatial_core.scenes.scene import Camera, Scene, SceneObject, Vec3

_TRIES = 24
_MAX_COVER = 0.45


@dataclass
class Item:
    """A `SceneObject` being placed, with what placing needs.

    Attributes:
        state: The object.
        half: Half sizes of its bounding box in the world, metres; the box rests on the height of its
            position.
        shift: From its position to the middle of that box along x and y; not zero for what leans.
        radius: Mean half size of its footprint.
        box: Where its bounding box shows, xyxy in [0, 1].
        depth: Metres from the camera along the view.
    """

    state: SceneObject
    half: Vec3
    shift: tuple[float, float]
    radius: float
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    depth: float = 0.0

    @property
    def center(self) -> Vec3:
        """Middle of the footprint's box, at the height of the lowest point."""
        x, y, z = self.state.position
        return (x + self.shift[0], y + self.shift[1], z)

    @property
    def top(self) -> float:
        """Height of the highest point in metres."""
        return self.state.position[2] + 2 * self.half[2]


@dataclass(frozen=True)
class Surface:
    """A level rectangle that things may stand on.

    Attributes:
        owner: Index of the furniture, None for the floor.
        z: Height in metres.
        clearance: Free height above it.
        x0: Left end; `x1` right end, `y0` front and `y1` back, metres.
    """

    owner: int | None
    z: float
    clearance: float
    x0: float
    x1: float
    y0: float
    y1: float


def base_scale(kind: ObjectKind, size: float) -> float:
    """Return the scale at which `kind` looks about `size` metres big, whatever its shape."""
    hx, hy, hz = kind.half_extents
    mean = 2 * (hx * hy * hz) ** (1 / 3)
    return size / math.sqrt(mean * 2 * max(hx, hy, hz))


def placed(state: SceneObject, position: Vec3, *, support: int | None, manner: str) -> SceneObject:
    """Return the thing at a place."""
    return state.but(position=position, support=support, relation_to_support=manner)


def make_item(state: SceneObject) -> Item:
    """Return `state` as an item with its half extents at its scale, yaw and tilt."""
    if state.tilt:
        low, high = object_bounds(state)
        x, y, _ = state.position
        ex, ey, ez = ((high[i] - low[i]) / 2 for i in range(3))
        shift = ((low[0] + high[0]) / 2 - x, (low[1] + high[1]) / 2 - y)
        return Item(state, (ex, ey, ez), shift, (ex + ey) / 2)
    hx, hy, hz = OBJECT_KINDS[state.kind].half_extents
    c, s = abs(math.cos(state.yaw)), abs(math.sin(state.yaw))
    ex, ey, ez = (hx * c + hy * s) * state.scale, (hx * s + hy * c) * state.scale, hz * state.scale
    return Item(state, (ex, ey, ez), (0.0, 0.0), (ex + ey) / 2)


class View:
    """The pinhole projection of a camera onto a square picture of side 1."""

    def __init__(self, camera: Camera):
        px, py, pz = camera.position
        fx, fy, fz = camera.target[0] - px, camera.target[1] - py, camera.target[2] - pz
        n = math.sqrt(fx * fx + fy * fy + fz * fz)
        self.forward = (fx / n, fy / n, fz / n)
        m = math.hypot(fx, fy)
        self.right = (fy / m, -fx / m, 0.0)
        (rx, ry, _), (gx, gy, gz) = self.right, self.forward
        self.up = (ry * gz, -rx * gz, rx * gy - ry * gx)
        self.origin = camera.position
        self.focal = 0.5 / math.tan(math.radians(camera.fov) / 2)

    def project(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Return (u, v, depth): picture coordinates in [0, 1] from the top left, metres along the view."""
        dx, dy, dz = x - self.origin[0], y - self.origin[1], z - self.origin[2]
        depth = max(dx * self.forward[0] + dy * self.forward[1] + dz * self.forward[2], 1e-3)
        u = 0.5 + self.focal * (dx * self.right[0] + dy * self.right[1]) / depth
        v = 0.5 - self.focal * (dx * self.up[0] + dy * self.up[1] + dz * self.up[2]) / depth
        return u, v, depth

    def box(self, item: Item) -> tuple[tuple[float, float, float, float], float]:
        """Return the picture box (x0, y0, x1, y1) of the item's bounding box and the depth of its centre."""
        x, y, z = item.center
        hx, hy, hz = item.half
        (rx, ry, _), (ux, uy, uz), (fx, fy, fz) = self.right, self.up, self.forward
        dx, dy, dz = x - self.origin[0], y - self.origin[1], z + hz - self.origin[2]
        # The middle in the camera's frame; corners are it plus or minus three fixed steps.
        cx, cy, cz = dx * rx + dy * ry, dx * ux + dy * uy + dz * uz, dx * fx + dy * fy + dz * fz
        uz, fz = hz * uz, hz * fz
        us: list[float] = []
        vs: list[float] = []
        for sx in (-hx, hx):
            ax, ay, az = cx + sx * rx, cy + sx * ux, cz + sx * fx
            for sy in (-hy, hy):
                across, rise, depth = ax + sy * ry, ay + sy * uy, az + sy * fy
                low = self.focal / max(depth - fz, 1e-3)
                high = self.focal / max(depth + fz, 1e-3)
                us += (across * low, across * high)
                vs += ((uz - rise) * low, (-uz - rise) * high)
        return (0.5 + min(us), 0.5 + min(vs), 0.5 + max(us), 0.5 + max(vs)), max(cz, 1e-3)


class Stage:
    """A scene under construction: what is there so far, and the ways to put one more thing.

    Every `put_*` method returns the index of the new item, or None if no free and visible place was found.
    """

    def __init__(
        self, rng: Random, *, camera: Camera, wall_y: float, side_wall_x: float | None, floor: Surface
    ):
        self.rng = rng
        self.camera = camera
        self.view = View(camera)
        self.wall_y = wall_y
        self.side_wall_x = side_wall_x
        self.floor = floor
        self.items: list[Item] = []
        self.num_furniture = 0

    @classmethod
    def of(cls, scene: Scene, rng: Random) -> Stage:
        """Return the stage on which `scene` stands, to go on from there."""
        floor = floor_of(scene.objects, scene.wall_y, scene.side_wall_x)
        stage = cls(rng, camera=scene.camera, wall_y=scene.wall_y, side_wall_x=scene.side_wall_x, floor=floor)
        for state in scene.objects:
            stage.add(make_item(state))
        stage.num_furniture = sum(OBJECT_KINDS[o.kind].category == "furniture" for o in scene.objects)
        return stage

    def copy(self) -> Stage:
        """Return a stage with the same items, for a try that this one shall not see."""
        new = copy(self)
        new.items = list(self.items)
        return new

    # ---- what is there -------------------------------------------------------------------------------

    def surfaces(self) -> list[Surface]:
        """Return every furniture surface and the floor."""
        found = [self.floor]
        for index in range(self.num_furniture):
            item = self.items[index]
            kind = OBJECT_KINDS[item.state.kind]
            if not kind.can_hold_on_top:
                continue
            x, y, z = item.state.position
            scale = item.state.scale
            hx, hy = (half * scale for half in kind.top_half)
            found.append(Surface(index, z + kind.top * scale, 3.0, x - hx, x + hx, y - hy, y + hy))
        return found

    def surface_of(self, index: int) -> Surface | None:
        """Return the furniture surface or floor that item `index` stands on, None if it stands on a thing."""
        state = self.items[index].state
        if state.relation_to_support != "on":
            return None
        z = state.position[2]
        return next((s for s in self.surfaces() if s.owner == state.support and abs(s.z - z) < 1e-4), None)

    def furniture(self, *kinds: str) -> list[int]:
        """Return the indices of the furniture of these kinds."""
        return [i for i in range(self.num_furniture) if self.items[i].state.kind in kinds]

    def carried(self, index: int) -> list[int]:
        """Return the indices of what rests on, in or against item `index`."""
        return [i for i, item in enumerate(self.items) if item.state.support == index]

    # ---- room for one more ----------------------------------------------------------------------------

    def fits(self, item: Item, *, ignore: tuple[int, ...] = (), hide: float = _MAX_COVER) -> bool:
        """Whether the item touches nothing it should not, is in the picture, and hides nothing too much."""
        state = item.state
        x, y, z = item.center
        hx, hy, hz = item.half
        u, v, _ = self.view.project(x, y, z + hz)
        if not (0.0 < u < 1.0 and 0.0 < v < 1.0):
            return False
        top = z + 2 * hz
        for index, other in enumerate(self.items):
            if index == state.support or index in ignore:
                continue
            if index < self.num_furniture and not _is_solid(other):
                continue
            ox, oy, oz = other.center
            ex, ey, ez = other.half
            if top <= oz + 1e-6 or oz + 2 * ez <= z + 1e-6:
                continue
            if abs(x - ox) < hx + ex and abs(y - oy) < hy + ey:
                return False
        if state.relation_to_support != "hanging_on" and y + hy > self.wall_y + 1e-6:
            return False
        if self.side_wall_x is not None:
            inwards = math.copysign(1.0, self.side_wall_x)
            if (x + inwards * hx) * inwards > abs(self.side_wall_x):
                return False
        item.box, item.depth = self.view.box(item)
        return self._in_picture(item) and self._mostly_seen(item, ignore, hide)

    def _in_picture(self, item: Item) -> bool:
        x0, y0, x1, y1 = item.box
        if min(x1 - x0, y1 - y0) < 0.05 or max(x1 - x0, y1 - y0) < 0.1:
            return False
        inside = max(0.0, min(x1, 1.0) - max(x0, 0.0)) * max(0.0, min(y1, 1.0) - max(y0, 0.0))
        return inside >= 0.93 * (x1 - x0) * (y1 - y0)

    def _mostly_seen(self, item: Item, ignore: tuple[int, ...], hide: float) -> bool:
        x0, y0, x1, y1 = item.box
        area = (x1 - x0) * (y1 - y0)
        covered = 0.0
        for index in range(self.num_furniture, len(self.items)):
            other = self.items[index]
            a0, b0, a1, b1 = other.box
            overlap = max(0.0, min(x1, a1) - max(x0, a0)) * max(0.0, min(y1, b1) - max(y0, b0))
            if overlap == 0.0 or index in ignore:
                continue
            if other.depth < item.depth:
                covered += overlap
            elif index != item.state.support and overlap > hide * (a1 - a0) * (b1 - b0):
                return False
            elif index == item.state.support and overlap > 0.7 * (a1 - a0) * (b1 - b0):
                return False
        return covered <= hide * area or (
            item.state.relation_to_support == "inside" and covered <= 0.8 * area
        )

    def add(self, item: Item) -> int:
        """Append a placed item and return its index."""
        item.box, item.depth = self.view.box(item)
        self.items.append(item)
        return len(self.items) - 1

    def _try(self, item: Item, ignore: tuple[int, ...] = (), hide: float = _MAX_COVER) -> int | None:
        return self.add(item) if self.fits(item, ignore=ignore, hide=hide) else None

    # ---- ways of putting ------------------------------------------------------------------------------

    def put_on_surface(self, state: SceneObject, surface: Surface) -> int | None:
        """Stand the thing anywhere free on a surface."""
        item = make_item(state)
        if 2 * item.half[2] > 0.95 * surface.clearance:
            state = state.but(scale=state.scale * 0.95 * surface.clearance / (2 * item.half[2]))
            item = make_item(state)
        hx, hy, _ = item.half
        spare_x, spare_y = surface.x1 - surface.x0 - 2 * hx, surface.y1 - surface.y0 - 2 * hy
        if spare_x <= 0 or spare_y <= 0:
            return None
        for _ in range(_TRIES):
            x = surface.x0 + hx + self.rng.random() * spare_x
            y = surface.y0 + hy + self.rng.random() * spare_y
            item.state = placed(state, (x, y, surface.z), support=surface.owner, manner="on")
            if (found := self._try(item)) is not None:
                return found
        return None

    def put_beside(
        self, state: SceneObject, anchor: int, side: str, *, gap: tuple[float, float]
    ) -> int | None:
        """Stand the thing on the anchor's surface, on its "left", "right", "front" or "back".

        Args:
            state: What to put.
            anchor: Index of the item it is placed by.
            side: Which side, as the viewer sees it.
            gap: Range of the free space between the two, in units of their mean radius.
        """
        surface = self.surface_of(anchor)
        if surface is None:
            return None
        item, other = make_item(state), self.items[anchor]
        if 2 * item.half[2] > surface.clearance:
            return None
        ax, ay, _ = other.state.position
        for attempt in range(_TRIES):
            free = self.rng.uniform(*gap) * (item.radius + other.radius) / 2
            along, across = 1.0, self.rng.uniform(-0.35, 0.35) * (item.radius + other.radius)
            if side in ("left", "right"):
                along = item.half[0] + other.half[0] + free
                x, y = ax + (along if side == "right" else -along), ay + across
            else:
                along = item.half[1] + other.half[1] + free
                # Seen from above, depth shrinks: without a step aside the front thing would hide the other.
                step = across + (0.25 + 0.4 * attempt / _TRIES) * self.rng.choice((-1, 1)) * other.radius
                x, y = ax + step, ay + (along if side == "back" else -along)
            if not _within(x, y, item, surface):
                continue
            item.state = placed(state, (x, y, surface.z), support=surface.owner, manner="on")
            if (found := self._try(item, hide=0.5)) is not None:
                return found
        return None

    def put_half_behind(self, state: SceneObject, anchor: int) -> int | None:
        """Stand the thing behind the anchor so that the anchor hides a part of it, but not most."""
        surface = self.surface_of(anchor)
        item, other = make_item(state), self.items[anchor]
        if surface is None or 2 * item.half[2] > surface.clearance:
            return None
        ax, ay, _ = other.state.position
        for _ in range(_TRIES):
            x = ax + self.rng.choice((-1, 1)) * self.rng.uniform(0.1, 0.75) * (item.half[0] + other.half[0])
            y = ay + other.half[1] + item.half[1] + self.rng.uniform(0.02, 0.3) * other.radius
            if not _within(x, y, item, surface):
                continue
            item.state = placed(state, (x, y, surface.z), support=surface.owner, manner="on")
            if not self.fits(item, hide=0.85):
                continue
            (x0, y0, x1, y1), (a0, b0, a1, b1) = item.box, other.box
            covered = max(0.0, min(x1, a1) - max(x0, a0)) * max(0.0, min(y1, b1) - max(y0, b0))
            if 0.42 < covered / ((x1 - x0) * (y1 - y0)) < 0.8:
                return self.add(item)
        return None

    def put_between(self, state: SceneObject, left: int, right: int) -> int | None:
        """Stand the thing halfway between two items of one surface."""
        surface = self.surface_of(left)
        if surface is None or self.surface_of(right) != surface:
            return None
        item = make_item(state)
        (ax, ay, _), (bx, by, _) = self.items[left].state.position, self.items[right].state.position
        for _ in range(8):
            t = self.rng.uniform(0.38, 0.62)
            x, y = ax + t * (bx - ax), ay + t * (by - ay) + self.rng.uniform(-0.04, 0.04)
            item.state = placed(state, (x, y, surface.z), support=surface.owner, manner="on")
            if (found := self._try(item, hide=0.5)) is not None:
                return found
        return None

    def put_on_top(self, state: SceneObject, holder: int) -> int | None:
        """Stand the thing on another thing, shrunk to fit if need be."""
        below = self.items[holder]
        kind = OBJECT_KINDS[below.state.kind]
        if not kind.can_hold_on_top or self.carried(holder):
            return None
        # A round or tall thing may overhang a little; its foot is smaller than its bounding box.
        top = min(kind.top_half) * below.state.scale
        item = make_item(state)
        most = 1.25 * top / min(item.half[0], item.half[1])
        if most < 0.45:
            return None
        state = state.but(scale=state.scale * min(1.0, most))
        x, y, z = below.state.position
        position = (
            x + self.rng.uniform(-0.1, 0.1) * below.half[0],
            y + self.rng.uniform(-0.1, 0.1) * below.half[1],
            z + kind.top * below.state.scale,
        )
        item = make_item(placed(state, position, support=holder, manner="on"))
        return self._try(item, ignore=(holder,))

    def put_inside(self, state: SceneObject, container: int) -> int | None:
        """Put the thing into a container, sized to stick out of it."""
        below = self.items[container]
        kind = OBJECT_KINDS[below.state.kind]
        if not kind.can_contain or self.carried(container):
            return None
        scale = below.state.scale
        radius = kind.inner_radius * scale
        item = make_item(state)
        # Corners of the bounding box are empty for most kinds, and the walls widen upwards.
        most = 1.15 * radius / math.hypot(item.half[0], item.half[1]) * 1.1
        if most < 0.35:
            return None
        state = state.but(scale=state.scale * min(1.0, most))
        x, y, z = below.state.position
        position = (x, y, z + kind.floor_height * scale)
        item = make_item(placed(state, position, support=container, manner="inside"))
        depth = (kind.rim_height - kind.floor_height) * scale
        if 2 * item.half[2] < depth:
            return None
        return self._try(item, ignore=(container,))

    def put_under(self, state: SceneObject, furniture: int) -> int | None:
        """Stand the thing on the floor under a table, a stool or a chair."""
        above = self.items[furniture]
        x, y, z = above.state.position
        kind = OBJECT_KINDS[above.state.kind]
        hx, hy, _ = above.half
        clearance = z + kind.top * above.state.scale * 0.84
        item = make_item(state)
        shrink = min(1.0, clearance / max(2 * item.half[2], 1e-6), 0.7 * hx / max(item.half[0], 1e-6))
        item = make_item(state.but(scale=state.scale * shrink))
        free_x, free_y = max(hx - 1.1 * item.half[0], 0.0), max(hy - 1.1 * item.half[1], 0.0)
        room = Surface(None, 0.0, clearance, x - free_x, x + free_x, y - 0.8 * free_y, y + 0.5 * free_y)
        for _ in range(_TRIES):
            px = self.rng.uniform(room.x0, room.x1)
            py = self.rng.uniform(room.y0, room.y1)
            item.state = placed(item.state, (px, py, 0.0), support=None, manner="on")
            if (found := self._try(item)) is not None:
                return found
        return None

    def put_on_wall(
        self, state: SceneObject, *, x: float | None = None, z: float | None = None
    ) -> int | None:
        """Hang the thing on the back wall, at a given place or anywhere."""
        item = make_item(state.but(yaw=0.0))
        for _ in range(_TRIES):
            u, v = self.rng.uniform(0.06, 0.94), self.rng.uniform(0.02, 0.6)
            px, pz = self._on_wall(u, v)
            px, pz = (px if x is None else x + self.rng.uniform(-0.03, 0.03)), (pz if z is None else z)
            position = (px, self.wall_y - item.half[1], pz)
            item.state = placed(item.state, position, support=None, manner="hanging_on")
            if self._clear_of_furniture(item) and (found := self._try(item, hide=0.3)) is not None:
                return found
        return None

    def _on_wall(self, u: float, v: float) -> tuple[float, float]:
        """Return the wall point (x, z) seen at picture point (u, v)."""
        view = self.view
        a, b = (u - 0.5) / view.focal, (0.5 - v) / view.focal
        direction = [view.forward[i] + a * view.right[i] + b * view.up[i] for i in range(3)]
        t = (self.wall_y - view.origin[1]) / max(direction[1], 1e-6)
        return view.origin[0] + t * direction[0], view.origin[2] + t * direction[2]

    def _clear_of_furniture(self, item: Item) -> bool:
        x, _, z = item.state.position
        if z < 0.1:
            return False
        for index in range(self.num_furniture):
            other = self.items[index]
            ox, oy, oz = other.state.position
            if oy + other.half[1] < self.wall_y - 0.15 and z > oz + 2 * other.half[2] + 0.05:
                continue
            if (
                abs(x - ox) < item.half[0] + other.half[0] + 0.03
                and z < oz + 2 * other.half[2] + 0.03
                and z + 2 * item.half[2] > oz - 0.03
            ):
                return False
        return True

    def put_leaning(self, state: SceneObject, against: int | None) -> int | None:
        """Lean the thing against another thing, or against the wall (None)."""
        lean = OBJECT_KINDS[state.kind].lean
        for _ in range(5):
            if against is None:
                back = [s for s in self.surfaces() if s.y1 > self.wall_y - 0.12]
                if not back or lean == "raise_right":
                    return None
                surface = self.rng.choice(back)
                tilted = self._tilted(state, height=1.0, to_left=False)
                x = self.rng.uniform(surface.x0 + tilted.half[0], surface.x1 - tilted.half[0])
                y = self.wall_y - tilted.half[1] - tilted.shift[1]
            else:
                other = self.items[against]
                found_surface = self.surface_of(against)
                if found_surface is None:
                    return None
                surface = found_surface
                ox, oy, _ = other.state.position
                to_left = self.rng.random() < 0.5
                tilted = self._tilted(state, height=1.6 * other.half[2], to_left=to_left)
                if lean == "raise_right":
                    side = 0.93 * other.half[0] + tilted.half[0]
                    x = ox + (side if to_left else -side) - tilted.shift[0]
                    y = oy + self.rng.uniform(-0.3, 0.3) * other.half[1] - tilted.shift[1]
                else:
                    x = ox + self.rng.uniform(-0.7, 0.7) * other.half[0]
                    y = oy - 0.96 * other.half[1] - tilted.half[1] - tilted.shift[1]
                if not _within(x, y, tilted, surface):
                    continue
            leaning = placed(tilted.state, (x, y, surface.z), support=against, manner="leaning_against")
            if 2 * tilted.half[2] > surface.clearance:
                continue
            if (found := self._try(make_item(leaning), hide=0.6)) is not None:
                return found
        return None

    def _tilted(self, state: SceneObject, *, height: float, to_left: bool) -> Item:
        """Return the thing tilted so that it can lean on something `height` high."""
        kind = OBJECT_KINDS[state.kind]
        if kind.lean == "back":
            return make_item(state.but(yaw=0.0, tilt=self.rng.uniform(0.16, 0.3)))
        length = (
            2 * state.scale * (kind.half_extents[0] if kind.lean == "raise_right" else kind.half_extents[1])
        )
        most = math.asin(min(0.95, height / length))
        tilt = min(
            most, self.rng.uniform(0.7, 1.0) if kind.lean == "raise_right" else self.rng.uniform(1.0, 1.25)
        )
        return make_item(state.but(yaw=math.pi if to_left else 0.0, tilt=max(tilt, 0.3)))


def _is_solid(furniture: Item) -> bool:
    """Whether nothing fits under or into it: a table, stool or chair leaves room, a tray does not."""
    return furniture.state.kind not in ("table", "stool")


def _within(x: float, y: float, item: Item, surface: Surface) -> bool:
    x, y = x + item.shift[0], y + item.shift[1]
    hx, hy = 0.8 * item.half[0], 0.8 * item.half[1]
    return surface.x0 + hx <= x <= surface.x1 - hx and surface.y0 + hy <= y <= surface.y1 - hy


def floor_of(furniture: tuple[SceneObject, ...], wall_y: float, side_wall_x: float | None) -> Surface:
    """Return the floor on which things may stand: all of it, or what is in front of the table."""
    x0, x1 = -1.5, 1.5
    if side_wall_x is not None:
        x0, x1 = (max(x0, side_wall_x), x1) if side_wall_x < 0 else (x0, min(x1, side_wall_x))
    back = wall_y
    for state in furniture:
        if state.kind == "table":
            item = make_item(state)
            back = state.position[1] - item.half[1] - 0.06
    return Surface(None, 0.0, 3.0, x0, x1, back - 1.3, back)
