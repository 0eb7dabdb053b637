"""Our nodes inside a real ComfyUI on the CPU: `COMFYUI_PATH=... pytest -m comfyui tests/nodes`."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comfy_server import PACK, ROOT, ComfyServer, node, said
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.comfyui

DEMO = ROOT / "spatial_core/starter/demo"
PROMPT = (DEMO / "prompt.txt").read_text("utf-8").strip()

Graph = dict[str, Any]


def score_graph(*pictures: str, **inputs: Any) -> Graph:
    """Load pictures, batch them, score them, preview the first output."""
    graph: Graph = {f"l{i}": node("LoadImage", image=name) for i, name in enumerate(pictures)}
    batch: list[Any] = ["l0", 0]
    for i in range(1, len(pictures)):
        graph[f"b{i}"] = node("ImageBatch", image1=batch, image2=[f"l{i}", 0])
        batch = [f"b{i}", 0]
    graph["scorer"] = node("SpatialScoreLoader", model="starter (bundled)", kind="auto", precision="auto")
    given = {
        "scorer": ["scorer", 0],
        "images": batch,
        "prompt": PROMPT,
        "keep_top": 0,
        "minimum_satisfied": 0.0,
        "minimum_score": -1000.0,
        "sheet_columns": 2,
    }
    graph["score"] = node("SpatialScore", **(given | inputs))
    graph["show"] = node("PreviewImage", images=["score", 0])
    graph["text"] = node("PreviewAny", source=["score", 6])
    return graph


def pixels(server: ComfyServer, shown: dict[str, str]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(server.image(shown))).convert("RGB"), dtype=int)


def test_it_boots_quickly_and_alone(server: ComfyServer) -> None:
    log = server.log()
    (line,) = re.findall(rf"([\d.]+) seconds: .*{re.escape(PACK)}$", log, re.MULTILINE)
    # The log gives wall time: on a machine that does other things it says little about the pack.
    assert float(line) <= 0.1 or os.getloadavg()[0] > (os.cpu_count() or 1)
    assert (
        not re.search(rf"IMPORT FAILED.*{re.escape(PACK)}", log)
        and "Error while calling comfy_entrypoint" not in log
    )
    probe = server.at_start
    assert not {"diffusers", "peft", "accelerate", "spatial_trainers"} & set(probe["modules"])
    # transformers is imported by ComfyUI itself; ours are the modules that would use more of it.
    assert not [name for name in probe["heavy"] if "backbones" in name or "reward_model" in name], probe[
        "heavy"
    ]
    ((name, file),) = probe["spatial_core"].items()
    assert name == "spatial_core" and Path(file).resolve() == ROOT / "spatial_core/__init__.py"
    assert Path(probe["nodes"]) == Path(os.environ["COMFYUI_PATH"]) / "nodes.py"


def test_help_pages_are_served(server: ComfyServer) -> None:
    for page in (ROOT / "nodes/web/docs").glob("*.md"):
        assert server.raw(f"/extensions/{PACK}/docs/{page.name}") == page.read_bytes()


def test_scoring_sorts_a_batch_and_a_rerun_executes_nothing(server: ComfyServer) -> None:
    from spatial_core.scorers.base import SpatialScorer

    names = ["01.png", "05.png", "09.png", "12.png"]
    run = server.run(score_graph(*names))
    assert run.status == "success", said(run)
    expected = SpatialScorer.from_pretrained("starter").rank([DEMO / "images" / n for n in names], PROMPT)
    shown = [pixels(server, image) for image in run.outputs["show"]["images"]]
    for picture, i in zip(shown, expected.order, strict=True):
        wanted = np.asarray(Image.open(DEMO / "images" / names[i]).convert("RGB"), dtype=int)
        assert np.abs(picture - wanted).max() == 0
    report = run.outputs["text"]["text"][0]
    assert report.startswith(f"#1 image {expected.order[0] + 1}: ")
    assert run.outputs["score"]["images"], "the sheet is on the node"
    again = server.run(score_graph(*names))
    assert set(again.cached) == set(score_graph(*names))


def test_keeping_and_minimum(server: ComfyServer) -> None:
    run = server.run(score_graph("01.png", "05.png", "09.png", keep_top=2))
    assert len(run.outputs["show"]["images"]) == 2
    run = server.run(score_graph("01.png", "05.png", minimum_score=900.0))
    assert len(run.outputs["show"]["images"]) == 1
    assert "the best one is passed on" in run.outputs["text"]["text"][0]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"prompt": "  "}, "The prompt is empty"),
        ({"masks": ["mask", 0]}, "3 pictures but 2 masks"),
        ({"latents": ["latent", 0]}, "3 pictures but 2 latents"),
        ({"prompt": ["prompts", 0]}, "3 pictures but 2 prompts"),
        ({"latents": ["nan", 0]}, "The latent is broken"),
    ],
)
def test_bad_input_is_explained(server: ComfyServer, inputs: Graph, words: str) -> None:
    graph = score_graph("01.png", "05.png", "09.png", **inputs)
    graph["one"] = node("SolidMask", value=1.0, width=128, height=128)
    graph["toimage"] = node("MaskToImage", mask=["one", 0])
    graph["mask"] = node("ImageToMask", image=["rep", 0], channel="red")
    graph["rep"] = node("RepeatImageBatch", image=["toimage", 0], amount=2)
    graph["latent"] = node("EmptyLatentImage", width=128, height=128, batch_size=2)
    graph["nan"] = node("SpatialTestNaN", latent=["latent", 0])
    graph["prompts"] = node("CreateList", **{"inputs.input0": "a cup left of a jar", "inputs.input1": "b"})
    assert words in said(server.run(graph))


def test_a_corrupt_judge_file_is_explained(server: ComfyServer) -> None:
    graph = score_graph("01.png")
    graph["scorer"]["inputs"]["model"] = "broken.safetensors"
    assert "is not a readable safetensors file" in said(server.run(graph))


def test_free_unloads_the_scorer(server: ComfyServer) -> None:
    assert server.run(score_graph("01.png", "02.png")).status == "success"
    assert "RewardScorer" in server.get("/spatial_probe")["loaded"]
    server.raw("/free", {"unload_models": True, "free_memory": True})
    end = time.monotonic() + 60
    while "RewardScorer" in server.get("/spatial_probe")["loaded"]:
        assert time.monotonic() < end, "the scorer is still held"
        time.sleep(0.1)


def test_selector_gate_and_saved_metadata(server: ComfyServer) -> None:
    graph = score_graph("01.png", "05.png", "09.png", "12.png")
    graph["select"] = node(
        "SpatialSelector",
        images=["b3", 0],
        scores=["score", 7],
        pick="rank",
        weight=1.0,
        great_from=1.0,
        ok_from=0.5,
        **{"pick.first": 1, "pick.count": 2},
    )
    graph["picked"] = node("PreviewImage", images=["select", 0])
    graph["save"] = node(
        "SpatialSaveImage",
        images=["select", 0],
        filename_prefix="spatial/x",
        scores=["score", 7],
        seed=["n", 0],
    )
    graph["n"] = node("PrimitiveInt", value=17)
    run = server.run(graph)
    assert run.status == "success", said(run)
    picked = [pixels(server, image) for image in run.outputs["picked"]["images"]]
    ranked = [pixels(server, image) for image in run.outputs["show"]["images"]]
    assert len(picked) == 2 and all(np.array_equal(a, b) for a, b in zip(picked, ranked[:2], strict=True))
    saved = Image.open(io.BytesIO(server.image(run.outputs["save"]["images"][0])))
    known = json.loads(saved.text["spatial_score"])
    assert known["seed"] == 17 and known["prompt"] == PROMPT and known["relations"]
    assert json.loads(saved.text["prompt"])["select"]["class_type"] == "SpatialSelector"


@pytest.mark.parametrize("at_least", [0.0, 1.5])
def test_the_gate_runs_one_branch(server: ComfyServer, at_least: float) -> None:
    graph = score_graph("01.png", "05.png")
    graph["good"] = node("ImageInvert", image=["l0", 0])
    graph["other"] = node("ImageInvert", image=["l1", 0])
    graph["gate"] = node(
        "SpatialScoreGate",
        scores=["score", 7],
        measure="share of relations true",
        at_least=at_least,
        if_good=["good", 0],
        otherwise=["other", 0],
    )
    graph["out"] = node("PreviewImage", images=["gate", 0])
    run = server.run(graph)
    assert run.status == "success", said(run)
    shown = pixels(server, run.outputs["out"]["images"][0])
    source = "01.png" if at_least == 0.0 else "05.png"
    wanted = 255 - np.asarray(Image.open(DEMO / "images" / source).convert("RGB"), dtype=int)
    assert np.abs(shown - wanted).max() <= 1


def test_relations_are_read_and_corrected(server: ComfyServer) -> None:
    lines = "the red mug is to the left of the jar\nthe jar is behind the plate"
    graph: Graph = {
        "r": node("SpatialPromptRelations", prompt="a cup to the left of a plate", corrected=""),
        "c": node("SpatialPromptRelations", prompt="", corrected=lines),
        "t": node("PreviewAny", source=["r", 2]),
        "u": node("PreviewAny", source=["c", 2]),
        "n": node("PreviewAny", source=["c", 3]),
    }
    run = server.run(graph)
    assert run.outputs["t"]["text"][0] == "the cup is to the left of the plate"
    assert run.outputs["u"]["text"][0] == lines and run.outputs["n"]["text"][0] == "2"
    graph["c"]["inputs"]["corrected"] = "the mug is to the left of the jar\nnice light"
    assert "Line 2" in said(server.run(graph))
    graph["c"]["inputs"]["corrected"] = " "
    assert "prompt is empty" in said(server.run(graph))


def test_boxes_are_checked(server: ComfyServer) -> None:
    boxes = [
        {"x": 10, "y": 40, "width": 30, "height": 30, "label": "cup", "score": 0.9},
        {"x": 80, "y": 40, "width": 30, "height": 30, "label": "laptop", "score": 0.8},
    ]
    graph: Graph = {
        "l": node("LoadImage", image="01.png"),
        "check": node(
            "SpatialRelationCheck",
            images=["l", 0],
            bboxes=["boxes", 0],
            prompt="a cup to the left of a laptop, and a dog above the laptop",
            minimum_confidence=0.0,
        ),
        "boxes": node("SpatialTestBoxes", boxes=json.dumps(boxes)),
        "t": node("PreviewAny", source=["check", 2]),
        "p": node("PreviewImage", images=["check", 0]),
    }
    run = server.run(graph)
    assert run.status == "success", said(run)
    report = run.outputs["t"]["text"][0]
    assert "1 of 2 relations true" in report and "yes: " in report and "NO: " in report
    assert pixels(server, run.outputs["p"]["images"][0]).shape[0] > 128
    graph["boxes"]["inputs"]["boxes"] = json.dumps([boxes, boxes])
    assert "1 pictures but boxes for 2" in said(server.run(graph)).replace("There are ", "")
    graph["boxes"]["inputs"]["boxes"] = json.dumps([{**boxes[0], "label": ""}])
    assert "A box has no label" in said(server.run(graph))


def test_pictures_of_different_sizes_come_as_a_list(server: ComfyServer) -> None:
    graph = score_graph("01.png", "05.png")
    graph["b1"] = node("CreateList", **{"inputs.input0": ["l0", 0], "inputs.input1": ["large", 0]})
    graph["large"] = node(
        "ImageScale", image=["l1", 0], upscale_method="lanczos", width=192, height=160, crop="disabled"
    )
    run = server.run(graph)
    assert run.status == "success", said(run)
    sizes = {pixels(server, shown).shape[:2] for shown in run.outputs["show"]["images"]}
    assert sizes == {(256, 256), (160, 192)}


def test_each_picture_against_its_own_prompt(server: ComfyServer) -> None:
    graph = score_graph("01.png", "05.png", prompt=["two", 0])
    texts = {"inputs.input0": ["p0", 0], "inputs.input1": ["p1", 0]}
    graph["two"] = node("CreateList", **texts)
    graph["p0"] = node("PrimitiveString", value="a red teapot to the left of a blue mug")
    graph["p1"] = node("PrimitiveString", value="a plant behind a mug")
    run = server.run(graph)
    assert run.status == "success", said(run)
    report = run.outputs["text"]["text"][0]
    assert "red teapot" in report and "plant behind a mug" in report


def test_a_judge_whose_model_is_not_here_says_how_to_get_it(server: ComfyServer) -> None:
    """And nothing is downloaded: the hub is switched off, and the message is ours."""
    starter = ROOT / "spatial_core/starter/reward/spatial_score.safetensors"
    with safe_open(starter, "pt") as reader:
        metadata = reader.metadata()
    config = json.loads(metadata["config"]) | {"backbone": "Somebody/Some-VL-7B"}
    folder = server.base / "models" / "spatial_score" / "far judge"
    folder.mkdir(exist_ok=True)
    judge = folder / "spatial_score.safetensors"
    save_file(load_file(starter), judge, metadata=metadata | {"config": json.dumps(config)})
    graph = score_graph("01.png")
    graph["scorer"]["inputs"]["model"] = "far judge"
    assert "hf download Somebody/Some-VL-7B --local-dir models/spatial_score" in said(server.run(graph))
    shutil.copytree(ROOT / "spatial_core/starter/backbone", folder.parent / "Some-VL-7B", dirs_exist_ok=True)
    assert server.run(graph).status == "success", "the model lies in the folder that its name says"
