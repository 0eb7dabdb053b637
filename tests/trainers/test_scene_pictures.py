"""Pictures of scenes to fine-tune on: their prompts are true of them, and a stopped rendering goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from spatial_core.language.parser import parse_prompt
from spatial_core.localizer import SpatialLocalizer
from spatial_core.scorers.geometric import GeometricScorer
from spatial_trainers.flow.layout import flow_layout
from spatial_trainers.flow.world import bundled_world
from spatial_trainers.lora import scene_pictures
from spatial_trainers.lora.data import read_pictures
from spatial_trainers.lora.recipe import PictureScenesRecipe, PicturesRecipe
from spatial_trainers.lora.scene_pictures import render_pictures


def records(manifest: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in manifest.read_text().splitlines()]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = PictureScenesRecipe(str(tmp_path_factory.mktemp("scenes")), 40, relations=(1, 2))
    return render_pictures(recipe)


def test_prompts_state_what_is_asked_for_and_name_what_is_there(rendered: Path) -> None:
    found = records(rendered)
    assert len(found) == 40 and len({r["image"] for r in found}) == 40
    assert {len(parse_prompt(r["prompt"]).relations) for r in found} == {1, 2}
    world = bundled_world()
    for record in found:
        things = {(o.kind, o.color) for o in flow_layout(int(Path(record["image"]).stem), world).objects}
        named = parse_prompt(record["prompt"]).entities
        assert {e.name for e in named} <= {kind for kind, _ in things}


def test_prompts_are_true_of_their_pictures(rendered: Path) -> None:
    found = records(rendered)
    images = torch.stack(
        [
            torch.from_numpy(np.array(Image.open(rendered.parent / r["image"]))).permute(2, 0, 1) / 255
            for r in found
        ]
    )
    localizer = SpatialLocalizer.from_pretrained("starter")
    scores = GeometricScorer(localizer, localizer).score(images, [r["prompt"] for r in found], explain=True)
    # Of the others the judge itself is less sure: see its card.
    sure = ("left_of", "right_of", "above", "below", "picture_left", "picture_right", "picture_bottom")
    verdicts = [report.verdict for row in scores.relations or [] for report in row if report.relation in sure]
    assert len(verdicts) >= 20 and verdicts.count("true") / len(verdicts) > 0.95


def test_the_first_pictures_are_the_same_and_nothing_is_rendered_twice(
    rendered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = PictureScenesRecipe(str(rendered.parent.parent), 12, relations=(1, 2))

    def never(*_: Any) -> Any:
        raise AssertionError("rendered again")

    monkeypatch.setattr(scene_pictures, "judge_scenes", never)
    fewer = render_pictures(recipe)
    assert fewer.parent == rendered.parent
    assert records(fewer) == records(rendered)[:12]
    others = PictureScenesRecipe(str(rendered.parent.parent), 12, relations=(1, 2), seed=1)
    with pytest.raises(AssertionError, match="rendered again"):
        render_pictures(others)


def test_a_stopped_rendering_goes_on(rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = scene_pictures.judge_scenes
    calls: list[int] = []

    def counted(scenes: Any) -> Any:
        calls.append(len(scenes))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return judge(scenes)

    monkeypatch.setattr(scene_pictures, "judge_scenes", counted)
    recipe = PictureScenesRecipe(str(tmp_path), 40, relations=(1, 2))
    with pytest.raises(KeyboardInterrupt):
        render_pictures(recipe)
    assert not list(tmp_path.rglob("first-*.jsonl"))
    manifest = render_pictures(recipe)
    assert manifest.read_bytes() == rendered.read_bytes()
    names = [r["image"] for r in records(manifest)]
    assert all((manifest.parent / n).read_bytes() == (rendered.parent / n).read_bytes() for n in names)


def test_read_pictures_takes_them(rendered: Path) -> None:
    scenes = PictureScenesRecipe(str(rendered.parent.parent), 12, relations=(1, 2))
    examples = read_pictures(PicturesRecipe(scenes=scenes))
    assert [e.prompt for e in examples] == [r["prompt"] for r in records(rendered)[:12]]
    assert examples[0].pictures[0].read().shape == (3, 128, 128)


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"relations": ()}, {"relations": (0, 1)}, {"relations": (11,)}]
)
def test_numbers_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"'pictures.scenes' needs count >= 1 and relations from 1 to 10"):
        PictureScenesRecipe(**({"cache": "x", "count": 1} | wrong))


def test_relations_that_no_scene_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_pictures, "word_prompt", lambda *_, **__: None)
    monkeypatch.setattr(scene_pictures, "_MAX_EMPTY", 2)
    with pytest.raises(ValueError, match=r"64 scenes in a row have no prompt of \[10\] relations"):
        render_pictures(PictureScenesRecipe(str(tmp_path), 1, relations=(10,)))
