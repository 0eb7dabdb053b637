"""The renderer draws what the scene says, where the scene says, whatever else is in the batch."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch

from spatial_core.scenes.background import BACKGROUNDS
from spatial_core.scenes.objects import (
    COLORS,
    MATERIALS,
    OBJECT_KINDS,
    PATTERN_PARTNER,
    PATTERNS,
    SHAPES,
    Part,
    object_bounds,
)
from spatial_core.scenes.primitives import INTERSECT, NORMAL
from spatial_core.scenes.renderer import Rendering, render
from spatial_core.scenes.scene import Camera, Scene, SceneObject, Style

PLAIN = Style(
    wall=(0.7, 0.7, 0.7),
    floor=(0.4, 0.4, 0.4),
    furniture=(0.4, 0.25, 0.12),
    light_direction=(0.3, -0.6, 1.0),
    light_color=(1.0, 1.0, 1.0),
    ambient=0.45,
)
FRONT = Camera(position=(0.0, -2.0, 0.7), target=(0.0, 0.0, 0.1), fov=35.0)


def scene_of(*objects: SceneObject, camera: Camera = FRONT, style: Style = PLAIN) -> Scene:
    return Scene(objects=objects, camera=camera, style=style, seed=0)


def random_scene(seed: int) -> Scene:
    rng = Random(seed)
    objects = [SceneObject("table", "brown", (0.0, 0.0, 0.0))]
    for _ in range(rng.randint(3, 8)):
        objects.append(
            SceneObject(
                rng.choice(sorted(OBJECT_KINDS)),
                rng.choice(sorted(COLORS)),
                (rng.uniform(-0.6, 0.6), rng.uniform(-0.35, 0.35), 0.72),
                scale=rng.uniform(0.5, 1.2),
                yaw=rng.uniform(-3, 3),
                pattern=rng.choice(PATTERNS),
                support=0,
                tilt=rng.choice((0.0, 0.0, 0.4)),
            )
        )
    style = replace(
        PLAIN,
        background=rng.choice(BACKGROUNDS),
        blur=rng.choice((0.0, 0.6)),
        noise=rng.choice((0.0, 0.02)),
        texture_seed=rng.randrange(2**31),
    )
    camera = Camera((rng.uniform(-0.3, 0.3), -2.0, 1.5), (0.0, 0.0, 0.8), rng.uniform(34, 48))
    side = rng.choice((None, -0.9, 0.9))
    return Scene(tuple(objects), camera, style, seed, wall_y=0.7, side_wall_x=side)


def fields_of(rendering: Rendering) -> dict[str, torch.Tensor]:
    return dict(vars(rendering))


def project(camera: Camera, point: tuple[float, float, float], size: int) -> tuple[float, float]:
    """Pinhole projection written independently of the renderer, by heading and pitch."""
    position, target, p = np.array(camera.position), np.array(camera.target), np.array(point)
    view = target - position
    heading, pitch = math.atan2(view[0], view[1]), math.atan2(view[2], math.hypot(view[0], view[1]))
    x, y, z = p - position
    x, y = x * math.cos(heading) - y * math.sin(heading), x * math.sin(heading) + y * math.cos(heading)
    y, z = y * math.cos(pitch) + z * math.sin(pitch), -y * math.sin(pitch) + z * math.cos(pitch)
    focal = size / 2 / math.tan(math.radians(camera.fov) / 2)
    return size / 2 + focal * x / y, size / 2 - focal * z / y


# ---- shapes, determinism, independence ---------------------------------------------------------------


def test_shapes_and_ranges() -> None:
    scenes = [random_scene(k) for k in range(3)]
    most = max(len(scene.objects) for scene in scenes)
    drawn = render(scenes, size=96)
    assert drawn.images.shape == (3, 3, 96, 96) and drawn.images.dtype == torch.float32
    assert drawn.depth.shape == drawn.instance.shape == (3, 96, 96) and drawn.instance.dtype == torch.int16
    assert drawn.boxes.shape == drawn.full_boxes.shape == (3, most, 4)
    assert drawn.visible_fraction.shape == drawn.distances.shape == (3, most)
    assert drawn.centers.shape == (3, most, 2)
    assert all(bool(value.isfinite().all()) for value in fields_of(drawn).values())
    assert 0 <= float(drawn.images.min()) and float(drawn.images.max()) <= 1
    assert 0 <= float(drawn.visible_fraction.min()) and float(drawn.visible_fraction.max()) <= 1
    assert float(drawn.depth.min()) > 0.5


def test_same_scene_same_bits() -> None:
    scenes = [random_scene(k) for k in range(4)]
    once, again = render(scenes, size=64), render(scenes, size=64)
    for name, value in fields_of(once).items():
        assert torch.equal(value, fields_of(again)[name]), name


def test_a_scene_does_not_depend_on_its_batch() -> None:
    scenes = [random_scene(k) for k in range(11)]
    together = fields_of(render(scenes, size=64))
    backwards = fields_of(render(scenes[::-1], size=64))
    for number, scene in enumerate(scenes):
        alone = fields_of(render([scene], size=64))
        for name, value in alone.items():
            rest = value.shape[1] if value.dim() in (2, 3) and name not in ("depth", "instance") else None
            for batch, row in ((together, number), (backwards, len(scenes) - 1 - number)):
                other = batch[name][row : row + 1, :rest]
                torch.testing.assert_close(value, other, rtol=0, atol=1e-5, msg=f"{name} of scene {number}")


def test_noise_and_textures_follow_the_texture_seed_only() -> None:
    style = replace(PLAIN, noise=0.02, texture_seed=5)
    first = scene_of(SceneObject("ball", "red", (0.0, 0.0, 0.0)), style=style)
    same = replace(first, seed=99)
    other = replace(first, style=replace(style, texture_seed=6))
    images = render([first, same, other], size=64).images
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


# ---- where things are --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [96, 100])
@pytest.mark.parametrize("supersample", [1, 2, 4])
def test_a_ball_is_where_the_pinhole_says(size: int, supersample: int) -> None:
    camera = Camera((0.5, -2.0, 0.9), (0.1, 0.0, 0.2), 40.0)
    item = SceneObject("ball", "red", (-0.15, 0.2, 0.05), scale=1.5)
    drawn = render([scene_of(item, camera=camera)], size=size, supersample=supersample)
    x, y = project(camera, (-0.15, 0.2, 0.05 + 0.12), size)
    assert drawn.centers[0, 0].tolist() == pytest.approx([x, y], abs=1e-3)
    x0, y0, x1, y1 = drawn.boxes[0, 0].tolist()
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((x, y), abs=1.0)
    away = math.dist(camera.position, (-0.15, 0.2, 0.17))
    radius = size / 2 / math.tan(math.radians(20)) * 0.12 / math.sqrt(away**2 - 0.12**2)
    assert ((x1 - x0) / 2, (y1 - y0) / 2) == pytest.approx((radius, radius), abs=1.2)
    assert float(drawn.visible_fraction[0, 0]) == pytest.approx(1)
    assert away - 0.12 < float(drawn.distances[0, 0]) < away
    assert float(drawn.depth[0][drawn.instance[0] == 0].min()) == pytest.approx(away - 0.12, abs=2e-3)


def test_depth_of_floor_and_wall() -> None:
    camera = Camera((0.0, -2.0, 1.0), (0.0, 0.0, 1.0), 60.0)
    drawn = render([scene_of(camera=camera)], size=128, supersample=1)
    # Pixel (64, 64) looks half a pixel off the axis: at the wall y = 1. The lowest row sees the floor.
    step = math.tan(math.radians(30)) / 64
    assert float(drawn.depth[0, 64, 64]) == pytest.approx(3.0 * math.sqrt(1 + 2 * (step / 2) ** 2), rel=1e-4)
    down = 63.5 * step
    length = math.sqrt(1 + down**2 + (step / 2) ** 2)
    assert float(drawn.depth[0, 127, 64]) == pytest.approx(length / down, rel=1e-4)
    assert bool((drawn.instance == -1).all())


def test_boxes_agree_with_the_instance_map() -> None:
    scenes = [random_scene(k) for k in range(20, 28)]
    drawn = render(scenes, size=96)
    for number, scene in enumerate(scenes):
        for index in range(len(scene.objects)):
            ys, xs = (drawn.instance[number] == index).nonzero(as_tuple=True)
            x0, y0, x1, y1 = drawn.boxes[number, index].tolist()
            if len(xs) < 4:
                continue
            seen = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
            assert (x0, y0, x1, y1) == pytest.approx(seen, abs=1.01)
            full = drawn.full_boxes[number, index]
            assert bool((full[:2] <= drawn.boxes[number, index, :2]).all())
            assert bool((full[2:] >= drawn.boxes[number, index, 2:]).all())
            inside = drawn.depth[number][drawn.instance[number] == index].mean()
            assert float(drawn.distances[number, index]) == pytest.approx(float(inside), rel=0.02)


# ---- occlusion ---------------------------------------------------------------------------------------


def test_the_nearer_object_hides_the_farther_whatever_the_order() -> None:
    near = SceneObject("cube", "red", (0.0, -0.4, 0.0))
    far = SceneObject("cube", "blue", (0.0, 0.4, 0.0), scale=1.2)
    camera = Camera((0.0, -2.0, 0.15), (0.0, 0.0, 0.1), 30.0)
    drawn = render([scene_of(near, far, camera=camera), scene_of(far, near, camera=camera)], size=96)
    x, y = (round(v) for v in project(camera, (0.0, -0.4, 0.07), 96))
    assert int(drawn.instance[0, y, x]) == 0 and int(drawn.instance[1, y, x]) == 1
    torch.testing.assert_close(drawn.images[0], drawn.images[1], rtol=0, atol=1e-5)
    assert float(drawn.visible_fraction[0, 0]) == pytest.approx(1)
    assert float(drawn.visible_fraction[0, 1]) < 0.5
    assert float(drawn.distances[0, 0]) < float(drawn.distances[0, 1])
    red = drawn.images[0, :, y, x]
    assert float(red[0]) > 2 * float(red[2])


def test_half_hidden_object() -> None:
    camera = Camera((0.0, -3.0, 0.07), (0.0, 0.0, 0.07), 12.0)
    behind = SceneObject("cube", "green", (0.0, 0.0, 0.0))
    # Its right edge is on the line from the camera through the middle of the cube behind.
    cover = SceneObject("cube", "white", (-0.2, -0.6, -0.15), scale=0.2 / 0.07)
    drawn = render([scene_of(behind, cover, camera=camera), scene_of(behind, camera=camera)], size=128)
    assert float(drawn.visible_fraction[0, 0]) == pytest.approx(0.5, abs=0.03)
    assert float(drawn.visible_fraction[1, 0]) == pytest.approx(1)
    torch.testing.assert_close(drawn.full_boxes[0, 0], drawn.full_boxes[1, 0])
    assert float(drawn.boxes[0, 0, 0]) == pytest.approx(64, abs=1.5)
    assert float(drawn.full_boxes[0, 0, 0]) < 50


def test_fully_hidden_and_out_of_sight() -> None:
    camera = Camera((0.0, -2.0, 0.1), (0.0, 0.0, 0.1), 30.0)
    wall = SceneObject("cube", "gray", (0.0, -0.3, 0.0), scale=2.0)
    hidden = SceneObject("ball", "red", (0.0, 0.3, 0.0))
    aside = SceneObject("ball", "blue", (3.0, 0.0, 0.0))
    behind_camera = SceneObject("ball", "green", (0.0, -4.0, 0.0))
    drawn = render([scene_of(wall, hidden, aside, behind_camera, camera=camera)], size=64)
    assert drawn.visible_fraction[0, 1:].tolist() == [0, 0, 0]
    assert bool((drawn.boxes[0, 1:] == 0).all()) and bool((drawn.distances[0, 1:] == 0).all())
    assert bool((drawn.full_boxes[0, 1, 2:] > drawn.full_boxes[0, 1, :2]).all())
    assert bool((drawn.full_boxes[0, 2:] == 0).all())


def test_cut_off_by_the_picture_counts_as_hidden() -> None:
    camera = Camera((0.0, -2.0, 0.08), (0.0, 0.0, 0.08), 30.0)
    edge = 2.0 * math.tan(math.radians(15))
    drawn = render([scene_of(SceneObject("ball", "red", (edge, 0.0, 0.0)), camera=camera)], size=128)
    assert float(drawn.visible_fraction[0, 0]) == pytest.approx(0.5, abs=0.06)


def test_inside_a_bowl_and_under_a_table() -> None:
    camera = Camera((0.0, -1.2, 0.9), (0.0, 0.0, 0.05), 25.0)
    bowl = OBJECT_KINDS["bowl"]
    items = (
        SceneObject("bowl", "blue", (0.0, 0.0, 0.0)),
        SceneObject(
            "ball", "red", (0.0, 0.0, bowl.floor_height), 0.5, relation_to_support="inside", support=0
        ),
    )
    drawn = render([scene_of(*items, camera=camera)], size=96)
    assert 0.35 < float(drawn.visible_fraction[0, 1]) <= 1
    low = Camera((0.0, -3.0, 0.6), (0.0, 0.0, 0.4), 30.0)
    under = (SceneObject("table", "brown", (0.0, 0.0, 0.0)), SceneObject("ball", "red", (0.0, 0.0, 0.0)))
    drawn = render([scene_of(*under, camera=low)], size=96)
    assert float(drawn.visible_fraction[0, 1]) > 0.8


# ---- looks -------------------------------------------------------------------------------------------


def alone(kind: str, color: str, **changes: object) -> Scene:
    half = OBJECT_KINDS[kind].half_extents
    scale = 0.25 / max(half)
    height = half[2] * scale
    camera = Camera((0.0, -2.0, height + 0.8), (0.0, 0.0, height), 26.0)
    item = replace(SceneObject(kind, color, (0.0, 0.0, 0.0), scale=scale), **changes)  # pyright: ignore
    return scene_of(item, camera=camera)


def test_every_kind_shows_in_every_colour() -> None:
    combinations = [(kind, color) for kind in OBJECT_KINDS for color in COLORS]
    drawn = render([alone(*combination) for combination in combinations], size=48, supersample=1)
    for number, (kind, _) in enumerate(combinations):
        mask = drawn.instance[number] == 0
        assert int(mask.sum()) >= 12, kind
        assert float(drawn.visible_fraction[number, 0]) > 0.97, kind
    # Colours change the picture of the object and nothing else; furniture in the style's colour stays.
    for start in range(0, len(combinations), len(COLORS)):
        kind = combinations[start][0]
        images = drawn.images[start : start + len(COLORS)]
        mask = drawn.instance[start] == 0
        spread = (images[:, :, mask].amax(0) - images[:, :, mask].amin(0)).mean()
        if OBJECT_KINDS[kind].styled:
            assert float(spread) == 0
        else:
            assert float(spread) > 0.15, kind
        assert torch.equal(drawn.instance[start], drawn.instance[start + 1])


def test_the_named_colour_dominates() -> None:
    """The mean hue of the object's pixels is nearest to its own colour, for plain balls and cubes."""
    scenes = [alone(kind, color) for kind in ("ball", "cube", "mug") for color in COLORS]
    drawn = render(scenes, size=64)
    names = list(COLORS)
    palette = torch.tensor(list(COLORS.values()))
    for number, scene in enumerate(scenes):
        pixels = drawn.images[number][:, drawn.instance[number] == 0].T
        linear = ((pixels + 0.055) / 1.055) ** 2.4
        mean = linear.median(0).values
        unit = palette / palette.norm(dim=1, keepdim=True)
        near = (
            (mean / mean.norm() - unit).norm(dim=1) + 0.35 * (mean.norm() - palette.norm(dim=1)).abs()
        ).argmin()
        color = scene.objects[0].color
        grays = ("black", "white", "gray")
        assert names[int(near)] == color or (color in grays and names[int(near)] in grays), (
            color,
            names[int(near)],
        )


