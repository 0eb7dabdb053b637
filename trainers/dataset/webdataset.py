"""WebDataset: tar files in which the files of one pair follow each other, written by the standard library."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from spatial_core.atomic_files import atomic_path
from spatial_trainers.dataset.exchange import PairFiles, pairs_of
from spatial_trainers.pairs.records import SIDES, SPLITS

PAIRS_PER_FILE = 1000


def export_webdataset(manifest: str | Path, folder: str | Path) -> int:
    """Write train-000000.tar and so on to `folder`; return the number of pairs.

    A pair is three members: 00000012.chosen.png, 00000012.rejected.png and 00000012.json, its record. Equal
    manifests give equal files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for split in SPLITS:
        waiting: list[PairFiles] = []
        index = 0
        for pair in pairs_of(manifest):
            if pair.record["split"] != split:
                continue
            waiting.append(pair)
            if len(waiting) == PAIRS_PER_FILE:
                _write(folder / f"{split}-{index:06d}.tar", waiting, count)
                count, index, waiting = count + len(waiting), index + 1, []
        if waiting:
            _write(folder / f"{split}-{index:06d}.tar", waiting, count)
            count += len(waiting)
    return count


def _write(path: Path, pairs: list[PairFiles], first: int) -> None:
    with atomic_path(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, pair in enumerate(pairs, start=first):
            for side in SIDES:
                suffix = PurePosixPath(pair.record[f"image_{side}"]).suffix or ".png"
                _add(tar, f"{number:08d}.{side}{suffix}", pair.pictures[side])
            _add(tar, f"{number:08d}.json", json.dumps(pair.record).encode("ascii"))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    # A bare TarInfo has neither owner nor time, so the file depends on the pairs alone.
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def read_webdataset(folder: str | Path) -> Iterator[PairFiles]:
    """Yield the pairs of the tar files in `folder`.

    Raises:
        ValueError: If there are none, or one is broken or lacks a member; names it.
    """
    order = {split: place for place, split in enumerate(SPLITS)}
    paths = sorted(Path(folder).glob("*.tar"), key=lambda p: (order.get(p.name.partition("-")[0], 9), p.name))
    if not paths:
        raise ValueError(f"{folder} holds no tar files.")
    for path in paths:
        try:
            with tarfile.open(path) as tar:
                yield from _pairs(tar, path)
        except (tarfile.TarError, EOFError) as error:
            raise ValueError(f"{path} is not a whole tar file ({error}). Fetch it again.") from error


def _pairs(tar: tarfile.TarFile, path: Path) -> Iterator[PairFiles]:
    key, found = "", dict[str, bytes]()
    for member in tar:
        name, _, suffix = PurePosixPath(member.name).name.partition(".")
        data = tar.extractfile(member)
        if data is None:
            continue
        if found and name != key:
            yield _pair(found, f"{path}, {key}")
            found = {}
        key = name
        found[suffix.partition(".")[0]] = data.read()
    if found:
        yield _pair(found, f"{path}, {key}")


def _pair(found: dict[str, bytes], place: str) -> PairFiles:
    missing = {"json", *SIDES} - set(found)
    if missing:
        raise ValueError(f"{place} lacks {', '.join(sorted(missing))}. Fetch the file again.")
    try:
        record = json.loads(found["json"])
    except ValueError as error:
        raise ValueError(f"{place}: its record is not JSON ({error}).") from error
    return PairFiles(record, {side: found[side] for side in SIDES})
