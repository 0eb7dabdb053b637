"""Fixtures that several rooms share; being here also lets every test import `tiny_models`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import FAMILIES, build_tiny


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a tiny Qwen2.5-VL and a tiny Qwen3-VL checkpoint by model type; not to be written to."""
    root = tmp_path_factory.mktemp("tiny")
    return {family: build_tiny(root / family, family) for family in FAMILIES}


@pytest.fixture(params=FAMILIES)
def tiny_folder(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Path:
    """Each family's folder in turn."""
    return tiny_folders[request.param]
