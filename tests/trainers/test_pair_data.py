"""Manifests: what a record may hold, what its construction says, and what is refused."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import statements

from spatial_trainers.pairs.data import (
    comparisons,
    derive_labels,
    read_manifest,
)
from spatial_trainers.passes import step_indices

BEFORE = statements(("ball", "left_of", "cup"), ("lamp", "on", "box"), ("vase", "above", "cup"))
AFTER = statements(("ball", "right_of", "cup"), ("lamp", "on", "box"), ("vase", "above", "cup"))
NAN = float("nan")


def _same(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return len(a) == len(b) and all(
        x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(a, b, strict=True)
    )


def _record(folder: Path, **changes: Any) -> dict[str, Any]:
    pictures = {"chosen": (255, 0, 0), "rejected": (0, 0, 255)}
    record: dict[str, Any] = {
        "id": "0",
        "prompt": BEFORE.text,
        "prompt_rejected": AFTER.text,
        "graph": BEFORE.to_dict(),
        "graph_rejected": AFTER.to_dict(),
        "edits": [{"kind": "flip_relation", "relation_index": 0}],
        "split": "train",
        "review": None,
    }
    for side, color in pictures.items():
        Image.new("RGB", (8, 6), color).save(folder / f"{side}.png")
        data = (folder / f"{side}.png").read_bytes()
        record |= {f"image_{side}": f"{side}.png", f"sha256_{side}": hashlib.sha256(data).hexdigest()}
    return record | changes


def _write(folder: Path, *records: Any) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records), encoding="utf-8")
    return path


def test_a_record_is_read_with_its_pictures_and_labels(tmp_path: Path) -> None:
    pairs = read_manifest(_write(tmp_path, _record(tmp_path), "", _record(tmp_path, id="1", split="test")))
    assert [len(pairs.splits[s]) for s in ("train", "validation", "test")] == [1, 0, 1]
    pair = pairs.splits["train"][0]
    assert pair.graph == BEFORE and pair.graph_rejected == AFTER
    assert pair.chosen.read().shape == (3, 6, 8)
    assert pair.chosen.read()[:, 0, 0].tolist() == [1.0, 0.0, 0.0]
    assert pair.rejected.read()[:, 0, 0].tolist() == [0.0, 0.0, 1.0]
    assert pair.labels == ((1, 1, 1), (0, 1, 1), (1, 1, 1), (0, 1, 1))
    assert pair.families(other_way=False) == ("left_of",)
    assert pair.families(other_way=True) == ("right_of",)
    assert pair.num_edits == 1


def test_no_more_pairs_are_read_than_asked_for(tmp_path: Path) -> None:
    splits = ("train", "test", "train", "train", "test")
    path = _write(tmp_path, *(_record(tmp_path, id=str(n), split=split) for n, split in enumerate(splits)))
    pairs = read_manifest(path, most={"train": 2})
    assert [p.id for p in pairs.splits["train"]] == ["0", "2"]
    assert [p.id for p in pairs.splits["test"]] == ["1", "4"]


def test_both_ways_of_a_pair_prefer_the_right_picture(tmp_path: Path) -> None:
    pair = read_manifest(_write(tmp_path, _record(tmp_path))).splits["train"][0]
    one, other = comparisons([pair], symmetric=True)
    assert one.graph == BEFORE and other.graph == AFTER
    assert one.labels == ((1, 1, 1), (0, 1, 1)) and other.labels == ((1, 1, 1), (0, 1, 1))
    assert len(comparisons([pair], symmetric=False)) == 1


def test_what_an_edit_carried_along_is_unknown_not_true() -> None:
    moved = statements(("ball", "right_of", "cup"), ("lamp", "on", "box"), ("vase", "above", "ball"))
    labels = derive_labels(BEFORE, moved, [0])
    assert _same(labels[1], (0.0, 1.0, NAN))
    assert _same(labels[3], (0.0, 1.0, NAN))


def test_prompts_of_different_length_have_no_places_to_compare() -> None:
    longer = statements(
        ("lamp", "on", "box"), ("ball", "right_of", "cup"), ("ball", "near", "cup"), ("vase", "above", "cup")
    )
    labels = derive_labels(BEFORE, longer, [0])
    assert _same(labels[1], (0.0, 1.0, 1.0))
    assert _same(labels[3], (1.0, NAN, NAN, 1.0))


def test_exact_labels_take_the_place_of_derived_ones(tmp_path: Path) -> None:
    labels = [[True, True, None], [False, False, True], [True, True, True], [False, None, True]]
    pair = read_manifest(_write(tmp_path, _record(tmp_path, labels=labels))).splits["train"][0]
    assert _same(pair.labels[0], (1.0, 1.0, NAN))
    assert _same(pair.labels[1], (0.0, 0.0, 1.0))
    assert _same(pair.labels[3], (0.0, NAN, 1.0))


def test_graphs_that_are_missing_are_parsed(tmp_path: Path) -> None:
    prompt = "A red ball is to the left of a blue cup."
    other = "A red ball is to the right of a blue cup."
    record = _record(tmp_path, prompt=prompt, prompt_rejected=other, graph=None, graph_rejected=None)
    pair = read_manifest(_write(tmp_path, record)).splits["train"][0]
    assert [r.relation for r in pair.graph.relations] == ["left_of"]
    assert [r.relation for r in pair.graph_rejected.relations] == ["right_of"]
    assert pair.labels == ((1.0,), (0.0,), (1.0,), (0.0,))


def test_a_reordered_list_is_one_edit_of_several_relations(tmp_path: Path) -> None:
    edits = [{"kind": "reorder_sequence", "relation_index": i, "edit": 0} for i in (0, 2)]
    pair = read_manifest(_write(tmp_path, _record(tmp_path, edits=edits))).splits["train"][0]
    assert pair.num_edits == 1 and len(pair.edits) == 2
    assert pair.families(other_way=False) == ("left_of", "above")


def test_pictures_in_a_stack_are_found_and_checked(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    np.save(tmp_path / "stack.npy", stack)
    hashes = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in stack]
    record = _record(
        tmp_path,
        image_chosen="stack.npy#2",
        image_rejected="stack.npy#1",
        sha256_chosen=hashes[2],
        sha256_rejected=hashes[0],
    )
    pair = read_manifest(_write(tmp_path, record)).splits["train"][0]
    assert torch.equal(
        (pair.chosen.read() * 255).round().to(torch.uint8).permute(1, 2, 0), torch.from_numpy(stack[2])
    )
    with pytest.raises(ValueError, match=r"stack.npy \(picture 1\) is not the picture"):
        pair.rejected.read()


def test_records_that_reviewers_turned_down_are_left_out(tmp_path: Path) -> None:
    records = [
        _record(tmp_path, id="0", review={"verdict": "rejected"}),
        _record(tmp_path, id="1", review={"verdict": "accepted"}),
    ]
    assert [p.id for p in read_manifest(_write(tmp_path, *records)).splits["train"]] == ["1"]


def test_the_hash_follows_the_manifest(tmp_path: Path) -> None:
    first = read_manifest(_write(tmp_path, _record(tmp_path)))
    again = read_manifest(_write(tmp_path, _record(tmp_path)))
    other = read_manifest(_write(tmp_path, _record(tmp_path, seed=1)))
    assert first.sha256 == again.sha256 != other.sha256
    both = first + other
    assert len(both.splits["train"]) == 2 and both.sha256 not in (first.sha256, other.sha256)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": None}, "needs the text 'prompt'; got None"),
        ({"id": 3}, "needs the text 'id'"),
        ({"split": "dev"}, "must have a split of train, validation, test; got 'dev'"),
        ({"image_chosen": "none.png"}, "none.png, which is not there"),
        ({"prompt": "Another text."}, "has a graph of another text than its 'prompt'"),
        ({"edits": [{"kind": "x", "relation_index": 3}]}, "edits relation 3 of 3"),
        ({"edits": [{"kind": "x"}]}, "lacks or misnames 'relation_index'"),
        ({"labels": [[True], [True], [True], [True]]}, "must label every relation"),
        ({"labels": [["yes"] * 3] * 4}, "lacks or misnames 'yes'"),
    ],
)
def test_bad_records_are_refused_by_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = _write(tmp_path, _record(tmp_path), _record(tmp_path, **({"id": "1"} | changes)))
    with pytest.raises(ValueError, match=message) as error:
        read_manifest(path)
    assert "line 2" in str(error.value)


@pytest.mark.parametrize(
    ("line", "message"), [("{", "line 1"), ("[1]", "is not a JSON object"), ("", "holds no pairs")]
)
def test_lines_that_are_no_records_are_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_manifest(_write(tmp_path, line))


def test_ids_are_used_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 2.*repeats the id '0'"):
        read_manifest(_write(tmp_path, _record(tmp_path), _record(tmp_path)))


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere.jsonl"):
        read_manifest(tmp_path / "nowhere.jsonl")


def test_pictures_that_changed_vanished_or_broke_are_named(tmp_path: Path) -> None:
    pair = read_manifest(_write(tmp_path, _record(tmp_path))).splits["train"][0]
    Image.new("RGB", (8, 6), (1, 2, 3)).save(tmp_path / "chosen.png")
    with pytest.raises(ValueError, match=r"chosen.png is not the picture.*sha256 differs"):
        pair.chosen.read()
    (tmp_path / "rejected.png").unlink()
    with pytest.raises(ValueError, match="Cannot read the image .*rejected.png"):
        pair.rejected.read()
    pair = read_manifest(_write(tmp_path, _record(tmp_path, sha256_chosen=None))).splits["train"][0]
    (tmp_path / "chosen.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match="chosen.png is not a readable image"):
        pair.chosen.read()


def test_every_pass_uses_every_pair_once_in_a_new_order() -> None:
    drawn = [i for step in range(5) for i in step_indices(10, step=step, size=4, seed=3)]
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10] != drawn[10:]
    assert drawn[:10] != [i for step in range(3) for i in step_indices(10, step=step, size=4, seed=4)][:10]


def test_a_step_may_be_larger_than_the_data() -> None:
    drawn = step_indices(3, step=0, size=8, seed=0)
    assert sorted(drawn[:3]) == sorted(drawn[3:6]) == [0, 1, 2]
    assert len(drawn) == 8
