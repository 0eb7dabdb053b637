"""SpatialScore's network: rows, batching, hostile prompts, and its file in every state of health."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_models import build_tiny, statements
from torch import Tensor, nn

import spatial_core.reward_model as reward_model
from spatial_core.language.scene_graph import SceneGraph
from spatial_core.lora import fold_adapter
from spatial_core.reward_model import (
    JUDGE_FILE,
    RewardOutput,
    SpatialRewardModel,
    SpatialScoreConfig,
    read_judge,
)

BALL = ("red ball", "left_of", "blue cup")
CUP = ("blue cup", "on", "wooden table")
PLACE = ("red ball", "picture_left", "picture")


def make(folder: Path, **settings: Any) -> SpatialRewardModel:
    """Return a model whose head says something, on the checkpoint in `folder`."""
    config = SpatialScoreConfig(backbone=str(folder), max_pixels=8 * 8 * 32 * 32, **settings)
    torch.manual_seed(1)
    model = SpatialRewardModel.from_backbone(folder, config=config)
    nn.init.normal_(model.head[2].weight, std=0.3)
    return model.eval()


@pytest.fixture(scope="module")
def models(tiny_folders: dict[str, Path]) -> dict[str, SpatialRewardModel]:
    return {name: make(folder) for name, folder in tiny_folders.items()}


@pytest.fixture(params=["qwen2_5_vl", "qwen3_vl"])
def model(request: pytest.FixtureRequest, models: dict[str, SpatialRewardModel]) -> SpatialRewardModel:
    return models[request.param]


def pictures(*sizes: tuple[int, int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.rand(3, h, w, generator=generator) for h, w in sizes]


@torch.no_grad()
def judge(model: SpatialRewardModel, images: list[Tensor], graphs: list[SceneGraph]) -> RewardOutput:
    return model(model.prepare(images, graphs))


def test_batch_of_mixed_sizes_and_prompts_equals_single_calls(model: SpatialRewardModel) -> None:
    images = pictures((128, 128), (90, 200), (200, 64))
    graphs = [statements(BALL, CUP, PLACE), SceneGraph("a quiet street"), statements(CUP)]
    together = judge(model, images, graphs)
    assert together.mean.shape == (3,)
    assert together.clause_mean.shape == (3, 3)
    assert together.clause_mask.sum(1).tolist() == [3, 0, 1]
    assert together.mean.std() > 1e-2
    for i in range(3):
        alone = judge(model, images[i : i + 1], graphs[i : i + 1])
        n = len(graphs[i].relations)
        torch.testing.assert_close(together.mean[i], alone.mean[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(together.log_std[i], alone.log_std[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(together.clause_mean[i, :n], alone.clause_mean[0], atol=1e-4, rtol=0)


def test_a_clause_depends_on_its_own_words_image_and_prompt_only(model: SpatialRewardModel) -> None:
    images = pictures((128, 128))
    graph = statements(BALL, CUP, PLACE)
    turned = replace(graph, relations=graph.relations[::-1])
    first = judge(model, images, [graph]).clause_mean
    torch.testing.assert_close(first, judge(model, images, [turned]).clause_mean.flip(1), atol=1e-5, rtol=0)
    other = judge(model, images, [statements(CUP, BALL, PLACE)]).clause_mean
    assert (first[0, 2] - other[0, 2]).abs() > 1e-5


def test_the_row_is_template_prompt_image_clauses_final(models: dict[str, SpatialRewardModel]) -> None:
    model = models["qwen2_5_vl"]
    row = model.row(statements(BALL), (2, 3))
    decode: Callable[[Any], str] = model.tokenizer.decode
    image = "<|vision_start|>" + "<|image_pad|>" * 6 + "<|vision_end|>"
    assert decode(row.prefix) == f"Prompt: the red ball is to the left of the blue cup.\nImage: {image}"
    assert [decode(b) for b in row.branches] == ["\nthe red ball is to the left of the blue cup<|im_end|>"]
    assert decode(row.final) == "\nOverall<|im_end|>"


def test_no_vocabulary_is_left_to_compute_logits_with(model: SpatialRewardModel) -> None:
    assert not any("lm_head" in name for name, _ in model.named_modules())
    assert model.head[2].weight.dtype == torch.float32


def test_pixel_limits_hold(models: dict[str, SpatialRewardModel]) -> None:
    model = models["qwen2_5_vl"]
    _, grid = model.patches(pictures((2000, 1000), (10, 10)))
    areas = grid.prod(1) * 14 * 14
    assert int(areas.max()) <= model.config.max_pixels
    assert int(areas.min()) >= model.config.min_pixels


@pytest.mark.parametrize(
    "text",
    [
        "<|im_end|>",
        "a cup <|image_pad|><|image_pad|> left of <|vision_start|><|image_pad|><|vision_end|> a ball",
        "\x00\x07\x1b[31m\r\n\u202e\ufeff",
        "\ud800 broken",
        "",
    ],
)
def test_hostile_prompts_neither_crash_nor_move_the_readout(model: SpatialRewardModel, text: str) -> None:
    graph = statements(BALL)
    hostile = replace(graph, text=text)
    both = judge(model, pictures((64, 64), (64, 64)), [hostile, graph])
    assert torch.isfinite(both.mean).all()
    plain = judge(model, pictures((64, 64), (64, 64))[1:], [graph])
    torch.testing.assert_close(both.mean[1], plain.mean[0], atol=1e-4, rtol=0)
    packed = model.prepare(pictures((64, 64)), [hostile]).packed
    readout = model.tokenizer.convert_tokens_to_ids("<|im_end|>")
    places = (packed.input_ids[0] == readout).nonzero().flatten().tolist()
    assert places == [*packed.branch_readouts[0].tolist(), int(packed.final_readout[0])]


def test_ten_thousand_words_are_refused(models: dict[str, SpatialRewardModel]) -> None:
    model = models["qwen2_5_vl"]
    with pytest.raises(ValueError, match=r"may have 512 tokens; this one has \d{5,}: 'ball ball"):
        model.prepare(pictures((64, 64)), [SceneGraph("ball " * 10000)])


def test_too_many_relations_are_refused(models: dict[str, SpatialRewardModel]) -> None:
    model = models["qwen2_5_vl"]
    graph = statements(BALL)
    with pytest.raises(ValueError, match="may state 32 relations; this one states 33"):
        model.prepare(pictures((64, 64)), [replace(graph, relations=graph.relations * 33)])


def test_readout_must_be_one_token(tiny_folders: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="must be one token"):
        make(tiny_folders["qwen2_5_vl"], readout="<|reward|>")


def test_gradients_reach_everything_that_is_used(tiny_folder: Path) -> None:
    model = make(tiny_folder)
    output = model(model.prepare(pictures((64, 64)), [statements(BALL, CUP)]))
    (output.mean.sum() + output.log_std.sum() + output.clause_mean.sum()).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert all("k_proj.bias" in name or "visual" in name for name in silent), silent
    assert model.backbone.visual.blocks[0].attn.qkv.weight.grad.abs().sum() > 0


# The judge file


def adapted(model: SpatialRewardModel) -> dict[str, Tensor]:
    """Put a random trained adapter into the model's backbone, as peft does; return it folded."""
    config = LoraConfig(r=3, lora_alpha=12, target_modules=r"language_model\..*\.(q_proj|up_proj)")
    peft = get_peft_model(model.backbone, config)
    for name, parameter in peft.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter, std=0.1)
    return fold_adapter(get_peft_model_state_dict(peft), scale=4.0)


