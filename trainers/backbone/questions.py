"""Questions about a cached scene with their exact answers, and which object each name in them stands for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random

import numpy as np

from spatial_core.language.relations import RELATIONS
from spatial_core.scenes.captions import caption_scene
from spatial_core.scenes.closure import BINARY, FAMILIES, PLACES
from spatial_core.scenes.sampling import sample_scenes
from spatial_core.scenes.splits import Split, split_of
from spatial_core.scenes.statements import PAPER_HISTOGRAM, choose, draw_count
from spatial_trainers.scene_cache import COLOR_NAMES, KINDS, MAX_OBJECTS, PATTERN_NAMES, CachedScenes

Pieces = tuple[tuple[str, int | None], ...]
"""Consecutive pieces of a text; a piece that names a thing carries its index (-1: not in the picture)."""

WALL, FLOOR = MAX_OBJECTS, MAX_OBJECTS + 1
# What prompts use most, and what is learned late, is asked about more often.
_WEIGHTS: dict[str, float] = {
    "left_of": 2.0,
    "right_of": 2.0,
    "above": 2.0,
    "below": 2.0,
    "on": 2.5,
    "under": 3.0,
    "in_front_of": 2.5,
    "behind": 2.5,
    "next_to": 3.5,
    "near": 1.5,
    "far_from": 1.5,
    "between": 1.5,
    "inside": 2.0,
    "leaning_against": 0.7,
    "hanging_on": 0.5,
    "stacked_on": 0.7,
}


@dataclass(frozen=True)
class Question:
    """One question and the statement it asks about.

    Attributes:
        question, statement: The two forms, in pieces.
        answer: 1 for yes, 0 for no.
        family: Index into `FAMILIES`.
    """

    question: Pieces
    statement: Pieces
    answer: int
    family: int

    @property
    def text(self) -> str:
        """The statement as one string."""
        return "".join(piece for piece, _ in self.statement)


def phrase_pieces(relation: str, names: list[str], indices: list[int]) -> tuple[Pieces, Pieces]:
    """Return question and statement pieces: the wording is the taxonomy's."""
    subject, *others = list(zip(names, indices, strict=True))
    predicate: list[tuple[str, int | None]] = []
    for part in re.split(r"(\s?\{\d\})", f" {RELATIONS[relation].wording}"):
        if "{" in part:
            name, index = others[int(part.strip(" {}"))]
            predicate.append((f" {name}", index if index < WALL else None))
        elif part:
            predicate.append((part, None))
    named = (f"the {subject[0].removeprefix('the ')}", subject[1])
    question = ((f"Is {named[0]}", named[1]), *predicate, ("?", None))
    statement = ((named[0], named[1]), (" is", None), *predicate)
    return question, statement


