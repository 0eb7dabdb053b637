"""Prompts to train a generator on: from a file or written from scenes, and which of them a step uses.

What a step uses is a function of the seed and the step alone, so a resumed run goes on with the same prompts,
on any number of processes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

from spatial_core.language.parser import parse_prompt
from spatial_core.scenes.captions import Mode, plan_caption, write
from spatial_core.scenes.closure import Closure
from spatial_core.scenes.layout import sample_layout
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.sampling import estimated_closures
from spatial_core.scenes.scene import Scene
from spatial_core.scenes.splits import Split
from spatial_core.scenes.statements import arrange, choose
from spatial_trainers.flow.captions import caption_pool, of_things
from spatial_trainers.flow.layout import flow_layout
from spatial_trainers.flow.world import bundled_world
from spatial_trainers.passes import step_indices

World = Literal["starter", "full"]

_FIRST_SEED = 4_000_000_000
"""Beyond the seeds of rendered scenes and of the measured prompts."""
_BATCH = 32
_MAX_TRIES = 200
"""Batches without a single new prompt, after which there are no more to be had."""
_MODES: dict[Mode, float] = {"short": 0.6, "mixed": 0.2, "fronted": 0.12, "list": 0.08}


@dataclass(frozen=True)
class Stage:
    """A part of a run that uses some of the prompts.

    Attributes:
        from_step: First step of the stage, counted from 0.
        relations: Prompts that state so many relations are used.
    """

    from_step: int
    relations: tuple[int, ...]


@dataclass(frozen=True)
class PromptsRecipe:
    """Where prompts come from: a file, or scenes.

    Attributes:
        file: Text with a prompt a line, or JSONL with the key "prompt"; "" for none.
        scenes: How many prompts are written from scenes; 0 for none.
        relations: How many relations those state, each number as often as the others.
        world: What those speak of: "starter", the things that the bundled flow model draws; "full", all there
            are.
        held_out_family: Relation that they never state; "" for none.
        seed: Of those.
        curriculum: Stages, in order; all prompts all the time if empty.
    """

    file: str = ""
    scenes: int = 0
    relations: tuple[int, ...] = (1, 2, 3, 4)
    world: World = "starter"
    held_out_family: str = ""
    seed: int = 0
    curriculum: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        """Check what one value alone cannot show.

        Raises:
            ValueError: If there is no source or there are two, or a number is out of range.
        """
        if bool(self.file) == (self.scenes > 0):
            raise ValueError(
                "Prompts come from 'file' or from 'scenes' (how many to write); set exactly one of them. "
                f"Got file = '{self.file}', scenes = {self.scenes}."
            )
        counts = [n for stage in self.curriculum for n in stage.relations] + list(self.relations)
        if not self.relations or min(counts) < 0 or not all(1 <= n <= 10 for n in self.relations):
            raise ValueError(f"'relations' must be numbers from 1 to 10; got {list(self.relations)}.")
        starts = [stage.from_step for stage in self.curriculum]
        if starts and (starts[0] != 0 or sorted(set(starts)) != starts):
            raise ValueError(
                f"'curriculum' must begin at step 0, and each stage later than the one before; got {starts}."
            )


@dataclass(frozen=True)
class Prompt:
    """A prompt.

    Attributes:
        text: The prompt.
        num_relations: Spatial relations that it states.
    """

    text: str
    num_relations: int


def load_prompts(recipe: PromptsRecipe) -> list[Prompt]:
    """Return the recipe's prompts, without repeats.

    Raises:
        ValueError: If the file is unusable, scenes give no more prompts, or a stage has no prompts.
    """
    if recipe.file:
        prompts = [Prompt(text, len(parse_prompt(text).relations)) for text in read_prompts(recipe.file)]
    else:
        prompts = write_prompts(
            recipe.scenes,
            relations=recipe.relations,
            world=recipe.world,
            held_out_family=recipe.held_out_family,
            seed=recipe.seed,
        )
    for number, stage in enumerate(recipe.curriculum, start=1):
        if not any(prompt.num_relations in stage.relations for prompt in prompts):
            there = sorted({prompt.num_relations for prompt in prompts})
            raise ValueError(
                f"Stage {number} of 'curriculum' needs prompts of {list(stage.relations)} relations; there "
                f"are prompts of {there}. Change the stage or the prompts."
            )
    return prompts


def read_prompts(path: str | Path) -> list[str]:
    """Return the prompts of a file in its order, repeats and empty lines left out.

    A file that ends in .jsonl has an object with the key "prompt" on every line; any other is text.

    Raises:
        ValueError: If it cannot be read, holds no prompt, or a line of JSONL is not of that form.
    """
    path = Path(path)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ValueError(
            f"Cannot read the prompts in {path}: {reason}. Name a text file with a prompt a line, or a "
            '.jsonl file of objects with the key "prompt".'
        ) from error
    texts = [line.strip() for line in lines]
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        texts = [_from_json(path, number, text) for number, text in enumerate(texts, start=1) if text]
    found = list(dict.fromkeys(text for text in texts if text))
    if not found:
        raise ValueError(f"{path} holds no prompt. Write one a line.")
    return found


def _from_json(path: Path, number: int, line: str) -> str:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {number}: not JSON ({error.msg}). Correct or remove it.") from error
    text = value.get("prompt") if isinstance(value, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            f'{path}, line {number}: must be an object with a text under "prompt"; got {line[:80]}. '
            "Correct or remove it."
        )
    return text.strip()


def write_prompts(
    count: int,
    *,
    relations: Sequence[int] = (1, 2, 3, 4),
    world: World = "starter",
    held_out_family: str = "",
    split: Split = "train",
    seed: int = 0,
) -> list[Prompt]:
    """Return `count` different prompts, each true of a scene that was laid out for it but not rendered.

    Things are called by their colours, which tells a generator what to draw and a judge what to look for;
    floor and wall, which no detector of things finds, are not spoken of.

    Args:
        count: How many; the first prompts do not depend on it.
        relations: How many relations they state, each number in its turn.
        world, held_out_family: See `PromptsRecipe`.
        split: Which combinations of things and relations they may state.
        seed: Another seed, other prompts.

    Raises:
        ValueError: If no more prompts of some number of relations are found.
    """
    layout: Callable[[int, int], Scene] = _starter_scene if world == "starter" else _full_scene
    found: dict[str, Prompt] = {}
    at = _FIRST_SEED + seed * 100_000_000
    tries = 0
    while len(found) < count:
        wanted = relations[len(found) % len(relations)]
        seeds = range(at, at + _BATCH)
        at += _BATCH
        scenes = [layout(number, wanted) for number in seeds]
        before = len(found)
        for scene, closure, number in zip(scenes, estimated_closures(scenes), seeds, strict=True):
            rng = Random(f"prompt|{split}|{number}")
            wanted = relations[len(found) % len(relations)]
            text = word_prompt(scene, closure, wanted, rng, held_out_family=held_out_family, split=split)
            if text and text not in found and len(found) < count:
                found[text] = Prompt(text, wanted)
        tries = 0 if len(found) > before else tries + 1
        if tries == _MAX_TRIES:
            raise ValueError(
                f"{_MAX_TRIES * _BATCH} scenes in a row gave no new prompt of {wanted} relations; there are "
                f"{len(found)} so far. Ask for fewer prompts, or for other numbers of relations."
            )
    return list(found.values())


def _starter_scene(seed: int, _num_relations: int) -> Scene:
    return flow_layout(seed, bundled_world())


def _full_scene(seed: int, num_relations: int) -> Scene:
    # Long prompts need things to talk about.
    rng = Random(f"full|{seed}")
    return sample_layout(rng.getrandbits(62), num_named=rng.randint(min(6, 2 + num_relations // 2), 7))


def word_prompt(
    scene: Scene,
    closure: Closure,
    count: int,
    rng: Random,
    *,
    held_out_family: str = "",
    split: Split = "train",
) -> str | None:
    """Return a prompt that makes exactly `count` true statements; None if there are not so many to make.

    Args:
        scene: What it speaks of.
        closure: What is true of it.
        count: Relations stated.
        rng: Source of randomness.
        held_out_family, split: See `write_prompts`.
    """
    pool = caption_pool(
        scene, closure.statements(), mirrored=False, held_out_family=held_out_family, split=split
    )
    things = {i for i, o in enumerate(scene.objects) if o.named and OBJECT_KINDS[o.kind].category == "object"}
    drawn = choose(
        rng, of_things(pool), count, prefer=lambda s: 1.0 if {s.subject, *s.objects} <= things else 0.35
    )
    if len(drawn) < count:
        return None
    stated = [drawn[i] for i in arrange(rng, drawn)]
    mode = rng.choices(list(_MODES), weights=list(_MODES.values()))[0]
    plan = plan_caption(scene, stated, seed=rng.randrange(2**31), mode=mode)
    colored = frozenset(range(len(scene.objects)))
    return write(replace(plan, colored=colored, filler=()), scene, stated).text


class GroupSampler:
    """Says which prompts a step uses: pass after pass over all of them, each pass in an order of its own."""

    def __init__(self, num_prompts: int, groups_per_step: int, seed: int) -> None:
        """Sample from `num_prompts` prompts, `groups_per_step` of them a step.

        Raises:
            ValueError: If either is below 1.
        """
        if num_prompts < 1 or groups_per_step < 1:
            raise ValueError(
                "A GroupSampler needs at least one prompt and one group a step; got "
                f"{num_prompts} and {groups_per_step}."
            )
        self.num_prompts, self.groups_per_step, self.seed = num_prompts, groups_per_step, seed

    def indices(self, step: int) -> list[int]:
        """Return the prompts of step `step`, from 0; every prompt comes once before one comes again."""
        return step_indices(self.num_prompts, step=step, size=self.groups_per_step, seed=self.seed)


class CurriculumSampler:
    """A `GroupSampler` in each stage, over the stage's prompts."""

    def __init__(
        self, prompts: Sequence[Prompt], stages: Sequence[Stage], groups_per_step: int, seed: int
    ) -> None:
        """Sample from `prompts` as `stages` say; from all of them if there are none.

        Raises:
            ValueError: If a stage has no prompts.
        """
        every = Stage(0, tuple({prompt.num_relations for prompt in prompts}))
        self._stages = [
            (stage.from_step, members, GroupSampler(len(members), groups_per_step, seed))
            for stage in stages or (every,)
            for members in [[i for i, p in enumerate(prompts) if p.num_relations in stage.relations]]
        ]

    def indices(self, step: int) -> list[int]:
        """Return the prompts of step `step`, from 0; within a stage all come before one comes again."""
        first, members, sampler = next(s for s in reversed(self._stages) if s[0] <= step)
        return [members[i] for i in sampler.indices(step - first)]
