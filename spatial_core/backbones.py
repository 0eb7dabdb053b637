"""Find and load vision-language checkpoints: folder or hub id, weights, tokenizer, constants of images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from spatial_core.vision_language import SUPPORTED_MODEL_TYPES

# What the image processors of the public checkpoints use (for Qwen2.5-VL, the statistics of OpenAI's CLIP).
_STATISTICS: dict[str, dict[str, list[float]]] = {
    "qwen2_5_vl": {
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    },
    "qwen3_vl": {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
}
_SAMPLES, _SAMPLE_BYTES = 64, 1 << 16


@dataclass(frozen=True)
class BackboneParts:
    """A loaded checkpoint.

    Attributes:
        model: With or without its vocabulary head, as asked.
        tokenizer: Its tokenizer.
        processing: The constants of its image processor: `image_mean`, `image_std`, `patch_size`,
            `merge_size`, `temporal_patch_size`, and its own `min_pixels` and `max_pixels`.
        folder: Where its files lie on this machine.
    """

    model: Any
    tokenizer: Any
    processing: Mapping[str, Any]
    folder: Path


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
    # A wrong name, no network, no permission and an absent file come as unrelated types.
    except Exception as error:
        raise _unreachable(source, file, error) from error


def default_dtype(device: torch.device) -> torch.dtype:
    """Return the type of weights for a device: float32 on the CPU, bfloat16 elsewhere."""
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def weights_hash(folder: str | Path) -> str:
    """Return a sha256 that tells a local folder's `model*.safetensors` from others; "" if there are none.

    Of large files it reads names, shapes and 64 evenly spaced blocks of 64 KiB, so that a 16 GB backbone
    does not wait for its disk; other weights of the same shapes differ everywhere.
    """
    files = sorted(Path(folder).glob("model*.safetensors"))
    if not files:
        return ""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        with file.open("rb") as stream:
            if size <= _SAMPLES * _SAMPLE_BYTES:
                digest.update(stream.read())
                continue
            header = stream.read(8)
            digest.update(header + stream.read(min(int.from_bytes(header, "little"), size)))
            for sample in range(_SAMPLES):
                stream.seek(sample * (size - _SAMPLE_BYTES) // (_SAMPLES - 1))
                digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()


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
        ValueError: If the checkpoint is of another family, incomplete or corrupt.
    """
    config_file = find_file(source, "config.json", revision=revision)
    config = _read_json(config_file)
    if config.get("model_type") not in SUPPORTED_MODEL_TYPES:
        raise ValueError(
            f"A backbone is one of {', '.join(SUPPORTED_MODEL_TYPES)}; '{source}' is "
            f"{config.get('model_type')}. Choose a Qwen2.5-VL or Qwen3-VL checkpoint."
        )
    from transformers import AutoModelForImageTextToText

    extra: dict[str, Any] = {"revision": revision} if revision else {}
    shape = _config_for_transformers_4(config)
    try:
        # Always with its vocabulary head: the names of a checkpoint's weights are read alike by all
        # versions of transformers only then.
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            str(source), dtype=dtype, attn_implementation="sdpa", output_loading_info=True, **extra, **shape
        )
        model, report = loaded
        tokenizer = _tokenizer(source, revision)
    except OSError as error:
        raise _unreachable(source, "its weights and tokenizer", error) from error
    except SafetensorError as error:
        raise ValueError(
            f"The weights of '{source}' are not readable ({error}). Fetch them again."
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise ValueError(
            f"'{source}' lacks {len(missing)} weights of its own architecture, e.g. {missing[0]}. "
            "Fetch the checkpoint again, and check that config.json belongs to it."
        )
    processing = _processing(model.config, source, revision)
    chosen = model if vocabulary else model.model
    return BackboneParts(chosen.eval(), tokenizer, processing, config_file.parent)


def _config_for_transformers_4(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"config": ...}` where transformers 4 has to read what transformers 5 wrote, else nothing."""
    from transformers import AutoConfig, __version__

    text: dict[str, Any] = config.get("text_config") or {}
    if int(__version__.split(".")[0]) > 4 or not text.get("rope_parameters"):
        return {}
    rope = dict(text["rope_parameters"])
    text = text | {"rope_theta": rope.pop("rope_theta"), "rope_scaling": rope}
    rest = {key: value for key, value in config.items() if key not in ("model_type", "text_config")}
    return {"config": AutoConfig.for_model(config["model_type"], text_config=text, **rest)}


def _tokenizer(source: str | Path, revision: str) -> Any:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast, __version__

    extra: dict[str, Any] = {"revision": revision} if revision else {}
    if int(__version__.split(".")[0]) > 4:
        return AutoTokenizer.from_pretrained(str(source), **extra)
    # transformers 5 writes a class that version 4 does not know, and a list where that wants a mapping;
    # tokenizer.json says the rest.
    stored = _read_json(find_file(source, "tokenizer_config.json", revision=revision))
    listed: Any = stored.get("extra_special_tokens")
    if isinstance(listed, list):
        extra |= {"extra_special_tokens": {}, "additional_special_tokens": listed}
    elif stored.get("tokenizer_class") != "TokenizersBackend":
        return AutoTokenizer.from_pretrained(str(source), **extra)
    return PreTrainedTokenizerFast.from_pretrained(str(source), **extra)


def known_things(config: Any) -> frozenset[str] | None:
    """Return the kinds of things that a small model's configuration lists as learned; None without a list."""
    names = getattr(config, "known_things", None)
    return None if names is None else frozenset(names)


def image_statistics(model_type: str) -> dict[str, list[float]]:
    """Return `image_mean` and `image_std` of a family's public checkpoints: "qwen2_5_vl" or "qwen3_vl"."""
    return dict(_STATISTICS[model_type])


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not readable JSON ({error}). Fetch it again.") from error


def _processing(config: Any, source: str | Path, revision: str) -> dict[str, Any]:
    try:
        stored = _read_json(find_file(source, "preprocessor_config.json", revision=revision))
    except FileNotFoundError:
        stored = {}
    size: dict[str, int] = stored.get("size") or {}
    statistics = image_statistics(config.model_type)
    return {
        "image_mean": stored.get("image_mean") or statistics["image_mean"],
        "image_std": stored.get("image_std") or statistics["image_std"],
        "patch_size": config.vision_config.patch_size,
        "merge_size": config.vision_config.spatial_merge_size,
        "temporal_patch_size": config.vision_config.temporal_patch_size,
        "min_pixels": stored.get("min_pixels") or size.get("shortest_edge") or 56 * 56,
        "max_pixels": stored.get("max_pixels") or size.get("longest_edge") or 1280 * 28 * 28,
    }
