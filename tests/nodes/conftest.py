"""One ComfyUI serves all tests of this folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from comfy_server import ROOT, ComfyServer

DEMO = ROOT / "spatial_core/starter/demo"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A running ComfyUI with the demo's pictures as its input."""
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("COMFYUI_PATH names no checkout of ComfyUI")
    base = tmp_path_factory.mktemp("comfyui")
    # An old copy as pip would leave it: first on the path, found before anything of ours.
    stale = base / "site" / "spatial_core"
    stale.mkdir(parents=True)
    (stale / "__init__.py").write_text("__version__ = '0.0.1'\n", "utf-8")
    (base / "input").mkdir()
    for picture in (DEMO / "images").glob("*.png"):
        shutil.copy(picture, base / "input")
    (base / "models" / "spatial_score").mkdir(parents=True)
    (base / "models" / "spatial_score" / "broken.safetensors").write_bytes(b"not a model")
    server = ComfyServer(base, python_path=[stale.parent])
    try:
        server.wait_until_ready()
        server.at_start = server.get("/spatial_probe")
        yield server
    finally:
        server.stop()
