"""A vision-language CLIP of ComfyUI as the backbone of our scorers: the same rows, ComfyUI's own weights."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import comfy.model_management as memory
import torch
from torch import Tensor

if TYPE_CHECKING:
    from spatial_core.packing import PackedRows

IMAGE, VISION_START, VISION_END = 151655, 151652, 151653
"""Ids of <|image_pad|>, <|vision_start|> and <|vision_end|> in the vocabulary that both families share."""

FAMILIES = {"Qwen25_7BVLI": "qwen2_5_vl", "Qwen3VL": "qwen3_vl"}
"""By the names of ComfyUI's classes: its older versions lack the second, and the pack loads there too."""


class ClipBackbone:
    """A Qwen2.5-VL or Qwen3-VL that ComfyUI has loaded, with what `spatial_core` asks of a backbone.

    Attributes:
        family: "qwen2_5_vl" or "qwen3_vl".
        tokenizer: Of transformers, as ComfyUI holds it.
        config: Width and the ids of image tokens.
    """

    def __init__(self, clip: Any) -> None:
        """Find the vision-language model in a CLIP.

        Raises:
            ValueError: If it holds none.
        """
        whole = clip.cond_stage_model
        part = getattr(whole, str(getattr(whole, "clip", "")), None)
        transformer = getattr(part, "transformer", None)
        kinds = [kind.__name__ for kind in type(transformer).__mro__]
        family = next((FAMILIES[kind] for kind in kinds if kind in FAMILIES), None)
        # Files cut down for a generator end before the last layer and have no last norm.
        if family is None or transformer.model.norm is None:
            raise ValueError(
                f"This CLIP cannot judge pictures: it is a {type(transformer or whole).__name__}. Connect "
                "a Load CLIP with a Qwen3-VL file (4B or 8B), or with the Qwen2.5-VL file of Qwen-Image "
                "(qwen_2.5_vl_7b)."
            )
        self.family: str = family
        self.clip, self._transformer = clip, transformer
        self.tokenizer = getattr(clip.tokenizer, clip.tokenizer.clip).tokenizer
        self.config = SimpleNamespace(
            text_config=SimpleNamespace(hidden_size=transformer.model.config.hidden_size),
            image_token_id=IMAGE,
            vision_start_token_id=VISION_START,
            vision_end_token_id=VISION_END,
        )

    @property
    def processing(self) -> dict[str, Any]:
        """The constants of the image processor."""
        from spatial_core.backbones import image_statistics

        sizes = {
            "patch_size": self._transformer.visual.patch_size,
            "merge_size": self._transformer.visual.spatial_merge_size,
            "temporal_patch_size": 2,
        }
        # The widest limits: the scorers' own are narrower.
        return {**image_statistics(self.family), **sizes, "min_pixels": 56 * 56, "max_pixels": 1280 * 28 * 28}

    def forward_packed(
        self,
        packed: PackedRows,
        pixel_values: Tensor,
        grid_thw: Tensor,
        *,
        image_of_row: Sequence[int] | None = None,
    ) -> Tensor:
        """Return the last hidden states `[B, L, D]` of packed rows, float32 on the CPU.

        Rows go one by one, because ComfyUI's language models take one set of positions.
        """
        device = self.clip.patcher.load_device
        images = pixel_values.split(grid_thw.prod(dim=1).tolist())
        # Older versions have no such context, and know one GPU only.
        with getattr(memory, "cuda_device_context", nullcontext)(device):
            rows = [
                self._row(packed, row, images[image].to(device), grid_thw[image : image + 1].to(device))
                for row, image in enumerate(image_of_row or range(len(images)))
            ]
        return torch.cat(rows)

    def _row(self, packed: PackedRows, row: int, pixels: Tensor, grid: Tensor) -> Tensor:
        ids = packed.input_ids[row : row + 1].to(pixels.device)
        places = ids == IMAGE
        features = self._transformer.visual(pixels.float(), grid)
        merged, deepstack = features if isinstance(features, tuple) else (features, None)
        embeds = self._transformer.get_input_embeddings()(ids, out_dtype=torch.float32)
        embeds = embeds.masked_scatter(places[..., None], merged.to(embeds))
        extra = {} if deepstack is None else {"visual_pos_masks": places, "deepstack_embeds": list(deepstack)}
        states = self._transformer.model(
            None,
            attention_mask=packed.mask[row].to(pixels.device, torch.float32),
            embeds=embeds,
            position_ids=packed.position_ids[:, row].to(pixels.device),
            dtype=torch.float32,
            **extra,
        )
        return states[0].to("cpu", torch.float32)

    def words(self, tokens: Sequence[int]) -> Tensor:
        """Return the rows `[tokens, D]` of the vocabulary matrix, float32 on the CPU."""
        model = self._transformer.model
        matrix = model.lm_head.weight if hasattr(model, "lm_head") else model.embed_tokens.weight
        return matrix[list(tokens)].to("cpu", torch.float32)


class ClipLanguageModel:
    """The backbone with its vocabulary, as `VQAScorer` asks for it."""

    def __init__(self, backbone: ClipBackbone) -> None:
        """Wrap a backbone."""
        self.model = backbone
        self.config = backbone.config
        self.lm_head = SimpleNamespace(weight=_Words(backbone))

    def eval(self) -> ClipLanguageModel:
        """ComfyUI's models are never in training."""
        return self


class _Words:
    """A vocabulary matrix of which rows can be taken."""

    def __init__(self, backbone: ClipBackbone) -> None:
        self._backbone = backbone

    def __getitem__(self, tokens: Sequence[int]) -> Tensor:
        return self._backbone.words(tokens)