class QuestionSampler:
    """Draws questions: family first, then the answer, then the things, so that each is balanced."""

    families: tuple[str, ...] = FAMILIES

    def __init__(
        self, *, split: Split = "train", held_out_family: str = "", absent: float = 0.04, hard: float = 0.5
    ):
        """Keep settings.

        Args:
            split: Only combinations of kinds and relation of this split are asked about.
            held_out_family: A relation that is never asked about.
            absent: Share of questions about a thing that is not in the picture.
            hard: Share of the noes that are asked, where the scene has such, about things of which the same
                relation is true with other partners or the other way round.
        """
        self.split = split
        weights = np.array([_WEIGHTS.get(name, 1.0) * (name != held_out_family) for name in FAMILIES])
        self._weights = weights / weights.sum()
        self.absent = absent
        self.hard = hard

    @cached_property
    def _allowed(self) -> dict[str, np.ndarray]:
        """Whether the split has a combination, by relation: `[kinds + 3, ...]` per participant.

        The last three kinds are the wall, the floor and no object.
        """
        kinds = [*KINDS, "wall", "floor", "nothing"]
        tables: dict[str, np.ndarray] = {}
        for name in FAMILIES:
            if name in PLACES:
                tables[name] = np.array([split_of(a, name) == self.split for a in kinds])
            elif name == "between":
                tables[name] = np.array(
                    [
                        [
                            [split_of(a, name, "+".join(sorted((b, c)))) == self.split for c in kinds]
                            for b in kinds
                        ]
                        for a in kinds
                    ]
                )
            else:
                tables[name] = np.array([[split_of(a, name, b) == self.split for b in kinds] for a in kinds])
        return tables

    def names(self, scenes: CachedScenes, i: int, rng: np.random.Generator) -> list[str]:
        """Return a name for every participant.

        The kind where it is unique and a coin allows, else colour and kind, sometimes after the pattern.
        """
        kinds, colors, patterns = scenes.kinds[i], scenes.colors[i], scenes.patterns[i]
        count = Counter(int(k) for k in kinds if k >= 0)
        bare, patterned = rng.random(MAX_OBJECTS) < 0.35, rng.random(MAX_OBJECTS) < 0.5
        names: list[str] = []
        for j, kind in enumerate(kinds.tolist()):
            words = [KINDS[kind]] if kind >= 0 else []
            if count[kind] > 1 or not bare[j]:
                words.insert(0, COLOR_NAMES[colors[j]])
            pattern = PATTERN_NAMES[patterns[j]]
            if patterned[j] and pattern != "plain":
                words.insert(0, pattern)
            names.append(" ".join(["the", *words]) if kind >= 0 else "")
        return [*names, "the wall", "the floor"]

    def candidates(self, scenes: CachedScenes, i: int, family: int, state: int) -> np.ndarray:
        """Return `[count, arity]` participants for which the family has the state in scene `i`."""
        name = FAMILIES[family]
        if name == "between":
            found = np.argwhere(scenes.between[i] == state)
        elif name in PLACES:
            found = np.argwhere(scenes.places[i, PLACES.index(name)] == state)
        else:
            found = np.argwhere(scenes.binary[i, BINARY.index(name)] == state)
        kinds = np.concatenate([scenes.kinds[i], [len(KINDS), len(KINDS) + 1]])
        return found[self._allowed[name][tuple(kinds[found].T)]]

    def hard_candidates(self, scenes: CachedScenes, i: int, family: int) -> np.ndarray:
        """Return the participants of which it is false, but of each of which it is true in other company."""
        false = self.candidates(scenes, i, family, 0)
        name = FAMILIES[family]
        if name in PLACES:
            return false
        states = scenes.between[i] if name == "between" else scenes.binary[i, BINARY.index(name)]
        true = np.argwhere(states == 1)
        taking_part = np.isin(false[:, 0], true[:, 0]) & np.isin(false[:, 1:], true[:, 1:]).all(1)
        if name != "between":
            taking_part |= states.T[false[:, 0], false[:, 1]] == 1
        return false[taking_part]

    def sample(self, scenes: CachedScenes, i: int, count: int, rng: np.random.Generator) -> list[Question]:
        """Return `count` questions about scene `i`."""
        names = self.names(scenes, i, rng)
        asked: list[Question] = []
        pool: dict[tuple[int, int], np.ndarray] = {}
        order = rng.choice(len(FAMILIES), size=8 * count, p=self._weights)
        for family in order.tolist():
            # A yes has fewer candidates than a no and is not always to be had; this evens them out.
            answer = int(rng.random() < 0.63)
            key = (family, answer)
            if key not in pool:
                pool[key] = self.candidates(scenes, i, family, answer)
            options = pool[key]
            if not answer and rng.random() < self.hard:
                if (family, -1) not in pool:
                    pool[family, -1] = self.hard_candidates(scenes, i, family)
                options = pool[family, -1] if len(pool[family, -1]) else options
            if len(options) == 0:
                continue
            who = options[rng.integers(len(options))].tolist()
            called = [names[j] for j in who]
            if rng.random() < self.absent:
                answer, who, called = 0, *self._absent(scenes, i, who, called, rng)
            question, statement = phrase_pieces(FAMILIES[family], called, who)
            asked.append(Question(question, statement, answer, family))
            if len(asked) == count:
                break
        return asked

    def _absent(
        self, scenes: CachedScenes, i: int, who: list[int], called: list[str], rng: np.random.Generator
    ) -> tuple[list[int], list[str]]:
        present = {(int(k), int(c)) for k, c in zip(scenes.kinds[i], scenes.colors[i], strict=True)}
        kind, color = int(rng.integers(len(KINDS))), int(rng.integers(len(COLOR_NAMES)))
        if (kind, color) in present:
            color = (color + 1) % len(COLOR_NAMES)
        place = int(rng.integers(len(who)))
        who = [-1 if n == place else j for n, j in enumerate(who)]
        called = [
            f"the {COLOR_NAMES[color]} {KINDS[kind]}" if n == place else c for n, c in enumerate(called)
        ]
        return who, called

    def prompt(self, scenes: CachedScenes, i: int, rng: np.random.Generator) -> str:
        """Return a prompt of 1-5 statements about scene `i`, all of them true half of the time."""
        asked = self.sample(scenes, i, 12, rng)
        keep = [q for q in asked if q.answer] if rng.random() < 0.5 else asked
        texts = [q.text for q in (keep or asked)[: int(rng.integers(1, 6))]]
        return ". ".join(text[0].upper() + text[1:] for text in texts) + "."

    def corpus(self) -> Iterator[str]:
        """Yield texts for the tokenizer: captions in the training wordings, every relation of every kind."""
        rng = Random(0)
        for first in range(0, 1024, 64):
            batch = sample_scenes(range(first, first + 64), size=32, supersample=1)
            for scene, closure in zip(batch.scenes, batch.closures, strict=True):
                for seed in range(4):
                    statements = choose(rng, closure.statements(), draw_count(rng, PAPER_HISTOGRAM))
                    if statements:
                        yield caption_scene(scene, statements, seed=seed).text
        for name in FAMILIES:
            for kind in (*KINDS, "wall", "floor"):
                for color in COLOR_NAMES:
                    question, statement = phrase_pieces(name, [f"the {color} {kind}"] * 3, [0, 1, 2])
                    yield "".join(piece for piece, _ in question)
                    yield "".join(piece for piece, _ in statement)
        yield from ["Yes", "No", "Prompt: ", "\nImage: ", "\nOverall"] * 5000