def test_patterns_change_main_parts_only() -> None:
    for kind in ("ball", "cube", "mug", "star", "teapot"):
        drawn = render([alone(kind, "red", pattern=pattern) for pattern in PATTERNS], size=64)
        mask = drawn.instance[0] == 0
        for number in range(1, len(PATTERNS)):
            changed = (drawn.images[number] - drawn.images[0]).abs().amax(0) > 0.05
            assert 0.1 < float(changed[mask].float().mean()) < 0.75, (kind, PATTERNS[number])
            assert not bool(changed[~mask & ~near(mask)].any())
    assert PATTERN_PARTNER.keys() == COLORS.keys()
    assert all(partner in COLORS and partner != own for own, partner in PATTERN_PARTNER.items())


def near(mask: torch.Tensor) -> torch.Tensor:
    grown = torch.nn.functional.max_pool2d(mask[None, None].float(), 3, 1, 1)
    return grown[0, 0] > 0


def test_contact_shadow_darkens_the_support_beside_the_object() -> None:
    camera = Camera((0.0, -2.0, 1.0), (0.0, 0.0, 0.0), 30.0)
    item = SceneObject("cube", "white", (0.0, 0.0, 0.0), scale=1.3)
    drawn = render([scene_of(item, camera=camera), scene_of(camera=camera)], size=96)
    background = ~near(drawn.instance[0] == 0)
    darker = (drawn.images[1] - drawn.images[0]).mean(0)
    assert float(darker[background].max()) > 0.08
    assert float(darker[background].min()) > -0.02
    box = drawn.boxes[0, 0]
    far = torch.zeros_like(background)
    far[:, : int(box[0]) - 25] = True
    assert float(darker[far].abs().max()) < 1e-5


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_backgrounds_differ_and_are_no_objects(background: str) -> None:
    style = replace(PLAIN, background=background)
    drawn = render([scene_of(style=style), scene_of(style=replace(style, background="wall"))], size=64)
    assert bool((drawn.instance == -1).all())
    assert torch.equal(drawn.images[0], drawn.images[1]) == (background == "wall")
    assert torch.equal(drawn.depth[0], drawn.depth[1])


