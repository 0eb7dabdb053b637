"""Previews against the base's own step, their cache, and training on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from safetensors.torch import load_file
from tiny_flow import build_tiny_flow
from tiny_models import statements
from tiny_pipelines import FAMILIES, PROMPT
from torch import Tensor

from spatial_trainers.checkpoint import load_state, save_state
from spatial_trainers.pairs.data import comparisons
from spatial_trainers.recipe import PreviewsRecipe, RewardRecipe, build
from spatial_trainers.reward_model import train as trainer_module
from spatial_trainers.reward_model.previews import Previews
from spatial_trainers.reward_model.train import JUDGE_FOLDER, METRICS_FILE, STATE_FILE, train_reward

SIDE = 32
CPU = torch.device("cpu")
LEFT = statements(("ball", "left_of", "cup"))
RIGHT = statements(("ball", "right_of", "cup"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pipelines of both families, and one of the starter's own parts."""
    root = tmp_path_factory.mktemp("pipelines")
    for name in ("flux", "sd3", "sd15"):
        FAMILIES[name].pipeline().save_pretrained(root / name)
    build_tiny_flow(root / "starter")
    return {name: root / name for name in ("flux", "sd3", "sd15", "starter")}


def previews(folder: Path, cache: Path, *, seed: int = 0, **changes: Any) -> Previews:
    return Previews(PreviewsRecipe(str(folder), str(cache), **changes), seed=seed, device=CPU)


def picture(side: int = SIDE) -> Tensor:
    ramp = torch.linspace(0, 1, side)
    return torch.stack(
        [ramp.expand(side, side), ramp[:, None].expand(side, side), torch.full((side, side), 0.3)]
    )


