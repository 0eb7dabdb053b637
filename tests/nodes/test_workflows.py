"""The shipped graphs, read as files; `test_comfyui_workflows.py` runs them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spatial_core.language.parser import parse_prompt

ROOT = Path(__file__).resolve().parent.parent.parent
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
API = sorted((ROOT / "workflows" / "api").glob("*.json"))
NODES = {path.stem for path in (ROOT / "nodes" / "web" / "docs").glob("*.md")}
NOTES = ("MarkdownNote", "Note")


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


def ids(path: Path) -> str:
    return path.stem


def test_there_are_enough() -> None:
    assert len(WORKFLOWS) >= 6 and len(API) >= 3


@pytest.mark.parametrize("path", WORKFLOWS, ids=ids)
def test_a_graph_has_a_note_a_picture_and_only_nodes_that_exist(path: Path) -> None:
    graph = read(path)
    notes = [node for node in graph["nodes"] if node["type"] in NOTES]
    assert notes and "Look at" in notes[0]["widgets_values"][0], "a note says what to look at"
    ours = {node["type"] for node in graph["nodes"] if node["type"].startswith("Spatial")}
    assert ours and ours <= NODES
    for node in graph["nodes"]:
        if node["type"] in ours:
            assert node["properties"]["cnr_id"] == "spatial-diffusion"
    with Image.open(path.with_suffix(".jpg")) as thumbnail:
        assert 256 <= thumbnail.width <= 1024 and path.with_suffix(".jpg").stat().st_size < 200_000
    places = [(*node["pos"], *node["size"]) for node in graph["nodes"]]
    for i, (x, y, w, h) in enumerate(places):
        for u, v, s, t in places[i + 1 :]:
            assert x + w <= u or u + s <= x or y + h <= v or v + t <= y, "nodes lie on each other"


@pytest.mark.parametrize("path", WORKFLOWS, ids=ids)
def test_its_prompt_says_something_about_space(path: Path) -> None:
    said = [
        str(node["widgets_values"][0])
        for node in read(path)["nodes"]
        if node["type"] in ("PrimitiveStringMultiline", "SpatialPromptRelations")
    ]
    assert said and all(parse_prompt(text).relations for text in said), said


@pytest.mark.parametrize("path", API, ids=ids)
def test_the_api_form_is_the_same_graph(path: Path) -> None:
    api, graph = read(path), read(path.parent.parent / path.name)
    assert Counter(node["class_type"] for node in api.values()) == Counter(
        node["type"] for node in graph["nodes"] if node["type"] not in NOTES
    )
    by_id = {str(node["id"]): node for node in graph["nodes"]}
    for name, node in api.items():
        values = by_id[name].get("widgets_values", [])
        for key, value in node["inputs"].items():
            if not isinstance(value, list):
                assert value in values, f"{path.stem}: node {name} has {key} = {value} in the API form only"