def test_side_wall_stands_where_it_should() -> None:
    scene = replace(scene_of(camera=Camera((0.0, -2.0, 1.0), (0.0, 0.0, 1.0), 60.0)), side_wall_x=0.5)
    depth = render([scene], size=64, supersample=1).depth[0]
    step = math.tan(math.radians(30)) / 32
    along = 0.5 / (31.5 * step)
    assert float(depth[32, 63]) == pytest.approx(
        along * math.sqrt(1 + (31.5 * step) ** 2 + (step / 2) ** 2), rel=1e-4
    )
    assert float(depth[32, 0]) == pytest.approx(
        3 * math.sqrt(1 + (31.5 * step) ** 2 + (step / 2) ** 2), rel=1e-4
    )


def test_blur_and_supersampling_smooth_the_picture() -> None:
    item = SceneObject("cube", "black", (0.0, 0.0, 0.0), yaw=0.5)
    sharp, blurred = scene_of(item), scene_of(item, style=replace(PLAIN, blur=1.0))

    def roughness(image: torch.Tensor) -> float:
        return float((image[:, 1:] - image[:, :-1]).square().sum())

    images = render([sharp, blurred], size=64).images
    assert roughness(images[1]) < 0.8 * roughness(images[0])
    assert roughness(images[0]) < roughness(render([sharp], size=64, supersample=1).images[0])


