"""Manifests of pair records: what is refused and named, and what survives being read and written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spatial_trainers.pairs.records import (
    dump_record,
    image_of,
    iter_records,
    read_records,
    write_records,
)


def _record(folder: Path, **changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": "a",
        "prompt": "A ball is left of a cup.",
        "prompt_rejected": "A ball is right of a cup.",
        "split": "train",
    }
    for side, color in (("chosen", (255, 0, 0)), ("rejected", (0, 0, 255))):
        Image.new("RGB", (8, 6), color).save(folder / f"{side}.png")
        data = (folder / f"{side}.png").read_bytes()
        record |= {f"image_{side}": f"{side}.png", f"sha256_{side}": hashlib.sha256(data).hexdigest()}
    return record | changes


def test_what_is_written_is_read_and_keys_from_elsewhere_survive(tmp_path: Path) -> None:
    records = [
        _record(tmp_path, id="b", zebra=[1, {"x": None}], review=None, prompt="Ein Ball \u2028 \u00e4"),
        _record(tmp_path, id="a", seed=2**60),
    ]
    digest = write_records(tmp_path / "pairs.jsonl", records)
    data = (tmp_path / "pairs.jsonl").read_bytes()
    assert read_records(tmp_path / "pairs.jsonl") == records
    assert hashlib.sha256(data).hexdigest() == digest
    assert [number for number, _ in iter_records(tmp_path / "pairs.jsonl")] == [1, 2]
    shuffled = [dict(sorted(record.items(), reverse=True)) for record in records]
    assert "".join(map(dump_record, shuffled)).encode() == data


def test_a_line_that_was_cut_off_is_named(tmp_path: Path) -> None:
    write_records(tmp_path / "pairs.jsonl", [_record(tmp_path), _record(tmp_path, id="b")])
    data = (tmp_path / "pairs.jsonl").read_bytes()
    (tmp_path / "pairs.jsonl").write_bytes(data[:-40])
    with pytest.raises(ValueError, match=r"pairs.jsonl, line 2: the record is not JSON.*cut off"):
        read_records(tmp_path / "pairs.jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{]", r"line 1: the record is not JSON \("),
        (b"3", "is not a JSON object"),
        (b'{"id": "\xff"}', "is not UTF-8"),
        (b"[" * 100_000, "line 1"),
        (b"", "holds no pairs"),
    ],
)
def test_lines_that_are_no_records_are_named(tmp_path: Path, line: bytes, message: str) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(line + b"\n")
    with pytest.raises(ValueError, match=message):
        read_records(tmp_path / "pairs.jsonl")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": ""}, "needs the text 'prompt'; got ''"),
        ({"prompt": " \n"}, "needs the text 'prompt'"),
        ({"prompt_rejected": ["x"]}, "needs the text 'prompt_rejected'"),
        ({"prompt": "a \x00 b"}, "characters in 'prompt' that are no text"),
        ({"prompt": "a \ud800 b"}, "characters in 'prompt' that are no text"),
        ({"split": "dev"}, "must have a split"),
        ({"sha256_chosen": 3}, "needs a text or null as 'sha256_chosen'"),
        ({"image_chosen": "../secret.png"}, "does not lie below the manifest's folder"),
        ({"image_chosen": "images/../../secret.png"}, "does not lie below"),
        ({"image_rejected": "/etc/passwd"}, "does not lie below"),
        ({"image_rejected": "C:\\secret.png"}, "does not lie below"),
        ({"image_rejected": "images\\..\\..\\secret.png"}, "does not lie below"),
        ({"image_rejected": "../stack.npy#0"}, "does not lie below"),
    ],
)
def test_bad_records_are_refused_by_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    lines = [json.dumps(_record(tmp_path, id=i) | c) for i, c in (("a", {}), ("b", changes))]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=f"line 2.*{message}"):
        read_records(tmp_path / "pairs.jsonl")


def test_links_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "outside.png")
    try:
        (tmp_path / "data" / "inside.png").symlink_to(tmp_path / "outside.png")
    except OSError:
        pytest.skip("this system makes no links")
    record = _record(tmp_path / "data", image_chosen="inside.png")
    with pytest.raises(ValueError, match="a link leads out"):
        image_of(record, "chosen", tmp_path / "data")


def test_pictures_come_as_they_are_or_not_at_all(tmp_path: Path) -> None:
    record = _record(tmp_path)
    picture = image_of(record, "chosen", tmp_path)
    assert picture.read_bytes() == (tmp_path / "chosen.png").read_bytes()
    assert picture.open().getpixel((0, 0)) == (255, 0, 0)
    with (tmp_path / "chosen.png").open("ab") as file:
        file.write(b"!")
    for read in (picture.read_bytes, picture.open, picture.read):
        with pytest.raises(ValueError, match="its sha256 differs"):
            read()


def test_a_picture_of_a_stack_can_be_shown(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    np.save(tmp_path / "stack.npy", stack)
    digest = hashlib.sha256(stack[1].tobytes()).hexdigest()
    record = _record(tmp_path, image_chosen="stack.npy#1", sha256_chosen=digest)
    picture = image_of(record, "chosen", tmp_path)
    assert np.array_equal(np.asarray(picture.open()), stack[1])
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="picture 7 of"):
        image_of(record | {"image_chosen": "stack.npy#7"}, "chosen", tmp_path).read()
