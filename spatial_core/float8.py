"""Linear layers with weights of 8 bits, computed in the type of their input: half the memory of bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

_LARGEST = torch.finfo(torch.float8_e4m3fn).max


class Float8Linear(nn.Module):
    """A linear layer with weights in float8_e4m3fn and one scale for each output row."""

    def __init__(self, linear: nn.Linear) -> None:
        """Round the weights of `linear`."""
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / _LARGEST
        self.weight = nn.Parameter((weight / scale).to(torch.float8_e4m3fn), requires_grad=False)
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return `x @ weight.T + bias` in the type of `x`."""
        scale: Tensor = self.scale  # pyright: ignore[reportAssignmentType]
        return F.linear(x, self.weight.to(x.dtype) * scale.to(x.dtype), self.bias)


def to_float8(model: nn.Module) -> None:
    """Put `Float8Linear` in the place of every linear layer below `model`, in place.

    Embeddings, norms and convolutions keep their type.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, Float8Linear(child))
