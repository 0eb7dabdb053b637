"""The starter's latents: what a picture shows beside how it looks, so that a small model learns to draw soon.

Sixteen channels of 16 x 16 cells. Eight are the first principal components of a cell's pixels. Eight tell
which object covers most of the cell: four its kind and four where its box lies from here. A flow model then
decides what stands where in channels that hardly change within an object, and the decoder, which knows kind
and place of every cell, draws its outline. That generation gains from latents with meaning is the finding
of arXiv 2504.16064 and 2510.11690; in scenes of our own we need no other model to have them.

The flow model is trained on these exact latents; the autoencoder's encoder learns to tell them from pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_trainers.flow.scenes import FlowScenes
from spatial_trainers.flow.world import KINDS

LATENT_CHANNELS = 16
PATCH = 8
PIXEL_CHANNELS = 8
Pictures = npt.NDArray[np.uint8]
FITTED = 2048
"""Pictures that the code of pixels is fitted to, at most."""
_CORNER = 1.25
_PLACE_SCALE = torch.tensor([10.0, 10.0, 4.0, 4.0])
"""Of the way to the box's centre and of its size, for a deviation of about 1 within objects."""


@dataclass(frozen=True)
class PatchBasis:
    """A linear code of patches, the first eight channels of the latents.

    Attributes:
        weight: float32 `[8, 192]`, components of a patch (rows, columns, channels; pixels in [0, 1]).
        offset: float32 `[8]`, added to them.
        back: float32 `[192, 8]` and `mean`: float32 `[192]`, the best linear way back.
        signs: float32 `[8]`, 1 or -1: what mirroring does to each channel.
    """

    weight: Tensor
    offset: Tensor
    back: Tensor
    mean: Tensor
    signs: Tensor

    def encode(self, pixels: Tensor) -> Tensor:
        """Return components `[B, 8, H/8, W/8]` of pixels `[B, 3, H, W]` in [-1, 1]."""
        b, _, h, w = pixels.shape
        components = _patches((pixels + 1) / 2) @ self.weight.T + self.offset
        return components.view(b, h // PATCH, w // PATCH, -1).permute(0, 3, 1, 2)

    def mirror(self, components: Tensor) -> Tensor:
        """Return the components of the mirrored pictures."""
        return components.flip(-1) * self.signs[:, None, None]


def _patches(pixels: Tensor) -> Tensor:
    """Return `[B * H/8 * W/8, 192]` from `[B, 3, H, W]`."""
    b, c, h, w = pixels.shape
    cells = pixels.reshape(b, c, h // PATCH, PATCH, w // PATCH, PATCH)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(-1, PATCH * PATCH * c)


def as_pixels(pictures: Pictures) -> Tensor:
    """Return uint8 pictures `[N, H, W, 3]` as float32 `[N, 3, H, W]` in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def fit_basis(pictures: Pictures) -> PatchBasis:
    """Return the principal components of the patches of (at most 2048) pictures and their mirror images.

    Each channel's deviation is what it is in pixels to the power of two thirds, scaled so that all together
    have 1: coarse channels count more than fine ones and come out of the noise before them.
    """
    total, second, count = torch.zeros(192), torch.zeros(192, 192), 0
    for part in np.array_split(pictures[:FITTED], max(1, min(len(pictures), FITTED) // 64)):
        patches = _patches((as_pixels(part) + 1) / 2)
        total += patches.sum(0)
        second += patches.T @ patches
        count += len(patches)
    flipped = torch.arange(192).view(PATCH, PATCH, 3).flip(1).reshape(-1)
    mean = total / count
    mean = (mean + mean[flipped]) / 2
    covariance = second / count - torch.outer(mean, mean)
    # Symmetric under mirroring, so that every component is even or odd.
    covariance = (covariance + covariance[flipped][:, flipped]) / 2
    values, vectors = torch.linalg.eigh(covariance.double())
    values, vectors = values[-PIXEL_CHANNELS:].flip(0), vectors[:, -PIXEL_CHANNELS:].flip(1)
    # An eigenvector's own sign is arbitrary: make it reproducible.
    vectors = vectors * vectors.sum(0).sign().where(vectors.sum(0).abs() > 1e-3, vectors[0].sign())
    deviation = values.pow(1 / 3)
    deviation = deviation / deviation.square().mean().sqrt()
    scale = deviation / values.sqrt()
    weight = (vectors * scale).T.float()
    return PatchBasis(
        weight=weight,
        offset=-(weight @ mean),
        back=(vectors / scale).float(),
        mean=mean,
        signs=(vectors * vectors[flipped]).sum(0).sign().float(),
    )


def kind_codes() -> Tensor:
    """Return the code of each kind, float32 `[kinds + 1, 4]`: its number in `KINDS`, binary, of -1 and 1.

    The codes are the corners of a cube of four dimensions, 2.5 from the origin, which means no object, and
    2.5 or more from each other. Rows of kinds that the starter does not draw, and the last, are 0.
    """
    codes, names = torch.zeros(len(OBJECT_KINDS) + 1, 4), list(OBJECT_KINDS)
    for number, kind in enumerate(KINDS):
        codes[names.index(kind)] = torch.tensor(
            [_CORNER if number >> bit & 1 else -_CORNER for bit in range(4)]
        )
    return codes


def mirrored_labels(
    scenes: FlowScenes, index: npt.NDArray[np.int64], mirror: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return patches `[B, 16, 16]` and boxes `[B, M, 4]` of scenes, of their mirror images where `mirror`."""
    patches = np.where(mirror[:, None, None], scenes.patches[index][:, :, ::-1], scenes.patches[index])
    boxes = scenes.boxes[index].copy()
    boxes[mirror, :, 0], boxes[mirror, :, 2] = 1 - scenes.boxes[index][mirror, :, 2], 1 - boxes[mirror, :, 0]
    return patches, boxes


class LatentCode:
    """From scenes to their latents."""

    def __init__(self, basis: PatchBasis):
        """Hold the code of pixels."""
        self.basis, self.kinds = basis, kind_codes()

    def objects(
        self, scenes: FlowScenes, index: npt.NDArray[np.int64], mirror: npt.NDArray[np.bool_]
    ) -> Tensor:
        """Return the eight channels of what is shown, float32 `[B, 8, 16, 16]`; 0 where there is no thing."""
        patches, boxes = mirrored_labels(scenes, index, mirror)
        row = np.arange(len(index))[:, None, None]
        object_ = np.maximum(patches.astype(np.int64), 0)
        shown = (patches >= 0) & scenes.is_thing[index][row, object_]
        kinds = self.kinds[
            torch.from_numpy(np.where(shown, scenes.kinds[index][row, object_], -1).astype(int))
        ]
        side = patches.shape[1]
        middles = (np.arange(side, dtype=np.float32) + 0.5) / side
        y, x = np.meshgrid(middles, middles, indexing="ij")
        box = boxes[row, object_]
        way = (box[..., :2] + box[..., 2:]) / 2 - np.stack([x, y], axis=-1)
        place = np.concatenate([way, box[..., 2:] - box[..., :2]], axis=-1) * shown[..., None]
        channels = torch.cat([kinds, torch.from_numpy(place).float() * _PLACE_SCALE], dim=-1)
        return channels.permute(0, 3, 1, 2)

    def latents(
        self,
        scenes: FlowScenes,
        index: npt.NDArray[np.int64],
        mirror: npt.NDArray[np.bool_],
        components: Tensor,
    ) -> Tensor:
        """Return latents float32 `[B, 16, 16, 16]` of scenes, of their mirror images where `mirror`.

        Args:
            scenes: All of them.
            index: Which, `[B]`.
            mirror: `[B]`.
            components: `[B, 8, 16, 16]`, the basis's, of the pictures as they are.
        """
        flip = torch.from_numpy(mirror)[:, None, None, None]
        seen = torch.where(flip, self.basis.mirror(components.float()), components.float())
        return torch.cat([seen, self.objects(scenes, index, mirror)], dim=1)
