"""Building pairs: the same whatever interrupts it, and nothing in the manifest that a check spoke against."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from two_processes import run_in_two

from spatial_core.images import to_tensors
from spatial_core.language.closure import Closure, facts_of
from spatial_core.language.scene_graph import SceneGraph
from spatial_trainers.dataset import shards as shards_module
from spatial_trainers.dataset.build import build_pairs
from spatial_trainers.dataset.build_recipe import (
    BuildRecipe,
    ChecksRecipe,
    ImagesRecipe,
    PromptsRecipe,
    SplitsRecipe,
)
from spatial_trainers.dataset.checks import (
    edited_relations,
    near_duplicates,
    perceptual_hash,
    picture_faults,
    verdict_faults,
)
from spatial_trainers.dataset.drafts import Draft, Failure
from spatial_trainers.dataset.scene_source import SceneSource
from spatial_trainers.dataset.shards import BuildFolder, Shard
from spatial_trainers.pairs.data import read_manifest
from spatial_trainers.pairs.records import SIDES, image_of, read_records
from spatial_trainers.recipe import load_recipe

RECIPE = BuildRecipe(
    name="tiny",
    output="",
    licence="CC0-1.0",
    splits=SplitsRecipe(train=10, validation=1, test=1),
    prompts=PromptsRecipe(min_relations=3, max_relations=4),
    images=ImagesRecipe(size=(64,)),
    checks=ChecksRecipe(probes=False),
    shard=4,
)
COMMAND = """
import sys
from spatial_trainers.dataset.build import build_pairs
from spatial_trainers.dataset.build_recipe import *
build_pairs(BuildRecipe(
    name="tiny", output=sys.argv[1], licence="CC0-1.0", splits=SplitsRecipe(train=10, validation=1, test=1),
    prompts=PromptsRecipe(min_relations=3, max_relations=4), images=ImagesRecipe(size=(64,)),
    checks=ChecksRecipe(probes=False), shard=4,
))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build that nothing interrupted."""
    folder = tmp_path_factory.mktemp("built")
    result = build_pairs(replace(RECIPE, output=str(folder)))
    assert result is not None and result.counts == {"train": 10, "validation": 1, "test": 1}
    assert result.sha256 == hashlib.sha256(result.manifest.read_bytes()).hexdigest()
    return folder


def _files(folder: Path) -> dict[str, str]:
    """Return sha256 of everything that a build leaves, by path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_record_is_whole_and_true(built: Path) -> None:
    records = read_records(built / "manifest.jsonl")
    for record in records:
        for side in SIDES:
            assert to_tensors(image_of(record, side, built).open())[0].shape == (3, 64, 64)
        graph, other = (SceneGraph.from_dict(record[key]) for key in ("graph", "graph_rejected"))
        assert (graph.text, other.text) == (record["prompt"], record["prompt_rejected"])
        assert 3 <= len(graph.relations) <= 4 and record["scene"] and record["licence"] == "CC0-1.0"
        own, in_other, own_other, other_in_own = record["labels"]
        assert all(own) and all(own_other) and record["edits"]
        for edit in record["edits"]:
            index = edit["relation_index"]
            assert in_other[index] is False or other_in_own[index] is False
            start, end = edit["span"]
            assert record["prompt_rejected"][start:end] == edit["after"] != edit["before"]
            assert edit["before"] in record["prompt"]
    assert len({record["id"] for record in records}) == len(records)
    assert not (built / "rejected.jsonl").read_text() and not (built / "failures.jsonl").read_text()


def test_the_report_and_the_card_say_what_is_there(built: Path) -> None:
    report = json.loads((built / "report.json").read_text())
    assert report["distributions"]["pairs"] == {"test": 1, "train": 10, "validation": 1}
    assert sum(report["distributions"]["relations"].values()) == 24
    card = (built / "README.md").read_text()
    assert card.startswith("---\nlicense: cc0-1.0\n") and report["sha256"] in card
    assert "| relations a prompt |" in card


def test_trainers_read_what_is_built_and_probes_are_reported(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "copy")
    pairs = read_manifest(tmp_path / "copy" / "manifest.jsonl")
    assert [len(pairs.splits[split]) for split in ("train", "validation", "test")] == [10, 1, 1]
    for pair in pairs.splits["train"]:
        assert pair.num_edits >= 1 and pair.families(other_way=False)
        assert all(value == 1.0 for value in pair.labels[0]) and 0.0 in pair.labels[1]
    probed = replace(RECIPE, output=str(tmp_path / "copy"), checks=ChecksRecipe(probes=True))
    result = build_pairs(probed)
    assert result is not None and result.drawn == 0
    report = json.loads((tmp_path / "copy" / "report.json").read_text())
    assert [probe["probe"] for probe in report["probes"]] == ["text", "image"]
    assert "| image alone |" in (tmp_path / "copy" / "README.md").read_text()


