"""The held-out starter benchmark: pairs of table-top scenes in the proportions of the paper's 365.

As many pairs with one edit and with two or three as the paper has, prompts of three to ten relations by the
paper's histogram, combinations of the test split alone, and seeds that no training uses. Pictures are
rendered, not shipped: a pair depends on the recipe's seed and its number, so every machine makes the same.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from tqdm import tqdm

from spatial_core.atomic_files import write_bytes, write_text
from spatial_core.images import to_pil
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.pair_records import pair_record
from spatial_core.scenes.pairs import PairBatch, ScenePair, sample_pairs
from spatial_core.scenes.renderer import RENDERER_VERSION
from spatial_core.scenes.sampling import SAMPLER_VERSION
from spatial_core.scenes.scene import Scene
from spatial_core.scenes.statements import PAPER_HISTOGRAM
from spatial_trainers.pairs.records import dump_record, write_records

MANIFEST = "manifest.jsonl"
_FIRST_SEED = 10**15
_SEEDS_PER_PAIR = 8
_SEEDS_FOR_LENGTH = 3
"""Seeds tried for as many relations as are wished for: scenes of the test split often have less to say."""


@dataclass(frozen=True)
class StarterPairsRecipe:
    """A benchmark of pairs from scenes.

    Attributes:
        name: Of the benchmark, in reports.
        output: Folder of the manifest and its pictures.
        one_edit: Pairs whose prompts differ in one relation.
        more_edits: Pairs whose prompts differ in two or three.
        seed: Decides every pair; benchmarks of different seeds share none.
        size: Side of the pictures in pixels.
        held_out_wordings: Share of the pairs in paraphrases that the starter's training never uses.
        prompts_sha256: Of the prompts and edits as they were first made; "" asks for no check.
    """

    name: str
    output: str
    one_edit: int
    more_edits: int
    seed: int = 0
    size: int = 128
    held_out_wordings: float = 0.25
    prompts_sha256: str = ""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: If one is out of range.
        """
        if min(self.one_edit, self.more_edits) < 0 or self.one_edit + self.more_edits < 1:
            raise ValueError(
                "'one_edit' and 'more_edits' must be 0 or more, and one of them more than 0; "
                f"got {self.one_edit} and {self.more_edits}."
            )
        if not 0.0 <= self.held_out_wordings <= 1.0:
            raise ValueError(f"'held_out_wordings' is a share in [0, 1]; got {self.held_out_wordings}.")
        if self.size < 32 or self.seed < 0:
            raise ValueError(
                f"'size' must be at least 32 and 'seed' 0 or more; got {self.size} and {self.seed}."
            )


@dataclass(frozen=True)
class _Wish:
    """What one pair should be like."""

    num_edits: tuple[int, ...]
    num_relations: int
    held_out: bool


