"""The page of the pipeline: its examples run as one script, with tiny models for the real ones."""

from __future__ import annotations

import ast
import re
import runpy
from functools import partialmethod
from pathlib import Path
from shutil import copytree

import pytest
from diffusers import DiffusionPipeline
from PIL import Image
from tiny_pipelines import FAMILIES

PAGE = Path(__file__).resolve().parents[2] / "spatial_core" / "pipeline" / "README.md"
MODELS = {
    "FLUX.1-dev": "flux",
    "stable-diffusion-xl-base-1.0": "sdxl",
    "stable-diffusion-3.5-large": "sd3",
    "Qwen-Image": "qwen_image",
}
# Sizes that a processor draws at once.
SMALLER = {"1024": "16", "num_inference_steps=28": "num_inference_steps=5"}


def examples() -> list[tuple[bool, str]]:
    """Return the Python blocks, and whether a processor can run them."""
    found = re.findall(
        r"(<!-- needs a graphics card -->\n)?^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S
    )
    return [(not card, block) for card, block in found]


def test_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_folders: dict[str, Path]
) -> None:
    for name, family in MODELS.items():
        FAMILIES[family].pipeline().save_pretrained(tmp_path / "models" / name)
    copytree(tiny_folders["qwen2_5_vl"], tmp_path / "models" / "Qwen2.5-VL-3B-Instruct")
    offload = DiffusionPipeline.enable_model_cpu_offload
    monkeypatch.setattr(DiffusionPipeline, "enable_model_cpu_offload", partialmethod(offload, device="cpu"))
    monkeypatch.chdir(tmp_path)
    text = "\n".join(block for runs, block in examples() if runs)
    for real, small in SMALLER.items():
        assert real in text
        text = text.replace(real, small)
    Path("page.py").write_text(text, "utf-8")
    made = runpy.run_path("page.py")
    assert Image.open("teapot.png").size == (16, 16)
    assert Image.open("cat.png").size == (16, 16)
    assert len(made["best_two"]) == 4
    assert made["output"].denoiser_evaluations == 4 * 5


def test_what_needs_a_card_is_python_too() -> None:
    unrun = [block for runs, block in examples() if not runs]
    assert len(unrun) == 1 and ast.parse(unrun[0]).body
