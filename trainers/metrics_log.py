"""Metrics as JSON lines, one a step; a resumed run first drops those that a kill took back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from spatial_core.atomic_files import write_text


class MetricsLog:
    """Appends `{"step": n, name: value, ...}` lines to a file."""

    def __init__(self, path: Path, step: int, *, enabled: bool = True) -> None:
        """Keep the lines of the file up to `step`; do nothing, now and later, if not enabled."""
        self._path, self._enabled = path, enabled
        if enabled:
            lines = path.read_text("utf-8").splitlines() if path.is_file() and step else []
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
            write_text(path, "".join(f"{line}\n" for line in kept))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line."""
        if self._enabled:
            rounded = {key: float(f"{value:.7g}") for key, value in values.items()}
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"step": step} | rounded) + "\n")
