"""What is behind the objects: floor, back wall, perhaps a side wall, with their textures and a window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spatial_core.scenes.scene import Scene

BACKGROUNDS: tuple[str, ...] = ("wall", "gradient", "panels", "tiles", "window")
"""Names of `Style.background`."""


@dataclass(frozen=True)
class Backdrop:
    """Painted background.

    Attributes:
        color: [S, 3, H, W] linear RGB, lit.
        t: [S, H, W] distance along the view (not along the ray), metres.
    """

    color: Tensor
    t: Tensor


def _line(value: Tensor, period: Tensor | float, width: Tensor) -> Tensor:
    """1 on the lines at multiples of `period`, 0 off them, antialiased for a footprint of `width`."""
    away = (value / period - (value / period).round()).abs() * period
    return (1.25 - away / width).clamp_(0, 1)


def paint_background(
    scenes: Sequence[Scene], direction: tuple[Tensor, Tensor, Tensor], origin: Tensor, footprint: Tensor
) -> Backdrop:
    """Paint floor and walls.

    Args:
        scenes: S scenes.
        direction: View rays, three tensors [S, H, W], of length 1 along the view.
        origin: [S, 3] camera positions.
        footprint: [S] size of a pixel at distance 1.
    """
    device, dtype = origin.device, origin.dtype

    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device).view(-1, 1, 1)

    def rgb(values: Sequence[tuple[float, float, float]]) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device).view(-1, 3, 1, 1)

    dx, dy, dz = direction
    ox, oy, oz = (origin[:, k].view(-1, 1, 1) for k in range(3))
    wall_y = column([scene.wall_y for scene in scenes])
    far = torch.full_like(dx, 60.0)
    to_floor = torch.where(dz < -1e-4, -oz / dz, far)
    to_wall = torch.where(dy > 1e-4, (wall_y - oy) / dy, far)
    t = torch.minimum(torch.minimum(to_floor, to_wall), far)
    side = column([math.inf if scene.side_wall_x is None else scene.side_wall_x for scene in scenes])
    to_side = torch.where((side - ox) * dx > 0, (side - ox) / dx, far)
    to_side = torch.where(side.isfinite() & (to_side > 0), to_side, far)
    on_side = to_side < t
    t = torch.minimum(t, to_side)
    on_floor = (to_floor <= t) & ~on_side
    x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
    pixel = footprint.view(-1, 1, 1) * t

    draws = [np.random.default_rng(scene.style.texture_seed).random(8) for scene in scenes]
    draw = torch.tensor(np.array(draws), dtype=dtype, device=device).view(-1, 8, 1, 1)

    # Floor: planks, tiles or one even colour; darker where it meets the wall.
    style = draw[:, 0]
    plank = 0.16 + 0.1 * draw[:, 1]
    row = (x / plank).floor()
    shade = ((row * 12.9898 + 78.233 * draw[:, 2]).sin() * 137.0).frac().abs()
    shift = y + shade * 0.9
    grain = (x * 90 + 2.5 * (y * 5 + shade * 40).sin()).sin() * (pixel < 0.02)
    planks = 0.9 + 0.2 * shade + 0.035 * grain
    planks = planks * (
        1 - 0.4 * torch.maximum(_line(x, plank, 0.004 + pixel), _line(shift, 0.9, 0.004 + pixel))
    )
    square = 0.3 + 0.15 * draw[:, 1]
    even = ((x / square).floor() + (y / square).floor()).remainder(2)
    tiled = (0.93 + 0.1 * even) * (
        1 - 0.3 * torch.maximum(_line(x, square, 0.005 + pixel), _line(y, square, 0.005 + pixel))
    )
    floor = torch.where(style < 0.5, planks, torch.where(style < 0.75, tiled, torch.ones_like(x)))
    floor = floor * (1 - 0.45 * torch.exp((y - wall_y) * 7))
    floor = floor * torch.where(
        side.isfinite(), 1 - 0.4 * torch.exp(-(x - side).abs() * 7), torch.ones_like(x)
    )
    floor = floor * (0.72 + 0.4 * torch.exp(-0.22 * ((x - 0.1) ** 2 + (y + 0.1) ** 2)))

    # Walls: how far along, and how high.
    along = torch.where(on_side, y, x)
    kind = column([float(BACKGROUNDS.index(scene.style.background)) for scene in scenes])
    wall = torch.ones_like(x)
    soft = ((z - 0.2) * 0.35).clamp(0, 1)
    wall = torch.where(kind == 1, 1.12 - 0.55 * soft - 0.12 * along, wall)
    panel = 0.34 + 0.2 * draw[:, 3]
    seam = _line(along + draw[:, 4], panel, 0.006 + pixel)
    wall = torch.where(
        kind == 2, 1 - 0.28 * seam + 0.05 * _line(along + draw[:, 4] + 0.012, panel, 0.006 + pixel), wall
    )
    tile = 0.13 + 0.07 * draw[:, 3]
    joint = torch.maximum(_line(along, tile, 0.004 + pixel), _line(z, tile, 0.004 + pixel))
    wall = torch.where(kind == 3, 1 - 0.22 * joint, wall)
    wall = wall * (0.84 + 0.2 * torch.exp(-0.6 * (along - 0.5 * (draw[:, 5] - 0.5)) ** 2) + 0.03 * z)
    corner = torch.where(on_side, (wall_y - y).abs(), (side - x).abs())
    wall = wall * (1 - 0.28 * torch.exp(-z.clamp(min=0) * 9))
    wall = wall * torch.where(side.isfinite(), 1 - 0.28 * torch.exp(-corner * 6), torch.ones_like(x))
    board = ((0.085 - z) / pixel + 0.5).clamp(0, 1)
    edge = (((z - 0.075) / pixel).clamp(0, 1)) * board

    light = rgb([_unit(scene.style.light_direction) for scene in scenes])
    tint = rgb([scene.style.light_color for scene in scenes])
    ambient = column([scene.style.ambient for scene in scenes])
    facing = torch.where(
        on_floor, light[:, 2], torch.where(on_side, light[:, 0].abs(), (-light[:, 1]).clamp(min=0))
    )
    lit = (0.3 + 0.7 * facing).unsqueeze(1) * tint * 0.78 + ambient.unsqueeze(1) * 0.72
    wall_color = rgb([scene.style.wall for scene in scenes])
    white = wall_color * 0.35 + 0.6
    walls = wall_color * wall.unsqueeze(1)
    walls = walls + (white * (1 - 0.3 * edge.unsqueeze(1)) - walls) * (board * 0.85).unsqueeze(1)
    color = (
        torch.where(
            on_floor.unsqueeze(1), rgb([scene.style.floor for scene in scenes]) * floor.unsqueeze(1), walls
        )
        * lit
    )
    windowed = [number for number, scene in enumerate(scenes) if scene.style.background == "window"]
    if windowed:
        pick = torch.tensor(windowed, device=device)
        middle = column(
            [
                scenes[k].camera.target[0] + (-1 if draws[k][5] < 0.5 else 1) * (0.25 + 0.4 * draws[k][6])
                for k in windowed
            ]
        )
        height = column([scenes[k].camera.target[2] + 0.42 + 0.2 * draws[k][7] for k in windowed])
        hidden = on_floor[pick] | on_side[pick]
        color[pick] = _window(color[pick], x[pick] - middle, z[pick] - height, pixel[pick], hidden)
    return Backdrop(color, t)


def _unit(v: tuple[float, float, float]) -> tuple[float, float, float]:
    n = math.sqrt(sum(c * c for c in v))
    return (v[0] / n, v[1] / n, v[2] / n)


def _window(color: Tensor, u: Tensor, v: Tensor, pixel: Tensor, hidden: Tensor) -> Tensor:
    """A window about (0, 0) of the wall: white frame, one cross, sky above far hills."""
    half_u, half_v, rim = 0.36, 0.42, 0.035

    def inside(size_u: float, size_v: float) -> Tensor:
        gap = torch.minimum(size_u - u.abs(), size_v - v.abs())
        return ((gap / pixel) + 0.5).clamp(0, 1)

    frame, pane = inside(half_u + rim, half_v + rim), inside(half_u, half_v)
    bars = torch.maximum(
        ((0.012 - u.abs()) / pixel + 0.5).clamp(0, 1), ((0.012 - v.abs()) / pixel + 0.5).clamp(0, 1)
    )
    pane = pane * (1 - bars)
    rise = ((v + half_v) / (2 * half_v)).clamp(0, 1)
    hill = ((-0.2 + 0.05 * (u * 9).sin() - v) / 0.03).clamp(0, 1)
    sky = torch.stack([0.62 - 0.32 * rise, 0.8 - 0.22 * rise, 0.95 - 0.03 * rise], 1)
    land = torch.stack([0.3 + 0 * rise, 0.46 + 0 * rise, 0.26 + 0 * rise], 1)
    view = sky + (land - sky) * hill.unsqueeze(1)
    keep = (~hidden).to(color.dtype).unsqueeze(1)
    below = (((v + half_v + rim) / pixel + 0.5).clamp(0, 1)).unsqueeze(1)
    painted = color + (0.8 - color) * frame.unsqueeze(1) * below
    painted = painted + (view - painted) * pane.unsqueeze(1)
    return color + (painted - color) * keep
