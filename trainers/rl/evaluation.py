"""What a policy draws from fixed prompts and seeds, and what reward and an independent judge say of it.

The judge is never the reward: a policy that learns to please its reward shows here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from PIL import Image
from torch import Tensor

from spatial_core.atomic_files import atomic_path, write_text
from spatial_core.images import to_pil, to_tensors
from spatial_core.language.parser import parse_prompt
from spatial_core.localizer import WEIGHTS_FILE as LOCALIZER_FILE
from spatial_core.localizer import SpatialLocalizer
from spatial_core.scorers.base import SpatialScorer
from spatial_core.scorers.geometric import GeometricScorer
from spatial_core.spatial_accuracy import inverse_graph, spatial_accuracy
from spatial_trainers.rewards.sums import RewardSum
from spatial_trainers.rl.prompts import PromptsRecipe, read_prompts, write_prompts
from spatial_trainers.rl.recipe import EvaluationRecipe
from spatial_trainers.sample_grid import save_grid

EVALUATION_FOLDER = "evaluation"


@dataclass(frozen=True)
class Evaluation:
    """One evaluation.

    Attributes:
        step: Steps of training before it.
        rewards: Of each prompt, the weighted sum.
        parts: Of each prompt, by name of the reward's part.
        accuracy: Spatial accuracy by the judge with interval, chance, share of true relations and number of
            prompts; None without a judge.
    """

    step: int
    rewards: list[float]
    parts: dict[str, list[float]]
    accuracy: dict[str, Any] | None

    @property
    def reward(self) -> float:
        """Mean reward."""
        return sum(self.rewards) / len(self.rewards)

    def summary(self) -> dict[str, Any]:
        """Return what a card says: the mean reward and what the judge found, with 95 % intervals."""
        half = half_interval(self.rewards)
        interval = [self.reward - half, self.reward + half] if len(self.rewards) > 1 else None
        reward = {"mean": self.reward, "interval": interval, "n": len(self.rewards)}
        return {"reward": reward, "spatial_accuracy": self.accuracy}

    def numbers(self) -> dict[str, float]:
        """Return what is worth a log."""
        found = {"evaluation/reward": self.reward}
        if len(self.parts) > 1:
            found |= {f"evaluation/reward/{name}": sum(v) / len(v) for name, v in self.parts.items()}
        if self.accuracy is not None:
            found["evaluation/spatial_accuracy"] = self.accuracy["accuracy"]
            found["evaluation/relations"] = self.accuracy["relations"]
        return found


def evaluation_prompts(recipe: EvaluationRecipe, training: PromptsRecipe, texts: Sequence[str]) -> list[str]:
    """Return the prompts of every evaluation; held-out combinations where training's are written from scenes.

    Args:
        recipe: How many, and from where.
        training: Where the training prompts come from.
        texts: The training prompts.

    Raises:
        ValueError: If the file is unusable.
    """
    if recipe.file:
        return read_prompts(recipe.file)[: recipe.prompts]
    if training.scenes:
        made = write_prompts(recipe.prompts, relations=training.relations, world=training.world, split="test")
        return [prompt.text for prompt in made]
    return list(texts[: recipe.prompts])


def load_judge(name: str, *, device: torch.device) -> SpatialScorer | None:
    """Return the judge that a recipe names: a localizer with geometry, a scorer, or None.

    Raises:
        OSError: If its files are missing.
    """
    if not name:
        return None
    if name == "starter" or (Path(name) / LOCALIZER_FILE).is_file():
        localizer = SpatialLocalizer.from_pretrained(name, device=device)
        return GeometricScorer(localizer, localizer)
    return SpatialScorer.from_pretrained(name, device=device).eval()


class Evaluator:
    """Draws and judges, and keeps the first evaluation's pictures for the grid."""

    def __init__(
        self,
        recipe: EvaluationRecipe,
        prompts: Sequence[str],
        reward: RewardSum,
        judge: SpatialScorer | None,
        *,
        folder: Path,
        accelerator: Accelerator,
    ) -> None:
        """Evaluate on `prompts` and write into `folder`."""
        self.recipe, self.prompts, self.reward, self.judge = recipe, list(prompts), reward, judge
        self.folder, self.accelerator = folder, accelerator

    def path(self, step: int) -> Path:
        """Return the file of the evaluation after so many steps."""
        return self.folder / f"step-{step:06d}.json"

    def read(self, step: int) -> Evaluation:
        """Return what was found after so many steps."""
        return Evaluation(**json.loads(self.path(step).read_text("utf-8")))

    @torch.no_grad()
    def run(
        self,
        step: int,
        pipeline: Any,
        arguments: Callable[[Sequence[str]], Mapping[str, Any]],
        call: Mapping[str, Any],
        *,
        batch_size: int,
    ) -> Evaluation:
        """Draw, judge, and write numbers, grid and table; the processes share the drawing.

        Args:
            step: Steps of training before it; 0 is "before" in grid and table.
            pipeline: With the weights to evaluate.
            arguments: Of the base's call for some prompts.
            call: The other arguments of the base's call.
            batch_size: Pictures at a time.
        """
        base_call = getattr(pipeline, "base_class", type(pipeline)).__call__
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        drawn: list[tuple[int, Tensor, dict[str, float]]] = []
        starts = range(0, len(self.prompts), batch_size)
        # All processes draw equally often, or a base in shares could not be gathered: some repeat a batch.
        for turn in range(rank, world * math.ceil(len(starts) / world), world):
            first = starts[turn % len(starts)]
            some = self.prompts[first : first + batch_size]
            seeds = (self.recipe.seed + first + k for k in range(len(some)))
            images = base_call(
                pipeline,
                **arguments(some),
                **call,
                num_inference_steps=self.recipe.num_inference_steps,
                generator=[torch.Generator().manual_seed(seed) for seed in seeds],
                output_type="pt",
            ).images.float()
            if turn >= len(starts):
                continue
            values = self.reward.values(images, some)
            scores = [{name: float(v[k]) for name, v in values.parts.items()} for k in range(len(some))]
            # In 8 bits, as a file would hold them: what is judged again later is then the same.
            pixels = (images.clamp(0, 1) * 255).round().to("cpu", torch.uint8)
            drawn += [(first + k, pixels[k], scores[k]) for k in range(len(some))]
        everything = sorted(gather_object(drawn), key=lambda row: row[0])
        pictures = torch.stack([row[1] for row in everything]).float() / 255
        parts = {name: [row[2][name] for row in everything] for name in self.reward.weights}
        totals = [
            sum(w * parts[name][k] for name, w in self.reward.weights.items()) for k in range(len(everything))
        ]
        found = Evaluation(step, totals, parts, None)
        if self.accelerator.is_main_process:
            found = Evaluation(step, totals, parts, self._judged(pictures))
            self._write(found, pictures)
        self.accelerator.wait_for_everyone()
        return found

    def _judged(self, pictures: Tensor) -> dict[str, Any] | None:
        """Return the spatial accuracy on the prompts that state something with an opposite."""
        if self.judge is None:
            return None
        graphs = [parse_prompt(prompt) for prompt in self.prompts]
        kept = [k for k, graph in enumerate(graphs) if inverse_graph(graph).relations]
        if not kept:
            return None
        found = spatial_accuracy(pictures[kept], [graphs[k] for k in kept], self.judge)
        return {
            "accuracy": found.accuracy,
            "interval": list(found.interval),
            "chance": found.chance,
            "relations": found.relations,
            "n": len(kept),
        }

    def _write(self, found: Evaluation, pictures: Tensor) -> None:
        self._before(0).parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path(found.step), json.dumps(asdict(found)) + "\n")
        count = min(self.recipe.grid, len(self.prompts))
        if found.step == 0:
            for k in range(count):
                with atomic_path(self._before(k)) as temporary:
                    to_pil(pictures[k]).save(temporary)
        before = torch.cat([_pixels(self._before(k)) for k in range(count)])
        first = self.read(0)
        notes = [f"reward {first.rewards[k]:.3g} -> {found.rewards[k]:.3g}" for k in range(count)]
        columns = [("before", before[:, None]), (f"after {found.step} steps", pictures[:count, None])]
        save_grid(self.folder / "grid.png", self.prompts[:count], columns, notes=notes)
        write_text(self.folder / "table.md", table(first, found))

    def _before(self, index: int) -> Path:
        return self.folder / "before" / f"{index:03d}.png"


