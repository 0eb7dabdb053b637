"""Analytic ray intersections and normals of the unit primitives that objects are built from.

Every primitive lives in its own frame, where it spans [-1, 1] on each axis; a ray is o + t d with o outside
of the primitive. Tensors broadcast: o and parameters come as [T, 1], d as [T, P] for P pixels of T tiles.
`intersect_*` return the smallest t [T, P] at which a ray enters, infinite where it misses; `normal_*` return
an outward normal, of any length, at surface points given in the same frame.

Parameters (p0..p3) by shape:
    ellipsoid, box: none.
    wedge: a box whose top is p0 times as wide and p1 times as deep as its bottom.
    frustum: radius p0 at the bottom, p1 at the top.
    cup: a frustum hollowed out from the top; p2 is the wall's thickness, p3 the height of the inner floor.
    bowl: the lower half of a ball, hollow, with its rim at z = 0; p0 is the wall's thickness.
    arc: a bent tube about the unit circle in the xz-plane; p0 is the tube's radius, p1 the half aperture in
        radians about +x, p2 how much thinner the ends are. Reaches beyond [-1, 1] by p0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Triple = tuple[Tensor, Tensor, Tensor]
MISS = float("inf")
_TINY = 1e-9
_ARC_STEPS = 18


def _root(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Square root of the discriminant of a t^2 + 2 b t + c (NaN where negative), -b and a kept off zero."""
    return (b * b - a * c).sqrt_(), -b, torch.where(a.abs() < _TINY, _TINY, a)


def intersect_ellipsoid(o: Triple, d: Triple, p: Tensor) -> Tensor:
    """Enter the unit ball."""
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1
    t = (-b - (b * b - a * c).sqrt_()) / a
    return torch.where(t > 0, t, MISS)


def intersect_box(o: Triple, d: Triple, p: Tensor) -> Tensor:
    """Enter the cube [-1, 1]^3."""
    near: Tensor | None = None
    far: Tensor | None = None
    for oi, di in zip(o, d, strict=True):
        inv = di.reciprocal()
        middle, reach = -oi * inv, inv.abs_()
        low, high = middle - reach, middle + reach
        near = low if near is None else torch.maximum(near, low)
        far = high if far is None else torch.minimum(far, high)
    assert near is not None and far is not None
    return torch.where((near < far) & (near > 0), near, MISS)


def intersect_wedge(o: Triple, d: Triple, p: Tensor) -> Tensor:
    """Enter the tapered box."""
    ox, oy, oz = o
    dx, dy, dz = d
    inv = dz.reciprocal()
    middle, reach = -oz * inv, inv.abs()
    near, far = middle - reach, middle + reach
    for oi, di, taper in ((ox, dx, p[:, 0:1]), (oy, dy, p[:, 1:2])):
        slope = (1 - taper) / 2
        for sign in (1.0, -1.0):
            gap = 1 - slope - slope * oz - sign * oi
            rate = sign * di + slope * dz
            t = gap / rate
            near = torch.where(rate < 0, torch.maximum(near, t), near)
            far = torch.where(rate > 0, torch.minimum(far, t), far)
    return torch.where((near < far) & (near > 0), near, MISS)


