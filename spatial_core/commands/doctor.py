"""`spatial doctor`: what is installed, what it can compute on, and which models are at hand."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from spatial_core.commands.table import format_table

HELP = "print versions, devices, memory and the models found"

PACKAGES = ("torch", "diffusers", "transformers", "peft", "safetensors", "pillow", "numpy", "accelerate")
USABLE_MODELS = {
    "qwen2_5_vl": "vqa",
    "qwen3_vl": "vqa",
    "owlv2": "geometric",
    "owlvit": "geometric",
    "grounding-dino": "geometric",
    "mm-grounding-dino": "geometric",
    "depth_anything": "geometric (depth)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> None:
    """Look and print."""
    report = examine()
    if args.json:
        print(json.dumps(report))
        return
    print("versions")
    print(_indent(format_table(("package", "version"), list(report["versions"].items()))))
    print("\ndevices")
    rows = [
        (device["name"], device["kind"], _gigabytes(device["memory_bytes"])) for device in report["devices"]
    ]
    print(_indent(format_table(("device", "kind", "memory"), rows)))
    print("\nmodels")
    rows = [
        (model["name"], model["scorer"], _gigabytes(model["bytes"]), model["path"])
        for model in report["models"]
    ]
    print(_indent(format_table(("model", "scorer", "size", "path"), rows)) if rows else "  none found")
    print(f"\nverbs added by other packages: {', '.join(report['added_verbs']) or 'none'}")


def examine() -> dict[str, Any]:
    """Return what `spatial doctor` prints, ready for JSON; sizes in bytes, None where unknown."""
    from spatial_core import __version__

    versions = {"spatial-diffusion": __version__, "python": platform.python_version()}
    versions.update({package: _version(package) for package in PACKAGES})
    return {
        "versions": versions,
        "platform": platform.platform(),
        "devices": _devices(),
        "models": _models(),
        "added_verbs": sorted(entry.name for entry in entry_points(group="spatial.commands")),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _devices() -> list[dict[str, Any]]:
    import torch

    cpu = {"name": "cpu", "kind": f"{os.cpu_count()} cores, {platform.machine()}", "memory_bytes": _ram()}
    devices: list[dict[str, Any]] = [cpu]
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        devices.append({"name": f"cuda:{index}", "kind": card.name, "memory_bytes": card.total_memory})
    if torch.backends.mps.is_available():
        devices.append({"name": "mps", "kind": "Apple GPU (shares the memory)", "memory_bytes": None})
    return devices


def _ram() -> int | None:
    """Return the machine's memory in bytes; None where the system does not say (Windows)."""
    if sys.platform == "win32":
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _models() -> list[dict[str, Any]]:
    """Return the bundled models, and those in the Hugging Face cache that a scorer can use."""
    found = [_model("starter", scorer, path) for scorer, path in _bundled()]
    cache = Path(_hub_cache())
    for config in sorted(cache.glob("models--*/snapshots/*/config.json")) if cache.is_dir() else []:
        try:
            kind = json.loads(config.read_text(encoding="utf-8")).get("model_type")
        except (OSError, ValueError):
            continue
        if kind in USABLE_MODELS:
            name = config.parents[2].name.removeprefix("models--").replace("--", "/")
            found.append(_model(name, USABLE_MODELS[kind], config.parent))
    return found


def _bundled() -> list[tuple[str, Path]]:
    from spatial_core.starter import starter_path

    found: list[tuple[str, Path]] = []
    for name in ("reward", "vqa"):
        try:
            found.append((name, starter_path(name)))
        except FileNotFoundError:
            # An installation without the weights is what a doctor should be able to report.
            continue
    return found


def _hub_cache() -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    return HF_HUB_CACHE


def _model(name: str, scorer: str, folder: Path) -> dict[str, Any]:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {"name": name, "scorer": scorer, "bytes": size, "path": str(folder)}


def _gigabytes(size: int | None) -> str:
    if size is None:
        return "unknown"
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