# ---- geometry of kinds -------------------------------------------------------------------------------


def test_kinds_are_complete_and_stand_on_the_ground() -> None:
    assert len(OBJECT_KINDS) >= 26 and 10 <= len(COLORS) <= 12
    assert PATTERNS == ("plain", "striped", "dotted", "checkered")
    for name, kind in OBJECT_KINDS.items():
        assert kind.name == name and kind.category in ("object", "furniture")
        assert all(part.material in MATERIALS and part.shape in SHAPES for part in kind.parts)
        assert min(part.reach()[:, 2].min() for part in kind.parts) == pytest.approx(0, abs=0.006)
        hx, hy, hz = kind.half_extents
        assert not kind.can_hold_on_top or 0 < kind.top <= 2 * hz + 1e-6
        if kind.can_contain:
            assert 0 < kind.floor_height < kind.rim_height <= 2 * hz + 1e-6
            assert 0 < kind.inner_radius < min(hx, hy)


@pytest.mark.parametrize("kind", sorted(OBJECT_KINDS))
def test_bounds_enclose_the_drawn_object(kind: str) -> None:
    half = OBJECT_KINDS[kind].half_extents
    tilt = 0.5 if OBJECT_KINDS[kind].leans else 0.0
    item = SceneObject(kind, "red", (0.1, 0.0, 0.3), scale=0.25 / max(half), yaw=0.7, tilt=tilt)
    camera = Camera((0.0, -3.0, 0.8), (0.0, 0.0, 0.5), 30.0)
    drawn = render([scene_of(item, camera=camera)], size=128)
    low, high = object_bounds(item)
    corners = [
        project(camera, (x, y, z), 128)
        for x in (low[0], high[0])
        for y in (low[1], high[1])
        for z in (low[2], high[2])
    ]
    x0, y0, x1, y1 = drawn.full_boxes[0, 0].tolist()
    assert x0 >= min(c[0] for c in corners) - 1 and x1 <= max(c[0] for c in corners) + 1
    assert y0 >= min(c[1] for c in corners) - 1 and y1 <= max(c[1] for c in corners) + 1
    # Lying things turn about the end of their bounding box, from which round ends stand off a little.
    assert low[2] == pytest.approx(0.3, abs=0.035 if tilt else 0.011)


