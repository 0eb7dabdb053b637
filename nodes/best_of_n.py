"""Best-of-N Spatial Sampler: draw candidates, let the judge decide, hand out the winner with its seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import comfy.model_management as memory
import comfy.utils
import torch
from comfy_api.latest import io, ui
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced
from torch import Tensor

from .pictures import Latent, check_latent, join_tensors
from .reports import draw_ranking, numbers, ranking_of, report_text
from .sockets import CATEGORY, Relations, ScoredPictures, Scorer, Scores

if TYPE_CHECKING:
    from spatial_core.language.scene_graph import SceneGraph

    from .managed_scorer import ManagedScorer

MOST_SEEDS = 2**64


@dataclass(frozen=True)
class _SeedNoise:
    """Noise of several seeds in one batch; each row is what core's RandomNoise gives for its seed."""

    seeds: tuple[int, ...]

    @property
    def seed(self) -> int:
        """The seed of samplers that draw noise on their way."""
        return self.seeds[0]

    def generate_noise(self, latent: Latent) -> Tensor:
        one = latent | {"samples": latent["samples"][:1]}
        return torch.cat([Noise_RandomNoise(seed).generate_noise(one) for seed in self.seeds])


@dataclass(frozen=True)
class _Sampling:
    """Everything but the seed."""

    guider: Any
    sampler: Any
    latent: Latent
    vae: Any

    def draw(self, seeds: Sequence[int], sigmas: Tensor) -> tuple[Latent, Latent]:
        """Return the latents of `seeds` at the end of `sigmas`, and the clean latents predicted there."""
        latent = self.latent
        if len(seeds) > 1:
            latent = latent | {"samples": comfy.utils.repeat_to_batch_size(latent["samples"], len(seeds))}
        drawn = SamplerCustomAdvanced.execute(
            _SeedNoise(tuple(seeds)), self.guider, self.sampler, sigmas, latent
        )
        check_latent(drawn[0])
        return drawn[0], drawn[1]

    def decode(self, latent: Latent) -> list[Tensor]:
        """Return the pictures [1, H, W, C] of a latent."""
        images: Tensor = self.vae.decode(latent["samples"])
        # VAEs of video models give [B, T, H, W, C] with one frame.
        return list(images.reshape(-1, *images.shape[-3:]).split(1))


