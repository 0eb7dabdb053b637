"""Find and load vision-language checkpoints: local folder or hub id, weights, tokenizer and image processing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_PROCESSING_DEFAULTS: dict[str, Any] = {
    # The constants of Qwen2-VL's image processor (OpenAI CLIP's statistics) and patch layout.
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "patch_size": 14,
    "merge_size": 2,
    "temporal_patch_size": 2,
}


@dataclass(frozen=True)
class BackboneParts:
    """A loaded checkpoint: the model, its tokenizer, and the constants of its image processor."""

    model: Any
    tokenizer: Any
    processing: Mapping[str, Any]


def _unreachable(source: str | Path, file: str, error: Exception) -> FileNotFoundError:
    name = Path(source).name
    return FileNotFoundError(
        f"'{source}' must be a folder that holds {file}, or a hub id that can be reached; neither holds "
        f"({type(error).__name__}). Fetch it once with: hf download {source} --local-dir models/{name}, "
        f"then pass models/{name}."
    )


def find_file(source: str | Path, file: str, *, revision: str = "") -> Path:
    """Return the local path of `file` in a folder or hub repository; `source` may be the file itself.

    Raises:
        FileNotFoundError: If it is in neither, with the command that fetches it.
    """
    path = Path(source)
    if path.is_file():
        return path
    if path.is_dir():
        if (path / file).is_file():
            return path / file
        raise FileNotFoundError(f"{path} must hold {file}, but does not. Is it another kind of model folder?")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(str(source), file, revision=revision or None))
    except Exception as error:
        raise _unreachable(source, file, error) from error


def load_backbone(
    source: str | Path, *, revision: str = "", dtype: torch.dtype = torch.float32, vocabulary: bool
) -> BackboneParts:
    """Return a vision-language checkpoint with its tokenizer and image constants.

    Args:
        source: Folder or hub id.
        revision: Hub revision, "" for the default.
        dtype: Of the weights.
        vocabulary: Whether the model keeps its vocabulary head (`vqa`), or is the bare model (`reward`).

    Raises:
        FileNotFoundError: If a file is missing and the hub cannot be reached.
    """
    config_file = find_file(source, "config.json", revision=revision)
    from transformers import AutoModel, AutoModelForImageTextToText, AutoTokenizer

    auto = AutoModelForImageTextToText if vocabulary else AutoModel
    extra = {"revision": revision} if revision else {}
    try:
        model = auto.from_pretrained(str(source), dtype=dtype, attn_implementation="sdpa", **extra)
        tokenizer = AutoTokenizer.from_pretrained(str(source), **extra)
    except OSError as error:
        raise _unreachable(source, "its weights and tokenizer", error) from error
    vision: dict[str, Any] = json.loads(config_file.read_text("utf-8")).get("vision_config", {})
    processing = dict(_PROCESSING_DEFAULTS)
    processing["patch_size"] = vision.get("patch_size", processing["patch_size"])
    processing["merge_size"] = vision.get("spatial_merge_size", processing["merge_size"])
    processing["temporal_patch_size"] = vision.get("temporal_patch_size", processing["temporal_patch_size"])
    try:
        stored = json.loads(find_file(source, "preprocessor_config.json", revision=revision).read_text("utf-8"))
    except FileNotFoundError:
        stored = {}
    processing |= {key: stored[key] for key in ("image_mean", "image_std") if key in stored}
    return BackboneParts(model.eval(), tokenizer, processing)