def test_the_same_seed_gives_the_same_files_and_another_seed_others(built: Path, tmp_path: Path) -> None:
    small = replace(RECIPE, splits=SplitsRecipe(train=4))
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        build_pairs(replace(small, output=str(tmp_path / name), seed=seed))
    first, again, other = (_files(tmp_path / name) for name in "abc")
    assert first == again
    assert not set(first.values()) & {v for k, v in other.items() if k.startswith("images")}
    # A pair depends on its own number, not on how many are wanted.
    shard = "shards/train-00000.jsonl"
    assert first[shard] == _files(built)[shard]


def test_a_killed_build_goes_on_and_nothing_is_lost_or_doubled(built: Path, tmp_path: Path) -> None:
    _killed_and_resumed(tmp_path / "killed", kills=1)
    assert _files(tmp_path / "killed") == _files(built)


@pytest.mark.slow
def test_three_kills_in_two_processes_change_nothing(built: Path, tmp_path: Path) -> None:
    _killed_and_resumed(tmp_path / "killed", kills=3, more="processes=2, ")
    assert _files(tmp_path / "killed") == _files(built)


def test_processes_of_accelerate_share_the_work_and_give_the_same_files(built: Path, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(COMMAND)
    run_in_two(script, str(tmp_path / "out"))
    assert _files(tmp_path / "out") == _files(built)


def _killed_and_resumed(folder: Path, *, kills: int, more: str = "") -> None:
    """Run a build in a process of its own, kill it while it draws, and let the last one finish."""
    script = COMMAND.replace("shard=4", f"{more}shard=4")
    if more:
        script = f"if __name__ == '__main__':\n{'    '.join(('', *script.strip().splitlines(keepends=True)))}"
    path = folder.parent / "run.py"
    path.write_text(script)
    for _ in range(kills):
        before = len(list(folder.glob("shards/*")))
        child = subprocess.Popen(
            [sys.executable, str(path), str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 300
        # In the middle of a shard: its pictures are being written, its records are not there.
        while len(list(folder.glob("shards/*"))) == before and child.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert child.poll() is None, "the build ended before it could be killed"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert not (folder / "manifest.jsonl").exists()
    (folder / "images" / ".unfinished-train-00001-dead").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(path), str(folder)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr


def test_what_a_kill_between_two_renames_leaves_is_drawn_again(built: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, output=str(tmp_path), splits=SplitsRecipe(train=4))
    build_pairs(recipe)
    before = _files(tmp_path)
    (tmp_path / "shards" / "train-00000.jsonl").unlink()
    (tmp_path / "images" / "train-00000" / "train-0000001-chosen.png").unlink()
    (tmp_path / "manifest.jsonl").unlink()
    build_pairs(recipe)
    assert _files(tmp_path) == before


def test_altered_and_missing_pictures_are_drawn_again(tmp_path: Path, capsys: Any) -> None:
    recipe = replace(RECIPE, output=str(tmp_path), splits=SplitsRecipe(train=4))
    build_pairs(recipe)
    before = _files(tmp_path)
    picture = tmp_path / "images" / "train-00000" / "train-0000002-rejected.png"
    picture.write_bytes(picture.read_bytes()[:-20])
    result = build_pairs(recipe)
    assert "1 shards of pictures were damaged" in capsys.readouterr().out
    assert _files(tmp_path) == before and result is not None and result.drawn == 4


def test_another_recipe_does_not_write_into_a_build(built: Path) -> None:
    other = replace(RECIPE, output=str(built), seed=7)
    with pytest.raises(ValueError, match=r"holds a build with other settings \(seed: 0, now 7\)"):
        build_pairs(other)
    assert build_pairs(replace(RECIPE, output=str(built), processes=2)) is not None


def test_a_full_disk_is_said_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Path
) -> None:
    saved = Image.Image.save
    room = 10

    def save(image: Image.Image, path: Any, *args: Any, **options: Any) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved(image, path, *args, **options)

    recipe = replace(RECIPE, output=str(tmp_path))
    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(OSError, match="No space is left.*Nothing is lost: make room"):
        build_pairs(recipe)
    assert not (tmp_path / "manifest.jsonl").exists()
    assert [p.name for p in (tmp_path / "images").iterdir()] == ["train-00000"]
    monkeypatch.setattr(Image.Image, "save", saved)
    build_pairs(recipe)
    assert _files(tmp_path) == _files(built)


class _Flaky(SceneSource):
    """Draws scenes; some numbers fail, some give pictures that checks must find."""

    def draw(self, split: str, numbers: range) -> list[Draft | Failure]:
        drafts = super().draw(split, numbers)
        return [self._spoiled(number, draft) for number, draft in zip(numbers, drafts, strict=True)]

    def _spoiled(self, number: int, draft: Draft | Failure) -> Draft | Failure:
        assert isinstance(draft, Draft)
        if number == 1:
            return Failure(draft.record["id"], "image", "RuntimeError: out of paint", draft.record["prompt"])
        if number == 2:
            return replace(draft, rejected=Image.new("RGB", (64, 64), (200, 10, 10)))
        if number == 3:
            return replace(draft, rejected=draft.chosen)
        if number == 4:
            first = super().draw("train", range(1))[0]
            assert isinstance(first, Draft)
            ImageDraw.Draw(first.chosen).point((5, 5), (255, 255, 255))
            return replace(draft, chosen=first.chosen)
        if number == 5:
            labels = [list(row) for row in draft.record["labels"]]
            labels[1] = [True] * len(labels[1])
            return replace(draft, record=draft.record | {"labels": labels})
        return draft


def test_what_fails_a_check_is_kept_with_its_reason_and_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Path
) -> None:
    monkeypatch.setattr("spatial_trainers.dataset.scene_source.SceneSource", _Flaky)
    recipe = replace(RECIPE, output=str(tmp_path), splits=SplitsRecipe(train=6))
    result = build_pairs(recipe)
    assert result is not None and result.counts["train"] == 6 and result.failures == 1
    rejected = {r["id"]: r["checks"]["faults"] for r in read_records(tmp_path / "rejected.jsonl")}
    assert rejected == {
        "train-0000002": ["the rejected picture is blank"],
        "train-0000003": ["both pictures are the same"],
        "train-0000004": ["a picture nearly repeats one of train-0000000"],
        "train-0000005": ["an edit is not false in the other picture"],
    }
    failure = json.loads((tmp_path / "failures.jsonl").read_text())
    assert failure["id"] == "train-0000001" and "out of paint" in failure["reason"] and failure["prompt"]
    kept = [r["id"] for r in read_records(tmp_path / "manifest.jsonl")]
    assert kept == [f"train-{n:07d}" for n in (0, 6, 7, 8, 9, 10)]


def test_too_few_that_pass_end_the_build_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        SceneSource,
        "draw",
        lambda self, split, numbers: [Failure(f"{split}-{n}", "image", "no") for n in numbers],
    )
    with pytest.raises(ValueError, match="only 0 passed; 10 are wanted. The first reason: no"):
        build_pairs(replace(RECIPE, output=str(tmp_path), splits=SplitsRecipe(train=10)))


