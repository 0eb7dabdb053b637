"""bfloat16 on a CPU, where it is worth it.

A CPU that does not multiply bfloat16 itself is ten times slower with it than with float32: with the
instructions limited to AVX2, a pretraining step of 3 pictures took 15 s forward and backward against 1.4 s.
"""

from __future__ import annotations

import torch


def multiplies_bfloat16() -> bool:
    """Return whether this CPU has instructions for bfloat16 that torch uses."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def cpu_autocast() -> torch.autocast:
    """Return the context that computes in bfloat16 where the CPU multiplies it, and else changes nothing."""
    return torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16())


def usable_precision(wanted: str) -> str:
    """Return accelerate's name of the precision: "no" where training would run on a CPU without bfloat16."""
    return wanted if torch.accelerator.is_available() or multiplies_bfloat16() else "no"
