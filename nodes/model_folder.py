"""The folder `models/spatial_score`: what lies in it, and where each thing is."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import folder_paths

FOLDER = "spatial_score"
STARTER = "starter (bundled)"
JUDGE_FILE = "spatial_score.safetensors"


def register_model_folder() -> None:
    """Add `models/spatial_score` to ComfyUI's folders; folders of extra_model_paths.yaml stay.

    The set of extensions stays empty, which lists every file: folders are told by their config.json.
    """
    folder = os.path.join(folder_paths.models_dir, FOLDER)
    folder_paths.add_model_folder_path(FOLDER, folder, is_default=True)


def choices(files: Iterable[str]) -> list[str]:
    """Return what can be loaded, from the file names below the folder.

    A folder with a judge file or a config.json is one choice (its parts are not), a judge file of another
    name that lies directly in the folder is one too. Names come back with forward slashes on every system.
    """
    names = [name.replace("\\", "/") for name in files]
    folders = {
        name.rpartition("/")[0]
        for name in names
        if "/" in name and name.rpartition("/")[2] in (JUDGE_FILE, "config.json")
    }
    inner = {folder for folder in folders if any(folder.startswith(f"{other}/") for other in folders)}
    single = {name for name in names if "/" not in name and name.endswith(".safetensors")}
    return sorted((folders - inner) | single, key=str.casefold)


def listed() -> list[str]:
    """Return what `models/spatial_score` offers."""
    return choices(folder_paths.get_filename_list(FOLDER))


def locate(choice: str) -> Path:
    """Return the path of one of `listed()`.

    Raises:
        ValueError: If it is not there any more.
    """
    for root in folder_paths.get_folder_paths(FOLDER):
        path = Path(root, *choice.split("/"))
        if path.exists():
            return path
    folders = " or ".join(folder_paths.get_folder_paths(FOLDER))
    raise ValueError(
        f"'{choice}' is not in {folders}. Put it there, press R to refresh the list, or choose '{STARTER}'."
    )
