"""Where things stand: a sampler of table-top, room and room-corner scenes from a seed.

Scenes are put together from motifs (something on a box, in a bowl, under the table, on the wall, leaning,
in front of its neighbour, between two others, ...), so that every relation of the taxonomy that a picture can
show occurs often. Which kind and which colour fills a place is drawn independently of the place, and sizes
are drawn independently of the distance. Scene units are metres, of toy proportions: a picture of 128 pixels
should show an apple and a chair alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Literal

from spatial_core.scenes.objects import COLORS, OBJECT_KINDS, PATTERNS
from spatial_core.scenes.scene import Camera, Color, Scene, SceneObject, Style
from spatial_core.scenes.stage import Stage, base_scale, floor_of, make_item

Room = Literal["tabletop", "room", "corner"]

FURNITURE: tuple[str, ...] = tuple(n for n, k in OBJECT_KINDS.items() if k.category == "furniture")
THINGS: tuple[str, ...] = tuple(n for n, k in OBJECT_KINDS.items() if k.category == "object")
BLOCKS: tuple[str, ...] = ("cube", "cylinder", "book", "plate", "box")
"""What people call stacked when one is on another; a hat on a chair is just on it."""

WALL_KINDS: tuple[str, ...] = tuple(n for n in THINGS if OBJECT_KINDS[n].wall)
HOLDERS: tuple[str, ...] = tuple(n for n in THINGS if OBJECT_KINDS[n].can_hold_on_top)
CONTAINERS: tuple[str, ...] = tuple(n for n in THINGS if OBJECT_KINDS[n].can_contain)
_WIDE: tuple[str, ...] = tuple(n for n in CONTAINERS if OBJECT_KINDS[n].inner_radius > 0.055)
LEANERS: tuple[str, ...] = tuple(n for n in THINGS if OBJECT_KINDS[n].leans)
ROOMS: tuple[Room, ...] = ("tabletop", "room", "corner")

_ROOM_WEIGHTS = (0.5, 0.3, 0.2)
_PLAIN = 0.75
_SIDES = ("left", "right", "front", "back")


class _Cast:
    """Draws who plays: kinds and colours, so that no two things share both, and many share one."""

    def __init__(self, rng: Random, taken: Sequence[SceneObject] = ()):
        self.rng = rng
        self.used = {(o.kind, o.color) for o in taken}
        self.kinds = [o.kind for o in taken]
        self.palette = rng.sample(list(COLORS), k=min(len(COLORS), rng.choice((2, 3, 4, 5))))
        self.share_kind = rng.random() < 0.55

    def draw(
        self, pool: Sequence[str], size: float, *, avoid: Sequence[str] = (), named: bool = True
    ) -> SceneObject:
        """Return a thing of one of the kinds in `pool`, about `size` metres big, standing nowhere yet."""
        rng = self.rng
        kind, color = self._kind_and_color(pool, avoid)
        return SceneObject(
            kind=kind,
            color=color,
            position=(0.0, 0.0, 0.0),
            scale=base_scale(OBJECT_KINDS[kind], size * math.exp(rng.uniform(-0.3, 0.3))),
            yaw=rng.uniform(-0.5, 0.5),
            pattern="plain" if rng.random() < _PLAIN else rng.choice(tuple(PATTERNS)),
            named=named,
        )

    def _kind_and_color(self, pool: Sequence[str], avoid: Sequence[str]) -> tuple[str, str]:
        rng = self.rng
        allowed = [k for k in pool if k not in avoid] if avoid else pool
        kinds = set(self.kinds)
        again = [k for k in allowed if k in kinds]
        others = [k for k in allowed if k not in kinds] or allowed
        for _ in range(20):
            if self.share_kind and again and rng.random() < 0.25:
                kind = rng.choice(again)
            else:
                kind = rng.choice(others)
            color = rng.choice(self.palette if rng.random() < 0.8 else tuple(COLORS))
            if (kind, color) not in self.used:
                return kind, color
        return rng.choice([(k, c) for k in allowed for c in COLORS if (k, c) not in self.used])

    def keep(self, state: SceneObject) -> None:
        """Remember that the thing found its place."""
        self.used.add((state.kind, state.color))
        self.kinds.append(state.kind)


class _Director:
    """Fills a stage motif by motif."""

    def __init__(self, rng: Random, stage: Stage, room: Room, size: float):
        self.rng = rng
        self.stage = stage
        self.room = room
        self.size = size
        self.cast = _Cast(rng)

    # ---- helpers --------------------------------------------------------------------------------------

    def _draw(self, pool: Sequence[str], *, factor: float = 1.0, named: bool = True) -> SceneObject:
        avoid = () if named else tuple({i.state.kind for i in self.stage.items if i.state.named})
        return self.cast.draw(pool, self.size * factor, avoid=avoid, named=named)

    def _keep(self, index: int | None) -> int | None:
        if index is not None:
            self.cast.keep(self.stage.items[index].state)
        return index

    def _things(self) -> list[int]:
        return [i for i in range(self.stage.num_furniture, len(self.stage.items)) if self._free(i)]

    def _free(self, index: int) -> bool:
        state = self.stage.items[index].state
        return state.relation_to_support == "on" and not self.stage.carried(index) and state.named

    def _main_surface(self) -> int | None:
        """Return the owner of a surface to stand on, the table or the floor mostly."""
        stage = self.stage
        if self.room == "tabletop":
            return stage.furniture("table")[0]
        options: list[int | None] = [None, None]
        options += [i for i in stage.furniture("table") for _ in range(4)]
        options += stage.furniture("stool")
        return self.rng.choice(options)

    def _stand(self, state: SceneObject) -> int | None:
        owner = self._main_surface()
        surface = next((s for s in self.stage.surfaces() if s.owner == owner), None)
        return None if surface is None else self._keep(self.stage.put_on_surface(state, surface))

    def _somebody(self, pool: Sequence[str], *, factor: float = 1.0) -> int | None:
        """Return a thing of `pool` that stands free: one that is there already, or a new one."""
        ready = [i for i in self._things() if self.stage.items[i].state.kind in pool]
        if ready and self.rng.random() < 0.5:
            return self.rng.choice(ready)
        return self._stand(self._draw(pool, factor=factor))

    def _fit(
        self, pool: Sequence[str], put: Callable[[SceneObject], int | None], *, factor: float = 1.0
    ) -> int | None:
        """Put the first of a few things of `pool` that fits."""
        for _ in range(10):
            if (index := self._keep(put(self._draw(pool, factor=factor)))) is not None:
                return index
        return None

    # ---- motifs: each puts one to three things -----------------------------------------------------------

    def alone(self) -> None:
        self._stand(self._draw(THINGS))

    def on_top(self) -> None:
        holder = self._somebody(HOLDERS, factor=1.25)
        if holder is not None:
            self._fit(THINGS, lambda state: self.stage.put_on_top(state, holder), factor=0.85)

    def stack(self) -> None:
        holder = self._somebody([k for k in BLOCKS if k in HOLDERS], factor=1.2)
        if holder is None:
            return
        second = self._fit(BLOCKS, lambda state: self.stage.put_on_top(state, holder))
        if second is not None and self.rng.random() < 0.3:
            self._fit(THINGS, lambda state: self.stage.put_on_top(state, second), factor=0.8)

    def inside(self) -> None:
        pool = _WIDE if self.rng.random() < 0.85 else CONTAINERS
        container = self._somebody(pool, factor=1.4)
        if container is not None:
            self._fit(THINGS, lambda state: self.stage.put_inside(state, container), factor=0.9)

    def beside(self) -> None:
        anchor = self._somebody(THINGS)
        if anchor is not None:
            side = self.rng.choice(("left", "right"))
            self._keep(self.stage.put_beside(self._draw(THINGS), anchor, side, gap=(0.05, 0.5)))

    def depth(self) -> None:
        anchor = self._somebody(THINGS)
        if anchor is not None:
            side = self.rng.choice(("front", "back"))
            self._keep(self.stage.put_beside(self._draw(THINGS), anchor, side, gap=(0.15, 0.9)))

    def hide(self) -> None:
        anchor = self._somebody(THINGS, factor=1.1)
        if anchor is not None:
            self._keep(self.stage.put_half_behind(self._draw(THINGS), anchor))

    def between(self) -> None:
        ready = [i for i in self._things()]
        self.rng.shuffle(ready)
        for a in ready:
            for b in ready:
                apart = abs(self.stage.items[a].state.position[0] - self.stage.items[b].state.position[0])
                if apart > 3.2 * self.size * 0.5 + 0.1:
                    if self._keep(self.stage.put_between(self._draw(THINGS, factor=0.8), a, b)) is not None:
                        return
        anchor = self._somebody(THINGS)
        if anchor is not None:
            side = self.rng.choice(("left", "right"))
            self._keep(self.stage.put_beside(self._draw(THINGS), anchor, side, gap=(1.6, 2.4)))

    def row(self) -> None:
        anchor = self._somebody(THINGS, factor=0.9)
        side = self.rng.choice(("left", "right"))
        for _ in range(2):
            if anchor is None:
                return
            anchor = self._keep(
                self.stage.put_beside(self._draw(THINGS, factor=0.9), anchor, side, gap=(0.2, 0.7))
            )

    def shelf(self) -> None:
        shelves = self.stage.furniture("shelf")
        boards = [s for s in self.stage.surfaces() if s.owner in shelves]
        if not boards:
            self.hang()
            return
        self._keep(self.stage.put_on_surface(self._draw(THINGS, factor=0.85), self.rng.choice(boards)))

    def hang(self) -> None:
        state = self._draw(WALL_KINDS)
        below = self._things()
        if below and self.rng.random() < 0.5:
            anchor = self.stage.items[self.rng.choice(below)]
            if self._keep(self.stage.put_on_wall(state, x=anchor.state.position[0])) is not None:
                return
        self._keep(self.stage.put_on_wall(state))

    def under(self) -> None:
        hosts = self.stage.furniture("table", "stool") if self.room != "tabletop" else []
        if not hosts:
            self.on_top()
            return
        self._keep(self.stage.put_under(self._draw(THINGS, factor=0.9), self.rng.choice(hosts)))

    def lean(self) -> None:
        if self.rng.random() < 0.3:
            self._fit(LEANERS, lambda state: self.stage.put_leaning(state, None))
            return
        anchor = self._somebody(THINGS, factor=1.2)
        if anchor is not None:
            self._fit(LEANERS, lambda state: self.stage.put_leaning(state, anchor))

    def seat(self) -> None:
        seats = self.stage.furniture("stool", "tray")
        surfaces = [s for s in self.stage.surfaces() if s.owner in seats]
        if not surfaces:
            self.alone()
            return
        self._keep(self.stage.put_on_surface(self._draw(THINGS, factor=0.8), self.rng.choice(surfaces)))

    def clutter(self) -> None:
        """Put something that no prompt will name: of a kind that nothing named has."""
        state = self._draw(THINGS, factor=0.85, named=False)
        if state.kind in WALL_KINDS and self.rng.random() < 0.5:
            self._keep(self.stage.put_on_wall(state))
        else:
            surfaces = self.stage.surfaces()
            self._keep(self.stage.put_on_surface(state, self.rng.choice(surfaces)))


_MOTIFS: dict[str, float] = {
    "alone": 0.5,
    "on_top": 1.2,
    "stack": 1.1,
    "inside": 1.8,
    "beside": 1.3,
    "depth": 2.4,
    "hide": 1.3,
    "between": 1.6,
    "row": 0.9,
    "shelf": 0.8,
    "hang": 0.7,
    "under": 1.2,
    "lean": 1.2,
    "seat": 0.6,
}


_MOTIF_OF: dict[str, tuple[str, ...]] = {
    "above": ("shelf", "hang"),
    "below": ("shelf", "hang"),
    "on": ("on_top",),
    "under": ("under", "on_top"),
    "in_front_of": ("depth",),
    "behind": ("depth",),
    "next_to": ("beside",),
    "near": ("beside",),
    "far_from": ("alone",),
    "between": ("row", "between"),
    "inside": ("inside",),
    "stacked_on": ("stack",),
    "leaning_against": ("lean",),
    "hanging_on": ("hang",),
    "hidden_by": ("hide",),
    "aligned_with": ("row",),
}


def sample_layout(
    seed: int,
    *,
    num_named: int | None = None,
    num_clutter: int | None = None,
    room: Room | None = None,
    emphasis: str | None = None,
) -> Scene:
    """Return the scene of `seed`.

    Args:
        seed: Decides everything that the other arguments leave open.
        num_named: How many things a prompt may name, furniture aside; 2 to 7, drawn where None. The scene
            has at most so many: what finds no free and visible place is left out.
        num_clutter: How many unnamed things are tried; 0 to 4, drawn where None.
        room: "tabletop", "room" or "corner"; drawn where None.
        emphasis: A relation that should occur often; nothing else changes.

    Raises:
        ValueError: If `num_named` or `num_clutter` is out of range.
    """
    if num_named is not None and not 1 <= num_named <= 8:
        raise ValueError(f"num_named must be between 1 and 8; got {num_named}.")
    if num_clutter is not None and not 0 <= num_clutter <= 8:
        raise ValueError(f"num_clutter must be between 0 and 8; got {num_clutter}.")
    rng = Random(seed)
    room = room or rng.choices(ROOMS, weights=_ROOM_WEIGHTS)[0]
    named = num_named if num_named is not None else rng.choice((2, 3, 4, 5, 5, 6, 6, 7))
    clutter = num_clutter if num_clutter is not None else rng.choice((0, 0, 1, 1, 2, 3, 4))
    stage, size = _build_room(rng, room)
    director = _Director(rng, stage, room, size)
    _fill(director, named, emphasis)
    for _ in range(clutter):
        director.clutter()
    return Scene(
        objects=tuple(item.state for item in stage.items),
        camera=stage.camera,
        style=sample_style(rng),
        seed=seed,
        wall_y=stage.wall_y,
        side_wall_x=stage.side_wall_x,
    )


def _fill(director: _Director, named: int, emphasis: str | None) -> None:
    names = list(_MOTIFS)
    favored = _MOTIF_OF.get(emphasis, ()) if emphasis else ()
    weights = [w * (6.0 if name in favored else 1.0) for name, w in _MOTIFS.items()]
    stage = director.stage
    for _ in range(3 * named):
        count = len(stage.items) - stage.num_furniture
        if count >= named:
            break
        motif: Callable[[], None] = getattr(director, director.rng.choices(names, weights=weights)[0])
        motif()
    del stage.items[stage.num_furniture + named :]


def _build_room(rng: Random, room: Room) -> tuple[Stage, float]:
    """Return an empty room with its camera, and the usual size of a thing in it, in metres."""
    furniture: list[SceneObject] = []
    table_half = OBJECT_KINDS["table"].half_extents
    side_wall: float | None = None
    if room == "tabletop":
        width = rng.uniform(1.35, 1.7)
        scale = width / (2 * table_half[0])
        table = SceneObject("table", _any_color(rng), (0.0, 0.0, 0.0), scale=scale)
        furniture.append(table)
        wall_y = table_half[1] * scale + rng.uniform(0.02, 0.25)
        look_at, view_width, pitch = 2 * table_half[2] * scale + rng.uniform(0.12, 0.3), width, (16, 38)
    elif room == "room":
        width = rng.uniform(1.3, 1.6)
        scale = width / (2 * table_half[0])
        table = SceneObject("table", _any_color(rng), (rng.uniform(-0.25, 0.25), 0.0, 0.0), scale=scale)
        furniture.append(table)
        wall_y = table_half[1] * scale + rng.uniform(0.02, 0.2)
        look_at, view_width, pitch = 2 * table_half[2] * scale * rng.uniform(0.75, 0.95), 2.5, (12, 26)
    else:
        wall_y = rng.uniform(0.7, 1.0)
        side_wall = rng.choice((-1, 1)) * rng.uniform(0.95, 1.2)
        look_at, view_width, pitch = rng.uniform(0.3, 0.5), 2.1, (16, 34)
    view_width *= rng.uniform(0.95, 1.12)
    fov = rng.uniform(32, 52)
    angle = math.radians(rng.uniform(*pitch))
    distance = view_width / 2 / math.tan(math.radians(fov) / 2)
    cx = rng.uniform(-0.12, 0.12) - (0.15 * side_wall if side_wall else 0.0)
    camera = Camera(
        position=(
            cx + rng.uniform(-0.06, 0.06),
            -distance * math.cos(angle),
            look_at + distance * math.sin(angle),
        ),
        target=(cx, 0.0, look_at),
        fov=fov,
    )
    furniture += _more_furniture(rng, room, tuple(furniture), wall_y, side_wall, look_at)
    floor = floor_of(tuple(furniture), wall_y, side_wall)
    stage = Stage(rng, camera=camera, wall_y=wall_y, side_wall_x=side_wall, floor=floor)
    for state in furniture:
        item = make_item(state)
        if state.kind in ("table", "shelf") or stage.fits(item):
            stage.add(item)
            stage.num_furniture = len(stage.items)
    return stage, view_width * rng.uniform(0.15, 0.2)


def _more_furniture(
    rng: Random,
    room: Room,
    sofar: tuple[SceneObject, ...],
    wall_y: float,
    side_wall: float | None,
    look_at: float,
) -> list[SceneObject]:
    """Return a shelf, a tray, stools and chairs as the room goes."""
    more: list[SceneObject] = []
    if rng.random() < (0.45 if room == "tabletop" else 0.4):
        half = OBJECT_KINDS["shelf"].half_extents
        scale = rng.uniform(0.7, 1.1)
        height = look_at + rng.uniform(0.2, 0.36) if room != "corner" else rng.uniform(0.7, 0.95)
        x = rng.uniform(-0.4, 0.4)
        more.append(SceneObject("shelf", _any_color(rng), (x, wall_y - half[1] * scale, height), scale=scale))
    if sofar and rng.random() < 0.15:
        table = make_item(sofar[0])
        scale = rng.uniform(1.0, 1.3)
        x = sofar[0].position[0] + rng.uniform(-0.4, 0.4)
        top = OBJECT_KINDS["table"].top * sofar[0].scale
        y = rng.uniform(-0.3, 0.3) * table.half[1]
        more.append(SceneObject("tray", _any_color(rng), (x, y, top), scale=scale, support=0))
    if room == "tabletop":
        return more
    floor = floor_of(sofar, wall_y, side_wall)
    if rng.random() < 0.6:
        scale = rng.uniform(1.0, 1.35)
        x, y = rng.uniform(-0.9, 0.9), rng.uniform(floor.y0 + 0.5, floor.y1 - 0.2)
        more.append(
            SceneObject("stool", _any_color(rng), (x, y, 0.0), scale=scale, yaw=rng.uniform(-0.6, 0.6))
        )
    return more


def _any_color(rng: Random) -> str:
    return rng.choice(tuple(COLORS))


def _tint(rng: Random, low: float, high: float, colorful: float) -> Color:
    level = rng.uniform(low, high)
    r, g, b = (min(1.0, max(0.0, level * (1 + rng.uniform(-colorful, colorful)))) for _ in range(3))
    return (r, g, b)


def restyle(scene: Scene, rng: Random) -> Scene:
    """Return the scene as another picture would show it: what is named stays where it is.

    The camera moves a little; light, colours of the room and the furniture, background and clutter are new.
    """
    px, py, pz = scene.camera.position
    tx, ty, tz = scene.camera.target
    camera = Camera(
        position=(px + rng.uniform(-0.12, 0.12), py * rng.uniform(0.97, 1.04), pz + rng.uniform(-0.08, 0.08)),
        target=(tx + rng.uniform(-0.04, 0.04), ty, tz + rng.uniform(-0.03, 0.03)),
        fov=scene.camera.fov,
    )
    named = tuple(
        o if OBJECT_KINDS[o.kind].category == "object" else replace(o, color=_any_color(rng))
        for o in scene.objects
        if o.named
    )
    stage = Stage.of(replace(scene, objects=named, camera=camera), rng)
    director = _Director(rng, stage, "room", 0.22)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3, 4))):
        director.clutter()
    return replace(
        scene, objects=tuple(item.state for item in stage.items), camera=camera, style=sample_style(rng)
    )


def sample_style(rng: Random) -> Style:
    """Return a look: colours of walls, floor and furniture, light, background and blur."""
    azimuth, height = rng.uniform(-1.3, 1.3), rng.uniform(0.6, 1.2)
    return Style(
        wall=_tint(rng, 0.45, 0.9, 0.25),
        floor=_tint(rng, 0.2, 0.7, 0.35),
        furniture=_tint(rng, 0.15, 0.7, 0.45),
        light_direction=(
            math.sin(azimuth) * math.cos(height),
            -math.cos(azimuth) * math.cos(height),
            math.sin(height),
        ),
        light_color=_tint(rng, 0.85, 1.0, 0.12),
        ambient=rng.uniform(0.3, 0.55),
        background=rng.choice(("wall", "wall", "gradient", "panels", "tiles", "window")),
        blur=rng.choice((0.0, 0.0, 0.0, rng.uniform(0.2, 0.6))),
        noise=rng.choice((0.0, 0.0, rng.uniform(0.003, 0.015))),
        texture_seed=rng.randrange(2**31),
    )
