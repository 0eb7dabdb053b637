"""The localizer's training: whole boxes without rendering, targets, exact resuming, the yardstick itself."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from spatial_core.localizer import Sighting, SpatialLocalizer
from spatial_core.localizer_network import DenseFields
from spatial_core.scenes.sampling import sample_scenes
from spatial_trainers import scene_cache
from spatial_trainers.commands import measure_localizer
from spatial_trainers.flow.judge import judge_starter_scenes
from spatial_trainers.learning_rate import plateau_factor
from spatial_trainers.localizer import data as localizer_data
from spatial_trainers.localizer import train as train_localizer
from spatial_trainers.localizer.data import (
    CELLS,
    Pictures,
    load_pictures,
    make_batch,
    nearer,
    replayed_boxes,
    starter_config,
    whole_boxes,
    worse,
)
from spatial_trainers.localizer.evaluation import evaluate, report
from spatial_trainers.localizer.train import LocalizerSettings, losses, run
from spatial_trainers.scene_cache import COLOR_NAMES, KINDS, PATTERN_NAMES, build_shard

SETTINGS = LocalizerSettings(
    cache="",
    output="",
    train_shards=1,
    validation_shards=1,
    processes=1,
    steps=4,
    batch_size=4,
    warmup=2,
    save_every=2,
    log_every=2,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small cache: one shard of 16 scenes for each split."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene_cache, "SHARD", 16)
        for split in ("train", "validation"):
            build_shard(folder, split, 0, 0)
    return folder


@pytest.fixture(scope="module")
def pictures(cache: Path) -> Pictures:
    return load_pictures(cache, "validation", 1)[0]


def test_projected_boxes_are_the_rendered_ones() -> None:
    batch = sample_scenes(range(8))
    for k, scene in enumerate(batch.scenes):
        rendered = batch.rendering.full_boxes[k, : len(scene.objects)].numpy()
        away = np.abs(whole_boxes(scene) * 128 - rendered)
        assert away.mean() < 0.3 and away.max() < 1.5


def test_whole_boxes_hold_the_visible_ones(pictures: Pictures) -> None:
    shown = pictures.boxes[..., 2] > pictures.boxes[..., 0]
    inner, outer = pictures.boxes[shown], pictures.whole[shown]
    assert (outer[:, :2] <= inner[:, :2] + 1.5 / 128).all() and (
        outer[:, 2:] >= inner[:, 2:] - 1.5 / 128
    ).all()
    assert (np.abs(inner - outer).max(1) > 3 / 128).any(), "some things should be partly hidden"


def test_other_layouts_than_the_caches_are_refused(pictures: Pictures) -> None:
    with pytest.raises(ValueError, match="sampler has changed since"):
        replayed_boxes(pictures.kinds, pictures.colors, 5_000_000)


def test_targets_say_what_a_cell_shows(pictures: Pictures) -> None:
    rows = np.arange(len(pictures))
    batch = make_batch(pictures, rows, np.random.default_rng(0), worsen=False)
    assert batch.heat.shape == (len(rows), CELLS, CELLS)
    assert ((batch.heat > 0) == (batch.thing > 0)).all() and ((batch.kind >= 0) == (batch.thing > 0)).all()
    for number in range(1, batch.things):
        at = batch.thing == number
        assert float(batch.heat[at].max()) == pytest.approx(1)
        assert (at.nonzero()[:, 0] == batch.picture[number]).all() and len(batch.kind[at].unique()) == 1
    # The first thing of the first scene, found again by what it is.
    n, y, x = (batch.thing == 1).nonzero()[0].tolist()
    matches = [
        m
        for m in range(pictures.kinds.shape[1])
        if pictures.kinds[n, m] == batch.kind[n, y, x]
        and np.allclose(pictures.whole[n, m], batch.box[n, :, y, x].numpy())
        and np.isclose(np.log(pictures.distances[n, m] + 1e-3), batch.log_distance[n, y, x])
    ]
    assert len(matches) == 1


def test_a_mirrored_picture_has_mirrored_targets(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localizer_data, "_NEAR", 0.0)
    rows = np.zeros(32, np.int64)
    straight = make_batch(pictures, rows[:1], np.random.default_rng(0), worsen=False)
    mixed = make_batch(pictures, rows, np.random.default_rng(0))
    kinds = straight.kind[0]
    mirrored = [bool((kind == kinds.flip(1)).all()) for kind in mixed.kind]
    same = [bool((kind == kinds).all()) for kind in mixed.kind]
    assert all(a != b for a, b in zip(mirrored, same, strict=True)) and 6 < sum(mirrored) < 26
    k = mirrored.index(True)
    x0, x1 = straight.box[0, 0].flip(1), straight.box[0, 2].flip(1)
    known = straight.kind[0].flip(1) >= 0
    torch.testing.assert_close(mixed.box[k, 0][known], 1 - x1[known])
    torch.testing.assert_close(mixed.box[k, 2][known], 1 - x0[known])


def test_boxes_follow_a_picture_seen_from_nearer() -> None:
    image = np.zeros((128, 128, 3), np.uint8)
    image[40:72, 24:56] = 255
    patches = np.full((16, 16), -1, np.int8)
    patches[5:9, 3:7] = 0
    boxes = np.array([[24, 40, 56, 72], [0, 0, 0, 0]], np.float32) / 128
    cut = 0
    for seed in range(30):
        near, cells, seen, whole = nearer(image, patches, boxes, boxes, np.random.default_rng(seed))
        rows, columns = np.nonzero(near[..., 0] > 127)
        drawn = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 128
        np.testing.assert_allclose(seen[0], drawn, atol=1.5 / 128)
        np.testing.assert_allclose(whole, seen)
        assert (seen[1] == 0).all() and (cells == 0).mean() == pytest.approx(
            (seen[0, 2] - seen[0, 0]) * (seen[0, 3] - seen[0, 1]), abs=0.06
        )
        assert seen[0, 2] - seen[0, 0] <= 0.51
        cut += (seen[0] == 0).any() or (seen[0] == 1).any()
    assert cut, "no part of the picture was cut off in any of them"


def test_worse_pictures_stay_recognizable(pictures: Pictures) -> None:
    rng = np.random.default_rng(0)
    made = np.stack([worse(image, rng) for image in pictures.images])
    away = np.abs(made.astype(float) - pictures.images).mean((1, 2, 3))
    assert made.dtype == np.uint8 and made.shape == pictures.images.shape
    assert (away > 0.5).all() and away.mean() < 25


def perfect(pictures: Pictures) -> tuple[DenseFields, train_localizer.LocalizerBatch]:
    batch = make_batch(pictures, np.arange(4), np.random.default_rng(0), worsen=False)

    def certain(classes: torch.Tensor, count: int) -> torch.Tensor:
        return 50 * torch.nn.functional.one_hot(classes.clamp(min=0), count).permute(0, 3, 1, 2).float()

    sizes = (len(KINDS), len(COLOR_NAMES), len(PATTERN_NAMES))
    classes = (batch.kind, batch.color, batch.pattern)
    kind, color, pattern = (certain(c, size) for c, size in zip(classes, sizes, strict=True))
    heat = torch.logit(batch.heat.clamp(1e-6, 1 - 1e-6))
    return DenseFields(heat, kind, color, pattern, batch.box, batch.log_distance), batch


def test_losses_vanish_for_the_truth_and_only_for_it(pictures: Pictures) -> None:
    fields, batch = perfect(pictures)
    right = losses(fields, batch, SETTINGS)
    assert all(float(right[name]) < 1e-5 for name in right if name != "heat")
    farther = replace(fields, log_distance=fields.log_distance + 0.1)
    wrong = losses(farther, batch, SETTINGS)
    # All equally too far: the order is still right.
    assert float(wrong["distance"]) > 0.1 and float(wrong["order"]) < 1e-4
    moved = replace(fields, box=fields.box + 0.05)
    assert float(losses(moved, batch, SETTINGS)["box"]) > 0.3
    hotter = replace(fields, heat=fields.heat + 1)
    assert float(losses(hotter, batch, SETTINGS)["heat"]) > float(right["heat"])


def test_a_killed_run_goes_on_exactly(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_cache, "SHARD", 16)
    whole = replace(SETTINGS, cache=str(cache), output=str(tmp_path / "whole"))
    facts = run(whole)
    broken = replace(whole, output=str(tmp_path / "broken"))
    step = train_localizer.LocalizerTrainer.step

    def killed(self: train_localizer.LocalizerTrainer, batch: object, number: int) -> dict[str, float]:
        if number == 3:
            raise KeyboardInterrupt
        return step(self, batch, number)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(train_localizer.LocalizerTrainer, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            run(broken)
    run(broken)
    name = "localizer/localizer.safetensors"
    ours, theirs = load_file(tmp_path / "whole" / name), load_file(tmp_path / "broken" / name)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    card = json.loads((tmp_path / "whole/localizer/card.json").read_text("utf-8"))
    assert card == facts and card["data_sha256"] and card["settings"]["seed"] == 0
    assert "cache" not in card["settings"], "paths of a machine do not belong into a card"
    assert "| left_of |" in (tmp_path / "whole/localizer/README.md").read_text("utf-8")
    with pytest.raises(ValueError, match="made with other settings"):
        run(replace(whole, lr=1e-4))
    more = replace(whole, output=str(tmp_path / "more"), init_from=str(tmp_path / "whole/localizer"), steps=1)
    assert run(more)["went_on_from"]["data_sha256"] == facts["data_sha256"]


def test_the_rate_rises_stays_and_falls() -> None:
    settings = replace(SETTINGS, steps=100, warmup=10, cooldown=0.5)
    assert [plateau_factor(step, settings) for step in (0, 9, 40, 75, 100)] == [0.1, 1.0, 1.0, 0.5, 0.0]


class Truthful(SpatialLocalizer):
    """Knows a cache's pictures and says exactly what is in them."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__(starter_config())
        self.pictures = pictures
        self.rows = {image.tobytes(): row for row, image in enumerate(pictures.images)}

    def look(self, images: torch.Tensor) -> list[list[Sighting]]:  # type: ignore[override]
        levels = (
            (torch.as_tensor(images) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
        )
        return [self._things(self.rows[image.tobytes()]) for image in levels]

    def _things(self, row: int) -> list[Sighting]:
        p = self.pictures
        boxes = p.boxes[row]
        shown = [m for m in range(len(boxes)) if boxes[m, 2] > boxes[m, 0]]
        return [
            Sighting(
                box=tuple((p.whole[row, m] * 128).tolist()),
                distance=float(p.distances[row, m]),
                score=1.0,
                kinds=tuple(np.eye(len(KINDS))[p.kinds[row, m]].tolist()),
                colors=tuple(np.eye(len(COLOR_NAMES))[p.colors[row, m]].tolist()),
                patterns=tuple(np.eye(len(PATTERN_NAMES))[p.patterns[row, m]].tolist()),
            )
            for m in shown
        ]


def test_a_perfect_localizer_gets_a_perfect_table(cache: Path, pictures: Pictures) -> None:
    figures = evaluate(Truthful(pictures), cache, 1)
    assert figures["iou"] == pytest.approx(1, abs=1e-3) and figures["found"] == 1
    assert figures["distance_error"] < 1e-4
    assert set(figures["false_alarms"].values()) == {0}
    families = figures["families"]
    assert families["all"]["agreement"] > 0.95
    for name in ("left_of", "above", "next_to", "far_from", "larger_than", "picture_left"):
        assert families[name]["agreement"] == 1, name
    assert 0 < families["all"]["n_held_out"] < families["all"]["n_true"] + families["all"]["n_false"]


def test_a_localizer_that_mixes_up_sides_is_found_out(cache: Path, pictures: Pictures) -> None:
    class Mirrored(Truthful):
        def _things(self, row: int) -> list[Sighting]:
            return [
                replace(t, box=(128 - t.box[2], t.box[1], 128 - t.box[0], t.box[3]))
                for t in super()._things(row)
            ]

    families = evaluate(Mirrored(pictures), cache, 1)["families"]
    assert families["left_of"]["true"] == 0 and families["above"]["true"] > 0.8


def test_the_report_has_a_row_for_each_family(cache: Path, pictures: Pictures) -> None:
    facts = {
        "settings": {"steps": 1, "batch_size": 2, "seed": 0},
        "parameters": 10,
        "scenes": 16,
        "renderer": 2,
        "data_sha256": "0",
        "machine": "a machine",
        "went_on_from": {
            "settings": {"steps": 77, "batch_size": 2, "seed": 5},
            "scenes": 8,
            "went_on_from": None,
        },
        "measured": evaluate(Truthful(pictures), cache, 1, limit=8)
        | {"starter": judge_starter_scenes(SpatialLocalizer.from_pretrained("starter"), 6)},
    }
    text = report(facts)
    assert "Before that: 77 steps of 2 pictures from 8 scenes, seed 5." in text
    assert all(f"| {family} |" in text for family in facts["measured"]["families"])  # type: ignore[index]


def test_the_command_measures_on_all_scenes_and_on_the_starters(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = ArgumentParser()
    measure_localizer.add_arguments(parser)
    file = tmp_path / "figures.json"
    asked = ["--cache", str(cache), "--shards", "1", "--output", str(file)]
    measure_localizer.run(parser.parse_args(asked))
    figures = json.loads(file.read_text())
    assert json.loads(capsys.readouterr().out) == figures
    assert figures["scenes"] == 16 and 12 <= figures["starter"]["scenes"] <= 16
    assert figures["starter"]["found"] > figures["found"] > 0.5
    assert figures["starter"]["families"]["all"]["agreement"] > 0.9
    with pytest.raises(ValueError, match="--shards must be at least 1; got 0"):
        measure_localizer.run(parser.parse_args(["--shards", "0"]))
