"""A JSONL file that grows line by line and survives being cut short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spatial_core.atomic_files import write_text


def drop_cut_line(path: Path) -> None:
    """Remove a last line that was not written to its end."""
    if path.is_file() and (text := path.read_text("utf-8")) and not text.endswith("\n"):
        write_text(path, text[: text.rfind("\n") + 1])


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a journal; none if it is not there."""
    drop_cut_line(path)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