# --- checks ---


def test_blank_and_equal_pictures_are_found() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    blank = Image.new("RGB", (32, 32), (0, 0, 0))
    recipe = ChecksRecipe()
    assert picture_faults(noise, noise.transpose(Image.Transpose.FLIP_LEFT_RIGHT), recipe) == []
    assert picture_faults(noise, blank, recipe) == ["the rejected picture is blank"]
    assert picture_faults(noise, noise, recipe) == ["both pictures are the same"]


def test_hashes_bear_small_changes_and_tell_mirrored_pictures_apart(built: Path) -> None:
    record = read_records(built / "manifest.jsonl")[0]
    picture = image_of(record, "chosen", built).open()
    changed = [picture.resize((97, 97)), picture.point(lambda v: min(255, int(v * 1.1 + 4)))]
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    bits = [int(perceptual_hash(p), 16) for p in (picture, *changed, mirrored)]
    assert len(perceptual_hash(picture)) == 64
    assert all((bits[0] ^ other).bit_count() <= 24 for other in bits[1:3])
    assert (bits[0] ^ bits[3]).bit_count() > 60


def test_near_duplicates_are_exactly_those_within_the_distance() -> None:
    rng = np.random.default_rng(0)
    words = [int.from_bytes(rng.bytes(32), "big") for _ in range(60)]
    for row in range(0, 60, 3):
        source, flips = int(rng.integers(60)), rng.choice(256, int(rng.integers(12)), replace=False)
        words[row] = words[source]
        for bit in flips:
            words[row] ^= 1 << int(bit)
    pairs = [[f"{a:064x}", f"{b:064x}"] for a, b in zip(words[::2], words[1::2], strict=True)]
    expected: dict[int, int] = {}
    for later in range(30):
        for earlier in range(later):
            near = any(
                (int(a, 16) ^ int(b, 16)).bit_count() <= 6 for a in pairs[later] for b in pairs[earlier]
            )
            if near and earlier not in expected:
                expected.setdefault(later, earlier)
    assert near_duplicates(pairs, 6) == expected and expected
    assert near_duplicates([], 6) == {}


