"""Forms that a dataset travels in: what comes back is what went out, to the byte."""

from __future__ import annotations

import argparse
import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spatial_core.language.parser import parse_prompt
from spatial_trainers.commands import build_pairs, export_pairs, import_pairs
from spatial_trainers.dataset.exchange import pairs_of, write_pairs
from spatial_trainers.dataset.forms import FORMS
from spatial_trainers.pairs.records import SIDES, Record, read_records, write_records

PROMPT, OTHER = "A red ball is to the left of a cup.", "A red ball is to the right of a cup."


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Five pairs of three splits, with an id and a key that need care."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    records: list[Record] = []
    for number in range(5):
        record: Record = {
            "id": f"a/b.{number} \u00e9",
            "split": ("train", "train", "train", "validation", "test")[number],
            "prompt": PROMPT,
            "prompt_rejected": OTHER,
            "edits": [{"kind": "flip_relation", "edit": 0, "relation_index": 0, "span": [11, 26]}],
            "graph": parse_prompt(PROMPT).to_dict(),
            "labels": [[True], [False], [True], [None]],
            "seed": 2**62 + number,
            "review": None,
            "zebra": {"x": [1.5, None]},
        }
        if number:
            record["scene"] = "kitchen"
        for side in SIDES:
            # JPEG, so that decoding and encoding again would show.
            path = folder / "images" / f"{number}-{side}.jpg"
            Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(path, quality=80)
            record[f"image_{side}"] = f"images/{path.name}"
            record[f"sha256_{side}"] = hashlib.sha256(path.read_bytes()).hexdigest()
        records.append(record)
    write_records(folder / "manifest.jsonl", records)
    return folder / "manifest.jsonl"


@pytest.mark.parametrize("form", FORMS)
def test_round_trips_change_nothing(form: str, manifest: Path, tmp_path: Path) -> None:
    if form == "parquet":
        pytest.importorskip("datasets", reason="the extra `data` is not installed")
    assert FORMS[form].export(manifest, tmp_path / "out") == 5
    back, count = write_pairs(FORMS[form].read(tmp_path / "out"), tmp_path / "back")
    assert count == 5
    assert read_records(back) == read_records(manifest)
    assert back.read_bytes() == manifest.read_bytes()
    for record in read_records(manifest):
        for side in SIDES:
            name = record[f"image_{side}"]
            assert (tmp_path / "back" / name).read_bytes() == (manifest.parent / name).read_bytes()


@pytest.mark.parametrize("form", ["imagefolder", "webdataset", "label-studio"])
def test_the_same_manifest_gives_the_same_files(form: str, manifest: Path, tmp_path: Path) -> None:
    for _ in range(2):
        FORMS[form].export(manifest, tmp_path / "out")
        files = sorted(p for p in (tmp_path / "out").rglob("*") if p.is_file())
        digest = hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()
        (tmp_path / digest).touch()
    assert len([p for p in tmp_path.iterdir() if len(p.name) == 64]) == 1


def test_stacks_travel_as_png(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    stack = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "data" / "stack.npy", stack)
    record = {"id": "a", "split": "test", "prompt": PROMPT, "prompt_rejected": OTHER}
    for place, side in enumerate(SIDES):
        digest = hashlib.sha256(stack[place].tobytes()).hexdigest()
        record |= {f"image_{side}": f"stack.npy#{place}", f"sha256_{side}": digest}
    write_records(tmp_path / "data" / "manifest.jsonl", [record])
    FORMS["webdataset"].export(tmp_path / "data" / "manifest.jsonl", tmp_path / "out")
    back, _ = write_pairs(FORMS["webdataset"].read(tmp_path / "out"), tmp_path / "back")
    (pair,) = pairs_of(back)
    assert pair.record["image_chosen"] == "images/a-chosen.png"
    assert np.array_equal(np.asarray(Image.open(tmp_path / "back" / "images" / "a-chosen.png")), stack[0])


