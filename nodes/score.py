"""SpatialScore: a batch in, the same batch best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io, ui
from torch import Tensor

from .pictures import Latent, join_latents, join_tensors, split_images, split_latents, split_masks
from .reports import draw_ranking, numbers, ranking_of, report_text
from .sockets import CATEGORY, Relations, Scorer, Scores

if TYPE_CHECKING:
    from spatial_core.language.scene_graph import SceneGraph

    from .managed_scorer import ManagedScorer


class SpatialScore(io.ComfyNode):
    """Scores pictures against what the prompt says about space, and sorts them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's face."""
        return io.Schema(
            node_id="SpatialScore",
            display_name="SpatialScore",
            category=CATEGORY,
            description="Sorts pictures by how well they match what the prompt says about space, best "
            "first, and shows why: every relation of the prompt is ticked or crossed.",
            search_aliases=["rerank", "rank images", "best of n", "image score", "pick best", "reward"],
            is_input_list=True,
            has_intermediate_output=True,
            inputs=[
                Scorer.Input("scorer", tooltip="The judge, from a Load SpatialScore node."),
                io.Image.Input("images", tooltip="The pictures to judge: a batch, or a list of any sizes."),
                io.String.Input(
                    "prompt",
                    default="",
                    tooltip="What the pictures should show, as you wrote it for the generator. Connect a "
                    "list of prompts to judge each picture against its own.",
                ),
                Relations.Input(
                    "relations",
                    optional=True,
                    tooltip="From Spatial Prompt Relations: judged in place of the prompt, so that you "
                    "can correct what was read from it.",
                ),
                io.Latent.Input(
                    "latents",
                    optional=True,
                    tooltip="The latents of the same pictures: they come out in the same new order.",
                ),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="Masks of the same pictures (or one for all): they come out in the same new "
                    "order.",
                ),
                io.Int.Input(
                    "keep_top",
                    default=0,
                    min=0,
                    max=4096,
                    tooltip="How many of the best to pass on; 0 passes on all.",
                ),
                io.Float.Input(
                    "minimum_satisfied",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Pass on only pictures with at least this share of the prompt's relations "
                    "true, e.g. 1.0 for all of them. If none has, the best one is passed on and "
                    "the report says so.",
                ),
                io.Float.Input(
                    "minimum_score",
                    default=-1000.0,
                    min=-1000.0,
                    max=1000.0,
                    step=0.1,
                    advanced=True,
                    tooltip="Pass on only pictures with at least this score. Scores have no fixed scale: "
                    "look at some of your judge's first.",
                ),
                io.Int.Input(
                    "sheet_columns",
                    default=2,
                    min=1,
                    max=8,
                    advanced=True,
                    tooltip="Pictures in a row of the sheet on the node. Widen the node to read more of "
                    "them.",
                ),
            ],
            outputs=[
                io.Image.Output("images", is_output_list=True, tooltip="Best first."),
                io.Latent.Output(
                    "latents",
                    is_output_list=True,
                    tooltip="In the order of the pictures; each remembers its place in the batch it came "
                    "from, so that it can be sampled again bit for bit.",
                ),
                io.Mask.Output(
                    "masks",
                    is_output_list=True,
                    tooltip="In the order of the pictures.",
                ),
                io.Float.Output("scores", is_output_list=True, tooltip="Higher is better."),
                io.Float.Output(
                    "score_stds",
                    is_output_list=True,
                    tooltip="How sure each score is.",
                ),
                io.Int.Output(
                    "best_index",
                    tooltip="The place of the winner among the pictures that came in, from 0.",
                ),
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
        scorer: list[ManagedScorer],
        images: list[Tensor],
        prompt: list[str],
        keep_top: list[int],
        minimum_satisfied: list[float],
        minimum_score: list[float],
        sheet_columns: list[int],
        relations: list[SceneGraph] | None = None,
        latents: list[Latent] | None = None,
        masks: list[Tensor] | None = None,
    ) -> io.NodeOutput:
        """Score, sort, and keep what is asked for."""
        pictures = split_images(images)
        count = len(pictures)
        prompts = one_for_each(relations or _written(prompt), count)
        split = split_latents(latents or [])
        _same_number(len(split), count, "latents")
        cut = split_masks(masks or [])
        cut = cut * count if len(cut) == 1 else cut
        _same_number(len(cut), count, "masks")

        scored = scorer[0].score(pictures, prompts)
        ranking = ranking_of(scored)
        order = [int(i) for i in ranking.order]
        good = [
            i
            for i in order
            if not scored.scores.satisfied[i] < minimum_satisfied[0]
            and not scored.scores.mean[i] < minimum_score[0]
        ]
        kept = (good or order[:1])[: keep_top[0] or None]

        titles = [f"image {i + 1}" for i in range(count)]
        judged = f"{count} image{'s' if count > 1 else ''} judged by {scored.judge}"
        report = report_text(scored, ranking, order, titles)
        if not good:
            judged += ", none is good enough"
            report += "\nNo picture reaches the minimum that was asked for; the best one is passed on."
        sheet = draw_ranking(
            pictures, scored, ranking, order, titles=titles, columns=sheet_columns[0], subtitle=judged
        )
        return io.NodeOutput(
            join_tensors([pictures[i] for i in kept]),
            join_latents([split[i] for i in kept] if split else []),
            join_tensors([cut[i] for i in kept] if cut else []),
            numbers(scored.scores.mean[kept]),
            numbers(scored.scores.std[kept]),
            order[0],
            report,
            scored,
            ui=ui.PreviewImage(sheet, cls=cls),
        )


def _written(prompts: list[str]) -> list[str]:
    if not all(prompt.strip() for prompt in prompts):
        raise ValueError(
            "The prompt is empty. Write what the picture should show and where, e.g. 'a red ball to the "
            "left of a blue cup', or connect the text that you give to the generator."
        )
    return prompts


def one_for_each(prompts: list[Any], count: int) -> list[Any]:
    """Return `count` prompts: as many as there are, or one for all.

    Raises:
        ValueError: If their number is neither one nor `count`.
    """
    if len(prompts) not in (1, count):
        raise ValueError(
            f"There are {count} pictures but {len(prompts)} prompts. Give one prompt for all pictures, or "
            "exactly one for each."
        )
    return prompts * count if len(prompts) == 1 else prompts


def _same_number(found: int, count: int, what: str) -> None:
    if found not in (0, count):
        raise ValueError(
            f"There are {count} pictures but {found} {what}. Connect the {what} of exactly these pictures, "
            "in the same order, or none."
        )
