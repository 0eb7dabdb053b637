"""Prompts of one's own: a text file with one a line, or JSONL with the kind of place beside each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_core.language.parser import parse_prompt
from spatial_trainers.dataset.build_recipe import BuildRecipe
from spatial_trainers.dataset.drafts import Failure, pair_id
from spatial_trainers.dataset.perturbed import perturbed_record
from spatial_trainers.pairs.records import SPLITS, Record

_LONGEST = 4000
"""Characters; no text encoder reads further."""


@dataclass(frozen=True)
class ListedPrompt:
    """A prompt of a list.

    Attributes:
        text: The prompt.
        scene: What kind of place it describes, "" if the list does not say.
    """

    text: str
    scene: str = ""


def read_prompts(path: str | Path) -> list[ListedPrompt]:
    """Return the prompts of a file, empty lines and repetitions left out.

    Raises:
        ValueError: If the file or a line cannot be read; names the line.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"Cannot read the prompts {path}: {error.strerror}. Check 'prompts.file'."
        ) from error
    found: dict[str, ListedPrompt] = {}
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            text = line.decode("utf-8").strip()
            if text:
                prompt = _prompt(text, json_lines=path.suffix == ".jsonl")
                found.setdefault(prompt.text, prompt)
        except ValueError as error:
            reason = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            raise ValueError(f"{path}, line {number}: the prompt {reason}. Correct or remove it.") from error
    if not found:
        raise ValueError(f"{path} holds no prompts. Write one a line.")
    return list(found.values())


def _prompt(line: str, *, json_lines: bool) -> ListedPrompt:
    text, scene = line, ""
    if json_lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"is not JSON ({error})") from error
        text, scene = (value.get("prompt"), value.get("scene", "")) if isinstance(value, dict) else (None, "")
        if not isinstance(text, str) or not text.strip() or not isinstance(scene, str):
            raise ValueError(f'must be {{"prompt": "...", "scene": "..."}}; got {line[:80]}')
        text = text.strip()
    if len(text) > _LONGEST:
        raise ValueError(f"has {len(text)} characters; at most {_LONGEST} are read")
    if any(ord(c) < 32 and c not in "\t\n\r" or 0xD800 <= ord(c) < 0xE000 for c in text):
        raise ValueError("has characters that are no text")
    return ListedPrompt(" ".join(text.split()), scene)


def share_out(prompts: Sequence[ListedPrompt], wanted: Mapping[str, int]) -> dict[str, list[ListedPrompt]]:
    """Return each split's prompts; those of one scene, or one text where no scene is given, go together.

    Splits get shares of the scenes as large as their shares of the pairs, but at least one where they want
    any. Which ones depends on the texts alone.

    Raises:
        ValueError: If there are fewer scenes than splits.
    """
    groups: dict[str, list[ListedPrompt]] = {}
    for prompt in prompts:
        groups.setdefault(prompt.scene or prompt.text, []).append(prompt)
    keys = sorted(groups, key=lambda key: hashlib.sha256(key.encode()).digest())
    splits = [split for split in reversed(SPLITS) if wanted[split]]
    if len(keys) < len(splits):
        raise ValueError(
            f"The prompts are of {len(keys)} scenes, and {len(splits)} splits share no scene. Add prompts, "
            "or ask for fewer splits."
        )
    shared: dict[str, list[ListedPrompt]] = {split: [] for split in SPLITS}
    for place, split in enumerate(splits):
        later = len(splits) - place - 1
        share = max(1, min(len(keys) - later, round(len(groups) * wanted[split] / sum(wanted.values()))))
        mine, keys = (keys[:share], keys[share:]) if later else (keys, [])
        shared[split] = [prompt for key in mine for prompt in groups[key]]
    return shared


class ListSource:
    """Perturbs the prompts of a list; pair n uses prompt n modulo their number, each time edited anew."""

    def __init__(self, recipe: BuildRecipe):
        """Read the recipe's list.

        Raises:
            ValueError: If it cannot be read or shared out.
        """
        self._recipe = recipe
        self._shared = share_out(read_prompts(recipe.prompts.file), recipe.wanted())

    def write(self, split: str, numbers: range) -> list[Record | Failure]:
        """Return a record for every number."""
        return [self._write(split, number) for number in numbers]

    def _write(self, split: str, number: int) -> Record | Failure:
        wish, listed = self._recipe.prompts, self._shared[split]
        prompt = listed[number % len(listed)]
        rng = rng_of(self._recipe.seed, "list", split, number)
        graph = parse_prompt(prompt.text)
        count = len(graph.relations)
        if not wish.min_relations <= count <= wish.max_relations:
            wanted = f"{wish.min_relations} to {wish.max_relations}"
            reason = f"{count} relations were read from it; {wanted} are wanted"
            return Failure(pair_id(split, number), "prompt", reason, prompt.text)
        return perturbed_record(
            graph,
            int(rng.choice(wish.num_edits)),
            rng,
            split=split,
            number=number,
            scene=prompt.scene,
            licence=self._recipe.licence,
        )


def rng_of(*key: Any) -> np.random.Generator:
    """Return the random numbers that belong to a key."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
