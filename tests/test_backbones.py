"""Finding and loading checkpoints, and what is said when that fails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from spatial_core.backbones import default_dtype, find_file, load_backbone, weights_hash


@pytest.fixture
def copy(tiny_folders: dict[str, Path], tmp_path: Path) -> Path:
    """A checkpoint folder that may be spoiled."""
    return Path(shutil.copytree(tiny_folders["qwen2_5_vl"], tmp_path / "copy"))


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)


def test_both_kinds_of_model(tiny_folder: Path) -> None:
    bare = load_backbone(tiny_folder, vocabulary=False)
    whole = load_backbone(tiny_folder, vocabulary=True)
    assert not hasattr(bare.model, "lm_head")
    assert whole.model.lm_head.weight.shape[0] == len(whole.tokenizer)
    assert not bare.model.training
    weights = dict(whole.model.model.named_parameters())
    assert all(torch.equal(weights[name], value) for name, value in bare.model.named_parameters())
    assert bare.folder == tiny_folder


def test_constants_come_from_the_checkpoint(tiny_folder: Path, copy: Path) -> None:
    patch = 14 if "2_5" in tiny_folder.name else 16
    processing = load_backbone(tiny_folder, vocabulary=False).processing
    assert processing["patch_size"] == patch
    assert (processing["merge_size"], processing["temporal_patch_size"]) == (2, 2)
    assert processing["image_std"] == [0.25] * 3
    assert processing["max_pixels"] == 64 * (2 * patch) ** 2


def test_newer_processors_name_the_limits_differently(copy: Path) -> None:
    file = copy / "preprocessor_config.json"
    file.write_text(json.dumps({"size": {"shortest_edge": 1000, "longest_edge": 9000}}), "utf-8")
    processing = load_backbone(copy, vocabulary=False).processing
    assert (processing["min_pixels"], processing["max_pixels"]) == (1000, 9000)
    assert processing["image_mean"][0] == pytest.approx(0.4814, abs=1e-3)


def test_dtype(tiny_folder: Path) -> None:
    model = load_backbone(tiny_folder, dtype=torch.bfloat16, vocabulary=False).model
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert default_dtype(torch.device("cpu")) == torch.float32
    assert default_dtype(torch.device("cuda")) == torch.bfloat16


def test_missing_file_of_a_folder_is_named(copy: Path) -> None:
    (copy / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold config\.json"):
        load_backbone(copy, vocabulary=False)


def test_missing_weights_are_named(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="weights and tokenizer"):
        load_backbone(copy, vocabulary=False)


@pytest.mark.usefixtures("no_hub")
def test_no_hub_access_names_file_and_command() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        load_backbone("Qwen/Qwen2.5-VL-3B-Instruct", vocabulary=True)
    message = str(caught.value)
    assert "config.json" in message
    assert "hf download Qwen/Qwen2.5-VL-3B-Instruct --local-dir models/Qwen2.5-VL-3B-Instruct" in message


@pytest.mark.usefixtures("no_hub")
def test_find_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}", "utf-8")
    assert find_file(tmp_path / "a.json", "b.json") == tmp_path / "a.json"
    assert find_file(tmp_path, "a.json") == tmp_path / "a.json"
    with pytest.raises(FileNotFoundError, match=r"must hold b\.json"):
        find_file(tmp_path, "b.json")


def test_foreign_model_is_refused_before_its_weights_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "owlv2"}), "utf-8")
    with pytest.raises(ValueError, match=r"qwen2_5_vl, qwen3_vl.*is owlv2"):
        load_backbone(tmp_path, vocabulary=False)


def test_config_that_is_no_json(copy: Path) -> None:
    (copy / "config.json").write_text("{'model_type'", "utf-8")
    with pytest.raises(ValueError, match="not readable JSON"):
        load_backbone(copy, vocabulary=False)


def test_truncated_weights(copy: Path) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"not readable.*Fetch them again"):
        load_backbone(copy, vocabulary=False)


def test_incomplete_weights(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    name = next(key for key in tensors if "layers.1.mlp.up_proj" in key)
    del tensors[name]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks 1 weights.*layers\.1\.mlp\.up_proj"):
        load_backbone(copy, vocabulary=False)


def test_hash_tells_weights_apart(copy: Path, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    known = weights_hash(tiny_folders["qwen2_5_vl"])
    assert len(known) == 64
    assert weights_hash(copy) == known
    # A judge file beside the weights is no part of the backbone.
    save_file({"head": torch.ones(1)}, copy / "spatial_score.safetensors")
    assert weights_hash(copy) == known
    tensors = load_file(copy / "model.safetensors")
    tensors[next(iter(tensors))] += 1e-3
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    assert weights_hash(copy) != known
    assert weights_hash(tmp_path / "nowhere") == ""


def test_hash_of_large_files_is_sampled_but_sees_new_weights(tmp_path: Path) -> None:
    weights = {"a": torch.arange(1_500_000, dtype=torch.float32)}
    save_file(weights, tmp_path / "model.safetensors")
    first = weights_hash(tmp_path)
    assert weights_hash(tmp_path) == first
    save_file({"a": weights["a"] * 1.001}, tmp_path / "model.safetensors")
    assert weights_hash(tmp_path) != first
    save_file({"b": weights["a"]}, tmp_path / "model.safetensors")
    assert weights_hash(tmp_path) != first


@pytest.mark.parametrize("listed", [{}, {"extra_special_tokens": ["<|vision_start|>", "<|image_pad|>"]}])
@torch.no_grad()
def test_a_folder_that_transformers_5_wrote(
    listed: dict[str, list[str]], tiny_folder: Path, tmp_path: Path
) -> None:
    """Version 4 must read its rope and its tokenizer class; version 5 wrote them."""
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "five"))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    text = config["text_config"]
    if "rope_parameters" not in text:
        text["rope_parameters"] = text.pop("rope_scaling") | {"rope_theta": text.pop("rope_theta")}
        (folder / "config.json").write_text(json.dumps(config), "utf-8")
    file = folder / "tokenizer_config.json"
    tokenizer = json.loads(file.read_text("utf-8")) | {"tokenizer_class": "TokenizersBackend"} | listed
    file.write_text(json.dumps(tokenizer), "utf-8")
    ours, theirs = (load_backbone(place, vocabulary=False) for place in (folder, tiny_folder))
    ids = torch.arange(30, 60)[None]
    positions = torch.stack([ids - 30, (ids - 30) // 3, (ids - 30) % 3])
    hidden = [p.model.language_model(input_ids=ids, position_ids=positions)[0] for p in (ours, theirs)]
    assert torch.equal(hidden[0], hidden[1])
    assert ours.tokenizer.chat_template == theirs.tokenizer.chat_template
    assert ours.tokenizer("a red ball")["input_ids"] == theirs.tokenizer("a red ball")["input_ids"]
    assert set(listed.get("extra_special_tokens", [])) <= set(ours.tokenizer.all_special_tokens)