@pytest.fixture
def saved(tiny_folders: dict[str, Path], tmp_path: Path) -> tuple[Path, RewardOutput]:
    """A judge's folder, and what the model said before it was saved."""
    model = make(tiny_folders["qwen2_5_vl"], temperature=1.7)
    before = judge(model, pictures((64, 64)), [statements(BALL)])
    adapter = adapted(model)
    output = judge(model, pictures((64, 64)), [statements(BALL)])
    assert (output.mean - before.mean).abs() > 1e-4
    model.save_pretrained(tmp_path / "judge", adapter=adapter)
    return tmp_path / "judge", output


def test_saved_and_loaded_is_the_same(saved: tuple[Path, RewardOutput]) -> None:
    folder, expected = saved
    for source in (folder, folder / JUDGE_FILE):
        model = SpatialRewardModel.from_pretrained(source)
        output = judge(model, pictures((64, 64)), [statements(BALL)])
        torch.testing.assert_close(output.mean, expected.mean, atol=1e-5, rtol=0)
        torch.testing.assert_close(output.clause_mean, expected.clause_mean, atol=1e-5, rtol=0)
        assert model.config.temperature == 1.7
        assert not model.training


def test_the_file_says_what_it_is(saved: tuple[Path, RewardOutput]) -> None:
    with safe_open(saved[0] / JUDGE_FILE, framework="pt") as reader:
        metadata = reader.metadata()
        names = list(reader.keys())
    config = json.loads(metadata["config"])
    assert metadata["format"] == "spatial_score/1"
    assert len(config["backbone_hash"]) == 64
    assert {"before_prompt", "readout", "max_pixels", "temperature"} <= set(config)
    assert {name.split(".")[0] for name in names} == {"adapter", "head"}


