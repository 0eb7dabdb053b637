"""What it costs to learn about each of a prompt's relations, beside a single score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from spatial_core.backbones import BackboneParts
from spatial_core.language.parser import parse_prompt
from spatial_core.language.questions import relation_questions
from spatial_core.reward_model import SpatialRewardModel
from spatial_core.scorers.vqa import ChatFormat, VQAConfig, VQAScorer
from spatial_core.vision_language import encode_text
from spatial_trainers.speed.models import MAX_PIXELS
from spatial_trainers.speed.pictures import picture
from spatial_trainers.speed.plain import PlainReward, hidden_states, image_processor
from spatial_trainers.speed.reward_batch import check_equal
from spatial_trainers.speed.rows import Bar, Row
from spatial_trainers.speed.templates import STATEMENTS
from spatial_trainers.speed.timing import Cost, take_turns


def _bars(costs: dict[str, Cost]) -> tuple[Bar, ...]:
    """Hold the FLOPs: times of so short a forward depend on what else the machine does."""
    share = costs["explanation"].flops / costs["one score"].flops
    return (Bar("explanation / one score, FLOPs", share, 1.5, at_most=True),)


def _difference(results: Mapping[str, Tensor], dtype: torch.dtype) -> float:
    """Return by how much both ways differ, if it is no more than rounding."""
    difference = float((results["explanation"] - results["plain"]).abs().max())
    check_equal(difference, dtype)
    return difference


def _title(scorer: str, relations: int, side: int) -> str:
    return f"{scorer}: {relations} relations of a picture of {side} px"


def measure_reward_explanation(
    model: SpatialRewardModel, *, side: int, turns: int, relations: int = len(STATEMENTS), plain: bool = True
) -> Row:
    """Return the costs of "explanation" (all clauses in one row), "one score" and "plain" (one by one).

    Args:
        model: On any backbone.
        side: Of the picture, in pixels.
        turns: Timed turns of each way.
        relations: Of the prompt, at most 7.
        plain: Whether to run the plain way, which takes long, and to compare its results.

    Raises:
        RuntimeError: If packed clauses and plain forwards differ by more than rounding.
    """
    levels = picture(side, 0)
    pil, image = Image.fromarray(levels.numpy()), (levels.permute(2, 0, 1).float() / 255).to(model.device)
    graph = parse_prompt(" ".join(STATEMENTS[:relations]))
    bare = replace(graph, relations=())
    reference = PlainReward(model)

    def one_by_one() -> Tensor:
        def row(grid: tuple[int, int], clause: int) -> list[int]:
            packed = model.row(graph, grid)
            return [*packed.prefix, *packed.branches[clause]]

        return torch.cat(
            [reference.means([pil], lambda grid, k=k: row(grid, k), [-1]) for k in range(relations)], dim=1
        )

    ways: dict[str, Callable[[], Tensor]] = {
        "explanation": lambda: model(model.prepare([image], [graph])).clause_mean,
        "one score": lambda: model(model.prepare([image], [bare])).mean,
    }
    if plain:
        ways["plain"] = one_by_one
    results, costs = take_turns(ways, turns=turns, device=model.device)
    facts: dict[str, float] = {"relations": relations}
    if plain:
        facts["largest difference of a clause"] = _difference(results, model.backbone.dtype)
        facts["plain / one score, FLOPs"] = costs["plain"].flops / costs["one score"].flops
    name = f"explanation-reward-{relations}x{side}"
    return Row(name, _title("reward", relations, side), costs, _bars(costs), facts)


def measure_vqa_explanation(
    parts: BackboneParts, *, side: int, turns: int, relations: int = len(STATEMENTS), plain: bool = True
) -> Row:
    """Return the costs of "explanation" (all questions share the picture), "one score" and "plain".

    "one score" asks about the first relation alone; each relation is asked about in several questions.

    Args:
        parts: A model with its vocabulary.
        side: Of the picture, in pixels.
        turns: Timed turns of each way.
        relations: Of the prompt, at most 7.
        plain: Whether to run the plain way, which takes long, and to compare its results.

    Raises:
        RuntimeError: If shared and separate questions differ by more than rounding.
    """
    levels = picture(side, 0)
    device = parts.model.device
    pil, image = Image.fromarray(levels.numpy()), (levels.permute(2, 0, 1).float() / 255).to(device)
    scorer = VQAScorer(parts, config=VQAConfig(max_pixels=MAX_PIXELS), cache_bytes=0)
    graph = parse_prompt(" ".join(STATEMENTS[:relations]))
    asked = [[q.text for q in relation_questions(graph, r, viewer=True)] for r in graph.relations]
    every = [question for group in asked for question in group]
    answer = _PlainAnswers(parts, scorer.config.instruction)
    ways: dict[str, Callable[[], Tensor]] = {
        "explanation": lambda: torch.tensor(scorer.answers([image], [every])[0]),
        "one score": lambda: torch.tensor(scorer.answers([image], [asked[0]])[0]),
    }
    if plain:
        ways["plain"] = lambda: torch.stack([answer(pil, question) for question in every]).cpu()
    results, costs = take_turns(ways, turns=turns, device=device)
    facts: dict[str, float] = {"questions": len(every)}
    if plain:
        facts["largest difference of log-odds"] = _difference(results, parts.model.dtype)
        facts["plain / one score, FLOPs"] = costs["plain"].flops / costs["one score"].flops
    name = f"explanation-vqa-{relations}x{side}"
    return Row(name, _title("vqa", relations, side), costs, _bars(costs), facts)


class _PlainAnswers:
    """Log-odds of Yes against No, one question and one whole forward at a time."""

    def __init__(self, parts: BackboneParts, instruction: str) -> None:
        self._model, self._tokenizer, self._instruction = parts.model, parts.tokenizer, instruction
        self._processor = image_processor(parts.processing)
        self._chat = ChatFormat.of(parts.tokenizer, parts.model.config.image_token_id)

    def __call__(self, pil: Image.Image, question: str) -> Tensor:
        made: Any = self._processor(images=[pil], return_tensors="pt")
        merge = self._model.config.vision_config.spatial_merge_size
        tokens = int(made["image_grid_thw"][0].prod()) // merge**2
        words = encode_text(self._tokenizer, f"{self._instruction} {question}", special=False)
        image = [self._model.config.image_token_id] * tokens
        row = [*self._chat.before_image, *image, *self._chat.before_question, *words]
        hidden = hidden_states(
            self._model.model,
            [[*row, *self._chat.after_question]],
            made["pixel_values"],
            made["image_grid_thw"],
        )
        logits = self._model.lm_head(hidden[0, -1]).float()
        return logits[self._ids("Yes", "yes", "YES")].logsumexp(0) - logits[
            self._ids("No", "no", "NO")
        ].logsumexp(0)

    def _ids(self, *spellings: str) -> Sequence[int]:
        return [
            ids[0] for text in spellings if len(ids := encode_text(self._tokenizer, text, special=False)) == 1
        ]