def test_tilt_raises_one_side() -> None:
    flat, raised = (SceneObject("pencil", "red", (0.0, 0.0, 0.0), tilt=tilt) for tilt in (0.0, 0.6))
    assert object_bounds(raised)[1][2] > 4 * object_bounds(flat)[1][2]
    drawn = render([scene_of(flat), scene_of(raised)], size=96)
    assert float(drawn.boxes[1, 0, 1]) < float(drawn.boxes[0, 0, 1]) - 4


# ---- primitives --------------------------------------------------------------------------------------

PARAMS = {
    "ellipsoid": (1.0, 1.0, 0.0, 0.0),
    "box": (1.0, 1.0, 0.0, 0.0),
    "wedge": (0.3, 0.8, 0.0, 0.0),
    "frustum": (1.0, 0.4, 0.0, 0.0),
    "cup": (0.7, 1.0, 0.15, -0.8),
    "bowl": (0.12, 0.0, 0.0, 0.0),
    "arc": (0.25, 2.0, 0.3, 0.0),
}


def inside(shape: str, p: torch.Tensor) -> torch.Tensor:
    """Whether points [..., 3] lie in the solid, by its definition."""
    x, y, z = p.unbind(-1)
    k = PARAMS[shape]
    radius = (x * x + y * y).sqrt()
    if shape == "ellipsoid":
        return p.norm(dim=-1) < 1
    if shape == "box":
        return p.abs().amax(-1) < 1
    if shape == "wedge":
        up = (z + 1) / 2
        return (z.abs() < 1) & (x.abs() < 1 + (k[0] - 1) * up) & (y.abs() < 1 + (k[1] - 1) * up)
    if shape in ("frustum", "cup"):
        limit = k[0] + (k[1] - k[0]) * (z + 1) / 2
        solid = (z.abs() < 1) & (radius < limit)
        return solid & ~((z > k[3]) & (radius < limit - k[2])) if shape == "cup" else solid
    if shape == "bowl":
        return (p.norm(dim=-1) < 1) & (p.norm(dim=-1) > 1 - k[0]) & (z < 0)
    angle = torch.atan2(z, x)
    held = angle.clamp(-k[1], k[1])
    thick = k[0] * (1 - k[2] * (1 - held.cos()) / (1 - math.cos(k[1])))
    return ((x - held.cos()) ** 2 + y**2 + (z - held.sin()) ** 2).sqrt() < thick


