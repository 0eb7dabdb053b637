"""A small set of pairs with pictures that are all different, and a clock that tests set."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PROMPT = "A {} cup is to the left of a plate."
PROMPT_REJECTED = "A {} cup is to the right of a plate."


def write_pairs(folder: Path, count: int, *, name: str = "pairs.jsonl", size: int = 24) -> Path:
    """Write a manifest with pictures that are all different."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    lines = []
    for i in range(count):
        record: dict[str, Any] = {
            "id": f"{Path(name).stem}-{i:04d}",
            "split": "train",
            "prompt": PROMPT.format(f"number {i}"),
            "prompt_rejected": PROMPT_REJECTED.format(f"number {i}"),
            "review": None,
        }
        for side in ("chosen", "rejected"):
            # Large pictures have large grains, so that writing them takes no time.
            grains = np.random.default_rng([i, side == "chosen", len(name)]).integers(
                0, 256, (min(size, 32), min(size, 32), 3), dtype=np.uint8
            )
            pixels = grains.repeat(size // len(grains), axis=0).repeat(size // len(grains), axis=1)
            path = folder / "images" / f"{Path(name).stem}-{i:04d}-{side}.png"
            Image.fromarray(pixels).save(path)
            record[f"image_{side}"] = f"images/{path.name}"
            record[f"sha256_{side}"] = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(json.dumps(record) + "\n")
    manifest = folder / name
    manifest.write_text("".join(lines), encoding="utf-8")
    return manifest


class Clock:
    """Seconds since 1970 that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now
