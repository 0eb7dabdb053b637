"""The pair record, the canonical form of a preference dataset: a JSONL manifest beside its pictures.

A record is a plain JSON object, so that keys this version does not know survive being read and written:

    id, split                         split is "train", "validation" or "test"
    prompt, prompt_rejected           the second is true of `image_rejected`, and the other way round
    image_chosen, image_rejected      paths below the manifest's folder, "/" between names; "stack.npy#3" is
                                      picture 3 of a stack uint8 [N, H, W, 3]
    sha256_chosen, sha256_rejected    of the file, or of the picture's bytes in the stack
    scene                             what kind of place the prompts describe, "" if nobody knows
    graph, graph_rejected             `SceneGraph.to_dict()` of the prompts; parsed where missing
    edits                             [{kind, edit, relation_index, before, after, span}]: `span` lies in
                                      `prompt_rejected`, edits of one number `edit` were made together
    labels                            truth of every relation, see `spatial_trainers.pairs.data.Pair.labels`
    checks                            what automatic checks saw
    generator, seed, licence          where the pictures come from
    review                            null, or what people said: {verdict, votes, ...}
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from spatial_core.atomic_files import atomic_path

if TYPE_CHECKING:
    from torch import Tensor

Record = dict[str, Any]
SPLITS = ("train", "validation", "test")
SIDES = ("chosen", "rejected")
REQUIRED_KEYS = ("id", "prompt", "prompt_rejected", "image_chosen", "image_rejected", "split")

_ORDER = (
    "id",
    "split",
    "scene",
    "prompt",
    "prompt_rejected",
    "image_chosen",
    "image_rejected",
    "sha256_chosen",
    "sha256_rejected",
    "edits",
    "graph",
    "graph_rejected",
    "labels",
    "tags",
    "margin",
    "checks",
    "generator",
    "seed",
    "licence",
    "review",
)


@dataclass(frozen=True)
class ImageReference:
    """One picture of a pair.

    Attributes:
        path: An image file, or a stack of pictures uint8 `[N, H, W, 3]` (.npy).
        index: Into the stack.
        sha256: Of the image file, or of the picture's bytes in the stack; "" if unknown.
    """

    path: Path
    index: int | None
    sha256: str

    def read_bytes(self) -> bytes:
        """Return the file as it is; a picture of a stack as a PNG file.

        Raises:
            ValueError: If it cannot be read, or is another picture than the manifest says.
        """
        if self.index is None:
            return self._file()
        stream = io.BytesIO()
        Image.fromarray(self._row()).save(stream, "PNG")
        return stream.getvalue()

    def open(self) -> Image.Image:
        """Return the picture, decoded.

        Raises:
            ValueError: If it cannot be read or decoded, or is another picture than the manifest says.
        """
        if self.index is not None:
            return Image.fromarray(self._row())
        try:
            image = Image.open(io.BytesIO(self._file()))
            image.load()
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"{self.path} is not a readable image ({error}). Restore it.") from error
        return image

    def read(self) -> Tensor:
        """Return the picture as float32 `[3, H, W]` in [0, 1].

        Raises:
            ValueError: As `open` does.
        """
        from spatial_core.images import to_tensors

        return to_tensors(self.open())[0]

    def _file(self) -> bytes:
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise ValueError(
                f"Cannot read the image {self.path}: {error.strerror}. Restore it or remove its pairs."
            ) from error
        self._check(data)
        return data

    def _row(self) -> npt.NDArray[np.uint8]:
        try:
            picture = np.array(_stack(self.path)[self.index])
        except (OSError, ValueError, IndexError) as error:
            raise ValueError(f"Cannot read picture {self.index} of {self.path}: {error}.") from error
        self._check(picture.tobytes())
        return picture

    def _check(self, data: bytes) -> None:
        if self.sha256 and hashlib.sha256(data).hexdigest() != self.sha256:
            place = self.path if self.index is None else f"{self.path} (picture {self.index})"
            raise ValueError(
                f"{place} is not the picture that the manifest was written for (its sha256 differs). "
                "Restore it, or write the manifest again."
            )


@lru_cache(maxsize=64)
def _stack(path: Path) -> Any:
    # Mapped, not read: a step touches a few pictures of many.
    return np.load(path, mmap_mode="r", allow_pickle=False)


def iter_records(path: str | Path) -> Iterator[tuple[int, Record]]:
    """Yield line number (from 1) and record of every line of a manifest that is not empty.

    Every record has been checked by `validate`, and no id comes twice. Pictures are not looked at.

    Raises:
        ValueError: If the file cannot be read or holds no records, or a line is malformed; names the line.
    """
    path = Path(path)
    seen: set[str] = set()
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    record = _parse(line)
                    validate(record)
                    if record["id"] in seen:
                        raise ValueError(f"repeats the id '{record['id']}'")
                except ValueError as error:
                    raise line_error(path, number, error) from error
                seen.add(record["id"])
                yield number, record
    except OSError as error:
        raise ValueError(
            f"Cannot read the manifest {path}: {error.strerror}. A manifest is a JSONL file of pair records."
        ) from error
    if not seen:
        raise ValueError(f"{path} holds no pairs. Each line must be one pair record.")


def read_records(path: str | Path) -> list[Record]:
    """Return the records of a manifest; raises what `iter_records` raises."""
    return [record for _, record in iter_records(path)]


def line_error(path: Path, number: int, error: Exception) -> ValueError:
    """Return what to say about a line that `error` was raised for."""
    reason = f"lacks or misnames {error}" if isinstance(error, KeyError) else str(error)
    return ValueError(f"{path}, line {number}: the record {reason}. Correct or remove it.")


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 ({error.reason} at byte {error.start})") from error
    except json.JSONDecodeError as error:
        # Lines are written with their line end, so one without it was not written to its end.
        cut = "" if line.endswith(b"\n") else ", it seems to have been cut off"
        raise ValueError(f"is not JSON{cut} ({error})") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def validate(record: Any) -> None:
    """Check the keys that every reader needs, and that the pictures lie below the manifest.

    Raises:
        ValueError: What is wrong, to follow the words "the record".
    """
    if not isinstance(record, dict):
        raise ValueError("is not a JSON object")
    for key in REQUIRED_KEYS:
        value = record.get(key)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"needs the text '{key}'; got {value!r}")
    for key in ("prompt", "prompt_rejected"):
        if any(ord(c) < 32 and c not in "\t\n\r" or 0xD800 <= ord(c) < 0xE000 for c in record[key]):
            raise ValueError(f"has characters in '{key}' that are no text: {record[key]!r}")
    if record["split"] not in SPLITS:
        raise ValueError(f"must have a split of {', '.join(SPLITS)}; got '{record['split']}'")
    for side in SIDES:
        _split_path(record[f"image_{side}"])
        digest = record.get(f"sha256_{side}")
        if digest is not None and not isinstance(digest, str):
            raise ValueError(f"needs a text or null as 'sha256_{side}'; got {digest!r}")


def _split_path(text: str) -> tuple[PurePosixPath, int | None]:
    """Return path and index of an image's name, refusing what points out of the manifest's folder."""
    file, _, index = text.rpartition("#")
    stacked = file.endswith(".npy") and index.isdecimal()
    path, windows = PurePosixPath(file if stacked else text), PureWindowsPath(text)
    # A manifest travels: what is a plain name on one system is a drive or a parent on another.
    if path.is_absolute() or windows.drive or windows.root or ".." in windows.parts or "\0" in text:
        raise ValueError(f"names the image '{text}', which does not lie below the manifest's folder")
    return path, int(index) if stacked else None


def image_of(record: Mapping[str, Any], side: str, folder: str | Path) -> ImageReference:
    """Return one picture of a record.

    Args:
        record: A record that `validate` has passed.
        side: "chosen" or "rejected".
        folder: Of the manifest.

    Raises:
        ValueError: If the name, or a link on the way, leads out of `folder`.
    """
    text = record[f"image_{side}"]
    name, index = _split_path(text)
    path = Path(folder, name)
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise ValueError(f"names the image '{text}', which a link leads out of the manifest's folder")
    return ImageReference(path, index, record.get(f"sha256_{side}") or "")


def dump_record(record: Mapping[str, Any]) -> str:
    """Return a record as one line of a manifest: keys in the record's order, then others by name."""
    known = {key: record[key] for key in _ORDER if key in record}
    others = {key: record[key] for key in sorted(record) if key not in known}
    return json.dumps(known | others, separators=(",", ":"), ensure_ascii=True) + "\n"


def write_records(path: str | Path, records: Iterable[Mapping[str, Any]]) -> str:
    """Write a manifest, the old one staying until the new one is whole; return its sha256."""
    digest = hashlib.sha256()
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for record in records:
            line = dump_record(record).encode("ascii")
            digest.update(line)
            file.write(line)
    return digest.hexdigest()
