"""Pictures whose spectrum falls like that of photographs, made from seeds."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def picture(side: int, seed: int) -> Tensor:
    """Return an 8-bit picture `[side, side, 3]`: smooth noise of all scales, the coarse ones strongest."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(1, 3, side, side)
    cells = 4
    while cells <= side // 4:
        noise = torch.randn(1, 3, cells, cells, generator=generator)
        total += F.interpolate(noise, (side, side), mode="bicubic", align_corners=False) / cells**0.5
        cells *= 2
    return ((total[0] * 0.35 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
