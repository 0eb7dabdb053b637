"""`SpatialRerankStep`: choosing among images as a block of diffusers' modular pipelines."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.modular_pipelines.modular_pipeline import ModularPipelineBlocks, PipelineState
from diffusers.modular_pipelines.modular_pipeline_utils import ComponentSpec, InputParam, OutputParam

from spatial_core.scorers.base import SpatialScorer
from spatial_core.selection import rank


class SpatialRerankStep(ModularPipelineBlocks):
    """Scores the decoded images of each prompt and keeps the best; goes after the `decode` block.

    Example:
        ```python
        blocks = FluxAutoBlocks()
        blocks.sub_blocks.insert("rerank", SpatialRerankStep(), len(blocks.sub_blocks))
        pipeline = blocks.init_pipeline("black-forest-labs/FLUX.1-dev")
        pipeline.load_components()
        pipeline.update_components(scorer=SpatialScorer.from_pretrained("starter"))
        image = pipeline(prompt=prompt, num_images_per_prompt=8, output="images")[0]
        ```
    """

    @property
    def description(self) -> str:
        """What the block does."""
        return "Scores the images of each prompt for spatial correctness and keeps the best, best first."

    @property
    def expected_components(self) -> list[ComponentSpec]:
        """The scorer."""
        return [ComponentSpec("scorer", SpatialScorer)]

    @property
    def inputs(self) -> list[InputParam]:
        """What the block reads from the state."""
        return [
            InputParam("images", required=True, description="B * N images, those of a prompt together."),
            InputParam("prompt", description="The prompt, or B prompts."),
            InputParam("score_prompt", description="What to score against, if not the prompt."),
            InputParam("num_selected", default=1, type_hint=int, description="Images kept for each prompt."),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        """What the block writes to the state."""
        return [
            OutputParam("images", description="B * num_selected images, best first for each prompt."),
            OutputParam("scores", type_hint=list[float], description="Mean scores of these images."),
            OutputParam("score_stds", type_hint=list[float], description="Their standard deviations."),
            OutputParam("chosen", type_hint=list[int], description="Their places among all images."),
        ]

    @torch.no_grad()
    def __call__(self, components: Any, state: PipelineState) -> tuple[Any, PipelineState]:
        """Score and choose.

        Raises:
            ValueError: If there is no prompt, the images cannot be shared among the prompts, or fewer images
                than `num_selected` were drawn.
        """
        block: Any = self.get_block_state(state)
        given = block.score_prompt if block.score_prompt is not None else block.prompt
        if given is None:
            raise ValueError("SpatialRerankStep needs `prompt` or `score_prompt`; got neither.")
        prompts = [given] if isinstance(given, str) else list(given)
        each, rest = divmod(len(block.images), len(prompts))
        if rest or each < block.num_selected:
            raise ValueError(
                f"SpatialRerankStep needs at least `num_selected={block.num_selected}` images for each "
                f"prompt; got {len(block.images)} images for {len(prompts)} prompts. Raise "
                "`num_images_per_prompt`."
            )
        chosen: list[int] = []
        mean: list[float] = []
        std: list[float] = []
        for index, prompt in enumerate(prompts):
            scores = components.scorer(block.images[index * each : (index + 1) * each], prompt)
            means, stds = scores.mean.tolist(), scores.std.tolist()
            best = rank(means, stds).order[: block.num_selected].tolist()
            chosen += [index * each + place for place in best]
            mean += [means[place] for place in best]
            std += [stds[place] for place in best]
        images = block.images
        block.images = [images[i] for i in chosen] if isinstance(images, list) else images[chosen]
        block.scores, block.score_stds, block.chosen = mean, std, chosen
        self.set_block_state(state, block)
        return components, state