def _pixels(path: Path) -> Tensor:
    with Image.open(path) as image:
        return to_tensors([image.convert("RGB")])[0][None]


def half_interval(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of a mean."""
    if len(values) < 2:
        return math.inf
    return 1.96 * float(torch.tensor(values, dtype=torch.float64).std()) / math.sqrt(len(values))


def table(before: Evaluation, after: Evaluation) -> str:
    """Return the before / after table in Markdown, with 95 % intervals.

    The reward's change is paired by prompt; its interval is that of a mean.
    """
    n = len(after.rewards)
    changes = [now - then for then, now in zip(before.rewards, after.rewards, strict=True)]
    lines = [
        f"Steps: {after.step}. Prompts: {n}, the same seeds before and after.",
        "",
        "| | before | after | change |",
        "|---|---|---|---|",
        f"| reward (what was trained) | {before.reward:.4g} | {after.reward:.4g} | "
        f"{after.reward - before.reward:+.3g} +- {half_interval(changes):.2g} |",
    ]
    if len(after.parts) > 1:
        for name, values in after.parts.items():
            then, now = sum(before.parts[name]) / n, sum(values) / n
            lines.append(f"| - {name} | {then:.4g} | {now:.4g} | {now - then:+.3g} |")
    if before.accuracy is not None and after.accuracy is not None:
        cells = [
            f"{a['accuracy']:.3f} [{a['interval'][0]:.3f}, {a['interval'][1]:.3f}]"
            for a in (before.accuracy, after.accuracy)
        ]
        gain = after.accuracy["accuracy"] - before.accuracy["accuracy"]
        name = f"spatial accuracy (independent judge, n {after.accuracy['n']})"
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {gain:+.3f} |")
        chances = [f"{a['chance']:.3f}" for a in (before.accuracy, after.accuracy)]
        lines.append(f"| - chance | {chances[0]} | {chances[1]} | |")
    return "\n".join(lines) + "\n"
