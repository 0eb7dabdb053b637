"""How much a denoiser is asked: forwards of single pictures, and what share of the device they use."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

BACKWARD = 1.07
"""Cost of a LoRA's backward in forwards: none for the frozen weights' own gradients (FLUX.1-dev, 512 px)."""


class ForwardCounter:
    """Counts at the denoiser's first block, which only real forwards reach.

    Attributes:
        plain: Pictures in forwards without gradient.
        trained: Pictures in forwards with gradient.
        tflop: Of a forward of one picture, measured once.
    """

    def __init__(self, denoiser: Any) -> None:
        """Watch `denoiser`."""
        self.plain = self.trained = 0
        self.tflop: float | None = None
        blocks: nn.ModuleList = denoiser.transformer_blocks
        blocks[0].register_forward_pre_hook(self._count, with_kwargs=True)
        denoiser.register_forward_pre_hook(self._before, with_kwargs=True)
        denoiser.register_forward_hook(self._after)
        self._flops: FlopCounterMode | None = None

    @property
    def equivalents(self) -> float:
        """Forwards, of which one with gradient counts 2.07."""
        return self.plain + (1 + BACKWARD) * self.trained

    def reset(self) -> None:
        """Begin anew."""
        self.plain = self.trained = 0

    def summary(self, *, groups: int, seconds: float, device_tflops: float) -> dict[str, float]:
        """Return what is worth a log of a step with so many groups, in so many seconds."""
        values = {
            "forwards_per_group": self.equivalents / max(1, groups),
            "seconds_per_step": seconds,
        }
        if self.tflop:
            values["tflops"] = self.tflop * self.equivalents / seconds
            if device_tflops:
                values["mfu"] = values["tflops"] / device_tflops
        return values

    def _count(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        rows = len(kwargs["hidden_states"] if "hidden_states" in kwargs else args[0])
        if torch.is_grad_enabled():
            self.trained += rows
        else:
            self.plain += rows
        self._rows = rows

    def _before(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._rows = 0
        if self.tflop is None and not torch.is_grad_enabled():
            self._flops = FlopCounterMode(display=False)
            self._flops.__enter__()

    def _after(self, *_: Any) -> None:
        if self._flops is not None:
            self._flops.__exit__(None, None, None)
            if self._rows:
                self.tflop = self._flops.get_total_flops() / self._rows / 1e12
            self._flops = None