def test_verdicts_must_hold_both_ways() -> None:
    good = [["true", "true"], ["false", "true"], ["true", "true"], ["ambiguous", "true"]]
    assert verdict_faults(good, [[0]], 1.0) == []
    assert verdict_faults([["true", "false"], *good[1:]], [[0]], 0.5) == []
    assert (
        "0.50 of the relations of 'prompt'" in verdict_faults([["true", "false"], *good[1:]], [[0]], 1.0)[0]
    )
    fooled = [good[0], ["true", "true"], *good[2:]]
    assert verdict_faults(fooled, [[0]], 1.0) == [
        "edited relation 0 of 'prompt' is judged true in the other picture"
    ]
    # Of an edit of several relations one must be false; "A, B, C" and "A, C, B" agree on A and B.
    assert verdict_faults(good, [[0, 1]], 1.0) == []
    blind = [*good[:2], ["ambiguous", "true"], good[3]]
    assert verdict_faults(blind, [[0]], 0.0) == [
        "edited relation 0 of 'prompt_rejected' is judged ambiguous in its own picture"
    ]


# --- recipes ---


@pytest.mark.parametrize("name", ["pairs-80k", "pairs-smoke", "pairs-qwen-image"])
def test_recipes_that_come_with_the_package_are_right(name: str) -> None:
    recipe = load_recipe(name, BuildRecipe)
    assert recipe.name and sum(recipe.wanted().values()) > 0
    if name == "pairs-80k":
        assert sum(recipe.wanted().values()) == 80_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": SplitsRecipe(train=0)}, "'splits.train' must be greater than 0"),
        ({"splits": SplitsRecipe(train=1, test=-1)}, "must be 0 or more"),
        ({"prompts": PromptsRecipe(num_edits=(4,))}, "'prompts.num_edits'"),
        ({"prompts": PromptsRecipe(min_relations=2)}, "'prompts.min_relations' must be at least"),
        ({"prompts": PromptsRecipe(source="list")}, "'prompts.file' goes with"),
        ({"prompts": PromptsRecipe(model="x")}, "'prompts.model' goes with"),
        ({"prompts": PromptsRecipe(source="grammar")}, "The renderer draws only the scenes"),
        ({"images": ImagesRecipe(size=(16,))}, "'images.size'"),
        ({"images": ImagesRecipe(call={"x": 1})}, "takes no 'images.call'"),
        ({"checks": ChecksRecipe(min_satisfied=2.0)}, "'checks.min_satisfied'"),
        ({"checks": ChecksRecipe(max_distance=40)}, "'checks.max_distance'"),
        ({"oversample": 0.5}, "'oversample'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, output="x", **changes)


def test_no_prompt_implies_what_an_edit_of_it_says(built: Path) -> None:
    """Scenes are exact; what follows from the words must agree."""
    for record in read_records(built / "manifest.jsonl"):
        graph, other = (SceneGraph.from_dict(record[key]) for key in ("graph", "graph_rejected"))
        # Each prompt numbers its things in the order in which it names them.
        ids = {(entity.name, entity.attributes): entity.id for entity in graph.entities}
        same = {e.id: ids.get((e.name, e.attributes), 1000 + e.id) for e in other.entities}
        facts = [
            replace(
                fact,
                subject=(same[fact.subject[0]], fact.subject[1]),
                objects=tuple((same.get(i, i), part) for i, part in fact.objects),
            )
            for fact in facts_of(other)
        ]
        closure = Closure.of(graph)
        for relations in edited_relations(record):
            assert not all(closure.implies(facts[i]) for i in relations)


def test_a_shard_of_failures_alone_is_written(tmp_path: Path) -> None:
    folder = BuildFolder(tmp_path)
    folder.claim({"settings": {}})
    shard = Shard("train", 0, 0, 1)
    folder.write_drawn(shard, [Failure("train-0", "prompt", "empty")], ChecksRecipe())
    assert folder.rows("shards", shard)[0]["failure"]["reason"] == "empty"
    assert not folder.drop_damaged(shard)
    assert shards_module.Shard("test", 3, 12, 2).name == "test-00003"
