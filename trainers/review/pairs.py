"""The pairs of a manifest as a review needs them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from spatial_trainers.pairs.records import SIDES, image_of, iter_records

_KEYS = ("prompt", "prompt_rejected", *(f"{name}_{side}" for side in SIDES for name in ("image", "sha256")))


@dataclass(frozen=True)
class Picture:
    """An image file.

    Attributes:
        data: Its bytes.
        media_type: E.g. "image/png".
    """

    data: bytes
    media_type: str


@dataclass(frozen=True)
class ReviewPair:
    """One pair.

    Attributes:
        id: From the manifest.
        prompt, prompt_rejected: What the chosen picture shows, and what the other does.
        fingerprint: Of the prompts and the pictures; answers hold for what was shown, nothing else.
        record: The keys of the record that name the pictures.
        folder: Of the manifest.
    """

    id: str
    prompt: str
    prompt_rejected: str
    fingerprint: str
    record: Mapping[str, Any]
    folder: Path

    def read(self, side: str) -> Picture:
        """Return the picture of a side, "chosen" or "rejected".

        Raises:
            ValueError: If it is missing, altered or unreadable, or a link leads out of the folder.
        """
        reference = image_of(self.record, side, self.folder)
        image = reference.open()
        # A picture of a stack is handed out as PNG.
        return Picture(reference.read_bytes(), Image.MIME.get(image.format or "PNG", "image/png"))


def read_pairs(manifest: str | Path) -> dict[str, ReviewPair]:
    """Return the pairs of a manifest by id; pictures are looked at when they are read.

    Raises:
        ValueError: If the manifest or a line is unusable, or names a picture outside the manifest's folder.
    """
    manifest = Path(manifest)
    return {
        record["id"]: ReviewPair(
            record["id"],
            record["prompt"],
            record["prompt_rejected"],
            fingerprint(record),
            {key: record.get(key) for key in _KEYS},
            manifest.parent,
        )
        for _, record in iter_records(manifest)
    }


def fingerprint(record: Mapping[str, Any]) -> str:
    """Return what changes when a record's prompts or pictures do."""
    pictures = [record.get(f"sha256_{side}") or record[f"image_{side}"] for side in SIDES]
    return hashlib.sha256(
        repr([record["prompt"], record["prompt_rejected"], *pictures]).encode()
    ).hexdigest()[:16]
