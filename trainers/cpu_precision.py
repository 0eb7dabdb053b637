"""bfloat16 on a CPU, where it is worth it.

A CPU that does not multiply bfloat16 itself is ten times slower with it than with float32: with the
instructions limited to AVX2, a pretraining step of 3 pictures took 15 s forward and backward against 1.4 s.
Intel's CPUs that can are slower with it where AMX is missing: a virtual Xeon that hides AMX did
157 GFLOP/s in bfloat16 and 261 to 303 in float32 (layers of 256 to 1,280 channels on 6,144 rows, two cores).
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import torch


@cache
def multiplies_bfloat16() -> bool:
    """Return whether torch uses instructions for bfloat16 of this CPU, and they are faster than float32."""
    known = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return known and (torch.cpu._is_amx_tile_supported() or not _by_intel())


def _by_intel() -> bool:
    facts = Path("/proc/cpuinfo")
    name = facts.read_text("utf-8", errors="replace") if facts.is_file() else platform.processor()
    return "GenuineIntel" in name


def cpu_autocast() -> torch.autocast:
    """Return the context that computes in bfloat16 where the CPU multiplies it, and else changes nothing."""
    return torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16())


def usable_precision(wanted: str) -> str:
    """Return accelerate's name of the precision: "no" where training would run on a CPU without bfloat16."""
    return wanted if torch.accelerator.is_available() or multiplies_bfloat16() else "no"
