"""Several ways to one result, run in turns: time of the process, time of the wall, FLOPs, peak memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """What one way cost.

    Attributes:
        process: Seconds of CPU time of each turn, over all threads.
        wall: Seconds of each turn.
        flops: Of one turn; 0 where they were not counted.
        peak_bytes: Largest memory of the device beyond what lay there before; None on a CPU.
    """

    process: tuple[float, ...]
    wall: tuple[float, ...]
    flops: int = 0
    peak_bytes: int | None = None

    @property
    def main(self) -> tuple[float, ...]:
        """The times that ratios are made of: on a CPU, which others may share, those of the process."""
        return self.process if self.peak_bytes is None else self.wall


@dataclass(frozen=True)
class Spread:
    """Median, least and largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


def ratios(slow: Cost, fast: Cost) -> Spread:
    """Return by how much `slow` took longer, turn by turn."""
    return Spread.of([a / b for a, b in zip(slow.main, fast.main, strict=True)])


def count_flops(way: Callable[[], Any]) -> tuple[Any, int]:
    """Return what `way` returns and the FLOPs of its matrix products, attention included."""
    # torch counts the kernels of GPUs alone.
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    with FlopCounterMode(display=False, custom_mapping={attention: _attention_flops}) as counter:
        result = way()
    return result, counter.get_total_flops()


def _attention_flops(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any
) -> int:
    """Return the FLOPs of both products of attention, masked cells included; shapes `[B, heads, L, head]`."""
    batch, heads, length, width = query
    return 2 * batch * heads * length * key[-2] * (width + value[-1])


@torch.no_grad()
def take_turns(
    ways: Mapping[str, Callable[[], Any]], *, turns: int, device: torch.device
) -> tuple[dict[str, Any], dict[str, Cost]]:
    """Run the ways A B A B ...; return their results of the last turn, and their costs.

    A first turn, which is not timed, counts FLOPs and warms up.

    Args:
        ways: At least one, by name.
        turns: Timed turns of each, at least 1.
        device: Where they work.
    """
    cuda = device.type == "cuda"
    flops = {name: count_flops(way)[1] for name, way in ways.items()}
    results: dict[str, Any] = {}
    process: dict[str, list[float]] = {name: [] for name in ways}
    wall: dict[str, list[float]] = {name: [] for name in ways}
    peaks: dict[str, int] = {}
    for _ in range(turns):
        for name, way in ways.items():
            before = 0
            if cuda:
                torch.cuda.synchronize(device)
                torch.cuda.reset_peak_memory_stats(device)
                before = torch.cuda.memory_allocated(device)
            began, began_wall = time.process_time(), time.perf_counter()
            results[name] = way()
            if cuda:
                torch.cuda.synchronize(device)
                peaks[name] = torch.cuda.max_memory_allocated(device) - before
            process[name].append(time.process_time() - began)
            wall[name].append(time.perf_counter() - began_wall)
    return results, {
        name: Cost(tuple(process[name]), tuple(wall[name]), flops[name], peaks.get(name)) for name in ways
    }