def _cone(o: Triple, d: Triple, bottom: Tensor, top: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Quadratic of the cone whose radius is `bottom` at z = -1 and `top` at z = 1, as `_root` gives it."""
    slope, here = (top - bottom) / 2, (top + bottom) / 2 + (top - bottom) / 2 * o[2]
    fall = slope * d[2]
    a = d[0] * d[0] + d[1] * d[1] - fall * fall
    b = o[0] * d[0] + o[1] * d[1] - fall * here
    c = o[0] * o[0] + o[1] * o[1] - here * here
    return _root(a, b, c)


def _at_level(o: Triple, d: Triple, level: Tensor | float) -> tuple[Tensor, Tensor]:
    """Where the ray crosses the plane z = level, and the squared distance from the axis there."""
    t = (level - o[2]) / d[2]
    x, y = o[0] + t * d[0], o[1] + t * d[1]
    return t, x * x + y * y


def intersect_frustum(o: Triple, d: Triple, p: Tensor) -> Tensor:
    """Enter the solid cone frustum: its side, or the one cap that faces the ray's origin."""
    bottom, top = p[:, 0:1], p[:, 1:2]
    root, minus_b, a = _cone(o, d, bottom, top)
    t = (minus_b - root) / a
    z = o[2] + t * d[2]
    side = torch.where((z.abs() <= 1) & (t > 0), t, MISS)
    above = (o[2] > 0).to(o[2].dtype) * 2 - 1
    cap, around = _at_level(o, d, above)
    radius = torch.where(o[2] > 0, top, bottom)
    return torch.where((around <= radius * radius) & (cap > 0) & (cap < side), cap, side)


def intersect_cup(o: Triple, d: Triple, p: Tensor) -> Tensor:
    """Enter the hollow frustum: outside, rim, inner wall, inner floor or base, whichever comes first."""
    bottom, top, wall, floor = p[:, 0:1], p[:, 1:2], p[:, 2:3], p[:, 3:4]
    best = intersect_frustum(o, d, p)
    root, minus_b, a = _cone(o, d, bottom - wall, top - wall)
    rim, around = _at_level(o, d, 1.0)
    hole = (top - wall) * (top - wall)
    # A ray that enters through the hole goes on to the inner floor or the inner wall.
    enters = (best == rim) & (around < hole)
    leave = (minus_b + root) / a
    ground, below = _at_level(o, d, floor)
    inner = (bottom - wall) + (top - bottom) * (floor + 1) / 2
    inside = torch.where(below <= inner * inner, ground, leave)
    inside = torch.where(inside > rim, inside, rim)
    return torch.where(enters, inside, best)


def intersect_bowl(o: Triple, d: Triple, p: Tensor) -> Tensor:
    """Enter the hollow half ball."""
    inner = (1 - p[:, 0:1]) * (1 - p[:, 0:1])
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2]
    square, ac = b * b, a * c
    t = (-b - (square - ac + a).sqrt_()) / a
    z = o[2] + t * d[2]
    best = torch.where((t > 0) & (z <= 0), t, MISS)
    rim, around = _at_level(o, d, 0.0)
    on_rim = (around <= 1) & (rim > 0) & (rim < best)
    best = torch.where(on_rim, rim, best)
    leave = (-b + (square - ac + a * inner).sqrt_()) / a
    return torch.where(on_rim & (around < inner) & (o[2] > 0), leave, best)


