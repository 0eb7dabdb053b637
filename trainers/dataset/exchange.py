"""What every form that a dataset travels in shares: pairs with the bytes of their pictures, out and in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_core.atomic_files import write_bytes
from spatial_trainers.pairs.records import SIDES, Record, image_of, iter_records, validate, write_records

SHOWN = ("id", "split", "scene", "prompt", "prompt_rejected")
"""Keys that people look for; forms that have columns give them one each, and the rest one in JSON."""


@dataclass(frozen=True)
class PairFiles:
    """A pair with its pictures.

    Attributes:
        record: The pair record.
        pictures: Bytes of the image files, by side.
    """

    record: Record
    pictures: Mapping[str, bytes]

    def split_keys(self) -> tuple[Record, Record]:
        """Return the keys of `SHOWN`, and the others."""
        shown = {key: self.record.get(key, "") for key in SHOWN}
        return shown, {key: value for key, value in self.record.items() if key not in SHOWN}


def joined(shown: Mapping[str, Any], others: Mapping[str, Any]) -> Record:
    """Return a record from what `PairFiles.split_keys` made of it."""
    record = {key: shown[key] for key in SHOWN if key != "scene" or shown.get("scene")}
    return record | dict(others)


def pairs_of(manifest: str | Path) -> Iterator[PairFiles]:
    """Yield the pairs of a manifest; pictures of a stack become PNG files.

    Raises:
        ValueError: If a line or a picture is unusable; names it.
    """
    path = Path(manifest)
    for number, record in iter_records(path):
        try:
            references = {side: image_of(record, side, path.parent) for side in SIDES}
            pictures = {side: reference.read_bytes() for side, reference in references.items()}
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        for side, reference in references.items():
            if reference.index is not None:
                record[f"image_{side}"] = f"images/{record['id']}-{side}.png"
                record[f"sha256_{side}"] = hashlib.sha256(pictures[side]).hexdigest()
        yield PairFiles(record, pictures)


def write_pairs(pairs: Iterable[PairFiles], folder: str | Path) -> tuple[Path, int]:
    """Write pairs as a manifest with its pictures; return the manifest and their number.

    Raises:
        ValueError: If the folder holds a manifest, a record is malformed, or a picture is another than its
            record says.
    """
    folder = Path(folder)
    manifest = folder / "manifest.jsonl"
    if manifest.exists():
        raise ValueError(f"{manifest} is there already. Name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    count = 0

    def records() -> Iterator[Record]:
        nonlocal count
        seen: set[str] = set()
        for place, pair in enumerate(pairs, start=1):
            try:
                validate(pair.record)
                if pair.record["id"] in seen:
                    raise ValueError(f"repeats the id '{pair.record['id']}'")
                for side in SIDES:
                    _write_picture(pair, side, folder)
            except ValueError as error:
                raise ValueError(f"Pair {place}: the record {error}. Correct or remove it.") from error
            seen.add(pair.record["id"])
            count += 1
            yield pair.record
        if not seen:
            raise ValueError("There are no pairs to import.")

    write_records(manifest, records())
    return manifest, count


def _write_picture(pair: PairFiles, side: str, folder: Path) -> None:
    reference = image_of(pair.record, side, folder)
    data = pair.pictures[side]
    if reference.index is not None:
        raise ValueError(
            f"names a picture of a stack ('{pair.record[f'image_{side}']}'), which cannot travel"
        )
    if reference.sha256 and hashlib.sha256(data).hexdigest() != reference.sha256:
        raise ValueError(f"comes with another {side} picture than it was written for (its sha256 differs)")
    os.makedirs(reference.path.parent, exist_ok=True)
    write_bytes(reference.path, data)


def file_name(pair: PairFiles, side: str, number: int) -> str:
    """Return a file name for a picture that any system takes, whatever the record's id is."""
    return f"{number:08d}-{side}{Path(pair.record[f'image_{side}']).suffix or '.png'}"
