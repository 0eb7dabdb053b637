"""A tiny FLUX by our loader, and best-of-N on it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from comfy_server import ComfyServer, node, said
from PIL import Image

from spatial_core.starter import starter_path

pytestmark = pytest.mark.comfyui

PROMPT = "a red ball is to the left of the blue cube"


@pytest.fixture(scope="module")
def flow(server: ComfyServer) -> Path:
    from tiny_flow import build_tiny_flow

    return build_tiny_flow(server.base / "tiny_flow")


def sampling(flow: Path, *, steps: int = 3) -> dict[str, Any]:
    """Everything that a sampler needs."""
    return {
        "flow": node("SpatialTestFlow", folder=str(flow)),
        "text": node("CLIPTextEncode", clip=["flow", 1], text=PROMPT),
        "told": node("FluxGuidance", conditioning=["text", 0], guidance=3.5),
        "guider": node("BasicGuider", model=["flow", 0], conditioning=["told", 0]),
        "sampler": node("KSamplerSelect", sampler_name="euler"),
        "sigmas": node("BasicScheduler", model=["flow", 0], scheduler="simple", steps=steps, denoise=1.0),
        "empty": node("EmptySD3LatentImage", width=128, height=128, batch_size=1),
    }


def best_of_n(flow: Path, *, steps: int = 3, **settings: Any) -> dict[str, Any]:
    given = {
        "scorer": ["judge", 0],
        "guider": ["guider", 0],
        "sampler": ["sampler", 0],
        "sigmas": ["sigmas", 0],
        "latent": ["empty", 0],
        "vae": ["flow", 2],
        "prompt": PROMPT,
        "num_candidates": 4,
        "seed": 20,
        "stop_early": "never",
    }
    graph = sampling(flow, steps=steps)
    graph["judge"] = node("SpatialScoreLoader", model="starter (bundled)", kind="auto", precision="auto")
    graph["best"] = node("SpatialBestOfN", **(given | settings))
    graph["winner"] = node("PreviewImage", images=["best", 0])
    graph["all"] = node("PreviewImage", images=["best", 3])
    graph["seed"] = node("PreviewAny", source=["best", 2])
    graph["report"] = node("PreviewAny", source=["best", 7])
    return graph


def pictures(server: ComfyServer, shown: list[dict[str, str]]) -> list[np.ndarray]:
    files = [server.base / "temp" / image["subfolder"] / image["filename"] for image in shown]
    return [np.asarray(Image.open(file).convert("RGB"), dtype=int) for file in files]


def test_the_winner_is_drawn_again_pixel_for_pixel(server: ComfyServer, flow: Path) -> None:
    run = server.run(best_of_n(flow))
    assert run.status == "success", said(run)
    seed = int(run.outputs["seed"]["text"][0])
    assert 20 <= seed < 24 and len(run.outputs["all"]["images"]) == 4
    again = sampling(flow)
    again["noise"] = node("RandomNoise", noise_seed=seed)
    again["sample"] = node(
        "SamplerCustomAdvanced",
        noise=["noise", 0],
        guider=["guider", 0],
        sampler=["sampler", 0],
        sigmas=["sigmas", 0],
        latent_image=["empty", 0],
    )
    again["decode"] = node("VAEDecode", samples=["sample", 0], vae=["flow", 2])
    again["show"] = node("PreviewImage", images=["decode", 0])
    second = server.run(again)
    assert second.status == "success", said(second)
    (first,) = pictures(server, run.outputs["winner"]["images"])
    (redrawn,) = pictures(server, second.outputs["show"]["images"])
    assert np.abs(first - redrawn).max() == 0
    assert server.run(best_of_n(flow)).cached, "a rerun draws nothing again"


def test_early_stop_preselection_and_batches(server: ComfyServer, flow: Path) -> None:
    plain = server.run(best_of_n(flow))
    report = plain.outputs["report"]["text"][0]
    assert "4 of 4 candidates drawn" in report
    early = server.run(best_of_n(flow, stop_early="score", **{"stop_early.at_least": -900.0}))
    assert "1 of 4 candidates drawn" in early.outputs["report"]["text"][0]
    pruned = server.run(best_of_n(flow, preselect_at=0.34, preselect_keep=0.5))
    assert "the 2 most promising finished" in pruned.outputs["report"]["text"][0]
    kept = {
        line.split()[3].rstrip(":")
        for line in pruned.outputs["report"]["text"][0].split("\n")
        if "#" in line[:1]
    }
    # What was begun anew is what is drawn without preselection.
    whole = dict(zip(_seeds(report), pictures(server, plain.outputs["all"]["images"]), strict=True))
    text = pruned.outputs["report"]["text"][0]
    for seed, picture in zip(_seeds(text), pictures(server, pruned.outputs["all"]["images"]), strict=True):
        assert np.abs(picture - whole[seed]).max() == 0
    assert len(kept) <= 2
    batched = server.run(best_of_n(flow, batch_size=3))
    assert set(_seeds(batched.outputs["report"]["text"][0])) == set(whole)
    text = batched.outputs["report"]["text"][0]
    for seed, picture in zip(_seeds(text), pictures(server, batched.outputs["all"]["images"]), strict=True):
        assert np.abs(picture - whole[seed]).max() <= 2


def _seeds(report: str) -> list[int]:
    lines = [line for line in report.splitlines() if line.startswith("#") and " seed " in line]
    return [int(line.split(" seed ")[1].split(":")[0]) for line in lines]


def test_interrupting_the_second_candidate(server: ComfyServer, flow: Path) -> None:
    slow = best_of_n(flow, steps=400, num_candidates=50)
    submitted = server.submit(slow)
    assert isinstance(submitted, str), submitted
    time.sleep(4.0)
    begin = time.time()
    server.raw("/interrupt", {})
    run = server.result(submitted)
    assert run.interrupted and run.interrupted - begin < 2.0
    assert server.run(best_of_n(flow, seed=77, num_candidates=2)).status == "success"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_candidates": 0}, "num_candidates"),
        ({"prompt": " "}, "The prompt is empty"),
        ({"latent": ["batch", 0]}, "The latent holds a batch of 2"),
        ({"latent": ["nan", 0]}, "The latent is broken"),
        ({"sigmas": ["none", 0]}, "The schedule has no steps"),
    ],
)
def test_bad_input_is_explained(server: ComfyServer, flow: Path, settings: Any, words: str) -> None:
    graph = best_of_n(flow, **settings)
    graph["batch"] = node("EmptySD3LatentImage", width=128, height=128, batch_size=2)
    graph["nan"] = node("SpatialTestNaN", latent=["empty", 0])
    graph["none"] = node("BasicScheduler", model=["flow", 0], scheduler="simple", steps=3, denoise=0.0)
    assert words in said(server.run(graph))


@pytest.mark.parametrize("model", ["tiny", "starter"])
def test_the_loaded_parts_are_those_of_diffusers(server: ComfyServer, flow: Path, model: str) -> None:
    """One picture, from words to pixels, against FluxPipeline with the same noise."""
    diffusers = pytest.importorskip("diffusers")
    flow = starter_path("flow") if model == "starter" else flow
    graph = sampling(flow)
    graph["noise"] = node("RandomNoise", noise_seed=5)
    graph["sample"] = node(
        "SamplerCustomAdvanced",
        noise=["noise", 0],
        guider=["guider", 0],
        sampler=["sampler", 0],
        sigmas=["sigmas", 0],
        latent_image=["empty", 0],
    )
    graph["decode"] = node("VAEDecode", samples=["sample", 0], vae=["flow", 2])
    graph["show"] = node("PreviewImage", images=["decode", 0])
    run = server.run(graph)
    assert run.status == "success", said(run)
    pipeline = diffusers.FluxPipeline.from_pretrained(flow, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 16, 16, 16, generator=torch.manual_seed(5))
    expected = pipeline(
        PROMPT,
        height=128,
        width=128,
        num_inference_steps=3,
        guidance_scale=3.5,
        max_sequence_length=64,
        latents=pipeline._pack_latents(noise, 1, 16, 16, 16),
        output_type="np",
    ).images[0]
    (found,) = pictures(server, run.outputs["show"]["images"])
    assert np.abs(found - np.round(expected * 255)).max() <= 2


def test_the_winner_of_a_batch_is_drawn_again_from_its_latent(server: ComfyServer, flow: Path) -> None:
    """Latents are sorted with their pictures and remember their place in the batch."""
    graph = sampling(flow)
    graph["empty"]["inputs"]["batch_size"] = 3
    graph["none"] = node("ConditioningZeroOut", conditioning=["text", 0])
    settings = {
        "seed": 3,
        "steps": 3,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "simple",
        "denoise": 1.0,
    }
    both = {"model": ["flow", 0], "positive": ["told", 0], "negative": ["none", 0], **settings}
    graph["draw"] = node("KSampler", latent_image=["empty", 0], **both)
    graph["decode"] = node("VAEDecode", samples=["draw", 0], vae=["flow", 2])
    graph["judge"] = node("SpatialScoreLoader", model="starter (bundled)", kind="auto", precision="fp8")
    graph["score"] = node(
        "SpatialScore",
        scorer=["judge", 0],
        images=["decode", 0],
        latents=["draw", 0],
        prompt=PROMPT,
        keep_top=1,
        minimum_satisfied=0.0,
        minimum_score=-1000.0,
        sheet_columns=2,
    )
    graph["best"] = node("PreviewImage", images=["score", 0])
    graph["kept"] = node("VAEDecode", samples=["score", 1], vae=["flow", 2])
    graph["sorted"] = node("PreviewImage", images=["kept", 0])
    graph["one"] = node("LatentFromBatch", samples=["empty", 0], batch_index=["score", 5], length=1)
    graph["redraw"] = node("KSampler", latent_image=["one", 0], **both)
    graph["decoded"] = node("VAEDecode", samples=["redraw", 0], vae=["flow", 2])
    graph["again"] = node("PreviewImage", images=["decoded", 0])
    # The kept latent carries its place too: sampling it anew begins with its own noise.
    graph["anew"] = node("KSampler", latent_image=["score", 1], **both)
    graph["anew_decoded"] = node("VAEDecode", samples=["anew", 0], vae=["flow", 2])
    graph["anew_shown"] = node("PreviewImage", images=["anew_decoded", 0])
    run = server.run(graph)
    assert run.status == "success", said(run)
    best, kept, again, anew = (
        pictures(server, run.outputs[name]["images"]) for name in ("best", "sorted", "again", "anew_shown")
    )
    assert len(best) == len(kept) == 1
    for other in (kept, again, anew):
        assert np.abs(best[0] - other[0]).max() <= 1
