"""Drawing and judging: image k of prompt j is one file, one line of scores, one line of verdicts.

Everything is written by rename or line by line, so a run that is killed goes on, and a run that is done can
be continued with more images a prompt. Image k of prompt j has the seed `seed + 10,000 j + k`, however many
are drawn together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tqdm import tqdm

from spatial_core.atomic_files import atomic_path, write_text
from spatial_core.images import ImagesLike
from spatial_core.language.parser import parse_prompt
from spatial_core.scorers.base import PromptLike, RelationReport, SpatialScorer, SpatialScores
from spatial_core.spatial_accuracy import inverse_graph, spatial_accuracy
from spatial_trainers.bench.journal import read_journal
from spatial_trainers.bench.prompt_files import BenchPrompt
from spatial_trainers.pairs.data import chunks

SEEDS_PER_PROMPT = 10_000
RUN_FILE, SCORES, VERDICTS, FAILED = "run.json", "scores.jsonl", "verdicts.jsonl", "failed.json"

Place = tuple[int, int]
"""Number of the prompt, number of its image."""

Draw = Callable[[Sequence[str], Sequence[int]], Sequence[Image.Image]]
"""Takes B prompts and B seeds, returns B pictures."""


@dataclass(frozen=True)
class Run:
    """A folder with the images of some prompts, and what was said of them.

    Attributes:
        folder: Of the run.
        prompts: Its prompts.
        images: How many images of each.
        seed: Of the first image of the first prompt.
    """

    folder: Path
    prompts: tuple[BenchPrompt, ...]
    images: int
    seed: int = 0

    def places(self) -> list[Place]:
        """Return every image, prompt by prompt."""
        return [(j, k) for j in range(len(self.prompts)) for k in range(self.images)]

    def path(self, place: Place) -> Path:
        """Return the file of an image."""
        return self.folder / "images" / f"{place[0]:05d}" / f"{place[1]:04d}.png"

    def seed_of(self, place: Place) -> int:
        """Return the seed of an image."""
        return self.seed + SEEDS_PER_PROMPT * place[0] + place[1]

    def note(self, facts: Mapping[str, Any]) -> None:
        """Keep what the images depend on, and refuse to mix them with others.

        Raises:
            ValueError: If the folder was made for something else; names what differs.
        """
        texts = hashlib.sha256(json.dumps([p.text for p in self.prompts]).encode()).hexdigest()
        noted = {**facts, "seed": self.seed, "prompts": len(self.prompts), "prompts_sha256": texts}
        path = self.folder / RUN_FILE
        if path.is_file():
            before = json.loads(path.read_text("utf-8"))
            differs = sorted(k for k in {*before, *noted} if before.get(k) != noted.get(k))
            if differs:
                raise ValueError(
                    f"{self.folder} belongs to a run with another {', '.join(differs)} "
                    f"({', '.join(repr(before.get(k)) for k in differs)}). Choose another --out."
                )
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(noted, indent=2) + "\n")


def draw_images(run: Run, draw: Draw, *, batch_size: int) -> dict[Place, str]:
    """Draw what is missing; returns why an image could not be drawn, for those that could not.

    A generator that fails on one prompt is asked again for each image alone, what still fails is recorded
    in the folder, and the run goes on. The next run tries those again.
    """
    failed: dict[Place, str] = {}
    with tqdm(total=len(run.places()), desc="drawing", disable=None) as bar:
        # Always the same batches: what is drawn together may decide the last bit of a picture.
        for some in chunks(run.places(), batch_size):
            failed |= _draw(run, draw, some)
            bar.update(len(some))
    named = {f"{run.prompts[j].id}, image {k}": reason for (j, k), reason in failed.items()}
    write_text(run.folder / FAILED, json.dumps(named, indent=2) + "\n")
    return failed


def _draw(run: Run, draw: Draw, places: Sequence[Place]) -> dict[Place, str]:
    missing = [place for place in places if not run.path(place).is_file()]
    if not missing:
        return {}
    try:
        pictures = draw([run.prompts[j].text for j, _ in places], [run.seed_of(place) for place in places])
    except Exception as error:  # Whatever a third party's pipeline raises for one prompt, the others go on.
        if len(places) == 1:
            return {places[0]: f"{type(error).__name__}: {error}"}
        return {place: why for one in missing for place, why in _draw(run, draw, [one]).items()}
    for place, picture in zip(places, pictures, strict=True):
        if place in missing:
            run.path(place).parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(run.path(place)) as temporary:
                picture.save(temporary)
    return {}


def score_images(run: Run, scorer: SpatialScorer, *, batch_size: int) -> dict[int, str]:
    """Write the score of every image that is there and has none; returns why prompts were not scored."""

    def lines(places: Sequence[Place]) -> list[dict[str, Any]]:
        scores = scorer.score([run.path(p) for p in places], [run.prompts[j].text for j, _ in places])
        rows = zip(places, scores.mean.tolist(), scores.std.tolist(), strict=True)
        # NaN is no JSON: what could not be judged has no number.
        return [
            {"prompt": j, "image": k, "mean": m if m == m else None, "std": s if s == s else None}
            for (j, k), m, s in rows
        ]

    return _extend(run, run.folder / SCORES, lines, batch_size=batch_size, what="scoring", without={})


def judge_images(run: Run, judge: SpatialScorer, *, batch_size: int) -> dict[int, str]:
    """Write the verdicts on every image that is there and has none; returns why prompts were not judged.

    A prompt is judged by the relations that its words state. One without any, or whose things the judge does
    not know, is left out and said so.
    """
    silent = {
        j: "states no relation that could be inverted"
        for j, prompt in enumerate(run.prompts)
        if not inverse_graph(parse_prompt(prompt.text)).relations
    }

    def lines(places: Sequence[Place]) -> list[dict[str, Any]]:
        recorder = _Recorder(judge)
        found = spatial_accuracy(
            [run.path(p) for p in places], [run.prompts[j].text for j, _ in places], recorder
        )
        rows = zip(places, recorder.reports[0], found.correct, found.correct_by_chance, strict=True)
        return [
            {
                "prompt": j,
                "image": k,
                "correct": correct,
                "correct_by_chance": by_chance,
                "relations": [asdict(report) for report in reports],
            }
            for (j, k), reports, correct, by_chance in rows
        ]

    return _extend(run, run.folder / VERDICTS, lines, batch_size=batch_size, what="judging", without=silent)


def reports_of(line: Mapping[str, Any]) -> list[RelationReport]:
    """Return the reports of a line of verdicts."""
    return [
        RelationReport(
            **{
                **values,
                "span": tuple(values["span"]),
                "boxes": None if values["boxes"] is None else tuple(map(tuple, values["boxes"])),
            }
        )
        for values in line["relations"]
    ]


class _Recorder(SpatialScorer):
    """Passes questions on to a judge, and keeps the reports."""

    def __init__(self, judge: SpatialScorer) -> None:
        super().__init__()
        self.judge = judge
        self.reports: list[list[list[RelationReport]]] = []

    def score(
        self, images: ImagesLike, prompts: PromptLike | Sequence[PromptLike], *, explain: bool = False
    ) -> SpatialScores:
        """Return what the judge says."""
        scores = self.judge.score(images, prompts, explain=explain)
        self.reports.append(scores.relations or [])
        return scores


@torch.no_grad()
def _extend(
    run: Run,
    path: Path,
    lines: Callable[[Sequence[Place]], list[dict[str, Any]]],
    *,
    batch_size: int,
    what: str,
    without: Mapping[int, str],
) -> dict[int, str]:
    """Append the lines of every image that has none; returns `without` and the prompts that were refused."""
    done = {(line["prompt"], line["image"]) for line in read_journal(path)}
    left = [
        place
        for place in run.places()
        if place not in done and place[0] not in without and run.path(place).is_file()
    ]
    refused = dict(without)

    def made(places: Sequence[Place]) -> list[dict[str, Any]]:
        try:
            return lines(places)
        except ValueError as error:
            numbers = list(dict.fromkeys(j for j, _ in places))
            if len(numbers) == 1:
                refused[numbers[0]] = str(error)
                return []
            return [line for j in numbers for line in made([place for place in places if place[0] == j])]

    with path.open("a", encoding="utf-8") as file, tqdm(total=len(left), desc=what, disable=None) as bar:
        for some in chunks(left, batch_size):
            file.writelines(json.dumps(line) + "\n" for line in made(some))
            file.flush()
            bar.update(len(some))
    return refused