def test_saving_again_keeps_the_adapter(saved: tuple[Path, RewardOutput], tmp_path: Path) -> None:
    SpatialRewardModel.from_pretrained(saved[0]).save_pretrained(tmp_path / "again")
    first, second = (read_judge(folder / JUDGE_FILE) for folder in (saved[0], tmp_path / "again"))
    assert first[0] == second[0]
    assert set(first[1]) == set(second[1])
    assert all(torch.equal(first[1][k], v) for k, v in second[1].items())


def test_half_precision_file(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    model = make(tiny_folders["qwen2_5_vl"])
    file = model.save_pretrained(tmp_path, adapter=adapted(model), dtype=torch.bfloat16)
    tensors = read_judge(file)[1]
    assert {v.dtype for k, v in tensors.items() if k.startswith("adapter.")} == {torch.bfloat16}
    assert {v.dtype for k, v in tensors.items() if k.startswith("head.")} == {torch.float32}


def test_weights_trained_in_full_travel_too(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    model = make(tiny_folders["qwen2_5_vl"])
    weight = model.backbone.visual.merger.mlp[0].weight
    with torch.no_grad():
        weight.mul_(1.5)
    expected = judge(model, pictures((64, 64)), [statements(BALL)])
    model.save_pretrained(tmp_path, weights={"visual.merger.mlp.0.weight": weight})
    loaded = SpatialRewardModel.from_pretrained(tmp_path)
    torch.testing.assert_close(
        judge(loaded, pictures((64, 64)), [statements(BALL)]).mean, expected.mean, atol=1e-5, rtol=0
    )


def test_a_backbone_beside_the_judge_is_found(tmp_path: Path, tiny_folders: dict[str, Path]) -> None:
    shutil.copytree(tiny_folders["qwen2_5_vl"], tmp_path / "backbone")
    model = make(tmp_path / "backbone")
    model.config = replace(model.config, backbone="../backbone")
    model.save_pretrained(tmp_path / "reward")
    shutil.move(tmp_path / "reward", tmp_path / "moved")
    assert SpatialRewardModel.from_pretrained(tmp_path / "moved").config.backbone == "../backbone"


def test_wrong_backbone_is_refused(saved: tuple[Path, RewardOutput], tmp_path: Path) -> None:
    other = build_tiny(tmp_path / "other", seed=5)
    with pytest.raises(ValueError, match=r"trained on a backbone with sha256 .* but '.*other' has"):
        SpatialRewardModel.from_pretrained(saved[0], backbone=other)


def test_backbone_may_be_elsewhere(
    saved: tuple[Path, RewardOutput], tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    moved = shutil.copytree(tiny_folders["qwen2_5_vl"], tmp_path / "elsewhere")
    model = SpatialRewardModel.from_pretrained(saved[0], backbone=moved)
    output = judge(model, pictures((64, 64)), [statements(BALL)])
    torch.testing.assert_close(output.mean, saved[1].mean, atol=1e-5, rtol=0)


def rewrite(file: Path, **changes: Any) -> None:
    """Write the judge file again with other metadata or tensors."""
    with safe_open(file, framework="pt") as reader:
        metadata = reader.metadata()
        tensors = {k: reader.get_tensor(k) for k in reader.keys()}
    config = json.loads(metadata["config"]) | changes.pop("config", {})
    tensors |= changes.pop("tensors", {})
    metadata |= {"config": json.dumps(config)} | changes
    save_file(tensors, file, metadata=metadata)


def test_truncated_file(saved: tuple[Path, RewardOutput]) -> None:
    file = saved[0] / JUDGE_FILE
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"not a readable safetensors file.*again"):
        SpatialRewardModel.from_pretrained(saved[0])


@pytest.mark.parametrize("content", [b"", b"\x00" * 7, b"PK\x03\x04 a zip", b"\xff" * 4096])
def test_files_that_are_no_safetensors(saved: tuple[Path, RewardOutput], content: bytes) -> None:
    (saved[0] / JUDGE_FILE).write_bytes(content)
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        SpatialRewardModel.from_pretrained(saved[0])


def test_foreign_and_newer_files(saved: tuple[Path, RewardOutput], tmp_path: Path) -> None:
    file = saved[0] / JUDGE_FILE
    rewrite(file, format="spatial_score/9")
    with pytest.raises(ValueError, match=r"says 'spatial_score/9'.*update spatial-diffusion"):
        SpatialRewardModel.from_pretrained(file)
    save_file({"lora.weight": torch.ones(2)}, file)
    with pytest.raises(ValueError, match="says 'nothing'"):
        SpatialRewardModel.from_pretrained(file)


def test_unreadable_configurations(saved: tuple[Path, RewardOutput]) -> None:
    file = saved[0] / JUDGE_FILE
    rewrite(file, config={"unheard_of": 1})
    with pytest.raises(ValueError, match=r"no configuration.*unheard_of"):
        SpatialRewardModel.from_pretrained(file)
    save_file({"head.0.weight": torch.ones(2)}, file, metadata={"format": "spatial_score/1", "config": "{"})
    with pytest.raises(ValueError, match="no configuration"):
        SpatialRewardModel.from_pretrained(file)
    save_file({"head.0.weight": torch.ones(2)}, file, metadata={"format": "spatial_score/1"})
    with pytest.raises(ValueError, match="no configuration"):
        SpatialRewardModel.from_pretrained(file)


def test_tensors_that_do_not_fit(saved: tuple[Path, RewardOutput]) -> None:
    file = saved[0] / JUDGE_FILE
    rewrite(file, tensors={"weights.no.such.weight": torch.ones(1)})
    with pytest.raises(ValueError, match=r"does not have: no\.such\.weight"):
        SpatialRewardModel.from_pretrained(file)
    rewrite(file, tensors={"head.0.weight": torch.ones(3, 3)})
    with pytest.raises(ValueError, match="does not fit the backbone"):
        SpatialRewardModel.from_pretrained(file)


def test_missing_judge_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"must hold spatial_score\.safetensors"):
        SpatialRewardModel.from_pretrained(tmp_path)


def test_full_disk_leaves_the_old_file(
    saved: tuple[Path, RewardOutput], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = saved[0] / JUDGE_FILE
    before = file.read_bytes()
    model = SpatialRewardModel.from_pretrained(file)

    def full(tensors: object, path: Path, metadata: object) -> None:
        Path(path).write_bytes(before[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reward_model, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        model.save_pretrained(saved[0])
    assert file.read_bytes() == before
    assert [path.name for path in saved[0].iterdir()] == [JUDGE_FILE]
