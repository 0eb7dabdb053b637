"""Questions about a cached scene with their exact answers, and which object each name in them stands for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spatial_core.language.relations import RELATIONS
from spatial_core.scenes.closure import BINARY, FAMILIES, PLACES
from spatial_trainers.scene_cache import COLOR_NAMES, KINDS, MAX_OBJECTS, CachedScenes, SceneCache

Pieces = tuple[tuple[str, int | None], ...]
"""Consecutive pieces of a text; a piece that names a thing carries its index (-1: not in the picture)."""

WALL, FLOOR = MAX_OBJECTS, MAX_OBJECTS + 1
# The relations that prompts use most are asked about more often.
_BASIC = ("left_of", "right_of", "above", "below", "on", "under", "in_front_of", "behind", "next_to")
_WEIGHTS = np.array([2.0 if name in _BASIC else 1.0 for name in FAMILIES])


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
    subject, *others = zip(names, indices, strict=True)
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

    def __init__(self, *, absent: float = 0.04):
        """Keep settings.

        Args:
            absent: Share of questions about a thing that is not in the picture.
        """
        self.absent = absent

    def names(self, scenes: CachedScenes, i: int, rng: np.random.Generator) -> list[str]:
        """Return a name for every participant: the kind where it is unique and a coin allows, else colour and kind."""
        kinds, colors = scenes.kinds[i], scenes.colors[i]
        count = Counter(int(k) for k in kinds if k >= 0)
        bare = rng.random(MAX_OBJECTS) < 0.35
        names = [
            "the " + (KINDS[k] if count[int(k)] == 1 and bare[j] else f"{COLOR_NAMES[colors[j]]} {KINDS[k]}")
            if k >= 0
            else ""
            for j, k in enumerate(kinds)
        ]
        return [*names, "the wall", "the floor"]

    def candidates(self, scenes: CachedScenes, i: int, family: int, state: int) -> np.ndarray:
        """Return `[count, arity]` participants for which the family has the state in scene `i`."""
        name = FAMILIES[family]
        if name == "between":
            return np.argwhere(scenes.between[i] == state)
        if name in PLACES:
            return np.argwhere(scenes.places[i, PLACES.index(name)] == state)
        return np.argwhere(scenes.binary[i, BINARY.index(name)] == state)

    def sample(self, scenes: CachedScenes, i: int, count: int, rng: np.random.Generator) -> list[Question]:
        """Return `count` questions about scene `i`."""
        names = self.names(scenes, i, rng)
        asked: list[Question] = []
        pool: dict[tuple[int, int], np.ndarray] = {}
        order = rng.choice(len(FAMILIES), size=8 * count, p=_WEIGHTS / _WEIGHTS.sum())
        for family in order.tolist():
            answer = int(rng.random() < 0.5)
            key = (family, answer)
            if key not in pool:
                pool[key] = self.candidates(scenes, i, family, answer)
            if len(pool[key]) == 0:
                continue
            who = pool[key][rng.integers(len(pool[key]))].tolist()
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
        called = [f"the {COLOR_NAMES[color]} {KINDS[kind]}" if n == place else c for n, c in enumerate(called)]
        return who, called

    def prompt(self, scenes: CachedScenes, i: int, rng: np.random.Generator) -> str:
        """Return a prompt of 1-5 statements about scene `i`, all of them true half of the time."""
        asked = self.sample(scenes, i, 12, rng)
        keep = [q for q in asked if q.answer] if rng.random() < 0.5 else asked
        texts = [q.text for q in (keep or asked)[: int(rng.integers(1, 6))]]
        return ". ".join(text[0].upper() + text[1:] for text in texts) + "."

    def corpus(self, cache: SceneCache) -> Iterator[str]:
        """Yield texts for the tokenizer."""
        rng = np.random.default_rng(0)
        picked = cache.read(np.arange(min(len(cache), 2000)))
        for i in range(len(picked.images)):
            for question in self.sample(picked, i, 10, rng):
                yield "".join(piece for piece, _ in question.question)
            yield self.prompt(picked, i, rng)
        yield from ["Yes No Yes No Prompt: \nImage: \nOverall"] * 200