def test_datasets_shows_the_parquet_and_the_imagefolder(manifest: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra `data` is not installed")
    (manifest.parent / "README.md").write_text("---\nlicense: cc0-1.0\n---\n\n# Mine\n")
    FORMS["parquet"].export(manifest, tmp_path / "parquet")
    FORMS["imagefolder"].export(manifest, tmp_path / "folder")
    cache = str(tmp_path / "cache")
    for found in (
        datasets.load_dataset(str(tmp_path / "parquet"), cache_dir=cache),
        datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "folder"), cache_dir=cache),
    ):
        assert {split: len(rows) for split, rows in found.items()} == {"train": 3, "validation": 1, "test": 1}
        row = found["test"][0]
        assert row["prompt"] == PROMPT and json.loads(row["details"])["seed"] == 2**62 + 4
        expected = np.asarray(Image.open(manifest.parent / "images" / "4-rejected.jpg"))
        assert np.array_equal(np.asarray(row["rejected"]), expected)
    assert "# Mine" in (tmp_path / "parquet" / "README.md").read_text()


def test_what_is_pushed_is_the_parquet_and_the_card(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets", reason="the extra `data` is not installed")
    import huggingface_hub

    from spatial_trainers.dataset.parquet import push_to_hub

    FORMS["parquet"].export(manifest, tmp_path / "out")
    sent: dict[str, Any] = {}
    monkeypatch.setattr(
        huggingface_hub.HfApi,
        "create_repo",
        lambda self, name, **options: sent.update(name=name, repo=options),
    )
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", lambda self, **options: sent.update(options))
    push_to_hub(tmp_path / "out", "me/pairs", private=True)
    assert sent["name"] == sent["repo_id"] == "me/pairs" and sent["repo"]["private"] is True
    assert sent["repo_type"] == sent["repo"]["repo_type"] == "dataset"
    patterns = huggingface_hub.utils.filter_repo_objects(
        [p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()],
        allow_patterns=sent["allow_patterns"],
    )
    assert set(patterns) == {
        "README.md",
        *(f"data/{split}-00000-of-00001.parquet" for split in ("train", "validation", "test")),
    }


# --- Label Studio ---


def _annotate(task: Record, who: Any, answer: str, **more: Any) -> None:
    result = [{"from_name": "answer", "type": "choices", "value": {"choices": [answer]}}]
    annotation = {
        "completed_by": who,
        "result": result,
        "lead_time": 3.21,
        "created_at": "2026-01-02T03:04:05Z",
    }
    task.setdefault("annotations", []).append(annotation | more)


def test_annotations_of_label_studio_become_reviews(manifest: Path, tmp_path: Path) -> None:
    FORMS["label-studio"].export(manifest, tmp_path / "out")
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    assert {task["data"]["chosen_first"] for task in tasks} == {True, False}
    right = ["1" if task["data"]["chosen_first"] else "2" for task in tasks]
    wrong = ["2" if answer == "1" else "1" for answer in right]
    _annotate(tasks[0], {"id": 7, "email": "ann@example.org"}, right[0])
    _annotate(tasks[0], 8, right[0])
    _annotate(tasks[1], 8, wrong[1])
    _annotate(tasks[2], 7, right[2])
    _annotate(tasks[2], 8, "neither")
    _annotate(tasks[3], 8, right[3], was_cancelled=True)
    # Label Studio numbers tasks anew and may reorder them.
    exported = tmp_path / "out" / "project-1.json"
    exported.write_text(json.dumps([task | {"id": 100 - n} for n, task in enumerate(tasks)]))
    back, _ = write_pairs(FORMS["label-studio"].read(exported), tmp_path / "back")
    reviews = [record["review"] for record in read_records(back)]
    assert [r and r["verdict"] for r in reviews] == ["accepted", "rejected", "disputed", None, None]
    assert reviews[0]["votes"][0] == {
        "annotator": "ann@example.org",
        "answer": "chosen",
        "seconds": 3.2,
        "answered_at": "2026-01-02T03:04:05Z",
    }
    assert [vote["annotator"] for vote in reviews[2]["votes"]] == ["7", "8"]


def test_names_of_pictures_do_not_tell_annotators_the_side(manifest: Path, tmp_path: Path) -> None:
    FORMS["label-studio"].export(manifest, tmp_path / "out")
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    for task in tasks:
        assert task["data"]["first"].endswith("-a.jpg") and task["data"]["second"].endswith("-b.jpg")
        assert task["data"]["first"].startswith("/data/local-files/?d=out/images/")


# --- bad input ---


def test_an_altered_picture_does_not_go_out(manifest: Path, tmp_path: Path) -> None:
    (manifest.parent / "images" / "2-chosen.jpg").write_bytes(b"other")
    for form in ("imagefolder", "webdataset", "label-studio"):
        with pytest.raises(ValueError, match=r"line 3: .*2-chosen.jpg is not the picture"):
            FORMS[form].export(manifest, tmp_path / form)


def test_an_altered_picture_does_not_come_in(manifest: Path, tmp_path: Path) -> None:
    FORMS["imagefolder"].export(manifest, tmp_path / "out")
    (tmp_path / "out" / "train" / "00000001-chosen.jpg").write_bytes(b"other")
    with pytest.raises(ValueError, match="Pair 2: the record comes with another chosen picture"):
        write_pairs(FORMS["imagefolder"].read(tmp_path / "out"), tmp_path / "back")
    assert not (tmp_path / "back" / "manifest.jsonl").exists()


def test_imports_do_not_write_outside_their_folder(manifest: Path, tmp_path: Path) -> None:
    FORMS["webdataset"].export(manifest, tmp_path / "out")
    pairs = list(FORMS["webdataset"].read(tmp_path / "out"))
    pairs[0].record["image_chosen"] = "../../evil.jpg"
    with pytest.raises(ValueError, match="does not lie below"):
        write_pairs(pairs, tmp_path / "back")
    assert not list(tmp_path.rglob("evil.jpg"))


def test_imagefolders_do_not_read_outside_their_folder(manifest: Path, tmp_path: Path) -> None:
    FORMS["imagefolder"].export(manifest, tmp_path / "out")
    path = tmp_path / "out" / "train" / "metadata.jsonl"
    path.write_text(path.read_text().replace("00000001-chosen.jpg", "../../data/images/1-chosen.jpg"))
    with pytest.raises(ValueError, match="line 2.*is not a file beside the metadata"):
        list(FORMS["imagefolder"].read(tmp_path / "out"))


def test_broken_exports_are_named(manifest: Path, tmp_path: Path) -> None:
    for form in ("imagefolder", "webdataset", "label-studio"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match="empty"):
            list(FORMS[form].read(tmp_path / "empty"))
    FORMS["webdataset"].export(manifest, tmp_path / "tar")
    path = tmp_path / "tar" / "train-000000.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="train-000000.tar"):
        list(FORMS["webdataset"].read(tmp_path / "tar"))
    with tarfile.open(path, "w") as tar:
        (tmp_path / "0.json").write_text("{}")
        tar.add(tmp_path / "0.json", "0.json")
    with pytest.raises(ValueError, match="lacks chosen, rejected"):
        list(FORMS["webdataset"].read(tmp_path / "tar"))
    (tmp_path / "tasks.json").write_text('[{"data": {}}]')
    with pytest.raises(ValueError, match="task 1 is not one that was exported here"):
        list(FORMS["label-studio"].read(tmp_path / "tasks.json"))


def test_a_manifest_is_not_written_over(manifest: Path) -> None:
    with pytest.raises(ValueError, match="is there already"):
        write_pairs(pairs_of(manifest), manifest.parent)


# --- the commands ---


def _command(verb: Any, *words: str) -> None:
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    verb.run(parser.parse_args(words))


def test_commands_write_read_back_and_refuse(manifest: Path, tmp_path: Path, capsys: Any) -> None:
    out, back = str(tmp_path / "out"), str(tmp_path / "back")
    _command(export_pairs, str(manifest), out, "--form", "webdataset")
    _command(import_pairs, out, back, "--form", "webdataset")
    assert capsys.readouterr().out == f"5 pairs in {out}.\n5 pairs in {Path(back) / 'manifest.jsonl'}.\n"
    with pytest.raises(ValueError, match="--push uploads Parquet files"):
        _command(export_pairs, str(manifest), out, "--form", "webdataset", "--push", "me/pairs")
    assert set(export_pairs.FORM_NAMES) == set(FORMS)


def test_recipes_are_checked_without_building(capsys: Any) -> None:
    _command(build_pairs, "pairs-80k", "--check")
    assert capsys.readouterr().out == "pairs-80k: 80000 pairs; no mistakes.\n"
    with pytest.raises(ValueError, match="nearest valid key is 'splits.train'"):
        _command(build_pairs, "pairs-80k", "--check", "--set", "splits.trian=3")