class SpatialBestOfN(io.ComfyNode):
    """Samples N candidates and returns the one that matches the prompt's relations best."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's face."""
        return io.Schema(
            node_id="SpatialBestOfN",
            display_name="Best-of-N Spatial Sampler",
            category=CATEGORY,
            description="Draws candidates with the seeds seed, seed + 1, ..., judges each, and returns "
            "the best with its seed: core nodes with that seed draw the same picture again, "
            "pixel for pixel.",
            search_aliases=[
                "best of n",
                "rejection sampling",
                "sample until good",
                "seed search",
                "ksampler",
            ],
            has_intermediate_output=True,
            inputs=[
                Scorer.Input("scorer", tooltip="The judge, from a Load SpatialScore node."),
                io.Guider.Input("guider", tooltip="From a CFG Guider or Basic Guider node."),
                io.Sampler.Input("sampler", tooltip="From KSamplerSelect."),
                io.Sigmas.Input("sigmas", tooltip="The schedule, from a scheduler node."),
                io.Latent.Input("latent", tooltip="One empty latent (or one to start from), batch size 1."),
                io.Vae.Input("vae", tooltip="Turns candidates into pictures for the judge."),
                io.String.Input(
                    "prompt",
                    default="",
                    tooltip="The prompt that the guider was given: what the judge looks for.",
                ),
                io.Int.Input(
                    "num_candidates",
                    default=8,
                    min=1,
                    max=1024,
                    tooltip="How many pictures to draw at most.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=MOST_SEEDS - 1,
                    control_after_generate=True,
                    tooltip="Of the first candidate; the next ones count up from it.",
                ),
                io.DynamicCombo.Input(
                    "stop_early",
                    options=[
                        io.DynamicCombo.Option("never", []),
                        io.DynamicCombo.Option(
                            "share of relations true",
                            [
                                io.Float.Input(
                                    "at_least",
                                    default=1.0,
                                    min=0.0,
                                    max=1.0,
                                    step=0.05,
                                    tooltip="Stop as soon as the best candidate has this share of "
                                    "relations true.",
                                )
                            ],
                        ),
                        io.DynamicCombo.Option(
                            "score",
                            [
                                io.Float.Input(
                                    "at_least",
                                    default=0.0,
                                    min=-1000.0,
                                    max=1000.0,
                                    step=0.1,
                                    tooltip="Stop as soon as the best candidate has this score.",
                                )
                            ],
                        ),
                        io.DynamicCombo.Option(
                            "confidence",
                            [
                                io.Float.Input(
                                    "at_least",
                                    default=0.9,
                                    min=0.5,
                                    max=1.0,
                                    step=0.05,
                                    tooltip="Stop when the leader is the best of those drawn so far (two "
                                    "or more) with this probability.",
                                )
                            ],
                        ),
                    ],
                    tooltip="When to stop before all candidates are drawn.",
                ),
                Relations.Input(
                    "relations",
                    optional=True,
                    tooltip="From Spatial Prompt Relations: judged in place of the prompt.",
                ),
                io.Float.Input(
                    "preselect_at",
                    default=0.0,
                    min=0.0,
                    max=0.9,
                    step=0.05,
                    optional=True,
                    advanced=True,
                    tooltip="0: off. 0.3: first draw all candidates for 30 % of the steps, judge what "
                    "they are going to be, and finish only the most promising ones. Layout is "
                    "decided early, so this saves time.",
                ),
                io.Float.Input(
                    "preselect_keep",
                    default=0.5,
                    min=0.05,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    advanced=True,
                    tooltip="The share of candidates that are finished after preselection.",
                ),
                io.Int.Input(
                    "batch_size",
                    default=1,
                    min=1,
                    max=64,
                    optional=True,
                    advanced=True,
                    tooltip="Candidates sampled together. More is faster on a big GPU, but a picture "
                    "drawn in a batch may differ in its last bits from the same seed drawn alone.",
                ),
                io.Int.Input(
                    "sheet_columns",
                    default=2,
                    min=1,
                    max=8,
                    optional=True,
                    advanced=True,
                    tooltip="Pictures in a row of the sheet on the node.",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The winner."),
                io.Latent.Output("latent", tooltip="The winner's latent, e.g. for a second pass."),
                io.Int.Output(
                    "seed", tooltip="The winner's seed: RandomNoise with it draws the winner again."
                ),
                io.Image.Output("candidates", tooltip="All finished candidates, best first."),
                io.Float.Output("scores", is_output_list=True, tooltip="Their scores, best first."),
                io.Float.Output("score_stds", is_output_list=True, tooltip="How sure each score is."),
                io.Int.Output("seeds", is_output_list=True, tooltip="Their seeds, best first."),
                io.String.Output("report", tooltip="Everything that was found, in words."),
                Scores.Output(
                    "spatial_scores",
                    tooltip="For Spatial Selector, Score Gate and Save Image with Spatial Score.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        scorer: ManagedScorer,
        guider: Any,
        sampler: Any,
        sigmas: Tensor,
        latent: Latent,
        vae: Any,
        prompt: str,
        num_candidates: int,
        seed: int,
        stop_early: dict[str, Any],
        relations: SceneGraph | None = None,
        preselect_at: float = 0.0,
        preselect_keep: float = 0.5,
        batch_size: int = 1,
        sheet_columns: int = 2,
    ) -> io.NodeOutput:
        """Draw, judge, stop when it is enough, and return the winner."""
        _check(prompt, relations, num_candidates, latent, sigmas)
        asked = relations or prompt
        sampling = _Sampling(guider, sampler, latent, vae)
        seeds = [(seed + i) % MOST_SEEDS for i in range(num_candidates)]
        told = ""
        if preselect_at > 0.0 and num_candidates > 1:
            kept = max(1, round(preselect_keep * num_candidates))
            seeds = _promising(sampling, scorer, asked, seeds, sigmas, preselect_at, batch_size)[:kept]
            told = f"; {num_candidates} begun, the {kept} most promising finished"

        images: list[Tensor] = []
        latents: list[Latent] = []
        drawn: list[int] = []
        parts: list[ScoredPictures] = []
        for start in range(0, len(seeds), batch_size):
            memory.throw_exception_if_processing_interrupted()
            part = seeds[start : start + batch_size]
            finished, _ = sampling.draw(part, sigmas)
            pictures = sampling.decode(finished)
            parts.append(scorer.score(pictures, [asked] * len(pictures)))
            images += pictures
            latents += [finished | {"samples": finished["samples"][i : i + 1]} for i in range(len(part))]
            drawn += part
            scored = ScoredPictures.joined(parts)
            ranking = ranking_of(scored)
            if _enough(stop_early, scored, ranking):
                break

        order = [int(i) for i in ranking.order]
        best = order[0]
        titles = [f"seed {number}" for number in drawn]
        subtitle = f"{len(drawn)} of {num_candidates} candidates drawn, judged by {scored.judge}{told}"
        sheet = draw_ranking(
            images, scored, ranking, order, titles=titles, columns=sheet_columns, subtitle=subtitle
        )
        return io.NodeOutput(
            images[best],
            latents[best],
            drawn[best],
            *join_tensors([images[i] for i in order]),
            numbers(scored.scores.mean[order]),
            numbers(scored.scores.std[order]),
            [drawn[i] for i in order],
            f"{report_text(scored, ranking, order, titles)}\n{subtitle}.",
            scored,
            ui=ui.PreviewImage(sheet, cls=cls),
        )


def _check(
    prompt: str, relations: SceneGraph | None, num_candidates: int, latent: Latent, sigmas: Tensor
) -> None:
    if relations is None and not prompt.strip():
        raise ValueError(
            "The prompt is empty, so there is nothing to judge by. Write here what you wrote for the text "
            "encoder, e.g. 'a red ball to the left of a blue cup'."
        )
    if num_candidates < 1:
        raise ValueError(f"num_candidates is {num_candidates}: draw at least one picture.")
    check_latent(latent)
    if len(latent["samples"]) != 1:
        raise ValueError(
            f"The latent holds a batch of {len(latent['samples'])}. This node draws the candidates itself: "
            "set the batch size of the empty latent to 1 and ask for more with num_candidates."
        )
    if len(sigmas) < 2:
        raise ValueError("The schedule has no steps. Set steps (and denoise) in the scheduler node above 0.")


def _promising(
    sampling: _Sampling,
    scorer: ManagedScorer,
    asked: str | SceneGraph,
    seeds: Sequence[int],
    sigmas: Tensor,
    share: float,
    batch_size: int,
) -> list[int]:
    """Return `seeds`, the most promising first, by what their pictures look like after a share of the steps.

    The chosen ones are begun anew when they are finished: the winner comes out of one unbroken sampling run,
    which core nodes repeat bit for bit, and judge and diffusion model take turns in memory once, not once a
    candidate.
    """
    steps = max(1, round(share * (len(sigmas) - 1)))
    pictures: list[Tensor] = []
    for start in range(0, len(seeds), batch_size):
        memory.throw_exception_if_processing_interrupted()
        _, predicted = sampling.draw(seeds[start : start + batch_size], sigmas[: steps + 1])
        pictures += sampling.decode(predicted)
    ranking = ranking_of(scorer.score(pictures, [asked] * len(pictures)))
    return [seeds[int(i)] for i in ranking.order]


def _enough(stop_early: dict[str, Any], scored: ScoredPictures, ranking: Any) -> bool:
    """Return whether the best so far is good enough to stop."""
    best = int(ranking.order[0])
    rule = stop_early["stop_early"]
    if rule == "never":
        return False
    if rule == "confidence":
        return len(ranking.order) > 1 and bool(ranking.p_best[best] >= stop_early["at_least"])
    values = scored.scores.mean if rule == "score" else scored.scores.satisfied
    return bool(values[best] >= stop_early["at_least"])
