"""What sources hand to the builder: pairs as they are drawn, and what went wrong where none could be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from spatial_trainers.pairs.records import Record


@dataclass(frozen=True)
class Draft:
    """A pair whose pictures are not on disk yet.

    Attributes:
        record: The pair record without its pictures' names and hashes.
        chosen, rejected: The pictures, RGB.
    """

    record: Record
    chosen: Image.Image
    rejected: Image.Image


@dataclass(frozen=True)
class Failure:
    """A number for which there is no pair.

    Attributes:
        id: That the pair would have had.
        stage: "prompt" or "image".
        reason: What happened, in a sentence.
        prompt: As far as there was one.
    """

    id: str
    stage: str
    reason: str
    prompt: str = ""


class PairSource(Protocol):
    """Draws pairs. What it draws for a number depends on the recipe, the split and the number alone."""

    def draw(self, split: str, numbers: range) -> list[Draft | Failure]:
        """Return one result for every number."""
        ...


class PromptSource(Protocol):
    """Writes prompts with their perturbed twins; as deterministic as a `PairSource`."""

    def write(self, split: str, numbers: range) -> list[Record | Failure]:
        """Return a pair record without anything about pictures for every number."""
        ...


def pair_id(split: str, number: int) -> str:
    """Return the id of a pair: "train-0000012"."""
    return f"{split}-{number:07d}"
