"""How a visible surface point is lit and coloured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spatial_core.scenes.objects import PATTERNS
from spatial_core.scenes.primitives import NORMAL, Triple
from spatial_core.scenes.projection import Cameras, Objects, Parts
from spatial_core.scenes.scene import Scene

_FLAT = ("box", "wedge")
_HOLLOW = ("cup", "bowl")


@dataclass(frozen=True)
class PartLook:
    """What shading needs to know of each of K parts.

    Attributes:
        numbers: [K, C] in the order of `_COLUMNS`.
        pattern: [K] index into `PATTERNS`.
        partner: [K, 3] the pattern's second colour.
        styled: [K] whether wood grain is drawn.
        in_kind: [K, 12] affine map from the unit frame to the kind's frame, divided by the pattern's period;
            for styled parts in metres.
        phase: [K] of the wood grain.
    """

    numbers: Tensor
    pattern: Tensor
    partner: Tensor
    styled: Tensor
    in_kind: Tensor
    phase: Tensor


def look_of(
    scenes: Sequence[Scene], objects: Objects, parts: Parts, cameras: Cameras, device: torch.device
) -> PartLook:
    """Gather the looks of the parts of scenes."""
    scene = objects.scene[parts.owner]
    light = objects.light[scene]
    to_eye = cameras.position[scene] - parts.center
    to_eye = to_eye / np.maximum(np.linalg.norm(to_eye, axis=1, keepdims=True), 1e-9)
    halfway = light + to_eye
    halfway = halfway / np.maximum(np.linalg.norm(halfway, axis=1, keepdims=True), 1e-9)
    turn = np.swapaxes(parts.axes, 1, 2)
    tint = np.array([s.style.light_color for s in scenes], float).reshape(-1, 3)[scene]
    ambient = np.array([s.style.ambient for s in scenes], float)[scene]
    lift = parts.axes[:, 2] * parts.half
    low, tall = parts.ground[:, 0], parts.ground[:, 1]
    reach = np.maximum(0.45 * tall, 0.02)
    columns = [
        1 / parts.half,
        np.einsum("kij,kj->ki", turn, light),
        np.einsum("kij,kj->ki", turn, halfway),
        turn[:, :, 2],
        parts.color,
        tint,
        np.stack([ambient, parts.gloss, parts.glow], 1),
        lift / reach[:, None],
        ((parts.center[:, 2] - low) / reach)[:, None],
    ]
    scale = np.where(parts.styled, 1.0, 1 / parts.step)
    phase = (
        np.array([(s.style.texture_seed % 1000) / 1000 * 6.283 for s in scenes])[scene]
        if len(scenes)
        else scene
    )

    def place(array: np.ndarray, kind: type[np.generic] = np.float32) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, kind)).to(device)

    return PartLook(
        numbers=place(np.concatenate(columns, 1)),
        pattern=place(np.where(parts.styled, 0, parts.pattern), np.int64),
        partner=place(parts.partner),
        styled=place(parts.styled & (parts.gloss < 0.5), np.bool_),
        in_kind=place((parts.in_kind * scale[:, None, None]).reshape(-1, 12)),
        phase=place(phase),
    )


def shade(shape: str, at: Triple, params: Tensor, look: PartLook, row: Tensor) -> Tensor:
    """Colour of surface points.

    Args:
        shape: The primitive's shape.
        at: Points in the unit frame, three tensors [T, 64].
        params: [T, 4] shape parameters.
        look: The looks of the parts.
        row: [T] which part each tile shows.

    Returns:
        [3, T, 64] linear RGB, lit.
    """
    n = look.numbers[row]

    def dot(q: Triple, first: int) -> Tensor:
        return torch.addcmul(
            torch.addcmul(q[0] * n[:, first : first + 1], q[1], n[:, first + 1 : first + 2]),
            q[2],
            n[:, first + 2 : first + 3],
        )

    normal = NORMAL[shape](at, params)
    q = (normal[0] * n[:, 0:1], normal[1] * n[:, 1:2], normal[2] * n[:, 2:3])
    inv = torch.addcmul(torch.addcmul(q[0] * q[0], q[1], q[1]), q[2], q[2]).clamp_(min=1e-20).rsqrt_()
    toward = dot(q, 3) * inv
    gleam = (dot(q, 6) * inv).clamp_(min=0)
    upward = dot(q, 9) * inv
    ambient, gloss, glow = n[:, 18:19], n[:, 19:20], n[:, 20:21]
    diffuse = ((toward + 0.18) / 1.18).clamp_(min=0)
    open_ = (dot(at, 21) + n[:, 24:25]).clamp_(0, 1)
    # The ground hides part of the sky from what is close to it.
    sky = (0.6 + 0.4 * upward) * (0.55 + 0.45 * open_)
    if shape in _HOLLOW:
        within = normal[0] * at[0] + normal[1] * at[1] + normal[2] * at[2] < -1e-3
        depth = 0.45 + 0.25 * (at[2] + 1).clamp_(0, 2)
        sky, diffuse = torch.where(within, sky * depth, sky), torch.where(within, diffuse * depth, diffuse)
    for _ in range(5):
        gleam = gleam * gleam
    gleam = gleam * gloss * 0.55
    base = sky * ambient * 1.05
    albedo: list[Tensor] = [n[:, 12 + c : 13 + c] for c in range(3)]
    patterned = look.pattern[row]
    if bool((patterned > 0).any()):
        albedo = _patterned(shape, at, normal, albedo, look, row, patterned)
    if bool(look.styled[row].any()):
        albedo = _grained(at, albedo, look, row)
    out = torch.empty(3, *base.shape, dtype=base.dtype, device=base.device)
    for c in range(3):
        tint = n[:, 15 + c : 16 + c]
        lit = torch.addcmul(base, diffuse, tint * 0.92) + glow
        out[c] = torch.addcmul(gleam * tint, albedo[c], lit)
    return out


def _in_kind(at: Triple, look: PartLook, row: Tensor) -> Triple:
    m = look.in_kind[row]

    def axis(k: int) -> Tensor:
        linear = (
            at[0] * m[:, 4 * k : 4 * k + 1]
            + at[1] * m[:, 4 * k + 1 : 4 * k + 2]
            + at[2] * m[:, 4 * k + 2 : 4 * k + 3]
        )
        return linear + m[:, 4 * k + 3 : 4 * k + 4]

    return axis(0), axis(1), axis(2)


def _patterned(
    shape: str,
    at: Triple,
    normal: Triple,
    albedo: list[Tensor],
    look: PartLook,
    row: Tensor,
    patterned: Tensor,
) -> list[Tensor]:
    """Mix in the second colour where the pattern has it."""
    pick = (patterned > 0).nonzero().squeeze(1)
    which = patterned[pick].unsqueeze(1)
    local: Triple = (at[0][pick], at[1][pick], at[2][pick])
    x, y, z = _in_kind(local, look, row[pick])
    if shape in _FLAT:
        nx, ny, nz = (v[pick].abs() for v in normal)
        on_x, on_z = (nx > ny) & (nx > nz), nz > torch.maximum(nx, ny)
        u, v = torch.where(on_x, y, x) * 5, torch.where(on_z, y, z) * 5
    else:
        u, v = torch.atan2(y, x) * (8 / (2 * math.pi)), z * 5
        top = (
            normal[2][pick].abs()
            > 0.95 * (normal[0][pick] ** 2 + normal[1][pick] ** 2 + normal[2][pick] ** 2).sqrt()
        )
        if shape in ("frustum", "cup"):
            u, v = torch.where(top, x * 5, u), torch.where(top, y * 5, v)
    du, dv = u - u.floor() - 0.5, v - v.floor() - 0.5
    stripes = (dv.abs() > 0.29).float()
    dots = ((du * du + dv * dv) < 0.3**2).float()
    checks = ((u.floor() + v.floor()).remainder(2) > 0.5).float()
    share = torch.where(
        which == PATTERNS.index("striped"),
        stripes,
        torch.where(which == PATTERNS.index("dotted"), dots, checks),
    )
    out: list[Tensor] = []
    for c in range(3):
        own = albedo[c].expand(-1, at[0].shape[1]).clone()
        mine = own[pick]
        own[pick] = mine + (look.partner[row[pick], c : c + 1] - mine) * share
        out.append(own)
    return out


def _grained(at: Triple, albedo: list[Tensor], look: PartLook, row: Tensor) -> list[Tensor]:
    """Wood: slow waves across and fine streaks along x."""
    pick = look.styled[row].nonzero().squeeze(1)
    local: Triple = (at[0][pick], at[1][pick], at[2][pick])
    x, y, z = _in_kind(local, look, row[pick])
    phase = look.phase[row[pick]].unsqueeze(1)
    across = y + z * 0.7
    bend = 0.035 * (x * 5 + phase).sin() + across
    waves = (bend * 42 + 2 * (across * 9 + phase).sin()).sin()
    streaks = (bend * 170 + 3 * phase).sin()
    share = 1 + 0.085 * waves + 0.035 * streaks
    out: list[Tensor] = []
    for c in range(3):
        own = albedo[c].expand(-1, at[0].shape[1]).clone()
        own[pick] = own[pick] * share
        out.append(own)
    return out
