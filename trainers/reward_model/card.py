"""What a trained judge says of itself: `card.json` for programs and `README.md` for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spatial_core import __version__
from spatial_core.atomic_files import write_text
from spatial_core.reward_model import JUDGE_FILE
from spatial_trainers.pairs.data import SPLITS, PairSet
from spatial_trainers.recipe import RewardRecipe, as_table
from spatial_trainers.reward_model.validation import Temperatures, markdown

SCHEMA = "spatial_reward_card/1"
_USE = """```python
from spatial_core import SpatialScorer

scorer = SpatialScorer.from_pretrained("this folder")
scores = scorer.score(["a.png", "b.png"], "a red ball to the left of a blue cup", explain=True)
```
"""


def write_card(
    folder: Path,
    *,
    recipe: RewardRecipe,
    pairs: PairSet,
    best: Mapping[str, float],
    temperatures: Temperatures,
    tables: Mapping[str, Mapping[str, Any]],
    parameters: int,
) -> dict[str, Any]:
    """Write both files beside the judge and return the card.

    Args:
        folder: The judge's folder.
        recipe: What was run.
        pairs: What it was run on.
        best: Accuracy and step of the weights that were kept.
        temperatures: As stored in the judge.
        tables: `measure` of each held-out split.
        parameters: Number of trained weights.
    """
    card = {
        "schema": SCHEMA,
        "name": recipe.name,
        "spatial_diffusion": __version__,
        "recipe": _portable(as_table(recipe)),
        "seed": recipe.seed,
        "data_sha256": pairs.sha256,
        "pairs": {split: len(pairs.splits[split]) for split in SPLITS},
        "kept": dict(best),
        "trained_parameters": parameters,
        "temperature": temperatures.pair,
        "clause_temperature": temperatures.clause,
        "results": dict(tables),
    }
    write_text(folder / "card.json", json.dumps(card, indent=2) + "\n")
    write_text(folder / "README.md", _readme(card, recipe))
    return card


def _portable(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe with absolute paths cut to their names: where it ran is nobody's business."""
    return {
        key: _portable(value)
        if isinstance(value, Mapping)
        else Path(value).name
        if isinstance(value, str) and Path(value).is_absolute()
        else value
        for key, value in table.items()
    }


def _readme(card: Mapping[str, Any], recipe: RewardRecipe) -> str:
    model = recipe.model
    how = f"LoRA of rank {model.lora_rank}" if model.lora_rank else "all weights of the language model"
    vision = "trained" if model.tune_vision else "frozen"
    counts = ", ".join(f"{number} {split}" for split, number in card["pairs"].items())
    parts = [
        f"# {recipe.name}\n",
        f"A SpatialScore (arXiv 2602.24233) on `{card['recipe']['model']['backbone']}`: {how}, "
        f"vision tower {vision}, {card['trained_parameters']:,} trained weights, "
        f"preference loss `{recipe.loss.preference}`.",
        f"Pairs: {counts}; sha256 of the data `{card['data_sha256']}`; seed {recipe.seed}. The weights are "
        f"those of step {card['kept']['step']} of {recipe.optimizer.steps}, the best on validation pairs. "
        f"Temperatures fitted on validation pairs: {card['temperature']:.3f} between pictures, "
        f"{card['clause_temperature']:.3f} for single relations.\n",
        _USE,
        f"The weights are in `{JUDGE_FILE}`; `card.json` holds the recipe and every number.\n",
    ]
    for split, table in card["results"].items():
        note = (
            "The weights were chosen and the temperatures fitted on these pairs."
            if split == "validation"
            else "Used for nothing but this table."
        )
        parts.append(f"## Measured on the {split} pairs\n\n{note}\n\n{markdown(table)}")
    return "\n".join(parts)
