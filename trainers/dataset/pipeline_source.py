"""Pictures of prompts by any text-to-image pipeline of diffusers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from spatial_trainers.dataset.build_recipe import BuildRecipe
from spatial_trainers.dataset.drafts import Draft, Failure
from spatial_trainers.pairs.records import Record


class PipelinePictures:
    """Draws both prompts of pairs; the noise follows from the recipe's seed, the pair and the side."""

    def __init__(self, recipe: BuildRecipe, pipeline: Any):
        """Draw with `pipeline`, a diffusers pipeline whose call takes prompt, generator, height and width."""
        self._recipe = recipe
        self._pipeline = pipeline

    @classmethod
    def load(cls, recipe: BuildRecipe) -> PipelinePictures:
        """Load the recipe's pipeline onto the best device of this process.

        Raises:
            ValueError: If it cannot be loaded.
        """
        from accelerate import PartialState
        from diffusers import DiffusionPipeline

        images = recipe.images
        name: Any = images.generator
        if name == "starter":
            from spatial_core.starter import starter_path

            name = starter_path("flow")
        try:
            pipeline = DiffusionPipeline.from_pretrained(
                name, torch_dtype=getattr(torch, images.dtype), revision=images.revision or None
            )
        except (OSError, ValueError) as error:
            raise ValueError(f"The pipeline '{images.generator}' cannot be loaded: {error}") from error
        device = PartialState().device
        if images.offload:
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.to(device)
        pipeline.set_progress_bar_config(disable=True)
        return cls(recipe, pipeline)

    def draw(self, records: Sequence[Record | Failure]) -> list[Draft | Failure]:
        """Return the pairs drawn; a prompt that the pipeline fails on becomes a failure.

        Raises:
            ValueError: If the pipeline fails on every prompt.
        """
        results: list[Draft | Failure] = []
        size = self._recipe.images.batch
        for start in range(0, len(records), size):
            some = records[start : start + size]
            drawn = iter(self._try([r for r in some if not isinstance(r, Failure)]))
            results += [r if isinstance(r, Failure) else next(drawn) for r in some]
        failed = [r for r in results if isinstance(r, Failure) and r.stage == "image"]
        if failed and not any(isinstance(r, Draft) for r in results):
            raise ValueError(
                f"'{self._recipe.images.generator}' failed on all {len(failed)} prompts of a shard, so it is "
                f"hardly the prompts' fault. The first reason: {failed[0].reason}"
            )
        return results

    def _try(self, records: Sequence[Record]) -> list[Draft | Failure]:
        if not records:
            return []
        try:
            return self._call(records)
        except Exception as error:  # noqa: BLE001  (whatever a pipeline raises, the others are to be drawn)
            if len(records) > 1:
                # One prompt spoils its batch: find out which.
                return [result for record in records for result in self._try([record])]
            record = records[0]
            return [Failure(record["id"], "image", f"{type(error).__name__}: {error}", record["prompt"])]

    def _call(self, records: Sequence[Record]) -> list[Draft | Failure]:
        images = self._recipe.images
        height, width = images.height_width
        seeds = [
            self._seed(record["id"], side) for record in records for side in ("prompt", "prompt_rejected")
        ]
        pictures: list[Image.Image] = self._pipeline(
            prompt=[record[key] for record in records for key in ("prompt", "prompt_rejected")],
            # On the CPU, so that every device starts from the same noise.
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            height=height,
            width=width,
            **images.call,
        ).images
        made_by = {"generator": f"{images.generator} {images.revision}".strip()}
        return [
            Draft(
                record | made_by | {"seed": seeds[2 * row], "seed_rejected": seeds[2 * row + 1]},
                pictures[2 * row].convert("RGB"),
                pictures[2 * row + 1].convert("RGB"),
            )
            for row, record in enumerate(records)
        ]

    def _seed(self, pair: str, side: str) -> int:
        digest = hashlib.sha256(f"{self._recipe.seed}|{pair}|{side}".encode()).digest()
        return int.from_bytes(digest[:6], "big")
