"""What a measurement was taken on."""

from __future__ import annotations

import platform
from datetime import datetime, timezone
from pathlib import Path

import torch
import transformers

from spatial_core import __version__


def about(device: torch.device) -> dict[str, str]:
    """Return date, hardware and versions."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "spatial-diffusion": __version__,
    }


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
