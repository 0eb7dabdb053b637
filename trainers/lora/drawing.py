"""Pictures drawn by a pipeline whose text encoders are gone, and the sheet of before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatial_core.pipeline.predict import FAMILIES
from spatial_core.pipeline.request import default, takes
from spatial_trainers.latents import decode_latents
from spatial_trainers.lora.recipe import SamplesRecipe
from spatial_trainers.pairs.data import chunks
from spatial_trainers.rl.policy import Policy
from spatial_trainers.rl.prompt_cache import PromptCache
from spatial_trainers.sample_grid import save_grid


def family_guidance(pipeline: Any) -> str:
    """Return the argument of the base's call that weighs the prompt against a negative one."""
    kinds = [kind.__name__ for kind in type(pipeline).__mro__]
    return next(FAMILIES[name].guidance for name in kinds if name in FAMILIES)


def sampling_arguments(pipeline: Any, recipe: SamplesRecipe) -> dict[str, Any]:
    """Return the arguments of the base's call that a recipe sets and the base has."""
    call = type(pipeline).__call__
    scales = {"guidance_scale": recipe.guidance_scale, "true_cfg_scale": recipe.true_cfg_scale}
    given = {name: value for name, value in scales.items() if value is not None and takes(call, name)}
    return given | {"num_inference_steps": recipe.num_inference_steps}


def negative_prompt(pipeline: Any, recipe: SamplesRecipe) -> str | None:
    """Return what guidance leads away from; None where there is none.

    SD3 guides away from the empty prompt where no other is given, and would encode it itself.
    """
    guides = family_guidance(pipeline) == "guidance_scale" and (
        default(type(pipeline).__call__, "guidance_scale", sampling_arguments(pipeline, recipe)) > 1.0
    )
    return recipe.negative_prompt if recipe.negative_prompt is not None else "" if guides else None


class Painter:
    """Draws squares of one size.

    Attributes:
        side: Of the pictures, in pixels.
    """

    def __init__(self, pipeline: Any, prompts: PromptCache, recipe: SamplesRecipe, *, side: int) -> None:
        """Note how.

        Args:
            pipeline: Of a family that `predict` knows.
            prompts: Holds the prompts and the negative prompt.
            recipe: Of the sampler.
            side: Of the pictures, in pixels.
        """
        self._pipeline, self._prompts, self._recipe, self.side = pipeline, prompts, recipe, side
        self._against = negative_prompt(pipeline, recipe)
        self._before: Tensor | None = None

    @torch.no_grad()
    def draw(self, prompt: str, seeds: Sequence[int]) -> Tensor:
        """Return a picture of a prompt for each seed, float32 `[B, 3, H, W]` in [0, 1] on the CPU."""
        return self.draw_latents(prompt, seeds)[0]

    @torch.no_grad()
    def draw_latents(self, prompt: str, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the pictures of `draw` and their latents, float32 `[B, ...]` in the base's layout."""
        latents = [
            self._pipeline(
                **self._prompts.arguments([prompt] * len(part), negative_prompt=self._against),
                **sampling_arguments(self._pipeline, self._recipe),
                height=self.side,
                width=self.side,
                generator=[torch.Generator().manual_seed(seed) for seed in part],
                output_type="latent",
            ).images
            for part in chunks(list(seeds), self._recipe.batch_size)
        ]
        images = [decode_latents(self._pipeline, x, height=self.side, width=self.side) for x in latents]
        return torch.cat(images).cpu(), torch.cat(latents).float().cpu()

    def sheet(self, path: Path, prompts: Sequence[str], policy: Policy, *, title: str, after: str) -> None:
        """Write the same prompts and seeds drawn by the base and by the policy, averaged if it is.

        Args:
            path: Of the PNG.
            prompts: A row for each.
            policy: With the pipeline's denoiser.
            title: First line.
            after: Heading of the policy's pictures.
        """
        seeds = range(self._recipe.seed, self._recipe.seed + self._recipe.per_prompt)
        if self._before is None:
            with policy.reference():
                self._before = torch.stack([self.draw(prompt, seeds) for prompt in prompts])
        with policy.averaged():
            now = torch.stack([self.draw(prompt, seeds) for prompt in prompts])
        path.parent.mkdir(parents=True, exist_ok=True)
        save_grid(path, prompts, [("before", self._before), (after, now)], title=title)
