"""The starter's pretraining: scenes on disk, questions with exact answers, a run that goes on exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from spatial_core.language.questions import question
from spatial_core.scenes.closure import BINARY, FAMILIES, PLACES
from spatial_core.scenes.splits import split_of
from spatial_trainers import scene_cache
from spatial_trainers.backbone import train as pretrain_starter
from spatial_trainers.backbone.questions import WALL, QuestionSampler, phrase_pieces
from spatial_trainers.backbone.train import PretrainSettings, run
from spatial_trainers.learning_rate import plateau_factor
from spatial_trainers.scene_cache import COLOR_NAMES, KINDS, SceneCache, build_shard


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small cache: one shard of 24 scenes for each split."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene_cache, "SHARD", 24)
        for split in ("train", "validation"):
            build_shard(folder, split, 0, 0)
    return folder


def test_a_shard_depends_on_its_number_alone(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene_cache, "SHARD", 24)
    build_shard(tmp_path, "train", 0, 0)
    assert SceneCache(tmp_path, "train", 1).digest == SceneCache(cache, "train", 1).digest
    build_shard(tmp_path, "train", 1, 0)
    assert SceneCache(tmp_path, "train", 2).digest != SceneCache(cache, "train", 1).digest


def test_patches_name_the_object_that_covers_them(cache: Path) -> None:
    scenes = SceneCache(cache, "train", 1).read(np.arange(24))
    kind, color, place, known = scenes.patch_labels()
    assert known.any()
    i, y, x = np.argwhere(known)[0]
    j = scenes.patches[i, y, x]
    assert (kind[i, y, x], color[i, y, x]) == (scenes.kinds[i, j] + 1, scenes.colors[i, j] + 1)
    box = scenes.boxes[i, j]
    # Patch centre plus the offset is the centre of the box.
    np.testing.assert_allclose((x + 0.5) / 16 + place[i, y, x, 0], (box[0] + box[2]) / 2, atol=1e-6)
    assert (kind[~known] == 0).all()


def test_a_mirror_exchanges_left_and_right_and_nothing_else(cache: Path) -> None:
    scenes = SceneCache(cache, "train", 1).read(np.arange(24))
    flip = np.ones(24, bool)
    seen = scenes.mirrored(flip)
    left, right = BINARY.index("left_of"), BINARY.index("right_of")
    np.testing.assert_array_equal(seen.binary[:, left], scenes.binary[:, right])
    np.testing.assert_array_equal(
        seen.places[:, PLACES.index("picture_left")], scenes.places[:, PLACES.index("picture_right")]
    )
    same = BINARY.index("on")
    np.testing.assert_array_equal(seen.binary[:, same], scenes.binary[:, same])
    np.testing.assert_array_equal(seen.images, scenes.images[:, :, ::-1])
    twice = seen.mirrored(flip)
    np.testing.assert_allclose(twice.boxes, scenes.boxes, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_questions_are_worded_as_the_vqa_scorer_words_them(family: str) -> None:
    names = ["the red ball", "the blue cup", "the mug"]
    asked, stated = phrase_pieces(family, names, [0, 1, 2])
    assert "".join(piece for piece, _ in asked) == question(family, names[0], names[1:])
    assert [index for _, index in stated if index is not None][0] == 0


def test_answers_are_the_closures_and_splits_are_kept(cache: Path) -> None:
    scenes = SceneCache(cache, "train", 1).read(np.arange(24))
    sampler = QuestionSampler(held_out_family="aligned_with", absent=0.0)
    rng = np.random.default_rng(0)
    answers: list[int] = []
    for i in range(24):
        called = zip(scenes.colors[i], scenes.kinds[i], strict=True)
        names = {f"the {COLOR_NAMES[c]} {KINDS[k]}": j for j, (c, k) in enumerate(called) if k >= 0}
        for asked in sampler.sample(scenes, i, 8, rng):
            family = FAMILIES[asked.family]
            assert family != "aligned_with"
            answers.append(asked.answer)
            who = [
                names.get(piece.removeprefix(" ")) for piece, index in asked.statement if index is not None
            ]
            if family in BINARY and len(who) == 2 and None not in who:
                assert scenes.binary[i, BINARY.index(family), who[0], who[1]] == asked.answer
                kinds = [KINDS[scenes.kinds[i, j]] for j in who if j is not None and j < WALL]
                assert split_of(kinds[0], family, kinds[1]) == "train"
    assert 0.3 < np.mean(answers) < 0.7


def test_the_rate_warms_up_holds_and_falls_to_zero() -> None:
    settings = PretrainSettings(cache="", output="", steps=100, warmup=10, cooldown=0.5)
    rates = [plateau_factor(step, settings) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[20] == rates[49] == 1.0
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == 0.0


def test_a_killed_run_goes_on_bit_for_bit_and_saves_a_backbone(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PretrainSettings(
        cache=str(cache),
        output=str(tmp_path / "whole"),
        train_shards=1,
        validation_shards=1,
        validation_pictures=6,
        steps=4,
        batch_size=3,
        questions=4,
        vocab_size=700,
        save_every=2,
    )
    monkeypatch.setattr(
        QuestionSampler, "corpus", lambda self: iter(["Yes", "No", "Is the red ball above?"] * 9)
    )
    facts = run(whole)
    assert facts["data_sha256"] == SceneCache(cache, "train", 1).digest
    halved = replace(whole, output=str(tmp_path / "halved"))
    step = pretrain_starter.Pretrainer.step
    taken: list[int] = []

    def killed(self: pretrain_starter.Pretrainer, *args: object) -> dict[str, float]:
        if len(taken) == 3:
            raise KeyboardInterrupt
        taken.append(1)
        return step(self, *args)  # pyright: ignore[reportArgumentType]

    with monkeypatch.context() as patch:
        patch.setattr(pretrain_starter.Pretrainer, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            run(halved)
    run(halved)
    first, second = (
        load_file(tmp_path / name / "backbone" / "model.safetensors") for name in ("whole", "halved")
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    lines = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["held_out"]["all"] >= 0
    with pytest.raises(ValueError, match="other settings"):
        run(replace(whole, lr=1.0))