def build_starter_pairs(recipe: StarterPairsRecipe) -> Path:
    """Return the manifest of the benchmark, rendering what is missing; a killed run goes on.

    Raises:
        ValueError: If the prompts are not those that the recipe was written for, or the folder belongs to
            another recipe.
    """
    folder = Path(recipe.output)
    manifest = folder / MANIFEST
    facts = _facts(recipe)
    noted = folder / "settings.json"
    if noted.is_file() and json.loads(noted.read_text("utf-8")) != facts:
        raise ValueError(
            f"{folder} holds a benchmark of other settings or another renderer. Remove it, or set 'output'."
        )
    if manifest.is_file():
        return manifest
    (folder / "pairs").mkdir(parents=True, exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    write_text(noted, json.dumps(facts, indent=2) + "\n")
    wishes = _wishes(recipe)
    open_ = [i for i in range(len(wishes)) if not _note(folder, i).is_file()]
    bar = tqdm(total=len(wishes), initial=len(wishes) - len(open_), desc="rendering pairs", disable=None)
    groups: dict[_Wish, list[int]] = {}
    for index in open_:
        groups.setdefault(wishes[index], []).append(index)
    for wish, indices in groups.items():
        for index, batch, row in _sample(recipe, wish, indices):
            _write_pair(folder, recipe, wish, index, batch, row)
            bar.update()
    bar.close()
    records = [json.loads(_note(folder, i).read_text("utf-8")) for i in range(len(wishes))]
    found = prompts_sha256(records)
    if recipe.prompts_sha256 not in ("", found):
        raise ValueError(
            f"The prompts of '{recipe.name}' are not those that it was published with: their sha256 is "
            f"{found}, not {recipe.prompts_sha256}. Scores would not be comparable; use the version of this "
            "package that the recipe came with, or set prompts_sha256 to ''."
        )
    write_records(manifest, records)
    return manifest


def prompts_sha256(records: Sequence[dict[str, Any]]) -> str:
    """Return the sha256 of what the pairs say: ids, prompts and edits, whatever their pictures."""
    said = [
        [r["id"], r["prompt"], r["prompt_rejected"], [[e["kind"], e["relation_index"]] for e in r["edits"]]]
        for r in records
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def relation_counts(total: int) -> list[int]:
    """Return how many relations each of `total` prompts should state: the paper's shares, rounded fairly."""
    weight = sum(PAPER_HISTOGRAM.values())
    exact = {number: total * count / weight for number, count in PAPER_HISTOGRAM.items()}
    counts = {number: int(share) for number, share in exact.items()}
    by_remainder = sorted(exact, key=lambda number: counts[number] - exact[number])
    for number in by_remainder[: total - sum(counts.values())]:
        counts[number] += 1
    return [number for number, count in counts.items() for _ in range(count)]


def _facts(recipe: StarterPairsRecipe) -> dict[str, Any]:
    settings = {
        key: value for key, value in asdict(recipe).items() if key not in ("output", "prompts_sha256")
    }
    return {"settings": settings, "renderer": RENDERER_VERSION, "sampler": SAMPLER_VERSION}


def _wishes(recipe: StarterPairsRecipe) -> list[_Wish]:
    """Return what each pair should be like; relations are dealt out to all, whatever their edits."""
    rng = Random(f"benchmark|{recipe.seed}")
    total = recipe.one_edit + recipe.more_edits
    numbers = relation_counts(total)
    rng.shuffle(numbers)
    return [
        _Wish((1,) if i < recipe.one_edit else (2, 3), number, rng.random() < recipe.held_out_wordings)
        for i, number in enumerate(numbers)
    ]


def _note(folder: Path, index: int) -> Path:
    return folder / "pairs" / f"{index:04d}.json"


def _sample(
    recipe: StarterPairsRecipe, wish: _Wish, indices: Sequence[int]
) -> list[tuple[int, PairBatch, int]]:
    """Return (index, batch, row) of a pair for each index."""
    # A weight of 0: 3 relations are not wished for, but allowed where a scene has no more to say.
    histogram = {3: 0, wish.num_relations: 1}
    found: dict[int, tuple[PairBatch, int]] = {}
    for attempt in range(_SEEDS_PER_PAIR):
        left = [
            i
            for i in indices
            if i not in found or (attempt < _SEEDS_FOR_LENGTH and _length(*found[i]) < wish.num_relations)
        ]
        for index, (batch, row) in zip(left, _try(recipe, wish, histogram, left, attempt), strict=True):
            if batch is not None and (index not in found or _length(batch, row) > _length(*found[index])):
                found[index] = (batch, row)
    missing = [i for i in indices if i not in found]
    if missing:
        raise ValueError(f"No pair was found for numbers {missing[:4]} with {wish}. Choose another seed.")
    return [(i, *found[i]) for i in indices]


def _length(batch: PairBatch, row: int) -> int:
    return len(batch.pairs[row].graph.relations)


def _try(
    recipe: StarterPairsRecipe, wish: _Wish, histogram: dict[int, int], indices: Sequence[int], attempt: int
) -> list[tuple[PairBatch | None, int]]:
    if not indices:
        return []
    first = _FIRST_SEED + recipe.seed * 10**9 + attempt
    try:
        batch = sample_pairs(
            [first + i * _SEEDS_PER_PAIR for i in indices],
            num_edits=wish.num_edits,
            num_relations=histogram,
            split="test",
            wordings="held_out" if wish.held_out else "train",
            size=recipe.size,
        )
    except RuntimeError:
        # One seed without a pair spoils its batch: find out which.
        if len(indices) == 1:
            return [(None, 0)]
        return [_try(recipe, wish, histogram, [i], attempt)[0] for i in indices]
    return [(batch, row) for row in range(len(indices))]


def _write_pair(
    folder: Path, recipe: StarterPairsRecipe, wish: _Wish, index: int, batch: PairBatch, row: int
) -> None:
    record = _record(batch.pairs[row], wish, f"{recipe.name}-{index:04d}")
    for side, rendering in (("chosen", batch.rendering), ("rejected", batch.rendering_rejected)):
        buffer = io.BytesIO()
        to_pil(rendering.images[row].clamp(0, 1)).save(buffer, format="PNG")
        name = f"images/{index:04d}-{side}.png"
        write_bytes(folder / name, buffer.getvalue())
        record |= {
            f"image_{side}": name,
            f"sha256_{side}": hashlib.sha256(buffer.getvalue()).hexdigest(),
        }
    # Last: its presence says that the pictures are whole.
    write_text(_note(folder, index), dump_record(record))


def _record(pair: ScenePair, wish: _Wish, name: str) -> dict[str, Any]:
    """Return the pair record without its pictures, with exact labels."""
    return pair_record(pair) | {
        "id": name,
        "scene": scene_name(pair.scene),
        "tags": ["held-out wordings"] if wish.held_out else [],
        "split": "test",
    }


def scene_name(scene: Scene) -> str:
    """Return what a scene is furnished with, such as "shelf and table"; "floor" without furniture."""
    furniture = {o.kind for o in scene.objects if OBJECT_KINDS[o.kind].category == "furniture"}
    return " and ".join(sorted(furniture)) or "floor"
