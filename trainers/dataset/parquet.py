"""Parquet for Hugging Face `datasets`, with the pictures inside, and the way to the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spatial_core.atomic_files import atomic_path, write_text
from spatial_trainers.dataset.exchange import SHOWN, PairFiles, joined, pairs_of
from spatial_trainers.pairs.records import SIDES, SPLITS, iter_records

PAIRS_PER_FILE = 2000


def export_parquet(manifest: str | Path, folder: str | Path) -> int:
    """Write data/train-00000-of-00003.parquet and so on, and the card; return the number of pairs.

    `datasets.load_dataset(folder)` reads it, and so does the hub. `details` holds in JSON what has no column
    of its own. The card is the manifest's README.md if it has one.

    Raises:
        ImportError: Without `datasets`, which the extra `data` brings.
    """
    folder = Path(folder)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    totals = dict.fromkeys(SPLITS, 0)
    for _, record in iter_records(manifest):
        totals[record["split"]] += 1
    files = {split: -(-total // PAIRS_PER_FILE) for split, total in totals.items()}
    waiting: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    written = dict.fromkeys(SPLITS, 0)

    def flush(split: str) -> None:
        name = f"{split}-{written[split]:05d}-of-{files[split]:05d}.parquet"
        _write(folder / "data" / name, waiting[split])
        written[split] += 1
        waiting[split] = []

    for pair in pairs_of(manifest):
        split = pair.record["split"]
        waiting[split].append(_row(pair))
        if len(waiting[split]) == PAIRS_PER_FILE:
            flush(split)
    for split in SPLITS:
        if waiting[split]:
            flush(split)
    card = Path(manifest).with_name("README.md")
    text = card.read_text("utf-8") if card.is_file() else "# Preference pairs about space\n"
    write_text(folder / "README.md", text)
    return sum(totals.values())


def _row(pair: PairFiles) -> dict[str, Any]:
    shown, others = pair.split_keys()
    pictures = {
        side: {"bytes": pair.pictures[side], "path": Path(pair.record[f"image_{side}"]).name}
        for side in SIDES
    }
    return shown | pictures | {"details": json.dumps(others)}


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    from datasets import Dataset, Features, Image, Value

    features = Features(
        {key: Value("string") for key in SHOWN}
        | {side: Image() for side in SIDES}
        | {"details": Value("string")}
    )
    with atomic_path(path) as temporary:
        Dataset.from_list(rows, features=features).to_parquet(temporary)


def read_parquet(source: str | Path) -> Iterator[PairFiles]:
    """Yield the pairs of a folder that `export_parquet` wrote, or of a dataset of that form on the hub.

    Raises:
        ValueError: If it is no such dataset.
        ImportError: Without `datasets`, which the extra `data` brings.
    """
    from datasets import Image, load_dataset

    if Path(source).is_dir():
        found = {split: sorted(Path(source, "data").glob(f"{split}-*.parquet")) for split in SPLITS}
        files = {split: [str(path) for path in paths] for split, paths in found.items() if paths}
        if not files:
            raise ValueError(f"{source} holds no data/train-*.parquet or the like.")
        splits: Any = load_dataset("parquet", data_files=files, streaming=True)
    else:
        splits = load_dataset(str(source), streaming=True)
    for split in SPLITS:
        if split not in splits:
            continue
        rows = splits[split]
        for side in SIDES:
            rows = rows.cast_column(side, Image(decode=False))
        for row in rows:
            try:
                record = joined(row, json.loads(row["details"]))
                pictures = {side: row[side]["bytes"] for side in SIDES}
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{source} has a row that is not a pair of this form: {error!r}.") from error
            yield PairFiles(record, pictures)


def push_to_hub(folder: str | Path, repository: str, *, private: bool) -> str:
    """Upload what `export_parquet` wrote, card included; return the address.

    Args:
        folder: Of the export.
        repository: "owner/name"; made if it does not exist.
        private: Whether a new repository is private.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    address = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
    api.upload_folder(
        repo_id=repository,
        repo_type="dataset",
        folder_path=str(folder),
        allow_patterns=["README.md", "data/*.parquet"],
        # A smaller dataset must not leave files of a larger one behind.
        delete_patterns=["data/*.parquet"],
        commit_message="Preference pairs about space",
    )
    return str(address)
