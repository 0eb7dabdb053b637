"""A `SpatialScorer` as a component that diffusers saves, loads and places like its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines import pipeline_loading_utils as loading

from spatial_core.scorers.base import SpatialScorer

COMPONENT = "scorer"

# diffusers looks up how to save and load a component in these tables.
_METHODS = ["save_pretrained", "load_component"]
loading.LOADABLE_CLASSES[SpatialScorer.__module__] = {SpatialScorer.__name__: _METHODS}
loading.ALL_IMPORTABLE_CLASSES[SpatialScorer.__name__] = _METHODS


def written_index(text: str, base_name: str) -> str:
    """Return `model_index.json` as it is written: of the base's class, the scorer aside.

    A component of another library, listed like the rest, would make everybody's download of the repository
    fail; as an object it is passed over, and the folder loads as the plain base.

    Args:
        text: What diffusers would write.
        base_name: Name of the base's class.
    """
    index = json.loads(text)
    index["_class_name"] = base_name
    library, name = index.pop(COMPONENT, None) or (None, None)
    if library is not None:
        index[COMPONENT] = {"class": [library, name]}
    return json.dumps(index, indent=2, sort_keys=True) + "\n"


def read_index(index: dict[str, Any]) -> None:
    """Turn the scorer's entry of a `model_index.json` back into what diffusers loads, in place."""
    entry = index.get(COMPONENT)
    if isinstance(entry, Mapping):
        module, name = entry["class"]
        # Only our own: importing whatever a repository names would run its code.
        if module.startswith("spatial_core.scorers."):
            import_module(module)
        index[COMPONENT] = [module, name]


def component_dtype(dtype: Any) -> torch.dtype | None:
    """Return the type that `dtype=` of `from_pretrained` means for the scorer."""
    return dtype.get(COMPONENT, dtype.get("default")) if isinstance(dtype, Mapping) else dtype


def load_scorer(
    scorer: SpatialScorer | str | Path | None, *, dtype: torch.dtype | None
) -> SpatialScorer | None:
    """Return the scorer that the caller means: itself, or the one that is found under a name.

    Raises:
        ValueError: If it is something else.
        OSError: If a file is missing; the message names it and says how to get it.
    """
    if isinstance(scorer, (str, Path)):
        return SpatialScorer.from_pretrained(scorer, dtype=dtype).eval()
    if scorer is not None and not isinstance(scorer, SpatialScorer):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"`scorer` must be a SpatialScorer, or the name of one (`starter`, a folder, a hub id); got "
            f"{type(scorer).__name__}. Wrap a model of your own in a subclass of SpatialScorer."
        )
    return scorer


def offload_component(pipeline: Any, component: torch.nn.Module) -> None:
    """Move `component` back to the CPU if the pipeline offloads whole models; it is done for now.

    diffusers moves a model out only when the next of its chain begins, and the chain begins anew with the
    next candidates: without this the scorer would stay on the card beside the denoiser.
    """
    for hook in getattr(pipeline, "_all_hooks", ()):
        if hook.model is component:
            hook.offload()
