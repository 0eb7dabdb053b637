"""LoRA files in a real ComfyUI on the CPU: `COMFYUI_PATH=... pytest -m comfyui tests/test_lora_comfyui.py`.

ComfyUI patches its own model with the file; the truth is peft's merged model, loaded by ComfyUI.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lora_cast import FORMS, MODELS, train, write_form

from spatial_core.lora import parse_lora, read_lora, save_lora

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif("COMFYUI_PATH" not in os.environ, reason="COMFYUI_PATH names no checkout of ComfyUI"),
]
WEIGHTS = "diffusion_pytorch_model.safetensors"
UNET_PATHS = (
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.1.attentions.1.transformer_blocks.0.attn2.to_out.0",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
    "up_blocks.3.attentions.2.proj_in",
    "up_blocks.1.resnets.0.conv_shortcut",
    "down_blocks.0.resnets.1.time_emb_proj",
)


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Everything is asked in one process: ComfyUI takes longer to start than to answer."""
    jobs: list[dict[str, Any]] = []
    for name in MODELS:
        folder = tmp_path_factory.mktemp(name)
        trained = train(name)
        trained.base.save_pretrained(folder / "base")
        trained.merged().save_pretrained(folder / "merged")
        files = [
            save_lora(read_lora(write_form(trained, form, folder / form)), folder / f"{form}.safetensors")
            for form in FORMS
        ]
        # Read by ComfyUI as it is: shows that our kohya files are what sd-scripts writes.
        files.append(folder / "kohya" / "lora.safetensors")
        jobs.append(
            {
                "base": str(folder / "base" / WEIGHTS),
                "merged": str(folder / "merged" / WEIGHTS),
                "files": list(map(str, files)),
            }
        )
    state = {
        f"unet.{path}.lora_{half}.weight": torch.ones(2, 2, *([1, 1] * ("conv" in path)))
        for path in UNET_PATHS
        for half in "AB"
    }
    unet = save_lora(parse_lora(state), tmp_path_factory.mktemp("unet") / "unet.safetensors")
    done = subprocess.run(
        [
            os.environ.get("COMFYUI_PYTHON", sys.executable),
            str(Path(__file__).with_name("lora_in_comfyui.py")),
            os.environ["COMFYUI_PATH"],
            json.dumps({"jobs": jobs, "unet": str(unet)}),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_full_patching_gives_the_weights_that_peft_merges(answer: dict[str, Any]) -> None:
    assert len(answer["results"]) == len(MODELS) * (len(FORMS) + 1)
    for result in answer["results"]:
        assert result["effect"] > 0.1 and result["error"] < 1e-6, result


def test_every_key_is_known(answer: dict[str, Any]) -> None:
    assert [line for line in answer["warnings"] if "lora key not loaded" in line] == []
    assert answer["unet"] == len(UNET_PATHS)
