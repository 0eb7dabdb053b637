"""What `spatial build-pairs` is told: a TOML file, read into these dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

PAPER_RELATIONS: dict[int, int] = {
    3: 503,
    4: 3338,
    5: 10572,
    6: 15572,
    7: 19054,
    8: 13829,
    9: 11056,
    10: 3430,
    11: 1428,
    12: 357,
}
"""Prompts of the SpatialReward dataset by their number of relations (arXiv 2602.24233, data figure)."""


@dataclass(frozen=True)
class SplitsRecipe:
    """How many accepted pairs each split gets, and what it may hold.

    No split states a combination of two things and a relation that a later one states: prompts that are
    written here keep to the combinations of their split, and pairs of prompts from elsewhere that break the
    rule are set aside. Every prompt of a scene, and everything drawn for one prompt, is in one split.

    Attributes:
        train, validation, test: Accepted pairs.
        held_out_scenes: Kinds of places that only test prompts describe, e.g. "nursery".
    """

    train: int
    validation: int = 0
    test: int = 0
    held_out_scenes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromptsRecipe:
    """Where the prompts come from.

    Attributes:
        source: "scenes" lays out procedural table-top scenes and describes them; "grammar" writes about the
            kinds of places that the paper names; "list" reads `file`; "language_model" asks `model`.
        file: For "list": one prompt a line, or JSONL of {"prompt": ..., "scene": ...}.
        model: For "language_model": folder or hub id of a causal language model with a chat template.
        revision: Of that model on the hub, "" for the default one.
        dtype: Of its weights.
        temperature: At which it writes.
        batch: Prompts it writes at a time.
        attempts: How often it is asked again where what it wrote cannot be used.
        min_relations, max_relations: A prompt states so many; how many each is drawn by the paper's
            histogram. Prompts of a list are used if they lie between.
        num_edits: Edits from a prompt to its perturbed one, drawn from these; the default has the shares of
            the paper's benchmark, 180 pairs of one edit in 365.
    """

    source: Literal["scenes", "grammar", "list", "language_model"] = "scenes"
    file: str = ""
    model: str = ""
    revision: str = ""
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    temperature: float = 0.9
    batch: int = 8
    attempts: int = 4
    min_relations: int = 3
    max_relations: int = 12
    num_edits: tuple[int, ...] = (1, 1, 2, 3)

    def relations(self) -> dict[int, int]:
        """Return the paper's histogram between `min_relations` and `max_relations`."""
        known = {n: PAPER_RELATIONS.get(n, 0) for n in range(self.min_relations, self.max_relations + 1)}
        return {n: w for n, w in known.items() if w} or dict.fromkeys(known, 1)


