"""Latents in each family's layout, the LoRA in a denoiser, and the sheet of before and after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pipelines import FAMILIES
from torch import Tensor

from spatial_core.lora import LoraCard, read_lora
from spatial_trainers.adapter import add_lora, export_lora, lora_modules, lora_off, lora_weights
from spatial_trainers.latents import decode_latents, encode_latents, side_unit
from spatial_trainers.rl.policy import LoraRecipe, Policy
from spatial_trainers.sample_grid import save_grid

NAMES = ("flux", "sd3", "qwen_image")
SIDE = 16


def drawn(pipeline: Any, name: str, output_type: str) -> Tensor:
    call = {**FAMILIES[name].inputs, "num_inference_steps": 2, "prompt": "a red ball"}
    return pipeline(**call, generator=torch.Generator().manual_seed(0), output_type=output_type).images


@pytest.mark.parametrize("name", NAMES)
def test_latents_are_the_bases_own(name: str) -> None:
    pipeline = FAMILIES[name].pipeline()
    ended, images = drawn(pipeline, name, "latent"), drawn(pipeline, name, "pt")
    assert torch.equal(decode_latents(pipeline, ended, height=SIDE, width=SIDE), images)
    found = encode_latents(pipeline, images)
    assert found.shape == ended.shape and found.dtype == torch.float32
    # There and back is what the autoencoder alone makes of a picture.
    pixels = 2 * images - 1
    with torch.no_grad():
        if name == "qwen_image":
            kept = pipeline.vae.decode(pipeline.vae.encode(pixels[:, :, None]).latent_dist.mode()).sample[
                :, :, 0
            ]
        else:
            kept = pipeline.vae.decode(pipeline.vae.encode(pixels).latent_dist.mode()).sample
    back = decode_latents(pipeline, found, height=SIDE, width=SIDE)
    torch.testing.assert_close(back, (kept / 2 + 0.5).clamp(0, 1), atol=1e-5, rtol=0)
    assert SIDE % side_unit(pipeline) == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_lora_begins_as_nothing_trains_alone_and_can_be_switched_off(name: str, tmp_path: Path) -> None:
    pipeline = FAMILIES[name].pipeline()
    before = drawn(pipeline, name, "pt")
    chosen = lora_modules(pipeline.transformer, "blocks")
    assert set(lora_modules(pipeline.transformer, "attention")) < set(chosen)
    assert not any("norm" in path or "_mod" in path or "blocks." not in path for path in chosen)
    trained = add_lora(pipeline.transformer, rank=3, alpha=6.0, seed=1)
    assert len(trained) == 2 * len(chosen)
    assert set(trained.values()) == {p for p in pipeline.transformer.parameters() if p.requires_grad}
    assert torch.equal(drawn(pipeline, name, "pt"), before)
    generator = torch.Generator().manual_seed(0)
    new = {n: 0.3 * torch.randn(p.shape, generator=generator) for n, p in trained.items()}
    with lora_weights(trained, new):
        after = drawn(pipeline, name, "pt")
        path = export_lora(
            tmp_path,
            trained,
            rank=3,
            alpha=6.0,
            card=LoraCard(base_class=type(pipeline.transformer).__name__),
        )
        with lora_off(pipeline.transformer):
            assert torch.equal(drawn(pipeline, name, "pt"), before)
        assert torch.equal(drawn(pipeline, name, "pt"), after)
    assert (after - before).abs().max() > 1e-3
    assert torch.equal(drawn(pipeline, name, "pt"), before)
    fresh = FAMILIES[name].pipeline()
    fresh.load_lora_weights(path)
    torch.testing.assert_close(drawn(fresh, name, "pt"), after, atol=1e-5, rtol=0)
    assert read_lora(path).scales == (1.0,)


def test_one_seed_one_lora_and_torchs_own_generator_is_left_alone() -> None:
    models = [FAMILIES["flux"].pipeline().transformer for _ in range(3)]
    state = torch.get_rng_state()
    first, second, third = (
        add_lora(model, rank=2, alpha=2.0, seed=seed) for model, seed in zip(models, (1, 1, 2), strict=True)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


def test_training_goes_on_from_a_lora(tmp_path: Path) -> None:
    pipeline = FAMILIES["flux"].pipeline()
    trained = add_lora(pipeline.transformer, rank=3, alpha=6.0, seed=1)
    with torch.no_grad():
        for parameter in trained.values():
            parameter.normal_()
    card = LoraCard(base_class=type(pipeline.transformer).__name__)
    path = export_lora(tmp_path, trained, rank=3, alpha=6.0, card=card)
    recipe = LoraRecipe(rank=3, alpha=12.0, targets="blocks", start=str(path))
    again = Policy(FAMILIES["flux"].pipeline(), recipe, seed=0, averaged=True)
    torch.testing.assert_close(drawn(again.pipeline, "flux", "pt"), drawn(pipeline, "flux", "pt"))
    assert all(torch.equal(again.average[name], value) for name, value in again.trained.items())
    for other, said in (
        ({"rank": 2}, "must be a LoRA of rank 2 on the .* it has rank 3"),
        ({"targets": "attention"}, "is on one side alone"),
    ):
        with pytest.raises(ValueError, match=said):
            Policy(FAMILIES["flux"].pipeline(), replace(recipe, **other), seed=0, averaged=False)
    with pytest.raises(FileNotFoundError):
        replace(recipe, start=str(tmp_path / "none.safetensors")).read_start()


def test_a_model_without_blocks() -> None:
    with pytest.raises(ValueError, match="has no layers that a LoRA of targets 'blocks' would change"):
        lora_modules(torch.nn.Sequential(torch.nn.Linear(2, 2)), "blocks")


def test_the_sheet_has_every_picture_in_its_place(tmp_path: Path) -> None:
    colors = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 1.0, 0]])
    before = colors.view(2, 2, 3, 1, 1).expand(2, 2, 3, 20, 30)
    long = "a very long prompt that says where everything is " * 3
    save_grid(
        tmp_path / "a.png",
        ["a cup", long],
        [("before", before), ("after", 1 - before)],
        title="run",
        notes=["x", "y"],
    )
    with Image.open(tmp_path / "a.png") as image:
        sheet = np.asarray(image.convert("RGB")).reshape(-1, 3)
    for color in (*colors, *(1 - colors)):
        wanted = (color * 255).int().numpy()
        assert (sheet == wanted).all(1).sum() >= 600
    large = torch.rand(1, 1, 3, 1024, 512)
    save_grid(tmp_path / "b.png", ["a cup"], [("drawn", large)])
    with Image.open(tmp_path / "b.png") as image:
        assert image.size[0] < 250 and 320 < image.size[1] < 450