@pytest.mark.parametrize("name", ["flux", "sd3", "starter"])
@torch.no_grad()
def test_without_noise_a_preview_is_what_the_autoencoder_keeps(
    name: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    made = previews(folders[name], tmp_path)
    vae = made._pipeline.vae
    encoded = vae.encode(2 * picture()[None] - 1)
    latents = encoded.latents if name == "starter" else encoded.latent_dist.mode()
    kept = (vae.decode(latents).sample[0] / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(made._make(picture(), PROMPT, 1e-6, seed=0), kept, atol=1e-3, rtol=0)
    noisy = made._make(picture(), PROMPT, 0.7, seed=0)
    assert (noisy - kept).abs().mean() > 1e-4


@torch.no_grad()
def test_a_preview_is_one_step_of_the_base_to_the_end(folders: dict[str, Path], tmp_path: Path) -> None:
    made = previews(folders["flux"], tmp_path)
    pipeline, level = made._pipeline, 0.6
    # An unshifted schedule of one step goes from the level straight to 0.
    pipeline.scheduler = FlowMatchEulerDiscreteScheduler()
    vae = pipeline.vae
    latents = vae.encode(2 * picture()[None] - 1).latent_dist.mode()
    latents = (latents - vae.config.shift_factor) * vae.config.scaling_factor
    generator = torch.Generator().manual_seed(7)
    noise, _ = pipeline.prepare_latents(1, 4, SIDE, SIDE, torch.float32, "cpu", generator)
    noisy = (1 - level) * pipeline._pack_latents(latents, *latents.shape) + level * noise
    size = {"height": SIDE, "width": SIDE}
    expected = pipeline(
        PROMPT, latents=noisy, sigmas=[level], num_inference_steps=1, output_type="pt", **size
    )
    torch.testing.assert_close(
        made._make(picture(), PROMPT, level, seed=7), expected.images[0], atol=1e-5, rtol=0
    )


def test_a_preview_is_made_once_and_depends_on_what_it_must(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = previews(folders["flux"], tmp_path)
    shown = {
        "first": made.show(picture(), PROMPT, 0.7),
        "prompt": made.show(picture(), LEFT.text, 0.7),
        "level": made.show(picture(), PROMPT, 0.5),
        "picture": made.show(1 - picture(), PROMPT, 0.7),
        "seed": previews(folders["flux"], tmp_path, seed=1).show(picture(), PROMPT, 0.7),
        "pipeline": previews(folders["sd3"], tmp_path).show(picture(), PROMPT, 0.7),
        "guidance": previews(folders["flux"], tmp_path, guidance_scale=9.0).show(picture(), PROMPT, 0.7),
        "length": previews(folders["flux"], tmp_path, max_sequence_length=8).show(picture(), PROMPT, 0.7),
    }
    assert len(list(tmp_path.rglob("*.png"))) == len(shown)
    for name, image in shown.items():
        assert image.shape == (3, SIDE, SIDE) and 0 <= image.min() and image.max() <= 1
        assert name == "first" or not torch.equal(image, shown["first"])
    again = previews(folders["flux"], tmp_path)
    monkeypatch.setattr(Previews, "_make", lambda *_, **__: pytest.fail("made twice"))
    assert torch.equal(again.show(picture(), PROMPT, 0.7), shown["first"])


def test_sides_become_what_latents_can_have(folders: dict[str, Path], tmp_path: Path) -> None:
    made = previews(folders["starter"], tmp_path)
    unit = made._pipeline.vae_scale_factor * 2
    assert made.show(picture(unit * 2 + 3), PROMPT, 0.6).shape == (3, unit * 2, unit * 2)


def test_levels_belong_to_step_and_pair(folders: dict[str, Path], tmp_path: Path) -> None:
    made = previews(folders["flux"], tmp_path, share=0.25, noise_levels=(0.4, 0.8))
    drawn = [[made.level(step, pair) for pair in range(100)] for step in range(20)]
    assert drawn == [[made.level(step, pair) for pair in range(100)] for step in range(20)]
    flat = [level for row in drawn for level in row]
    assert 0.2 < sum(level is not None for level in flat) / len(flat) < 0.3
    assert {level for level in flat if level} == {0.4, 0.8} and drawn[0] != drawn[1]


def test_a_pipeline_of_another_family_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a FLUX or Stable Diffusion 3 pipeline"):
        previews(folders["sd15"], tmp_path)


def test_both_ways_of_a_pair_share_its_level() -> None:
    pairs: Any = ["a", "b"]
    cases = comparisons(pairs, symmetric=True, levels=[0.5, None])
    assert [case.level for case in cases] == [0.5, 0.5, None, None]
    assert [case.level for case in comparisons(pairs, symmetric=False)] == [None, None]


# Training


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 + 2 pairs: the ball is a bright half of the picture, left or right."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 30, (20, SIDE, SIDE, 3), dtype=np.uint8)
    stack[0::2, :, : SIDE // 2] += 220
    stack[1::2, :, SIDE // 2 :] += 220
    np.save(folder / "stack.npy", stack)
    records = [
        {
            "id": str(i),
            "prompt": LEFT.text,
            "prompt_rejected": RIGHT.text,
            "graph": LEFT.to_dict(),
            "graph_rejected": RIGHT.to_dict(),
            "image_chosen": f"stack.npy#{2 * i}",
            "image_rejected": f"stack.npy#{2 * i + 1}",
            "edits": [{"kind": "flip_relation", "relation_index": 0}],
            "split": "train" if i < 8 else "validation",
        }
        for i in range(10)
    ]
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return folder / "pairs.jsonl"


Make = Callable[..., RewardRecipe]


@pytest.fixture
def make(tmp_path: Path, tiny_folders: dict[str, Path], manifest: Path, folders: dict[str, Path]) -> Make:
    def recipe(output: str, pipeline: str = "flux", **given: Any) -> RewardRecipe:
        settings = {"pipeline": str(folders[pipeline]), "cache": str(tmp_path / "cache"), "share": 0.6}
        table: dict[str, Any] = {
            "name": "tiny",
            "output": str(tmp_path / output),
            "checkpoint_every": 2,
            "log_every": 1,
            "model": {"backbone": str(tiny_folders["qwen2_5_vl"]), "lora_rank": 4, "lora_dropout": 0.1},
            "data": {"manifest": str(manifest)},
            "optimizer": {"steps": 4, "pairs_per_step": 4, "pairs_per_device": 2, "mixed_precision": "no"},
            "validation": {"every": 2, "pairs": 2},
        }
        if given.pop("on", True):
            table["data"]["previews"] = settings | {"noise_levels": [0.3, 0.8]} | given
        return build(RewardRecipe, table)

    return recipe


class _KilledError(Exception):
    pass


def test_a_killed_run_goes_on_bit_for_bit_with_another_cache(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = train_reward(make("whole"))
    levels = card["results"]["validation"]["by_noise_level"]
    assert list(levels) == ["0.3", "0.8"] and all(row["n"] == 4 for row in levels.values())
    readme = (tmp_path / "whole" / JUDGE_FOLDER / "README.md").read_text("utf-8")
    assert "| previews at noise level 0.8 |" in readme
    lines = [json.loads(line) for line in (tmp_path / "whole" / METRICS_FILE).read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines if "validation/accuracy_at_0.3" in line] == [2, 4]

    take = trainer_module.RewardTrainer.take_step

    def dies(self: Any, batches: Any) -> Any:
        if self.step == 3:
            raise _KilledError
        return take(self, batches)

    monkeypatch.setattr(trainer_module.RewardTrainer, "take_step", dies)
    with pytest.raises(_KilledError):
        train_reward(make("killed", cache=str(tmp_path / "elsewhere")))
    monkeypatch.setattr(trainer_module.RewardTrainer, "take_step", take)
    assert load_state(tmp_path / "killed" / STATE_FILE).step == 2
    train_reward(make("killed", cache=str(tmp_path / "third")))
    whole, killed = (load_file(tmp_path / run / STATE_FILE) for run in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(value, killed[key]) for key, value in whole.items())

    with pytest.raises(ValueError, match="'data.previews.share' = 0.6.*now says 0.5"):
        train_reward(make("killed", share=0.5))
    state = load_state(tmp_path / "killed" / STATE_FILE)
    facts = dict(state.facts) | {"data": "other"}
    save_state(tmp_path / "killed" / STATE_FILE, replace(state, facts=facts))
    with pytest.raises(ValueError, match="or on previews of another pipeline"):
        train_reward(make("killed"))


def test_pictures_of_previews_reach_the_model_and_off_means_off(make: Make, tmp_path: Path) -> None:
    on, off = make("on", share=1.0), make("off", on=False)
    card = train_reward(off)
    assert "by_noise_level" not in card["results"]["validation"] and not (tmp_path / "cache").exists()
    train_reward(on)
    # 4 steps of 4 pairs meet each of the 8 twice; 2 for validation at both levels; 4 previews a pair.
    assert len(list((tmp_path / "cache").rglob("*.png"))) > 2 * 2 * 4
    one, other = (load_file(tmp_path / run / STATE_FILE) for run in ("on", "off"))
    assert any(not torch.equal(one[key], other[key]) for key in one)
    # A checkpoint of a release that knew no previews goes on.
    state = load_state(tmp_path / "off" / STATE_FILE)
    recipe = dict(state.facts["recipe"])
    recipe["data"] = {key: value for key, value in recipe["data"].items() if key != "previews"}
    save_state(tmp_path / "off" / STATE_FILE, replace(state, facts=dict(state.facts) | {"recipe": recipe}))
    train_reward(off)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shares": 0.5}, r"unknown key 'data\.previews\.shares'. The nearest valid key is .*share'"),
        ({"share": 0.0}, r"'data\.previews\.share' must be in \(0, 1\]; got 0\.0"),
        ({"noise_levels": []}, "must be one or more numbers"),
        ({"noise_levels": [0.5, 1.0]}, r"numbers in \(0, 1\); got \[0\.5, 1\.0\]"),
        ({"pipeline": 3}, "must be of type str"),
    ],
)
def test_recipes_that_do_not_fit(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(
            RewardRecipe,
            {
                "name": "a",
                "output": "b",
                "model": {"backbone": "c"},
                "optimizer": {"steps": 1},
                "data": {"manifest": "d", "previews": {"pipeline": "starter", "cache": "e"} | given},
            },
        )
