"""The localizer's network: a small U-shaped ConvNet that says of every 4 x 4 pixels what lies there.

Shape letters: B batch, h w cells (a quarter of the picture's sides), K kinds, C colours, P patterns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

STRIDE = 4
"""Pixels per side of a cell."""

_BOX_UNIT = 0.25
"""An output of 1 is this share of the picture, so that the box outputs are about as large as all others."""
_GROUPS = 8


@dataclass(frozen=True)
class LocalizerConfig:
    """What a localizer knows, and its size.

    Attributes:
        kinds, colors, patterns: Names in the order of the outputs.
        uncolored: Kinds whose colour and pattern nobody names, so that they were never learnt.
        size: Side of the square picture it looks at, in pixels; a multiple of 16.
        widths: Channels at strides 4, 8 and 16.
        blocks: Residual blocks on the way down at each stride.
    """

    kinds: tuple[str, ...]
    colors: tuple[str, ...]
    patterns: tuple[str, ...]
    uncolored: tuple[str, ...] = ()
    size: int = 128
    widths: tuple[int, int, int] = (48, 112, 160)
    blocks: tuple[int, int, int] = (1, 2, 2)


@dataclass(frozen=True)
class DenseFields:
    """What every cell says.

    Attributes:
        heat: [B, h, w], logit that a thing is here; highest in the middle of its visible part.
        kind, color, pattern: [B, K | C | P, h, w], logits of the thing that is seen here.
        box: [B, 4, h, w], xyxy of the whole of it, its hidden part too, in units of the picture.
        log_distance: [B, h, w], logarithm of its mean distance from the camera in metres.
    """

    heat: Tensor
    kind: Tensor
    color: Tensor
    pattern: Tensor
    box: Tensor
    log_distance: Tensor


class _Conv(nn.Module):
    """A convolution that keeps its kernels as one matrix, a row for each output: what Muon trains."""

    def __init__(self, inputs: int, outputs: int, side: int, *, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.randn(outputs, inputs * side * side) * (inputs * side * side) ** -0.5
        )
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.shape = (outputs, inputs, side, side)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight.view(self.shape), self.bias, self.stride, self.padding)


class _Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.first = _Conv(width, width, 3, padding=1)
        self.second = _Conv(width, width, 3, padding=1)
        # Each block starts as the identity.
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(self.norm(x)))))


class LocalizerNetwork(nn.Module):
    """Pictures in, `DenseFields` out."""

    def __init__(self, config: LocalizerConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.widths

        def blocks(width: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(_Block(width) for _ in range(count)))

        # Two further channels say where in the picture one is: the lower on the floor, the nearer.
        self.stem = _Conv(5, fine // 2, 5, stride=2, padding=2)
        self.fine_in = _Conv(fine // 2, fine, 3, stride=2, padding=1)
        self.fine = blocks(fine, config.blocks[0])
        self.middle_in = _Conv(fine, middle, 2, stride=2)
        self.middle = blocks(middle, config.blocks[1])
        self.coarse_in = _Conv(middle, coarse, 2, stride=2)
        self.coarse = blocks(coarse, config.blocks[2])
        # The whole picture's mean tells every cell about camera and light.
        self.whole = nn.Linear(coarse, coarse)
        self.middle_back = _Conv(coarse, middle, 1)
        self.middle_out = blocks(middle, 1)
        self.fine_back = _Conv(middle, fine, 1)
        self.fine_out = blocks(fine, 1)
        self.sizes = (1, len(config.kinds), len(config.colors), len(config.patterns), 4, 1)
        self.norm = nn.GroupNorm(_GROUPS, fine)
        self.head = _Conv(fine, sum(self.sizes), 1)
        # Most cells show nothing: begin there.
        nn.init.constant_(self.head.bias[:1], -2.0)

    def forward(self, images: Tensor) -> DenseFields:
        """Return the fields of images [B, 3, size, size] in [0, 1]."""
        height, width = images.shape[-2:]
        rows = torch.linspace(-1, 1, height, device=images.device, dtype=images.dtype)
        columns = torch.linspace(-1, 1, width, device=images.device, dtype=images.dtype)
        place = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(len(images), -1, -1, -1)
        x = torch.cat([images * 2 - 1, place], 1).contiguous(memory_format=torch.channels_last)
        fine = self.fine(self.fine_in(F.relu(self.stem(x))))
        middle = self.middle(self.middle_in(fine))
        coarse = self.coarse(self.coarse_in(middle))
        coarse = coarse + self.whole(coarse.mean((2, 3)))[:, :, None, None]
        middle = self.middle_out(middle + _doubled(self.middle_back(coarse)))
        fine = self.fine_out(fine + _doubled(self.fine_back(middle)))
        # Boxes and distances need more than the eight bits of mixed precision.
        with torch.autocast(images.device.type, enabled=False):
            parts = self.head(F.relu(self.norm(fine.to(self.head.weight.dtype)))).split(self.sizes, 1)
        heat, kind, color, pattern, box, distance = parts
        at = cell_centers(heat.shape[-2], heat.shape[-1], device=heat.device).to(box.dtype)
        box = torch.cat([at, at])[None] + box * _BOX_UNIT
        return DenseFields(heat[:, 0], kind, color, pattern, box, distance[:, 0])


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def cell_centers(rows: int, columns: int, *, device: torch.device | str = "cpu") -> Tensor:
    """Return x and y [2, rows, columns] of the middles of cells, in units of the picture."""
    y = (torch.arange(rows, device=device) + 0.5) / rows
    x = (torch.arange(columns, device=device) + 0.5) / columns
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))