def _nearest_on_arc(x: Tensor, z: Tensor, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Nearest point (x, z) of the arc's centre line and the tube's radius there."""
    minor, aperture, taper = p[:, 0:1], p[:, 1:2], p[:, 2:3]
    cos, sin = aperture.cos(), aperture.sin()
    away = (x * x + z * z).sqrt_().clamp_(min=1e-6)
    ux, uz = x / away, z.abs() / away
    within = uz * cos <= ux * sin
    cx, cz = torch.where(within, ux, cos), torch.where(within, uz, sin)
    radius = minor * (1 - taper * (1 - cx) / (1 - cos))
    return cx, torch.where(z < 0, -cz, cz), radius


def intersect_arc(o: Triple, d: Triple, p: Tensor) -> Tensor:
    """Enter the bent tube, by walking along the ray as far as the distance to the tube allows."""
    minor = p[:, 0:1]
    ox, oy, oz = o
    dx, dy, dz = d
    reach = (1 + minor) * (1 + minor)
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - reach
    root = (b * b - a * c).sqrt_()
    slab, width = -oy / dy, (minor / dy).abs()
    start = torch.maximum((-b - root) / a, slab - width)
    end = torch.minimum((-b + root) / a, slab + width)
    alive = (start < end) & (start > 0)
    shape = alive.shape
    keep = alive.reshape(-1).nonzero().squeeze(1)
    row = keep // shape[1]
    params = p[row]
    ox, oy, oz = ox[row], oy[row], oz[row]
    dx, dy, dz = (v.reshape(-1)[keep].unsqueeze(1) for v in (dx, dy, dz))
    t, last = start.reshape(-1)[keep].unsqueeze(1), end.reshape(-1)[keep].unsqueeze(1)
    pace = (dx * dx + dy * dy + dz * dz).rsqrt_()
    gap = t
    for _ in range(_ARC_STEPS):
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        cx, cz, radius = _nearest_on_arc(x, z, params)
        gap = ((x - cx) ** 2 + y * y + (z - cz) ** 2).sqrt_() - radius
        t = t + gap * pace
    hit = torch.where((gap < 0.04 * params[:, 0:1]) & (t < last), t, MISS)
    out = torch.full(shape, MISS, dtype=hit.dtype, device=hit.device)
    out.view(-1)[keep] = hit.squeeze(1)
    return out


def normal_ellipsoid(x: Triple, p: Tensor) -> Triple:
    """Normal of the unit ball."""
    return x


def normal_box(x: Triple, p: Tensor) -> Triple:
    """Normal of the cube, bent a little near the edges as if they were rounded."""
    powers: list[Tensor] = []
    for xi in x:
        v = xi * xi
        v = v * v
        v = v * v
        v = v * v
        powers.append(v * v * xi)
    return powers[0], powers[1], powers[2]


def normal_wedge(x: Triple, p: Tensor) -> Triple:
    """Normal of the tapered box: of the face whose plane is nearest."""
    px, py, pz = x
    sx, sy = (1 - p[:, 0:1]) / 2, (1 - p[:, 1:2]) / 2
    gx = px.abs() - (1 - sx - sx * pz)
    gy = py.abs() - (1 - sy - sy * pz)
    gz = pz.abs() - 1
    on_x = (gx >= gy) & (gx >= gz)
    on_y = ~on_x & (gy >= gz)
    zero = torch.zeros_like(px)
    nz = torch.where(on_x, sx, torch.where(on_y, sy, pz.sign()))
    return torch.where(on_x, px.sign(), zero), torch.where(on_y, py.sign(), zero), nz


def normal_frustum(x: Triple, p: Tensor) -> Triple:
    """Normal of the frustum's side or cap."""
    px, py, pz = x
    slope, middle = (p[:, 1:2] - p[:, 0:1]) / 2, (p[:, 1:2] + p[:, 0:1]) / 2
    radius = (px * px + py * py).sqrt_()
    on_cap = (1 - pz.abs()) < (middle + slope * pz - radius).abs_()
    side = torch.where(on_cap, 0.0, 1.0)
    return px * side, py * side, torch.where(on_cap, pz.sign(), -slope * radius)


def normal_cup(x: Triple, p: Tensor) -> Triple:
    """Normal of the cup: outer or inner side, rim, floor or base."""
    px, py, pz = x
    bottom, top, wall, floor = p[:, 0:1], p[:, 1:2], p[:, 2:3], p[:, 3:4]
    slope, middle = (top - bottom) / 2, (top + bottom) / 2
    radius = (px * px + py * py).sqrt_()
    inward = radius - (middle + slope * pz)
    outer, inner = inward.abs(), (inward + wall).abs_()
    level = torch.minimum((1 - pz.abs()).abs_(), torch.where(inner < outer, (pz - floor).abs(), MISS))
    level = torch.where((inward < -wall) & (pz < 1 - 1e-3), (pz - floor).abs(), level)
    flat = level < torch.minimum(outer, inner)
    side = torch.where(flat, 0.0, torch.where(outer < inner, 1.0, -1.0))
    up = torch.where(pz < -1 + 1e-3, -1.0, 1.0)
    return px * side, py * side, torch.where(flat, up, -slope * radius * side)


def normal_bowl(x: Triple, p: Tensor) -> Triple:
    """Normal of the bowl: outside, inside or rim."""
    px, py, pz = x
    radius = (px * px + py * py + pz * pz).sqrt_()
    rim = pz > -1e-3
    side = torch.where(radius > 1 - p[:, 0:1] / 2, 1.0, -1.0)
    side = torch.where(rim, 0.0, side)
    return px * side, py * side, torch.where(rim, 1.0, pz * side)


def normal_arc(x: Triple, p: Tensor) -> Triple:
    """Normal of the bent tube: away from its centre line."""
    cx, cz, _ = _nearest_on_arc(x[0], x[2], p)
    return x[0] - cx, x[1], x[2] - cz


INTERSECT: dict[str, Callable[[Triple, Triple, Tensor], Tensor]] = {
    "ellipsoid": intersect_ellipsoid,
    "box": intersect_box,
    "wedge": intersect_wedge,
    "frustum": intersect_frustum,
    "cup": intersect_cup,
    "bowl": intersect_bowl,
    "arc": intersect_arc,
}
NORMAL: dict[str, Callable[[Triple, Tensor], Triple]] = {
    "ellipsoid": normal_ellipsoid,
    "box": normal_box,
    "wedge": normal_wedge,
    "frustum": normal_frustum,
    "cup": normal_cup,
    "bowl": normal_bowl,
    "arc": normal_arc,
}