@dataclass(frozen=True)
class ImagesRecipe:
    """Who draws.

    Attributes:
        generator: "renderer" for the procedural renderer, which draws prompts of the source "scenes" and
            nothing else; otherwise folder or hub id of a diffusers pipeline, "starter" for the bundled one.
        revision: Of the pipeline on the hub, "" for the default one.
        dtype: Of the pipeline's weights.
        offload: Keep the pipeline's models in main memory and move each to the GPU when it is needed.
        size: Side of the pictures in pixels, or height and width.
        batch: Pairs drawn at a time.
        call: Further arguments of the pipeline's call, e.g. num_inference_steps.
    """

    generator: str = "renderer"
    revision: str = ""
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    offload: bool = False
    size: tuple[int, ...] = (128,)
    batch: int = 1
    call: dict = field(default_factory=dict)

    @property
    def height_width(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.size[0], self.size[-1]


@dataclass(frozen=True)
class ChecksRecipe:
    """What a pair must pass; what fails is kept in rejected.jsonl with the reason.

    Attributes:
        scorer: Judge of single relations: folder or hub id, "starter" for the bundled one, "" for none. Not
            the model that is to be trained on the pairs, nor one that shares its mistakes.
        scorer_kind: As in `SpatialScorer.from_pretrained`.
        scorer_dtype: Of its weights.
        min_satisfied: Share of a prompt's relations that must be judged true of its own picture. The edited
            ones must be, and must not be judged true of the other picture.
        max_distance: Pictures of two pairs are near duplicates if their perceptual hashes of 256 bits differ
            in at most so many; -1 allows duplicates.
        min_contrast: A picture whose grey levels (0 to 255) have a smaller standard deviation is blank.
        probes: Whether the probes on prompts alone and pictures alone are trained on the result.
    """

    scorer: str = ""
    scorer_kind: Literal["auto", "reward", "vqa", "geometric"] = "auto"
    scorer_dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    min_satisfied: float = 1.0
    max_distance: int = 7
    min_contrast: float = 4.0
    probes: bool = True


@dataclass(frozen=True)
class BuildRecipe:
    """Everything `spatial build-pairs` does.

    Attributes:
        name: Of the dataset, in its card.
        output: Folder of the manifest and its pictures.
        seed: Decides everything that is drawn.
        licence: Of the pictures and prompts, as an SPDX identifier where there is one.
        shard: Pairs that are drawn and written together; a killed build loses at most the shards under way.
        processes: That render on the CPU; the pairs do not depend on it. Pipelines and language models are
            spread over devices by `accelerate launch` instead.
        oversample: At most so many pairs are drawn for each one wanted, to make up for those set aside.
    """

    name: str
    output: str
    licence: str
    splits: SplitsRecipe
    prompts: PromptsRecipe = field(default_factory=PromptsRecipe)
    images: ImagesRecipe = field(default_factory=ImagesRecipe)
    checks: ChecksRecipe = field(default_factory=ChecksRecipe)
    seed: int = 0
    shard: int = 128
    processes: int = 1
    oversample: float = 3.0

    def __post_init__(self) -> None:
        """Check what one value alone cannot show.

        Raises:
            ValueError: If two values do not fit together or one is out of range.
        """
        s, p, i, c = self.splits, self.prompts, self.images, self.checks
        positive = {
            "splits.train": s.train,
            "shard": self.shard,
            "processes": self.processes,
            "prompts.batch": p.batch,
            "prompts.attempts": p.attempts,
            "prompts.temperature": p.temperature,
            "images.batch": i.batch,
        }
        for key, value in positive.items():
            if not value > 0:
                raise ValueError(f"'{key}' must be greater than 0; got {value}.")
        if s.validation < 0 or s.test < 0:
            raise ValueError(
                f"'splits.validation' and 'splits.test' must be 0 or more; got {s.validation} and {s.test}."
            )
        if not p.num_edits or not set(p.num_edits) <= {1, 2, 3}:
            raise ValueError(f"'prompts.num_edits' must be a list of 1, 2 and 3; got {list(p.num_edits)}.")
        if not max(p.num_edits) <= p.min_relations <= p.max_relations <= 12:
            raise ValueError(
                f"'prompts.min_relations' must be at least the largest of 'num_edits' "
                f"({max(p.num_edits)}) and 'max_relations' from there to 12; "
                f"got {p.min_relations} and {p.max_relations}."
            )
        for source, key in (("list", "file"), ("language_model", "model")):
            if (p.source == source) != bool(getattr(p, key)):
                raise ValueError(f"'prompts.{key}' goes with 'prompts.source' = \"{source}\"; set both.")
        if i.generator == "renderer" and p.source != "scenes":
            raise ValueError(
                "The renderer draws only the scenes that it laid out itself: set 'prompts.source' to "
                f'"scenes" or \'images.generator\' to a diffusers pipeline; got "{p.source}".'
            )
        if len(i.size) not in (1, 2) or min(i.size) < 32:
            raise ValueError(
                f"'images.size' must be a side, or height and width, of 32 or more; got {list(i.size)}."
            )
        if i.generator == "renderer" and (i.call or len(set(i.size)) > 1):
            raise ValueError("The renderer draws squares and takes no 'images.call'. Leave both out.")
        if not 0.0 <= c.min_satisfied <= 1.0:
            raise ValueError(f"'checks.min_satisfied' is a share in [0, 1]; got {c.min_satisfied}.")
        if not -1 <= c.max_distance <= 31:
            raise ValueError(f"'checks.max_distance' must be -1 to 31 bits of 256; got {c.max_distance}.")
        if not self.oversample >= 1.0:
            raise ValueError(f"'oversample' must be at least 1; got {self.oversample}.")

    def wanted(self) -> dict[str, int]:
        """Return how many accepted pairs each split gets."""
        return {"train": self.splits.train, "validation": self.splits.validation, "test": self.splits.test}

    def facts(self) -> dict[str, Any]:
        """Return what the pairs depend on, for telling one build from another."""
        from dataclasses import asdict

        from spatial_core.scenes.renderer import RENDERER_VERSION
        from spatial_core.scenes.sampling import SAMPLER_VERSION

        settings = asdict(self)
        for key in ("output", "processes"):
            del settings[key]
        settings["checks"].pop("probes")
        return {"settings": settings, "renderer": RENDERER_VERSION, "sampler": SAMPLER_VERSION}
