"""The offline graphs, run as they are through POST /prompt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from comfy_server import PACK, ROOT, ComfyServer, said

from spatial_core.starter import starter_path

pytestmark = pytest.mark.comfyui

API = sorted((ROOT / "workflows" / "api").glob("*.json"))


def has_flow() -> bool:
    try:
        return starter_path("flow").is_dir()
    except (ValueError, FileNotFoundError):
        return False


@pytest.mark.parametrize("path", API, ids=lambda path: path.stem)
def test_it_runs_and_a_rerun_executes_nothing(server: ComfyServer, path: Path) -> None:
    graph = json.loads(path.read_text("utf-8"))
    if not has_flow():
        # Without the starter's weights a tiny model of its architecture takes its place.
        from tiny_flow import build_tiny_flow

        folder = server.base / "workflow_flow"
        if not folder.is_dir():
            build_tiny_flow(folder)
        for node in graph.values():
            if node["class_type"] == "SpatialStarterLoader":
                node |= {"class_type": "SpatialTestFlow", "inputs": {"folder": str(folder)}}
    first = server.run(graph)
    assert first.status == "success", said(first)
    again = server.run(graph)
    blocked = {name for name in graph if name not in first.outputs}
    assert set(graph) - set(again.cached) <= blocked, "a cached rerun executes nothing"


def test_the_template_browser_lists_them(server: ComfyServer) -> None:
    listed = server.get("/workflow_templates")[PACK]
    assert set(listed) == {path.stem for path in (ROOT / "workflows").glob("*.json")}
    for name in listed:
        for suffix in ("json", "jpg"):
            served = server.raw(f"/api/workflow_templates/{PACK}/{name}.{suffix}")
            assert served == (ROOT / "workflows" / f"{name}.{suffix}").read_bytes()


def test_names_of_windows_are_choices_with_slashes(server: ComfyServer) -> None:
    """What folder_paths lists on Windows, through the function that the loaders use."""
    names = [
        "Qwen3-VL\\config.json",
        "Qwen3-VL\\model-00001-of-00002.safetensors",
        "my judge\\spatial_score.safetensors",
        "my judge\\backbone\\config.json",
        "single.safetensors",
        "notes.txt",
    ]
    wanted = ["my judge", "Qwen3-VL", "single.safetensors"]
    assert json.loads(server.raw("/spatial_choices", names)) == wanted
    assert json.loads(server.raw("/spatial_choices", [name.replace("\\", "/") for name in names])) == wanted