@pytest.mark.parametrize("shape", SHAPES)
def test_rays_enter_where_the_solid_begins(shape: str) -> None:
    generator = torch.Generator().manual_seed(3)
    count = 1500
    start = torch.randn(count, 3, generator=generator)
    start = 4 * start / start.norm(dim=1, keepdim=True)
    aim = (torch.rand(count, 3, generator=generator) * 2 - 1) * 1.2
    ray = (aim - start) / 3
    params = torch.tensor([PARAMS[shape]]).expand(count, 4)
    o, d = start.unsqueeze(2).unbind(1), ray.unsqueeze(2).unbind(1)
    t = INTERSECT[shape](o, d, params)[:, 0]
    steps = torch.linspace(0, 8, 6001)
    found = inside(shape, start.unsqueeze(1) + steps.view(1, -1, 1) * ray.unsqueeze(1))
    first = torch.where(found.any(1), steps[found.int().argmax(1)], math.inf)
    hit = t.isfinite() & first.isfinite()
    # Rays that only graze the solid may differ.
    assert int((t.isfinite() != first.isfinite()).sum()) <= 0.012 * count
    assert float(((t - first).abs()[hit] < 5e-3).float().mean()) > 0.985
    assert int(hit.sum()) > 200
    at = start + t.unsqueeze(1).where(hit.unsqueeze(1), torch.zeros(())) * ray
    normal = torch.cat(NORMAL[shape](at.unsqueeze(2).unbind(1), params), 1)
    normal = normal / normal.norm(dim=1, keepdim=True)
    # A step along the normal leaves the solid, a step against it enters it; edges aside.
    out = inside(shape, at + 0.02 * normal)[hit]
    back = inside(shape, at - 0.02 * normal)[hit]
    assert float(out.float().mean()) < 0.04 and float(back.float().mean()) > 0.96


