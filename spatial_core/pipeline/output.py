"""What the pipeline returns, and what it raises when the scorer fails midway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.image_processor import VaeImageProcessor
from diffusers.utils.outputs import BaseOutput
from PIL import Image
from torch import Tensor

from spatial_core.scorers.base import RelationReport


@dataclass
class SpatialPipelineOutput(BaseOutput):
    """The chosen images, best first for each prompt, and what is known about every candidate.

    B prompts, K = `num_images_per_prompt` images each. Lists that begin with `all_` hold every candidate that
    was drawn, prompt after prompt, in the order of the seeds; with early stopping prompts may have drawn
    different numbers, which `num_drawn` tells.

    Attributes:
        images: B * K images in the form that `output_type` asks for.
        scores: Mean score of each image; comparable only under one scorer.
        score_stds: Its standard deviation.
        satisfied: Share in [0, 1] of the prompt's relations judged true.
        seeds: `torch.Generator().manual_seed(seed)` draws the image again in the plain base.
        all_scores, all_score_stds, all_satisfied, all_seeds: The same of every candidate. One that was
            pruned has the score of its last preview.
        all_finished: Whether the candidate was denoised to the end, exactly.
        num_drawn: Candidates of each prompt.
        notes: What the scorer has to say of each prompt, "" for nothing: that it states no relation, or names
            things that the scorer has never learned.
        denoiser_evaluations: What the search cost: denoising steps of single images (guidance is not counted
            twice; a step of a draft counts for the share of blocks that it computed).
        relations: A report on each relation for each image; None unless `explain=True`.
        all_relations: The same of every candidate, of the last preview where it was pruned.
        all_images: Every candidate's last picture, a preview where it was pruned, as PIL images; None unless
            `return_all_images=True`.
        nsfw_content_detected: What the base's safety checker said of each image, if it has one.
    """

    images: Any
    scores: list[float]
    score_stds: list[float]
    satisfied: list[float]
    seeds: list[int]
    all_scores: list[float]
    all_score_stds: list[float]
    all_satisfied: list[float]
    all_seeds: list[int]
    all_finished: list[bool]
    num_drawn: list[int]
    notes: list[str]
    denoiser_evaluations: float
    relations: list[list[RelationReport]] | None = None
    all_relations: list[list[RelationReport]] | None = None
    all_images: list[Image.Image] | None = None
    nsfw_content_detected: list[bool] | None = None


class ScoringError(RuntimeError):
    """The scorer failed midway; the images that were already made come with it.

    Attributes:
        images: PIL images of every candidate drawn so far, in the order of `seeds`.
        seeds: Their seeds.
        scores: Their scores; NaN for those that were not scored.
    """

    def __init__(
        self, message: str, *, images: list[Image.Image], seeds: list[int], scores: list[float]
    ) -> None:
        """Keep what was made."""
        super().__init__(message)
        self.images, self.seeds, self.scores = images, seeds, scores


@dataclass(eq=False)
class Candidate:
    """One image on its way.

    Attributes:
        prompt_index: Which prompt it is for.
        seed: Of its noise.
        image: [3, H, W] in [0, 1], its last picture; empty before the first.
        latents: After its last step.
        finished: Whether `image` is the exact end of its run.
        scored: Whether the numbers are about `image`.
    """

    prompt_index: int
    seed: int
    image: Tensor = field(default_factory=lambda: torch.empty(0))
    latents: Tensor | None = None
    resume_scale: float = 1.0
    finished: bool = False
    scored: bool = False
    nsfw: bool | None = None
    mean: float = float("nan")
    std: float = float("nan")
    satisfied: float = float("nan")
    relations: list[RelationReport] = field(default_factory=list[RelationReport])

    def repaint(self, image: Tensor) -> None:
        """Take a new picture; the score of the old one is forgotten."""
        self.image, self.scored, self.relations = image, False, []
        self.mean = self.std = self.satisfied = float("nan")


def to_output_type(candidates: Sequence[Candidate], output_type: str) -> Any:
    """Return the candidates' images (or latents) in the form that diffusers gives for `output_type`."""
    if output_type == "latent":
        return torch.stack([candidate.latents for candidate in candidates if candidate.latents is not None])
    images = torch.stack([candidate.image for candidate in candidates])
    if output_type == "pt":
        return images
    array = VaeImageProcessor.pt_to_numpy(images)
    return array if output_type == "np" else VaeImageProcessor.numpy_to_pil(array)


def to_pil_images(candidates: Sequence[Candidate]) -> list[Image.Image]:
    """Return the candidates' last pictures."""
    return [to_output_type([candidate], "pil")[0] for candidate in candidates]
