"""The imagefolder of Hugging Face `datasets`: a folder a split, pictures and a metadata.jsonl beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from spatial_core.atomic_files import write_bytes, write_text
from spatial_trainers.dataset.exchange import PairFiles, file_name, joined, pairs_of
from spatial_trainers.pairs.records import SIDES, SPLITS, Record


def export_imagefolder(manifest: str | Path, folder: str | Path) -> int:
    """Write train/metadata.jsonl, train/00000000-chosen.png and so on; return the number of pairs.

    `datasets.load_dataset("imagefolder", data_dir=folder)` shows the columns `chosen` and `rejected` as
    pictures; `details` holds in JSON what has no column of its own.
    """
    folder = Path(folder)
    rows: dict[str, list[Record]] = {split: [] for split in SPLITS}
    count = 0
    for number, pair in enumerate(pairs_of(manifest)):
        split = pair.record["split"]
        (folder / split).mkdir(parents=True, exist_ok=True)
        shown, others = pair.split_keys()
        names = {side: file_name(pair, side, number) for side in SIDES}
        for side in SIDES:
            write_bytes(folder / split / names[side], pair.pictures[side])
        files = {f"{side}_file_name": names[side] for side in SIDES}
        rows[split].append(files | shown | {"details": json.dumps(others)})
        count += 1
    for split, lines in rows.items():
        if lines:
            text = "".join(json.dumps(line) + "\n" for line in lines)
            write_text(folder / split / "metadata.jsonl", text)
    return count


def read_imagefolder(folder: str | Path) -> Iterator[PairFiles]:
    """Yield the pairs of an imagefolder that `export_imagefolder` wrote.

    Raises:
        ValueError: If there is none, or a line or picture is unusable; names it.
    """
    paths = [path for split in SPLITS if (path := Path(folder, split, "metadata.jsonl")).is_file()]
    if not paths:
        raise ValueError(f"{folder} holds no {', '.join(f'{split}/metadata.jsonl' for split in SPLITS)}.")
    for path in paths:
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                record = joined(row, json.loads(row["details"]))
                pictures = {side: _picture(path.parent, row[f"{side}_file_name"]) for side in SIDES}
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise ValueError(f"{path}, line {number} is not a pair of this form: {error}.") from error
            yield PairFiles(record, pictures)


def _picture(folder: Path, name: str) -> bytes:
    if Path(name).name != name:
        raise ValueError(f"'{name}' is not a file beside the metadata")
    return (folder / name).read_bytes()
