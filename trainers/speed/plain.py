"""The obvious way: the image processor of transformers on PIL pictures, one padded forward, no sharing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers.utils import is_torchvision_available

from spatial_core.reward_model import SpatialRewardModel


def image_processor(processing: Mapping[str, Any]) -> Any:
    """Return the PIL processor of transformers with a model's constants."""
    try:
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
            Qwen2VLImageProcessorPil as Kind,
        )
    except ImportError:  # transformers 4
        from transformers import Qwen2VLImageProcessor as Kind  # pyright: ignore
    return _with_constants(Kind, processing)


def torchvision_processor(processing: Mapping[str, Any]) -> Any:
    """Return the fast processor of transformers with a model's constants; None without torchvision."""
    if not is_torchvision_available():
        return None
    try:
        from transformers import Qwen2VLImageProcessorFast as Kind
    except ImportError:
        from transformers import Qwen2VLImageProcessor as Kind
    return _with_constants(Kind, processing)


def _with_constants(kind: Any, processing: Mapping[str, Any]) -> Any:
    size = {"shortest_edge": processing["min_pixels"], "longest_edge": processing["max_pixels"]}
    names = ("image_mean", "image_std", "patch_size", "merge_size", "temporal_patch_size")
    # Version 4 of transformers takes the size by its limits alone.
    limits = {name: processing[name] for name in ("min_pixels", "max_pixels")}
    return kind(size=size, **limits, **{name: processing[name] for name in names})


def hidden_states(backbone: Any, rows: Sequence[Sequence[int]], pixels: Tensor, grid: Tensor) -> Tensor:
    """Return `[B, L, D]` of rows of one length, positions worked out by transformers."""
    device = backbone.device
    input_ids = torch.tensor([list(row) for row in rows], device=device)
    extra: dict[str, Any] = {}
    if "mm_token_type_ids" in inspect.signature(backbone.forward).parameters:
        extra["mm_token_type_ids"] = (input_ids == backbone.config.image_token_id).int()
    return backbone(
        input_ids=input_ids,
        attention_mask=torch.ones_like(input_ids),
        pixel_values=pixels.to(device, backbone.dtype),
        image_grid_thw=grid.to(device),
        use_cache=False,
        **extra,
    ).last_hidden_state


class PlainReward:
    """Scores PIL pictures with the weights of a `SpatialRewardModel`."""

    def __init__(self, model: SpatialRewardModel) -> None:
        """Wrap it."""
        self.model = model
        self.processor = image_processor(model.processing)

    def means(
        self,
        pictures: Sequence[Image.Image],
        row: Callable[[tuple[int, int]], Sequence[int]],
        places: Sequence[int],
    ) -> Tensor:
        """Return mu as the head sees it at some places, `[B, len(places)]`.

        Args:
            pictures: B of one size.
            row: Gives the token ids from the grid of merged image tokens.
            places: Positions counted from the end, -1 for the last one.
        """
        made = self.processor(images=list(pictures), return_tensors="pt")
        merge = self.model.processing["merge_size"]
        _, height, width = made["image_grid_thw"][0].tolist()
        rows = [row((height // merge, width // merge))] * len(pictures)
        hidden = hidden_states(self.model.backbone, rows, made["pixel_values"], made["image_grid_thw"])
        return self.model.head(hidden[:, list(places)].float())[..., 0]
