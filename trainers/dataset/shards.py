"""Shards of a build on disk. A shard is whole once its file is there, and it gets there by a rename.

DIR/build.json                  what the pairs depend on
DIR/prompts/train-00000.jsonl   prompts, where they are not made with the pictures
DIR/images/train-00000/*.png    pictures
DIR/shards/train-00000.jsonl    pair records and failures
DIR/verdicts/train-00000.jsonl  what a scorer says
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from spatial_core.atomic_files import write_text
from spatial_trainers.dataset.build_recipe import ChecksRecipe
from spatial_trainers.dataset.checks import label_faults, perceptual_hash, picture_faults
from spatial_trainers.dataset.drafts import Draft, Failure
from spatial_trainers.pairs.records import SIDES, Record

Stage = Literal["prompts", "shards", "verdicts"]
_UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class Shard:
    """A run of pair numbers of one split.

    Attributes:
        split: Of the pairs.
        index: Number of the shard within the split.
        first: Number of its first pair.
        count: How many pairs.
    """

    split: str
    index: int
    first: int
    count: int

    @property
    def name(self) -> str:
        """Name of its files: "train-00003"."""
        return f"{self.split}-{self.index:05d}"

    @property
    def numbers(self) -> range:
        """Numbers of its pairs."""
        return range(self.first, self.first + self.count)


class BuildFolder:
    """The folder of one build."""

    def __init__(self, path: str | Path):
        """Look at `path`, which need not exist."""
        self.path = Path(path)

    def claim(self, facts: dict[str, Any]) -> None:
        """Take the folder for a build, or go on with the same one; remove what a killed one left half done.

        Raises:
            ValueError: If it holds another build.
        """
        note = self.path / "build.json"
        text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
        if note.is_file() and note.read_text("utf-8") != text:
            changed = _difference(json.loads(note.read_text("utf-8")), json.loads(text))
            raise ValueError(
                f"{self.path} holds a build with other settings ({changed}). Choose another 'output', or set "
                "them back to go on with that build."
            )
        for folder in ("images", "shards", "prompts", "verdicts"):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        if not note.is_file():
            write_text(note, text)
        for left in (self.path / "images").glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
        for folder in (self.path, *(self.path / name for name in ("shards", "prompts", "verdicts"))):
            # The names that `atomic_files` gives to files it has not renamed yet.
            for left in folder.glob(".*-" + "[0-9a-f]" * 8 + ".*"):
                left.unlink()

    def has(self, stage: Stage, shard: Shard) -> bool:
        """Return whether a stage is done with a shard."""
        return self._file(stage, shard).is_file()

    def rows(self, stage: Stage, shard: Shard) -> list[Any]:
        """Return what a stage wrote for a shard."""
        lines = self._file(stage, shard).read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def write(self, stage: Stage, shard: Shard, rows: Iterable[Any]) -> None:
        """Write what a stage found for a shard; from then on the stage is done with it."""
        lines = (json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        write_text(self._file(stage, shard), "".join(lines))

    def write_drawn(self, shard: Shard, drawn: Sequence[Draft | Failure], recipe: ChecksRecipe) -> None:
        """Write a shard's pictures, then its records with what checks of the pictures alone say."""
        place = self.path / "images" / shard.name
        unfinished = place.with_name(f"{_UNFINISHED}{shard.name}-{secrets.token_hex(4)}")
        unfinished.mkdir()
        try:
            rows = [
                {"failure": asdict(d)}
                if isinstance(d, Failure)
                else {"record": _stored(d, unfinished, shard, recipe)}
                for d in drawn
            ]
            # Left by a build that was killed between this rename and the next.
            shutil.rmtree(place, ignore_errors=True)
            os.replace(unfinished, place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        self.write("shards", shard, rows)

    def drop_damaged(self, shard: Shard) -> bool:
        """Take back a drawn shard of which a picture is missing or altered; return whether it was."""
        for row in self.rows("shards", shard):
            for side in SIDES if "record" in row else ():
                path = self.path / row["record"][f"image_{side}"]
                digest = row["record"][f"sha256_{side}"]
                if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                    self._file("shards", shard).unlink()
                    return True
        return False

    def _file(self, stage: Stage, shard: Shard) -> Path:
        return self.path / stage / f"{shard.name}.jsonl"


def _stored(draft: Draft, folder: Path, shard: Shard, recipe: ChecksRecipe) -> Record:
    """Write the pictures of a pair to `folder`; return its record with their names, hashes and faults."""
    record = dict(draft.record)
    pictures = dict(zip(SIDES, (draft.chosen, draft.rejected), strict=True))
    for side, picture in pictures.items():
        path = folder / f"{record['id']}-{side}.png"
        # Three times as fast as the default, and an eighth larger.
        picture.save(path, compress_level=1)
        record[f"image_{side}"] = f"images/{shard.name}/{path.name}"
        record[f"sha256_{side}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    faults = picture_faults(draft.chosen, draft.rejected, recipe)
    if record.get("labels"):
        faults += label_faults(record)
    hashes = [perceptual_hash(picture) for picture in pictures.values()]
    return record | {"checks": {"faults": faults, "perceptual_hashes": hashes}}


def _difference(old: Any, new: Any, prefix: str = "") -> str:
    """Return the first settings that differ, as "a.b: 1, now 2"."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return f"{prefix}: {old!r}, now {new!r}"
    found = [
        _difference(old.get(key), new.get(key), f"{prefix}.{key}".lstrip("."))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]
    return "; ".join(found[:3]).replace("settings.", "")