# ---- the edges ---------------------------------------------------------------------------------------


def test_empty_scene_and_empty_batch() -> None:
    drawn = render([scene_of(), scene_of(SceneObject("ball", "red", (0.0, 0.0, 0.0)))], size=64)
    assert bool((drawn.instance[0] == -1).all()) and float(drawn.visible_fraction[0, 0]) == 0
    assert float(drawn.visible_fraction[1, 0]) == pytest.approx(1)
    lone = render([scene_of()], size=64)
    assert lone.boxes.shape == (1, 0, 4)
    torch.testing.assert_close(lone.images[0], drawn.images[0], rtol=0, atol=1e-6)
    nothing = render([], size=64)
    assert nothing.images.shape == (0, 3, 64, 64) and nothing.instance.dtype == torch.int16


def test_an_object_around_the_camera_does_no_harm() -> None:
    item = SceneObject("table", "brown", (0.0, -1.6, 0.0))
    drawn = render([scene_of(item)], size=64)
    assert bool(drawn.images.isfinite().all())


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (SceneObject("unicorn", "red", (0.0, 0.0, 0.0)), "kind"),
        (SceneObject("ball", "beige", (0.0, 0.0, 0.0)), "color"),
        (SceneObject("ball", "red", (0.0, 0.0, 0.0), pattern="plaid"), "pattern"),
        (SceneObject("ball", "red", (0.0, 0.0, 0.0), scale=0.0), "scale"),
        (SceneObject("ball", "red", (math.nan, 0.0, 0.0)), "position"),
    ],
)
def test_bad_objects(item: SceneObject, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render([scene_of(), scene_of(item)])


def test_bad_styles_cameras_and_sizes() -> None:
    with pytest.raises(ValueError, match="background"):
        render([scene_of(style=replace(PLAIN, background="jungle"))])
    with pytest.raises(ValueError, match="light"):
        render([scene_of(style=replace(PLAIN, light_direction=(0.0, 0.0, 0.0)))])
    for camera in (
        Camera((0.0, 0.0, 2.0), (0.0, 0.0, 0.0), 40.0),
        Camera((0.0, -1.0, 2.0), (0.0, 0.0, 0.0), 180.0),
        Camera((0.0, math.nan, 2.0), (0.0, 0.0, 0.0), 40.0),
    ):
        with pytest.raises(ValueError, match="camera"):
            render([scene_of(camera=camera)])
    with pytest.raises(ValueError, match="supersample"):
        render([scene_of()], supersample=3)
    with pytest.raises(ValueError, match="size"):
        render([scene_of()], size=4)
    crowd = scene_of(*(SceneObject("car", "red", (0.1 * k, 0.0, 0.0)) for k in range(60)))
    with pytest.raises(ValueError, match="primitives"):
        render([crowd])
    with pytest.raises(ValueError, match="kind"):
        object_bounds(SceneObject("unicorn", "red", (0.0, 0.0, 0.0)))


def test_part_rotation_turns_about_x_then_y_then_z() -> None:
    part = Part("box", (0.0, 0.0, 0.0), (1.0, 2.0, 3.0), "main", (90.0, 0.0, 90.0))
    np.testing.assert_allclose(part.rotation() @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(part.rotation() @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(np.abs(part.reach()).max(0), [3, 1, 2], atol=1e-12)
