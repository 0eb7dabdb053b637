"""Image tokens kept by the image's content, for one image that meets many prompts."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

from spatial_core.vision_language import encode_images

Key = tuple[object, ...]
CACHE_BYTES = 64 * 2**20
"""What scorers keep: fifty images of 504 x 504 under Qwen2.5-VL-3B."""
_MIXERS = (-7046029254386353131, -4417276706812531889)
"""Odd 64-bit constants."""


def fingerprint(values: Tensor) -> tuple[int, ...]:
    """Return 128 bits that tell float32 tensors apart, computed where `values` is.

    A multiply-and-add hash of the values' bits: different images meet with a chance of about 2^-64 for each
    half, but whoever wants to can construct two that do.
    """
    bits = values.detach().float().contiguous().view(torch.int32).flatten().long()
    places = torch.arange(1, len(bits) + 1, device=bits.device)
    sums = []
    for mixer in _MIXERS:
        weight = places * mixer
        weight = (weight ^ (weight >> 29)) * _MIXERS[0] | 1
        sums.append(((bits + mixer) * weight).sum())
    return tuple(torch.stack(sums).tolist())


class FeatureCache:
    """The vision tower's output for the images seen last.

    Attributes:
        max_bytes: What is kept at most; the images used longest ago go first.
        hits, misses: Images found, and encoded.
    """

    def __init__(self, max_bytes: int) -> None:
        """Begin empty."""
        self.max_bytes = max_bytes
        self.hits = self.misses = 0
        self._kept: OrderedDict[Key, list[Tensor]] = OrderedDict()
        self._bytes = 0

    def encode(self, backbone: Any, pixel_values: Tensor, grid_thw: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return `encode_images(backbone, pixel_values, grid_thw)`, encoding what is not known alone.

        Features are forgotten when the vision tower's parameters change in place, type or device. Nothing is
        kept where gradients are asked for.
        """
        if torch.is_grad_enabled():
            return encode_images(backbone, pixel_values, grid_thw)
        if not self.max_bytes:
            self.misses += len(grid_thw)
            return encode_images(backbone, pixel_values, grid_thw)
        patches: list[int] = grid_thw.prod(dim=1).tolist()
        pieces = pixel_values.split(patches)
        weights = self._weights(backbone)
        keys = [
            (*weights, *grid, *fingerprint(piece))
            for grid, piece in zip(grid_thw.tolist(), pieces, strict=True)
        ]
        new = list({key: i for i, key in enumerate(keys) if key not in self._kept}.values())
        self.misses += len(new)
        self.hits += len(keys) - len(new)
        device = pixel_values.device
        found = {key: [part.to(device) for part in self._kept[key]] for key in keys if key in self._kept}
        if new:
            tokens, deepstack = encode_images(
                backbone, torch.cat([pieces[i] for i in new]), grid_thw[torch.tensor(new)]
            )
            merge = backbone.config.vision_config.spatial_merge_size
            counts = [patches[i] // merge**2 for i in new]
            split = [features.split(counts) for features in (tokens, *deepstack)]
            found |= {keys[i]: [part[row] for part in split] for row, i in enumerate(new)}
        for key in keys:
            self._keep(key, found[key])
        tokens, *deepstack = (torch.cat(parts) for parts in zip(*(found[key] for key in keys), strict=True))
        return tokens, deepstack

    @staticmethod
    def _weights(backbone: Any) -> Key:
        first = next(backbone.visual.parameters())
        # Counts what was written in place: an optimizer's steps, a loaded state. Weights that were loaded in
        # inference mode, as ComfyUI does, do not count.
        versions = sum(p._version for p in backbone.visual.parameters() if not p.is_inference())
        return id(backbone), first.dtype, first.device, versions

    def _keep(self, key: Key, features: list[Tensor]) -> None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        # In the host's memory: what nobody knows of on a graphics card, nobody can take away there. And a
        # clone, since parts of a larger tensor would keep all of it.
        self._kept[key] = [part.cpu().clone() for part in features]
        self._bytes += sum(part.nbytes for part in features)
        while self._bytes > self.max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= sum(part.nbytes for part in oldest)
