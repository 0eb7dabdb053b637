"""Judging through ComfyUI's own Qwen-VL text encoders, against the same weights in transformers."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from comfy_server import ComfyServer, node, said
from PIL import Image
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.comfyui

ENCODERS = Path(os.environ.get("COMFYUI_PATH", "")) / "comfy" / "text_encoders"
PROMPT = "a red ball to the left of a blue cup, and a green box above the cup"
ASK = "none: ask yes / no questions"
# ComfyUI tells the 7B by its 4 key heads of 128, and fixes the positions' frequencies.
TEXT: dict[str, dict[str, Any]] = {
    "qwen2_5_vl": {
        "hidden_size": 512,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "vocab_size": 151936,
    },
    "qwen3_vl": {
        "hidden_size": 128,
        "intermediate_size": 192,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 151936,
    },
}
VISION: dict[str, dict[str, Any]] = {
    "qwen2_5_vl": {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_heads": 2,
        "num_layers": 2,
        "fullatt_block_indexes": [1],
    },
    "qwen3_vl": {
        "hidden_size": 64,
        "intermediate_size": 96,
        "depth": 3,
        "deepstack_visual_indexes": [0, 1],
    },
}


def checkpoint(family: str, folder: Path) -> Path:
    """Write a small checkpoint of transformers with ComfyUI's tokenizer, and return its folder."""
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
    )

    ids = {"image_token_id": 151655, "vision_start_token_id": 151652, "vision_end_token_id": 151653}
    vision = VISION[family] | {"out_hidden_size": TEXT[family]["hidden_size"]}
    text: dict[str, Any] = TEXT[family] | {"max_position_embeddings": 4096}
    torch.manual_seed(0)
    if family == "qwen2_5_vl":
        text |= {
            "rope_theta": 1e6,
            "rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": [16, 24, 24]},
        }
        vision |= {"depth": vision.pop("num_layers"), "patch_size": 14, "window_size": 112}
        config = Qwen2_5_VLConfig(
            text_config=text, vision_config=vision, tie_word_embeddings=True, video_token_id=151656, **ids
        )
        model: Any = Qwen2_5_VLForConditionalGeneration(config)
    else:
        text |= {
            "head_dim": 128,
            "rope_theta": 5e6,
            "rope_scaling": {
                "rope_type": "default",
                "mrope_section": [24, 20, 20],
                "mrope_interleaved": True,
            },
        }
        vision |= {"num_heads": 16, "patch_size": 16, "num_position_embeddings": 2304}
        config = Qwen3VLConfig(
            text_config=text, vision_config=vision, tie_word_embeddings=False, video_token_id=151656, **ids
        )
        model = Qwen3VLForConditionalGeneration(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.6 / parameter[0].numel() ** 0.5 if "embed" not in name else 0.3)
    model.save_pretrained(folder)
    tokenizer = ENCODERS / "qwen25_tokenizer"
    for file in tokenizer.iterdir():
        shutil.copy(file, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    settings["chat_template"] = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for p in m['content'] %}{% if p['type'] "
        "== 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ p['text'] }}{% endif %}{% "
        "endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    return folder


def comfy_file(folder: Path, family: str) -> Path:
    """Write the weights as ComfyUI's text encoder files hold them."""
    weights = load_file(folder / "model.safetensors")
    if family == "qwen2_5_vl":
        weights = {
            key.replace("model.language_model.", "model.").replace("model.visual.", "visual."): value
            for key, value in weights.items()
        }
    file = folder.parent.parent / "text_encoders" / f"{folder.name}.safetensors"
    file.parent.mkdir(exist_ok=True)
    save_file({key: value.contiguous() for key, value in weights.items()}, file)
    return file


@pytest.fixture(scope="module", params=["qwen2_5_vl", "qwen3_vl"])
def model(request: pytest.FixtureRequest, server: ComfyServer) -> tuple[str, Path]:
    """A family and the file of its weights; a checkpoint and a judge for it lie in models/spatial_score."""
    from spatial_core.reward_model import SpatialRewardModel

    family = str(request.param)
    if family == "qwen3_vl" and not (ENCODERS / "qwen3vl.py").is_file():
        pytest.skip("this ComfyUI has no Qwen3-VL text encoder yet")
    folder = checkpoint(family, server.base / "models" / "spatial_score" / family)
    judge = SpatialRewardModel.from_backbone(folder)
    torch.manual_seed(1)
    adapter: dict[str, torch.Tensor] = {}
    for name, module in judge.backbone.named_modules():
        if name.endswith(("q_proj", "mlp.down_proj", "attn.qkv")):
            rows, columns = module.weight.shape
            adapter[f"{name}.lora_A.weight"] = 0.1 * torch.randn(2, columns)
            adapter[f"{name}.lora_B.weight"] = 0.1 * torch.randn(rows, 2)
    with torch.no_grad():
        judge.head[2].weight.normal_(std=0.3)
    judge.save_pretrained(server.base / "models" / "spatial_score" / f"{family}-judge", adapter=adapter)
    for number, size in enumerate([(336, 252), (1000, 760)]):
        noise = torch.rand(3, 9, 9, generator=torch.Generator().manual_seed(number))
        levels = (noise * 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC).save(
            server.base / "input" / f"{size[0]}.png"
        )
    return family, comfy_file(folder, family)


def graph(scorer: dict[str, Any], picture: str, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "image": node("LoadImage", image=picture),
        "scorer": scorer,
        "score": node(
            "SpatialScore",
            scorer=["scorer", 0],
            images=["image", 0],
            prompt=PROMPT,
            keep_top=0,
            minimum_satisfied=0.0,
            minimum_score=-1000.0,
            sheet_columns=2,
        ),
        "mean": node("PreviewAny", source=["score", 3]),
        "report": node("PreviewAny", source=["score", 6]),
        **(extra or {}),
    }


def clip_of(model: tuple[str, Path]) -> dict[str, Any]:
    family, file = model
    return node(
        "SpatialTestSeeing", file=str(file), family=family, sizes=json.dumps([TEXT[family], VISION[family]])
    )


def scored(server: ComfyServer, made: dict[str, Any]) -> float:
    run = server.run(made)
    assert run.status == "success", said(run)
    return float(run.outputs["mean"]["text"][0])


@pytest.mark.parametrize("picture", ["336.png", "1000.png"])
def test_a_judge_scores_as_in_transformers(
    server: ComfyServer, model: tuple[str, Path], picture: str
) -> None:
    judge = f"{model[0]}-judge"
    loader = node("SpatialScoreLoader", model=judge, kind="auto", precision="fp32")
    shared = node("SpatialScoreFromCLIP", clip=["clip", 0], judge=judge)
    wanted = scored(server, graph(loader, picture))
    found = scored(server, graph(shared, picture, {"clip": clip_of(model)}))
    assert abs(found - wanted) <= 1e-3
    # The adapter matters, so the agreement is one of adapters too.
    with_none = server.base / "models" / "spatial_score" / f"{model[0]}-plain"
    from spatial_core.reward_model import SpatialRewardModel

    plain = SpatialRewardModel.from_pretrained(server.base / "models" / "spatial_score" / judge)
    plain.save_pretrained(with_none, adapter={})
    bare = node("SpatialScoreFromCLIP", clip=["clip", 0], judge=with_none.name)
    assert abs(scored(server, graph(bare, picture, {"clip": clip_of(model)})) - wanted) > 1e-2


def test_questions_are_answered_as_in_transformers(server: ComfyServer, model: tuple[str, Path]) -> None:
    shared = node("SpatialScoreFromCLIP", clip=["clip", 0], judge=ASK)
    made = graph(shared, "1000.png", {"clip": clip_of(model)})
    if model[0] == "qwen2_5_vl":
        assert "without the part that answers questions" in said(server.run(made))
        return
    loader = node("SpatialScoreLoader", model=model[0], kind="vqa", precision="fp32")
    assert abs(scored(server, made) - scored(server, graph(loader, "1000.png"))) <= 1e-3


def test_a_clip_that_does_not_see_is_refused(server: ComfyServer, tmp_path: Path) -> None:
    from tiny_flow import build_tiny_flow

    flow = node("SpatialTestFlow", folder=str(build_tiny_flow(tmp_path / "flow")))
    shared = node("SpatialScoreFromCLIP", clip=["clip", 1], judge=ASK)
    message = said(server.run(graph(shared, "336.png", {"clip": flow})))
    assert re.search("cannot judge pictures.*Qwen3-VL", message)


def test_a_judge_for_another_model_is_refused(server: ComfyServer, model: tuple[str, Path]) -> None:
    judges = server.base / "models" / "spatial_score"
    shutil.copytree(
        judges.parent.parent / "models" / "spatial_score" / f"{model[0]}-judge",
        judges / "copy",
        dirs_exist_ok=True,
    )
    file = judges / "copy" / "spatial_score.safetensors"
    from safetensors import safe_open

    with safe_open(file, "pt") as reader:
        metadata = reader.metadata()
    tensors = load_file(file)
    tensors["head.0.weight"] = tensors["head.0.weight"][:, :64].contiguous()
    save_file(tensors, file, metadata=metadata)
    shared = node("SpatialScoreFromCLIP", clip=["clip", 0], judge="copy")
    assert "does not fit the connected CLIP" in said(
        server.run(graph(shared, "336.png", {"clip": clip_of(model)}))
    )
